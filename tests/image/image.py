#!/usr/bin/env python3
"""The image of the sidecar: built, and run as a pod runs it. As `./dev image-test`; takes as long as a build from nothing.

  image.py SOURCE_ROOT [--base TAR] [--build OPTIONS] [--keep DIR] [--ccache DIR]

Built by buildah without an engine, from a Debian that mmdebstrap makes (or the archive --base); run by podman as user 1337, with a root
that is read-only, no capabilities and no new rights: as it comes up, as a health check sees it, as a pod of three containers that share
a network: `capture apply` with the one right it needs, the sidecar with none, an app that knows nothing. Needs root.
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

PATIENCE = 60                        # seconds, for whatever starts
BASE = "docker.io/library/debian:bookworm-slim"
# cgroup v1 beside v2 is more than crun of Debian 12 takes; and no limits are set that a container here may not raise.
RUN = """umount -R /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 none /sys/fs/cgroup
exec podman "$@" """
STRICT = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]


class Failure(Exception):
    pass


def run(*words, limit=PATIENCE, **more):
    result = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=limit, **more)
    if result.returncode:
        raise Failure(f"{' '.join(map(str, words))}: {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


class Machine:
    """Where images are, and how one is run."""

    def __init__(self, folder):
        self.where = ["--root", folder / "storage", "--runroot", folder / "run"]
        self.started = []

    def podman(self, *words, limit=PATIENCE):
        return run("podman", *self.where, *words, limit=limit)

    def build(self, source, options, ccache):
        cached = ["--volume", f"{ccache.resolve()}:/root/.cache/ccache"] if ccache else []
        log = subprocess.run(["nice", "-n", "15", "buildah", *map(str, self.where), "bud", "--format", "docker", "--isolation", "chroot", "--pull-never", "--layers", *cached,
                              "-t", "outrider:test", "--build-arg", f"BUILD={options}", "-f", "docker/Dockerfile", "."], cwd=source)
        if log.returncode:
            raise Failure("the image could not be built")

    def words(self, options, command):
        return ["unshare", "-m", "bash", "-c", RUN, "_", *map(str, self.where), "run", "--rm", "--no-healthcheck", "--cgroups", "disabled",
                "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", *options, "localhost/outrider:test", *command]

    def once(self, *command, options=STRICT, network="none", code=0):
        result = subprocess.run(self.words([*options, "--network", network], command), capture_output=True, text=True, timeout=PATIENCE)
        if result.returncode != code:
            raise Failure(f"{' '.join(command)}: {result.returncode}, not {code}\n{result.stdout}{result.stderr}")
        return result.stdout + result.stderr

    def start(self, *command, options, network):
        log = tempfile.TemporaryFile("w+")
        process = subprocess.Popen(self.words([*STRICT, *options, "--network", network], command), stdout=log, stderr=log)
        self.started.append(process)
        process.log = log
        return process

    def end(self):
        for process in self.started:
            process.terminate()
        for process in self.started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)


def said(process):
    process.log.seek(0)
    return process.log.read()


def until(what, process, condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            raise Failure(f"{what} did not happen; code {process.poll()}:\n{said(process)}")
        time.sleep(0.2)


class Pod:
    """A network with a cable to this machine's, which stands for the node."""

    name, pod, node = "outrider-image-test", "10.99.7.2", "10.99.7.1"

    def __enter__(self):
        with contextlib.suppress(Failure):
            run("ip", "netns", "del", self.name)
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", "image-test", "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "addr", "add", f"{self.node}/24", "dev", "image-test")
        run("ip", "link", "set", "image-test", "up")
        for words in (("link", "set", "lo", "up"), ("addr", "add", f"{self.pod}/24", "dev", "eth0"), ("link", "set", "eth0", "up")):
            run("ip", "netns", "exec", self.name, "ip", *words)
        self.path = f"ns:/run/netns/{self.name}"
        return self

    def __exit__(self, *_):
        run("ip", "netns", "del", self.name)

    def ask(self, port, path):
        asked = http.client.HTTPConnection(self.pod, port, timeout=5)
        try:
            asked.request("GET", path, headers={"Host": "web"})
            answer = asked.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        except OSError as trouble:
            return 0, str(trouble), {}
        finally:
            asked.close()


def check_image(machine):
    about = json.loads(machine.podman("image", "inspect", "outrider:test"))[0]
    config = about["Config"]
    layers = machine.podman("image", "save", "--format", "oci-archive", "outrider:test", "-o", machine.where[1].parent / "image.tar", limit=300)
    del layers
    archive = machine.where[1].parent / "image.tar"
    pulled = int(subprocess.run(f"gzip -c -9 {archive} | wc -c", shell=True, capture_output=True, text=True).stdout) \
        if archive.stat().st_size > about["Size"] * 0.9 else archive.stat().st_size
    archive.unlink()
    print(f"size: {about['Size'] / 1e6:.1f} MB unpacked, {pulled / 1e6:.1f} MB to pull")
    expect("user", config["User"], "1337:1337")
    expect("entrypoint", config["Entrypoint"], ["/outrider"])
    expect("health check", (about.get("Healthcheck") or about.get("HealthCheck") or config.get("Healthcheck") or {}).get("Test"), ["CMD", "/outrider", "health"])
    if "licenses" not in str(config.get("Labels")):
        raise Failure("no label says the licence")
    if pulled > 25e6:
        raise Failure("more than 25 MB are pulled")


def expect(what, found, wanted):
    if found != wanted:
        raise Failure(f"{what}: {found!r}, not {wanted!r}")
    print(f"  {what}: {found}")


def check_alone(machine):
    print(machine.once("version").splitlines()[0])
    text = machine.once("config", "show", options=[*STRICT, "-e", "OUTRIDER_SERVICE__NAME=web", "-e", "OUTRIDER_SERVICE__PORT=8080"])
    if "web" not in text:
        raise Failure(f"the environment was not read: {text}")
    print("  no capability, and `capture apply` says so:",
          machine.once("capture", "apply", "--uid", "1337", "--gid", "1337", code=1).strip().splitlines()[0])


def check_pod(machine):
    """As injected: init with the one right, sidecar with none, app."""
    with Pod() as pod, tempfile.TemporaryDirectory() as folder:
        init = ["--read-only", "--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--security-opt", "no-new-privileges", "--user", "65534:65534"]
        machine.once("capture", "apply", "--uid", "1337", "--gid", "1337", options=init, network=pod.path)
        rules = run("ip", "netns", "exec", pod.name, "nft", "list", "ruleset")
        if "15006" not in rules or "15001" not in rules:
            raise Failure(f"no rules:\n{rules}")
        print("  init, as user 65534 with NET_ADMIN: rules are in force")
        os.chmod(folder, 0o755)
        (pathlib.Path(folder) / "index.html").write_text("of the app\n")
        app = subprocess.Popen(["ip", "netns", "exec", pod.name, sys.executable, "-m", "http.server", "8080", "--directory", folder],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        sidecar = machine.start("run", network=pod.path, options=[
            "--tmpfs", "/var/lib/outrider:rw,mode=1777", "-e", "OUTRIDER_SERVICE__NAME=web", "-e", "OUTRIDER_SERVICE__PORT=8080",
            "-e", "OUTRIDER_REGISTRY__KIND=none"])
        try:
            until("readiness", sidecar, lambda: pod.ask(15021, "/ready")[0] == 200)
            until("an answer", sidecar, lambda: pod.ask(8080, "/")[0] == 200)
            status, body, fields = pod.ask(8080, "/")
            expect("through the sidecar", (status, body), (200, "of the app\n"))
            _, metrics, _ = pod.ask(15020, "/metrics")
            line = next((each for each in metrics.splitlines() if each.startswith("outrider_requests_total{") and 'direction="inbound"' in each), None)
            if not line:
                raise Failure(f"the request did not come through the sidecar: {fields}\n{said(sidecar)}")
            print(f"  {line}")
            machine.once("health", network=pod.path)
            print("  health: 0")
            of = int(next(line for line in subprocess.run(["pgrep", "-x", "outrider"], capture_output=True, text=True).stdout.split()))
            status = pathlib.Path(f"/proc/{of}/status").read_text()
            for name, wanted in (("Uid", "1337"), ("CapEff", "0000000000000000"), ("NoNewPrivs", "1")):
                expect(name, next(each.split()[1] for each in status.splitlines() if each.startswith(name + ":")), wanted)
        finally:
            app.terminate()
            app.wait(20)
            machine.end()
        expect("code of the sidecar after SIGTERM", sidecar.returncode in (0, 143), True)
        machine.once("capture", "clear", options=init, network=pod.path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("--base", type=pathlib.Path, help="an archive of a Debian 12; else mmdebstrap makes one")
    parser.add_argument("--build", default="", help="options of ./dev build: --pgo")
    parser.add_argument("--ccache", type=pathlib.Path, help="a cache of compilers that the build may use, and fill")
    parser.add_argument("--keep", type=pathlib.Path, help="where images are kept, for the next time")
    arguments = parser.parse_args()
    lacking = [each for each in ("buildah", "podman", "crun", "mmdebstrap", "unshare", "ip", "nft") if not shutil.which(each)]
    if os.geteuid() != 0 or lacking:
        print("needs root" + (f" and {', '.join(lacking)}" if lacking else ""))
        return 77
    with contextlib.ExitStack() as stack:
        folder = (arguments.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outrider-image-")))).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        machine = Machine(folder)
        stack.callback(machine.end)
        try:
            if not subprocess.run(["podman", *map(str, machine.where), "image", "exists", BASE], capture_output=True).returncode == 0:
                base = arguments.base or folder / "base.tar"
                if not base.exists():
                    run("mmdebstrap", "--variant=minbase", "bookworm", base, limit=900)
                machine.podman("import", base, BASE, limit=300)
            machine.build(arguments.root.resolve(), arguments.build, arguments.ccache)
            check_image(machine)
            check_alone(machine)
            check_pod(machine)
        except Failure as failure:
            print(failure)
            return 1
    print("the image is built and runs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
