#!/usr/bin/env python3
"""What a client with an open connection notices of strangers who begin handshakes and leave: its latency, with and without."""
import argparse
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
from local import HOST, free_ports, wait_for_port  # noqa: E402 (the path comes first)

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
    context = ssl.create_default_context()
    try:
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()


def attack(port, hello, burst, until):
    """So many at once, each of which waits for its answer."""
    while time.monotonic() < until:
        sockets = []
        for _ in range(burst):
            sockets.append(socket.create_connection((HOST, port)))
        for each in sockets:
            each.sendall(hello)
        for each in sockets:
            each.settimeout(20)
            try:
                each.recv(65536)
            except OSError:
                pass
            each.close()


def latencies(port, ca, seconds):
    context = ssl.create_default_context(cafile=ca)
    took = []
    with context.wrap_socket(socket.create_connection((HOST, port)), server_hostname="localhost") as client:
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
    return sorted(took)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outrider", required=True, action="append", help="again: beside another one")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--burst", type=int, default=150)
    parser.add_argument("--attackers", type=int, default=2)
    asked = parser.parse_args()
    hello = first_words()
    for outrider in asked.outrider:
        with tempfile.TemporaryDirectory(prefix="outrider-flood-") as folder:
            port = free_ports(1)[0]
            ca, own, config = (os.path.join(folder, name) for name in ("ca", "id", "edge.yaml"))
            subprocess.run([outrider, "identity", "dev-ca", ca], check=True, stdout=subprocess.DEVNULL)
            subprocess.run([outrider, "identity", "issue", "--ca", ca, "--id", "spiffe://mesh.local/ns/default/sa/edge", "--out",
                            own, "--dns", "localhost"], check=True, stdout=subprocess.DEVNULL)
            with open(config, "w", encoding="utf-8") as out:
                out.write(CONFIG.format(host=HOST, port=port, folder=folder))
            proxy = subprocess.Popen([outrider, "run", "-c", config], stdin=subprocess.DEVNULL)
            try:
                wait_for_port(port)
                for attackers in (0, asked.attackers):
                    until = time.monotonic() + asked.seconds + 1
                    threads = [threading.Thread(target=attack, args=(port, hello, asked.burst, until)) for _ in range(attackers)]
                    for thread in threads:
                        thread.start()
                    took = latencies(port, os.path.join(ca, "ca.crt"), asked.seconds)
                    for thread in threads:
                        thread.join()
                    ms = [1000 * took[int(len(took) * share)] for share in (0.5, 0.9, 0.99)] + [1000 * took[-1]]
                    print("{}: {} attackers: p50 {:.2f} p90 {:.2f} p99 {:.2f} longest {:.2f} ms of {} requests".format(
                        outrider, attackers, *ms, len(took)))
            finally:
                proxy.terminate()
                proxy.wait(timeout=60)


if __name__ == "__main__":
    main()
