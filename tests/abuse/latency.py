"""How long a client that behaves waits: alone, while attackers send what they have to somebody who only reads it, and while
they attack the proxy. What the second adds is the machine's, and what the third adds to the second the proxy's.

Proxy and client have one core; attackers, the one who only reads, and the origin have another. Client and origin go before
the others of their core: what is waited for is the proxy.
"""
import multiprocessing
import os
import socket
import sys
import threading
import time

from frames import GOAWAY, PATIENCE, frame
from local import HOST
from stage import ATTACKERS, Behaved, rows

TAKEN = 65536                # what a sink reads of a connection, at most


def tasks(pid):
    return map(int, os.listdir(f"/proc/{pid}/task"))


def pin(core, pid):
    for task in tasks(pid):
        os.sched_setaffinity(task, {core})


def go_first(pid):
    for task in tasks(pid):
        os.sched_setscheduler(task, os.SCHED_FIFO, os.sched_param(1))


def aside(core, run, *arguments):
    """A process on that core."""
    def start():
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        pin(core, os.getpid())
        run(*arguments)
    process = multiprocessing.get_context("fork").Process(target=start, daemon=True)
    process.start()
    return process


def sink(server):
    """Reads some of each connection, or for a second, and says goodbye."""
    def take(connection):
        connection.settimeout(1)
        left = TAKEN
        try:
            while left > 0 and (got := connection.recv(left)):
                left -= len(got)
        except OSError:
            pass
        try:
            connection.send(frame(GOAWAY, 0, 0, bytes(8)))
        except OSError:
            pass
        connection.close()
    while True:
        threading.Thread(target=take, args=(server.accept()[0],), daemon=True).start()


def again_and_again(attack, port):
    while True:
        attack(port)


class Phase:
    """Seconds of the client that behaves, beside attackers of `port` (none: beside nobody)."""

    def __init__(self, options, proxy, core, attack, port):
        attackers = [aside(core, again_and_again, attack, port) for _ in range(ATTACKERS if port else 0)]
        behaved = Behaved(proxy.port["open"])
        go_first(os.getpid())
        self.most, end = 0, time.monotonic() + options.seconds
        while time.monotonic() < end and not behaved.errors:
            time.sleep(0.05)
            self.most = max(self.most, proxy.rss_kib())
        behaved.stop()
        for attacker in attackers:
            attacker.kill()
            attacker.join(PATIENCE)
        self.waits, self.errors = behaved.waits, behaved.errors


def p99(waits):
    return sorted(waits)[len(waits) * 99 // 100] * 1e3


def latency(options, proxy):
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("abuse: two cores are needed")
    theirs, ours = cores[:2]
    for pid in (proxy.process.pid, os.getpid()):
        pin(ours, pid)
    pin(theirs, proxy.origin.pid)
    go_first(proxy.origin.pid)
    server = socket.create_server((HOST, 0), backlog=1024)
    dummy = aside(theirs, sink, server)
    bad = []
    print(f"abuse: p99 in ms of {options.rounds} times {options.seconds:g} s each, in turns")
    print(f"{'':26}{'quiet':>8}{'sink':>8}{'proxy':>8}{'to quiet':>10}{'to sink':>9}{'cut off':>9}{'KiB more':>10}")
    for name, attack, port, _, metric, labels, _ in rows(proxy):
        if options.only and options.only not in name:
            continue
        waits, counted, before, most = [[], [], []], proxy.metric(metric, labels), proxy.rss_kib(), 0
        attack(port)                 # warms it, and us
        for _ in range(options.rounds):
            for found, where in zip(waits, (None, server.getsockname()[1], port)):
                phase = Phase(options, proxy, theirs, attack, where)
                found += phase.waits
                most = max(most, phase.most)
                bad += [f"{name}: the client that behaves: {error}" for error in phase.errors]
        quiet, control, attacked = map(p99, waits)
        print(f"{name:26}{quiet:8.2f}{control:8.2f}{attacked:8.2f}{attacked / quiet:10.2f}{attacked / control:9.2f}"
              f"{proxy.metric(metric, labels) - counted:9.0f}{most - before:10}", flush=True)
    dummy.kill()
    return bad
