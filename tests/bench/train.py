#!/usr/bin/env python3
"""Sends what a sidecar meets through an Outrider built with OUTRIDER_PROFILE=generate, which writes when it ends which way its
branches went. ./dev build --pgo builds it again by that."""
import argparse
import contextlib
import os
import shutil
import tempfile

import bench
import load
import peers

BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)", "Accept": "*/*",
           "Accept-Encoding": "gzip, br", "Cookie": "session=0123456789abcdef0123456789abcdef", "X-Forwarded-For": "192.0.2.1"}
POST = 'wrk.method = "POST"\nwrk.body = string.rep("b", 1000)\nwrk.headers["Content-Type"] = "application/json"\n'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", required=True)
    parser.add_argument("--seconds", type=int, default=2, help="of each kind of request")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = tempfile.mkdtemp(prefix="outrider-train-")
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        os.chmod(folder, 0o755)
        script = peers.write(os.path.join(folder, "post.lua"), POST)
        kinds = {"http": (bench.Work("", "http", load.saturated, 32), bench.Work("", "http", load.saturated, 32, "/small", BROWSER),
                          bench.Work("", "http", load.saturated, 32, "/small", {}, script),
                          bench.Work("", "http", load.saturated, 8, "/1m")),
                 "tcp": (bench.Work("", "tcp", load.saturated, 32), bench.Work("", "tcp", load.saturated, 8, "/1m")),
                 "h2": (bench.Work("", "h2", load.streams, 16),), "h2-h2": (bench.Work("", "h2-h2", load.streams, 16),)}
        ground = bench.Bench(options, folder, stack)
        for mode, works in kinds.items():
            running, port = ground.start(mode, "outrider", peers.outrider(ground.binary), stack)
            for work in works:
                print(f"{mode}: {work.send(port, work, options.seconds, ground.load_core)['requests']} requests", flush=True)
            running.process.terminate()        # taskset has become the program: it drains, and writes what it has counted
            running.process.wait(60)


if __name__ == "__main__":
    main()
