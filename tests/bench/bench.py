#!/usr/bin/env python3
"""What a proxied request costs, beside HAProxy and nginx in the same run.

A backend (nginx) and the load (wrk) run on one core, one proxy at a time on another; proxies take turns, A B C A B C, and
only figures of one run compare. CPU is what the kernel charged to all processes of the proxy (/proc/PID/schedstat).
"""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from local import HOST, free_ports

WORKLOADS = {                # name -> (mode, wrk connections, path)
    "http": ("http", 64, "/small"),
    "http-1m": ("http", 16, "/1m"),
    "tcp": ("tcp", 64, "/small"),
    "tcp-1m": ("tcp", 16, "/1m"),
}


def program(name):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not path:
        sys.exit(f"bench: {name} is needed and is not installed (./dev bench installs it)")
    return path


def write(path, text):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return path


def nginx_command(folder, body):
    config = write(os.path.join(folder, "nginx.conf"),
                   f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;\n"
                   "worker_rlimit_nofile 8192; events { worker_connections 4096; }\n" + body)
    return [program("nginx"), "-p", folder, "-e", os.path.join(folder, "error.log"), "-c", config]


def backend_command(folder, port):
    write(os.path.join(folder, "small"), "hello, world\n")
    with open(os.path.join(folder, "1m"), "wb") as out:
        out.write(os.urandom(1 << 20))
    return nginx_command(folder, "http { access_log off; keepalive_requests 1000000000; sendfile on; "
                                 f"server {{ listen {HOST}:{port} backlog=1024; root {folder}; }} }}\n")


def nginx(folder, mode, port, to):
    if mode == "tcp":
        return None                      # Debian's nginx-light has no stream module
    return nginx_command(folder, f"http {{ access_log off; keepalive_requests 1000000000; proxy_buffering on;\n"
                                 f"upstream up {{ server {HOST}:{to}; keepalive 256; keepalive_requests 1000000000; }}\n"
                                 f"server {{ listen {HOST}:{port} backlog=1024; location / {{ proxy_pass http://up; "
                                 "proxy_http_version 1.1; proxy_set_header Connection \"\"; } } }\n")


def haproxy(folder, mode, port, to):
    config = write(os.path.join(folder, "haproxy.cfg"),
                   f"global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode {mode}\n  timeout connect 1s\n  timeout client 30s\n"
                   f"  timeout server 30s\nlisten web\n  bind {HOST}:{port}\n  server a {HOST}:{to}\n")
    return [program("haproxy"), "-db", "-f", config]


def outrider(binary):
    def command(_, mode, port, to):
        words = [binary, "run", "--listen", f"{HOST}:{port}", "--to", f"{HOST}:{to}", "--set", "overload.threads=1"]
        for setting in ("admin.address=off", "admin.health=off", f"telemetry.metrics.address={HOST}:{free_ports(1)[0]}",
                        "telemetry.log.level=error"):
            words += ["--set", setting]
        if mode == "tcp":
            words += ["--set", "listeners.edge.protocol=tcp", "--set", "clusters.web.protocol=tcp"]
        return words
    return command


class Running:
    """A program and its children, on one core."""

    def __init__(self, command, core):
        self.process = subprocess.Popen(["taskset", "-c", str(core), *command], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)

    def pids(self):
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat", encoding="utf-8") as stat:
                        session = stat.read().rsplit(")", 1)[1].split()[3]
                except OSError:
                    continue
                if session == str(self.process.pid):
                    found.append(entry)
        return found

    def cpu_seconds(self):
        total = 0
        for pid in self.pids():
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="utf-8") as stat:
                    total += int(stat.read().split()[0])
        return total / 1e9

    def resident_kib(self):
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as rollup:
                total += int(re.search(r"Pss:\s+(\d+)", rollup.read()).group(1))
        return total

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def wait_open(port, running):
    for _ in range(500):
        try:
            socket.create_connection((HOST, port), 0.2).close()
            return
        except OSError:
            if running.process.poll() is not None:
                break
            time.sleep(0.01)
    sys.exit(f"bench: {' '.join(running.process.args)} does not listen on {port}")


def load(port, connections, path, duration, core):
    text = subprocess.run(["taskset", "-c", str(core), program("wrk"), "-t", "1", "-c", str(connections), "-d", f"{duration}s",
                           "--latency", f"http://{HOST}:{port}{path}"], capture_output=True, text=True, check=True).stdout
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    seconds = float(re.search(r"requests in ([\d.]+)s", text).group(1))
    errors = sum(int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", text))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return requests, requests / seconds, errors + (int(bad.group(1)) if bad else 0)


def measure(name, proxies, options, folder, backend_port, load_core, proxy_core):
    mode, connections, path = WORKLOADS[name]
    runs = {}
    for _ in range(options.rounds):
        for proxy, make in proxies.items():
            place = tempfile.mkdtemp(dir=folder)
            port = free_ports(1)[0]
            command = make(place, mode, port, backend_port)
            if not command:
                continue
            running = Running(command, proxy_core)
            try:
                wait_open(port, running)
                memory = running.resident_kib()
                load(port, connections, path, 1, load_core)           # warm
                before = running.cpu_seconds()
                requests, rate, errors = load(port, connections, path, options.seconds, load_core)
                cpu = (running.cpu_seconds() - before) / max(requests, 1) * 1e6
                runs.setdefault(proxy, []).append({"cpu_us": cpu, "rate": rate, "errors": errors, "memory_kib": memory})
            finally:
                running.stop()
    return runs


def print_table(name, runs):
    print(f"\n{name}")
    print(f"  {'':10} {'CPU us/request':>15} {'min..max':>16} {'requests/s':>11} {'start MiB':>10} {'errors':>7} {'beside outrider':>16}")
    ours = statistics.median(r["cpu_us"] for r in runs["outrider"])
    for proxy, rows in runs.items():
        cpu = [r["cpu_us"] for r in rows]
        median = statistics.median(cpu)
        print(f"  {proxy:10} {median:15.1f} {min(cpu):7.1f}..{max(cpu):<7.1f} {statistics.median(r['rate'] for r in rows):11.0f} "
              f"{statistics.median(r['memory_kib'] for r in rows) / 1024:10.1f} {sum(r['errors'] for r in rows):7d} {median / ours:15.2f}x")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="two rounds of one second")
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="default: all")
    parser.add_argument("--json", metavar="FILE", help="keep every run")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 2, 1
    cores = sorted(os.sched_getaffinity(0))
    proxy_core, load_core = cores[0], cores[-1]
    folder = tempfile.mkdtemp(prefix="outrider-bench-")
    os.chmod(folder, 0o755)
    backend_port = free_ports(1)[0]
    place = os.path.join(folder, "backend")
    os.mkdir(place)
    backend = Running(backend_command(place, backend_port), load_core)
    everything = {}
    try:
        wait_open(backend_port, backend)
        proxies = {"outrider": outrider(os.path.abspath(options.outrider)), "haproxy": haproxy, "nginx": nginx}
        for name in options.workload or WORKLOADS:
            everything[name] = measure(name, proxies, options, folder, backend_port, load_core, proxy_core)
            print_table(name, everything[name])
    finally:
        backend.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        write(options.json, json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
