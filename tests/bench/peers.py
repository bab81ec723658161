"""How each proxy is started: one worker, logging off, metrics as they come, room for the same number of connections."""
import os
import re
import shutil
import socket
import subprocess
import sys

from local import HOST, free_ports

CLIENTS = 9000               # whom each has room for
FOREVER = 1_000_000_000      # requests of one connection


def program(name):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not path:
        sys.exit(f"bench: {name} is needed and is not installed (./dev bench installs it)")
    return path


def write(path, text):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return path


def nginx_command(folder, body, connections, first=""):
    config = write(os.path.join(folder, "nginx.conf"),
                   f"{first}daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log crit;\n"
                   f"events {{ worker_connections {connections}; }}\n{body}")
    return [program("nginx"), "-p", folder, "-e", os.path.join(folder, "error.log"), "-c", config]


def loopback_listener(port):
    """Every address of the loopback net and nothing else, so that one backend can be as many endpoints as are wanted."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    listener.bind(("0.0.0.0", port))
    listener.listen(4096)
    return listener


def backend_command(folder, port, h2_port):
    """Inherits the first listener. Small answers come from memory: the backend and the load share a core, and the busier
    that is, the smaller are the batches in which the proxies work."""
    with open(os.path.join(folder, "1m"), "wb") as out:
        out.write(os.urandom(1 << 20))
    files = f'location = /small {{ return 200 "hello, world\\n"; }} location / {{ root {folder}; }}'
    return nginx_command(folder, "http { access_log off; sendfile on; tcp_nopush on; open_file_cache max=10 inactive=600s; "
                                 f"keepalive_timeout 600s; keepalive_requests {FOREVER};\n"
                                 f"server {{ listen 0.0.0.0:{port} backlog=4096; {files} location = /status {{ stub_status; }} }}\n"
                                 f"server {{ listen {HOST}:{h2_port} http2 backlog=4096; {files} }} }}\n", 16384)


def stream_module():
    """The line that gives nginx its TCP side; null where this nginx has none."""
    built = said(program("nginx"), "-V")
    if re.search(r"--with-stream(\s|$)", built):
        return ""
    folder = re.search(r"--modules-path=(\S+)", built)
    module = os.path.join(folder.group(1) if folder else "", "ngx_stream_module.so")
    return f"load_module {module};\n" if os.path.exists(module) else None


def nginx(folder, mode, port, to):
    listen = f"listen {HOST}:{port} {'http2 ' if mode == 'h2' else ''}backlog=4096;"
    if mode == "h2-h2":
        return None
    if mode == "tcp":
        module = stream_module()
        return None if module is None else nginx_command(
            folder, f"stream {{ server {{ {listen} proxy_pass {HOST}:{to}; }} }}\n", CLIENTS + 1000, module)
    keep = f"keepalive_timeout 600s; keepalive_requests {FOREVER};"
    return nginx_command(folder, f"http {{ access_log off; {keep}\nupstream up {{ server {HOST}:{to}; keepalive 512; {keep} }}\n"
                                 f"server {{ {listen} location / {{ proxy_pass http://up; proxy_http_version 1.1; "
                                 "proxy_set_header Connection \"\"; } } }\n", CLIENTS + 1000)


def haproxy(folder, mode, port, to):
    config = write(os.path.join(folder, "haproxy.cfg"),
                   f"global\n  nbthread 1\n  maxconn {CLIENTS}\ndefaults\n  mode {'tcp' if mode == 'tcp' else 'http'}\n"
                   "  timeout connect 5s\n"
                   "  timeout client 600s\n  timeout server 600s\n  timeout http-keep-alive 600s\n"
                   f"listen web\n  bind {HOST}:{port} backlog 4096{' proto h2' if mode.startswith('h2') else ''}\n"
                   f"  server a {HOST}:{to}{' proto h2' if mode == 'h2-h2' else ''}\n")
    return [program("haproxy"), "-db", "-f", config]


def quiet_settings(words):
    for setting in ("admin.address=off", "admin.health=off", f"telemetry.metrics.address={HOST}:{free_ports(1)[0]}",
                    "telemetry.log.level=error", "overload.threads=1"):
        words += ["--set", setting]
    return words


def outrider(binary, dht=False):
    def command(folder, mode, port, to):
        words = quiet_settings([binary, "run", "--listen", f"{HOST}:{port}", "--to", f"{HOST}:{to}"])
        words += ["--set", f"listeners.edge.limits.connections={CLIENTS}", "--set", "listeners.edge.timeouts.idle=600s"]
        if mode == "tcp":
            words += ["--set", "listeners.edge.protocol=tcp", "--set", "clusters.web.protocol=tcp"]
        if mode == "h2-h2":
            words += ["--set", "clusters.web.protocol=http2"]
        if dht:
            words += ["--set", "registry.kind=dht", "--set", f"registry.bind={HOST}:{free_ports(1)[0]}",
                      "--set", "registry.snapshot=off"]
        return words
    return command


def said(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def has_dht(binary):
    return "registry: DHT" in said(binary, "version")


def versions(binary):
    """Of the three, one line each."""
    return {"outrider": said(binary, "version").split("\n")[0],
            "haproxy": re.match(r"HAProxy version (\S+)", said(program("haproxy"), "-v")).group(1),
            "nginx": re.search(r"nginx/(\S+)", said(program("nginx"), "-v")).group(1)}
