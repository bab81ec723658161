"""What is sent through a proxy, and what is read off it meanwhile: requests a second, latency, calls, idle connections."""
import http.client
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

from local import HOST
from peers import program
from tracer import Tracer, pause

FEW, MANY = 1000, 8000       # idle connections between which memory is compared
RATE, RATE_CONNECTIONS = 2000, 16


def on(core, *command):
    return ["taskset", "-c", str(core), *command]


def wrk_command(port, work, seconds, core):
    words = on(core, program("wrk"), "-t", "1", "-c", str(work.connections), "-d", f"{seconds}s", "--timeout", "10s")
    for name, value in work.headers.items():
        words += ["-H", f"{name}: {value}"]
    return words + (["-s", work.script] if work.script else []) + [f"http://{HOST}:{port}{work.path}"]


def saturated(port, work, seconds, core):
    """As much as goes through."""
    text = subprocess.run(wrk_command(port, work, seconds, core), capture_output=True, text=True, check=True).stdout
    requests, took = re.search(r"(\d+) requests in ([\d.]+)s", text).groups()
    errors = sum(int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", text))
    errors += sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", text))
    return {"requests": int(requests), "rate": int(requests) / float(took), "errors": errors}


def streams(port, work, seconds, core):
    """As much as goes through over HTTP/2, with as many streams at a time on each connection as there are connections."""
    text = subprocess.run(on(core, program("h2load"), "-t", "1", "-c", str(work.connections), "-m", str(work.connections),
                             "-D", str(seconds), f"http://{HOST}:{port}{work.path}"),
                          capture_output=True, text=True, check=True).stdout
    rate = float(re.search(r"finished in .*?, ([\d.]+) req/s", text).group(1))
    done, failed, errored = map(int, re.search(r"(\d+) done, \d+ succeeded, (\d+) failed, (\d+) errored", text).groups())
    return {"requests": done, "rate": rate, "errors": failed + errored}


def fixed_rate(port, work, seconds, core):
    """So many a second, whatever the answers take: what latency means for a client."""
    with tempfile.NamedTemporaryFile(mode="r", prefix="outrider-bench-") as log:
        subprocess.run(on(core, program("h2load"), "--h1", "-t", "1", "-c", str(RATE_CONNECTIONS), "-D", str(seconds),
                          f"--rps={RATE / RATE_CONNECTIONS:g}", f"--log-file={log.name}", f"http://{HOST}:{port}{work.path}"),
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        answers = [line.split() for line in log]             # start, status, microseconds
    if not answers:
        sys.exit("bench: h2load had no answer")
    took = sorted(int(fields[2]) for fields in answers)
    return {"requests": len(took), "rate": len(took) / seconds, "errors": sum(fields[1] != "200" for fields in answers),
            "p50_us": took[len(took) // 2], "p99_us": took[min(len(took) - 1, len(took) * 99 // 100)]}


class BackendCount:
    """Requests that the backend was sent through proxies."""

    def __init__(self, port):
        self.port, self.asked = port, 0

    def __call__(self):
        self.asked += 1
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request("GET", "/status")
            return int(connection.getresponse().read().split(b"\n")[2].split()[2]) - self.asked
        finally:
            connection.close()


def calls(running, port, work, core, count, folder):
    """System calls a request, in all and by name, while connections are kept. Tracing slows a proxy down many times over, so
    nothing else is read off this run."""
    pids = list(running.stats())
    client = subprocess.Popen(wrk_command(port, work, 600, core), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        before = pause(client, pids, count)
        tracer = Tracer(pids, folder)
        client.send_signal(signal.SIGCONT)
        time.sleep(1)
        requests = max(pause(client, pids, count) - before, 1)
        seen = tracer.counts()
    finally:
        client.kill()
        client.wait()
    return {"calls": sum(seen.values()) / requests,
            "calls_by_name": {name: calls / requests for name, calls in seen.items() if calls * 100 >= requests}}


def idle(running, port):
    """Memory at start, with few and with many keep-alive connections that have been answered once, and when all are closed."""
    time.sleep(0.5)
    figures = {"start_mib": running.memory_kib() / 1024, "errors": 0}
    clients, memory = [], {}
    try:
        for count in range(1, MANY + 1):
            client = socket.create_connection((HOST, port), 10)
            clients.append(client)
            client.sendall(b"GET /small HTTP/1.1\r\nHost: bench.test\r\n\r\n")
            figures["errors"] += not client.recv(4096).startswith(b"HTTP/1.1 200")
            if count in (FEW, MANY):
                time.sleep(0.5)
                memory[count] = running.memory_kib()
    finally:
        for client in clients:
            client.close()
    time.sleep(1)
    return {**figures, "idle_mib": memory[MANY] / 1024, "closed_mib": running.memory_kib() / 1024,
            "idle_bytes": (memory[MANY] - memory[FEW]) * 1024 / (MANY - FEW)}
