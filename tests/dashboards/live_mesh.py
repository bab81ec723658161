#!/usr/bin/env python3
"""A small mesh of real proxies with traffic of every kind, for as long as a test needs it.

  orders   sidecar of an HTTP application, registered in the DHT
  web      sidecar that calls orders, an unknown service, an endpoint that refuses or does not speak TLS, and a TCP server;
           it has a listener with TLS, too
  seed     the registry node both start from

Every port is the kernel's choice, read from the log. Ends everything it started.
"""
import http.client
import http.server
import pathlib
import re
import socket
import socketserver
import ssl
import subprocess
import threading
import time

NOBODY = "nobody"                    # a service that does not exist
PATIENCE = 60                        # seconds, for anything that is waited for


class Failure(Exception):
    pass


class Application(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1                    # head and body in one write
    STATUS = {"/moved": 302, "/missing": 404, "/broken": 500}

    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
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


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, *_):      # a proxy that ends resets its connections
        pass


def serve(handler):
    server = Server(("127.0.0.1", 0), handler)
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

    def get(self, listener, path="/", method="GET", host=None, body=None):
        connection = http.client.HTTPConnection(self.address(listener), timeout=10)
        try:
            connection.request(method, path, body=body, headers={"Host": host} if host else {})
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
        self.proxies = {}
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
        if hasattr(self, "traffic"):
            self.traffic.join(30)
        for proxy in reversed(self.proxies.values()):
            proxy.end()
        for server in (getattr(self, "application", None), getattr(self, "echo", None)):
            if server:
                server.shutdown()
                server.server_close()
        if hasattr(self, "nobody"):
            self.nobody.close()

    def metrics(self):
        """Name of a proxy to the address of its metrics."""
        return {name: proxy.address("metrics") for name, proxy in self.proxies.items()}

    def tool(self, *words):
        subprocess.run([self.outrider, *map(str, words)], check=True, timeout=PATIENCE, stdout=subprocess.DEVNULL)

    def begin(self, name, verb, text, bootstrap=()):
        identity = self.folder / "identity" / name
        self.tool("identity", "issue", "--ca", self.folder / "ca", "--id", f"spiffe://mesh.local/ns/default/sa/{name}",
                  "--out", identity)
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
            "  metrics: {address: \"127.0.0.1:0\", endpoint_metrics: true}\n" + text, encoding="utf-8")
        self.proxies[name] = Proxy(name, [self.outrider, verb, "-c", str(config)], self.folder)

    def start(self):
        self.application, self.echo, self.nobody = serve(Application), serve(Echo), refusing_port()
        self.tool("identity", "dev-ca", self.folder / "ca")
        self.tool("identity", "mesh-key", self.folder / "mesh.key")
        self.begin("seed", "dht", "")
        seed = self.proxies["seed"].address("registry")
        self.begin_replica("orders")
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
""", [seed])
        self.web = self.proxies["web"]
        for name, proxy in self.proxies.items():
            proxy.address("metrics")
        self.wait("orders to be found", lambda: self.web.get("outbound", host="orders")[0] == 200)
        self.running.set()
        self.traffic = threading.Thread(target=self.send_until_the_end, daemon=True)
        self.traffic.start()

    def begin_replica(self, name):
        """One more sidecar of the application: a registration that others see."""
        self.begin(name, "run", f"""
service: {{name: orders, port: {self.application.server_address[1]}, health: {{http: /health, interval: 1s}}, admission: {{success_rate: 99%}}}}
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

    def send_until_the_end(self):
        while self.running.is_set():
            try:
                self.one_round()
            except (OSError, http.client.HTTPException, Failure) as trouble:
                self.trouble = trouble           # said by whoever finds something missing
            time.sleep(0.05)

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
