#!/usr/bin/env python3
"""A small mesh of real proxies with traffic of every kind, for as long as a test needs it.

  orders   sidecar of an HTTP application, registered in the DHT
  web      sidecar that calls orders, an unknown service, an endpoint that refuses or does not speak TLS, and a TCP server;
           it has a listener with TLS, too
  gate     a gateway where requests are limited, split, copied, hedged, failed on purpose and looked at
  lost     one more sidecar of the application, whose identity comes from others' authority once it has been called
  seed     the registry node they start from

Every port is the kernel's choice, read from the log. Ends everything it started.
"""
import contextlib
import http.client
import http.server
import pathlib
import random
import re
import socket
import socketserver
import ssl
import subprocess
import threading
import time

NOBODY = "phantom"                   # a service that does not exist
PATIENCE = 60                        # seconds, for anything that is waited for


class Failure(Exception):
    pass


class Application(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1                    # head and body in one write
    STATUS = {"/moved": 302, "/missing": 404, "/broken": 500}

    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/slow" and random.random() < 0.5:
            time.sleep(0.1)
        body = b"orders\n"
        self.send_response(self.STATUS.get(self.path, 200))
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Names(socketserver.BaseRequestHandler):
    """DNS: every name is here, for a second."""

    def handle(self):
        data, answer_from = self.request
        question = data[12:data.index(b"\0", 12) + 5]
        address = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton("127.0.0.1")
        answer_from.sendto(data[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question + address, self.client_address)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, *_):      # a proxy that ends resets its connections
        pass


def serve(handler, kind=Server):
    server = kind(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def address_of(server):
    return "127.0.0.1:%d" % server.server_address[1]


def refusing_port():
    """A port that is bound, so that nobody else gets it, and at which nobody listens."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder


class Proxy:
    def __init__(self, name, words, folder):
        self.name, self.log = name, folder / f"{name}.log"
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def listening(self):
        """Listener to its address: also admin, metrics and, for the registry's own port, registry."""
        text = self.log.read_text(encoding="utf-8")
        found = dict(re.findall(r"info listening listener=(\S+) address=(\S+)", text))
        registry = re.search(r"info registry node=\S+ address=(\S+)", text)
        return {**found, "registry": registry[1]} if registry else found

    def address(self, listener):
        end = time.monotonic() + PATIENCE
        while listener not in self.listening():
            if self.process.poll() is not None or time.monotonic() > end:
                raise Failure(f"{self.name} does not listen for {listener}:\n{self.log.read_text(encoding='utf-8')}")
            time.sleep(0.05)
        return self.listening()[listener]

    def get(self, listener, path="/", method="GET", host=None, body=None, headers=None):
        connection = http.client.HTTPConnection(self.address(listener), timeout=10)
        try:
            connection.request(method, path, body=body, headers={**({"Host": host} if host else {}), **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def raw(self, listener, data):
        """What comes back for these bytes on a connection of their own."""
        host, port = self.address(listener).rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as one:
            try:
                one.sendall(data)
                one.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: one.recv(65536), b""))
            except ConnectionResetError:
                return b""

    def secure(self, listener, path):
        """The answer by TLS, whoever shows whatever."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(self.address(listener), timeout=10, context=context)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Mesh:
    """Use it with `with`; `folder` is the caller's, for keys, configuration and logs."""

    def __init__(self, outrider, folder):
        self.outrider, self.folder = str(pathlib.Path(outrider).resolve()), pathlib.Path(folder)
        self.proxies, self.servers, self.threads = {}, [], []
        self.running = threading.Event()
        self.trouble, self.rounds = None, 0

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.running.clear()
        for thread in self.threads:
            thread.join(30)
        for proxy in reversed(self.proxies.values()):
            proxy.end()
        for server in self.servers:
            server.shutdown()
            server.server_close()
        if hasattr(self, "nobody"):
            self.nobody.close()

    def metrics(self):
        """Name of a proxy to the address of its metrics."""
        return {name: proxy.address("metrics") for name, proxy in self.proxies.items()}

    def tool(self, *words):
        subprocess.run([self.outrider, *map(str, words)], check=True, timeout=PATIENCE, stdout=subprocess.DEVNULL)

    def issue(self, name, authority):
        identity = self.folder / "identity" / name
        self.tool("identity", "issue", "--ca", self.folder / authority, "--id", f"spiffe://mesh.local/ns/default/sa/{name}",
                  "--out", identity)
        return identity

    def begin(self, name, verb, text, bootstrap=(), collector=None):
        identity = self.issue(name, "ca")
        config = self.folder / f"{name}.yaml"
        seeds = ", ".join(f'"{each}"' for each in bootstrap)
        config.write_text(
            f"version: 1\nnode: {{id: {name}, address: 127.0.0.1}}\n"
            f"identity: {{dir: {identity}}}\n"
            f"registry: {{bind: \"127.0.0.1:0\", bootstrap: [{seeds}], key: {self.folder}/mesh.key, snapshot: {self.folder}/state}}\n"
            "admin: {address: \"127.0.0.1:0\", health: off}\n"
            "lifecycle: {drain: {delay: 0, time: 5s}}\n"
            "telemetry:\n"
            f"  access_log: {{format: json, to: {self.folder}/{name}.access}}\n"
            "  metrics: {address: \"127.0.0.1:0\", endpoint_metrics: true}\n"
            + (f"  tracing: {{sample: 100%, otlp: \"http://{collector}\", attempts: 1, batch: {{delay: 200ms}}}}\n" if collector else "")
            + text, encoding="utf-8")
        self.proxies[name] = Proxy(name, [self.outrider, verb, "-c", str(config)], self.folder)

    def start(self):
        self.nobody = refusing_port()
        self.application, self.other, self.echo = serve(Application), serve(Application), serve(Echo)
        self.names = serve(Names, socketserver.ThreadingUDPServer)
        self.servers = [self.application, self.other, self.echo, self.names]
        self.tool("identity", "dev-ca", self.folder / "ca")
        self.tool("identity", "mesh-key", self.folder / "mesh.key")
        self.begin("seed", "dht", "")
        seed = self.proxies["seed"].address("registry")
        self.begin_replica("orders")
        self.begin_replica("lost")
        refuses = "127.0.0.1:%d" % self.nobody.getsockname()[1]
        identity = self.folder / "identity" / "web"
        self.begin("web", "run", f"""
mode: sidecar
listeners:
  outbound: {{address: "127.0.0.1:0"}}
  flaky: {{address: "127.0.0.1:0", direction: outbound, protocol: http1}}
  echo: {{address: "127.0.0.1:0", direction: outbound, protocol: tcp}}
  dead: {{address: "127.0.0.1:0", direction: outbound, protocol: tcp}}
  edge: {{address: "127.0.0.1:0", tls: {{cert: {identity}/tls.crt, key: {identity}/tls.key}}}}
routes:
  edge: [{{match: {{prefix: /clear}}, cluster: clear}}, {{respond: {{status: 200}}}}]
  flaky: [{{match: {{prefix: /dead}}, cluster: dead}}, {{cluster: flaky}}]
  echo: [{{cluster: echo}}]
  dead: [{{cluster: dead-tcp}}]
clusters:
  flaky: {{endpoints: ["{refuses}", "{address_of(self.application)}"], lb: round_robin}}
  echo: {{protocol: tcp, endpoints: ["{address_of(self.echo)}"], health_check: {{tcp: connect, interval: 1s}}}}
  clear: {{endpoints: ["{address_of(self.echo)}"], tls: {{ca: {identity}/ca.crt, sni: localhost}}}}
  dead: {{endpoints: ["{refuses}"]}}
  dead-tcp: {{protocol: tcp, endpoints: ["{refuses}"]}}
""", [seed], refuses)
        self.web = self.proxies["web"]
        self.begin_gate(refuses, seed)
        for name, proxy in self.proxies.items():
            proxy.address("metrics")
        self.wait("orders to be found", lambda: self.web.get("outbound", host="orders")[0] == 200)
        self.wait("both replicas to be called", lambda: self.web.get("outbound", host="orders") and self.has_been_called("lost"))
        self.tool("identity", "dev-ca", self.folder / "other-ca")
        self.issue("lost", "other-ca")
        self.running.set()
        for each in (self.one_round, self.watch, *3 * [self.press]):
            self.threads.append(threading.Thread(target=self.repeat, args=(each,), daemon=True))
            self.threads[-1].start()

    def begin_gate(self, refuses, seed):
        application, other = address_of(self.application), address_of(self.other)
        self.endpoints_file = self.folder / "endpoints.yaml"
        self.write_endpoints(100)
        self.begin("gate", "run", f"""
mode: edge
listeners:
  edge: {{address: "127.0.0.1:0", http: {{max_body: 1KiB}}, proxy_protocol: optional}}
  names: {{address: "127.0.0.1:0", protocol: tls}}
routes:
  edge:
    - {{match: {{prefix: /limited}}, cluster: app, filters: [{{rate_limit: {{rate: 1/h, burst: 1}}}}]}}
    - {{match: {{prefix: /shared}}, cluster: app, filters: [{{rate_limit: {{rate: 1000/s, scope: mesh, redis: "{refuses}", retry: 1s}}}}]}}
    - {{match: {{prefix: /token}}, cluster: app, filters: [{{jwt: {{jwks: {{url: "http://{refuses}/keys", retry: 1s}}}}}}]}}
    - {{match: {{prefix: /onward}}, passthrough: original_dst}}
    - {{match: {{prefix: /split}}, split: {{app: 70, next: 30}}, mirror: {{cluster: next}}}}
    - {{match: {{prefix: /slow}}, cluster: hedged}}
    - {{match: {{prefix: /fault}}, cluster: app, filters: [{{fault: {{abort: {{status: 503, percent: 50%}}}}}}]}}
    - {{match: {{prefix: /named}}, cluster: named}}
    - {{match: {{prefix: /listed}}, cluster: listed}}
    - {{match: {{prefix: /sick}}, cluster: sick}}
    - {{match: {{prefix: /mesh}}, cluster: orders}}
    - {{cluster: app}}
  names: [{{match: {{sni: a.test}}, cluster: clear}}]
clusters:
  app: {{endpoints: ["{application}"]}}
  next: {{endpoints: ["{other}"]}}
  hedged: {{endpoints: ["{application}", "{other}"], hedge: {{after: 10ms}}}}
  named: {{dns: {{name: app.test, port: {self.application.server_address[1]}, servers: ["{address_of(self.names)}"], min_ttl: 1s}}}}
  listed: {{endpoints_file: {self.endpoints_file}}}
  sick: {{endpoints: ["{application}"], health_check: {{http: /broken, interval: 1s}}}}
  clear: {{protocol: tcp, endpoints: ["{address_of(self.echo)}"]}}
""", [seed], other)
        self.gate = self.proxies["gate"]

    def write_endpoints(self, weight):
        new = self.endpoints_file.with_suffix(".new")
        new.write_text(f"- {{address: \"{address_of(self.application)}\", weight: {weight}}}\n", encoding="utf-8")
        new.replace(self.endpoints_file)

    def has_been_called(self, name):
        return 'outrider_requests_total{direction="inbound"' in self.proxies[name].get("metrics", "/metrics")[1].decode()

    def begin_replica(self, name):
        """One more sidecar of the application: a registration that others see."""
        self.begin(name, "run", f"""
service: {{name: orders, port: {self.application.server_address[1]}, health: {{http: /health, interval: 1s}}, concurrency: 1, admission: {{success_rate: 99%}}}}
authorization: {{allow: [{{from: ["*"]}}]}}
listeners:
  inbound: {{address: "127.0.0.1:0"}}
  outbound: {{address: "127.0.0.1:0"}}
""", [self.proxies["seed"].address("registry")])

    def wait(self, what, done):
        end = time.monotonic() + PATIENCE
        while not done():
            if time.monotonic() > end:
                logs = "".join(f"--- {name}\n{proxy.log.read_text(encoding='utf-8')}" for name, proxy in self.proxies.items())
                raise Failure(f"waited {PATIENCE} s for {what}:\n{logs}")
            time.sleep(0.2)

    def repeat(self, what):
        while self.running.is_set():
            try:
                what()
            except (OSError, http.client.HTTPException, Failure) as trouble:
                self.trouble = trouble           # said by whoever finds something missing
            time.sleep(0.05)

    def press(self):
        """With two more of the kind: the application is given one at a time, the others wait."""
        self.web.get("outbound", "/slow", host="orders")

    def watch(self):
        """Exchanges, as they end."""
        host, port = self.gate.address("admin").rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=1) as one:
            one.sendall(b"GET /tap HTTP/1.0\r\nHost: localhost\r\n\r\n")
            while self.running.is_set():
                with contextlib.suppress(TimeoutError):
                    if not one.recv(65536):
                        return

    def one_round(self):
        for path in ("/", "/moved", "/missing", "/broken"):
            self.web.get("outbound", path, host="orders")
        self.web.get("outbound", "/", "POST", host="orders", body=b"x" * 2000)
        self.rounds += 1
        self.web.get("outbound", "/", host=f"{NOBODY}-{self.rounds}")     # a first lookup each time
        self.web.get("flaky")
        self.web.get("flaky", "/dead")
        self.web.raw("outbound", b"GET / HTTP/1.1\r\nbad header\r\n\r\n")
        self.web.raw("echo", b"ping" * 1000)
        self.web.raw("dead", b"ping")
        self.web.raw("edge", b"GET / HTTP/1.1\r\n\r\n")                   # no TLS
        self.web.secure("edge", "/clear")
        for path in ("/", "/limited", "/shared", "/token", "/onward", "/split", "/split", "/slow", "/fault", "/named", "/listed", "/sick", "/mesh"):
            self.gate.get("edge", path)
        self.gate.get("edge", "/", "POST", body=b"x" * 2000)              # over its limit
        self.gate.get("edge", "/", "POST", body=bytes(5), headers={"content-type": "application/grpc", "te": "trailers"})
        with contextlib.suppress(OSError):
            self.gate.secure("names", "/")                                # of a name that no rule has
        self.write_endpoints(100 + self.rounds % 2)
