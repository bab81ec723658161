#!/usr/bin/env python3
"""1 GiB up and 1 GiB down, through an HTTP and a TCP listener, with a reader that dawdles on either side: are the bytes the
same, and what does the proxy hold meanwhile? Exits 1 when they are not, or when it holds more than --limit."""
import argparse
import hashlib
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time

from local import HOST, free_ports

BLOCK = random.Random(7).randbytes(1 << 20)


def until_blank_line(connection):
    got = b""
    while b"\r\n\r\n" not in got:
        some = connection.recv(1 << 16)
        if not some:
            return b"", b""
        got += some
    return got.split(b"\r\n\r\n", 1)


def digest_of(connection, first, size, slow):
    digest, got, reads = hashlib.sha256(first), len(first), 0
    while got < size:
        some = connection.recv(1 << 18)
        if not some:
            return ""
        digest.update(some)
        got += len(some)
        reads += 1
        if slow and reads % 64 == 0:
            time.sleep(0.01)
    return digest.hexdigest()


class Origin:
    """GET: `size` bytes. Anything else: the digest of the body, read slowly where the path says so."""

    def __init__(self, size):
        self.size = size
        self.socket = socket.create_server((HOST, 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            head, first = until_blank_line(connection)
            try:
                if head.startswith(b"GET"):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.size)
                    for _ in range(self.size >> 20):
                        connection.sendall(BLOCK)
                elif head:
                    answer = digest_of(connection, first, self.size, b" /slow " in head).encode()
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
            except OSError:
                pass


class Memory:
    """The most a process was seen to hold, in KiB, since the last reset."""

    def __init__(self, pid):
        self.pid, self.most, self.running = pid, 0, True
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while self.running:
            with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
                self.most = max(self.most, int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024)
            time.sleep(0.02)


def down(port, size, slow):
    with socket.create_connection((HOST, port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        _, first = until_blank_line(client)
        return digest_of(client, first, size, slow)


def up(port, size, slow):
    with socket.create_connection((HOST, port)) as client:
        client.sendall(b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (b"/slow" if slow else b"/", size))
        for _ in range(size >> 20):
            client.sendall(BLOCK)
        _, digest = until_blank_line(client)
        while len(digest) < 64:
            digest += client.recv(64)
        return digest.decode()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outrider", default="build/outrider")
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--limit", type=int, default=40, help="MiB the proxy may hold")
    options = parser.parse_args()
    size = options.mib << 20
    right = hashlib.sha256()
    for _ in range(options.mib):
        right.update(BLOCK)
    origin = Origin(size)
    http, tcp = free_ports(2)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
        config.write(f"""version: 1
mode: edge
registry: {{kind: none}}
admin: {{address: off, health: off}}
telemetry: {{metrics: {{address: off}}}}
listeners:
  http: {{address: "{HOST}:{http}", http: {{max_body: off}}}}
  tcp: {{address: "{HOST}:{tcp}", protocol: tcp}}
routes: {{http: [{{cluster: http}}], tcp: [{{cluster: tcp}}]}}
clusters:
  http: {{endpoints: ["{HOST}:{origin.port}"], timeout: 0}}
  tcp: {{endpoints: ["{HOST}:{origin.port}"], protocol: tcp}}
""")
        config.flush()
        proxy = subprocess.Popen([options.outrider, "run", "-c", config.name], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for line in proxy.stderr:
            if b"listener=tcp" in line:
                break
        else:
            sys.exit("bodies: the proxy did not start")
        threading.Thread(target=proxy.stderr.read, daemon=True).start()
        memory, good = Memory(proxy.pid), True
        try:
            for name, port in (("http", http), ("tcp", tcp)):
                for way in (down, up):
                    for slow in (False, True):
                        memory.most = 0
                        same = way(port, size, slow) == right.hexdigest()
                        good = good and same and 0 < memory.most < options.limit * 1024
                        print(f"{name:4}  {options.mib} MiB {way.__name__:4}  {'slow reader' if slow else 'fast reader'}  "
                              f"{'same bytes' if same else 'OTHER BYTES'}  at most {memory.most / 1024:.1f} MiB held", flush=True)
        finally:
            memory.running = False
            proxy.terminate()
            proxy.wait()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
