#!/usr/bin/env python3
"""System calls per proxied request, counted by strace while wrk keeps 64 connections busy: at most 4.2 (two reads and two
writes are the floor), and none of them an epoll_ctl per message. HTTP/1 and TCP.

strace is attached, and leaves again, while wrk is stopped and nothing is under way, so that calls and requests are those
of the same time; requests are counted by the origin. Ends with 1 when the budget is broken, with 77 where it cannot be
measured: no strace or wrk, or tracing not permitted.
"""
import argparse
import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request

from local import HOST, free_ports, wait_for, wait_for_port
from tracer import PATIENCE, NotPermitted, Tracer, pause

FLOOR, BUDGET, EPOLL_CTL_BUDGET = 4.0, 4.2, 0.1
CONNECTIONS, WARM = 64, 2000
SKIPPED = 77
PR_SET_PTRACER, ANY = 0x59616D61, ctypes.c_ulong(-1)


def skip(why):
    print(f"calls: {why}: skipped")
    sys.exit(SKIPPED)


def may_be_traced():
    """Also where only a parent may trace (Yama); elsewhere the kernel does not know the word, which is no harm."""
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ANY, 0, 0, 0)


@contextlib.contextmanager
def running(words, **more):
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, **more)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Origin:
    """The same program, answering by itself; it counts."""

    def __init__(self, outrider, folder):
        self.port, self.metrics = free_ports(2)
        config = os.path.join(folder, "origin.yaml")
        with open(config, "w", encoding="utf-8") as out:
            out.write(f'version: 1\nmode: edge\nlisteners: {{edge: {{address: "{HOST}:{self.port}"}}}}\n'
                      'routes: {edge: [{respond: {status: 200, body: "hello, world\\n"}}]}\n'
                      f'admin: {{address: off, health: off}}\ntelemetry: {{log: {{level: error}}, metrics: {{address: "{HOST}:{self.metrics}"}}}}\n')
        self.words = [outrider, "run", "-c", config]

    def requests(self):
        with urllib.request.urlopen(f"http://{HOST}:{self.metrics}/metrics", timeout=10) as page:
            text = page.read().decode()
        return sum(int(float(n)) for n in re.findall(r"^outrider_requests_total\{[^}]*\} (\S+)$", text, re.M))

    def wait_for_more_than(self, count):
        wait_for(f"{count} requests", PATIENCE, lambda: self.requests() >= count)


def proxy_words(outrider, mode, port, to):
    words = [outrider, "run", "--listen", f"{HOST}:{port}", "--to", f"{HOST}:{to}"]
    settings = ["overload.threads=1", "admin.address=off", "admin.health=off", "telemetry.metrics.address=off", "telemetry.log.level=error"]
    if mode == "tcp":
        settings += ["listeners.edge.protocol=tcp", "clusters.web.protocol=tcp"]
    for each in settings:
        words += ["--set", each]
    return words


def measure(mode, options, folder):
    """Calls by name, and requests."""
    origin = Origin(options.outrider, folder)
    port, = free_ports(1)
    load = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", "1h", f"http://{HOST}:{port}/"]
    with running(origin.words), running(proxy_words(options.outrider, mode, port, origin.port), preexec_fn=may_be_traced) as proxy:
        wait_for_port(origin.port)
        wait_for_port(port)
        with running(load, stdout=subprocess.DEVNULL) as wrk:
            origin.wait_for_more_than(WARM)
            before = pause(wrk, [proxy.pid], origin.requests)
            tracer = Tracer([proxy.pid], folder)
            wrk.send_signal(signal.SIGCONT)
            origin.wait_for_more_than(before + options.requests)
            requests = pause(wrk, [proxy.pid], origin.requests) - before
            return tracer.counts(), requests


def judge(mode, calls, requests):
    total, epoll_ctl = sum(calls.values()) / requests, calls.get("epoll_ctl", 0) / requests
    good = FLOOR <= total <= BUDGET and epoll_ctl < EPOLL_CTL_BUDGET   # fewer: not all of them were seen
    names = ", ".join(f"{name} {count / requests:.2f}" for name, count in sorted(calls.items(), key=lambda c: -c[1]) if count >= requests / 100)
    print(f"  {mode:5} {total:.2f} calls a request of {requests} (limit {BUDGET}): {names}" + ("" if good else "   <- MISSED"), flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", default="build/outrider", help="the binary")
    parser.add_argument("--requests", type=int, default=10000, help="to count over, at the least")
    options = parser.parse_args()
    options.outrider = os.path.abspath(options.outrider)
    for tool in ("strace", "wrk"):
        if not shutil.which(tool):
            skip(f"{tool} is not installed")
    folder = tempfile.mkdtemp(prefix="outrider-calls-")
    try:
        sys.exit(0 if all([judge(mode, *measure(mode, options, folder)) for mode in ("http", "tcp")]) else 1)
    except NotPermitted as refusal:
        skip(f"tracing is not permitted here ({str(refusal).strip()})")
    except TimeoutError as missing:
        sys.exit(f"calls: waited in vain for {missing}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
