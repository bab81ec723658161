#!/usr/bin/env python3
"""Names of services, as an application that knows of no proxy uses them: it asks DNS, and connects to what it is told.

  pod     the namespace of the application and its sidecar (as another user); rules of nft redirect what it asks on port 53 to
          15053, and what it sends to 15001. Its /etc/resolv.conf names a server of the world
  world   the namespace behind the pod's only cable: that server, two other applications with their sidecars (HTTP; and a protocol
          in which the server speaks first), and somebody who looks at what goes over the cable

Needs root, nft and dig; says so and ends with 77 where it may not make a network. Ports are fixed: nobody else is in these networks.
"""
import argparse
import contextlib
import http.client
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

sys.dont_write_bytecode = True      # the source tree stays clean
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "capture"))
import capture
from capture import PATIENCE, SKIPPED, USER, WORLD4, WORLD6, POD4, HELLO, Failure, Proxy, Server, World, check, connect, ended, get, read, run

DNS, SHOP, GREETER = 53, 8080, 3306


def redirect(spare_the_proxy=True):
    """The rules, as `outrider capture apply --dns 15053` would write them."""
    spare = f"meta skuid {USER} return" if spare_the_proxy else ""
    run("nft", "-f", "-", input=f"""
table inet outrider
delete table inet outrider
table inet outrider {{
  chain out {{
    type nat hook output priority -100
    {spare}
    udp dport 53 redirect to :15053
    tcp dport 53 redirect to :15053
    oifname "lo" return
    meta l4proto tcp redirect to :15001
  }}
}}
""".encode())


class Resolver:
    """The server that /etc/resolv.conf names: it knows one name."""

    def __init__(self, ip):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ip, DNS))
        self.asked = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            message, client = self.socket.recvfrom(4096)
            end = 12
            labels = []
            while message[end]:
                labels.append(message[end + 1:end + 1 + message[end]].decode())
                end += 1 + message[end]
            question, kind = message[12:end + 5], struct.unpack(">H", message[end + 1:end + 3])[0]
            name = ".".join(labels).lower()
            self.asked.append((name, client[0]))
            known = name == "www.example.com"
            record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(WORLD4) if known and kind == 1 else b""
            self.socket.sendto(message[:2] + bytes([0x81, 0x80 if known else 0x83]) + struct.pack(">HHHH", 1, 1 if record else 0, 0, 0) +
                               question + record, client)


class Wire:
    """Everything that goes over the cable."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
        self.socket.bind((name, 0))
        self.seen = bytearray()
        threading.Thread(target=self.look, daemon=True).start()

    def look(self):
        while True:
            self.seen += self.socket.recv(65536)

    def has(self, text):
        return text in bytes(self.seen)


class Stage:
    def __init__(self, outrider):
        self.outrider = outrider
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="outrider-names-"))
        os.chmod(self.folder, 0o755)
        self.world = World()
        self.proxies, self.started = {}, 0
        run("ip", "route", "replace", "default", "via", WORLD4, "dev", "pod0")
        run("ip", "-6", "route", "replace", "default", "via", WORLD6, "dev", "pod0")
        resolv = self.folder / "resolv.conf"
        resolv.write_text(f"nameserver {WORLD4}\noptions timeout:5 attempts:1\n", encoding="utf-8")
        run("mount", "--bind", resolv, "/etc/resolv.conf")
        tool = [outrider, "identity"]
        run(*tool, "dev-ca", self.folder / "ca", stdout=subprocess.DEVNULL)
        for account in ("shop", "greeter", "web"):
            run(*tool, "issue", "--ca", self.folder / "ca", "--id", f"spiffe://mesh.local/ns/default/sa/{account}", "--out",
                self.folder / account, stdout=subprocess.DEVNULL)
            for file in [self.folder / account, *(self.folder / account).iterdir()]:
                os.chown(file, USER, USER)
        with self.world:
            self.resolver = Resolver(WORLD4)
            Server(("0.0.0.0", SHOP), capture.web("shop"))
            Server(("0.0.0.0", GREETER), capture.greet)
            Server((WORLD4, 80), capture.web("world"))
        self.wire = Wire("pod0")

    def sidecar(self, name, config, inside=None):
        keep = self.folder / f"state-{name}"
        keep.mkdir(exist_ok=True)
        os.chown(keep, USER, USER)
        text = f"""version: 1
mode: sidecar
identity: {{dir: {self.folder}/{name}}}
lifecycle: {{drain: {{delay: 0}}, outbound_until: drain}}
{config}"""
        self.started += 1
        with inside or contextlib.nullcontext():       # what it keeps stays, the rest is another's each time
            proxy = Proxy(self, f"{name}-{self.started}", "run", text, "--set", f"registry.snapshot={keep}")
        self.proxies[name] = proxy
        return proxy

    def end(self):
        for proxy in self.proxies.values():
            with contextlib.suppress(Exception):
                proxy.end()
        self.world.end()
        run("umount", "/etc/resolv.conf")
        shutil.rmtree(self.folder, ignore_errors=True)


def dig(*words):
    """(status, [answers])"""
    out = subprocess.run(["dig", "+tries=1", "+time=20", "+noall", "+comments", "+answer", *words], capture_output=True, text=True,
                         check=False).stdout
    status = out.partition("status: ")[2].partition(",")[0]
    return status, [line.split(None, 4)[4] for line in out.splitlines() if line and not line.startswith(";")], out


def until(what, so):
    end = time.monotonic() + PATIENCE
    while not so():
        if time.monotonic() > end:
            raise Failure(f"waited in vain for {what}")
        time.sleep(0.02)


def turned_away(address):
    """Whether nothing comes but the end, at once or a little later."""
    try:
        with connect(address) as client:
            return ended(client)
    except ConnectionError:
        return True


def tool(stage, *words):
    return subprocess.run([stage.outrider, *words], capture_output=True, text=True, timeout=PATIENCE, check=False)


def play(stage):
    shop = stage.sidecar("shop", f"""
service: {{name: shop, version: v2, port: {SHOP}, health: {{tcp: connect, interval: 1s}}}}
registry: {{bind: "{WORLD4}:4222", dns: off}}
node: {{id: shop, address: {WORLD4}}}
telemetry: {{metrics: {{address: "127.0.0.1:15020"}}}}
""", stage.world)
    greeter = stage.sidecar("greeter", f"""
service: {{name: greeter, ports: [{{port: {GREETER}, protocol: tcp}}], health: {{tcp: connect, interval: 1s}}}}
registry: {{bind: "{WORLD4}:4231", bootstrap: "{WORLD4}:4222", dns: off}}
node: {{id: greeter, address: {WORLD4}}}
listeners: {{inbound: {{address: "[::]:16006"}}, outbound: {{address: "127.0.0.1:16001"}}}}
admin: {{address: "127.0.0.1:16000", health: off}}
telemetry: {{metrics: {{address: "127.0.0.1:16020"}}}}
""", stage.world)
    config = f"""
registry: {{bind: "{POD4}:4222", bootstrap: "{WORLD4}:4222"}}
node: {{id: web, address: {POD4}}}
telemetry: {{metrics: {{address: "127.0.0.1:15020"}}, access_log: json}}
"""
    web = stage.sidecar("web", config)
    redirect()

    # Names.
    until("both services", lambda: dig("greeter.default.mesh")[1] and dig("shop.default.mesh")[1])
    status, found, out = dig("greeter.default.mesh")
    check("its status", status, "NOERROR")
    check("one address of its own", len(found) == 1 and found[0].startswith("240.240."), True)
    address = found[0]
    check("by TCP", dig("+tcp", "greeter.default.mesh")[1], [address])
    check("of our own namespace", dig("greeter.mesh")[1], [address])
    check("in other letters", "GReeTer.default.mesh." in dig("GReeTer.default.mesh")[2], True)
    check("without EDNS", dig("+noedns", "greeter.default.mesh")[1], [address])
    v6 = dig("AAAA", "greeter.default.mesh")[1]
    check("of IPv6", len(v6) == 1 and v6[0].startswith("fd6f:7574:7269::"), True)
    check("SRV", dig("SRV", "_db._tcp.greeter.default.mesh")[1][0].split()[3], "greeter.default.mesh.")
    check("PTR", dig("-x", address)[1], ["greeter.default.mesh."])
    check("MX", dig("MX", "greeter.default.mesh")[:2], ("NOERROR", []))
    check("nobody", dig("nobody.default.mesh")[:2], ("NXDOMAIN", []))
    check("somebody else's", dig("www.example.com")[1], [WORLD4])
    check("asked by the sidecar", stage.resolver.asked[-1], ("www.example.com", POD4))
    check("nobody there", dig("nobody.example.com")[0], "NXDOMAIN")
    check("not asked of others", [name for name, _ in stage.resolver.asked if name.endswith("mesh")], [])
    check("as libc has it", {each[4][0] for each in socket.getaddrinfo("greeter.default.mesh", GREETER, socket.AF_INET)}, {address})
    check("libc of another's", socket.gethostbyname("www.example.com"), WORLD4)

    # Connections by name: the server speaks first, and nobody said where to but DNS.
    for family, ip in ((socket.AF_INET, address), (socket.AF_INET6, v6[0])):
        where = socket.getaddrinfo("greeter.default.mesh", GREETER, family, socket.SOCK_STREAM)[0][4]
        check("where", where[0], ip)
        with socket.socket(family) as client:
            client.settimeout(PATIENCE)
            client.connect(where)
            check("it speaks first", read(client, len(HELLO)), HELLO)
            client.sendall(b"a secret of mine")
            check("and answers", read(client, 16), b"a secret of mine")
            client.shutdown(socket.SHUT_WR)
            check("half-closed", client.recv(1), b"")
    line = web.accesses(original_dst=f"{address}:{GREETER}")[0]
    check("the access log", (line["cluster"], line["endpoint"]), ("default/greeter", f"{WORLD4}:16006"))
    check("nothing was to be read on the cable", stage.wire.has(b"greetings") or stage.wire.has(b"a secret of mine"), False)
    with connect(("greeter.default.mesh", 9999)) as client:
        check("any port of it does", read(client, len(HELLO)), HELLO)
    with stage.world:
        check("by mutual TLS", connections(16020) >= 3, True)

    # HTTP by name, and by whatever name.
    check("HTTP by its Host", get(("shop.default.mesh", 80), "shop.default.mesh", "/a")[1],
          {"who": "shop", "host": "shop.default.mesh", "path": "/a"})
    check("HTTP by the address", get(("shop.default.mesh", 80), "www.example.com")[1]["who"], "shop")
    check("a Host of nobody", get(("shop.default.mesh", 80), "nobody")[1]["who"], "shop")
    check("the Host goes before", get((address, 80), "shop")[1]["who"], "shop")
    check("a version", get(("v2.shop.default.mesh", 80), "v2.shop.default.mesh")[1]["who"], "shop")
    check("another address", dig("v2.shop.default.mesh")[1] == dig("shop.default.mesh")[1], False)
    check("a version that nobody is", dig("v3.shop.default.mesh")[0], "NXDOMAIN")
    check("in clear text nowhere", stage.wire.has(b"HTTP/1.1"), False)
    check("others as before", get((WORLD4, 80), "www.example.com")[1]["who"], "world")
    until("that to be seen: whoever looks is not blind", lambda: stage.wire.has(b"HTTP/1.1"))

    # What stands for nothing.
    status, body, reason = get(("240.240.0.1", 80), "www.example.com")
    check("an address that nobody was told", (status, reason), (503, "virtual_address"))
    check("its sentence", "virtual address" in body, True)
    check("bytes to it", turned_away(("240.240.0.1", GREETER)), True)
    until("its count", lambda: web.metric("outrider_passthrough_refused_total", 'reason="virtual_address"') == 2)

    # Another process of the same sidecar: who kept the address is served, without having asked again.
    web.end()
    web = stage.sidecar("web", config)

    def greeted():
        with connect((address, GREETER)) as client:
            return read(client, len(HELLO)) == HELLO
    until("greeter to be found again", greeted)
    check("the same address", dig("greeter.default.mesh")[1], [address])

    # Who leaves is gone.
    greeter.end()
    del stage.proxies["greeter"]
    until("its end", lambda: dig("greeter.default.mesh")[0] == "NXDOMAIN")
    check("its address leads nowhere else", turned_away((address, GREETER)), True)

    # A port that somebody has asked for is somebody else's.
    settings = ["mode=sidecar", "registry.dns.listen=127.0.0.1:15053", "registry.bind=127.0.0.1:0", "registry.snapshot=off", "admin.address=off",
                "admin.health=off", "telemetry.metrics.address=off", "listeners.outbound.address=127.0.0.1:0", "config.history=off"]
    taken = tool(stage, "run", *(word for setting in settings for word in ("--set", setting)))
    check("it does not start", taken.returncode != 0 and "registry.dns.listen" in taken.stderr, True)
    looked = tool(stage, "check", "--admin", "127.0.0.1:15000").stdout
    check("`outrider check` says that it answers", "127.0.0.1:15053, [::1]:15053 answers for the domain mesh" in looked, True)

    # A circle.
    redirect(spare_the_proxy=False)
    check("a circle", dig("www.example.com")[0], "SERVFAIL")
    until("its count", lambda: web.metric("outrider_dns_queries_total", 'result="loop"') > 0)   # figures are gathered now and then
    check("what helps", "skuid" in web.text(), True)
    shop.end()
    del stage.proxies["shop"]


def connections(port):
    """By mutual TLS, of the sidecar whose metrics are there."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as client:
        client.request("GET", "/metrics")
        lines = client.getresponse().read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("outrider_connections_total{") and 'tls="mutual"' in line)


def inside(options):
    stage = Stage(options.outrider)
    try:
        play(stage)
        print("names: ok", flush=True)
    except Exception:
        for name, proxy in stage.proxies.items():
            print(f"--- {name}\n{proxy.text()[-6000:]}", file=sys.stderr)
        raise
    finally:
        stage.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", required=True, type=os.path.abspath)
    parser.add_argument("--inside", action="store_true", help="in a network of its own already")
    options = parser.parse_args()
    if options.inside:
        return inside(options)
    reason = capture.why_not() or (None if shutil.which("dig") else "there is no dig")
    if reason:
        print(f"not run: {reason}")
        return sys.exit(SKIPPED)
    return sys.exit(subprocess.run(["unshare", "-n", "-m", sys.executable, *sys.argv, "--inside"], check=False).returncode)


if __name__ == "__main__":
    main()
