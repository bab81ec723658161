#!/usr/bin/env python3
"""Breaks requests in forty ways, and asks `outrider explain` for the reason of each: it must name what was done, and the key or
the line that leads to it. The order is drawn; --seed N repeats it."""

import argparse
import base64
import contextlib
import json
import os
import random
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

PATIENCE = 30  # seconds; only what is broken takes so long


class Origin:
    """Does what the path says."""

    def __init__(self, delay=0.0, tls=None):
        self.delay, self.tls = delay, tls
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.text = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.ended = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError), connection:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            stream = connection.makefile("rb")
            while head := self.read_head(stream):
                path, fields = head
                stream.read(int(fields.get("content-length", 0)))
                if self.delay:
                    time.sleep(self.delay)
                if not self.answer(connection, path):
                    return

    @staticmethod
    def read_head(stream):
        start = stream.readline()
        if not start:
            return None
        fields = {}
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            fields[name.lower()] = value.strip()
        return start.split()[1].decode(), fields

    def answer(self, connection, path):
        if "/reset" in path:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            return False
        if "/cut" in path:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly a part")
            return False
        if "/hang" in path:
            self.ended.wait()
            return False
        if "/garbage" in path:
            connection.sendall(b"this is no HTTP at all\r\n\r\n")
            return False
        if "/slow" in path:
            time.sleep(0.4)
        status = b"503 Service Unavailable" if "/503" in path else b"200 OK"
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\nfine!")
        return True


class Blackhole:
    """Its queue is full: who connects is neither let in nor refused."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.text = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(self.listener.getsockname())
            self.fillers.append(filler)


class Refusing:
    """A port that is ours, and at which nobody listens."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.text = "127.0.0.1:%d" % self.socket.getsockname()[1]


class Proxy:
    def __init__(self, program, folder, name, text):
        self.program, self.path = program, os.path.join(folder, name + ".yaml")
        self.lines = text.split("\n")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)
        self.log = open(os.path.join(folder, name + ".log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen([program, "run", "-c", self.path], stdout=self.log, stderr=self.log)
        self.addresses = {}
        self.wait(self.is_up, "the proxy to be up")

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError("the proxy ended:\n" + self.read_log())
        for line in self.read_log().splitlines():
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                if said.get("msg", said.get("message")) == "listening":
                    self.addresses[said["listener"]] = said["address"]
        return "admin" in self.addresses

    def read_log(self):
        with open(self.log.name, encoding="utf-8") as file:
            return file.read()

    @staticmethod
    def wait(condition, what):
        end = time.monotonic() + PATIENCE
        while not (result := condition()):
            if time.monotonic() > end:
                raise AssertionError("waited in vain for " + what)
            time.sleep(0.01)
        return result

    def at(self, mark):
        """Where in the file that stands: once."""
        found = [i + 1 for i, line in enumerate(self.lines) if mark in line]
        assert len(found) == 1, (mark, found)
        return "%s:%d" % (self.path, found[0])

    def ask(self, page):
        host, port = self.addresses["admin"].split(":")
        with socket.create_connection((host, int(port)), PATIENCE) as admin:
            admin.sendall(b"GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n" % page.encode())
            answer = b""
            while part := admin.recv(65536):
                answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()

    def explanation(self, request_id):
        def found():
            status, body = self.ask("/explain?id=" + urllib.parse.quote(request_id))
            return json.loads(body)["decisions"] if status == 200 else None

        return self.wait(found, "an explanation of " + request_id)[0]

    def endpoint_state(self, cluster):
        endpoints = json.loads(self.ask("/clusters?cluster=" + cluster)[1])["clusters"][0]["endpoints"]
        return [each["state"] for each in endpoints]

    def end(self):
        self.process.kill()
        self.process.wait()


class Client:
    """One connection, one request."""

    def __init__(self, proxy, listener="edge", tls=None):
        host, port = proxy.addresses[listener].rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), PATIENCE)
        if tls:
            self.socket = tls.wrap_socket(self.socket)

    def send(self, request_id, method="GET", path="/", fields="", body=b"", host="shop.test"):
        head = "%s %s HTTP/1.1\r\nHost: %s\r\nX-Request-Id: %s\r\n%s" % (method, path, host, request_id, fields)
        if body:
            head += "Content-Length: %d\r\n" % len(body)
        with contextlib.suppress(ConnectionError):  # it may be refused before all of it has gone
            self.socket.sendall(head.encode() + b"\r\n" + body)
        return self

    def answer(self, to_the_end=False):
        answer = b""
        with contextlib.suppress(ConnectionError):
            while (to_the_end or b"\r\n\r\n" not in answer) and (part := self.socket.recv(65536)):
                answer += part
        self.socket.close()
        return answer.decode("latin-1")

    def close(self):
        self.socket.close()


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def run(*words):
    return subprocess.run(words, check=True, capture_output=True).stdout


def expired_token(folder):
    """A JWT that has been good, and the file with its key."""
    key = os.path.join(folder, "jwt.key")
    run("openssl", "genrsa", "-out", key, "2048")
    modulus = bytes.fromhex(run("openssl", "rsa", "-in", key, "-noout", "-modulus").decode().strip().partition("=")[2])
    jwks = {"keys": [{"kty": "RSA", "kid": "k", "alg": "RS256", "n": base64url(modulus).decode(), "e": "AQAB"}]}
    with open(os.path.join(folder, "jwks.json"), "w", encoding="utf-8") as file:
        json.dump(jwks, file)
    signed = base64url(b'{"alg":"RS256","kid":"k"}') + b"." + base64url(b'{"sub":"a","exp":1000000000}')
    with open(os.path.join(folder, "signed"), "wb") as file:
        file.write(signed)
    signature = run("openssl", "dgst", "-sha256", "-sign", key, os.path.join(folder, "signed"))
    return (signed + b"." + base64url(signature)).decode()


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


EDGE = """version: 1
mode: edge
registry: {{kind: none}}
overload: {{threads: 1}}
admin: {{address: "127.0.0.1:0", health: off, explain: {{keep: 200, slower: 200ms}}}}
telemetry: {{log: {{format: json}}, metrics: {{address: off}}}}
listeners:
  edge: {{address: "127.0.0.1:0", http: {{forwarded: append, max_header_bytes: 4KiB, max_headers: 40}}}}
  narrow: {{address: "127.0.0.1:0"}}
  small: {{address: "127.0.0.1:0", http: {{max_body: 1KiB}}, routes: [{{cluster: plain}}]}}
routes:
  narrow:
  - {{match: {{host: a.test, prefix: /api}}, cluster: plain}}
  - {{match: {{path: /only}}, cluster: plain}}
  - {{match: {{method: POST}}, cluster: plain}}
  edge:
  - {{match: {{prefix: /ruled}}, cluster: plain, timeout: 80ms}}
  - {{match: {{prefix: /limited}}, cluster: plain, filters: [{{rate_limit: {{rate: 1/h, burst: 1}}}}]}}
  - {{match: {{prefix: /keyed}}, cluster: plain, filters: [{{api_key: {{keys: "file:{keys}"}}}}]}}
  - {{match: {{prefix: /basic}}, cluster: plain, filters: [{{basic_auth: {{users: "file:{users}"}}}}]}}
  - {{match: {{prefix: /token}}, cluster: plain, filters: [{{jwt: {{jwks: "file:{jwks}"}}}}]}}
  - {{match: {{prefix: /ip}}, cluster: plain, filters: [{{ip: {{deny: [127.0.0.1]}}}}]}}
  - {{match: {{prefix: /abort}}, cluster: plain, filters: [{{fault: {{abort: {{status: 418}}}}}}]}}
  - {{match: {{prefix: /delayed}}, cluster: plain, filters: [{{fault: {{delay: {{fixed: 300ms}}}}}}]}}
  - {{match: {{prefix: /heavy}}, cluster: plain, filters: [{{body_limit: {{max: 1KiB}}}}]}}
  - {{match: {{prefix: /foreign}}, cluster: plain, filters: [{{csrf: {{}}}}]}}
  - {{match: {{prefix: /gone}}, respond: {{status: 410}}}}
  - {{match: {{prefix: /reset, method: [PUT]}}, cluster: lean}}
  - {{match: {{prefix: /repeated}}, cluster: plain, retry: {{when: [safe, 503], attempts: 1, backoff: {{base: 1ms}}}}}}
{routes}
clusters:
  plain: {{endpoints: ["{origin}"]}}
  lean: {{endpoints: ["{origin}"], retry: {{buffer: 1KiB}}}}
  refused: {{endpoints: ["{refusing}"], retry: off}}
  blackhole: {{endpoints: ["{blackhole}"], connect_timeout: 50ms, retry: off}}
  once: {{endpoints: ["{origin}"], retry: off}}
  hasty: {{endpoints: ["{origin}"], retry: {{per_try_timeout: 60ms}}}}
  timed: {{endpoints: ["{origin}"], timeout: 300ms}}
  empty: {{endpoints_file: "{nobody}"}}
  ill: {{endpoints: ["{refusing}"], panic: 0%, health_check: {{tcp: connect, interval: 20ms, timeout: 20ms, unhealthy: 1}}}}
  ejected: {{endpoints: ["{refusing}"], panic: 0%, retry: off, outlier_detection: {{consecutive_local: 1, base_ejection: 1h}}}}
  panicking: {{endpoints: ["{refusing}", "{refusing2}"], retry: off, outlier_detection: {{consecutive_local: 1, max_ejected: 100%, base_ejection: 1h}}}}
  full: {{endpoints: ["{origin}"], circuit_breaker: {{max_requests: 1}}}}
  queued: {{endpoints: ["{origin}"], circuit_breaker: {{max_connections: 1, max_pending: 1}}}}
  narrowed: {{endpoints: ["{origin}"], circuit_breaker: {{max_connections: 1}}}}
  broke: {{endpoints: ["{origin}"], retry: {{budget: 0%, budget_min: 0}}}}
  strangers: {{endpoints: ["{tls}"], retry: off, tls: {{ca: "{other_ca}", sni: right.test}}}}
  misnamed: {{endpoints: ["{tls}"], retry: off, tls: {{ca: "{ca}", sni: wrong.test}}}}
  hedged: {{endpoints: ["{origin}", "{lazy}"], lb: round_robin, hedge: {{after: 40ms}}}}
"""

BY_PATH = ["refused", "blackhole", "once", "hasty", "timed", "empty", "ill", "ejected", "panicking", "full", "queued",
           "narrowed", "broke", "strangers", "misnamed", "hedged"]

SIDECAR = """version: 1
service: {{name: shop, port: {port}, health: off, concurrency: 1, queue: {{max: 0}}}}
identity: {{dir: "{identity}"}}
registry: {{bind: "127.0.0.1:0", snapshot: off}}
admin: {{address: "127.0.0.1:0", health: off}}
telemetry: {{log: {{format: json}}, metrics: {{address: off}}}}
listeners:
  inbound: {{address: "127.0.0.1:0"}}
  outbound: {{address: "127.0.0.1:0"}}
authorization:
  deny:
  - {{from: ["*"], to: {{prefix: /admin}}}}
"""


class Scenarios:
    """Each function breaks one request, and says which proxy knows of it, and what must be said: `cause` of it at once, `story` in
    what follows. Where it is about a key, the line is asked for, too."""

    def __init__(self, program, folder):
        origin, lazy, blackhole = Origin(), Origin(delay=3), Blackhole()
        refusing, refusing2 = Refusing(), Refusing()
        self.kept = [origin, lazy, blackhole, refusing, refusing2]
        for ca in ("ca", "other"):
            run(program, "identity", "dev-ca", os.path.join(folder, ca))
        ca = os.path.join(folder, "ca")

        def issue(name, *more):
            out = os.path.join(folder, name)
            run(program, "identity", "issue", "--ca", ca, "--id", "spiffe://mesh.local/ns/default/sa/" + name, "--out", out, *more)
            return out

        def context(side, name, verify=False):
            tls = ssl.SSLContext(side)
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
            tls.load_cert_chain(os.path.join(folder, name, "tls.crt"), os.path.join(folder, name, "tls.key"))
            return tls

        issue("origin", "--dns", "right.test")
        issue("web")
        tls = Origin(tls=context(ssl.PROTOCOL_TLS_SERVER, "origin"))
        self.web = context(ssl.PROTOCOL_TLS_CLIENT, "web")
        self.kept.append(tls)
        self.origin, self.refusing, self.lazy = origin.text, refusing.text, lazy.text
        self.token = expired_token(folder)
        self.nobody = write(folder, "nobody.yaml", "[]\n")
        self.edge = Proxy(program, folder, "edge", EDGE.format(
            origin=origin.text, lazy=lazy.text, refusing=refusing.text, refusing2=refusing2.text, blackhole=blackhole.text,
            tls=tls.text, ca=os.path.join(ca, "ca.crt"), other_ca=os.path.join(folder, "other", "ca.crt"), nobody=self.nobody,
            keys=write(folder, "keys", "a-key-that-is-long-enough\n"), users=write(folder, "users", "ann:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n"),
            jwks=os.path.join(folder, "jwks.json"),
            routes="\n".join("  - {match: {prefix: /%s}, cluster: %s}" % (name, name) for name in BY_PATH) + "\n  - {cluster: plain}"))
        self.sidecar = Proxy(program, folder, "sidecar", SIDECAR.format(
            port=origin.text.split(":")[1], identity=issue("shop")))
        self.held = []

    def end(self):
        for client in self.held:
            client.close()
        self.edge.end()
        self.sidecar.end()

    def cluster_at(self, name):
        return self.edge.at("  %s: {endpoints: [" % name)

    def ask(self, request_id, path, **more):
        return Client(self.edge).send(request_id, path=path, **more).answer()

    def hold(self, path, proxy=None, listener="edge", tls=None):
        client = Client(proxy or self.edge, listener, tls).send("held" + path, path=path)
        self.held.append(client)
        return client

    def wait_in_flight(self, cluster, most):
        def count():
            rows = json.loads(self.edge.ask("/stat?cluster=" + cluster)[1])["traffic"]
            return sum(row["in_flight"] for row in rows) >= most

        self.edge.wait(count, "%d requests in flight to %s" % (most, cluster))

    # --- the endpoint ---------------------------------------------------------------------------------------------

    def refused_connection(self, me):
        self.ask(me, "/refused")
        return self.edge, [self.refusing, "refused the connection", "retries are off", "clusters.refused.retry, ",
                           self.cluster_at("refused")], ["cluster refused"]

    def connect_timeout(self, me):
        self.ask(me, "/blackhole")
        return self.edge, ["took no connection within 50ms", "clusters.blackhole.connect_timeout", self.cluster_at("blackhole")], []

    def reset_before_an_answer(self, me):
        self.ask(me, "/once/reset")
        return self.edge, [self.origin, "reset the connection before it answered", "clusters.once.retry, " + self.cluster_at("once")], []

    def reset_amid_an_answer(self, me):
        Client(self.edge).send(me, path="/once/cut").answer(to_the_end=True)
        return self.edge, ["cut off", "in the middle of its answer"], []

    def per_try_timeout(self, me):
        self.ask(me, "/hasty/hang")
        return self.edge, ["had not begun to answer within 60ms", "clusters.hasty.retry.per_try_timeout", self.cluster_at("hasty"),
                           "does not list timeout"], []

    def whole_timeout_of_a_rule(self, me):
        self.ask(me, "/ruled/hang")
        return self.edge, ["may take 80ms", "routes.edge[0].timeout", self.edge.at("prefix: /ruled")], ["rule edge-0"]

    def whole_timeout_of_a_cluster(self, me):
        self.ask(me, "/timed/hang")
        return self.edge, ["may take 300ms", "clusters.timed.timeout", self.cluster_at("timed"), "had not begun to answer"], []

    def deadline_of_the_caller(self, me):
        self.ask(me, "/once/hang", fields="x-outrider-timeout-ms: 70\r\n")
        return self.edge, ["may take 70ms", "the caller's x-outrider-timeout-ms"], []

    def upstream_protocol_error(self, me):
        self.ask(me, "/once/garbage")
        return self.edge, [self.origin, "what HTTP does not allow", "bad_status_line"], []

    def unknown_authority(self, me):
        self.ask(me, "/strangers")
        return self.edge, ["no TLS", "tls_unknown_ca", "clusters.strangers.tls"], []

    def wrong_name(self, me):
        self.ask(me, "/misnamed")
        return self.edge, ["no TLS", "tls_wrong_name", "wrong.test", "clusters.misnamed.tls"], []

    def slow_origin(self, me):
        self.ask(me, "/slow")
        return self.edge, ["It was slow", "the endpoint " + self.origin + " had not begun its answer"], []

    def origin_answers_503(self, me):
        self.ask(me, "/503")
        return self.edge, ["sent 503", "itself answered so", "does not list that status", "clusters.plain.retry.when"], []

    def retried_and_failed_again(self, me):
        self.ask(me, "/repeated/503")
        return self.edge, ["1 retry it may have were used up", "retry.attempts", self.edge.at("prefix: /repeated")], \
            ["Try 1 ", "Try 2 ", "among those that are tried again"]

    # --- nobody to ask --------------------------------------------------------------------------------------------

    def no_route(self, me):
        Client(self.edge, "narrow").send(me, path="/nothing", host="b.test").answer()
        return self.edge, ["No rule of the listener narrow", "narrow-0 (" + self.edge.at("host: a.test") + ") is for the host a.test",
                           "narrow-1 (" + self.edge.at("path: /only") + ") is for the path /only", "the method POST"], []

    def no_endpoint(self, me):
        self.ask(me, "/empty")
        return self.edge, ["has no endpoints", "clusters.empty.endpoints_file", self.edge.at("  empty: {")], []

    def not_registered(self, me):
        Client(self.sidecar, "outbound").send(me, host="nobody").answer()
        return self.sidecar, ["Nobody has registered the service default/nobody", "outrider services"], ["outbound"]

    def all_unhealthy(self, me):
        self.edge.wait(lambda: self.edge.endpoint_state("ill") == ["unhealthy"], "an unhealthy endpoint")
        self.ask(me, "/ill")
        return self.edge, [self.refusing + ", unhealthy since", "clusters.ill.health_check", self.cluster_at("ill")], []

    def ejected(self, me):
        self.ask("before", "/ejected")
        self.edge.wait(lambda: self.edge.endpoint_state("ejected") == ["ejected"], "an ejected endpoint")
        self.ask(me, "/ejected")
        return self.edge, [self.refusing + ", ejected since", "could not be connected to",
                           "clusters.ejected.outlier_detection.base_ejection", self.cluster_at("ejected")], []

    def panic(self, me):
        def both_out():
            self.ask("before", "/panicking")
            return self.edge.endpoint_state("panicking") == ["ejected", "ejected"]

        self.edge.wait(both_out, "two ejected endpoints")
        self.ask(me, "/panicking")
        return self.edge, ["refused the connection"], ["Too few of them were fit, so all were used", "clusters.panicking.panic"]

    # --- limits ---------------------------------------------------------------------------------------------------

    def breaker_of_requests(self, me):
        self.hold("/full/hang")
        self.wait_in_flight("full", 1)
        self.ask(me, "/full")
        return self.edge, ["may have no more than 1 in flight", "clusters.full.circuit_breaker.max_requests", self.cluster_at("full")], []

    def breaker_of_pending(self, me):
        self.hold("/queued/hang")
        self.wait_in_flight("queued", 1)
        self.hold("/queued/second")
        self.wait_in_flight("queued", 2)
        self.ask(me, "/queued")
        return self.edge, ["may have no more than 1 waiting for a connection", "clusters.queued.circuit_breaker.max_pending",
                           self.cluster_at("queued")], []

    def breaker_of_connections(self, me):
        self.hold("/narrowed/hang")
        self.wait_in_flight("narrowed", 1)
        self.ask(me, "/narrowed/second", fields="x-outrider-timeout-ms: 60\r\n")
        return self.edge, ["the cluster may have no more than 1 connections, and had as many",
                           "clusters.narrowed.circuit_breaker.max_connections", self.cluster_at("narrowed")], []

    def budget_of_retries(self, me):
        self.ask(me, "/broke/reset")
        return self.edge, ["the budget of retries was used up: 0%", "clusters.broke.retry.budget", self.cluster_at("broke")], []

    def not_idempotent(self, me):
        self.ask(me, "/reset", method="POST", body=b"x")
        return self.edge, ["POST is none of the methods that may be repeated", "clusters.plain.retry.methods"], []

    def body_too_large_to_repeat(self, me):
        self.ask(me, "/reset", method="PUT", body=b"x" * 5000)
        return self.edge, ["larger than the 1024 bytes that are kept for another try", "clusters.lean.retry.buffer",
                           self.cluster_at("lean")], []

    def queue_of_the_service(self, me):
        self.hold("/hang", self.sidecar, "inbound", self.web)
        self.sidecar.wait(lambda: any(row["in_flight"] for row in json.loads(self.sidecar.ask("/stat")[1])["traffic"]), "one inside")
        Client(self.sidecar, "inbound", self.web).send(me).answer()
        at = self.sidecar.at("service: {")
        return self.sidecar, ["as many requests under way as it may have", "service.concurrency, " + at,
                              "service.queue.max, " + at], ["sa/web"]

    # --- who may --------------------------------------------------------------------------------------------------

    def filtered(self, me, path, filter_name, *words, **more):
        answer = self.ask(me, path, **more)
        assert me in answer, answer  # it says by what id to ask
        at = self.edge.at("prefix: %s}" % path)
        return self.edge, ["The filter %s (%s) answered" % (filter_name, at), *words], []

    def rate_limit(self, me):
        self.ask("before", "/limited")
        return self.filtered(me, "/limited", "rate_limit", "more came than the rate lets on")

    def wrong_api_key(self, me):
        return self.filtered(me, "/keyed", "api_key", "lets nobody in", fields="x-api-key: bad\r\n")

    def wrong_password(self, me):
        return self.filtered(me, "/basic", "basic_auth", "lets nobody in", fields="authorization: Basic YW5uOmJhZA==\r\n")

    def expired_jwt(self, me):
        return self.filtered(me, "/token", "jwt", "expired", fields="authorization: Bearer %s\r\n" % self.token)

    def rule_of_addresses(self, me):
        return self.filtered(me, "/ip", "ip", "may not come", "127.0.0.1")

    def fault_that_aborts(self, me):
        return self.filtered(me, "/abort", "fault", "fault_abort")

    def body_limit_of_a_filter(self, me):
        return self.filtered(me, "/heavy", "body_limit", "larger than its max", method="POST", body=b"x" * 2000)

    def foreign_page(self, me):
        return self.filtered(me, "/foreign", "csrf", "another origin", method="POST", body=b"x",
                             fields="origin: http://evil.test\r\nsec-fetch-site: cross-site\r\n")

    def authorization(self, me):
        Client(self.sidecar, "inbound", self.web).send(me, path="/admin/x").answer()
        return self.sidecar, ["authorization.deny[0] (" + self.sidecar.at('from: ["*"]') + ")",
                              "spiffe://mesh.local/ns/default/sa/web"], ["by mutual TLS"]

    def fault_that_delays(self, me):
        self.ask(me, "/delayed")
        return self.edge, ["It was slow", "the filter fault (%s) held it" % self.edge.at("prefix: /delayed")], []

    def answer_of_a_rule(self, me):
        self.ask(me, "/gone")
        return self.edge, ["sent 410", "by itself (respond)", self.edge.at("prefix: /gone")], []

    # --- the client -----------------------------------------------------------------------------------------------

    def body_limit_of_a_listener(self, me):
        Client(self.edge, "small").send(me, method="POST", body=b"x" * 2000).answer()
        return self.edge, ["larger than 1024 bytes", "listeners.small.http.max_body", self.edge.at("  small: {")], []

    def answered_id(self, raw):
        client = Client(self.edge)
        client.socket.sendall(raw)
        for line in client.answer().split("\r\n"):
            if line.lower().startswith("x-request-id:"):
                return line.partition(":")[2].strip()
        raise AssertionError("the answer has no id")

    def head_too_large(self, _):
        me = self.answered_id(b"GET / HTTP/1.1\r\nHost: shop\r\nX-Long: " + b"x" * 5000 + b"\r\n\r\n")
        return self.edge, ["larger than 4096 bytes", "listeners.edge.http.max_header_bytes", self.edge.at("  edge: {address")], [], me

    def too_many_fields(self, _):
        me = self.answered_id(b"GET / HTTP/1.1\r\nHost: shop\r\n" + b"a: b\r\n" * 60 + b"\r\n")
        return self.edge, ["more than 40 fields", "listeners.edge.http.max_headers"], [], me

    def malformed_request(self, _):
        me = self.answered_id(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        return self.edge, ["not what HTTP allows: duplicate_host", "127.0.0.1"], [], me

    def client_went_away(self, me):
        client = Client(self.edge).send(me, path="/once/hang")
        self.wait_in_flight("once", 1)
        client.close()
        return self.edge, ["went away before it was answered", "while the endpoint " + self.origin + " was at work"], []

    def hedge_won(self, me):
        for i in range(4):  # in turn they go to the slow one first
            self.ask("%s-%d" % (me, i), "/hedged")
        found = self.edge.explanation(me)
        return self.edge, [], ["hedge won", "clusters.hedged.hedge.after", self.cluster_at("hedged"), self.lazy], found["id"]


def check(program, proxy, request_id, cause, story):
    """What is wrong with what is said; empty: nothing."""
    sentences = proxy.explanation(request_id)["sentences"]
    first, whole = " ".join(sentences[:4]), " ".join(sentences)
    missing = [word for word in cause if word not in first] + [word for word in story if word not in whole]
    told = subprocess.run([program, "explain", request_id, "--admin", proxy.addresses["admin"]], capture_output=True, text=True,
                          check=False)
    if told.returncode != 0 or sentences[0] not in " ".join(told.stdout.split()):
        missing.append("the verb's: " + told.stdout + told.stderr)
    return "".join("    missing: %s\n" % each for each in missing) + ("    " + "\n    ".join(sentences) + "\n" if missing else "")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--outrider", required=True)
    options.add_argument("--seed", type=int, default=None)
    options.add_argument("--show", action="store_true", help="print every explanation")
    options.add_argument("--only", default="", help="scenarios whose name has this in it")
    arguments = options.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 32)
    print("seed", seed, flush=True)
    names = [name for name in vars(Scenarios) if not name.startswith("_")]
    names = [name for name in names if arguments.only in name and name not in
             ("end", "cluster_at", "ask", "hold", "wait_in_flight", "filtered", "answered_id")]
    random.Random(seed).shuffle(names)
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        scenarios = Scenarios(os.path.abspath(arguments.outrider), folder)
        try:
            for name in names:
                me = "%s-%08x" % (name, random.randrange(1 << 32))
                try:
                    proxy, cause, story, *other = getattr(scenarios, name)(me)
                    me = other[0] if other else me
                    problem = check(arguments.outrider, proxy, me, cause, story)
                    if arguments.show:
                        print(subprocess.run([arguments.outrider, "explain", me, "--admin", proxy.addresses["admin"]],
                                             capture_output=True, text=True, check=False).stdout)
                except AssertionError as error:
                    problem = "    %s\n" % error + "".join(
                        "    log: %s\n" % line for each in (scenarios.edge, scenarios.sidecar)
                        for line in each.read_log().splitlines()[-8:])
                wrong += bool(problem)
                print("%-30s %s" % (name, "WRONG\n" + problem if problem else "explained"), flush=True)
        finally:
            scenarios.end()
    print("%d of %d explained" % (len(names) - wrong, len(names)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
