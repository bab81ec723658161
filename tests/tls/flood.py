#!/usr/bin/env python3
"""What a client with an open connection notices of strangers who begin handshakes and leave, by hand: its latency alone, while they
begin with a sink that accepts and hangs up, and while they begin with the proxy. The second says what the machine makes of so
many strangers."""
import argparse
import multiprocessing
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
from local import HOST, free_ports, wait_for_port  # noqa: E402 (the path comes first)

PATIENCE = 60
CONFIG = """\
version: 1
mode: edge
listeners: {{edge: {{address: "{host}:{port}", tls: {{cert: {folder}/id/tls.crt, key: {folder}/id/tls.key}}}}}}
routes: {{edge: [{{respond: {{status: 200, body: hello}}}}]}}
overload: {{threads: 1}}
admin: {{address: off, health: off}}
telemetry: {{log: {{level: error}}, metrics: {{address: off}}}}
"""
REQUEST = b"GET / HTTP/1.1\r\nHost: edge\r\n\r\n"


def first_words():
    """A client's hello, which costs who sends it nothing."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def attack(port, hello, burst, over, begun):
    """So many at once, each of which waits for its answer."""
    while not over.is_set():
        sockets = [socket.create_connection((HOST, port), PATIENCE) for _ in range(burst)]
        for each in sockets:
            each.sendall(hello)
        for each in sockets:
            try:
                each.recv(65536)
            except OSError:
                pass
            each.close()
        with begun.get_lock():
            begun.value += burst


def sink(listener):
    while True:
        stranger, _ = listener.accept()
        try:
            stranger.recv(65536)
            stranger.sendall(b"no")
        except OSError:
            pass
        stranger.close()


class Strangers:
    """Processes of their own: the client's clock is not to wait for them."""
    def __init__(self, count, port, hello, burst):
        self.over, self.begun = multiprocessing.Event(), multiprocessing.Value("q", 0)
        self.processes = [multiprocessing.Process(target=attack, args=(port, hello, burst, self.over, self.begun), daemon=True)
                          for _ in range(count)]

    def __enter__(self):
        for each in self.processes:
            each.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for each in self.processes:
            each.join(PATIENCE)
            each.kill()


def latencies(port, ca, seconds):
    context = ssl.create_default_context(cafile=ca)
    took = []
    with context.wrap_socket(socket.create_connection((HOST, port), PATIENCE), server_hostname="localhost") as client:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            client.sendall(REQUEST)
            answer = b""
            while not answer.endswith(b"hello"):
                part = client.recv(65536)
                if not part:
                    sys.exit("the connection has ended")
                answer += part
            took.append(time.monotonic() - began)
            time.sleep(0.002)
    return took


def measure(asked, hello, outrider, folder, sink_port):
    port = free_ports(1)[0]
    ca, own, config = (os.path.join(folder, name) for name in ("ca", "id", "edge.yaml"))
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([outrider, "identity", "dev-ca", ca], **quiet)
    subprocess.run([outrider, "identity", "issue", "--ca", ca, "--id", "spiffe://mesh.local/ns/default/sa/edge", "--out", own,
                    "--dns", "localhost"], **quiet)
    with open(config, "w", encoding="utf-8") as out:
        out.write(CONFIG.format(host=HOST, port=port, folder=folder))
    phases = {"alone": (0, port), "at a sink": (asked.attackers, sink_port), "at the proxy": (asked.attackers, port)}
    took, begun = {name: [] for name in phases}, dict.fromkeys(phases, 0)
    proxy = subprocess.Popen([outrider, "run", "-c", config], stdin=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        for _ in range(asked.rounds):
            for name, (count, target) in phases.items():
                with Strangers(count, target, hello, asked.burst) as strangers:
                    took[name] += latencies(port, os.path.join(ca, "ca.crt"), asked.seconds)
                    begun[name] += strangers.begun.value
    finally:
        proxy.terminate()
        proxy.wait(timeout=PATIENCE)
    for name, all_of in took.items():
        all_of.sort()
        ms = [1000 * all_of[int(len(all_of) * share)] for share in (0.5, 0.9, 0.99)] + [1000 * all_of[-1]]
        print("{}: {}: p50 {:.2f} p90 {:.2f} p99 {:.2f} longest {:.2f} ms of {} requests; {:.0f} strangers a second".format(
            outrider, name, *ms, len(all_of), begun[name] / (asked.rounds * asked.seconds)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outrider", required=True, action="append", help="again: beside another one")
    parser.add_argument("--seconds", type=float, default=2, help="of a phase")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--burst", type=int, default=150)
    parser.add_argument("--attackers", type=int, default=2)
    asked = parser.parse_args()
    hello = first_words()
    with socket.create_server((HOST, 0), backlog=1024) as listener:
        taking = multiprocessing.Process(target=sink, args=(listener,), daemon=True)
        taking.start()
        try:
            for outrider in asked.outrider:
                with tempfile.TemporaryDirectory(prefix="outrider-flood-") as folder:
                    measure(asked, hello, os.path.abspath(outrider), folder, listener.getsockname()[1])
        finally:
            taking.kill()


if __name__ == "__main__":
    main()
