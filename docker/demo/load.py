#!/usr/bin/env python3
"""Callers of compose.yaml's gateway: a few that wait for each answer, one that comes too often, one by TLS, and a stranger
who does not speak HTTP. Runs until it is ended; says every ten seconds what came of it."""
import argparse
import collections
import http.client
import random
import socket
import ssl
import threading
import time

PATHS = ["/shop/list", "/shop/item/7", "/shop/search?q=hat", "/cart/items", "/cart/total", "/status"]


class Caller(threading.Thread):
    """One client: a kept connection, a request, a pause."""

    def __init__(self, name, connect, paths, pause, counts):
        super().__init__(daemon=True)
        self.name, self.connect, self.paths, self.pause, self.counts = name, connect, paths, pause, counts

    def run(self):
        connection = None
        while True:
            try:
                connection = connection or self.connect()
                connection.request("GET", random.choice(self.paths), headers={"x-client": self.name, "accept-encoding": "gzip"})
                answer = connection.getresponse()
                answer.read()
                self.counts[answer.status] += 1
                if answer.will_close or random.random() < 0.01:        # clients come and go
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as trouble:
                self.counts[type(trouble).__name__] += 1
                connection = None
                time.sleep(1)
            time.sleep(random.expovariate(1 / self.pause))


def stranger(host, port):
    while True:
        time.sleep(2)
        try:
            with socket.create_connection((host, port), timeout=5) as one:
                one.sendall(b"GET /status HTTP/1.1\r\nnot a header\r\n\r\n")
                one.recv(1024)
        except OSError:
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http", required=True, help="host:port")
    parser.add_argument("--https", required=True, help="host:port")
    options = parser.parse_args()
    counts = collections.Counter()
    host, port = options.http.rsplit(":", 1)
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE     # its authority is as throw-away as the rest

    def plain():
        return http.client.HTTPConnection(options.http, timeout=5)

    def secure():
        return http.client.HTTPSConnection(options.https, timeout=5, context=anybody)
    for n in range(4):
        Caller(f"client-{n}", plain, PATHS, 0.05, counts).start()
    Caller("greedy", plain, ["/cart/items"], 0.03, counts).start()
    Caller("by-tls", secure, PATHS[:3], 0.1, counts).start()
    threading.Thread(target=stranger, args=(host, int(port)), daemon=True).start()
    while True:
        time.sleep(10)
        print(", ".join(f"{what}: {count}" for what, count in sorted(counts.items(), key=str)), flush=True)


if __name__ == "__main__":
    main()
