#!/usr/bin/env python3
"""Rules that `outrider capture` sets, in networks that the test makes.

  world   the namespace of the test: a router between the pods, servers and clients that are nobody's
  a, b    pods, each behind a cable of its own

As root all of it runs; as anybody else, in a user namespace, what needs but one user. Says so and ends with 77 where it may not make
a network. Ports are fixed: nobody else is in these networks.
"""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import uuid

import capture
from capture import HELLO, PATIENCE, SKIPPED, Failure, check, connect, echo, get, greet, libc, read, run

USER, APP_USER = 1337, 1000
APP, OTHER, SKIPPED_IN, SKIPPED_OUT, PLAIN = 8080, 9090, 9999, 2525, 7000
WORLD4, WORLD6 = "10.78.0.1", "fd78::1"            # of the world itself, on no cable
FAR4, FAR6 = "10.79.0.1", "fd79::1"                # of the world, too, in networks that are skipped
PODS = {"a": ("10.78.1.2", "10.78.1.1", "fd78:1::2", "fd78:1::1"), "b": ("10.78.2.2", "10.78.2.1", "fd78:2::2", "fd78:2::1")}
NAME_SERVER, VIRTUAL = "10.96.0.10", "10.96.0.99"  # nobody's
ANY = ("0.0.0.0", "::")
BACKENDS = ("nft", "iptables-nft", "iptables-legacy")
FLAGS = ["--skip-inbound", str(SKIPPED_IN), "--skip-outbound", f"25,{SKIPPED_OUT},4000-4010", "--skip-cidrs", f"{FAR4}/32,{FAR6}",
         "--dns", "15053"]


class Pod:
    """A network of its own. What is made inside `with` is there; in this thread only."""

    def __init__(self, name):
        self.name, self.cable = name, f"to_{name}"
        self.ip4, gateway4, self.ip6, gateway6 = PODS[name]
        self.keeper = subprocess.Popen(["unshare", "-n", "sleep", "100000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.here = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            self.lay_cable(gateway4, gateway6)
        except BaseException:
            self.end()
            raise

    def lay_cable(self, gateway4, gateway6):
        ours = os.readlink("/proc/self/ns/net")
        end = time.monotonic() + PATIENCE
        while os.readlink(f"/proc/{self.keeper.pid}/ns/net") == ours:
            if self.keeper.poll() is not None or time.monotonic() > end:
                raise Failure("unshare made no network")
            time.sleep(0.01)
        self.there = os.open(f"/proc/{self.keeper.pid}/ns/net", os.O_RDONLY)
        run("ip", "link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", self.keeper.pid)
        addresses(self.cable, [f"{gateway4}/24", f"{gateway6}/64"])
        with self:
            run("ip", "link", "set", "lo", "up")
            addresses("eth0", [f"{self.ip4}/24", f"{self.ip6}/64"])
            run("ip", "route", "add", "default", "via", gateway4)
            run("ip", "-6", "route", "add", "default", "via", gateway6)

    def __enter__(self):
        self.move(self.there)
        return self

    def __exit__(self, *_):
        self.move(self.here)

    @staticmethod
    def move(to):
        if libc.setns(to, capture.CLONE_NEWNET):
            raise OSError("setns")

    def end(self):
        subprocess.run(["ip", "link", "del", self.cable], stderr=subprocess.DEVNULL, check=False)
        self.keeper.kill()
        self.keeper.wait()


def addresses(device, all_of_them):
    run("ip", "link", "set", device, "up")
    for ip in all_of_them:
        run("ip", "addr", "add", ip, "dev", device, *(["nodad"] if ":" in ip else []))


def original(connection):
    family = socket.IPPROTO_IPV6 if connection.family == socket.AF_INET6 and not connection.getpeername()[0].startswith("::ffff:") \
        else socket.IPPROTO_IP
    try:
        raw = connection.getsockopt(family, 80, 28)
    except OSError:
        return "none"
    port = struct.unpack("!H", raw[2:4])[0]
    if struct.unpack("=H", raw[:2])[0] == socket.AF_INET:
        return f"{socket.inet_ntop(socket.AF_INET, raw[4:8])} {port}"
    return f"{socket.inet_ntop(socket.AF_INET6, raw[8:24])} {port}"


def says(what):
    return lambda connection: connection.sendall(f"{what}\n".encode())


def trap(connection):
    connection.sendall(f"trap {original(connection)}\n".encode())


class Server(capture.Server):
    """Until the part of the test ends."""
    there_are = []

    def __init__(self, address, serve):
        self.there_are.append(self)
        super().__init__(address, serve)

    def accept(self):
        with contextlib.suppress(OSError):
            super().accept()

    def end(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Datagrams:
    """Answers each datagram with what `answer(data)` makes of it."""

    def __init__(self, address, answer):
        self.socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.answer = answer
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                data, peer = self.socket.recvfrom(2048)
                self.socket.sendto(self.answer(data), peer)


def ask(ip, port, user=0, group=None, kind="tcp", own=0):
    """Who answers there, asked as that user: by a process of its own, in the network of this thread."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if user:
                os.setgroups([])
                os.setresgid(*[user if group is None else group] * 3)
                os.setresuid(user, user, user)
            os.write(theirs, answer_of(ip, port, kind, own).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


def answer_of(ip, port, kind, own):
    with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET,
                       socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as client:
        client.settimeout(PATIENCE)
        if own:
            client.bind(("::" if ":" in ip else "0.0.0.0", own))
        try:
            client.connect((ip, port))
            if kind == "udp":
                client.send(b"?")
                return client.recv(100).decode().strip()
            return read(client, 100).decode().strip()
        except OSError as error:
            return type(error).__name__


class Stage:
    def __init__(self, options):
        self.outrider = options.outrider
        self.root = not options.one_user
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="outrider-pods-"))
        os.chmod(self.folder, 0o755)
        self.pods, self.proxies = {}, []
        run("ip", "link", "set", "lo", "up")
        for ip in (f"{WORLD4}/32", f"{WORLD6}/128", f"{FAR4}/32", f"{FAR6}/128"):
            run("ip", "addr", "add", ip, "dev", "lo", *(["nodad"] if ":" in ip else []))
        for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            pathlib.Path("/proc/sys/net", key).write_text("1", encoding="ascii")

    def pod(self, name):
        self.pods[name] = Pod(name)
        return self.pods[name]

    def capture(self, verb, *words, code=0, outrider=None, **more):
        """In the network of this thread."""
        ended_with = subprocess.run([outrider or self.outrider, "capture", verb, *words], capture_output=True, text=True, check=False,
                                    timeout=240, **more)
        check(f"capture {verb} {' '.join(words)}: {ended_with.stdout}{ended_with.stderr}", ended_with.returncode, code)
        return ended_with.stdout + ended_with.stderr

    def with_rights(self, *capabilities):
        """The program, permitted more than its user is, as the image has it."""
        path = self.folder / f"outrider-{'-'.join(map(str, capabilities))}"
        if not path.exists():
            shutil.copy(self.outrider, path)
            os.setxattr(path, "security.capability", struct.pack("<5I", 0x02000000, sum(1 << one for one in capabilities), 0, 0, 0))
        return path

    def proxy(self, name, verb, config, outrider=None):
        before, self.outrider = self.outrider, outrider or self.outrider
        try:
            self.proxies.append(capture.Proxy(self, name, verb, config))
        finally:
            self.outrider = before
        return self.proxies[-1]

    def sidecar(self, name, config, outrider=None):
        return self.proxy(name, "run", f"""version: 1
mode: sidecar
telemetry: {{metrics: {{address: ":15020"}}, access_log: json, log: {{level: info}}}}
lifecycle: {{drain: {{delay: 0}}, outbound_until: drain}}
{config}""", outrider)

    def end_part(self):
        while Server.there_are:
            Server.there_are.pop().end()
        while self.proxies:
            self.proxies.pop().end()
        while self.pods:
            self.pods.popitem()[1].end()

    def end(self):
        with contextlib.suppress(Exception):
            self.end_part()
        shutil.rmtree(self.folder, ignore_errors=True)


def backends(stage):
    """Those that there are. In a user namespace iptables knows no user but the one there is."""
    return [one for one in BACKENDS if one == "nft" or (stage.root and shutil.which(f"{one}-restore"))]


def table():
    return subprocess.run(["nft", "list", "table", "inet", "outrider"], capture_output=True, text=True, check=False).stdout


def saved():
    """All rules of ours, whoever has set them."""
    text = table()
    for kind in ("iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy"):
        if shutil.which(f"{kind}-save"):
            lines = subprocess.run([f"{kind}-save"], capture_output=True, text=True, check=False).stdout.splitlines()
            text += "".join(f"{kind} {line}\n" for line in lines if "OUTRIDER" in line)
    return text.replace(" [0:0]", "")


# --- what is shown ---------------------------------------------------------------------------------------------------

def rules(stage):
    """Each program sets them; twice is once, others are replaced, and nothing is left behind."""
    pod = stage.pod("a")
    with pod:
        empty = saved()
        check("nothing is there", empty, "")
        stage.capture("clear")
        for backend in backends(stage):
            stage.capture("apply", "--backend", backend, *FLAGS)
            first = saved()
            check(f"{backend}: something is there", "15001" in first and "15006" in first and "15053" in first, True)
            stage.capture("apply", "--backend", backend, *FLAGS)
            check(f"{backend}: twice is once", saved(), first)
            stage.capture("apply", "--backend", backend, "--inbound", "25006", "--mode", "tproxy")
            other = saved()
            check(f"{backend}: others are replaced", ("25006" in other, "15006" in other, "15053" in other, "4010" in other),
                  (True, False, False, False))
            route = run("ip", "route", "show", "table", "1337", capture_output=True, text=True).stdout
            check("a route for answers", "local default dev lo" in route, True)
            check("one rule for it", run("ip", "rule", capture_output=True, text=True).stdout.count("fwmark 0x539"), 1)
            printed = stage.capture("print", "--backend", backend, *FLAGS)
            stage.capture("clear")
            check(f"{backend}: nothing is left behind", saved(), "")
            check("no rule of routes either", "fwmark" in run("ip", "rule", capture_output=True, text=True).stdout, False)
            load(printed)
            check(f"{backend}: what is printed is what is set", saved(), first)
            stage.capture("clear")
            stage.capture("clear")
        for one, then in zip(backends(stage), backends(stage)[1:] + backends(stage)[:1]):
            stage.capture("apply", "--backend", one, *FLAGS)
            stage.capture("apply", "--backend", then, *FLAGS)
            mixed = saved()
            stage.capture("clear")
            stage.capture("apply", "--backend", then, *FLAGS)
            check(f"{then} in place of {one}", mixed, saved())
            stage.capture("clear")
        check("by itself it is nft", "captured by nft" in stage.capture("apply"), True)
        told = json.loads(stage.capture("apply", "--json"))
        check("for programs", told, {"result": "ok", "backend": "nft"})
        stage.capture("clear")


def load(printed):
    """What `print` says, by the programs that it names."""
    for block in printed.split("# ")[1:]:
        words, rules_of_it = block.split("\n", 1)
        if words == "routes":
            for line in rules_of_it.strip().splitlines():
                run(*line.split())
        else:
            run(*words.split(), input=rules_of_it.encode())


def validated(stage):
    """`validate` says no where rules are missing, and yes where they are there."""
    with stage.pod("a"):
        words = ["--timeout", "400ms", "--dns", "15053"]
        for backend in backends(stage):
            text = stage.capture("validate", *words, code=1)
            check("what is missing, and what helps", all(part in text for part in (
                "was not captured", "outrider capture apply --inbound 15006 --outbound 15001", "--dns 15053")), True)
            stage.capture("apply", "--backend", backend, *FLAGS)
            text = stage.capture("validate", "--timeout", "10s", "--dns", "15053")
            check("both families, names and what comes in", text.count("ok  "), 4)
            stage.capture("apply", "--backend", backend, "--inbound", "off")
            text = stage.capture("validate", "--timeout", "400ms", code=1)
            check("no rule for what comes in", "no rule leads to port 15006" in text and "inbound" in text, True)
            stage.capture("apply", "--backend", backend, "--no-ipv6")
            check("a family without", "[2001:db8::1]" in stage.capture("validate", "--timeout", "400ms", code=1), True)
            stage.capture("validate", "--timeout", "10s", "--no-ipv6")
            stage.capture("clear")
        for ip in ("127.0.0.1", "::1"):
            Server((ip, 15001), trap)
        Datagrams(("127.0.0.1", 15053), lambda data: data)
        stage.capture("validate", *words, code=1)
        stage.capture("apply", *FLAGS)
        text = stage.capture("validate", "--timeout", "10s", "--dns", "15053")
        check("by the proxy that runs", text.count("the proxy that listens at port 15001"), 2)
        if stage.root:
            text = stage.capture("validate", *words, code=1, user=USER, group=USER, extra_groups=[])
            check("as the proxy's user", "runs as user 1337" in text, True)
            stage.capture("validate", "--timeout", "10s", "--inbound", "off", user=APP_USER, group=APP_USER, extra_groups=[])
        check("in JSON", json.loads(stage.capture("validate", "--timeout", "10s", "--json"))["ok"], True)
        run("ip", "route", "del", "default")
        run("ip", "-6", "route", "del", "default")
        text = stage.capture("validate", "--timeout", "400ms", "--inbound", "off", code=1)
        check("no way to anywhere", "nothing could be looked at" in text, True)


def left_alone(stage):
    """What is captured, and what is not."""
    for ip in (WORLD4, WORLD6, FAR4, FAR6):
        for port in (PLAIN, SKIPPED_OUT, 4005, 53):
            Server((ip, port), says("world"))
        for port in (PLAIN, 53):
            Datagrams((ip, port), lambda _: b"world\n")
    with stage.pod("a") as pod:
        for ip in ("127.0.0.1", "::1"):
            Server((ip, 15001), trap)
        Server(("127.0.0.1", 15053), says("dns"))
        Datagrams(("127.0.0.1", 15053), lambda _: b"dns\n")
        for ip in ANY:
            Server((ip, 15006), trap)
            for port in (APP, SKIPPED_IN, 15020, 15021):
                Server((ip, port), says("app"))
        for ip in (pod.ip4, pod.ip6):
            Datagrams((ip, APP), lambda _: b"app\n")
    for backend in backends(stage):
        with pod:
            stage.capture("apply", "--backend", backend, "--skip-inbound-cidrs", f"{FAR4},{FAR6}/128", *FLAGS)

            def out(what, expected, *where, **how):
                check(f"{backend}: {what}", ask(*where, **how), expected)

            for ip in (WORLD4, WORLD6):
                out("what the app sends", f"trap {ip} {PLAIN}", ip, PLAIN)
                out("a port that is skipped", "world", ip, SKIPPED_OUT)
                out("a range of them", "world", ip, 4005)
                out("UDP", "world", ip, PLAIN, kind="udp")
                if stage.root:
                    out("the app's user", f"trap {ip} {PLAIN}", ip, PLAIN, user=APP_USER)
                    out("the proxy's user", "world", ip, PLAIN, user=USER, group=APP_USER)
                    out("the proxy's group", "world", ip, PLAIN, user=APP_USER, group=USER)
                    out("the proxy's own question by TCP", "world", ip, 53, user=USER, group=USER)
            for ip in (FAR4, FAR6):
                out("a network that is skipped", "world", ip, PLAIN)
            for ip in ("127.0.0.1", "::1", pod.ip4, pod.ip6):
                out("the pod that calls itself", "app", ip, APP)
            out("a question for a name", "dns", WORLD4, 53, kind="udp", own=5353)
            out("a question for a name by TCP", "dns", WORLD4, 53)
            out("a question over IPv6 is left alone", "world", WORLD6, 53, kind="udp")
            if stage.root:
                out("the proxy's own question", "world", WORLD4, 53, kind="udp", user=USER, group=USER)
                out("the same from where the app has just asked", "world", WORLD4, 53, kind="udp", user=USER, group=USER, own=5353)
                out("and the app's from where the proxy has", "dns", WORLD4, 53, kind="udp", own=5353)
        for ip, skipped in ((pod.ip4, FAR4), (pod.ip6, FAR6)):
            check(f"{backend}: what others send", from_source(ip, APP), f"trap {ip} {APP}")
            check(f"{backend}: whoever calls from where is skipped", from_source(ip, APP, skipped), "app")
            check(f"{backend}: a port of the pod that is skipped", from_source(ip, SKIPPED_IN), "app")
            for port in (15020, 15021):
                check(f"{backend}: what the proxy has for others", from_source(ip, port), "app")
            check(f"{backend}: UDP to the pod", ask(ip, APP, kind="udp"), "app")
        with pod:
            stage.capture("apply", "--backend", backend)
            check(f"{backend}: names, where nobody asked for that", ask(WORLD4, 53, kind="udp"), "world")
            stage.capture("apply", "--backend", backend, "--outbound", "off")
            check(f"{backend}: inbound alone", ask(WORLD4, PLAIN), "world")
        check(f"{backend}: inbound alone, what comes in", from_source(pod.ip4, APP), f"trap {pod.ip4} {APP}")
        with pod:
            stage.capture("apply", "--backend", backend, "--inbound", "off")
            check(f"{backend}: outbound alone", ask(WORLD4, PLAIN), f"trap {WORLD4} {PLAIN}")
        check(f"{backend}: outbound alone, what comes in", from_source(pod.ip4, APP), "app")
        with pod:
            stage.capture("clear")
            check(f"{backend}: without rules", ask(WORLD6, PLAIN), "world")


def from_source(ip, port, source=None):
    with socket.create_connection((ip, port), PATIENCE, (source, 0) if source else None) as client:
        return read(client, 100).decode().strip()


def permitted(stage):
    """Who may set rules, and what is said to the others."""
    others = {"user": 65534, "group": 65534, "extra_groups": []}
    with stage.pod("a"):
        for verb in ("apply", "clear"):
            check(f"{verb} without rights", "CAP_NET_ADMIN" in stage.capture(verb, code=1, **others), True)
        check("nothing was set", saved(), "")
        able = stage.with_rights(12)
        for words in ([], ["--mode", "tproxy"]):
            stage.capture("apply", *words, outrider=able, **others)
            check("by the file's right alone", "15001" in saved(), True)
            stage.capture("clear", outrider=able, **others)
            check("and away", saved(), "")
        able = stage.with_rights(12, 13)
        for backend in backends(stage):
            legacy = backend == "iptables-legacy"  # the kernel shows its tables to root alone
            text = stage.capture("apply", "--backend", backend, code=int(legacy), outrider=able, **others)
            check(f"{backend}: by the file's rights", ("15001" in saved(), "user 0" in text), (not legacy, legacy))
            stage.capture("clear", outrider=able, **others)
        # Where the container has not got the right, the program starts all the same, and says what is missing.
        drop = ["setpriv", "--bounding-set=-net_admin,-net_raw", "--reuid=65534", "--regid=65534", "--clear-groups"]
        refused = subprocess.run([*drop, able, "capture", "apply"], capture_output=True, text=True, check=False)
        check("a bounding set without it", (refused.returncode, "CAP_NET_ADMIN" in refused.stderr), (1, True))


class Sniffer:
    """Whatever goes over a cable."""

    def __init__(self, device):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind((device, 0))
        self.bytes = b""
        self.lock = threading.Lock()
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        with contextlib.suppress(OSError):
            while True:
                frame = self.socket.recv(1 << 17)
                with self.lock:
                    self.bytes += frame

    def heard(self):
        with self.lock:
            return self.bytes


def resolver(data):
    """A server that knows one address, and no other kind."""
    name_end = data.index(b"\0", 12) + 5
    kind = struct.unpack("!H", data[name_end - 4:name_end - 2])[0]
    answer = b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4" + socket.inet_aton(VIRTUAL) if kind == 1 else b""
    return data[:2] + b"\x81\x80" + struct.pack("!4H", 1, 1 if answer else 0, 0, 0) + data[12:name_end] + answer


def mesh(stage):
    """Two apps that know nothing of a proxy: one calls the other by name, and nobody on the way can read it."""
    secrets = [uuid.uuid4().hex for _ in range(3)]
    tool = [stage.outrider, "identity"]
    run(*tool, "dev-ca", stage.folder / "ca", stdout=subprocess.DEVNULL)
    run(*tool, "mesh-key", stage.folder / "mesh.key", stdout=subprocess.DEVNULL)
    identities = stage.folder / "identities"
    identities.mkdir()
    for account in ("front", "shop", "seed"):
        run(*tool, "issue", "--ca", stage.folder / "ca", "--id", f"spiffe://mesh.local/ns/default/sa/{account}", "--out",
            identities / account, stdout=subprocess.DEVNULL)
        for file in [identities / account, *(identities / account).iterdir(), stage.folder / "mesh.key"]:
            os.chown(file, USER, USER)
    registry = f'registry: {{bootstrap: "{WORLD4}:4222", bind: "IP:4222", key: {stage.folder}/mesh.key}}'
    stage.proxy("seed", "dht", f"""version: 1
identity: {{dir: {identities}/seed}}
{registry.replace("IP", WORLD4).replace(f'bootstrap: "{WORLD4}:4222", ', "")}
admin: {{address: off, health: off}}
telemetry: {{metrics: {{address: off}}}}
""")
    for ip in (WORLD4, WORLD6):
        Server((ip, 3306), greet)
    asked = []

    def shop(connection):
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        asked.append((head, connection.getpeername()[0]))
        connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(secrets[1]) + secrets[1].encode())

    proxies = {}
    for name, account in (("a", "front"), ("b", "shop")):
        with stage.pod(name) as pod:
            for ip in ANY:
                Server((ip, APP), shop)
            able = stage.with_rights(12)
            stage.capture("apply", "--dns", "15053", outrider=able, user=65534, group=65534, extra_groups=[])
            stage.capture("validate", "--timeout", "10s", "--dns", "15053", outrider=able, user=65534, group=65534, extra_groups=[])
            Datagrams(("127.0.0.1", 15053), resolver)
            proxies[name] = stage.sidecar(account, f"""
service: {{name: {account}, port: {APP}, health: {{tcp: connect, interval: 1s}}}}
identity: {{dir: {identities}/{account}}}
{registry.replace("IP", pod.ip4)}
node: {{address: {pod.ip4}}}
""")
            stage.capture("validate", "--timeout", "10s", "--dns", "15053", outrider=able, user=65534, group=65534, extra_groups=[])
    a, b = stage.pods["a"], stage.pods["b"]
    sniffers = [Sniffer(pod.cable) for pod in (a, b)]
    resolv = stage.folder / "resolv.conf"
    resolv.write_text(f"nameserver {NAME_SERVER}\noptions timeout:5 attempts:2\n", encoding="ascii")
    app = ["unshare", "-m", "sh", "-c", f"mount --bind {resolv} /etc/resolv.conf && exec setpriv --reuid={APP_USER} --regid={APP_USER} "
           '--clear-groups curl -sS --max-time 20 --noproxy "*" "$@"', "app"]

    def call(url, *more):
        return subprocess.run([*app, url, *more], capture_output=True, text=True, check=False)

    with a:
        end = time.monotonic() + PATIENCE
        while (answer := call("http://shop.default.mesh/" + secrets[0], "-H", f"x-secret: {secrets[2]}")).stdout != secrets[1]:
            if time.monotonic() > end:
                raise Failure(f"shop does not answer: {answer}\n{proxies['a'].text()[-3000:]}\n{proxies['b'].text()[-3000:]}")
            time.sleep(0.1)
        check("by its short name", call("http://shop/").stdout, secrets[1])
        check("its status by another port of the address", call("http://shop.default.mesh:1234/").stdout, secrets[1])
    head, peer = asked[-1]
    check("the app is asked by its sidecar", peer, "127.0.0.1")
    check("in the name of who asks", b"spiffe://mesh.local/ns/default/sa/front" in head, True)
    check("the app was given all of it", any(secrets[0].encode() in one and secrets[2].encode() in one for one, _ in asked), True)
    with b:
        line = proxies["b"].accesses(path="/" + secrets[0], status=200)[0]
        check("captured where it comes in", line["listener"], "inbound")
    with a:
        line = proxies["a"].accesses(path="/" + secrets[0], status=200)[0]
        check("and where it goes out", (line["listener"], line["cluster"], line["original_dst"]),
              ("outbound", "default/shop" if "/" in line["cluster"] else "shop", f"{VIRTUAL}:80"))
    for sniffer in sniffers:
        heard = sniffer.heard()
        check("something went over the cable, by TLS", b"\x16\x03\x01" in heard and b"\x17\x03\x03" in heard, True)
        for secret in (*secrets, "x-secret", "shop.default.mesh"):
            check(f"{secret} on the wire", secret.encode() in heard, False)
    # Clear text is let in by nobody: neither from the world nor from a pod that is not captured.
    with connect((b.ip4, APP)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
        check("clear text from the world", client.recv(64)[:1] in (b"H", b"2"), False)
    with a:
        for ip in (WORLD4, WORLD6):
            with connect((ip, 3306)) as client:
                check("a server that speaks first", read(client, len(HELLO)), HELLO)
                client.sendall(b"login")
                check("its answer", read(client, 5), b"login")
        for ip in ("127.0.0.1", a.ip4, a.ip6):
            check("a pod that calls itself", get_text((ip, APP)), secrets[1])
        line = proxies["a"].accesses(original_dst=f"[{WORLD6}]:3306")[0]
        check("the server that speaks first came by the proxy", line["cluster"], "passthrough")
    # The sniffer would have seen it: without rules it does.
    with b:
        stage.capture("clear")
    with a:
        stage.capture("clear")
        check("without rules", get_text((b.ip4, APP), secrets[2]), secrets[1])
    end = time.monotonic() + PATIENCE
    while not all(secrets[1].encode() in one.heard() and secrets[2].encode() in one.heard() for one in sniffers):
        if time.monotonic() > end:
            raise Failure("the sniffer hears nothing")
        time.sleep(0.02)


def get_text(address, path=""):
    with connect(address) as client:
        client.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while more := client.recv(65536):
            data += more
    return data.split(b"\r\n\r\n", 1)[1].decode()


def tproxy(stage):
    """The app sees its clients' addresses, and no rule lets anybody past the proxy."""
    config = f"""
service: {{name: shop, port: {APP}, health: {{tcp: connect, interval: 1s}}}}
registry: {{kind: none}}
listeners: {{inbound: {{transparent: tproxy}}}}
"""

    def who(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := connection.recv(65536)):
                return
            data += more
            if b"\r\n\r\n" in data:
                peer = connection.getpeername()[0].replace("::ffff:", "").encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(peer) + peer)
                data = b""

    def hello(connection):
        connection.sendall(connection.getpeername()[0].replace("::ffff:", "").encode() + b"\n")
        echo(connection)

    for ip in (WORLD4, WORLD6):
        Server((ip, PLAIN), says("world"))
    with stage.pod("a") as pod:
        refused = stage.folder / "refused.yaml"
        refused.write_text("version: 1\nmode: sidecar\n" + config, encoding="utf-8")
        ran = subprocess.run([stage.outrider, "run", "-c", refused], capture_output=True, text=True, check=False, user=USER,
                             group=USER, extra_groups=[], timeout=60)
        check("a proxy without the right", (ran.returncode != 0, "tproxy takes CAP_NET_ADMIN or CAP_NET_RAW" in ran.stderr + ran.stdout),
              (True, True))
        for ip in ANY:
            Server((ip, APP), who)
            Server((ip, OTHER), hello)
    for backend, rights in zip(backends(stage), ((12,), (13,), (12, 13))):
        with pod:
            stage.capture("apply", "--backend", backend, "--mode", "tproxy", "--skip-inbound", str(SKIPPED_IN))
        for ip in (pod.ip4, pod.ip6):  # nobody listens at 15006: nobody gets past it
            with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET) as client:
                client.settimeout(0.3)
                try:
                    client.connect((ip, APP))
                    raise Failure(f"{backend}: past the proxy that is not there")
                except OSError:
                    pass
        with pod:
            proxy = stage.sidecar(f"{backend}", config, outrider=stage.with_rights(*rights))
        for ip, sources in ((pod.ip4, (WORLD4, FAR4)), (pod.ip6, (WORLD6, FAR6))):
            for source in sources * 2:
                with socket.create_connection((ip, APP), PATIENCE, (source, 0)) as client:
                    for _ in range(3):
                        client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
                        data = b""
                        while b"\r\n\r\n" not in data or not data.split(b"\r\n\r\n", 1)[1]:
                            data += client.recv(65536)
                        check(f"{backend}: the client's address", data.split(b"\r\n\r\n", 1)[1].decode(), source)
                with socket.create_connection((ip, OTHER), PATIENCE, (source, 0)) as client:
                    check(f"{backend}: a server that speaks first, at another port", read(client, len(source) + 1).decode(), source + "\n")
                    big = os.urandom(1 << 20)
                    threading.Thread(target=client.sendall, args=(big,), daemon=True).start()
                    check(f"{backend}: a MiB there and back", read(client, len(big)) == big, True)
        with pod:
            proxy.wait(lambda: proxy.metric("outrider_requests_total", 'direction="inbound"') >= 28, "to have counted them")
            check(f"{backend}: its own connections", get((pod.ip4, 15020), "x", "/nothing")[0], 404)
            check(f"{backend}: out, as ever", [ask(ip, PLAIN) for ip in (WORLD4, WORLD6)], ["world"] * 2)
            proxy.accesses(original_dst=f"{WORLD4}:{PLAIN}", listener="outbound")
            stage.proxies.pop().end()
            stage.capture("clear")


PARTS = (rules, validated, left_alone, permitted, mesh, tproxy)
ONE_USER = (rules, validated, left_alone)


def inside(options):
    stage = Stage(options)
    capture.play(stage, ONE_USER if options.one_user else PARTS, options.only, stage.end_part)


def why_not(alone):
    """Why this machine does not do; else nothing."""
    for tool in ("unshare", "nsenter", "ip", "nft", "setpriv", "curl"):
        if not shutil.which(tool):
            return f"there is no {tool}"
    table_of_one = "table inet t { chain c { type nat hook output priority -100; meta skuid 1 return; meta l4proto tcp redirect to :1; }; }\n"
    tried = subprocess.run([*alone, "nft", "-f", "-"], input=table_of_one.encode(), capture_output=True, check=False)
    return f"rules cannot be set: {tried.stderr.decode().strip().splitlines()[:1]}" if tried.returncode else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", required=True, type=os.path.abspath)
    parser.add_argument("--only", help=f"one part: {', '.join(part.__name__ for part in PARTS)}")
    parser.add_argument("--one-user", action="store_true", help="what needs no other user; so it is where nobody is root")
    parser.add_argument("--inside", action="store_true", help="in a network of its own already")
    options = parser.parse_args()
    if options.inside:
        return inside(options)
    one_user = options.one_user or os.geteuid() != 0
    alone = ["unshare", "-Urn"] if os.geteuid() != 0 else ["unshare", "-n"]
    if reason := why_not(alone):
        print(f"not run: {reason}")
        return sys.exit(SKIPPED)
    words = [*sys.argv, "--inside", *(["--one-user"] if one_user and not options.one_user else [])]
    return sys.exit(subprocess.run([*alone, sys.executable, *words], check=False).returncode)


if __name__ == "__main__":
    main()
