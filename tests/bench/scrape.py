#!/usr/bin/env python3
"""What a scrape costs and shows with 10,000 routes and 1,000 clusters, all of which have been used: lines, bytes, CPU of the
process, and how long the workers' turns take under load with scrapes and without them, in turns.

Ends with 1 when a bound is broken: more lines than telemetry.metrics.max_series, more than 50 ms of CPU, longer turns with scrapes
than without, something missing that has to be there, or a request that is in no series. --no-times checks what is shown alone.
"""
import argparse
import gzip
import http.client
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from calls import skip
from local import HOST, free_ports, wait_for_port
from process import Running, raise_open_files

CPU_MS = 50
LAG_MS, LAG_SHARE = 1, 1.25   # turns are measured in whole milliseconds
PROMETHEUS = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
VARIANTS = {"text": {}, "text, gzip": {"Accept-Encoding": "gzip"}, "OpenMetrics": {"Accept": PROMETHEUS},
            "OpenMetrics, gzip": {"Accept": PROMETHEUS, "Accept-Encoding": "gzip"}}
ALWAYS = ["process_cpu_seconds_total", "process_resident_memory_bytes", "outrider_build_info", "outrider_config_info",
          "outrider_metrics_series", "outrider_metrics_dropped_series_total", "outrider_event_loop_lag_seconds_count",
          "outrider_proxy_overhead_seconds_count", "outrider_connections_total", "outrider_overload_level"]
KEEP = 0.25                   # a page that is younger than 200 ms is shown again


def config(options, port, metrics, to):
    text = (f'version: 1\nmode: edge\nregistry: {{kind: none}}\noverload: {{threads: {options.threads}}}\nlifecycle: {{sandbox: off}}\n'
            f'admin: {{address: off, health: off}}\n'
            f'telemetry: {{log: {{level: error}}, metrics: {{address: "{HOST}:{metrics}", max_series: {options.max_series}}}}}\n'
            f'listeners: {{edge: {{address: "{HOST}:{port}"}}}}\nroutes:\n  edge:\n')
    text += "".join(f"    - {{name: r{i}, match: {{prefix: /r{i}}}, cluster: c{i % options.clusters}}}\n" for i in range(options.routes))
    return text + "clusters:\n" + "".join(f'  c{i}: {{endpoints: ["{HOST}:{to}"]}}\n' for i in range(options.clusters))


def origin_config(port):
    return (f'version: 1\nmode: edge\nlisteners: {{edge: {{address: "{HOST}:{port}"}}}}\n'
            'routes: {edge: [{respond: {status: 200, body: "hello, world\\n"}}]}\n'
            "admin: {address: off, health: off}\ntelemetry: {log: {level: error}, metrics: {address: off}}\n")


def write(path, text):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return path


def use_all(port, options):
    """One request a route, and ten of the last ones, on connections that are kept. Returns how many."""
    asked = 0
    connection = socket.create_connection((HOST, port), 30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    numbers = list(range(options.routes)) + 10 * list(range(max(0, options.routes - 20), options.routes))
    for at in range(0, len(numbers), 50):
        part = numbers[at:at + 50]
        connection.sendall(b"".join(b"GET /r%d HTTP/1.1\r\nHost: x\r\n\r\n" % i for i in part))
        got = b""
        while got.count(b"hello, world\n") < len(part):
            more = connection.recv(65536)
            if not more:
                sys.exit(f"scrape: the connection ended after {got[-300:]!r}")
            got += more
        asked += got.count(b"HTTP/1.1 200")
    connection.close()
    return asked


def scrape(port, headers):
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    try:
        connection.request("GET", "/metrics", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        packed = answer.getheader("Content-Encoding") == "gzip"
        if answer.status != 200 or packed != ("Accept-Encoding" in headers):
            sys.exit(f"scrape: {answer.status} {answer.getheaders()}")
        return len(body), (gzip.decompress(body) if packed else body).decode()
    finally:
        connection.close()


def lines_of(text):
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def total(lines, name):
    return sum(float(line.split(" # ")[0].rsplit(" ", 1)[1]) for line in lines if re.match(name + r"[{ ]", line))


def named(lines, name, label):
    """How many have a series of their own."""
    found = (re.search(label + r'="([^"]+)"', line) for line in lines if line.startswith(name))
    return len({one.group(1) for one in found if one and not one.group(1).startswith("__")})


def cost(running, metrics, headers, times):
    """Milliseconds of CPU of one scrape, the median; lines and bytes. Nothing else is asked of the process meanwhile."""
    took = []
    for _ in range(times):
        time.sleep(KEEP)
        before = running.cpu()[0]
        size, text = scrape(metrics, headers)
        took.append((running.cpu()[0] - before) / 1e6)
    return statistics.median(took), max(took), len(lines_of(text)), size


def lag(metrics):
    """Sum and count of the longest turns of workers, one a second."""
    lines = [line for line in lines_of(scrape(metrics, {})[1]) if 'loop="worker"' in line]
    return total(lines, "outrider_event_loop_lag_seconds_sum"), total(lines, "outrider_event_loop_lag_seconds_count")


def turns(options, port, metrics, folder):
    """Milliseconds of the longest turn of a second, on average, without and with scrapes."""
    uris = write(os.path.join(folder, "uris"), "".join(f"http://{HOST}:{port}/r{i}\n" for i in range(options.routes)))
    load = subprocess.Popen(["h2load", "--h1", "-t", "1", "-c", "8", "-D", "100000", f"--rps={options.rate / 8:g}", "-i", uris],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = {False: [], True: []}
    try:
        time.sleep(options.clusters / max(1, options.rate / 8) + 2)  # each client has met each cluster: the connections are there
        for number in range(2 * options.phases):
            scrapes = number % 2 == 1
            before = lag(metrics)
            end = time.monotonic() + options.seconds
            while time.monotonic() < end:
                if scrapes:
                    scrape(metrics, VARIANTS["OpenMetrics, gzip"])
                time.sleep(options.every if scrapes else 0.5)
            after = lag(metrics)
            found[scrapes].append(1000 * (after[0] - before[0]) / max(1, after[1] - before[1]))
    finally:
        load.kill()
        load.wait()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", default="build/outrider", help="the binary")
    parser.add_argument("--routes", type=int, default=10_000)
    parser.add_argument("--clusters", type=int, default=1_000)
    parser.add_argument("--max-series", type=int, default=5_000)
    parser.add_argument("--threads", type=int, default=1, help="workers")
    parser.add_argument("--scrapes", type=int, default=11, help="of each kind")
    parser.add_argument("--phases", type=int, default=4, help="without scrapes, and as many with them")
    parser.add_argument("--seconds", type=int, default=10, help="of a phase")
    parser.add_argument("--every", type=float, default=1, help="seconds between two scrapes in a phase")
    parser.add_argument("--rate", type=int, default=800, help="requests a second meanwhile")
    parser.add_argument("--no-times", action="store_true", help="only what is shown")
    options = parser.parse_args()
    options.outrider = os.path.abspath(options.outrider)
    if not options.no_times and not shutil.which("h2load"):
        skip("h2load is not installed")
    raise_open_files()
    folder = tempfile.mkdtemp(prefix="outrider-scrape-")
    port, metrics, to = free_ports(3)
    broken = []
    cores = sorted(os.sched_getaffinity(0))
    started = []
    try:
        for name, text, core in (("origin", origin_config(to), cores[-1]), ("proxy", config(options, port, metrics, to), cores[0])):
            path = write(os.path.join(folder, f"{name}.yaml"), text)
            started.append(Running([options.outrider, "run", "-c", path], core))
        running = started[1]
        for each in (to, port, metrics):
            wait_for_port(each)
        asked = use_all(port, options)
        before = running.cpu()[0]
        shown = lines_of(scrape(metrics, {})[1])
        first = (running.cpu()[0] - before) / 1e6
        print(f"{options.routes:,} routes and {options.clusters:,} clusters, all used, max_series {options.max_series:,}")
        print(f"  {named(shown, 'outrider_requests_total', 'route')} routes have their counters, "
              f"{named(shown, 'outrider_request_duration_seconds_count', 'route')} their histograms")
        print(f"  {named(shown, 'outrider_cluster_pending_requests', 'cluster')} clusters have their counters, "
              f"{named(shown, 'outrider_cluster_connect_duration_seconds_count', 'cluster')} their histograms\n")
        if not options.no_times:
            print(f"  the first scrape, which meets all of them: {first:.1f} ms of CPU")
        if not options.no_times:
            print(f"  {'format':<20}{'CPU ms':>8}{'most':>8}{'series':>9}{'KiB':>8}")
        for name, headers in VARIANTS.items():
            time.sleep(KEEP)
            size, text = scrape(metrics, headers)
            lines = lines_of(text)
            if len(lines) > options.max_series:
                broken.append(f"{name}: {len(lines)} series")
            if total(lines, "outrider_metrics_series") != len(lines):
                broken.append(f"{name}: outrider_metrics_series is not {len(lines)}")
            if total(lines, "outrider_metrics_dropped_series_total") == 0:
                broken.append(f"{name}: nothing was dropped")
            if total(lines, "outrider_requests_total") != asked:
                broken.append(f"{name}: {total(lines, 'outrider_requests_total'):.0f} requests of {asked}")
            if total(lines, "outrider_request_duration_seconds_count") != asked:
                broken.append(f"{name}: durations of {total(lines, 'outrider_request_duration_seconds_count'):.0f} requests of {asked}")
            broken += [f"{name}: no {each}" for each in ALWAYS if not any(re.match(each + r"[{ ]", line) for line in lines)]
            most_used = [f'route="r{i}"' for i in range(max(0, options.routes - 5), options.routes)]
            for kind in ("outrider_requests_total", "outrider_request_duration_seconds_count"):
                of_kind = [line for line in lines if line.startswith(kind)]
                if kind.endswith("_total"):
                    broken += [f"{name}: {kind} has not {each}, which was used most" for each in most_used
                               if not any(each in line for line in of_kind)]
                if sum("__other__" not in line for line in of_kind) < max(1, options.max_series // 1000):
                    broken.append(f"{name}: {kind} of too few routes")
            if options.no_times:
                continue
            median, most, count, size = cost(running, metrics, headers, options.scrapes)
            print(f"  {name:<20}{median:8.1f}{most:8.1f}{count:9,}{size / 1024:8.0f}", flush=True)
            if median > CPU_MS:
                broken.append(f"{name}: {median:.1f} ms of CPU")
        if not options.no_times:
            found = turns(options, port, metrics, folder)
            without, with_scrapes = statistics.mean(found[False]), statistics.mean(found[True])
            print(f"\n  the longest turn of a second, ms, of {options.phases} phases of {options.seconds} s each, {options.rate} requests/s\n"
                  f"    without scrapes              {without:6.2f}   ({', '.join(f'{x:.2f}' for x in found[False])})\n"
                  f"    with one each {options.every:g} s            {with_scrapes:6.2f}   ({', '.join(f'{x:.2f}' for x in found[True])})")
            if with_scrapes > max(without + LAG_MS, without * LAG_SHARE):
                broken.append(f"turns of {with_scrapes:.2f} ms with scrapes, {without:.2f} without")
    finally:
        for each in started:
            each.stop()
        shutil.rmtree(folder, ignore_errors=True)
    for one in broken:
        print(f"  {one}   <- MISSED")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
