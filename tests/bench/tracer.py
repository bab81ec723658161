"""strace -c on processes that run already, and a moment at which nothing is under way: calls and requests are those of the
same time when tracing begins and ends at such a moment."""
import os
import re
import signal
import subprocess
import time

from local import wait_for

PATIENCE = 120
COUNTS_KEPT = 0.25                   # seconds; a page of metrics is given out again for 200 ms


class NotPermitted(Exception):
    pass


def states(pid):
    """Of its threads: S sleeping, T stopped."""
    found = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="utf-8") as stat:
            found.add(stat.read().rsplit(")", 1)[1].split()[0])
    return found


def pause(load, pids, requests):
    """Stops the load; the count of requests once what was under way has been answered: everybody sleeps and nothing is added."""
    load.send_signal(signal.SIGSTOP)
    wait_for("the load to stop", PATIENCE, lambda: states(load.pid) == {"T"})
    counts = [-1]

    def still():
        time.sleep(COUNTS_KEPT)                     # or the count could be one from before
        counts.append(requests() if all(states(pid) == {"S"} for pid in pids) else -1)
        return counts[-1] >= 0 and counts[-1] == counts[-2]
    wait_for("the rest of the answers", PATIENCE, still)
    return counts[-1]


class Tracer:
    """Ends with counts()."""

    def __init__(self, pids, folder):
        self.said, self.table = os.path.join(folder, "strace.said"), os.path.join(folder, "strace.table")
        self.tasks = {pid: len(os.listdir(f"/proc/{pid}/task")) for pid in pids}
        which = [word for pid in pids for word in ("-p", str(pid))]
        with open(self.said, "wb") as said:
            self.process = subprocess.Popen(["strace", "-c", "-f", "-o", self.table, *which], stdout=said, stderr=said,
                                            stdin=subprocess.DEVNULL)
        wait_for("strace to attach", PATIENCE, self.attached)

    def attached(self):
        with open(self.said, encoding="utf-8", errors="replace") as said:
            spoken = said.read()
        if self.process.poll() is not None:
            raise NotPermitted(spoken)
        return all(re.search(rf"{pid} attached with \d+ threads" if tasks > 1 else rf"{pid} attached", spoken)
                   for pid, tasks in self.tasks.items())

    def counts(self):
        """Calls by name."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)
        with open(self.table, encoding="utf-8") as table:
            rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", table.read(), re.M)
        return {name: int(calls) for calls, name in rows if name != "total"}
