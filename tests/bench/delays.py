#!/usr/bin/env python3
"""Whether clients wait as long as an experiment wants them to: requests through the filter `fault` with delays of a lognormal
distribution, timed by h2load, and how far (Kolmogorov and Smirnov) what it waited is from what was asked for. The proxy's and the
network's own time is in it.

Ends with 1 when that is farther than chance explains (p <= 0.05), with 77 where h2load is missing. Of value on a machine that does
nothing else: who has no processor when his time has come is late.
"""
import argparse
import math
import os
import shutil
import subprocess
import sys
import tempfile

from calls import running, skip
from local import HOST, free_ports, wait_for_port
from process import outweigh

NORMAL_99 = 2.3263478740408408   # of the standard normal distribution


def config(port, delay, seed):
    return (f'version: 1\nmode: edge\nregistry: {{kind: none}}\nlisteners: {{edge: {{address: "{HOST}:{port}"}}}}\n'
            f'filters: {{edge: [{{fault: {{delay: {delay}, seed: {seed}, max_held: 10000}}}}]}}\n'
            'routes: {edge: [{respond: {status: 200, body: "hello"}}]}\nadmin: {address: off, health: off}\n'
            "telemetry: {log: {level: error}, metrics: {address: off}, access_log: off}\noverload: {threads: 1}\n")


def probability(distance, count):
    """That samples of the distribution itself are as far away or farther (Marsaglia, Tsang and Wang 2003, for many)."""
    scaled = distance * (math.sqrt(count) + 0.12 + 0.11 / math.sqrt(count))
    return min(1.0, max(0.0, 2 * sum((-1) ** (k - 1) * math.exp(-2 * k * k * scaled * scaled) for k in range(1, 101))))


def distance(samples, up_to):
    samples = sorted(samples)
    n = len(samples)
    return max(max((i + 1) / n - up_to(x), up_to(x) - i / n) for i, x in enumerate(samples))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", default="build/outrider", help="the binary")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=250, help="at a time, each with one request")
    parser.add_argument("--p50", type=int, default=100, help="milliseconds")
    parser.add_argument("--p99", type=int, default=500)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    if not shutil.which("h2load"):
        skip("h2load is missing (Debian: nghttp2-client)")
    folder = tempfile.mkdtemp(prefix="outrider-delays-")
    try:
        port, = free_ports(1)
        path, log = os.path.join(folder, "delays.yaml"), os.path.join(folder, "log")
        with open(path, "w", encoding="utf-8") as out:
            out.write(config(port, f"{{dist: lognormal, p50: {options.p50}ms, p99: {options.p99}ms}}", options.seed))
        with running([options.outrider, "run", "-c", path], start_new_session=True, preexec_fn=outweigh):
            wait_for_port(port)
            subprocess.run(["h2load", "--h1", "-n", str(options.requests), "-c", str(options.clients), "-t", "1", f"--log-file={log}",
                            f"http://{HOST}:{port}/"], check=True, stdout=subprocess.DEVNULL, timeout=1800, start_new_session=True, preexec_fn=outweigh)
        with open(log, encoding="utf-8") as lines:
            rows = [line.split() for line in lines]
        failed = sum(row[1] != "200" for row in rows)
        waited = [int(row[2]) / 1000 for row in rows if row[1] == "200"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if failed or len(waited) != options.requests:
        sys.exit(f"delays: {failed} failed, {len(waited)} of {options.requests} answered")
    sigma = math.log(options.p99 / options.p50) / NORMAL_99
    far = distance(waited, lambda ms: 0.5 * math.erfc(-math.log(ms / options.p50) / sigma / math.sqrt(2)))
    p = probability(far, len(waited))
    waited.sort()
    print(f"{len(waited)} requests, lognormal, seed {options.seed}; asked for: p50 {options.p50} ms, p99 {options.p99} ms; waited: "
          f"p50 {waited[len(waited) // 2]:.2f} ms, p99 {waited[len(waited) * 99 // 100]:.2f} ms; D {far:.5f}, p {p:.3f}")
    return 0 if p > 0.05 else 1


if __name__ == "__main__":
    sys.exit(main())
