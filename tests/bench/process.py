"""A proxy under measurement: its processes on one core, and what the kernel says they used."""
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time

from local import HOST


OPEN_FILES = 20000           # of one process: 9,000 clients and their connections to the backend


def raise_open_files():
    """For this program and all it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (hard, OPEN_FILES):
        if limit < OPEN_FILES:
            continue
        try:
            return resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 4 * OPEN_FILES), max(limit, hard)))
        except (ValueError, OSError):
            pass
    sys.exit(f"bench: {OPEN_FILES} open files are needed, and only {hard} allowed (ulimit -Hn)")


def outweigh():
    """For whoever calls it and what that starts: more weight than what else runs here, where that is permitted. Within its
    session by niceness, and for the session, where the kernel groups them. Not only against noise: load and backend share a
    core, and with the usual weights they interrupt each other at every request, so that all proxies work in small batches."""
    try:
        with open("/proc/self/autogroup", "w", encoding="utf-8") as group:
            group.write("-15")
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    except OSError:
        pass


def read(path):
    with open(path, encoding="utf-8") as text:
        return text.read()


class Running:
    """A program and its children, in a session of their own. Ends with stop()."""

    def __init__(self, command, core, inherits=None):
        """`inherits`: a listening socket for nginx, which takes it for its own when the variable NGINX names it."""
        environment = {**os.environ, "NGINX": f"{inherits.fileno()};"} if inherits else None
        self.process = subprocess.Popen(["taskset", "-c", str(core), *command], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                                        preexec_fn=outweigh, env=environment, pass_fds=[inherits.fileno()] if inherits else [])

    def stats(self):
        """pid -> fields of /proc/PID/stat behind the name, of every process of the session."""
        found = {}
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                fields = read(f"/proc/{entry}/stat").rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[3] == str(self.process.pid) and fields[0] != "Z":
                found[entry] = fields
        return found

    def cpu(self):
        """Nanoseconds by the scheduler's own account, and ticks of user and of system, which only split them."""
        nanoseconds = user = system = 0
        for pid, fields in self.stats().items():
            user, system = user + int(fields[11]), system + int(fields[12])
            for task in os.listdir(f"/proc/{pid}/task"):
                nanoseconds += int(read(f"/proc/{pid}/task/{task}/schedstat").split()[0])
        return nanoseconds, user, system

    def memory_kib(self):
        """What is shared between its processes counts once (Pss)."""
        return sum(int(re.search(r"^Pss:\s+(\d+)", read(f"/proc/{pid}/smaps_rollup"), re.M).group(1)) for pid in self.stats())

    def wait_open(self, port):
        for _ in range(3000):
            try:
                return socket.create_connection((HOST, port), 1).close()
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.01)
        sys.exit(f"bench: {' '.join(self.process.args)} does not listen on {port}")

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
