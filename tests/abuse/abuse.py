#!/usr/bin/env python3
"""Every way to abuse HTTP/2 that there is a limit against, several connections at a time, at a proxy of its own: each is cut
off by its limit, which says so and is counted, while a client that behaves sees no error and memory stays within what the
limits allow. Ends with 1 when one of these is not so.

--latency, by hand: how long the client that behaves waits while the floods go on, beside how long it waits without them.
"""
import argparse
import http.client
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
from local import HOST, free_ports, wait_for, wait_for_port  # noqa: E402 (the path comes first)

from attacks import FLOODS, HEADS_LEFT, STREAMS_LEFT  # noqa: E402
from frames import (ACK, DATA, END_STREAM, HEADERS, PATIENCE, PING, SETTINGS, STATUS_200, Connection, credit, frame, headers,  # noqa: E402
                    request)

ATTACKERS = 4                        # of a kind, at once
BUFFER, MAX_STREAMS, MAX_HEAD = 65536, 128, 65536
OTHERS = 8 * 1024                    # KiB: allocators, and what is kept warm
CONFIG = """\
version: 1
mode: edge
listeners:
  open: {{address: "{host}:{open}", routes: all}}
  short: {{address: "{host}:{short}", routes: all, timeouts: {{request_headers: 1s, stream_idle: 1s}}}}
  app: {{address: "{host}:{app}", routes: app}}
routes:
  app: [{{respond: {{status: 200, body: "{body}"}}}}]
  all: [{{match: {{prefix: /silent}}, cluster: silent}}, {{cluster: app}}]
clusters:
  app: {{endpoints: ["{host}:{app}"], timeout: 0, circuit_breaker: {{max_requests: 100000, max_pending: 100000}}}}
  silent: {{endpoints: ["{host}:{silent}"], timeout: 0, circuit_breaker: {{max_requests: 100000, max_pending: 100000}}}}
admin: {{address: off, health: off}}
telemetry: {{log: {{level: error}}, metrics: {{address: "{host}:{metrics}"}}}}
"""


class Proxy:
    def __init__(self, outrider, folder):
        names = ("open", "short", "app", "metrics")
        self.port = dict(zip(names, free_ports(len(names))))
        self.silent = socket.create_server((HOST, 0), backlog=4096)   # connections come about, and nobody accepts them
        config = os.path.join(folder, "proxy.yaml")
        with open(config, "w", encoding="utf-8") as out:
            out.write(CONFIG.format(host=HOST, body="hello, world" * 100, silent=self.silent.getsockname()[1], **self.port))
        self.process = subprocess.Popen([outrider, "run", "-c", config], stdin=subprocess.DEVNULL)
        for port in self.port.values():
            wait_for_port(port)

    def metric(self, name, labels):
        connection = http.client.HTTPConnection(HOST, self.port["metrics"], timeout=PATIENCE)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        rows = re.findall(rf"^outrider_{name}\{{(.*?)\}} (\S+)", text, re.M)
        return sum(float(value) for found, value in rows if labels in found)

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as status:
            return int(re.search(r"^VmRSS:\s+(\d+)", status.read(), re.M).group(1))

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.silent.close()


class Behaved(threading.Thread):
    """One request after another, each a stream of one connection, until stop()."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.connection = Connection(port)
        self.connection.send(credit(0, 1 << 30))
        self.served, self.errors, self.waits, self.going = 0, [], [], True
        self.start()

    def run(self):
        number = 1
        while self.going and not self.errors:
            began = time.monotonic()
            self.connection.send(headers(number, request()))
            self.errors += self.answer(number)
            self.waits.append(time.monotonic() - began)
            self.served += 1
            number += 2
        self.connection.close()

    def answer(self, number):
        ok = False
        while got := self.connection.read():
            kind, flags, stream, payload = got
            if kind == SETTINGS and not flags & ACK:
                self.connection.send(frame(SETTINGS, ACK, 0))
            elif kind == HEADERS and stream == number:
                ok = payload[0] == STATUS_200
            elif kind not in (SETTINGS, DATA, HEADERS, PING, 8):
                return [f"frame {kind} on {stream}: {payload!r}"]
            if stream == number and kind in (DATA, HEADERS) and flags & END_STREAM:
                return [] if ok else ["not answered with 200"]
        return ["the connection was closed"]

    def stop(self):
        self.going = False
        self.join(PATIENCE)


def in_parallel(attack, port):
    results = [None] * ATTACKERS

    def run(at):
        results[at] = attack(port)
    threads = [threading.Thread(target=run, args=(at,), daemon=True) for at in range(ATTACKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return results


def rows(proxy):
    """(name, attack, port, what each attacker must see, metric, labels, what it grows by at least)."""
    for name, (attack, reason) in FLOODS.items():
        yield name, attack, proxy.port["open"], reason, "malformed_requests_total", f'reason="{reason}"', ATTACKERS
    for name, (attack, streams, labels) in STREAMS_LEFT.items():
        yield name, attack, proxy.port["short"], streams, "requests_total", labels, ATTACKERS * streams
    for name, (attack, reason) in HEADS_LEFT.items():
        yield name, attack, proxy.port["short"], reason, "connections_closed_total", 'reason="header_timeout"', ATTACKERS


def check(options, proxy):
    bad = []
    behaved = Behaved(proxy.port["open"])
    wait_for("the first answers", PATIENCE, lambda: behaved.served > 100 or behaved.errors)
    before = most = proxy.rss_kib()
    # What the streams of all attackers may hold both ways, and their heads.
    bound = ATTACKERS * MAX_STREAMS * (2 * BUFFER + 2 * MAX_HEAD) // 1024 + OTHERS
    for name, attack, port, wanted, metric, labels, growth in rows(proxy):
        counted, served = proxy.metric(metric, labels), behaved.served
        seen = in_parallel(attack, port)
        most = max(most, proxy.rss_kib())
        if seen != [wanted] * ATTACKERS:
            bad.append(f"{name}: {wanted!r} was to be seen, and it was {seen}")
        try:
            wait_for("the counter", 30, lambda: proxy.metric(metric, labels) >= counted + growth)
        except TimeoutError:
            bad.append(f"{name}: {metric}{{{labels}}} grew by {proxy.metric(metric, labels) - counted:g}, not {growth}")
        try:
            wait_for("an answer", 30, lambda: behaved.served > served or behaved.errors)
        except TimeoutError:
            bad.append(f"{name}: the client that behaves is not served")
        if behaved.errors:
            bad.append(f"{name}: the client that behaves: {behaved.errors}")
            break
        print(f"abuse: {name}: {seen[0]}")
    behaved.stop()
    print(f"abuse: {behaved.served} requests of the client that behaves; memory grew by {most - before} KiB of {bound}")
    if options.memory and most - before > bound:
        bad.append(f"memory grew by {most - before} KiB, and the limits allow {bound}")
    return bad


def p99(waits):
    return sorted(waits)[len(waits) * 99 // 100] * 1e3


def latency(options, proxy):
    """Rounds of both, in turns."""
    waits = {"quiet": [], "abused": []}
    for _ in range(options.rounds):
        for kind, found in waits.items():
            behaved = Behaved(proxy.port["open"])
            end = time.monotonic() + options.seconds
            while time.monotonic() < end:
                if kind == "quiet":
                    time.sleep(0.05)
                    continue
                for attack, _ in FLOODS.values():
                    in_parallel(attack, proxy.port["open"])
            behaved.stop()
            found += behaved.waits
    for kind, found in waits.items():
        print(f"abuse: {kind}: p99 {p99(found):.2f} ms of {len(found)} requests")
    print(f"abuse: p99 is {p99(waits['abused']) / p99(waits['quiet']):.2f} times its quiet value")
    return []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outrider", required=True)
    parser.add_argument("--no-memory", dest="memory", action="store_false", help="a sanitizer's is not the program's")
    parser.add_argument("--latency", action="store_true")
    parser.add_argument("--seconds", type=float, default=5, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        proxy = Proxy(options.outrider, folder)
        try:
            bad = (latency if options.latency else check)(options, proxy)
            if proxy.process.poll() is not None:
                bad.append(f"the proxy has ended with {proxy.process.returncode}")
        finally:
            proxy.stop()
    for line in bad:
        print(f"abuse: {line}", file=sys.stderr)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
