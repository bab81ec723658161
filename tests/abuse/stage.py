"""Who takes part: the proxy that is attacked, the origin behind it, and a client that behaves."""
import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
from local import HOST, free_ports, wait_for_port  # noqa: E402 (the path comes first)

from attacks import FLOODS, HEADS_LEFT, STREAMS_LEFT  # noqa: E402
from frames import (ACK, DATA, END_STREAM, HEADERS, PATIENCE, PING, SETTINGS, STATUS_200, Connection, credit, frame, headers,  # noqa: E402
                    request)

ATTACKERS = 4                        # of a kind, at once
BUFFER, MAX_STREAMS, MAX_HEAD = 65536, 128, 65536   # the limits as they are by default
ORIGIN = """\
version: 1
mode: edge
listeners: {{app: {{address: "{host}:{app}"}}}}
routes: {{app: [{{respond: {{status: 200, body: "{body}"}}}}]}}
admin: {{address: off, health: off}}
telemetry: {{log: {{level: error}}, metrics: {{address: off}}}}
"""
CONFIG = """\
version: 1
mode: edge
listeners:
  open: {{address: "{host}:{open}", routes: all}}
  short: {{address: "{host}:{short}", routes: all, timeouts: {{request_headers: 1s, stream_idle: 1s}}}}
routes: {{all: [{{match: {{prefix: /silent}}, cluster: silent}}, {{cluster: app}}]}}
clusters:
  app: {{endpoints: ["{host}:{app}"], timeout: 0, circuit_breaker: {{max_requests: 100000, max_pending: 100000}}}}
  silent: {{endpoints: ["{host}:{silent}"], timeout: 0, circuit_breaker: {{max_requests: 100000, max_pending: 100000}}}}
overload: {{threads: 1}}
admin: {{address: off, health: off}}
telemetry: {{log: {{level: error}}, metrics: {{address: "{host}:{metrics}"}}}}
"""


class Proxy:
    def __init__(self, outrider, folder):
        names = ("open", "short", "app", "metrics")
        self.port = dict(zip(names, free_ports(len(names))))
        self.silent = socket.create_server((HOST, 0), backlog=4096)   # connections come about, and nobody accepts them
        words = dict(host=HOST, body="hello, world" * 100, silent=self.silent.getsockname()[1], **self.port)
        self.origin, self.process = (self.start(outrider, os.path.join(folder, name), text.format(**words))
                                     for name, text in (("origin.yaml", ORIGIN), ("proxy.yaml", CONFIG)))
        for port in self.port.values():
            wait_for_port(port)

    @staticmethod
    def start(outrider, config, text):
        with open(config, "w", encoding="utf-8") as out:
            out.write(text)
        return subprocess.Popen([outrider, "run", "-c", config], stdin=subprocess.DEVNULL)

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
        for process in (self.process, self.origin):
            process.kill()
            process.wait()
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


def rows(proxy):
    """(name, attack, port, what each attacker must see, metric, labels, what it grows by at least)."""
    for name, (attack, reason) in FLOODS.items():
        yield name, attack, proxy.port["open"], reason, "malformed_requests_total", f'reason="{reason}"', ATTACKERS
    for name, (attack, streams, labels) in STREAMS_LEFT.items():
        yield name, attack, proxy.port["short"], streams, "requests_total", labels, ATTACKERS * streams
    for name, (attack, reason) in HEADS_LEFT.items():
        yield name, attack, proxy.port["short"], reason, "connections_closed_total", 'reason="header_timeout"', ATTACKERS
