#!/usr/bin/env python3
"""`adaptive` against the other balancers with real proxies, as tests/unit/upstream/adaptive_test.cc does it by simulation.

Ten origins that work on a few requests at a time and have the others wait: seven alike, two half as large (by weight, too), one three
times slower. Four proxies lead requests there that come as a Poisson process, at 60, 80 and 95 % of what the origins can do. Each
answer says how busy its origin is (ORCA). A time of service is a timer, so that it is not this machine that is measured: its cores
only have to keep up, and by how much the load was late says whether they did.

What failed, or had no answer half a minute after the end (round_robin's at the slow one), took longer than
all others: inf. Balancers take turns within a round. Ends with 1 when
p99 of adaptive at 80 % is not 30 % below that of the best other, or one of its requests has failed.
"""
import argparse
import asyncio
import math
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from local import HOST, free_ports, wait_for_port
from process import outweigh

SLOWER = 3            # times, of the slow one
DEVIATION = 0.25      # of times of service, of their mean
BETTER, AT = 0.7, 80  # p99 of adaptive by the best other's, at so many per cent
ORIGINS = 10


class Origin:
    """So many requests at a time, each for as long as its timer; the rest in a queue."""

    def __init__(self, slots, mean, chance):
        self.slots, self.mean, self.chance = slots, mean, chance
        self.busy, self.queue = 0, []

    def took(self):
        variance = math.log(1 + DEVIATION ** 2)
        return self.mean * math.exp(math.sqrt(variance) * self.chance.gauss(0, 1) - variance / 2)

    def take(self, connection):
        if self.busy >= self.slots:
            return self.queue.append(connection)
        self.busy += 1
        asyncio.get_running_loop().call_later(self.took(), self.finish, connection)

    def finish(self, connection):
        self.busy -= 1
        there = self.busy + len(self.queue)
        connection.answer(f"TEXT application_utilization={there / self.slots:.3f},named_metrics.slots={self.slots}")
        if self.queue:
            self.take(self.queue.pop(0))


class Serving(asyncio.Protocol):
    def __init__(self, origin, name):
        self.origin, self.name, self.got = origin, name, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.got += data
        while b"\r\n\r\n" in self.got:                    # GET alone comes here
            self.got = self.got.split(b"\r\n\r\n", 1)[1]
            self.origin.take(self)

    def answer(self, load):
        if not self.transport.is_closing():
            self.transport.write(f"HTTP/1.1 200 OK\r\nendpoint-load-metrics: {load}\r\ncontent-length: {len(self.name)}\r\n\r\n"
                                 f"{self.name}".encode())


def serve(ports, slots, means, seed):
    """A process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    async def go():
        loop = asyncio.get_running_loop()
        for i, port in enumerate(ports):
            origin = Origin(slots[i], means[i], random.Random(seed + i))
            await loop.create_server(lambda origin=origin, i=i: Serving(origin, str(i)), HOST, port)
        await asyncio.Event().wait()
    asyncio.run(go())


class Asking(asyncio.Protocol):
    """A connection to a proxy; one request at a time."""

    def __init__(self, idle):
        self.idle, self.got, self.told = idle, b"", None

    def connection_made(self, transport):
        self.transport = transport

    def ask(self, told):
        self.told = told
        self.transport.write(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")

    def data_received(self, data):
        self.got += data
        head, end, body = self.got.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().split(b"content-length:")[1].split()[0]):
            return
        self.got, told, self.told = b"", self.told, None
        self.idle.append(self)
        told(head.startswith(b"HTTP/1.1 200"), body)

    def connection_lost(self, _):
        if self in self.idle:
            self.idle.remove(self)
        if self.told:
            self.told(False, b"")


class Load:
    """Requests at their own times, however many have not been answered. Latencies count from when they were due."""

    def __init__(self, ports, rate, warm, seconds, seed):
        self.pools = [(port, []) for port in ports]
        self.rate, self.warm, self.seconds, self.chance = rate, warm, seconds, random.Random(seed)
        self.took, self.late, self.slow, self.failed, self.open = [], [], 0, 0, 0

    async def run(self):
        loop = asyncio.get_running_loop()
        began = due = loop.time()
        while due < began + self.warm + self.seconds:
            due += self.chance.expovariate(self.rate)
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            self.open += 1
            port, idle = self.chance.choice(self.pools)
            counts = due >= began + self.warm
            if counts:
                self.late.append(loop.time() - due)
            told = lambda good, body, due=due, counts=counts: self.note(loop.time() - due, good, body, counts)
            if idle:
                idle.pop().ask(told)
            else:
                asyncio.ensure_future(self.connect(port, idle, told))
        for _ in range(300):
            if self.open:
                await asyncio.sleep(0.1)
        self.failed += self.open                          # never answered: longer than all others
        self.took += [math.inf] * self.open

    async def connect(self, port, idle, told):
        try:
            _, connection = await asyncio.get_running_loop().create_connection(lambda: Asking(idle), HOST, port)
        except OSError:
            return told(False, b"")
        connection.ask(told)

    def note(self, took, good, body, counts):
        self.open -= 1
        self.failed += not good
        if counts:
            self.took.append(took if good else math.inf)
            self.slow += body == b"0"


def percentile(values, share):
    ordered = sorted(values)
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def config(balancer, port, origins, weights):
    endpoints = ", ".join(f'{{address: "{HOST}:{to}", weight: {weight}}}' for to, weight in zip(origins, weights))
    return (f'version: 1\nmode: edge\nregistry: {{kind: none}}\nlisteners: {{edge: {{address: "{HOST}:{port}"}}}}\n'
            f"routes: {{edge: [{{cluster: web}}]}}\nclusters: {{web: {{lb: {balancer}, endpoints: [{endpoints}]}}}}\n"
            "admin: {address: off, health: off}\ntelemetry: {log: {level: error}, metrics: {address: off}}\noverload: {threads: 1}\n")


def measure(options, folder, balancer, load, seed):
    slots = [options.workers] * ORIGINS
    means = [options.service / 1000] * ORIGINS
    slots[1] = slots[2] = max(1, options.workers // 2)
    means[0] *= SLOWER
    weights = [100 * each // options.workers for each in slots]
    rate = sum(each / mean for each, mean in zip(slots, means)) * load / 100
    ports = free_ports(ORIGINS + options.proxies)
    origins, proxies = ports[:ORIGINS], ports[ORIGINS:]
    behind = multiprocessing.Process(target=serve, args=(origins, slots, means, seed), daemon=True)
    behind.start()
    running = []
    try:
        for port in origins:
            wait_for_port(port)
        for port in proxies:
            path = os.path.join(folder, f"{port}.yaml")
            with open(path, "w", encoding="utf-8") as out:
                out.write(config(balancer, port, origins, weights))
            running.append(subprocess.Popen([options.outrider, "run", "-c", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for port in proxies:
            wait_for_port(port)
        asked = Load(proxies, rate, options.warm, options.seconds, seed)
        asyncio.run(asked.run())
        return asked
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
        behind.terminate()
        behind.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", default="build/outrider", help="the binary")
    parser.add_argument("--balancers", default="ewma,least_request,round_robin,adaptive")
    parser.add_argument("--loads", default="60,80,95", help="per cent of what the origins can do")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=30, help="of each balancer in each round")
    parser.add_argument("--warm", type=float, default=10, help="seconds before that")
    parser.add_argument("--proxies", type=int, default=4)
    parser.add_argument("--workers", type=int, default=8, help="requests a full-size origin works on at a time")
    parser.add_argument("--service", type=float, default=300, help="milliseconds, on average")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    balancers, loads = options.balancers.split(","), [int(each) for each in options.loads.split(",")]
    outweigh()                                            # little is needed, but at once
    folder, bad = tempfile.mkdtemp(prefix="outrider-adaptive-"), False
    print(f"adaptive: {options.proxies} proxies, {ORIGINS} origins of {options.workers} workers and {options.service:g} ms, {options.rounds} "
          f"rounds of {options.seconds:g} s, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}, seed {options.seed}", flush=True)
    print(f"  {'load':>5} {'balancer':14}{'requests':>9}{'failed':>7}{'p50 ms':>8}{'p99 ms':>8}{'p50 ratio':>11}{'p99 ratio':>11}"
          f"{'to the slow':>12}{'late p99 ms':>12}   ratios: of adaptive's to it", flush=True)
    try:
        for load in loads:
            runs = {balancer: [] for balancer in balancers}
            for turn in range(options.rounds):
                for balancer in balancers:
                    runs[balancer].append(measure(options, folder, balancer, load, options.seed + 1000 * turn))
            p50 = {name: percentile([t for one in each for t in one.took], .5) for name, each in runs.items()}
            p99 = {name: percentile([t for one in each for t in one.took], .99) for name, each in runs.items()}
            for name, each in runs.items():
                count, failed = sum(len(one.took) for one in each), sum(one.failed for one in each)
                ratios = (f"{p50['adaptive'] / p50[name]:11.2f}{p99['adaptive'] / p99[name]:11.2f}"
                          if "adaptive" in runs and p99[name] else f"{'':22}")
                print(f"  {load:4d}% {name:14}{count:9d}{failed:7d}{p50[name]:8.0f}{p99[name]:8.0f}{ratios}"
                      f"{sum(one.slow for one in each) / max(count, 1) * 100:10.1f} %{percentile([t for one in each for t in one.late], .99):12.1f}",
                      flush=True)
                bad |= failed > 0 and name == "adaptive"
            others = [value for name, value in p99.items() if name != "adaptive"]
            if "adaptive" in p99 and others and load == AT:
                ratio = p99["adaptive"] / min(others)
                bad |= ratio > BETTER
                print(f"  p99 of adaptive by the best other's at {AT} %: {ratio:.2f} (limit {BETTER:g}) {'ok' if ratio <= BETTER else 'TOO MUCH'}",
                      flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
