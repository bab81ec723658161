#!/usr/bin/env python3
"""Is docker/compose.yaml true?

  compose.py SOURCE_ROOT --outrider build/outrider

First by reading: every file that is mounted is there, every configuration is valid, the image has the libraries that the
program needs, Prometheus is told of every proxy; `docker-compose config`, where there is one, agrees.

Then by doing, where root may: each service in a network and a file system of its own, with the mounts, user, names,
environment and command line that compose.yaml and the Dockerfile give it, only that nothing is pulled: the program is this
build's, with the files that docker/rootfs.sh puts into the image and no others; python and prometheus are this machine's, with
its files; what is not here (Grafana, the collector) is left out and said.
Health checks are the image's. In the end every proxy is scraped, and no panel of a dashboard is without an answer.
"""
import argparse
import contextlib
import ctypes
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True      # the source tree stays clean
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "dashboards"))
import query_dashboards
try:
    from written import PATIENCE, Compose, read_everything
except ImportError:
    print("needs Python's yaml (Debian: python3-yaml)")
    sys.exit(77)

INSIDE = "OUTRIDER_COMPOSE_INSIDE"   # this process has a network and mounts of its own
PATH = "/usr/local/bin:/usr/bin:/bin"
CLONE_NEWNET, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, LAST_CAPABILITY = 0x40000000, 24, 38, 63
libc = ctypes.CDLL(None, use_errno=True)
# What stands for images that are not built here: a program of this machine, the user, and folders that are the user's.
IMAGES = {"outrider-tools": (["sh"], 1337, ["/run/mesh"]), "python": ([], 0, []), "prom/prometheus": (["prometheus"], 65534, ["/prometheus"])}


class Failure(Exception):
    pass


def run(*words):
    result = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=PATIENCE)
    if result.returncode:
        raise Failure(f"{' '.join(map(str, words))}: {result.stdout}{result.stderr}")


class Network:
    """A cable from the bridge to a network of the container's own, which lasts as long as its keeper."""

    def __init__(self, number):
        self.address = f"10.88.0.{number}"
        self.keeper = subprocess.Popen(["unshare", "-n", "sleep", "100000"])
        ours, end = os.readlink("/proc/self/ns/net"), time.monotonic() + PATIENCE
        while os.readlink(f"/proc/{self.keeper.pid}/ns/net") == ours:
            if self.keeper.poll() is not None or time.monotonic() > end:
                raise Failure("unshare made no network")
            time.sleep(0.01)
        self.inside = ["nsenter", "-t", str(self.keeper.pid), "-n"]
        run("ip", "link", "add", f"cable{number}", "type", "veth", "peer", "name", "eth0", "netns", self.keeper.pid)
        run("ip", "link", "set", f"cable{number}", "master", "bridge", "up")
        for words in (("link", "set", "lo", "up"), ("addr", "add", f"{self.address}/24", "dev", "eth0"), ("link", "set", "eth0", "up")):
            run(*self.inside, "ip", *words)


class Container:
    """A service as processes, with a root of its own: the image's files, or this machine's where the image is not ours."""

    def __init__(self, world, name):
        self.world, self.name, self.service = world, name, world.compose.services[name]
        kind = self.service["image"].partition(":")[0]
        if kind == "outrider":
            image = world.compose.image
            self.entrypoint, self.user, self.health, folders = image.entrypoint, image.user, image.health, image.folders
            self.path = image.path
        else:
            (self.entrypoint, self.user, folders), self.health, self.path = IMAGES[kind], None, PATH
        self.entrypoint = self.service.get("entrypoint", self.entrypoint)
        self.folder = world.folder / name
        self.root, self.log = self.folder / "root", self.folder / "log"
        self.process = None
        self.build(kind, folders)

    def build(self, kind, folders):
        for each in ("upper", "work", "root"):
            (self.folder / each).mkdir(parents=True)
        run("mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir={self.world.rootfs if kind == 'outrider' else '/'},upperdir={self.folder}/upper,workdir={self.folder}/work", self.root)
        for each in ("proc", "dev"):
            run("mount", "--rbind", f"/{each}", self.root / each)
        for each in folders:
            self.inside(each).mkdir(parents=True, exist_ok=True)
            os.chown(self.inside(each), self.user, self.user)
        if kind == "outrider-tools":
            self.mount(self.world.outrider, "/usr/local/bin/outrider")
        names = "".join(f"{network.address} {name}\n" for name, network in self.world.networks.items())
        (self.root / "etc/hosts").unlink(missing_ok=True)
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost\n" + names)
        for source, place, writable in self.world.compose.mounts(self.service):
            if source.startswith("."):
                self.mount((self.world.compose.docker / source).resolve(), place, writable)
            else:
                volume = self.world.volume(source, self.user)
                self.mount(volume, place, writable)
        for each in self.service.get("tmpfs", []):
            place, _, options = each.partition(":")
            self.inside(place).mkdir(parents=True, exist_ok=True)
            run("mount", "-t", "tmpfs", "-o", options or "defaults", "tmpfs", self.inside(place))
        if self.service.get("read_only"):
            run("mount", "-o", "remount,ro", self.root)

    def inside(self, place):
        return self.root / place.lstrip("/")

    def mount(self, source, place, writable=True):
        to = self.inside(place)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.mkdir(exist_ok=True) if source.is_dir() else to.touch()
        run("mount", "--bind", source, to)
        if not writable:
            run("mount", "-o", "remount,bind,ro", to)

    def run(self, command, **more):
        network = self.world.networks[self.service.get("network_mode", f"service:{self.name}").partition(":")[2]]
        net = os.open(f"/proc/{network.keeper.pid}/ns/net", os.O_RDONLY)

        def enter():                # in the child; what is missing in an image cannot be called to do it
            if libc.setns(net, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            os.chroot(self.root)
            os.chdir("/")
            if self.service.get("cap_drop") == ["ALL"]:
                for each in range(LAST_CAPABILITY + 1):
                    libc.prctl(PR_CAPBSET_DROP, each, 0, 0, 0)
            os.setgroups([])
            os.setgid(self.user)
            os.setuid(self.user)
            if "no-new-privileges:true" in self.service.get("security_opt", []):
                libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        environment = {"PATH": self.path, "HOSTNAME": self.service.get("hostname", self.name), "HOME": "/", **self.service.get("environment", {})}
        try:
            return subprocess.Popen(command, preexec_fn=enter, env=environment, stdin=subprocess.DEVNULL, **more)
        finally:
            os.close(net)

    def start(self):
        command = [*self.entrypoint, *self.service.get("command", [])]
        print(f"{self.name:14} {shlex.join(command)}", flush=True)
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = self.run(command, stdout=log, stderr=log)

    def healthy(self):
        asked = self.run(self.health, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return asked.wait(PATIENCE) == 0

    def wait(self, condition):
        end = time.monotonic() + PATIENCE
        while True:
            code = self.process.poll()
            if condition == "service_completed_successfully" and code == 0:
                return
            if condition == "service_healthy" and self.healthy():
                return
            if condition == "service_started" and code is None:
                return
            if code is not None or time.monotonic() > end:
                raise Failure(f"{self.name} is not {condition}, code {code}:\n{self.said()}")
            time.sleep(0.2)

    def said(self):
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])


class World:
    """All of it. What is made here ends with this process and its namespaces."""

    def __init__(self, compose, outrider, folder):
        self.compose, self.outrider, self.folder = compose, outrider, folder
        self.containers, self.networks, self.volumes = {}, {}, {}
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "bridge", "type", "bridge")
        run("ip", "addr", "add", "10.88.0.1/24", "dev", "bridge")
        run("ip", "link", "set", "bridge", "up")
        run("mount", "-t", "tmpfs", "tmpfs", folder)
        self.rootfs = folder / "rootfs"
        run(compose.docker / "rootfs.sh", outrider, self.rootfs)

        def is_here(service):
            kind = service["image"].partition(":")[0]
            return kind == "outrider" or kind in IMAGES and all(map(shutil.which, IMAGES[kind][0]))
        self.here = [name for name, service in compose.services.items() if is_here(service)]
        for name in set(compose.services) - set(self.here):
            print(f"{name:14} is not on this machine: left out")
        alone = [name for name in self.here if "network_mode" not in compose.services[name]]
        self.networks = {name: Network(number) for number, name in enumerate(alone, 2)}

    def volume(self, name, user):
        if name not in self.volumes:
            self.volumes[name] = self.folder / "volumes" / name
            self.volumes[name].mkdir(parents=True)
            os.chown(self.volumes[name], user, user)
        return self.volumes[name]

    def start(self, name):
        """With everything it waits for before it."""
        if name in self.containers or name not in self.here:
            return
        service = self.compose.services[name]
        waits = dict(service.get("depends_on") or {})
        if "network_mode" in service:
            waits.setdefault(service["network_mode"].partition(":")[2], {"condition": "service_started"})
        for other, how in waits.items():
            self.start(other)
            self.containers[other].wait(how["condition"])
        self.containers[name] = Container(self, name)
        self.containers[name].start()

    def check_alive(self):
        for name, each in self.containers.items():
            if name != "identities" and each.process.poll() is not None:
                raise Failure(f"{name} has ended with code {each.process.returncode}:\n{each.said()}")

    def end(self):
        for each in self.containers.values():
            if each.process:
                each.process.terminate()
        codes = {}
        for name, each in self.containers.items():
            with contextlib.suppress(subprocess.TimeoutExpired):
                codes[name] = each.process.wait(20) if each.process else None
        return codes


class Asked(query_dashboards.Prometheus):
    """A Prometheus that somebody else has started."""

    def __init__(self, base, process, log):
        self.base, self.process, self.log = base, process, log


def do_everything(compose, outrider, folder):
    """Findings."""
    world = World(compose, outrider, folder)
    try:
        for name in compose.services:
            world.start(name)
        for name in compose.proxies:
            world.containers[name].wait("service_healthy")
        print("every proxy is healthy", flush=True)
        container = world.containers.get("prometheus")
        if container:
            yield from ask(world, container)
        else:
            time.sleep(12)                             # until the load has said something
        world.check_alive()
        said = world.containers["load"].said()
        print(f"load: {said.splitlines()[-1] if said else 'nothing yet'}")
        counts = {what: int(count) for what, count in re.findall(r"(\w+): (\d+)", said.splitlines()[-1] if said else "")}
        if counts.get("200", 0) < 0.8 * sum(counts.values()) or not counts:
            yield f"the load is not served: {said}"
    except Failure as failure:
        yield str(failure)
    finally:
        codes = world.end()
    for name in compose.proxies:
        if codes.get(name) not in (0, None):
            yield f"{name} did not end well: {codes[name]}\n{world.containers[name].said()}"


def ask(world, container):
    prometheus = Asked(f"http://{world.networks['prometheus'].address}:9090", container.process, container.log)
    prometheus.wait_until("every proxy to be scraped", lambda: prometheus.has_data(len(world.compose.proxies)))
    end = time.monotonic() + PATIENCE
    while True:
        asked, findings = query_dashboards.ask_everything(world.compose.docker, prometheus, every_query=False)
        findings = [each for each in findings if each not in SILENT]
        if not findings or time.monotonic() > end:
            break
        time.sleep(1)
    print(f"{asked} queries and rules were asked")
    yield from findings


# A service is looked up for the first time once, and that may have been before Prometheus looked. Nobody there speaks PROXY protocol.
SILENT = {"registry.json: First lookup: no data", "edge-gateway.json: Headers of PROXY protocol: no data"}


def inside(words):
    """The same again with a network, mounts and processes of its own; all of them end with it."""
    return subprocess.run(["unshare", "-n", "-m", "-p", "--fork", "--kill-child", "--mount-proc", sys.executable, *words],
                          env={**os.environ, INSIDE: "1"}).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("--outrider", required=True, type=pathlib.Path, help="the binary")
    arguments = parser.parse_args()
    compose, outrider = Compose(arguments.root.resolve()), arguments.outrider.resolve()
    if INSIDE not in os.environ:
        findings = list(read_everything(compose, outrider))
        print("\n".join(findings) or f"{len(compose.services)} services, as they are written")
        if findings:
            return 1
        tools = [each for each in ("unshare", "nsenter", "ip", "nft", "setcap", "strip") if not shutil.which(each)]
        probe = subprocess.run(["unshare", "-n", "-m", "-p", "--fork", "true"], capture_output=True) if not tools else None
        if os.geteuid() != 0 or tools or probe.returncode:
            print("not run: that needs root, namespaces and " + (", ".join(tools) or "more rights"))
            return 0
        return inside(sys.argv)
    with tempfile.TemporaryDirectory() as folder:
        findings = list(do_everything(compose, outrider, pathlib.Path(folder)))
        print("\n".join(findings) or "compose.yaml runs")
        run("umount", "-R", "-l", folder)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
