#!/usr/bin/env python3
"""A mesh of real processes on this machine, measured: how soon a registration and a withdrawal are seen, what a kill
costs the callers, and what is left without the bootstrap nodes. Nothing listens beyond 127.0.0.1.

Ends with 1 when a target is missed. Times are the machine's as much as ours: run it on a quiet one.
"""
import argparse
import collections
import datetime
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "docker", "demo"))
from demo import Traffic, free_ports, get_json, kill_all_of, percentile, wait_for  # noqa: E402 (the path comes first)

SERVICE = "shop"
CALLER, WATCHER = "web-1", "web-2"
IDLE_LIMIT = 0.5                     # per cent of a core


class Mesh:
    """Bootstrap nodes, replicas of one service beside their sidecars, and two sidecars that call and watch it."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.processes, self.ports, self.starts = {}, {}, collections.Counter()
        self.tool("identity", "dev-ca", self.path("ca"))
        self.tool("identity", "mesh-key", self.path("mesh.key"))
        for account in (SERVICE, "seed", "web"):
            self.tool("identity", "issue", "--ca", self.path("ca"), "--id",
                      f"spiffe://mesh.local/ns/default/sa/{account}", "--out", self.path("identity", account))

    def tool(self, *words):
        subprocess.run([self.options.outrider, *words], check=True, stdout=subprocess.DEVNULL)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def log(self, name):
        """Of the process that runs now, or ran last, under that name."""
        return self.path(f"{name}.{self.starts[name]}.log")

    def ports_of(self, name):
        """The same at each start: who comes back is found where it was."""
        if name not in self.ports:
            names = ("admin", "metrics", "dht", "inbound", "outbound", "app")
            self.ports[name] = dict(zip(names, free_ports(len(names))))
        return self.ports[name]

    def start(self, name, verb, account, settings, command=(), seeds=None):
        ports = self.ports_of(name)
        if seeds is None:
            seeds = [seed for seed in self.ports if seed.startswith("seed") and seed != name]
        values = {
            "admin.address": f"127.0.0.1:{ports['admin']}",
            "admin.health": "off",
            "telemetry.metrics.address": f"127.0.0.1:{ports['metrics']}",
            "identity.dir": self.path("identity", account),
            "node.id": name,
            "node.address": "127.0.0.1",
            "registry.bind": f"127.0.0.1:{ports['dht']}",
            "registry.key": self.path("mesh.key"),
            "registry.snapshot": self.path("state"),
            "registry.lease": self.options.lease,
            **settings,
        }
        if seeds:
            values["registry.bootstrap"] = ",".join(f"127.0.0.1:{self.ports[seed]['dht']}" for seed in seeds)
        words = [self.options.outrider, verb]
        for key, value in values.items():
            words += ["--set", f"{key}={value}"]
        if command:
            words += ["--", *command]
        self.starts[name] += 1
        with open(self.log(name), "wb") as log:
            self.processes[name] = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                                    start_new_session=True)

    def start_seed(self, name):
        self.start(name, "dht", "seed", {})

    def start_replica(self, name, seeds=None):
        inbound, outbound, app = (self.ports_of(name)[key] for key in ("inbound", "outbound", "app"))
        self.start(name, "run", SERVICE, {
            "service.name": SERVICE, "service.port": app,
            "service.health.interval": "5s" if self.options.idle else "1s",
            "lifecycle.drain.delay": "1s",
            "listeners.inbound.address": f"127.0.0.1:{inbound}",
            "listeners.outbound.address": f"127.0.0.1:{outbound}",
        }, (sys.executable, os.path.join(ROOT, "docker", "demo", "app.py"), "--name", name, "--port", str(app)), seeds)

    def start_caller(self, name):
        self.start(name, "run", "web", {
            "mode": "sidecar",
            "listeners.outbound.address": f"127.0.0.1:{self.ports_of(name)['outbound']}",
            "telemetry.access_log.format": "json",
            "telemetry.access_log.to": self.path(name + ".access"),
        })

    def endpoints(self, connection):
        connection.request("GET", f"/clusters?cluster=default/{SERVICE}")
        answer = json.loads(connection.getresponse().read())
        return {each["address"]: each for cluster in answer["clusters"] for each in cluster["endpoints"]}

    def address(self, name):
        return f"127.0.0.1:{self.ports[name]['inbound']}"

    def kill(self, name):
        kill_all_of(self.processes.pop(name))

    def stop(self):
        for process in self.processes.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Watch:
    """What the watching sidecar knows of the service, asked again and again."""

    def __init__(self, mesh):
        self.mesh = mesh
        self.connection = http.client.HTTPConnection("127.0.0.1", mesh.ports[WATCHER]["admin"], timeout=10)

    def known(self):
        return self.mesh.endpoints(self.connection)

    def until(self, what, limit, ready):
        """The wall time at which `ready` of what is known first held."""
        wait_for(what, limit, lambda: ready(self.known()))
        return time.time()


def registered_at(path):
    """When the sidecar gave its registration to the registry, by its own log; None: not yet."""
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            if " info registered " in line:
                return datetime.datetime.fromisoformat(line.split()[0].replace("Z", "+00:00")).timestamp()
    return None


class Verdicts:
    def __init__(self):
        self.bad = []

    def line(self, what, value, good=True):
        print(f"  {what:58} {value}" + ("" if good else "   <- MISSED"), flush=True)
        if not good:
            self.bad.append(what)


def spread(values):
    return f"p50 {percentile(values, 0.5):.0f} ms, p99 {percentile(values, 0.99):.0f} ms, of {len(values)}"


def rotate(mesh, watch, replicas, rounds, verdicts):
    """Each round stops one replica with SIGTERM, sees it go, starts it again, and sees it come."""
    seen, gone = [], []
    for turn in range(rounds):
        name = replicas[turn % len(replicas)]
        asked = time.time()
        mesh.processes[name].send_signal(signal.SIGTERM)
        gone.append(watch.until(f"{name} to go", 60, lambda known: mesh.address(name) not in known) - asked)
        mesh.processes.pop(name).wait(30)
        mesh.start_replica(name)
        at = watch.until(f"{name} to come", 60, lambda known: mesh.address(name) in known)
        seen.append(max(0.0, at - registered_at(mesh.log(name))))
    verdicts.line("registration seen by a watching sidecar", spread(seen), percentile(seen, 0.99) < 2000)
    verdicts.line("SIGTERM withdrawal seen by it", spread(gone), percentile(gone, 0.99) < 1000)


def kill_some(mesh, watch, names, lease, verdicts):
    killed = {}
    for name in names:
        killed[name] = time.time()
        mesh.kill(name)
        time.sleep(1)
    left, took = dict(killed), []
    while left and time.time() < max(killed.values()) + 4 * lease:
        known = watch.known()
        for name in [name for name in left if mesh.address(name) not in known]:
            took.append(time.time() - left.pop(name))
        time.sleep(0.05)
    verdicts.line(f"records of {len(names)} killed with SIGKILL gone after (lease {lease} s)",
                  ", ".join(f"{each:.1f} s" for each in took) + (f"; {len(left)} never" if left else ""),
                  not left and max(took) <= lease + 10)


def tries_of(path):
    tries = collections.Counter()
    with open(path, encoding="utf-8") as log:
        for line in log:
            tries[json.loads(line)["tries"]] += 1
    return tries


def without_seeds(mesh, watch, replicas, verdicts):
    for seed in [name for name in mesh.processes if name.startswith("seed")]:
        mesh.kill(seed)
    traffic = Traffic(mesh.ports[CALLER]["outbound"])
    traffic.start()
    time.sleep(3)
    known = random.choice(replicas)
    mesh.start_replica("newcomer", seeds=[known])
    at = watch.until("the newcomer", 60, lambda endpoints: mesh.address("newcomer") in endpoints)
    verdicts.line("without bootstrap nodes: a newcomer that knows " + known,
                  f"seen after {max(0.0, at - registered_at(mesh.log('newcomer'))) * 1000:.0f} ms")
    name = random.choice(replicas)
    mesh.processes[name].send_signal(signal.SIGTERM)
    watch.until(f"{name} to go", 60, lambda endpoints: mesh.address(name) not in endpoints)
    mesh.processes.pop(name).wait(30)
    mesh.start_replica(name)
    at = watch.until(f"{name} to come back", 90, lambda endpoints: mesh.address(name) in endpoints)
    verdicts.line("without bootstrap nodes: a restart that remembers others",
                  f"seen after {max(0.0, at - registered_at(mesh.log(name))) * 1000:.0f} ms")
    wait_for("a request at the newcomer", 60, lambda: traffic.counts.get("newcomer"))
    traffic.stop()
    verdicts.line("without bootstrap nodes: traffic",
                  f"{traffic.total()} requests, {len(traffic.failures)} failures, {traffic.counts.get('newcomer', 0)} at the newcomer",
                  not traffic.failures)
    for problem in traffic.failures[:5]:
        print(f"    failure: {problem}")


def cpu_seconds(pid):
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="utf-8") as stat:
            total += int(stat.read().split()[0])
    return total / 1e9


def idle(mesh, seconds, verdicts):
    """CPU of each sidecar while nobody calls, without its app, in per cent of a core."""
    sidecars = [name for name in mesh.processes if not name.startswith("seed")]
    time.sleep(10)                                            # what begins a life is over
    before = {name: cpu_seconds(mesh.processes[name].pid) for name in sidecars}
    started = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - started
    shares = sorted(100 * (cpu_seconds(mesh.processes[name].pid) - before[name]) / took for name in sidecars)
    verdicts.line(f"CPU of an idle sidecar, {len(shares)} of them, over {took:.0f} s",
                  f"p50 {shares[len(shares) // 2]:.3f} %, max {shares[-1]:.3f} % of a core", shares[-1] <= IDLE_LIMIT)


def drill(mesh, watch, replicas, options, verdicts):
    traffic = Traffic(mesh.ports[CALLER]["outbound"])
    traffic.start()
    rotate(mesh, watch, replicas, options.rounds, verdicts)
    traffic.stop()
    verdicts.line("traffic meanwhile", f"{traffic.total()} requests, {len(traffic.failures)} failures, p50 "
                  f"{percentile(traffic.latencies, 0.5):.1f} ms, p99 {percentile(traffic.latencies, 0.99):.1f} ms",
                  not traffic.failures)
    for problem in traffic.failures[:5]:
        print(f"    failure: {problem}")

    traffic = Traffic(mesh.ports[CALLER]["outbound"])
    traffic.start()
    time.sleep(1)
    victims = random.sample(replicas, options.kills)
    kill_some(mesh, watch, victims, int(options.lease.rstrip("s")), verdicts)
    traffic.stop()
    verdicts.line("traffic meanwhile", f"{traffic.total()} requests, {len(traffic.failures)} failures", not traffic.failures)
    for problem in traffic.failures[:5]:
        print(f"    failure: {problem}")
    without_seeds(mesh, watch, [name for name in replicas if name not in victims], verdicts)
    tries = tries_of(mesh.path(CALLER + ".access"))
    verdicts.line("tries of a request at the caller, all along",
                  ", ".join(f"{count} x {n}" for n, count in sorted(tries.items())), max(tries) <= 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", default=os.path.join(ROOT, "build", "outrider"), help="the binary")
    parser.add_argument("--sidecars", type=int, default=20, help="how many, two of which call and watch")
    parser.add_argument("--rounds", type=int, default=50, help="registrations and withdrawals")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--lease", default="60s", help="registry.lease, in seconds")
    parser.add_argument("--idle", type=float, metavar="SECONDS", help="only this: CPU of each sidecar without traffic for so long")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = tempfile.mkdtemp(prefix="outrider-mesh-")
    replicas = [f"shop-{i + 1}" for i in range(options.sidecars - 2)]
    verdicts = Verdicts()
    mesh = Mesh(options, folder)
    try:
        load = os.getloadavg()
        print(f"mesh: {options.sidecars} sidecars, 2 bootstrap nodes, {os.cpu_count()} cores, load {load[0]:.1f}")
        for seed in ("seed-1", "seed-2"):
            mesh.start_seed(seed)
        for name in (CALLER, WATCHER):
            mesh.start_caller(name)
        for name in replicas:
            mesh.start_replica(name)
        for name in (CALLER, WATCHER):   # the first call makes it look for the service
            wait_for(f"{name} to call", 60, lambda: get_json(mesh.ports[name]["admin"], "/registry")["ready"])
            ask = http.client.HTTPConnection("127.0.0.1", mesh.ports[name]["outbound"], timeout=20)
            ask.request("GET", "/", headers={"Host": SERVICE})
            ask.getresponse().read()
            ask.close()
        watch = Watch(mesh)
        watch.until("all replicas", 60, lambda known: len(known) == len(replicas))
        if options.idle:
            idle(mesh, options.idle, verdicts)
        else:
            drill(mesh, watch, replicas, options, verdicts)
    except TimeoutError as missing:
        verdicts.line("waited in vain for", str(missing), False)
    finally:
        mesh.stop()
        if options.keep:
            print(f"  logs: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if verdicts.bad else 0)


if __name__ == "__main__":
    main()
