#!/usr/bin/env python3
"""wrk through `outrider run --listen --to A,B,C`, against three nginx that count: round robin within 1 %, random within four
sigma, weights 1:2:5 within 2 %, no error. Exits 1 when a share is off."""
import argparse
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

from local import HOST, free_ports, wait_for_port


def start_origins(folder, ports):
    config = os.path.join(folder, "nginx.conf")
    with open(config, "w", encoding="utf-8") as out:
        out.write(f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;\n"
                  "events { worker_connections 2048; }\nhttp { keepalive_requests 100000000; log_format one 'x';\n")
        for i, port in enumerate(ports):
            out.write(f" server {{ listen {HOST}:{port}; access_log {folder}/{i}.log one buffer=64k flush=100ms;"
                      " location / { return 200 \"hello\\n\"; } }\n")
        out.write("}\n")
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin") or sys.exit("balance: nginx is needed")
    process = subprocess.Popen([nginx, "-c", config, "-e", f"{folder}/error.log"])
    for port in ports:
        wait_for_port(port)
    return process


def logged(folder, count):
    return [os.path.getsize(f"{folder}/{i}.log") // 2 for i in range(count)]


def measure(outrider, folder, name, words, port, admin, shares, allowed):
    proxy = subprocess.Popen([outrider, "run", *words, "--set", "admin.address=off", "--set", "admin.health=off",
                              "--set", f"telemetry.metrics.address={HOST}:{admin}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(admin)
        before = logged(folder, len(shares))
        load = subprocess.run(["wrk", "-t1", "-c20", "-d5s", f"http://{HOST}:{port}/"], capture_output=True, text=True, check=True).stdout
        total, seen = 0, []
        while not seen or sum(seen) != total:              # the log is written a little later
            time.sleep(0.3)
            total, seen = sum(seen), [after - first for after, first in zip(logged(folder, len(shares)), before)]
        page = urllib.request.urlopen(f"http://{HOST}:{admin}/metrics").read().decode()
        good = sum(float(value) for value in re.findall(r'^outrider_requests_total\{.*code="200",flag="none"\} (\S+)', page, re.M))
        every = sum(float(value) for value in re.findall(r"^outrider_requests_total\{.*\} (\S+)", page, re.M))
        errors = "Non-2xx" in load or "Socket errors" in load or good != every or good != total or total < 50000
        off = [abs(count - total * share) / allowed(total, share) for count, share in zip(seen, shares)]
        print(f"{name:18} {re.search(r'(.*) requests in', load)[1].strip():>7} answers at wrk, {int(good)} of {int(every)} fine at the proxy, "
              f"at the endpoints {' '.join(map(str, seen))}: {max(off) * 100:.0f} % of what is allowed"
              f"{'  ERRORS' if errors else ''}{'  OFF' if max(off) > 1 else ''}", flush=True)
        return not errors and max(off) <= 1
    finally:
        proxy.terminate()
        proxy.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outrider", default="build/outrider")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="outrider-balance-")
    *endpoints, port, admin = free_ports(5)
    origins = start_origins(folder, endpoints)
    try:
        plain = ["--listen", f"{HOST}:{port}", "--to", ",".join(f"{HOST}:{each}" for each in endpoints)]
        weights = ", ".join(f'{{address: "{HOST}:{each}", weight: {weight}}}' for each, weight in zip(endpoints, (1, 2, 5)))
        third, good = [1 / 3] * 3, True
        for name, words, shares, allowed in (
                ("round_robin", [*plain, "--set", "clusters.web.lb=round_robin"], third, lambda n, p: n * p * 0.01),
                ("random", [*plain, "--set", "clusters.web.lb=random"], third, lambda n, p: 4 * math.sqrt(n * p * (1 - p))),
                ("weights 1:2:5", [*plain, "--set", "clusters.web.lb=round_robin", "--set", f"clusters.web.endpoints=[{weights}]"],
                 [1 / 8, 2 / 8, 5 / 8], lambda n, p: n * p * 0.02)):
            good = measure(options.outrider, folder, name, words, port, admin, shares, allowed) and good
    finally:
        origins.terminate()
        origins.wait()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
