#!/usr/bin/env python3
"""docker/edge as it is written, with a real client: curl over HTTP/1.1 and HTTP/2 and TLS, redirects, hosts, limits, compression, routes of
the Gateway API, files that change while it runs."""
import argparse
import contextlib
import gzip
import http.server
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
from local import HOST, free_ports, wait_for_port  # noqa: E402 (the path comes first)

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PATIENCE = 60
SHOP = "shop.example.com"


class Service(http.server.BaseHTTPRequestHandler):
    """Says who it is and what it was asked, at some length."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps({"name": self.server.name, "path": self.path, "host": self.headers["host"], "for": self.headers["x-forwarded-for"],
                           "proto": self.headers["x-forwarded-proto"], "padding": "words and words " * 200}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def service(name):
    server = http.server.ThreadingHTTPServer((HOST, 0), Service)
    server.name = name
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def certificate(folder, name, *hosts):
    """Self-signed, in place of what was there: renamed, the key last."""
    made = os.path.join(folder, "new")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=" + ",".join("DNS:" + host for host in hosts), "-keyout", made + ".key", "-out", made + ".crt"],
                   check=True, stderr=subprocess.DEVNULL)
    for kind in (".crt", ".key"):
        os.replace(made + kind, os.path.join(folder, name + kind))


class Edge:
    def __init__(self, outrider, folder):
        self.outrider, self.folder = outrider, folder
        self.failures = 0
        self.http, self.https = free_ports(2)
        self.certs = os.path.join(folder, "certs")
        os.mkdir(self.certs)
        certificate(self.certs, "default", "default.example.com")
        certificate(self.certs, "shop", SHOP, "*." + SHOP)
        self.routes = os.path.join(folder, "routes.yaml")
        shutil.copy(os.path.join(ROOT, "docker", "edge", "routes.yaml"), self.routes)
        self.config = os.path.join(ROOT, "docker", "edge", "gateway.yaml")
        self.services = [service(name) for name in ("web", "next", "cart")]
        at = [f"{HOST}:{each.server_address[1]}" for each in self.services]
        # A limit that no machine is too slow for: a hundred at once, then one a minute.
        self.environment = dict(os.environ, HTTP_PORT=str(self.http), HTTPS_PORT=str(self.https), CERTS=self.certs, ROUTES=self.routes, WEB=at[0],
                                WEB_NEXT=at[1], CART=at[2], RATE="1/m")
        self.admin = "unix:" + os.path.join(folder, "admin.sock")
        self.log = open(os.path.join(folder, "log"), "w+b")
        self.process = None

    def check(self, what, is_so, more=""):
        print(("ok   " if is_so else "FAIL ") + what + ("" if is_so else f": {more}"), flush=True)
        self.failures += not is_so

    def start(self):
        self.process = subprocess.Popen([self.outrider, "run", "-c", self.config, "--set", "admin.address=" + self.admin, "--set", "admin.health=off",
                                         "--set", "telemetry.metrics.address=off", "--set", "config.history=off", "--set", "config.guard=off"],
                                        env=self.environment, stdout=self.log, stderr=self.log)
        wait_for_port(self.http)
        wait_for_port(self.https)

    def verb(self, *words):
        return subprocess.run([self.outrider, *words, "--admin", self.admin], env=self.environment, capture_output=True, text=True, timeout=PATIENCE)

    def curl(self, url, *words, ca="shop"):
        """Status, fields and body of one request."""
        host = url.split("/")[2].split(":")[0]
        port = url.split("/")[2].split(":")[1]
        done = subprocess.run(["curl", "-sS", "-i", "--max-time", str(PATIENCE), "--resolve", f"{host}:{port}:{HOST}", "--cacert",
                               os.path.join(self.certs, ca + ".crt"), *words, url], capture_output=True, timeout=2 * PATIENCE)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        start = lines[0].split()
        return (start[0] if start else "", int(start[1]) if len(start) > 1 else 0, fields, body, done.stderr.decode())

    def shop(self, path, *words):
        return self.curl(f"https://{SHOP}:{self.https}{path}", *words)

    def shown(self, name):
        """The certificate a client is shown that asks for `name`."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with socket.create_connection((HOST, self.https), PATIENCE) as raw, context.wrap_socket(raw, server_hostname=name) as tls:
            return tls.getpeercert(True)

    def file(self, name):
        with open(os.path.join(self.certs, name + ".crt"), encoding="ascii") as pem:
            return ssl.PEM_cert_to_DER_cert(pem.read())

    def until(self, what, is_so):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if is_so():
                return self.check(what, True)
            time.sleep(0.1)
        return self.check(what, False, "never, in a minute")

    def put_routes(self, text):
        with open(self.routes + ".new", "w", encoding="utf-8") as out:
            out.write(text)
        os.replace(self.routes + ".new", self.routes)

    def route_of(self, path):
        return self.verb("route", "--json", "GET", f"https://{SHOP}:{self.https}{path}").stdout

    def plain(self):
        version, status, fields, _, error = self.curl(f"http://{SHOP}:{self.http}/a/b?c=d")
        self.check("http is sent to https, with its path and query", status == 308 and fields.get("location") == f"https://{SHOP}:{self.https}/a/b?c=d",
                   (version, status, fields, error))

    def secure(self):
        version, status, fields, body, error = self.shop("/x", "--http2", "-H", "x-preview: yes")
        self.check("HTTP/2 over TLS, with a certificate for its name", version == "HTTP/2" and status == 200, (version, status, error))
        self.check("HSTS, and nobody says what the server is", fields.get("strict-transport-security") == "max-age=31536000" and "server" not in fields, fields)
        said = json.loads(body or b"{}")
        self.check("a header chooses the next version", said.get("name") == "next", said)
        self.check("a service learns of the client and of TLS", said.get("for") == HOST and said.get("proto") == "https", said)
        version, status, _, _, error = self.shop("/healthz", "--http1.1")
        self.check("HTTP/1.1 as well", version == "HTTP/1.1" and status == 200, (version, status, error))
        names = {json.loads(self.shop("/")[3] or b"{}").get("name") for _ in range(3)}
        self.check("pages go to one of two versions", names <= {"web", "next"} and names, names)
        _, status, _, _, error = self.curl(f"https://eu.{SHOP}:{self.https}/")
        self.check("a host below the domain is the shop's", status == 200, (status, error))
        _, status, fields, _, error = self.curl(f"https://default.example.com:{self.https}/", ca="default")
        self.check("another host has no rule, and is shown the certificate for all others", status == 404 and fields.get("x-outrider-reason") == "no_route", (status, fields, error))
        self.check("each is shown its own certificate", self.shown(SHOP) == self.file("shop") and self.shown("a." + SHOP) == self.file("shop") and
                   self.shown("who.example.com") == self.file("default"))

    def routes_do(self):
        said = json.loads(self.shop("/api/cart/items?n=1")[3] or b"{}")
        self.check("a rewrite takes the prefix off", said.get("name") == "cart" and said.get("path") == "/items?n=1", said)
        _, status, fields, _, _ = self.shop("/api/cart/items", "-X", "OPTIONS", "-H", "origin: https://partner.example.com", "-H", "access-control-request-method: POST")
        self.check("a page elsewhere may ask the interface", status == 204 and fields.get("access-control-allow-origin") == "https://partner.example.com" and
                   fields.get("access-control-max-age") == "3600", (status, fields))
        _, status, fields, _, _ = self.shop("/basket/7")
        self.check("an old path is sent to the new one", status == 301 and fields.get("location") == f"https://{SHOP}:{self.https}/api/cart/7", (status, fields))

    def compressed(self):
        for name in ("zstd", "br", "gzip"):
            _, status, fields, body, _ = self.shop("/", "-H", "accept-encoding: " + name)
            self.check(f"{name}: a tenth of the bytes", status == 200 and fields.get("content-encoding") == name and len(body) < 600, (status, fields, len(body)))
        self.check("gzip unpacks to what was said", json.loads(gzip.decompress(body))["path"] == "/", body[:80])
        self.check("who asks for nothing is sent it as it is", "content-encoding" not in self.shop("/")[2])

    def changes(self):
        with open(self.routes, encoding="utf-8") as file:
            text = file.read()
        self.put_routes(text.replace("value: /basket", "value: /trolley"))
        self.until("a changed route is in force", lambda: "shop/api/old" in self.route_of("/trolley"))
        _, status, fields, _, _ = self.shop("/trolley/1")
        self.check("requests go by it", status == 301, (status, fields))
        wrong = text.replace("type: PathPrefix, value: /api/cart", "type: Prefix, value: /api/cart")
        before = wrong[:wrong.index("Prefix, value: /api/cart")]
        place = f"{before.count(chr(10)) + 1}:{len(before) - before.rindex(chr(10))}"
        self.put_routes(wrong)
        self.until("a mistake is refused, and said with file, line and column",
                   lambda: f"{self.routes}:{place}: error: HTTPRoute shop/api.spec.rules[0].matches[0].path.type" in self.said())
        self.check("what was served stays", self.shop("/trolley/1")[1] == 301)
        self.put_routes(text)
        self.until("it is mended", lambda: "shop/api/old" in self.route_of("/basket"))
        before = self.file("shop")
        certificate(self.certs, "shop", SHOP, "*." + SHOP)
        self.until("a renewed certificate is shown", lambda: self.shown(SHOP) == self.file("shop") != before)
        self.check("and trusted", self.shop("/healthz")[1] == 200)

    def said(self):
        self.log.flush()
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def limited(self):
        context = ssl.create_default_context(cafile=os.path.join(self.certs, "shop.crt"))
        with socket.create_connection((HOST, self.https), PATIENCE) as raw, context.wrap_socket(raw, server_hostname=SHOP) as tls:
            head, count = b"", 0
            while not head.startswith(b"HTTP/1.1 429") and count < 150:
                tls.sendall(f"GET /healthz HTTP/1.1\r\nHost: {SHOP}\r\n\r\n".encode())
                head = b""
                while b"\r\n\r\n" not in head:
                    head += tls.recv(4096)
                count += 1
        fields = head.decode().lower()
        self.check("too many of one client are refused, with a time to come back", "429" in fields and "\r\nretry-after: " in fields, (count, head))
        self.check("they are told of HSTS all the same", "strict-transport-security" in fields, head)

    def logged(self):
        lines = [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]
        routes = {line.get("route") for line in lines}
        self.check("the log has each request with its rule", {"to-https", "shop/pages/preview", "shop/api/cart", "shop/api/old"} <= {str(r).rsplit("/", 1)[0] if str(r)[-1].isdigit() else r for r in routes},
                   sorted(map(str, routes)))
        self.check("and not who asks how it is", "health" not in routes, routes)

    def run(self):
        self.check("the files are valid, and nothing is to be said of them", self.validate() == "", self.validate())
        self.start()
        self.plain()
        self.secure()
        self.routes_do()
        self.compressed()
        self.changes()
        self.limited()
        self.logged()
        self.process.send_signal(signal.SIGTERM)
        self.process.send_signal(signal.SIGTERM)  # it has nobody to wait for
        self.check("it ends", self.process.wait(PATIENCE) in (0, 1))

    def validate(self):
        done = subprocess.run([self.outrider, "config", "validate", self.config], env=self.environment, capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout + done.stderr

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for each in self.services:
            each.shutdown()
        self.log.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outrider", required=True)
    arguments = parser.parse_args()
    missing = [tool for tool in ("curl", "openssl") if not shutil.which(tool)]
    if missing:
        print("skipped: there is no " + " and no ".join(missing))
        return 77
    with tempfile.TemporaryDirectory(prefix="outrider-edge-") as folder:
        edge = Edge(os.path.abspath(arguments.outrider), folder)
        try:
            edge.run()
        finally:
            if edge.failures:
                with contextlib.suppress(OSError):
                    print(edge.said()[-4000:])
            edge.end()
    print("all as it should be" if not edge.failures else f"{edge.failures} are not as they should be")
    return 1 if edge.failures else 0


if __name__ == "__main__":
    sys.exit(main())
