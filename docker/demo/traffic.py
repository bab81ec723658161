#!/usr/bin/env python3
"""Callers of compose.yaml's gateway: a few that wait for each answer, one that comes too often, one by TLS, and a stranger
who speaks neither HTTP nor TLS. Runs until it is ended; says every ten seconds what came of it."""
import argparse
import collections
import random
import socket
import ssl
import threading
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection

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
            except (OSError, HTTPException) as trouble:
                self.counts[type(trouble).__name__] += 1
                connection = None
                time.sleep(1)
            time.sleep(random.expovariate(1 / self.pause))


def stranger(http, https):
    """What every gateway meets: no HTTP, too much of it, and no TLS."""
    while True:
        for address, said in ((http, b"GET /status HTTP/1.1\r\nnot a header\r\n\r\n"), (https, b"GET / HTTP/1.1\r\n\r\n"),
                              (http, b"POST /shop HTTP/1.1\r\nhost: shop\r\ncontent-length: 1000000000\r\n\r\n")):
            time.sleep(1)
            try:
                with socket.create_connection(address, timeout=5) as one:
                    one.sendall(said)
                    one.recv(1024)
            except OSError:
                pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http", required=True, help="host:port")
    parser.add_argument("--https", required=True, help="host:port")
    options = parser.parse_args()
    counts = collections.Counter()
    http, https = [(host, int(port)) for host, _, port in (each.rpartition(":") for each in (options.http, options.https))]
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE     # its authority is as throw-away as the rest

    def plain():
        return HTTPConnection(*http, timeout=5)

    def secure():
        return HTTPSConnection(*https, timeout=5, context=anybody)
    for n in range(4):
        Caller(f"client-{n}", plain, PATHS, 0.05, counts).start()
    Caller("greedy", plain, ["/cart/items"], 0.03, counts).start()
    Caller("by-tls", secure, PATHS[:3], 0.1, counts).start()
    threading.Thread(target=stranger, args=(http, https), daemon=True).start()
    while True:
        time.sleep(10)
        print(", ".join(f"{what}: {count}" for what, count in sorted(counts.items(), key=str)), flush=True)


if __name__ == "__main__":
    main()
