#!/usr/bin/env python3
"""Connections that the kernel redirects: an app that knows of no proxy, in a network of its own.

  pod     the namespace of the app, the sidecar (as another user) and its registry node; rules of nft redirect what goes out to
          15001 and what comes in to 15006
  world   the namespace behind the pod's only cable: servers of HTTP, TLS and of a protocol in which the server speaks first, and
          clients of the pod

Needs root and nft; says so and ends with 77 where it may not make a network. Ports are fixed: nobody else is in these networks.
"""
import argparse
import contextlib
import ctypes
import http.client
import http.server
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 30                        # seconds, for anything that is waited for
SKIPPED = 77
USER = 1337
POD4, POD6 = "10.77.1.2", "fd77:1::2"
WORLD4, WORLD6 = "10.77.1.1", "fd77:1::1"
MORE = [f"10.77.1.{n}" for n in range(11, 21)]   # of the world, too
HTTP, TLS, GREETING, ECHO = 80, 443, 3306, 7000
APP, OTHER, PRIVATE = 8080, 9090, 9091
HELLO = b"220 greetings\r\n"
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    pass


def check(what, found, expected):
    if found != expected:
        raise Failure(f"{what}: {found!r}, not {expected!r}")


# --- networks --------------------------------------------------------------------------------------------------------

def run(*words, **more):
    return subprocess.run([str(word) for word in words], check=True, **more)


class World:
    """The other end of the cable. What is made inside `with` is there; in this thread only."""

    def __init__(self):
        self.keeper = subprocess.Popen(["unshare", "-n", "sleep", "100000"])
        try:
            ours = os.readlink("/proc/self/ns/net")
            end = time.monotonic() + PATIENCE
            while os.readlink(f"/proc/{self.keeper.pid}/ns/net") == ours:
                if self.keeper.poll() is not None or time.monotonic() > end:
                    raise Failure("unshare made no network")
                time.sleep(0.01)
            self.there = os.open(f"/proc/{self.keeper.pid}/ns/net", os.O_RDONLY)
            self.here = os.open("/proc/self/ns/net", os.O_RDONLY)
            run("ip", "link", "add", "pod0", "type", "veth", "peer", "name", "world0")
            run("ip", "link", "set", "world0", "netns", self.keeper.pid)
            self.up([], "pod0", [f"{POD4}/24"], f"{POD6}/64")
            inside = ["nsenter", "-t", self.keeper.pid, "-n"]
            self.up(inside, "world0", [f"{ip}/24" for ip in [WORLD4, *MORE]], f"{WORLD6}/64")
        except BaseException:
            self.end()
            raise

    @staticmethod
    def up(inside, name, v4, v6):
        run(*inside, "ip", "link", "set", "lo", "up")
        run(*inside, "ip", "link", "set", name, "up")
        for ip in v4:
            run(*inside, "ip", "addr", "add", ip, "dev", name)
        run(*inside, "ip", "-6", "addr", "add", v6, "dev", name, "nodad")

    def __enter__(self):
        self.move(self.there)

    def __exit__(self, *_):
        self.move(self.here)

    @staticmethod
    def move(to):
        if libc.setns(to, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def end(self):
        self.keeper.kill()
        self.keeper.wait()


def redirect(out=True, spare_the_proxy=True):
    """The rules, as `outrider capture` would write them."""
    spare = f"meta skuid {USER} return" if spare_the_proxy else ""
    rules = f"""
table inet outrider
delete table inet outrider
table inet outrider {{
  chain in {{
    type nat hook prerouting priority dstnat
    iifname "pod0" meta l4proto tcp redirect to :15006
  }}
  chain out {{
    type nat hook output priority -100
    oifname "lo" return
    {spare}
    {"meta l4proto tcp redirect to :15001" if out else ""}
  }}
}}
"""
    run("nft", "-f", "-", input=rules.encode())


# --- servers and clients ---------------------------------------------------------------------------------------------

class Server:
    """A thread for each connection, which `serve(connection)` has."""

    def __init__(self, address, serve):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.socket.bind(address)
        self.socket.listen(64)
        self.serve = serve
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.socket.accept()
            connection.settimeout(PATIENCE)
            threading.Thread(target=self.attend, args=(connection,), daemon=True).start()

    def attend(self, connection):
        with connection, contextlib.suppress(OSError, http.client.HTTPException):
            self.serve(connection)


prefaces = []                        # of HTTP/2, as servers of the world have seen them


def web(name):
    """Says who it is, and what it was asked."""
    def serve(connection):
        if connection.recv(3, socket.MSG_PEEK) == b"PRI":   # HTTP/2 without being asked: that is all there is to see
            return prefaces.append(connection.recv(14))

        class Answer(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_GET(self):
                body = json.dumps({"who": name, "host": self.headers["host"], "path": self.path}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        Answer(connection, ("client", 0), None)
        return None
    return serve


def greet(connection):
    connection.sendall(HELLO)
    echo(connection)


def echo(connection):
    while data := connection.recv(65536):
        connection.sendall(data)


def connect(address):
    return socket.create_connection(address, PATIENCE)


def read(connection, length):
    data = b""
    while len(data) < length and (more := connection.recv(length - len(data))):
        data += more
    return data


def ended(connection):
    """Whether nothing comes but the end."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def get(address, host, path="/", connection=None):
    """(status, body or its JSON, reason)"""
    client = http.client.HTTPConnection(address[0], address[1], timeout=PATIENCE)
    client.sock = connection or connect(address)
    with contextlib.closing(client):
        client.request("GET", path, headers={"host": host})
        answer = client.getresponse()
        body = answer.read().decode()
        if answer.status == 200:
            body = json.loads(body)
        return answer.status, body, answer.getheader("x-outrider-reason")


# --- the proxy -------------------------------------------------------------------------------------------------------

class Proxy:
    def __init__(self, stage, name, verb, config, *words):
        folder = stage.folder / name
        folder.mkdir()
        os.chown(folder, USER, USER)
        self.config = folder / "outrider.yaml"
        self.config.write_text(config, encoding="utf-8")
        self.log = folder / "log"
        self.access = folder / "access.log"
        environment = {**os.environ, "OUTRIDER_REGISTRY__SNAPSHOT": str(folder / "state")}
        with open(self.log, "w", encoding="utf-8") as log, open(self.access, "w", encoding="utf-8") as access:
            self.process = subprocess.Popen([stage.outrider, verb, "--config", self.config, *words], user=USER, group=USER,
                                            extra_groups=[], stdout=access, stderr=log, env=environment)
        self.wait(lambda: "outrider is up" in self.text(), "to be up")

    def text(self):
        return self.log.read_text(encoding="utf-8")

    def wait(self, so, what):
        end = time.monotonic() + PATIENCE
        while not so():
            if self.process.poll() is not None or time.monotonic() > end:
                raise Failure(f"{self.config.parent.name}: waited for it {what}:\n{self.text()}")
            time.sleep(0.05)

    def metric(self, name, labels=""):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", 15020, timeout=PATIENCE)) as client:
            client.request("GET", "/metrics")
            lines = client.getresponse().read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + "{") and labels in line)

    def accesses(self, **fields):
        """Lines of the access log that have all of these, once there is one."""
        found = []

        def look():
            lines = [line for line in self.access.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
            found[:] = [line for line in map(json.loads, lines) if fields.items() <= line.items()]
            return bool(found)
        self.wait(look, f"to log an access with {fields}")
        return found

    def end(self):
        self.process.terminate()
        self.process.wait(PATIENCE)


class Stage:
    def __init__(self, outrider):
        self.outrider = outrider
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="outrider-capture-"))
        os.chmod(self.folder, 0o755)
        self.world = World()
        self.proxies = []
        run("ip", "route", "replace", "default", "via", WORLD4, "dev", "pod0")
        authority, here = self.folder / "ca", self.folder
        tool = [self.outrider, "identity"]
        run(*tool, "dev-ca", authority, stdout=subprocess.DEVNULL)
        for account in ("shop", "web", "guest", "world"):
            run(*tool, "issue", "--ca", authority, "--id", f"spiffe://mesh.local/ns/default/sa/{account}", "--dns", "world.test",
                "--out", here / account, stdout=subprocess.DEVNULL)
            for file in [here / account, *(here / account).iterdir()]:
                os.chown(file, USER, USER)
        with self.world:
            for ip in (WORLD4, WORLD6, *MORE):
                Server((ip, HTTP), web(ip))
            for ip in (WORLD4, WORLD6):
                Server((ip, TLS), self.over_tls)
                Server((ip, GREETING), greet)
                Server((ip, ECHO), echo)
        for ip in ("0.0.0.0", "::"):
            Server((ip, APP), web("app"))
            Server((ip, OTHER), web("other"))
        Server(("0.0.0.0", GREETING), greet)
        Server(("127.0.0.1", PRIVATE), web("private"))

    def over_tls(self, connection):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "world" / "tls.crt", self.folder / "world" / "tls.key")
        with context.wrap_socket(connection, server_side=True) as tls:
            echo(tls)

    def proxy(self, name, verb, config, *words):
        self.proxies.append(Proxy(self, name, verb, config, *words))
        return self.proxies[-1]

    def sidecar(self, name, config):
        return self.proxy(name, "run", f"""version: 1
mode: sidecar
telemetry: {{metrics: {{address: "127.0.0.1:15020"}}, access_log: json, log: {{level: info}}}}
lifecycle: {{drain: {{delay: 0}}, outbound_until: drain}}
{config}""")

    def end_proxies(self):
        while self.proxies:
            self.proxies.pop().end()

    def end(self):
        with contextlib.suppress(Exception):
            self.end_proxies()
        self.world.end()
        shutil.rmtree(self.folder, ignore_errors=True)


# --- what is shown ---------------------------------------------------------------------------------------------------

def outbound(stage):
    """An app calls out; it knows of no proxy, and its registry knows but one service."""
    stage.proxy("seed", "dht", 'version: 1\nregistry: {bind: "127.0.0.1:4222"}\nadmin: {address: off, health: off}\n'
                'telemetry: {metrics: {address: off}}\n')
    proxy = stage.sidecar("out", f"""
service: {{name: shop, port: {APP}, health: {{tcp: connect, interval: 1s}}}}
registry: {{bootstrap: "127.0.0.1:4222", bind: "127.0.0.1:0"}}
node: {{address: 127.0.0.1}}
listeners: {{explicit: {{address: "127.0.0.1:15011", direction: outbound, transparent: redirect}}}}
routes: {{explicit: [{{passthrough: original_dst}}]}}
""")
    redirect()
    for ip, text in ((WORLD4, WORLD4), (WORLD6, f"[{WORLD6}]")):
        check("an unknown name", get((ip, HTTP), "www.example.com", "/a?b"),
              (200, {"who": ip, "host": "www.example.com", "path": "/a?b"}, None))
        check("an address for a name", get((ip, HTTP), text)[1], {"who": ip, "host": text, "path": "/"})
        line = proxy.accesses(host="www.example.com", original_dst=f"{text}:{HTTP}")[0]
        check("the access log", (line["cluster"], line["endpoint"], line["listener"]), ("passthrough", f"{text}:{HTTP}", "outbound"))
    check("two addresses under one name", [get((ip, HTTP), "www.example.com")[1]["who"] for ip in MORE[:3]], MORE[:3])
    proxy.wait(lambda: get(("127.0.0.1", 15001), "shop")[0] == 200, "to find shop")
    check("a name that the registry has", get((WORLD4, HTTP), "shop")[1]["who"], "app")
    check("a name that it has not", get((WORLD4, HTTP), "nobody")[1]["who"], WORLD4)
    check("by name, called directly", get(("127.0.0.1", 15001), "shop")[1]["who"], "app")
    check("an unknown name, called directly", get(("127.0.0.1", 15001), "nobody")[::2], (503, "no_endpoint"))
    check("no name of a service, called directly", get(("127.0.0.1", 15001), "www.example.com")[::2], (404, "no_route"))
    with connect(("127.0.0.1", 15001)) as client:
        client.sendall(b"*1\r\n$4\r\nPING\r\n\r\n")
        check("bytes that came directly", client.recv(12), b"HTTP/1.1 400")
    status, body, reason = get(("127.0.0.1", 15011), "www.example.com")
    check("a rule for redirected connections, called directly", (status, reason), (503, "not_redirected"))
    check("its sentence", "came here directly" in body, True)
    check("its count", proxy.metric("outrider_passthrough_refused_total", 'reason="not_redirected"'), 1)

    for ip in (WORLD4, WORLD6):
        with connect((ip, GREETING)) as client:
            check("a server that speaks first", read(client, len(HELLO)), HELLO)
            client.sendall(b"login")
            check("its answer", read(client, 5), b"login")
        with connect((ip, ECHO)) as client:
            client.sendall(b"\0\1\2 no protocol at all")
            check("bytes", read(client, 22), b"\0\1\2 no protocol at all")
            client.shutdown(socket.SHUT_WR)
            check("half-closed", client.recv(1), b"")
        context = ssl.create_default_context(cafile=str(stage.folder / "world" / "ca.crt"))
        with context.wrap_socket(connect((ip, TLS)), server_hostname="world.test") as client:
            client.sendall(b"secret")
            check("TLS, to its end", read(client, 6), b"secret")
        with connect((ip, HTTP)) as client:
            client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0" +  # SETTINGS; GET / of "x", by indices
                           b"\0\0\6\1\5\0\0\0\1\x82\x86\x84\x41\1x")
            check("HTTP/2 is taken", read(client, 9)[3:4], b"\4")
            proxy.wait(lambda n=1 + (ip == WORLD6): len(prefaces) >= n, "to go on with HTTP/2")
    check("HTTP/2 goes on as such", set(prefaces), {b"PRI * HTTP/2.0"})
    line = proxy.accesses(protocol="tls", host="world.test")[0]
    check("TLS in the access log", (line["cluster"], line["original_dst"]), ("passthrough", f"{WORLD4}:{TLS}"))
    check("one series for all", proxy.metric("outrider_cluster_picks_total", 'cluster="passthrough"') >= 12, True)
    with connect((WORLD4, 1)) as client:     # nobody listens there: told so as soon as that is known
        client.sendall(b"x")
        check("a port where nobody is", ended(client), True)
    status, body, reason = get((WORLD4, 2), "www.example.com")
    check("the same for HTTP", (status, reason), (502, "connection_refused"))
    check("its sentence names the address", f"{WORLD4}:2" in body, True)
    text = subprocess.run([stage.outrider, "route", "GET", "http://www.example.com/", "--config", proxy.config], check=True,
                          capture_output=True, text=True).stdout
    check("a dry run", "passthrough" in text and "came directly" in text, True)


def inbound(stage):
    """Others call the pod, at any port."""
    proxy = stage.sidecar("in", f"""
service: {{name: shop, port: {APP}, health: {{tcp: connect, interval: 1s}}}}
registry: {{kind: none}}
listeners: {{extra: {{address: ":7777", direction: edge}}}}
routes: {{extra: [{{respond: {{status: 200}}}}]}}
""")
    redirect()
    with stage.world:
        for ip in (POD4, POD6):
            check("the service's port", get((ip, APP), "pod")[1]["who"], "app")
            check("another port", get((ip, OTHER), "pod")[1]["who"], "other")
        with connect((POD4, GREETING)) as client:
            check("a server of the pod that speaks first", read(client, len(HELLO)), HELLO)
        check("the inbound port itself", get((POD4, 15006), "pod")[1]["who"], "app")
        check("what listens for the pod alone", get((POD4, PRIVATE), "pod")[::2], (502, "connection_refused"))
        check("the admin's page", get((POD4, 15000), "pod", "/config")[::2], (502, "connection_refused"))
        status, body, reason = get((POD4, 7777), "pod")
        check("a listener of the proxy", (status, reason), (503, "own_listener"))
        check("its sentence", "listener of this proxy itself" in body, True)
    check("its count", proxy.metric("outrider_passthrough_refused_total", 'reason="own_listener"'), 1)
    check("its line", "own_listener" in proxy.text(), True)
    # Without a registry nobody is known by name, and what is redirected goes on all the same.
    check("out, without a registry", get((WORLD4, HTTP), "shop")[1]["who"], WORLD4)
    check("directly, without a registry", get(("127.0.0.1", 15001), "shop")[::2], (404, "no_route"))


def identities(stage):
    """Whoever may not come to the service does not come in by another port."""
    stage.sidecar("strict", f"""
service: {{name: shop, port: {APP}, health: {{tcp: connect, interval: 1s}}}}
identity: {{dir: {stage.folder}/shop}}
registry: {{kind: none}}
authorization:
  allow:
    - {{from: [default/web], to: {{port: {APP}}}}}
    - {{from: [default/guest], to: {{port: {OTHER}}}}}
""")
    redirect()

    def ask(port, account):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(stage.folder / account / "ca.crt")
        context.load_cert_chain(stage.folder / account / "tls.crt", stage.folder / account / "tls.key")
        return get((POD4, port), "pod", connection=context.wrap_socket(connect((POD4, port))))

    with stage.world:
        check("web at the service", ask(APP, "web")[0], 200)
        check("guest at the service", ask(APP, "guest")[::2], (403, "not_allowed"))
        check("web beside the service", ask(OTHER, "web")[::2], (403, "not_allowed"))
        check("guest beside the service", ask(OTHER, "guest")[1], {"who": "other", "host": "pod", "path": "/"})
        for port in (APP, OTHER, GREETING):
            with connect((POD4, port)) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: pod\r\n\r\n")
                answer = client.recv(64)
                check(f"clear text at {port}", answer[:1] not in (b"H", b"2"), True)


def limits(stage):
    """So many destinations and no more, and a circle that ends."""
    proxy = stage.sidecar("limits", """
registry: {kind: none}
clusters: {passthrough: {circuit_breaker: {max_destinations: 3}}}
""")
    redirect()
    for ip in MORE:                      # one after the other: who is not in use goes
        check("one of many", get((ip, HTTP), "www.example.com")[1]["who"], ip)
    with contextlib.ExitStack() as held:
        for ip, port in ((WORLD4, ECHO), (WORLD4, GREETING), (WORLD4, TLS)):
            client = held.enter_context(connect((ip, port)))
            client.sendall(b"x" if port != TLS else b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00")
            proxy.wait(lambda n=port: proxy.metric("outrider_requests_in_flight", 'cluster="passthrough"') >=
                       (ECHO, GREETING, TLS).index(n) + 1, "to connect on")
        status, body, reason = get((WORLD6, HTTP), "www.example.com")
        check("one too many", (status, reason), (503, "circuit_breaker_destinations"))
    proxy.wait(lambda: get((WORLD6, HTTP), "www.example.com")[0] == 200, "to have room again")
    redirect(spare_the_proxy=False)
    status, body, reason = get((WORLD4, HTTP), "www.example.com")
    check("a circle", (status, reason), (503, "own_connection"))
    check("what helps", "skuid" in body, True)
    with connect((WORLD4, ECHO)) as client:
        client.sendall(b"bytes")
        check("a circle of bytes", ended(client), True)
    with connect((WORLD4, GREETING)) as client:
        check("a circle of silence", ended(client), True)
    refused = proxy.metric("outrider_passthrough_refused_total", 'reason="own_connection"')
    check("each was refused once", refused, 3)
    check("in the log", "own_connection" in proxy.text() and "skuid" in proxy.text(), True)


def play(stage, parts, only, end_part):
    """One part after the other, or the only one; of what fails, the proxies' logs are shown."""
    try:
        for part in parts:
            if only and part.__name__ != only:
                continue
            try:
                part(stage)
            except Exception:
                for proxy in stage.proxies:
                    print(f"--- {proxy.config.parent.name}\n{proxy.text()[-6000:]}", file=sys.stderr)
                raise
            end_part()
            print(f"{part.__name__}: {part.__doc__.splitlines()[0]} ok", flush=True)
    finally:
        stage.end()


def inside(options):
    stage = Stage(options.outrider)
    play(stage, (outbound, inbound, identities, limits), options.only, stage.end_proxies)


def why_not():
    """Why this machine does not do; else nothing."""
    if os.geteuid() != 0:
        return "it takes root to run the proxy as another user than its client"
    for tool in ("unshare", "nsenter", "ip", "nft"):
        if not shutil.which(tool):
            return f"there is no {tool}"
    rules = "table inet t { chain c { type nat hook output priority -100; meta skuid 1 return; meta l4proto tcp redirect to :1; }; }\n"
    tried = subprocess.run(["unshare", "-n", "nft", "-f", "-"], input=rules.encode(), capture_output=True, check=False)
    return f"rules cannot be set: {tried.stderr.decode().strip().splitlines()[:1]}" if tried.returncode else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outrider", required=True, type=os.path.abspath)
    parser.add_argument("--only", help="one part: outbound, inbound, identities, limits")
    parser.add_argument("--inside", action="store_true", help="in a network of its own already")
    options = parser.parse_args()
    if options.inside:
        return inside(options)
    if reason := why_not():
        print(f"not run: {reason}")
        return sys.exit(SKIPPED)
    return sys.exit(subprocess.run(["unshare", "-n", sys.executable, *sys.argv, "--inside"], check=False).returncode)


if __name__ == "__main__":
    main()
