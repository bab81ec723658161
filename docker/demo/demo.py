#!/usr/bin/env python3
"""The demo: a mesh of real processes on this machine.

Three replicas of a small program, each beside a sidecar of its own, find their way into a distributed hash table; a
fourth sidecar finds them there and shares requests among them. While traffic runs one replica is killed and another is
asked to stop. Nothing listens beyond 127.0.0.1, and everything ends with this program.
"""
import argparse
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

SERVICE = "shop"
REPLICAS = ("shop-1", "shop-2", "shop-3")
CLIENTS = 6


GIVEN = set()   # whoever was given one may not have opened it yet


def free_ports(count):
    """Ports below the range from which clients' own ports are taken, free just now."""
    held, ports = [], []
    while len(ports) < count:
        port = random.randrange(18000, 32000)
        if port in GIVEN:
            continue
        probes = [socket.socket(), socket.socket(type=socket.SOCK_DGRAM)]   # the registry's are UDP
        held += probes
        try:
            for probe in probes:
                probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        ports.append(port)
        GIVEN.add(port)
    for probe in held:
        probe.close()
    return ports


def get_json(port, path, timeout=2):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def kill_all_of(process):
    """As a machine that loses power: the sidecar first, then its app."""
    os.kill(process.pid, signal.SIGKILL)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Mesh:
    """The processes, their ports and their folder."""

    def __init__(self, outrider, folder):
        self.outrider, self.folder = outrider, folder
        self.processes = {}          # name -> Popen
        self.ports = {}              # name -> dict of ports
        self.prometheus_port = None

    def tool(self, *words):
        done = subprocess.run([self.outrider, *words], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"demo: outrider {' '.join(words)} failed:\n{done.stdout}{done.stderr}")

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def prepare(self):
        self.tool("identity", "dev-ca", self.path("ca"))
        self.tool("identity", "mesh-key", self.path("mesh.key"))
        for name in ("seed", "web", *REPLICAS):
            account = SERVICE if name in REPLICAS else name
            self.tool("identity", "issue", "--ca", self.path("ca"), "--id",
                      f"spiffe://mesh.local/ns/default/sa/{account}", "--out", self.path("identity", name))

    def start(self, name, verb, settings, command=()):
        admin, health, metrics, dht = free_ports(4)
        ports = self.ports.setdefault(name, {})
        ports.update(admin=admin, health=health, metrics=metrics, dht=dht)
        seed = self.ports["seed"]["dht"]
        values = {
            "admin.address": f"127.0.0.1:{admin}",
            "admin.health": f"127.0.0.1:{health}",
            "telemetry.metrics.address": f"127.0.0.1:{metrics}",
            "identity.dir": self.path("identity", name),
            "node.id": name,
            "node.address": "127.0.0.1",
            "registry.bind": f"127.0.0.1:{dht}",
            "registry.key": self.path("mesh.key"),
            "registry.snapshot": self.path("state"),
            **settings,
        }
        if name != "seed":
            values["registry.bootstrap"] = f"127.0.0.1:{seed}"
        words = [self.outrider, verb]
        for key, value in values.items():
            words += ["--set", f"{key}={value}"]
        if command:
            words += ["--", *command]
        log = open(self.path(name + ".log"), "wb")
        self.processes[name] = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                                start_new_session=True)
        log.close()

    def start_all(self):
        self.start("seed", "dht", {})
        for name in REPLICAS:
            app, inbound, outbound = free_ports(3)
            self.ports[name] = {"app": app, "inbound": inbound, "outbound": outbound}
            self.start(name, "run", {
                "service.name": SERVICE, "service.port": app, "service.health.interval": "1s",
                "lifecycle.drain.delay": "1s",
                "listeners.inbound.address": f"127.0.0.1:{inbound}",
                "listeners.outbound.address": f"127.0.0.1:{outbound}",
            }, (sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "app.py"),
                "--name", name, "--port", str(app)))
        outbound, = free_ports(1)
        self.ports["web"] = {"outbound": outbound}
        self.start("web", "run", {"mode": "sidecar", "listeners.outbound.address": f"127.0.0.1:{outbound}"})

    def start_prometheus(self):
        program = shutil.which("prometheus")
        if not program:
            return
        self.prometheus_port, = free_ports(1)
        targets = ", ".join(f'"127.0.0.1:{self.ports[name]["metrics"]}"' for name in self.ports)
        with open(self.path("prometheus.yml"), "w", encoding="utf-8") as out:
            out.write("global: {scrape_interval: 2s}\nscrape_configs:\n"
                      f"  - {{job_name: outrider, static_configs: [{{targets: [{targets}]}}]}}\n")
        log = open(self.path("prometheus.log"), "wb")
        self.processes["prometheus"] = subprocess.Popen(
            [program, f"--config.file={self.path('prometheus.yml')}", f"--storage.tsdb.path={self.path('prometheus')}",
             f"--web.listen-address=127.0.0.1:{self.prometheus_port}"],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        log.close()

    def registry(self, name):
        return get_json(self.ports[name]["admin"], "/registry")

    def endpoints(self):
        clusters = get_json(self.ports["web"]["admin"], "/clusters")["clusters"]
        return next((c["endpoints"] for c in clusters if c["name"] == f"default/{SERVICE}"), [])

    def kill(self, name):
        kill_all_of(self.processes.pop(name))

    def stop(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        limit = time.monotonic() + 8
        for process in self.processes.values():
            try:
                process.wait(max(0.1, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()

    def check_alive(self):
        for name, process in self.processes.items():
            if process.poll() is not None:
                self.fail(f"{name} has ended with code {process.returncode}")

    def fail(self, text):
        sys.stdout.flush()
        print(f"\ndemo: {text}", file=sys.stderr)
        for name in self.ports:
            with open(self.path(name + ".log"), "rb") as log:
                tail = log.read().decode(errors="replace").splitlines()[-6:]
            print(f"--- {name}\n" + "\n".join(tail), file=sys.stderr)
        sys.exit(1)


class Traffic:
    """Callers that go through the web sidecar, one request after another each, and what came of it."""

    def __init__(self, port):
        self.port = port
        self.lock = threading.Lock()
        self.running = True
        self.counts = {}             # replica -> requests
        self.first, self.last = {}, {}   # replica -> time
        self.latencies, self.failures = [], []
        self.threads = [threading.Thread(target=self.call, daemon=True) for _ in range(CLIENTS)]

    def call(self):
        connection = None
        while self.running:
            started = time.monotonic()
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                    connection.connect()
                    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.request("GET", "/hello", headers={"Host": SERVICE})
                response = connection.getresponse()
                body = response.read()
                problem = None if response.status == 200 else f"{response.status} {body.decode(errors='replace').strip()}"
                replica = response.getheader("X-Replica")
                if response.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                problem, replica, connection = repr(error), None, None
            now = time.monotonic()
            with self.lock:
                self.latencies.append(now - started)
                if problem:
                    self.failures.append(problem)
                else:
                    self.counts[replica] = self.counts.get(replica, 0) + 1
                    self.first.setdefault(replica, now)
                    self.last[replica] = now
            time.sleep(0.002)

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.running = False
        for thread in self.threads:
            thread.join(10)

    def total(self):
        return sum(self.counts.values())


class Progress:
    """One line that is redrawn on a terminal, and a line a step elsewhere."""

    def __init__(self):
        self.live = sys.stdout.isatty()
        self.before = (time.monotonic(), 0)

    def show(self, traffic, note=""):
        with traffic.lock:
            counts, failures, total = dict(traffic.counts), len(traffic.failures), traffic.total()
        then, seen = self.before
        now = time.monotonic()
        self.before = (now, total)
        line = (f"  {(total - seen) / max(now - then, 1e-3):6.0f} requests/s   " +
                "   ".join(f"{name} {counts.get(name, 0):6d}" for name in REPLICAS) + f"   failures {failures}")
        if note:
            line += "   <- " + note
        if self.live and not note:
            print("\r" + line, end="", flush=True)
        else:
            print(("\r" if self.live else "") + line, flush=True)

    def during(self, traffic, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.5)
            if self.live:
                self.show(traffic)
        if not self.live:
            self.show(traffic)


def wait_for(what, limit, ready):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        try:
            found = ready()
            if found:
                return found
        except (OSError, ValueError, KeyError, http.client.HTTPException):
            pass
        time.sleep(0.01)
    raise TimeoutError(what)


def wait_registered(mesh, traffic_port):
    """When each replica's record was published, and all of them seen from web."""
    registered = {}

    def all_announced():
        mesh.check_alive()
        for name in REPLICAS:
            if name not in registered and mesh.registry(name)["announced"]:
                registered[name] = time.monotonic()
        return len(registered) == len(REPLICAS)

    try:
        wait_for("registration", 20, all_announced)
        ask = http.client.HTTPConnection("127.0.0.1", traffic_port, timeout=10)
        ask.request("GET", "/", headers={"Host": SERVICE})   # the first call makes web look for the service
        ask.getresponse().read()
        ask.close()
        wait_for("discovery", 20, lambda: sum(e["state"] == "ready" for e in mesh.endpoints()) == len(REPLICAS))
    except TimeoutError as missing:
        mesh.fail(f"waited in vain for {missing}")
    return registered


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] * 1000 if values else 0.0


def print_table(traffic, registered, killed, stopped):
    print(f"\n  {'replica':10} {'requests':>9}   {'registered -> first request':28} what happened")
    for name in REPLICAS:
        to_first = f"{max(0, traffic.first[name] - registered[name]) * 1000:.0f} ms" if name in traffic.first else "-"
        fate = "served to the end"
        if name in killed:
            fate = f"SIGKILL; last answer {(traffic.last[name] - killed[name]) * 1000:+.0f} ms from it"
        if name in stopped:
            fate = f"SIGTERM; last request {(traffic.last[name] - stopped[name]) * 1000:.0f} ms after it"
        print(f"  {name:10} {traffic.counts.get(name, 0):9d}   {to_first:28} {fate}")
    print(f"\n  {traffic.total()} requests, {len(traffic.failures)} failures, "
          f"p50 {percentile(traffic.latencies, 0.5):.1f} ms, p99 {percentile(traffic.latencies, 0.99):.1f} ms")
    for problem in traffic.failures[:5]:
        print(f"    failure: {problem}")


def check_prometheus(mesh):
    """Every proxy that lives is scraped, and the requests are to be seen."""
    def scraped():
        answer = get_json(mesh.prometheus_port, "/api/v1/query?query=" + urllib.parse.quote(
            'sum(outrider_requests_total{direction="outbound"})'))
        result = answer["data"]["result"]
        return float(result[0]["value"][1]) if result else 0
    try:
        return wait_for("a scrape", 20, scraped)
    except TimeoutError:
        mesh.fail("Prometheus has scraped nothing")


def play(mesh, seconds):
    traffic = Traffic(mesh.ports["web"]["outbound"])
    registered = wait_registered(mesh, traffic.port)
    print("  registered in the hash table, found by web:")
    for endpoint in sorted(mesh.endpoints(), key=lambda e: e["address"]):
        name = next(n for n in REPLICAS if endpoint["address"].endswith(f":{mesh.ports[n]['inbound']}"))
        print(f"    {name}  {endpoint['address']}  {endpoint['identity']}")
    print(f"  sending traffic: {CLIENTS} clients through web's sidecar to http://{SERVICE}/", flush=True)
    traffic.start()
    progress = Progress()
    progress.during(traffic, seconds / 3)
    killed, stopped = {}, {}
    killed["shop-2"] = time.monotonic()
    mesh.kill("shop-2")
    progress.show(traffic, "shop-2 killed (SIGKILL)")
    progress.during(traffic, seconds / 3)
    stopped["shop-3"] = time.monotonic()
    mesh.processes["shop-3"].send_signal(signal.SIGTERM)
    progress.show(traffic, "shop-3 asked to stop (SIGTERM)")
    progress.during(traffic, seconds / 3)
    traffic.stop()
    print_table(traffic, registered, killed, stopped)
    if mesh.prometheus_port:
        print(f"  Prometheus has scraped {check_prometheus(mesh):.0f} requests of web's sidecar")
    silent = [name for name in REPLICAS if not traffic.counts.get(name)]
    if silent:
        print(f"  no request reached {', '.join(silent)}")
    return not traffic.failures and not silent


def print_urls(mesh):
    web = mesh.ports["web"]
    print(f"""
  The mesh stays up. To try:
    curl -H 'Host: {SERVICE}' http://127.0.0.1:{web['outbound']}/      a request through web's sidecar
    {os.path.relpath(mesh.outrider)} endpoints default/{SERVICE} --admin 127.0.0.1:{web['admin']}
    {os.path.relpath(mesh.outrider)} stat --admin 127.0.0.1:{web['admin']}
    http://127.0.0.1:{web['admin']}/                                web's own page
    http://127.0.0.1:{web['metrics']}/metrics                         web's metrics""")
    if mesh.prometheus_port:
        print(f"    http://127.0.0.1:{mesh.prometheus_port}/                                Prometheus")
    print(f"    logs: {mesh.folder}\n  Ctrl-C ends it all.", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", required=True, help="the binary")
    parser.add_argument("--once", action="store_true", help="end after the table; exit 1 when a request failed")
    parser.add_argument("--seconds", type=float, default=15, help="how long traffic runs")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = tempfile.mkdtemp(prefix="outrider-demo-")
    mesh = Mesh(os.path.abspath(options.outrider), folder)
    good = False
    try:
        print("outrider demo: 3 replicas of a program with a sidecar each, a registry node, and a sidecar to call through")
        mesh.prepare()
        mesh.start_all()
        mesh.start_prometheus()
        good = play(mesh, options.seconds)
        if not options.once:
            print_urls(mesh)
            signal.pause()
    except KeyboardInterrupt:
        print()
    finally:
        mesh.stop()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
