#!/usr/bin/env python3
"""A service of several replicas, each a program beside its sidecar, called at a steady rate through a client's sidecar while

  all of them are restarted, one after the other, as a rollout does it: SIGTERM, drained, started anew, seen again, the next;
  --black-hole: one of them stops answering: what connects to it is taken in, and never hears anything. The caller has
  a limit for each try then (--patience), and may try what took longer elsewhere.

Every request that fails is shown with what the client's sidecar says of it. Ends with 1 when one failed (--black-hole: more than
one in 1,000, or p99 has not recovered), or when the rate was not reached; with 77 where h2load (nghttp2-client) is missing.
Nothing listens beyond 127.0.0.1.
"""
import argparse
import collections
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from mesh import CALLER, SERVICE, Verdicts, get_json, wait_for
from soak import Shop

SLOWER, RECOVERED_MS = 3, 250   # p99 has recovered when it is below so many times what it was, or below this: half a --patience
ALLOWED = 0.001                 # of requests, --black-hole


class Steps(Shop):
    """Each replica has an app of its own, which is restarted with it."""

    def start_replica(self, name, seeds=None):
        ports = self.ports_of(name)
        config = self.path(f"{name}-app.yaml")
        with open(config, "w", encoding="utf-8") as out:
            out.write(f'version: 1\nmode: edge\nlisteners: {{app: {{address: "127.0.0.1:{ports["app"]}"}}}}\n'
                      f'routes: {{app: [{{respond: {{status: 200, body: "hello, world\\n", headers: {{x-replica: {name}}}}}}}]}}\n'
                      "admin: {address: off, health: off}\ntelemetry: {metrics: {address: off}}\noverload: {threads: 1}\n")
        self.start(name, "run", SERVICE, {
            "service.name": SERVICE, "service.port": ports["app"], "service.health.interval": "1s",
            "lifecycle.drain.delay": "1s", "overload.threads": 1,
            "listeners.inbound.address": f"127.0.0.1:{ports['inbound']}",
            "listeners.outbound.address": f"127.0.0.1:{ports['outbound']}",
        }, (self.options.outrider, "run", "-c", config), seeds)

    def start_caller(self, name):
        self.start(name, "run", "web", {
            "mode": "sidecar", "overload.threads": 1,
            "listeners.outbound.address": f"127.0.0.1:{self.ports_of(name)['outbound']}",
            "telemetry.access_log.format": "json", "telemetry.access_log.to": self.path(name + ".access"),
            **({"defaults.cluster.retry.when": "safe,timeout", "defaults.cluster.retry.per_try_timeout": self.options.patience}
               if self.options.black_hole and self.options.patience else {}),
            **dict(each.split("=", 1) for each in self.options.set),
        })

    def metric(self, name, what):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[name]["metrics"], timeout=10)
        try:
            connection.request("GET", "/metrics")
            page = connection.getresponse().read().decode()
        finally:
            connection.close()
        return sum(float(value) for value in re.findall(rf"^{what}(?:\{{.*\}})? (\S+)$", page, re.M))

    def ready(self):
        return {address for address, each in self.known().items() if each["state"] == "ready"}


class Load(threading.Thread):
    """h2load at a fixed rate until it is over: when each request began (seconds since the epoch), its status, its microseconds."""

    def __init__(self, port, options, log):
        super().__init__(daemon=True)
        self.log = log
        self.process = subprocess.Popen(
            ["h2load", "--h1", "-t", "1", "-D", str(options.longest), "-c", str(options.connections),
             f"--rps={options.rate / options.connections:g}", f"--log-file={log}", "-N", "60s",
             *(["-d", options.body] if options.post else []), "--connect-to", f"127.0.0.1:{port}", f"http://{SERVICE}/"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = ""

    def run(self):
        self.said = self.process.communicate()[0]

    def stop(self):
        self.process.terminate()
        self.join()

    def answers(self):
        rows = []
        with open(self.log, encoding="utf-8") as lines:
            for line in lines:
                fields = line.split()
                if len(fields) == 3:                      # the last may have been cut
                    rows.append((int(fields[0]) / 1e6, int(fields[1]), int(fields[2])))
        return sorted(rows)


def percentile_ms(rows, share):
    took = sorted(row[2] for row in rows)
    return took[min(len(took) - 1, int(len(took) * share))] / 1e3 if took else 0.0


def failed(rows):
    return [row for row in rows if row[1] != 200]


def table(parts, rate):
    print(f"  {'':28}{'seconds':>9}{'requests':>10}{'a second':>10}{'failed':>8}{'p50 ms':>9}{'p99 ms':>9}{'p99.9':>9}{'longest':>9}")
    for name, seconds, rows in parts:
        print(f"  {name:28}{seconds:9.1f}{len(rows):10d}{len(rows) / seconds:10.0f}{len(failed(rows)):8d}"
              f"{percentile_ms(rows, .5):9.2f}{percentile_ms(rows, .99):9.2f}{percentile_ms(rows, .999):9.2f}"
              f"{percentile_ms(rows, 1):9.1f}", flush=True)


def between(rows, start, end):
    return [row for row in rows if start <= row[0] < end]


def explain(mesh, rows):
    """What was not answered with 200, by the client and by its sidecar's log, each kind once; how many were never answered. Those
    that ended with the load itself are none of these, unless they had waited for a second."""
    for when, status, took in failed(rows)[:3]:
        print(f"    the client: {status} after {took / 1000:.1f} ms, asked at {time.strftime('%H:%M:%S', time.localtime(when))}"
              f".{int(when % 1 * 1000):03d}")
    wait_for("the caller to have told all", 30, lambda: mesh.metric(CALLER, "outrider_requests_in_flight") == 0)
    time.sleep(2)                                         # the log is written by the way
    hung, tries, kinds = 0, collections.Counter(), {}
    with open(mesh.path(CALLER + ".access"), encoding="utf-8") as log:
        for line in log:
            entry = json.loads(line)
            tries[entry["tries"]] += 1
            never = entry["flag"] == "downstream_gone" and entry["duration_ms"] >= 1000
            hung += never
            if never or entry["status"] not in (200, 499):
                kinds.setdefault((entry["status"], entry["flag"], entry.get("reason"), entry.get("endpoint")), []).append(line.strip())
    for lines in kinds.values():
        print(f"    its sidecar, {len(lines)} like this: {lines[0]}")
    print("  tries of a request: " + ", ".join(f"{count} x {n}" for n, count in sorted(tries.items())))
    return hung


def restart_all(mesh, replicas):
    """Who is told to stop ends by itself; who comes back is asked again before the next one goes."""
    for name in replicas:
        began = time.monotonic()
        process = mesh.processes[name]
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        ended = time.monotonic()
        mesh.processes.pop(name)
        if code != 0:
            raise OSError(f"{name} ended with {code}: see {mesh.log(name)}")
        mesh.start_replica(name)
        wait_for(f"{name} to come back", 60, lambda: len(mesh.ready()) == len(replicas))
        print(f"  {name}: gone after {ended - began:.1f} s, back {time.monotonic() - ended:.1f} s later", flush=True)


class BlackHole:
    """At the place of a replica whose processes all stand still: the kernel takes connections in, nobody reads them."""

    def __init__(self, mesh, name):
        self.group = mesh.processes[name].pid
        os.killpg(self.group, signal.SIGSTOP)

    def close(self):
        os.killpg(self.group, signal.SIGCONT)


def run(mesh, replicas, options, verdicts):
    port = mesh.ports[CALLER]["outbound"]
    options.body = mesh.path("body")
    with open(options.body, "wb") as out:
        out.write(b"x" * 100)
    load = Load(port, options, mesh.path("h2load.log"))
    load.start()
    hole = None
    try:
        time.sleep(2)                                     # connections are there
        before = time.time()
        time.sleep(options.calm)
        event = time.time()
        if options.black_hole:
            hole = BlackHole(mesh, replicas[0])
            print(f"  {replicas[0]} takes connections in and answers nothing, from {time.strftime('%H:%M:%S')}", flush=True)
            time.sleep(options.hole)
            parts = [("before", before, event), ("its first second", event, event + 1), ("the next 4 seconds", event + 1, event + 5),
                     ("after that", event + 5, time.time())]
        else:
            restart_all(mesh, replicas)
            over = time.time()
            time.sleep(options.calm)
            parts = [("before", before, event), (f"restart of {len(replicas)}", event, over), ("after", over, time.time())]
    finally:
        load.stop()
        if hole:
            hole.close()
    rows = load.answers()
    parts = [(name, end - start, between(rows, start, end)) for name, start, end in parts]
    counted = [row for _, _, part in parts for row in part]
    table(parts + [("all", sum(seconds for _, seconds, _ in parts), counted)], options.rate)
    hung = explain(mesh, rows)
    reached = len(counted) / sum(seconds for _, seconds, _ in parts)
    verdicts.line("requests a second", f"{reached:.0f} of {options.rate}", reached >= options.rate * options.reached / 100)
    bad, asked = len(failed(rows)) + hung, len(rows) + hung
    if options.black_hole:
        limit = max(SLOWER * percentile_ms(parts[0][2], .99), RECOVERED_MS)
        after = percentile_ms(parts[-1][2], .99)
        verdicts.line("failed", f"{bad} of {asked}: {100 * bad / asked:.3f} % (limit {100 * ALLOWED:g} %), {hung} of them hung to the end",
                      bad <= ALLOWED * asked)
        verdicts.line("p99 after its first 5 seconds", f"{after:.1f} ms (limit {limit:.0f} ms)", after <= limit)
    else:
        verdicts.line("failed", f"{bad} of {asked}", asked > 0 and bad == 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", default="build/outrider", help="the binary")
    parser.add_argument("--black-hole", action="store_true", help="instead of restarts: one replica stops answering")
    parser.add_argument("--replicas", type=int, default=4)
    parser.add_argument("--rate", type=float, default=2000, help="requests a second")
    parser.add_argument("--connections", type=int, default=200, help="of the client, over which the rate is spread")
    parser.add_argument("--reached", type=float, default=90, help="per cent of the rate that must be driven")
    parser.add_argument("--calm", type=float, default=5, help="seconds before, and after")
    parser.add_argument("--hole", type=float, default=25, help="seconds of --black-hole")
    parser.add_argument("--longest", type=int, default=600, help="seconds, of the load")
    parser.add_argument("--patience", default="500ms", help="retry.per_try_timeout of the caller, --black-hole; empty: none")
    parser.add_argument("--post", action="store_true", help="what must not be sent twice, instead of GET")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the caller's configuration")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    options = parser.parse_args()
    options.outrider = os.path.abspath(options.outrider)
    options.lease, options.idle = "60s", None
    if not shutil.which("h2load"):
        print("restart: h2load is not installed: skipped")
        sys.exit(77)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = tempfile.mkdtemp(prefix="outrider-restart-")
    verdicts = Verdicts()
    mesh = Steps(options, folder)
    replicas = [f"shop-{i + 1}" for i in range(options.replicas)]
    try:
        print(f"restart: {options.replicas} replicas, {options.rate:g} requests/s, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
              flush=True)
        mesh.start_seed("seed-1")
        mesh.start_caller(CALLER)
        for name in replicas:
            mesh.start_replica(name)
        wait_for("the registry", 60, lambda: get_json(mesh.ports[CALLER]["admin"], "/registry")["ready"])
        ask = http.client.HTTPConnection("127.0.0.1", mesh.ports[CALLER]["outbound"], timeout=20)
        ask.request("GET", "/", headers={"Host": SERVICE})   # the first call makes it look for the service
        ask.getresponse().read()
        ask.close()
        wait_for("all replicas", 60, lambda: len(mesh.ready()) == len(replicas))
        run(mesh, replicas, options, verdicts)
    except (TimeoutError, OSError) as trouble:
        verdicts.line("cannot go on", str(trouble), False)
    finally:
        mesh.stop()
        if options.keep or verdicts.bad:
            print(f"  logs: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if verdicts.bad else 0)


if __name__ == "__main__":
    main()
