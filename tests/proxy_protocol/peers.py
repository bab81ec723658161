#!/usr/bin/env python3
"""PROXY protocol beside those who have spoken it for long: HAProxy and nginx in front and behind, curl in front.

  peers.py --outrider build/outrider

Whoever is not installed is left out, and that is said; without any of them the test ends with 77.
"""
import argparse
import contextlib
import http.client
import http.server
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 30                        # seconds, for anything that is waited for
SKIPPED = 77
HOST = "127.0.0.1"
failures = []


def check(what, found, expected):
    good = found == expected
    print(f"{'ok    ' if good else 'FAILED'} {what}{'' if good else f': {found!r}, not {expected!r}'}", flush=True)
    if not good:
        failures.append(what)


class Origin(http.server.ThreadingHTTPServer):
    """Says whom it takes for the client."""
    daemon_threads = True

    class Answer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self):
            body = f"{self.headers['x-forwarded-for']} {self.headers['x-forwarded-proto']}".encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    def __init__(self):
        super().__init__((HOST, 0), self.Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Stage:
    """Programs that run until the end, each with a folder's files."""

    def __init__(self, folder, outrider):
        self.folder, self.outrider, self.running = folder, outrider, []
        self.names = 0

    def path(self, name):
        return str(self.folder / name)

    def unix(self):
        """A path for a socket: ports that others take meanwhile would be a matter of luck."""
        self.names += 1
        return self.path(f"{self.names}.sock")

    def run(self, name, *command):
        with open(self.path(name + ".log"), "w", encoding="utf-8") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.running.append((name, process))
        return process

    def file(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")
        return self.path(name)

    def log(self, name):
        return (self.folder / (name + ".log")).read_text(encoding="utf-8")

    def wait(self, name, process, so):
        end = time.monotonic() + PATIENCE
        while not so():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{name} did not come up:\n{self.log(name)}")
            time.sleep(0.02)

    def proxy(self, name, listener, cluster):
        """Outrider with one listener on a port of its choice, which is returned; and the metrics' port."""
        config = self.file(name + ".yaml", f"""
version: 1
mode: edge
registry: {{kind: none}}
config: {{history: off, watch: off}}
lifecycle: {{drain: {{delay: 0s, time: 1s}}, upgrade: off}}
admin: {{address: off, health: off}}
telemetry: {{metrics: {{address: "{HOST}:0"}}}}
overload: {{threads: 1}}
listeners: {{edge: {{address: "{HOST}:0", {listener}}}}}
routes: {{edge: [{{cluster: web}}]}}
clusters: {{web: {{{cluster}}}}}
""")
        process = self.run(name, self.outrider, "run", "-c", config)
        self.wait(name, process, lambda: "listener=metrics" in self.log(name))
        ports = dict(re.findall(r"listening listener=(\w+) address=\S+:(\d+)", self.log(name)))
        return int(ports["edge"]), int(ports["metrics"])

    def haproxy(self, name, bind, server, more=""):
        config = self.file(name + ".cfg", f"""
global
  log stdout format raw local0
defaults
  mode tcp
  timeout connect 5s
  timeout client 20s
  timeout server 20s
  {more}
listen all
  bind {bind}
  server it {server}
""")
        process = self.run(name, shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", config)
        self.wait(name, process, lambda: answers(("unix", bind.split()[0].removeprefix("unix@"))))

    def nginx(self, name, text):
        config = self.file(name + ".conf", f"""
daemon off;
master_process off;
pid {self.path(name + '.pid')};
error_log stderr info;
{text}
""")
        process = self.run(name, shutil.which("nginx") or "/usr/sbin/nginx", "-p", str(self.folder), "-c", config)
        return process

    def end(self):
        for _, process in self.running:
            process.terminate()
        for name, process in self.running:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                failures.append(f"{name} had to be killed")


def connect(to):
    kind, where = to                     # unix and a path; tcp, or from an address, and a port
    client = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET)
    client.settimeout(PATIENCE)
    if kind.startswith("from "):
        client.bind((kind.removeprefix("from "), 0))
    client.connect(where if kind == "unix" else (HOST, where))
    return client


def answers(to):
    try:
        connect(to).close()
        return True
    except OSError:
        return False


def fetch(to, path="/", times=1, over=None):
    """The body of the last of several answers on one connection."""
    client = http.client.HTTPConnection("web", timeout=PATIENCE)
    client.sock = over(connect(to)) if over else connect(to)
    with contextlib.closing(client):
        for _ in range(times):
            client.request("GET", path)
            body = client.getresponse().read().decode()
    return body


def results(metrics, result):
    page = fetch(("tcp", metrics), "/metrics")
    return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines()
               if line.startswith("outrider_proxy_protocol_headers_total") and f'result="{result}"' in line)


def certificate(stage):
    cert, key = stage.path("cert.pem"), stage.path("key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                    "/CN=web.test", "-addext", "subjectAltName=DNS:web.test", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


def encrypted(cert):
    context = ssl.create_default_context(cafile=cert)
    return lambda plain: context.wrap_socket(plain, server_hostname="web.test")


TOLD = b"PROXY TCP4 203.0.113.9 198.51.100.7 4711 80\r\n"
TOLD6 = b"PROXY TCP6 2001:db8::9 2001:db8::1 4711 80\r\n"


def saying(first):
    def say(plain):
        plain.sendall(first)
        return plain
    return say


# --- the peers -----------------------------------------------------------------------------------------------------------

def with_haproxy(stage, origin, cert, key):
    """In front of us it says who calls; behind us it is told, and says so to the next."""
    for version, words in (("v1", "send-proxy"), ("v2", "send-proxy-v2"),
                           ("v2", "send-proxy-v2 proxy-v2-options crc32c,authority,unique-id,ssl")):
        port, metrics = stage.proxy(f"in-{stage.names}", "proxy_protocol: required", f'endpoints: ["{HOST}:{origin}"]')
        front = stage.unix()
        # The addresses of a client that came to a unix socket are none: it is told them by a header of ours first.
        stage.haproxy(f"front-{stage.names}", f"unix@{front} accept-proxy", f"{HOST}:{port} {words}")
        check(f"haproxy {words}: the client is told", fetch(("unix", front), times=2, over=saying(TOLD)), "203.0.113.9 http")
        check(f"haproxy {words}: of IPv6 too", fetch(("unix", front), over=saying(TOLD6)), "2001:db8::9 http")
        check(f"haproxy {words}: headers are counted", results(metrics, version), 2)

    port, metrics = stage.proxy("checked", "proxy_protocol: required", f'endpoints: ["{HOST}:{origin}"]')
    front = stage.unix()
    stage.haproxy("checks", f"unix@{front}", f"{HOST}:{port} send-proxy-v2 check inter 50ms check-send-proxy")
    end = time.monotonic() + PATIENCE
    while results(metrics, "local") < 3 and time.monotonic() < end:
        time.sleep(0.02)
    check("haproxy's health checks are LOCAL", results(metrics, "local") >= 3, True)

    port, metrics = stage.proxy("in-tls", f"proxy_protocol: required, tls: {{cert: {cert}, key: {key}}}", f'endpoints: ["{HOST}:{origin}"]')
    front = stage.unix()
    stage.haproxy("front-tls", f"unix@{front} accept-proxy", f"{HOST}:{port} send-proxy-v2")
    def through(plain):
        return encrypted(cert)(saying(TOLD)(plain))
    check("haproxy in front of TLS of ours", fetch(("unix", front), times=2, over=through), "203.0.113.9 https")

    both = pathlib.Path(cert).read_text(encoding="ascii") + pathlib.Path(key).read_text(encoding="ascii")
    port, metrics = stage.proxy("in-ended", "proxy_protocol: required", f'endpoints: ["{HOST}:{origin}"]')
    front = stage.unix()
    stage.haproxy("front-ended", f"unix@{front} accept-proxy ssl crt {stage.file('both.pem', both)}", f"{HOST}:{port} send-proxy-v2-ssl")
    check("haproxy ends TLS and says so", fetch(("unix", front), over=through), "203.0.113.9 https")

    for version in ("v1", "v2"):
        last, metrics = stage.proxy(f"last-{version}", "proxy_protocol: required", f'endpoints: ["{HOST}:{origin}"]')
        middle = stage.unix()
        stage.haproxy(f"behind-{version}", f"unix@{middle} accept-proxy", f"{HOST}:{last} send-proxy-v2")
        first, _ = stage.proxy(f"out-{version}", "proxy_protocol: optional, http: {forwarded: off}",
                               f'endpoints: ["unix:{middle}"], proxy_protocol: {version}, health_check: {{tcp: connect, interval: 1s}}')
        check(f"haproxy accept-proxy is told by {version}", fetch(("tcp", first), times=2, over=saying(TOLD)), "203.0.113.9 http")
        check(f"haproxy accept-proxy is told who called directly by {version}", fetch(("tcp", first), times=2), f"{HOST} http")


def with_nginx(stage, origin, cert, key):
    """As an HTTP server that reads headers; and with its stream module as one that sends them."""
    for version in ("v1", "v2"):
        behind = stage.unix()
        process = stage.nginx(f"nginx-{version}", f"""
events {{}}
http {{
  access_log off;
  client_body_temp_path {stage.path('body')}; proxy_temp_path {stage.path('proxy')}; fastcgi_temp_path {stage.path('fast')};
  uwsgi_temp_path {stage.path('uwsgi')}; scgi_temp_path {stage.path('scgi')};
  server {{
    listen unix:{behind} proxy_protocol;
    location / {{ return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_port"; }}
  }}
}}
""")
        stage.wait(f"nginx-{version}", process, lambda path=behind: answers(("unix", path)))
        port, _ = stage.proxy(f"to-nginx-{version}", "protocol: auto",
                              f'endpoints: ["unix:{behind}"], proxy_protocol: {version}, health_check: {{tcp: connect, interval: 1s}}')
        client = connect(("tcp", port))
        own = client.getsockname()[1]
        for _ in range(2):
            connection = http.client.HTTPConnection("web", timeout=PATIENCE)
            connection.sock = client
            connection.request("GET", "/")
            check(f"nginx reads {version}", connection.getresponse().read().decode(), f"{HOST} {own} {port}")
        client.close()

    module = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    if not module.exists():
        return print("skipped: nginx has no stream module (libnginx-mod-stream)")
    port, metrics = stage.proxy("from-nginx", "proxy_protocol: required", f'endpoints: ["{HOST}:{origin}"]')
    # nginx takes no port that happens to be free, so one is kept for it: bound, and never listened on.
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind((HOST, 0))
        front = kept.getsockname()[1]
        process = stage.nginx("nginx-stream", f"""
load_module {module};
events {{}}
stream {{
  server {{
    listen {HOST}:{front} reuseport;
    proxy_pass {HOST}:{port};
    proxy_protocol on;
  }}
}}
""")
        stage.wait("nginx-stream", process, lambda: answers(("tcp", front)))
        other = "127.0.0.2"             # of this machine, too, and not nginx's own
        check("nginx says who calls", fetch(("from " + other, front), times=2), f"{other} http")
    check("nginx's headers are counted", results(metrics, "v1") >= 1, True)
    return None


def with_curl(stage, origin, cert, key):
    port, metrics = stage.proxy("curl", "proxy_protocol: required", f'endpoints: ["{HOST}:{origin}"]')
    secure, _ = stage.proxy("curl-tls", f"proxy_protocol: required, tls: {{cert: {cert}, key: {key}}}", f'endpoints: ["{HOST}:{origin}"]')

    def curl(*words):
        return subprocess.run(["curl", "-s", "--noproxy", "*", "--max-time", str(PATIENCE), *words], capture_output=True, text=True, check=False)
    check("curl --haproxy-protocol", curl("--haproxy-protocol", f"http://{HOST}:{port}/").stdout, f"{HOST} http")
    check("curl without it is refused", curl(f"http://{HOST}:{port}/").returncode != 0, True)
    check("and that is counted", results(metrics, "missing"), 1)
    check("curl --haproxy-protocol, HTTP/2 by prior knowledge",
          curl("--haproxy-protocol", "--http2-prior-knowledge", f"http://{HOST}:{port}/").stdout, f"{HOST} http")
    for version in ("--http1.1", "--http2"):
        check(f"curl --haproxy-protocol {version} over TLS",
              curl("--haproxy-protocol", version, "--cacert", cert, "--resolve", f"web.test:{secure}:{HOST}", f"https://web.test:{secure}/").stdout,
              f"{HOST} https")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--outrider", required=True)
    options = parser.parse_args()
    peers = {"haproxy": with_haproxy, "nginx": with_nginx, "curl": with_curl}
    there = [name for name in peers if shutil.which(name) or pathlib.Path("/usr/sbin", name).exists()]
    for name in peers.keys() - set(there):
        print(f"skipped: {name} is not installed")
    if not there or not shutil.which("openssl"):
        print("skipped: nobody is there who speaks PROXY protocol, or openssl is not")
        return SKIPPED
    origin = Origin().server_address[1]
    with tempfile.TemporaryDirectory(prefix="outrider-peers-") as folder:
        stage = Stage(pathlib.Path(folder), str(pathlib.Path(options.outrider).resolve()))
        try:
            cert, key = certificate(stage)
            for name in there:
                try:
                    peers[name](stage, origin, cert, key)
                except (OSError, RuntimeError, http.client.HTTPException) as error:
                    failures.append(name)
                    print(f"FAILED {name}: {error!r}; what its programs said last:\n" +
                          "".join(f"--- {each}\n{stage.log(each)}" for each, _ in stage.running[-3:]))
        finally:
            stage.end()
    print(f"{len(failures)} failed" if failures else "all good")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
