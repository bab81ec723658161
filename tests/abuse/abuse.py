#!/usr/bin/env python3
"""Every way to abuse HTTP/2 that there is a limit against, several connections at a time, at a proxy of its own: each is cut
off by its limit, which says so and is counted, while a client that behaves sees no error and memory stays within what the
limits allow. Ends with 1 when one of these is not so.

--latency, by hand, as root: what each attack does to the time that client waits (latency.py).
"""
import argparse
import sys
import tempfile
import threading

from attacks import FLOODS
from stage import ATTACKERS, BUFFER, MAX_HEAD, MAX_STREAMS, Behaved, Proxy, rows
from frames import PATIENCE
from latency import latency
from local import wait_for

# KiB. What nobody sends the body of has a head, and perhaps a connection upstream; besides, allocators and what is kept warm.
FLOODED = ATTACKERS * (MAX_STREAMS * 32 + 8 * BUFFER // 1024) + 8 * 1024
# What the streams of all attackers may hold both ways, and their heads.
HELD = ATTACKERS * MAX_STREAMS * (2 * BUFFER + 2 * MAX_HEAD) // 1024 + 8 * 1024


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


def check(options, proxy):
    bad = []
    behaved = Behaved(proxy.port["open"])
    wait_for("the first answers", PATIENCE, lambda: behaved.served > 100 or behaved.errors)
    before = most = proxy.rss_kib()
    for name, attack, port, wanted, metric, labels, growth in rows(proxy):
        counted, served = proxy.metric(metric, labels), behaved.served
        seen = in_parallel(attack, port)
        most, bound = max(most, proxy.rss_kib()), FLOODED if name in FLOODS else HELD
        if options.memory and most - before > bound:
            bad.append(f"{name}: memory grew by {most - before} KiB, and the limits allow {bound}")
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
        print(f"abuse: {name}: {seen[0]}; memory grew by {most - before} KiB of {bound}")
    behaved.stop()
    print(f"abuse: {behaved.served} requests of the client that behaves")
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outrider", required=True)
    parser.add_argument("--no-memory", dest="memory", action="store_false", help="a sanitizer's is not the program's")
    parser.add_argument("--latency", action="store_true")
    parser.add_argument("--seconds", type=float, default=1, help="of a round")
    parser.add_argument("--only", help="attacks with this in their names")
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
