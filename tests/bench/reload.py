#!/usr/bin/env python3
"""A gateway under load whose configuration is changed again and again: rules, clusters, endpoints, filters and listeners come and
go, by file and SIGHUP and by `outrider config apply`, and every fifth change is wrong. Clients keep their connections, or make a new
one for each request. At last a change that sends everybody to a port where nobody is, which the guard has to take back.

Ends with 1 when a request failed (before that last change), when something wrong was not refused by its line, when memory grew, when the
history is not the last 20, or when the guard did not go back in its time; with 77 where h2load (nghttp2-client) or wrk is missing.
"""
import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

from calls import running, skip
from local import HOST, free_ports, wait_for_port
from mesh import get_json, wait_for

GROWTH = 1.1     # of resident memory, from the 40th reload to the last
KEEP = 20
GUARD_S = 20


def app(port, name):
    return (f'version: 1\nmode: edge\nlisteners: {{app: {{address: "{HOST}:{port}"}}}}\nroutes: {{app: [{{respond: {{status: 200, '
            f'body: "hello from {name}\\n"}}}}]}}\nadmin: {{address: off, health: off}}\ntelemetry: {{metrics: {{address: off}}}}\n'
            "overload: {threads: 1}\nconfig: {history: off}\n")


class Gateway:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.ports = dict(zip(("edge", "extra", "admin", "metrics", "a", "b", "nobody"), free_ports(7)))
        self.file = os.path.join(folder, "edge.yaml")
        self.random = random.Random(options.seed)

    def text(self, n, endpoints=None, guard="5s"):
        draw = self.random
        endpoints = endpoints or draw.choice((["a"], ["b"], ["a", "b"]))
        lb = draw.choice(("ewma", "random", "round_robin", "least_request"))
        rules = "".join(f"    - {{match: {{prefix: /only/{n}/{i}}}, cluster: web, timeout: {i + 1}s}}\n" for i in range(n % 7))
        filters = draw.choice(("", "filters: {edge: [{headers: {request: {set: {x-n: \"%d\"}}}}]}\n" % n,
                               "filters: {edge: [{rate_limit: {rate: 1000000/s}}]}\n"))
        extra = n % 3 == 0
        return (f'version: 1\nmode: edge\nregistry: {{kind: none}}\noverload: {{threads: 2}}\n'
                f'config: {{history: {{dir: {self.folder}/history, keep: {KEEP}}}, guard: {{for: {guard}}}}}\n'
                f'listeners:\n  edge: {{address: "{HOST}:{self.ports["edge"]}"}}\n'
                + (f'  extra: {{address: "{HOST}:{self.ports["extra"]}"}}\n' if extra else "")
                + f"routes:\n  edge:\n{rules}    - {{cluster: web}}\n" + ("  extra: [{respond: {status: 200}}]\n" if extra else "")
                + f"clusters:\n  web: {{lb: {lb}, timeout: {10 + n}s, endpoints: ["
                + ", ".join(f'"{HOST}:{self.ports[each]}"' for each in endpoints) + "]}\n"
                + f'  unused-{n}: {{endpoints: ["{HOST}:1"]}}\n' + filters
                + f'admin: {{address: "{HOST}:{self.ports["admin"]}", health: off}}\n'
                f'telemetry: {{log: {{level: "off"}}, metrics: {{address: "{HOST}:{self.ports["metrics"]}"}}}}\n')

    def write(self, text):
        with open(self.file + ".new", "w", encoding="utf-8") as out:
            out.write(text)
        os.rename(self.file + ".new", self.file)

    def tool(self, *words, text=None):
        return subprocess.run([self.options.outrider, *words, "--admin", f"{HOST}:{self.ports['admin']}"], input=text, text=True,
                              capture_output=True, timeout=60, check=False)

    def ended(self):
        with urllib.request.urlopen(f"http://{HOST}:{self.ports['metrics']}/metrics", timeout=10) as page:
            text = page.read().decode()
        ends = {}
        for labels, count in re.findall(r"^outrider_requests_total\{(.*)\} (\S+)$", text, re.M):
            key = tuple(re.search(rf'{name}="([^"]*)"', labels).group(1) for name in ("code", "flag"))
            ends[key] = ends.get(key, 0) + float(count)
        return ends

    def series(self):
        with urllib.request.urlopen(f"http://{HOST}:{self.ports['metrics']}/metrics", timeout=10) as page:
            return float(re.search(r"^outrider_metrics_series (\S+)$", page.read().decode(), re.M).group(1))

    def history(self):
        return get_json(self.ports["admin"], "/config/history")["versions"]


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as text:
        return int(re.search(r"^VmRSS:\s+(\d+)", text.read(), re.M).group(1))


def wrong(gateway, n):
    """What is wrong with it, where, and the text."""
    text = gateway.text(n)
    kind = n // 5 % 3
    if kind == 0:
        text = text.replace("timeout: ", "timeuot: ", 1)
    elif kind == 1:
        text = text.replace(f"timeout: {10 + n}s", "timeout: 250", 1)
    else:
        text += "  broken: [\n"
    return text


def change(gateway, n, pid, answers):
    """One change; whether it went as it should."""
    if n % 5 == 4:
        text = wrong(gateway, n)
        done = gateway.tool("config", "apply", "-", text=text)
        refused = done.returncode == 1 and re.search(r"edge\.yaml:\d+:\d+: error: ", done.stderr)
        answers["refused with a line" if refused else "WRONG AND NOT REFUSED"] += 1
        return
    text = gateway.text(n)
    before = gateway.history()[0]["number"]
    if n % 2:
        done = gateway.tool("config", "apply", "-", text=text)
        good = done.returncode == 0
    else:
        gateway.write(text)
        os.kill(pid, signal.SIGHUP)
        try:
            wait_for("the new version", 20, lambda: gateway.history()[0]["number"] > before)
            good = True
        except TimeoutError:
            good = False
    answers["served" if good else "NOT SERVED"] += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", default="build/outrider", help="the binary")
    parser.add_argument("--reloads", type=int, default=200)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--rate", type=int, default=1000, help="requests a second on kept connections")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between two changes")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.outrider = os.path.abspath(options.outrider)
    for tool in ("h2load", "wrk"):
        if not shutil.which(tool):
            skip(f"{tool} is missing")
    print(f"seed {options.seed}")
    folder = tempfile.mkdtemp(prefix="outrider-reload-")
    try:
        return drill(Gateway(options, folder), options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def drill(gateway, options, folder):
    paths = {}
    for name in ("a", "b"):
        paths[name] = os.path.join(folder, name + ".yaml")
        with open(paths[name], "w", encoding="utf-8") as out:
            out.write(app(gateway.ports[name], name))
    gateway.write(gateway.text(0))
    bad = []
    with running([options.outrider, "run", "-c", paths["a"]]), running([options.outrider, "run", "-c", paths["b"]]), \
            running([options.outrider, "run", "-c", gateway.file]) as proxy:
        for each in ("a", "b", "edge", "admin"):
            wait_for_port(gateway.ports[each])
        url = f"http://{HOST}:{gateway.ports['edge']}/"
        log = os.path.join(folder, "h2load.log")
        kept = subprocess.Popen(["h2load", "--h1", "-t", "1", "-D", "3600", "-c", str(options.connections),
                                 f"--rps={options.rate / options.connections:g}", f"--log-file={log}", "-N", "60s", url],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        fresh = subprocess.Popen(["wrk", "-t", "1", "-c", "4", "-d", "3600", "--timeout", "20s", "-H", "Connection: close", url],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        answers, memory = dict.fromkeys(("served", "refused with a line", "NOT SERVED", "WRONG AND NOT REFUSED"), 0), []
        try:
            time.sleep(1)
            began = time.monotonic()
            for n in range(1, options.reloads + 1):
                change(gateway, n, proxy.pid, answers)
                memory.append(rss_kib(proxy.pid))
                time.sleep(options.pause)
            took = time.monotonic() - began
            time.sleep(1)
        finally:
            kept.terminate()
            fresh.send_signal(signal.SIGINT)
            kept.wait()
            said = fresh.communicate()[0]
        print(f"{options.reloads} changes in {took:.0f} s: " + ", ".join(f"{count} {what}" for what, count in answers.items() if count))
        with open(log, encoding="utf-8") as lines:
            rows = [line.split() for line in lines]
        statuses = {}
        for row in rows:
            if len(row) == 3:
                statuses[row[1]] = statuses.get(row[1], 0) + 1
        print(f"kept connections: {statuses}")
        requests = re.search(r"(\d+) requests in", said)
        trouble = re.findall(r"(Non-2xx.*|Socket errors.*)", said)
        print(f"new connections: {requests.group(1) if requests else said} requests; {trouble or 'no failure'}")
        if set(statuses) != {"200"} or any(int(x) for x in re.findall(r"\d+", re.sub("2xx or 3xx", "", " ".join(trouble)))):
            bad.append("requests failed")
        if answers["NOT SERVED"] or answers["WRONG AND NOT REFUSED"]:
            bad.append("a change went wrong")
        print(f"series: {gateway.series():.0f}")
        print("the proxy counted: " + ", ".join(f"{count:.0f} {code} {flag}" for (code, flag), count in gateway.ended().items()))
        early, late = sorted(memory[20:60])[len(memory[20:60]) // 2], sorted(memory[-40:])[len(memory[-40:]) // 2]
        print(f"resident memory: {early} KiB around the 40th change, {late} at the last ones ({late / early:.3f})")
        if late > early * GROWTH:
            bad.append("memory grew")
        versions = gateway.history()
        files = [f for _, _, names in os.walk(os.path.join(folder, "history")) for f in names if f.endswith(".yaml")]
        print(f"history: {len(versions)} versions, {versions[-1]['number']} to {versions[0]['number']}, {len(files)} files")
        if len(versions) != KEEP or len(files) != KEEP:
            bad.append("the history is not the last " + str(KEEP))
        if not planted(gateway, url):
            bad.append("the guard did not go back")
    print("FAILED: " + ", ".join(bad) if bad else "passed")
    return 1 if bad else 0


def planted(gateway, url):
    """Everybody to a port where nobody is: how long until the guard has gone back."""
    good = gateway.text(1000, ["a"], f"{GUARD_S}s")
    if gateway.tool("config", "apply", "-", text=good).returncode != 0:
        return False
    load = subprocess.Popen(["wrk", "-t", "1", "-c", "4", "-d", "60", url], stdout=subprocess.DEVNULL)
    try:
        time.sleep(3)
        gateway.tool("config", "apply", "-", text=good.replace(f'{HOST}:{gateway.ports["a"]}', f'{HOST}:{gateway.ports["nobody"]}'))
        began = time.monotonic()
        wait_for("the guard", 2 * GUARD_S, lambda: gateway.history()[0]["author"] == "guard")
        took = time.monotonic() - began
    finally:
        load.terminate()
        load.wait()
    back, failed = gateway.history()[:2]
    print(f"a wrong port: taken back after {took:.2f} s of {GUARD_S}: {failed['verdict']}; {back['source']}")
    return took < GUARD_S and failed["verdict"].startswith("rolled back")


if __name__ == "__main__":
    sys.exit(main())
