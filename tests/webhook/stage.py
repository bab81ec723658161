"""Who takes part: the webhook as a process, its certificates, an API server's way of asking it, and what it counts."""
import base64
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
from local import HOST, free_ports, wait_for, wait_for_port  # noqa: E402 (the path comes first)

PATIENCE = 60    # seconds, which only a hang takes
NAME = "outrider-webhook.outrider-system.svc"
NOBODY = 65534


class Bundle:
    """What `outrider webhook-cert` prints, as the files that a Secret becomes in a pod."""

    def __init__(self, outrider, folder, *flags):
        printed = subprocess.run([outrider, "webhook-cert", *flags], check=True, capture_output=True, text=True)
        self.text, self.err = printed.stdout, printed.stderr
        self.configuration, self.secret = yaml.safe_load_all(self.text)
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)
        self.folder = folder
        for name, data in self.secret["data"].items():
            self.write(name, base64.b64decode(data))

    def file(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, data):
        """As the kubelet does it: never half of a file."""
        fresh = self.file(name) + ".new"
        with open(fresh, "wb") as out:
            out.write(data)
        os.chmod(fresh, 0o644)
        os.rename(fresh, self.file(name))

    def become(self, other):
        for name in ("tls.crt", "tls.key", "ca.crt"):
            with open(other.file(name), "rb") as file:
                self.write(name, file.read())


def trusting(*files, versions=None, alpn=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for file in files:
        context.load_verify_locations(file)
    if versions:
        context.minimum_version, context.maximum_version = versions
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


class Connection(http.client.HTTPSConnection):
    """To the webhook by its name in the cluster, from whichever address of this machine."""

    def __init__(self, port, context, source="127.0.0.1"):
        super().__init__(NAME, port, context=context, timeout=PATIENCE)
        self.source = source

    def connect(self):
        plain = socket.create_connection((HOST, self.port), PATIENCE, source_address=(self.source, 0))
        self.sock = self._context.wrap_socket(plain, server_hostname=NAME)

    def ask(self, body, method="POST", path="/inject", **fields):
        headers = {"content-type": "application/json"}
        headers.update({name.replace("_", "-"): value for name, value in fields.items()})
        self.request(method, path, body=body, headers=headers)
        answer = self.getresponse()
        return answer, answer.read()


class Webhook:
    def __init__(self, outrider, bundle, folder, *flags, as_nobody=False):
        self.port, self.metrics, self.health = free_ports(3)
        self.log = os.path.join(folder, f"webhook-{self.port}.log")
        self.bundle = bundle
        words = [outrider, "webhook", "--listen", f"{HOST}:{self.port}", "--cert", bundle.file("tls.crt"), "--key",
                 bundle.file("tls.key"), "--set", f"telemetry.metrics.address={HOST}:{self.metrics}",
                 "--set", f"admin.health={HOST}:{self.health}", "--set", "admin.address=off", *flags]
        who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if as_nobody else {}
        with open(self.log, "wb") as log:
            try:
                self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **who)
            except PermissionError:   # the program is where a nobody may not go
                self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for port in (self.port, self.metrics, self.health):
            wait_for_port(port)
        self.wait_said("outrider is up")   # and everything is closed that is to be

    def connection(self, *files, **more):
        source = more.pop("source", "127.0.0.1")
        return Connection(self.port, trusting(*(files or (self.bundle.file("ca.crt"),)), **more), source)

    def page(self, port, path):
        connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def metric(self, name, labels=""):
        rows = re.findall(rf"^outrider_{name}(?:\{{(.*?)\}})? (\S+)", self.page(self.metrics, "/metrics")[1], re.M)
        return sum(float(value) for found, value in rows if labels in found)

    def said(self):
        with open(self.log, encoding="utf-8") as log:
            return log.read()

    def wait_said(self, words):
        wait_for(f"{words!r} in the log", PATIENCE, lambda: words in self.said())

    def status(self, name):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as status:
            return re.search(rf"^{name}:\s+(\S+)", status.read(), re.M).group(1)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Asking(threading.Thread):
    """One good review after another until stop(), by a connection that is kept or by one for each."""

    def __init__(self, webhook, review, keep=True, files=()):
        super().__init__(daemon=True)
        self.webhook, self.review, self.keep, self.files = webhook, review, keep, files
        self.served, self.errors, self.going, self.closed = 0, [], True, 0
        self.start()

    def run(self):
        connection = None
        while self.going and not self.errors:
            try:
                connection = connection or self.webhook.connection(*self.files)
                answer, body = connection.ask(self.review)
                if answer.status != 200 or not json.loads(body)["response"]["allowed"]:
                    self.errors.append(f"{answer.status}: {body[:200]!r}")
                self.served += 1
                if not self.keep or answer.getheader("connection") == "close":
                    self.closed += self.keep
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.errors.append(repr(error))
        if connection:
            connection.close()

    def wait_served(self, more):
        least = self.served + more
        wait_for("good reviews to be answered", PATIENCE, lambda: self.served >= least or self.errors)

    def stop(self):
        self.going = False
        self.join(PATIENCE)
        return self.errors


def drained(connection):
    """Reads a socket to its end; what came."""
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
    except (ConnectionResetError, ssl.SSLError, ssl.SSLEOFError):
        pass
    return got
