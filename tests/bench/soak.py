#!/usr/bin/env python3
"""A long run: a sidecar that calls a service at a steady rate while replicas of that service come and go, each a
newcomer at a new place, as pods are. Saturation is measured first, with the load's own program and connections; the load
is a share of it (or --rate).

Ends with 1 when memory is not flat after the first minute, a descriptor stays open, a request fails, or the load was not
what is wanted (--reached). Nothing listens beyond 127.0.0.1; ends with 77 where h2load (nghttp2-client) is missing.
"""
import argparse
import collections
import http.client
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from mesh import CALLER, SERVICE, Mesh, Verdicts, get_json, wait_for

CONNECTIONS, EACH = 32, 100          # at a first look at saturation; requests/s of one connection of the load
FIXED = "shop-1"                     # the replica that stays
SOON_IDLE = {"defaults.cluster.pool.idle_timeout": "2s"}   # so that a rest at the end has no more descriptors than the start


class Shop(Mesh):
    """All replicas share one app, itself a proxy that answers at once: Python would be the bottleneck."""

    def start_app(self):
        port = self.ports_of("app")["app"]
        config = self.path("app.yaml")
        with open(config, "w", encoding="utf-8") as out:
            out.write(f'version: 1\nmode: edge\nlisteners: {{app: {{address: "127.0.0.1:{port}"}}}}\n'
                      'routes: {app: [{respond: {status: 200, body: "hello, world\\n"}}]}\n'
                      "admin: {address: off, health: off}\ntelemetry: {metrics: {address: off}}\n")
        with open(self.path("app.log"), "wb") as log:
            self.processes["app"] = subprocess.Popen([self.options.outrider, "run", "-c", config], stdout=log, stderr=log,
                                                     stdin=subprocess.DEVNULL, start_new_session=True)

    def start_replica(self, name, seeds=None):
        ports = self.ports_of(name)
        self.start(name, "run", SERVICE, {
            "service.name": SERVICE, "service.port": self.ports["app"]["app"], "service.health.interval": "1s",
            "lifecycle.drain.delay": "1s", **SOON_IDLE,
            "listeners.inbound.address": f"127.0.0.1:{ports['inbound']}",
            "listeners.outbound.address": f"127.0.0.1:{ports['outbound']}",
        }, seeds=seeds)

    def start_caller(self, name):
        self.start(name, "run", "web", {
            "mode": "sidecar",
            "listeners.outbound.address": f"127.0.0.1:{self.ports_of(name)['outbound']}",
            **SOON_IDLE,
        })

    def known(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[CALLER]["admin"], timeout=10)
        try:
            return self.endpoints(connection)
        finally:
            connection.close()

    def scrape(self, name):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[name]["metrics"], timeout=10)
        try:
            connection.request("GET", "/metrics")
            return len(connection.getresponse().read())
        finally:
            connection.close()


class Churn(threading.Thread):
    """Every few seconds a newcomer is started and seen, then the oldest but the fixed one is told to stop and seen to go."""

    def __init__(self, mesh, replicas, pause, patience):
        super().__init__(daemon=True)
        self.mesh, self.pause, self.patience = mesh, pause, patience
        self.living, self.number = collections.deque(replicas), len(replicas) + 1
        self.ending, self.rounds, self.problems = threading.Event(), 0, []

    def run(self):
        while not self.ending.wait(self.pause):
            try:
                self.one_round()
                self.rounds += 1
            except TimeoutError as missing:
                self.problems.append(f"waited in vain for {missing}")
                return
            except (OSError, subprocess.SubprocessError) as trouble:
                self.problems.append(str(trouble))
                return

    def newcomer(self):
        """The name of one that is up and seen. Somebody else may have taken its port in the meantime: then another."""
        while True:
            self.number += 1
            name = f"shop-{self.number}"
            self.mesh.start_replica(name)
            process = self.mesh.processes[name]
            wait_for(f"{name} to come", self.patience,
                     lambda: process.poll() is not None or self.mesh.address(name) in self.mesh.known())
            if process.poll() is None:
                return name
            self.mesh.processes.pop(name)
            with open(self.mesh.log(name), encoding="utf-8") as log:
                if "address already in use" not in (said := log.read()):
                    raise OSError(f"{name} ended: {said[-300:]}")

    def one_round(self):
        self.living.append(self.newcomer())
        oldest = self.living.popleft()
        process = self.mesh.processes[oldest]
        process.send_signal(signal.SIGTERM)
        wait_for(f"{oldest} to go", self.patience, lambda: self.mesh.address(oldest) not in self.mesh.known())
        code = process.wait(self.patience)
        self.mesh.processes.pop(oldest)
        if code == 0:
            os.remove(self.mesh.log(oldest))
        else:
            self.problems.append(f"{oldest} ended with {code}")

    def stop(self):
        self.ending.set()
        self.join()


def h2load(port, connections, seconds, *more):
    """What it says in the end, of as much as goes through or of what `more` asks for."""
    return subprocess.run(["h2load", "--h1", "-D", str(seconds), "-c", str(connections), *more,
                           "--connect-to", f"127.0.0.1:{port}", f"http://{SERVICE}/"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds + 120).stdout


def counts_of(text):
    """Requests that were done, and that failed; None: it says nothing of them."""
    found = re.search(r"requests: .* (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
    return found and (int(found[2]), int(found[1]) - int(found[2]))


def saturation(port, connections, seconds):
    done, failed = counts_of(h2load(port, connections, seconds)) or (0, 0)
    if done == 0 or failed:
        sys.exit(f"soak: {done} requests, {failed} failed while saturation was measured")
    return done / seconds


class Load(threading.Thread):
    """h2load at a fixed rate, one run after another, and the sum of what they say. A connection carries one request at a time:
    there are so many that each has 1 / EACH seconds for it."""

    def __init__(self, port, rate, connections, slice_seconds):
        super().__init__(daemon=True)
        self.port, self.rate, self.connections, self.slice = port, rate, connections, slice_seconds
        self.ending, self.done, self.failed, self.seconds, self.problems = threading.Event(), 0, 0, 0.0, []

    def run(self):
        started = time.monotonic()
        while not self.ending.is_set() and len(self.problems) < 10:
            try:
                text = h2load(self.port, self.connections, self.slice, f"--rps={self.rate / self.connections:g}")
            except subprocess.TimeoutExpired as hung:
                self.problems.append(str(hung))
                return
            self.seconds = time.monotonic() - started
            counts = counts_of(text)
            if not counts:
                self.problems.append(text[-500:])
                continue
            self.done += counts[0]
            self.failed += counts[1]
            if counts[1]:
                said = "; ".join(re.findall(r"^(?:requests|status).*$", text, re.M))
                self.problems.append(f"{time.strftime('%H:%M:%S')} {said}")

    def reached(self):
        return self.done / max(self.seconds, 1)

    def stop(self):
        self.ending.set()
        self.join()


def connections_for(rate):
    return max(1, math.ceil(rate / EACH))


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Watched:
    """One long-lived process: its resident memory and descriptors over time."""

    def __init__(self, name, process):
        self.name, self.pid, self.samples = name, process.pid, []
        self.at_rest = descriptors(self.pid)

    def sample(self, elapsed):
        self.samples.append((elapsed, resident_kib(self.pid), descriptors(self.pid)))

    def text(self):
        _, resident, fds = self.samples[-1]
        return f"{self.name} {resident} KiB {fds} fds"

    def judge(self, options, verdicts):
        if options.memory:
            later = [resident for elapsed, resident, _ in self.samples if elapsed >= options.settle]
            spread = max(later) - min(later)
            verdicts.line(f"{self.name}: resident after the first {options.settle:.0f} s",
                          f"{min(later)} to {max(later)} KiB, apart {spread} KiB (limit {options.flat} KiB)",
                          spread <= options.flat)
        try:
            wait_for("descriptors", 60, lambda: descriptors(self.pid) <= self.at_rest)
        except TimeoutError:
            pass
        now = descriptors(self.pid)
        verdicts.line(f"{self.name}: descriptors at rest", f"{self.at_rest} before, {now} after", now <= self.at_rest)


def soak(mesh, churn, options, verdicts):
    port = mesh.ports[CALLER]["outbound"]
    watched = [Watched(name, mesh.processes[name]) for name in (CALLER, FIXED, "seed-1")]
    if options.rate:
        rate, connections = options.rate, connections_for(options.rate)
    else:
        connections = connections_for(saturation(port, CONNECTIONS, 5) * options.share / 100)
        full = saturation(port, connections, 10)
        rate = full * options.share / 100
        print(f"  saturation {full:.0f} requests/s over {connections} connections; load {rate:.0f} requests/s", flush=True)
    load = Load(port, rate, connections, options.slice)
    started = time.monotonic()
    load.start()
    churn.start()
    while (elapsed := time.monotonic() - started) < options.seconds:
        time.sleep(options.every)
        mesh.scrape(CALLER)
        for each in watched:
            each.sample(time.monotonic() - started)
        if len(watched[0].samples) % 6 == 0:
            print(f"  {elapsed:5.0f} s  {load.done} requests, {load.reached():.0f} a second, {load.failed} failed, "
                  f"{churn.rounds} replaced; " + ", ".join(each.text() for each in watched), flush=True)
    load.stop()
    churn.stop()
    verdicts.line("requests", f"{load.done}, {load.failed} failed", load.done > 0 and not load.problems)
    verdicts.line("requests a second", f"{load.reached():.0f} of {rate:.0f} over {load.connections} connections",
                  load.reached() >= rate * options.reached / 100)
    verdicts.line("replicas replaced", f"{churn.rounds}", churn.rounds > 0 and not churn.problems)
    for problem in (load.problems + churn.problems)[:10]:
        print(f"    {problem}")
    for each in watched:
        each.judge(options, verdicts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", default="build/outrider", help="the binary")
    parser.add_argument("--minutes", type=float, help="how long; default 30")
    parser.add_argument("--seconds", type=float, help="the same in seconds")
    parser.add_argument("--replicas", type=int, default=4, help="at a time")
    parser.add_argument("--share", type=float, default=60, help="load, per cent of saturation")
    parser.add_argument("--rate", type=float, help="load in requests/s instead")
    parser.add_argument("--reached", type=float, default=90, help="per cent of the load that must be driven")
    parser.add_argument("--pause", type=float, default=5, help="seconds between replacements")
    parser.add_argument("--slice", type=int, default=30, help="seconds of one run of the load")
    parser.add_argument("--every", type=float, default=5, help="seconds between samples")
    parser.add_argument("--settle", type=float, default=60, help="seconds until memory is judged")
    parser.add_argument("--flat", type=int, default=1024, help="KiB by which it may vary afterwards")
    parser.add_argument("--no-memory", dest="memory", action="store_false", help="memory is not judged (sanitizers)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    options = parser.parse_args()
    options.outrider = os.path.abspath(options.outrider)
    options.seconds = options.seconds or (options.minutes or 30) * 60
    options.lease = "60s"
    if not shutil.which("h2load"):
        print("soak: h2load is not installed: skipped")
        sys.exit(77)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = tempfile.mkdtemp(prefix="outrider-soak-")
    verdicts = Verdicts()
    mesh = Shop(options, folder)
    replicas = [f"shop-{i + 1}" for i in range(options.replicas)]
    churn = Churn(mesh, replicas[1:], options.pause, patience=60)
    try:
        print(f"soak: {options.seconds:.0f} s, {options.replicas} replicas, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
              f"{time.strftime('%Y-%m-%d %H:%M:%S')}", flush=True)
        mesh.start_app()
        mesh.start_seed("seed-1")
        mesh.start_caller(CALLER)
        for name in replicas:
            mesh.start_replica(name)
        wait_for("the registry", 60, lambda: get_json(mesh.ports[CALLER]["admin"], "/registry")["ready"])
        ask = http.client.HTTPConnection("127.0.0.1", mesh.ports[CALLER]["outbound"], timeout=20)
        ask.request("GET", "/", headers={"Host": SERVICE})   # the first call makes it look for the service
        ask.getresponse().read()
        ask.close()
        wait_for("all replicas", 60, lambda: len(mesh.known()) == len(replicas))
        soak(mesh, churn, options, verdicts)
    except TimeoutError as missing:
        verdicts.line("waited in vain for", str(missing), False)
    finally:
        churn.ending.set()
        mesh.stop()
        if options.keep or verdicts.bad:
            print(f"  logs: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if verdicts.bad else 0)


if __name__ == "__main__":
    main()
