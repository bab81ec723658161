#!/usr/bin/env python3
"""The pod of a Job ends when its application ends: with an old-style sidecar that sees the pod's processes, and with a native one.

  job.py --outrider build/outrider [NAME...]

A pod is a network of its own and, where its containers share it, a pid namespace whose process 1 is called pause and does what pods'
own processes do. Containers are started from outside, as runtimes do, in the kubelet's order: what they begin with has no parent in
there. Ports are the standard ones: nobody else is in these networks. All limits of the proxy are beyond what this test waits for, so
what ends here ends because the proxy has seen why; how soon is printed.

Needs user namespaces, or root; says so and ends with 77 where it has neither.
"""
import argparse
import ctypes
import fcntl
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

PATIENCE = 60                        # seconds, for anything that is waited for
SKIPPED = 77
INSIDE = "OUTRIDER_JOB_INSIDE"       # this process may make namespaces
ME = os.path.abspath(__file__)
PORT = 8080
# As an injector has it, but for limits: none of them is to be what ends anything here.
SIDECAR = {"OUTRIDER_REGISTRY__KIND": "none", "OUTRIDER_CONFIG__HISTORY": "off", "POD_IP": "127.0.0.1", "PATH": "/usr/bin:/bin",
           "OUTRIDER_CLUSTERS__PEER__ENDPOINTS": "127.0.0.1:9090", "OUTRIDER_ROUTES__OUTBOUND": "[{cluster: peer}]",
           "OUTRIDER_LIFECYCLE__DRAIN__DELAY": "10m", "OUTRIDER_LIFECYCLE__DRAIN__TIME": "20m"}
SERVICE = {"OUTRIDER_SERVICE__NAME": "job", "OUTRIDER_SERVICE__PORT": str(PORT)}
OLD = {**SIDECAR, "OUTRIDER_MODE": "sidecar", "OUTRIDER_LIFECYCLE__EXIT_WITH": "app", "OUTRIDER_LIFECYCLE__APP__GRACE": "0"}


class Failure(Exception):
    pass


def check(what, found, expected):
    if found != expected:
        raise Failure(f"{what}: {found!r}, not {expected!r}")


def until(what, so):
    end = time.monotonic() + PATIENCE
    while not (found := so()):
        if time.monotonic() > end:
            raise Failure(f"waited in vain for {what}")
        time.sleep(0.01)
    return found


def child_of(pid):
    def look():
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                number, _, rest = stat.read_text().partition(" (")
            except OSError:
                continue                 # it has ended
            if int(rest.rpartition(")")[2].split()[1]) == pid:
                return int(number)
        return None
    return until(f"a child of {pid}", look)


# --- what runs in pods: this file again -------------------------------------------------------------------------------

def be_named(name):
    ctypes.CDLL(None).prctl(15, name.encode(), 0, 0, 0)


def pause():
    """A pod's own process: brings up the loopback, buries orphans, and does nothing else until it is ended."""
    be_named("pause")
    with socket.socket() as one:
        fcntl.ioctl(one, 0x8914, struct.pack("16sh14x", b"lo", 0x41))   # SIOCSIFFLAGS: up, running
    print("up", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        try:
            os.wait()
        except ChildProcessError:
            time.sleep(0.02)


def call():
    """One request by way of the sidecar. Raises where it is not answered."""
    with socket.create_connection(("127.0.0.1", 15001), timeout=PATIENCE) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: peer\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise Failure(f"the sidecar answered {answer[:80]!r}")


def peer():
    """Whom applications call."""
    server = socket.create_server(("127.0.0.1", 9090))
    while True:
        connection, _ = server.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfine")
        connection.close()


def wait_for(go):
    while not os.path.exists(go):
        time.sleep(0.005)


def app_plain(go, code):
    """Works until it is told, calls once more, and ends."""
    wait_for(go)
    call()
    sys.exit(int(code))


def app_with_children(go, code):
    """A child that outlives it, and one that does not."""
    if os.fork() == 0:
        os.setsid()
        time.sleep(10000)
    if os.fork() == 0:
        os._exit(0)
    app_plain(go, code)


def app_serves(go, code):
    server = socket.create_server(("127.0.0.1", PORT))
    server.settimeout(0.01)
    while not os.path.exists(go):
        try:
            server.accept()[0].close()
        except TimeoutError:
            pass
    server.close()
    app_plain(go, code)


def app_obedient(go, code):
    """As it is told to end it closes its port, and then has much to say to others before it does."""
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(1))
    server = socket.create_server(("127.0.0.1", PORT))
    server.settimeout(0.01)
    while not told:
        try:
            server.accept()[0].close()
        except TimeoutError:
            pass
    server.close()
    for _ in range(20):
        call()
        time.sleep(0.05)
    pathlib.Path(go).write_text("all were answered")
    sys.exit(int(code))


# --- pods ------------------------------------------------------------------------------------------------------------

class Container:
    """`shared`: in the pod's pid namespace. Else in one of its own, whose process 1 it is."""

    def __init__(self, pod, name, words, environment=None, shared=True, log=None):
        enter = ["nsenter", "-t", str(pod.pause), "-n", "-m", *(["-p"] if shared else [])]
        own = [] if shared else ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
        self.name, self.log = name, log or pod.folder / f"{name}.log"
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen([*enter, *own, *words], env=environment or {"PATH": "/usr/bin:/bin"}, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out)
        self.first = child_of(self.process.pid)   # what the runtime has as this container's process; an app may be gone by now
        pod.containers.append(self)

    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        os.kill(self.first, number)

    def end(self):
        """Its exit code."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} has not ended:\n{self.said()}") from None

    def said(self):
        return self.log.read_text(errors="replace")


class Pod:
    def __init__(self, outrider, shared):
        self.outrider, self.shared, self.containers = outrider, shared, []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="outrider-job-"))
        self.go = self.folder / "go"
        self.maker = subprocess.Popen(["unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, ME, "--be",
                                       "pause"], stdout=subprocess.PIPE)
        check("a pod's own process", self.maker.stdout.readline(), b"up\n")
        self.pause = child_of(self.maker.pid)
        self.peer = Container(self, "peer", self.python("peer"), shared=False)   # of the world, not of the pod

    def python(self, what, *words):
        return [sys.executable, ME, "--be", what, *map(str, words)]

    def sidecar(self, environment):
        """As the kubelet starts one: the next container waits for it."""
        self.proxy = Container(self, "proxy", [self.outrider, "run"], environment, self.shared)
        waits = self.verb("wait", "--timeout", f"{PATIENCE}s")
        check(f"outrider wait: {waits.stderr}", waits.returncode, 0)
        return self.proxy

    def verb(self, *words):
        """A command in the sidecar's container, but for its control group, which tells the proxy that it is none of the app's: so
        not in the pid namespace."""
        inside = ["nsenter", "-t", str(self.pause), "-n"]
        return subprocess.run([*inside, self.outrider, *words], capture_output=True, text=True, timeout=2 * PATIENCE, check=False,
                              env={"PATH": "/usr/bin:/bin"})

    def app(self, what="plain", code=0, name="app"):
        return Container(self, name, self.python(f"app_{what}", self.go, code), shared=self.shared)

    def tell(self):
        self.go.write_text("go")

    def close(self):
        self.maker.kill()
        self.maker.wait()
        for each in self.containers:
            each.process.kill()
            each.process.wait()
        self.maker.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def ended_after(pod, app, code=0):
    """The application has been told; what becomes of it and the pod. How long the proxy took behind it."""
    check("the app's code", app.end(), code)
    begun = time.monotonic()
    check(f"the proxy's code\n{pod.proxy.said()}", pod.proxy.end(), 0)
    return time.monotonic() - begun


def stays(pod):
    """The proxy has looked about, and is there."""
    for _ in range(3):
        check("outrider health", pod.verb("health").returncode, 0)
        time.sleep(0.1)
    if not pod.proxy.running():
        raise Failure(f"the proxy has left:\n{pod.proxy.said()}")


# --- scenarios -------------------------------------------------------------------------------------------------------

def old_style(pod):
    "an app that never opens a port, and ends with 0"
    pod.sidecar(OLD)
    app = pod.app()
    stays(pod)
    pod.tell()
    return ended_after(pod, app)


def old_style_failing(pod):
    "an app that fails: its own code says so, and the proxy's is 0"
    pod.sidecar(OLD)
    app = pod.app(code=3)
    pod.tell()
    return ended_after(pod, app, 3)


def old_style_children(pod):
    "an app with children, one of which outlives it"
    pod.sidecar(OLD)
    app = pod.app("with_children")
    stays(pod)
    pod.tell()
    return ended_after(pod, app)


def old_style_serving(pod):
    "an app that serves, too"
    pod.sidecar({**OLD, **SERVICE})
    app = pod.app("serves")
    stays(pod)
    pod.tell()
    return ended_after(pod, app)


def old_style_sudden(pod):
    "an app that is over at once"
    pod.sidecar(OLD)
    runtime = pod.folder / "runc"       # what it is before it begins
    runtime.symlink_to("/bin/sh")
    app = Container(pod, "app", [str(runtime), "-c", f"while [ ! -e {pod.go} ]; do sleep 0.05; done; exec true"])
    stays(pod)
    pod.tell()
    return ended_after(pod, app)


def old_style_restarted(pod):
    "a container that fails and is started again: the proxy stays in between, and for app.grace behind the last"
    pod.sidecar({**OLD, "OUTRIDER_LIFECYCLE__APP__GRACE": "4s"})
    for nth in range(3):
        app = pod.app(code=1, name=f"app{nth}")
        pod.tell()
        check("the app's code", app.end(), 1)
        pod.go.unlink()
        time.sleep(0.3)
        stays(pod)
    app = pod.app()
    pod.tell()
    return ended_after(pod, app)


def old_style_ignored(pod):
    "a container that never ends, and is left out by its name"
    shipper = pod.folder / "shipper"
    shipper.symlink_to(shutil.which("sleep"))
    pod.sidecar({**OLD, "OUTRIDER_LIFECYCLE__APP__IGNORE": "pilot-agent, shipper"})
    Container(pod, "shipper", [str(shipper), "10000"])
    app = pod.app()
    stays(pod)
    pod.tell()
    return ended_after(pod, app)


def old_style_named(pod):
    "the same, where the app's name is said"
    shipper = pod.folder / "shipper"
    shipper.symlink_to(shutil.which("sleep"))
    pod.sidecar({**OLD, "OUTRIDER_LIFECYCLE__APP__PROCESS": os.path.basename(os.path.realpath(sys.executable)) + ", python3"})
    Container(pod, "shipper", [str(shipper), "10000"])
    app = pod.app()
    stays(pod)
    pod.tell()
    return ended_after(pod, app)


def old_style_waits(pod):
    "an app that takes its time to come, and whose grace is over when it goes"
    pod.sidecar(OLD)
    stays(pod)
    time.sleep(0.5)
    stays(pod)
    app = pod.app()
    stays(pod)
    pod.tell()
    return ended_after(pod, app)


def old_style_alone(pod):
    "an app that never comes, and app.wait"
    pod.sidecar({**OLD, "OUTRIDER_LIFECYCLE__APP__WAIT": "1s"})
    check(f"the proxy's code\n{pod.proxy.said()}", pod.proxy.end(), 0)
    if "it has not come within lifecycle.app.wait" not in pod.proxy.said():
        raise Failure(f"it does not say why:\n{pod.proxy.said()}")


def old_style_told_to_end(pod):
    "all containers are told to end at once: what the app calls on its way out is answered, and then the proxy ends"
    pod.sidecar({**OLD, **SERVICE, "OUTRIDER_LIFECYCLE__EXIT_WITH": "auto", "OUTRIDER_LIFECYCLE__DRAIN__DELAY": "0"})
    app = pod.app("obedient")
    until("the app", lambda: "outrider_service_up{service=\"job\"} 1" in scrape(pod))
    for each in (pod.proxy, app):
        each.signal(signal.SIGTERM)
    took = ended_after(pod, app)
    check("what the app called", pod.go.exists() and pod.go.read_text(), "all were answered")
    return took


def native(pod):
    "a native sidecar of an app with a port: ended by the kubelet when the app has ended"
    pod.sidecar({**SIDECAR, **SERVICE})
    app = pod.app("serves")
    until("the app", lambda: "outrider_service_up{service=\"job\"} 1" in scrape(pod))
    stays(pod)
    pod.tell()
    return told_behind(pod, app, 0)


def native_failing(pod):
    "the same of an app that fails"
    pod.sidecar({**SIDECAR, **SERVICE})
    app = pod.app("serves", code=3)
    until("the app", lambda: "outrider_service_up{service=\"job\"} 1" in scrape(pod))
    pod.tell()
    return told_behind(pod, app, 3)


def native_without_a_port(pod):
    "a native sidecar of an app that listens nowhere"
    pod.sidecar({**SIDECAR, "OUTRIDER_MODE": "sidecar", "OUTRIDER_LIFECYCLE__OUTBOUND_UNTIL": "drain"})
    app = pod.app("with_children")
    stays(pod)
    pod.tell()
    return told_behind(pod, app, 0)


def told_behind(pod, app, code):
    """As the kubelet ends a native sidecar: preStop, then SIGTERM, once all others have ended."""
    check("the app's code", app.end(), code)
    check("outrider drain", pod.verb("drain").returncode, 0)
    check("outrider health of one that drains", pod.verb("health").returncode, 1)
    if not pod.proxy.running():
        raise Failure("drain has ended the proxy")
    begun = time.monotonic()
    pod.proxy.signal(signal.SIGTERM)
    check(f"the proxy's code\n{pod.proxy.said()}", pod.proxy.end(), 0)
    return time.monotonic() - begun


def scrape(pod):
    return subprocess.run(["nsenter", "-t", str(pod.pause), "-n", sys.executable, "-c",
                           "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:15020/metrics').read().decode())"],
                          capture_output=True, text=True, timeout=PATIENCE, check=False).stdout


SCENARIOS = [old_style, old_style_failing, old_style_children, old_style_serving, old_style_sudden, old_style_restarted, old_style_ignored,
             old_style_named, old_style_waits, old_style_alone, old_style_told_to_end, native, native_failing, native_without_a_port]


def enter():
    """Again, where namespaces may be made; the reason where that cannot be."""
    more = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    words = ["unshare", *more, "--mount", "--net"]
    tried = subprocess.run([*words, "unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        print(f"may make no namespaces here: {tried.stderr.strip()}")
        sys.exit(SKIPPED)
    os.environ[INSIDE] = "1"
    os.execvp(words[0], [*words, sys.executable, ME, *sys.argv[1:]])


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "--be":
        return globals()[sys.argv[2]](*sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", required=True)
    parser.add_argument("name", nargs="*", help="of scenarios; else all")
    arguments = parser.parse_args()
    for program in ("unshare", "nsenter"):
        if not shutil.which(program):
            print(f"needs {program} (Debian: util-linux)")
            return SKIPPED
    if INSIDE not in os.environ:
        enter()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))   # pods are closed on the way out
    failed = 0
    for scenario in SCENARIOS:
        if arguments.name and scenario.__name__ not in arguments.name:
            continue
        pod = Pod(os.path.abspath(arguments.outrider), scenario.__name__.startswith("old_style"))
        try:
            took = scenario(pod)
            print(f"ok    {scenario.__name__:24} {scenario.__doc__}" + (f" ({took * 1000:.0f} ms)" if took is not None else ""), flush=True)
        except (Failure, OSError, subprocess.SubprocessError) as why:
            failed += 1
            print(f"FAIL  {scenario.__name__:24} {scenario.__doc__}\n      {why}", flush=True)
        finally:
            pod.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
