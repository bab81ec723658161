#!/usr/bin/env python3
"""A proxy on its way out, under load.

  Upgrades: `outrider upgrade` ten times in a row, with 1,000 connections that are idle and 200 that ask one request after another.
  Behind each, a request on every idle one. A request that fails, or a connection that has to be made anew, is a failure.

  --streams: SIGTERM while 500 streams run, half of them HTTP/1.1 and half HTTP/2, long downloads all of them. Once all of them end
  within lifecycle.drain.time: all are whole, and the exit code is 0. Once half of them never do: these are cut at the deadline,
  the others are whole, and the exit code is 1.

Ends with 1 when something was not as it should be, with 77 where h2load (nghttp2-client) is missing and --streams is asked for.
Nothing listens beyond 127.0.0.1.
"""
import argparse
import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from local import HOST, free_ports, wait_for_port
from process import raise_open_files

GET = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"
PIECE, PIECES = b"x" * 1000, 20


class Client:
    """One connection; ask() is one request on it."""

    def __init__(self, port):
        self.port, self.reader, self.writer = port, None, None

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection(HOST, self.port)

    async def ask(self):
        self.writer.write(GET)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.I)
        await self.reader.readexactly(int(length.group(1)))
        if not head.startswith(b"HTTP/1.1 200") or b"connection: close" in head.lower():
            raise ConnectionError(head.split(b"\r\n")[0].decode())


class Busy:
    """Asks all the time."""

    def __init__(self, port, count):
        self.clients = [Client(port) for _ in range(count)]
        self.running, self.took, self.failures = True, [], []

    async def one(self, client):
        await client.connect()
        while self.running:
            began = time.monotonic()
            try:
                await asyncio.wait_for(client.ask(), 30)
                self.took.append(time.monotonic() - began)
            except (OSError, EOFError, asyncio.TimeoutError, asyncio.IncompleteReadError) as why:
                self.failures.append(repr(why))
                await client.connect()


class Proxies:
    """The proxy under test and, for fast answers, another one behind it; logs and sockets in a folder."""

    def __init__(self, options, folder):
        self.options, self.folder, self.processes = options, folder, []
        self.port, self.origin = free_ports(2)
        self.admin = os.path.join(folder, "admin")
        self.log = os.path.join(folder, "log")

    def run(self, name, text):
        config = os.path.join(self.folder, name + ".yaml")
        with open(config, "w", encoding="utf-8") as out:
            out.write(text)
        with open(self.log, "a", encoding="utf-8") as log:
            process = subprocess.Popen([self.options.outrider, "run", "-c", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       start_new_session=True)
        self.processes.append(process)
        return process

    def start_origin(self):
        self.run("origin", f'version: 1\nmode: edge\nlisteners: {{app: {{address: "{HOST}:{self.origin}"}}}}\n'
                 'routes: {app: [{respond: {status: 200, body: "hello, world\\n"}}]}\noverload: {threads: 1}\n'
                 'admin: {address: off, health: off}\ntelemetry: {metrics: {address: off}}\n')
        wait_for_port(self.origin)

    def start(self, lifecycle="{}"):
        process = self.run("edge", f'version: 1\nmode: edge\nregistry: {{kind: none}}\noverload: {{threads: 2}}\nlifecycle: {lifecycle}\n'
                           f'admin: {{address: "unix:{self.admin}", health: off}}\ntelemetry: {{metrics: {{address: off}}}}\n'
                           f'listeners: {{edge: {{address: "{HOST}:{self.port}"}}}}\nroutes: {{edge: [{{cluster: web}}]}}\n'
                           f'clusters: {{web: {{endpoints: ["{HOST}:{self.origin}"]}}}}\n')
        wait_for_port(self.port)
        return process

    def stop(self, also=()):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        for pid in also:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def show_log(self):
        with open(self.log, encoding="utf-8") as log:
            sys.stdout.write("".join("    " + line for line in log.readlines()[-20:]))


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


async def upgrades(proxies, options):
    idle = [Client(proxies.port) for _ in range(options.idle)]
    for client in idle:
        await client.connect()
        await client.ask()
    busy = Busy(proxies.port, options.busy)
    tasks = [asyncio.create_task(busy.one(client)) for client in busy.clients]
    await asyncio.sleep(options.pause)
    serving, unusable, refused = [], 0, 0
    print(f"{options.idle} idle connections, {options.busy} busy ones")
    for number in range(1, options.upgrades + 1):
        before, began = len(busy.took), time.monotonic()
        program = await asyncio.create_subprocess_exec(options.outrider, "upgrade", "--admin", "unix:" + proxies.admin,
                                                       stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        said = (await program.communicate())[0].decode().strip()
        took = time.monotonic() - began
        refused += program.returncode != 0
        if program.returncode == 0:
            serving.append(int(said.split()[1]))
        gone = 0
        for result in await asyncio.gather(*(asyncio.wait_for(client.ask(), 30) for client in idle), return_exceptions=True):
            gone += result is not None
        unusable += gone
        await asyncio.sleep(options.pause)
        during = busy.took[before:]
        print(f"  {number:2}: {took * 1e3:6.0f} ms, exit {program.returncode}, {said}; {len(during)} requests, p99 "
              f"{percentile(during, .99) * 1e3:.1f} ms, longest {max(during, default=0) * 1e3:.0f} ms; {gone} idle ones unusable", flush=True)
    busy.running = False
    await asyncio.gather(*tasks)
    print(f"  {len(busy.took)} requests of busy connections, {len(busy.failures)} failed {busy.failures[:3]}; "
          f"{options.upgrades * len(idle)} on idle ones, {unusable} failed; {refused} upgrades failed")
    return serving, not busy.failures and not unusable and not refused


async def slow_origin(port, endless):
    """A download of PIECES pieces, five a second; where `endless` says so (it is asked for each), it never comes to its end."""
    async def serve(reader, writer):
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                for_ever = endless()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(PIECE) * PIECES))
                for piece in range(PIECES):
                    writer.write(PIECE)
                    await writer.drain()
                    await asyncio.sleep(3600 if for_ever and piece == 5 else 0.2)
        except (OSError, EOFError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass                                           # it has left, or all is over
        writer.close()
    return await asyncio.start_server(serve, HOST, port, backlog=1024)


async def download(port):
    """Whether it came whole."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(GET)
    try:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(PIECE) * PIECES)
        return True
    except (OSError, EOFError, asyncio.IncompleteReadError):
        return False
    finally:
        writer.close()


async def drained(proxies, options, some_never_end):
    half = options.streams // 2
    asked = [0]

    def endless():
        asked[0] += 1
        return some_never_end and asked[0] % 2 == 0
    origin = await slow_origin(proxies.origin, endless)
    proxy = proxies.start("{drain: {delay: 0, time: %ds}}" % options.drain)
    http1 = [asyncio.create_task(download(proxies.port)) for _ in range(half)]
    http2 = await asyncio.create_subprocess_exec("h2load", "-t1", "-c", "5", "-m", str(half // 5), "-n", str(half), "-N", "60s",
                                                 f"http://{HOST}:{proxies.port}/", stdout=asyncio.subprocess.PIPE)
    while asked[0] < 2 * half:
        await asyncio.sleep(0.05)
    proxy.send_signal(signal.SIGTERM)
    began = time.monotonic()
    refused = False
    await asyncio.sleep(0.5)
    try:
        await asyncio.open_connection(HOST, proxies.port)
    except OSError:
        refused = True
    whole1 = sum(await asyncio.gather(*http1))
    said = (await http2.communicate())[0].decode()
    whole2 = int(re.search(r"(\d+) succeeded", said).group(1))
    code = await asyncio.to_thread(proxy.wait)
    took = time.monotonic() - began
    origin.close()
    wanted = options.streams // 2 if some_never_end else 2 * half
    good = whole1 + whole2 == wanted and code == (1 if some_never_end else 0) and refused
    good = good and (abs(took - options.drain) < 3 if some_never_end else took < options.drain)
    print(f"  {'half of them never end' if some_never_end else 'all of them end':24} {whole1} of {half} downloads by HTTP/1.1 and {whole2} of "
          f"{half} by HTTP/2 came whole, {wanted} in all were to; gone after {took:.1f} s, exit {code}; "
          f"{'new connections were refused' if refused else 'A NEW CONNECTION WAS LET IN'}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", default="build/outrider")
    parser.add_argument("--upgrades", type=int, default=10)
    parser.add_argument("--idle", type=int, default=1000)
    parser.add_argument("--busy", type=int, default=200)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two upgrades")
    parser.add_argument("--streams", type=int, default=0, help="this many, and no upgrades; 500 for the whole of it")
    parser.add_argument("--drain", type=int, default=12, help="lifecycle.drain.time in seconds, --streams")
    options = parser.parse_args()
    options.outrider = os.path.abspath(options.outrider)
    raise_open_files()
    folder = tempfile.mkdtemp(prefix="outrider-upgrade-")
    proxies, good, serving = Proxies(options, folder), False, []
    try:
        if options.streams:
            if not shutil.which("h2load"):
                print("h2load is missing (nghttp2-client)")
                sys.exit(77)
            print(f"SIGTERM during {options.streams} streams, which have {options.drain} s")
            good = asyncio.run(drained(proxies, options, False))
            proxies.port, proxies.origin = free_ports(2)
            good = asyncio.run(drained(proxies, options, True)) and good
        else:
            proxies.start_origin()
            first = proxies.start("{drain: {delay: 0}}")
            serving, good = asyncio.run(upgrades(proxies, options))
            good = good and first.wait(60) == 0
        if not good:
            proxies.show_log()
    finally:
        proxies.stop(serving)
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
