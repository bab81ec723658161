#!/usr/bin/env python3
"""What a proxied request costs, beside HAProxy and nginx in the same run.

A backend (nginx) and the load run on one core, the proxies on another; they take turns, A B C A B C, and only figures of
one run compare. CPU is what the kernel charged to all processes of the proxy. tests/bench/README.md says how to read it.
"""
import argparse
import collections
import contextlib
import datetime
import json
import os
import re
import shutil
import signal
import sys
import tempfile

import budget
import growth
import load
import peers
import report
from local import free_ports
from process import Running, outweigh, raise_open_files, read
from tracer import NotPermitted

Work = collections.namedtuple("Work", "title mode send connections path headers script", defaults=(0, "/small", {}, None))

WORKLOADS = {
    "http": Work("HTTP/1.1, small answers, 64 connections", "http", load.saturated, 64),
    "http-256": Work("HTTP/1.1, small answers, 256 connections", "http", load.saturated, 256),
    "http-1m": Work("HTTP/1.1, 1 MiB answers, 16 connections", "http", load.saturated, 16, "/1m"),
    "tcp": Work("TCP, small answers, 64 connections", "tcp", load.saturated, 64),
    "tcp-1m": Work("TCP, 1 MiB answers, 16 connections", "tcp", load.saturated, 16, "/1m"),
    "h2": Work("HTTP/2 to an HTTP/1.1 backend, small answers, 16 connections of 16 streams", "h2", load.streams, 16),
    "h2-h2": Work("HTTP/2 on both sides, small answers, 16 connections of 16 streams", "h2-h2", load.streams, 16),
    "rate": Work(f"HTTP/1.1, small answers, {load.RATE} a second", "http", load.fixed_rate),
    "idle": Work("memory, idle keep-alive connections", "http", None),
    "growth": Work("HTTP/1.1, small answers, 64 connections, as the configuration grows", "http", load.saturated, 64),
}


class Bench:
    """The backend, the cores, and every run so far."""

    def __init__(self, options, folder, stack):
        self.options, self.folder, self.runs, self.notes = options, folder, [], []
        self.binary = os.path.abspath(options.outrider)
        cores = sorted(os.sched_getaffinity(0))
        self.proxy_core, self.load_core = cores[0], cores[-1]
        if len(cores) < 2:
            self.notes.append("proxy, load and backend share one core: figures of CPU hold, the others say little")
        self.backend_port, self.h2_port = free_ports(2)
        self.count = load.BackendCount(self.backend_port)
        raise_open_files()
        outweigh()
        place = os.path.join(folder, "backend")
        os.mkdir(place)
        with peers.loopback_listener(self.backend_port) as listener:
            backend = Running(peers.backend_command(place, self.backend_port, self.h2_port),
                              cores[-2] if len(cores) > 2 else cores[-1], listener)
        stack.callback(backend.stop)
        backend.wait_open(self.backend_port)

    def proxies(self, name):
        if name == "growth":
            return {variant: growth.outrider(self.binary, variant) for variant in growth.VARIANTS}
        everyone = {"outrider": peers.outrider(self.binary), "haproxy": peers.haproxy, "nginx": peers.nginx}
        if name == "idle" and peers.has_dht(self.binary):
            everyone["outrider-dht"] = peers.outrider(self.binary, dht=True)
        return everyone

    def start(self, name, proxy, make, stack):
        """Running and its port; None where it cannot do this."""
        port = free_ports(1)[0]
        mode = WORKLOADS[name].mode
        command = make(tempfile.mkdtemp(dir=self.folder), mode, port, self.h2_port if mode == "h2-h2" else self.backend_port)
        if not command:
            self.notes.append(f"{name}: this {proxy} cannot do it")
            return None
        running = Running(command, self.proxy_core)
        stack.callback(running.stop)
        running.wait_open(port)
        return running, port

    def keep(self, name, proxy, round_, figures):
        self.runs.append({"workload": name, "proxy": proxy, "round": round_, **figures})

    def one(self, running, port, work):
        before = running.cpu()
        figures = work.send(port, work, self.options.seconds, self.load_core)
        nanoseconds, user, system = (after - b for after, b in zip(running.cpu(), before))
        cpu = nanoseconds / 1000 / max(figures["requests"], 1)
        return {**figures, "cpu_us": cpu, "user_ticks": user, "system_ticks": system, "mib": running.memory_kib() / 1024}

    def warm(self, port, work, requests):
        for _ in range(10):              # seconds at the most
            requests -= work.send(port, work, 1, self.load_core)["requests"]
            if requests <= 0:
                return

    def timed(self, name):
        with contextlib.ExitStack() as stack:
            started = {proxy: self.start(name, proxy, make, stack) for proxy, make in self.proxies(name).items()}
            up = {proxy: at for proxy, at in started.items() if at}
            works = {proxy: WORKLOADS[name] for proxy in up}
            if name == "growth":
                works = {variant: work._replace(headers=growth.headers(variant), script=growth.script(variant, self.folder))
                         for variant, work in works.items()}
            for proxy, (_, port) in up.items():
                self.warm(port, works[proxy], growth.WARM if name == "growth" else 1)
            for round_ in range(self.options.rounds):
                for proxy, (running, port) in up.items():
                    self.keep(name, proxy, round_, self.one(running, port, works[proxy]))
            if name == "rate":
                self.look_at_rate([run["rate"] for run in self.runs if run["workload"] == name])
            if name in self.options.traced:
                self.trace(name, up, works)

    def look_at_rate(self, rates):
        if min(rates) < 0.95 * load.RATE:
            self.notes.append(f"rate: only {min(rates):.0f} a second at times: something else kept this machine busy")

    def trace(self, name, up, works):
        try:
            for proxy, (running, port) in up.items():
                self.keep(name, proxy, 0, load.calls(running, port, works[proxy], self.load_core, self.count, self.folder))
        except NotPermitted as refusal:
            self.notes.append(f"{name}: calls are not counted: {str(refusal).strip()}")

    def idle(self):
        """Each anew for each round: what a proxy holds when it starts is part of it."""
        for round_ in range(max(self.options.rounds // 2, 1)):
            for proxy, make in self.proxies("idle").items():
                with contextlib.ExitStack() as stack:
                    running, port = self.start("idle", proxy, make, stack)
                    self.keep("idle", proxy, round_, load.idle(running, port))


def machine():
    """What the figures stand for."""
    model = re.search(r"model name\s*:\s*(.*)", read("/proc/cpuinfo"))
    return {"date": datetime.date.today().strftime("%-d %B %Y"), "cpu": model.group(1) if model else os.uname().machine,
            "cores": len(os.sched_getaffinity(0)), "kernel": os.uname().release, "load": os.getloadavg()[0]}


def measure(options):
    with contextlib.ExitStack() as stack:
        folder = tempfile.mkdtemp(prefix="outrider-bench-")
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        os.chmod(folder, 0o755)
        bench = Bench(options, folder, stack)
        kept = {"machine": machine(), "versions": peers.versions(bench.binary), "runs": bench.runs, "notes": bench.notes}
        print(report.heading(kept))
        for name in options.workload or WORKLOADS:
            bench.idle() if name == "idle" else bench.timed(name)
            print(report.table(name, WORKLOADS[name].title, bench.runs), flush=True)
    return kept


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", default="build/outrider")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each run")
    parser.add_argument("--quick", action="store_true", help="everything within 3 minutes: two rounds of one second")
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="may be given again; default: all")
    parser.add_argument("--check", action="store_true", help="ends with 1 and names each ratio of budget.json that is broken")
    parser.add_argument("--markdown", action="store_true", help="the summary once more, to paste")
    parser.add_argument("--json", metavar="FILE", help="keep every run")
    parser.add_argument("--read", metavar="FILE", help="measure nothing: tables of the runs kept there")
    options = parser.parse_args()
    options.traced = ("http", "http-1m", "tcp", "tcp-1m", "growth")
    if options.quick:
        options.rounds, options.seconds, options.traced = 2, 1, ("http",)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))     # so that whatever runs is stopped
    if options.read:
        kept = json.loads(read(options.read))
        print(report.heading(kept))
        for name in dict.fromkeys(run["workload"] for run in kept["runs"]):
            print(report.table(name, WORKLOADS[name].title, kept["runs"]))
    else:
        kept = measure(options)
    for note in kept["notes"]:
        print(f"note: {note}")
    if options.json:
        peers.write(options.json, json.dumps(kept, indent=1) + "\n")
    if options.markdown:
        print(report.markdown(kept, {name: work.title for name, work in WORKLOADS.items()}))
    if options.check:
        verdicts = budget.judge(budget.load(), kept["runs"])
        print(budget.table(verdicts))
        sys.exit(any(verdict.broken for verdict in verdicts))


if __name__ == "__main__":
    main()
