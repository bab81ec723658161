#!/usr/bin/env python3
"""Instructions of the proxy for a small request, with 10 rules and with 10,000: hosts, domains, prefixes and conditions, mixed. Ten
rules are asked for in turn, spread over the table, by one client over one connection, one request after the other.

Counted by valgrind (callgrind), so that it is the same on a busy machine; what the kernel does is not in it. Ends with 1 when many
rules cost more than 10 % over few, with 77 where valgrind is missing.
"""
import argparse
import glob
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

from calls import running, skip
from local import HOST, free_ports, wait_for, wait_for_port
from process import outweigh

FEW, MANY, ASKED = 10, 10_000, 10
MORE = 1.10
BODY = b"hello, world\n"


def rule(number):
    """What it asks, and a request that it takes; of one length, whatever the number."""
    n = f"{number:05d}"
    kinds = ((f"host: h{n}.bench.test, prefix: /small", f"h{n}.bench.test", f"/small/{n}", ""),
             (f'host: "*.d{n}.bench.test"', f"a.d{n}.bench.test", f"/small/{n}", ""),
             (f"prefix: /p{n}/small", "any.bench.test", f"/p{n}/small", ""),
             (f'host: c{n}.bench.test, header: {{x-tenant: "{n}"}}', f"c{n}.bench.test", f"/small/{n}", n),
             (f'host: c{n}.bench.test, prefix: /q, query: {{part: "{n}"}}', f"c{n}.bench.test", f"/q?part={n}", ""))
    match, host, path, tenant = kinds[number % len(kinds)]
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Tenant: {tenant or 'nobody'}\r\n\r\n"
    return match, request.encode()


def config(count, port, to):
    text = f'version: 1\nmode: edge\nregistry: {{kind: none}}\nlisteners: {{edge: {{address: "{HOST}:{port}"}}}}\nroutes:\n  edge:\n'
    text += "".join(f"    - {{match: {{{rule(i)[0]}}}, cluster: web}}\n" for i in range(count))
    return text + (f'clusters: {{web: {{endpoints: ["{HOST}:{to}"]}}}}\nadmin: {{address: off, health: off}}\n'
                   "telemetry: {log: {level: error}, metrics: {address: off}}\noverload: {threads: 1}\nlifecycle: {sandbox: off}\n")


def origin_config(port):
    return (f'version: 1\nmode: edge\nlisteners: {{edge: {{address: "{HOST}:{port}"}}}}\n'
            f'routes: {{edge: [{{respond: {{status: 200, body: "{BODY.decode().strip()}\\n"}}}}]}}\n'
            "admin: {address: off, health: off}\ntelemetry: {log: {level: error}, metrics: {address: off}}\n")


def write(path, text):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return path


def ask(client, requests, count):
    for i in range(count):
        client.sendall(requests[i % len(requests)])
        got = b""
        while not got.endswith(BODY):
            part = client.recv(4096)
            if not part:
                sys.exit(f"rules: the connection ended after {got!r}")
            got += part
        if not got.startswith(b"HTTP/1.1 200"):
            sys.exit(f"rules: {requests[i % len(requests)]!r} was answered {got!r}")


def control(pid, *words):
    subprocess.run(["callgrind_control", *words, str(pid)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def instructions(folder, dump):
    """Of one dump, the newest of all."""
    found = []
    wait_for("a dump", 60, lambda: found.extend(glob.glob(os.path.join(folder, f"callgrind.{dump}.*"))) or found)

    def total():
        counted = 0
        for name in set(found):
            with open(name, encoding="utf-8") as out:
                counted += sum(int(n) for n in re.findall(r"^totals: (\d+)$", out.read(), re.M))
        return counted
    return wait_for("its totals", 60, total)


def measure(options, count, requests_wanted):
    folder = tempfile.mkdtemp(prefix="outrider-rules-")
    port, to = free_ports(2)
    origin = write(os.path.join(folder, "origin.yaml"), origin_config(to))
    table = write(os.path.join(folder, "rules.yaml"), config(count, port, to))
    requests = [rule(i * count // ASKED)[1] for i in range(ASKED)]
    try:
        with running([options.outrider, "run", "-c", origin]), \
             running(["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/callgrind.%p", "-q",
                      options.outrider, "run", "-c", table], stderr=subprocess.DEVNULL, start_new_session=True, preexec_fn=outweigh) as proxy:
            wait_for_port(to)
            client = wait_for("the proxy", 900, lambda: socket.create_connection((HOST, port), 60))   # valgrind takes its time
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ask(client, requests, options.warm)
            control(proxy.pid, "-i", "on")
            ask(client, requests, options.warm)              # translated anew, now that it is counted
            control(proxy.pid, "-z")
            ask(client, requests, requests_wanted)
            control(proxy.pid, "-d")
            client.close()
            return instructions(folder, proxy.pid) / requests_wanted
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", default="build/outrider", help="the binary")
    parser.add_argument("--requests", type=int, default=5000, help="to count over")
    parser.add_argument("--warm", type=int, default=200, help="before that")
    options = parser.parse_args()
    options.outrider = os.path.abspath(options.outrider)
    if not shutil.which("valgrind") or not shutil.which("callgrind_control"):
        skip("valgrind is not installed")
    print(f"  {'rules':>8}{'instructions a request':>26}")
    few = measure(options, FEW, options.requests)
    print(f"  {FEW:8,}{few:26,.0f}", flush=True)
    many = measure(options, MANY, options.requests)
    good = many <= few * MORE
    print(f"  {MANY:8,}{many:26,.0f}   {100 * (many / few - 1):+.1f} % (limit {100 * (MORE - 1):+.0f} %)" + ("" if good else "   <- MISSED"))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
