#!/usr/bin/env python3
"""`outrider webhook`, asked as an API server asks it: reviews of every kind are answered as it is written down in answers/, whatever
else knocks at the port meanwhile; its certificate is exchanged under load, and its way out loses nothing.

--update writes answers/ anew, for a person to read the difference.
"""
import argparse
import base64
import http.client
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import warnings

try:
    from stage import HOST, NAME, PATIENCE, Asking, Bundle, Webhook, drained, trusting, wait_for, yaml
except ImportError as missing:
    print(f"skipped: {missing.name} is not installed (python3-yaml)")
    sys.exit(77)
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from json_patch import patched

ROOT = HERE.parents[1]
REVIEWS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((HERE / "reviews").glob("*.json"))}
QUICK = ["--set", "listeners.webhook.timeouts={tls: 2s, request_headers: 2s, stream_idle: 1s, request: 5s}"]
warnings.simplefilter("ignore", DeprecationWarning)   # ssl's, of the old versions that are to be refused


def ensure(held, why):
    if not held:
        raise AssertionError(why)


def same(found, wanted, what):
    ensure(found == wanted, f"{what}: {found!r}, and not {wanted!r}")


def response_of(webhook, text, connection=None):
    kept = connection or webhook.connection()
    answer, body = kept.ask(text.encode())
    same((answer.status, answer.getheader("content-type")), (200, "application/json"), "an answer")
    if not connection:
        kept.close()
    asked, told = json.loads(text), json.loads(body)
    same((told["apiVersion"], told["kind"]), (asked["apiVersion"], "AdmissionReview"), "the answer's version")
    same(told["response"]["uid"], asked["request"]["uid"], "the answer's uid")
    same(sorted(told), ["apiVersion", "kind", "response"], "the answer's keys")
    return told["response"]


def readable(response, version):
    """An answer with its patch in clear text."""
    shown = dict(response)
    if "patch" in shown:
        same(shown["patchType"], "JSONPatch", "the kind of patch")
        shown["patch"] = json.loads(base64.b64decode(shown["patch"], validate=True))
    return json.loads(json.dumps(shown).replace(version, "VERSION"))


class Test:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        version = subprocess.run([options.outrider, "version", "--json"], check=True, capture_output=True, text=True).stdout
        self.version = json.loads(version)["version"]
        os.chmod(folder, 0o755)
        self.bundle = self.certificates("tls")
        self.running = []

    def certificates(self, name, *flags):
        return Bundle(self.options.outrider, os.path.join(self.folder, name), *flags)

    def webhook(self, *flags, bundle=None, **more):
        self.running.append(Webhook(self.options.outrider, bundle or self.bundle, self.folder, *flags, **more))
        return self.running[-1]

    # --- what is answered ---------------------------------------------------------------------------------------------

    def answers(self):
        """Each review, as it is written down; under both policies."""
        for policy in ("ignore", "fail"):
            webhook = self.webhook("--failure", policy)
            connection = webhook.connection()
            for name, text in REVIEWS.items():
                file = HERE / "answers" / f"{name}{'-fail' if policy == 'fail' else ''}.json"
                response = readable(response_of(webhook, text, connection), self.version)
                if policy == "fail" and "host-network" not in name:
                    file = HERE / "answers" / f"{name}.json"   # of what can be injected it says nothing else
                if self.options.update:
                    file.write_text(json.dumps(response, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
                same(response, json.loads(file.read_text(encoding="utf-8")), f"{file.name}")
            connection.close()
            webhook.kill()

    def injected(self, text, namespace):
        """What the command line makes of an object."""
        done = subprocess.run([self.options.outrider, "inject", "-f", "-", "--namespace", namespace], input=text, text=True,
                              capture_output=True)
        ensure(done.stdout, f"outrider inject: {done.stderr}")
        made = yaml.safe_load(done.stdout)
        made["metadata"]["annotations"].pop("outrider.dev/restore", None)   # what `uninject` makes the text of again
        return made

    def command_line(self):
        """A patch, applied by somebody else, is what `outrider inject` writes; and what has been patched is left alone."""
        webhook, compared = self.webhook(), 0
        for name, text in REVIEWS.items():
            review = json.loads(text)
            response = readable(response_of(webhook, text), "no such version")
            if "patch" not in response:
                continue
            made = patched(review["request"]["object"], response["patch"])
            ensure(made != review["request"]["object"], f"{name}: a patch that changes nothing")
            again = dict(review, request=dict(review["request"], object=made))
            later = response_of(webhook, json.dumps(again))
            ensure(later["allowed"] and "patch" not in later, f"{name}: patched twice")
            written = self.injected(json.dumps(review["request"]["object"]), review["request"]["namespace"])
            same(made, written, f"{name}: the patched object")
            compared += 1
        ensure(compared >= 7, f"only {compared} reviews led to a patch")

    def clients(self):
        """Versions of TLS and HTTP, by Python's ssl and by curl."""
        webhook, text = self.webhook(), REVIEWS["v1-deployment"].encode()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            connection = webhook.connection(versions=(version, version), alpn=["http/1.1"])
            same(connection.ask(text)[0].status, 200, f"an answer over {version.name}")
            connection.close()
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            try:
                webhook.connection(versions=(version, version)).ask(text)
                ensure(False, f"{version.name} was spoken")
            except (ssl.SSLError, OSError):
                pass
        connection = webhook.connection(alpn=["h2", "http/1.1"])
        connection.connect()
        same(connection.sock.selected_alpn_protocol(), "h2", "what ALPN agrees on")
        connection.close()
        big = json.loads(text)   # curl asks before it sends more than 1 MiB
        big["request"]["object"]["metadata"]["annotations"]["big"] = "x" * (1200 * 1024)
        file = os.path.join(self.folder, "big.json")
        pathlib.Path(file).write_text(json.dumps(big), encoding="utf-8")
        for flag, version in (("--http1.1", "1.1"), ("--http2", "2")):
            for size, body in ((1, "@" + str(HERE / "reviews" / "v1-deployment.json")), (2, "@" + file)):
                status, told = self.curl(webhook, flag, "--data-binary", body)
                same(status, f"200 {version}", f"curl {flag}")
                ensure("patch" in json.loads(told)["response"], f"curl {flag}, body {size}: no patch")

    def curl(self, webhook, *words):
        url = f"https://{NAME}:{webhook.port}/inject"
        out = os.path.join(self.folder, "curl")
        done = subprocess.run(["curl", "-sS", "-o", out, "-w", "%{http_code} %{http_version}", "--max-time", str(PATIENCE), "--cacert",
                               self.bundle.file("ca.crt"), "--resolve", f"{NAME}:{webhook.port}:{HOST}",
                               "-H", "content-type: application/json", *words, url], capture_output=True, text=True)
        ensure(done.returncode == 0, f"curl: {done.stderr}")
        return done.stdout, pathlib.Path(out).read_text(encoding="utf-8")

    # --- what is not a review -----------------------------------------------------------------------------------------

    def malformed(self):
        """A status and a sentence for each, and the connection serves whoever asks properly next, where HTTP allows it."""
        webhook = self.webhook("--max-body", "1MiB")
        good = json.loads(REVIEWS["v1-deployment"])

        def changed(**request):
            return dict(good, request={name: value for name, value in dict(good["request"], **request).items() if value != "gone"})
        text = REVIEWS["v1-deployment"]
        twice = text.replace('"uid":', '"uid": "other", "uid":', 1)
        bodies = {
            "nothing": b"", "a word": b"hello", "half of one": text[:-100].encode(), "two": (text + text).encode(),
            "a list": b"[]", "another kind": json.dumps(dict(good, kind="Pod")).encode(),
            "another version": json.dumps(dict(good, apiVersion="admission.k8s.io/v2")).encode(),
            "no request": json.dumps({key: good[key] for key in ("kind", "apiVersion")}).encode(),
            "a text for a request": json.dumps(dict(good, request="x")).encode(),
            "no uid": json.dumps(changed(uid="gone")).encode(), "a number for a uid": json.dumps(changed(uid=1)).encode(),
            "no operation": json.dumps(changed(operation="gone")).encode(),
            "no pod": json.dumps(changed(object=None)).encode(), "a list for a pod": json.dumps(changed(object=[])).encode(),
            "a key twice": twice.encode(), "bytes that are no UTF-8": text.encode().replace(b'"web"', b'"w\xff\xfeb"', 1),
            "too deep": b"[" * 100_000, "deep and whole": b"[" * 500 + b"]" * 500,
            "too many values": b"[" + b"1," * 400_000 + b"1]", "not a number": text.replace('"priority": 0', '"priority": 01').encode(),
        }
        connection = webhook.connection()
        for name, body in bodies.items():
            ensure(name != "not a number" or b": 01" in body, "the review has no such number")
            answer, told = connection.ask(body)
            same(answer.status, 400, name)
            ensure(told.startswith(b"this is no AdmissionReview: ") and told.endswith(b"\n"), f"{name}: {told!r}")
            same(answer.getheader("x-outrider-reason"), "review_malformed", name)
        for method, path, fields, status in (
                ("GET", "/inject", {}, 405), ("PUT", "/inject", {}, 405), ("POST", "/", {}, 404), ("GET", "/metrics", {}, 404),
                ("POST", "/inject/x", {}, 404), ("POST", "/inject", {"content_type": "application/yaml"}, 415),
                ("POST", "/inject", {"content_type": ""}, 415), ("POST", "/inject", {"content_encoding": "gzip"}, 415)):
            answer, _ = connection.ask(text.encode(), method, path, **fields)
            same(answer.status, status, f"{method} {path} {fields}")
            if status == 405:
                same(answer.getheader("allow"), "POST", "who is allowed")
            if answer.getheader("connection") == "close":
                connection.close()
        response_of(webhook, text, connection)
        connection.close()
        # Requests in a row on the wire, none of them awaited.
        raw = trusting(self.bundle.file("ca.crt")).wrap_socket(socket.create_connection((HOST, webhook.port), PATIENCE), server_hostname=NAME)
        raw.sendall((f"POST /inject HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(text.encode())}\r\n\r\n"
                     + text).encode() * 20 + b"not http at all\r\n\r\n")
        got = drained(raw)
        same((got.count(b"HTTP/1.1 200"), got.count(b"HTTP/1.1 400")), (20, 1), "requests in a row")
        same(webhook.metric("filter_denied_total", 'reason="review_malformed"'), len(bodies), "malformed reviews counted")
        ensure(webhook.metric("filter_actions_total", 'action="patched"') >= 21, "patches counted")

    def oversized(self):
        """413 before it has come, and also where nobody says how much will come."""
        webhook = self.webhook("--max-body", "256KiB")
        connection = webhook.connection()
        connection.connect()
        connection.sock.sendall(b"POST /inject HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n")
        ensure(b" 413 " in drained(connection.sock).split(b"\r\n")[0], "an announced gigabyte was waited for")
        connection = webhook.connection()
        connection.connect()
        connection.sock.sendall(b"POST /inject HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(64):
                connection.sock.sendall(b"4000\r\n" + b" " * 0x4000 + b"\r\n")
        except OSError:
            pass   # told already
        ensure(b" 413 " in drained(connection.sock).split(b"\r\n")[0], "a body without end was taken")
        file = os.path.join(self.folder, "large.json")
        pathlib.Path(file).write_bytes(b" " * (512 * 1024))
        if shutil.which("nghttp"):   # curl 7.88 takes an answer before the end of its question for none
            told = subprocess.run(["nghttp", "-v", "-d", file, "-H", "content-type: application/json", "-H", ":method: POST", "-t",
                                   str(PATIENCE), f"https://{HOST}:{webhook.port}/inject"], capture_output=True, text=True).stdout
            ensure(":status: 413" in told, f"by HTTP/2: {told[-2000:]}")
        response_of(webhook, REVIEWS["v1-deployment"])
        # Many large ones at once: no more is held than that, and who comes then is told to come again.
        webhook = self.webhook("--max-held", "512KiB", *QUICK)
        held = []
        for _ in range(8):
            one = webhook.connection()
            one.connect()
            one.sock.sendall(b"POST /inject HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 200000\r\n\r\n"
                             + b" " * 190_000)
            held.append(one.sock)
        statuses = [drained(one)[9:12] for one in held]
        ensure(set(statuses) <= {b"408", b"503"} and statuses.count(b"408") <= 2, f"who holds too much together: {statuses}")
        response_of(webhook, REVIEWS["v1-deployment"])

    def hostile(self):
        """Hundreds who are slow, silent, half there or many: each gets its end, and whoever asks properly does not notice."""
        webhook = self.webhook(*QUICK)
        asking = [Asking(webhook, REVIEWS["v1-deployment"].encode(), keep) for keep in (True, False)]
        ended = []
        context = trusting(self.bundle.file("ca.crt"))

        def plain(source, first=b""):
            one = socket.create_connection((HOST, webhook.port), PATIENCE, source_address=(source, 0))
            one.sendall(first)
            return one

        def secured(source, first=b""):
            one = context.wrap_socket(plain(source), server_hostname=NAME)
            one.sendall(first)
            return one
        post = b"POST /inject HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
        silent = [plain("127.0.0.2") for _ in range(150)]                                                  # not a byte
        half = [plain("127.0.0.3", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 20) for _ in range(150)]   # of a hello
        junk = [plain("127.0.0.4", b"POST /inject HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(50)]      # no TLS at all
        idle = [secured("127.0.0.5") for _ in range(30)]                                                   # a handshake, and nothing
        heads = [secured("127.0.0.6", b"POST /inject HTTP/1.1\r\nHost: x\r\nX-Slow: ") for _ in range(30)]  # a head without end
        bodies = [secured("127.0.0.7", post) for _ in range(30)]                                           # a body that does not come
        for _ in range(30):                                                                                # a request, and away
            secured("127.0.0.8", post).close()
        for one in asking:
            one.wait_served(10)
        refused = 0
        for _ in range(260):                                                 # too many from one address
            try:
                ended.append(plain("127.0.0.9"))
            except OSError:
                refused += 1
        for group in (silent, half, junk, idle, heads):
            for one in group:
                drained(one)
        for one in bodies:
            same(drained(one)[:12], b"HTTP/1.1 408", "what is told of a body that does not come")
        for one in ended:
            drained(one)
        for one in asking:
            one.wait_served(10)
            same(one.stop(), [], "who asks properly")
        ensure(webhook.metric("connections_closed_total", 'reason="too_many_per_ip"') >= 60, "too many of one address were let in")
        ensure(webhook.metric("requests_total", 'code="408"') >= 30, "slow bodies are not counted")
        wait_for("the connections to be gone", PATIENCE, lambda: webhook.metric("connections_active") == 0)
        ensure(webhook.process.poll() is None, "the webhook has ended")

    # --- its life -----------------------------------------------------------------------------------------------------

    def rotation(self):
        """Certificates of another authority, again and again, under load; bad ones change nothing and are said."""
        bundle = self.certificates("rotated")
        fresh = [self.certificates(f"fresh-{i}") for i in range(3)]
        first = os.path.join(self.folder, "first.crt")
        shutil.copy(bundle.file("ca.crt"), first)
        webhook = self.webhook(bundle=bundle)
        files = (first, *(each.file("ca.crt") for each in fresh))
        asking = [Asking(webhook, REVIEWS["v1-job"].encode(), keep, files) for keep in (True, True, False, False)]
        for i, each in enumerate(fresh):
            for one in asking:
                one.wait_served(5)
            bundle.become(each)
            wait_for("the new certificate", PATIENCE, lambda each=each: self.shown(webhook, files) == self.leaf(each))
            same(webhook.metric("tls_reloads_total", 'result="success"') >= i + 1, True, "reloads counted")
        failures = webhook.metric("tls_reloads_total", 'result="failure"')
        bundle.write("tls.crt", b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
        webhook.wait_said("new certificates cannot be used, those there were stay")
        wait_for("the failure", PATIENCE, lambda: webhook.metric("tls_reloads_total", 'result="failure"') > failures)
        same(self.shown(webhook, files), self.leaf(fresh[-1]), "what is shown behind a bad file")
        for one in asking:
            one.wait_served(5)
            same(one.stop(), [], "who asks while certificates change")
        same([one.closed for one in asking], [0] * 4, "connections closed because of a certificate")
        bundle.become(fresh[0])
        wait_for("the certificate that is good again", PATIENCE, lambda: self.shown(webhook, files) == self.leaf(fresh[0]))
        said = webhook.said()
        ensure("PRIVATE KEY" not in said and all(line not in said for each in fresh for line in
               pathlib.Path(each.file("tls.key")).read_text(encoding="ascii").splitlines()[1:-1]), "a key is in the log")

    @staticmethod
    def shown(webhook, files):
        connection = webhook.connection(*files)
        connection.connect()
        certificate = connection.sock.getpeercert(binary_form=True)
        connection.close()
        return certificate

    @staticmethod
    def leaf(bundle):
        return ssl.PEM_cert_to_DER_cert(pathlib.Path(bundle.file("tls.crt")).read_text(encoding="ascii"))

    def way_out(self):
        """As a nobody, with no rights; at SIGTERM it turns unready, what runs is answered, and it ends with 0."""
        webhook = self.webhook("--set", "lifecycle.drain.delay=500ms", as_nobody=os.geteuid() == 0)
        same(webhook.status("CapEff"), "0000000000000000", "capabilities")
        if self.options.sandbox:
            same((webhook.status("NoNewPrivs"), webhook.status("Seccomp")), ("1", "2"), "the sandbox")
        same((webhook.page(webhook.health, "/live")[0], webhook.page(webhook.health, "/ready")[0]), (200, 200), "probes")
        asking = Asking(webhook, REVIEWS["v1-deployment"].encode())
        asking.wait_served(5)
        # One whose body comes only when the way out has begun.
        late = webhook.connection()
        late.connect()
        text = REVIEWS["v1-job"].encode()
        late.sock.sendall(b"POST /inject HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text))
        webhook.process.terminate()
        wait_for("it to be unready", PATIENCE, lambda: webhook.page(webhook.health, "/ready")[0] == 503)
        same(response_of(webhook, REVIEWS["v1-daemonset"])["allowed"], True, "who comes while it is still listed")
        late.sock.sendall(text)
        answer = http.client.HTTPResponse(late.sock, method="POST")
        answer.begin()
        ensure(b'"patch"' in answer.read(), "a review that was under way was not answered")
        same(answer.status, 200, "a review that was under way")
        late.close()
        asking.going = False
        same(webhook.process.wait(PATIENCE), 0, "the exit code")
        asking.join(PATIENCE)
        ensure(all("Refused" in error or "Remote end closed" in error or "reset" in error for error in asking.errors), asking.errors)
        said = webhook.said()
        for words in ("admission", "shop/web-6d4b75cb6d-*", "shop/migrate-*", "ops/agent-*", "patched"):
            ensure(words in said, f"{words!r} is not in the log")

    # --- certificates and manifests -----------------------------------------------------------------------------------

    def certificate(self):
        """OpenSSL takes it for the service's name, the objects are Kubernetes', and nobody's authority is forgotten."""
        def verify(bundle, name, ca=None):
            return subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", name, "-CAfile",
                                   ca or bundle.file("ca.crt"), bundle.file("tls.crt")], capture_output=True, text=True)
        other = self.certificates("other", "--service", "hook", "--namespace", "elsewhere", "--dns", "hook.example.com", "--for", "30d",
                                  "--failure", "fail")
        for bundle, names in ((self.bundle, (NAME, "outrider-webhook.outrider-system", f"{NAME}.cluster.local")),
                              (other, ("hook.elsewhere.svc", "hook.example.com"))):
            for name in names:
                done = verify(bundle, name)
                ensure(done.returncode == 0, f"openssl verify for {name}: {done.stderr}")
            ensure(verify(bundle, "outrider-webhook.default.svc").returncode != 0, "it is for anybody")
            same(base64.b64decode(bundle.configuration["webhooks"][0]["clientConfig"]["caBundle"]),
                 pathlib.Path(bundle.file("ca.crt")).read_bytes(), "the caBundle")
            same(bundle.secret["type"], "kubernetes.io/tls", "the Secret's type")
            same(bundle.err, "", "standard error")
        hook = other.configuration["webhooks"][0]
        same((other.secret["metadata"]["namespace"], hook["clientConfig"]["service"]["name"], hook["failurePolicy"]),
             ("elsewhere", "hook", "Fail"), "what was asked for")
        # What is in force, in each form it may have, with the authority that is in it.
        for form in (yaml.safe_dump(self.bundle.configuration), json.dumps(self.bundle.configuration), json.dumps(self.bundle.configuration, indent=2),
                     "# by hand\n" + self.bundle.text.split("---\n")[1] + "---\nkind: Service\nmetadata: {name: x} # kept\n"):
            done = subprocess.run([self.options.outrider, "webhook-cert", "--config", "-"], input=form, capture_output=True, text=True)
            same((done.returncode, done.stderr), (0, ""), "webhook-cert --config")
            configuration, *others, secret = yaml.safe_load_all(done.stdout)
            bundle = base64.b64decode(configuration["webhooks"][0]["clientConfig"].pop("caBundle"))
            was = json.loads(json.dumps(self.bundle.configuration))
            was["webhooks"][0]["clientConfig"].pop("caBundle")
            same(configuration, was, "the rest of the configuration")
            same(bundle, base64.b64decode(secret["data"]["ca.crt"]) + pathlib.Path(self.bundle.file("ca.crt")).read_bytes(),
                 "whom it trusts")
            ensure(not others or "# by hand\n" in done.stdout and "# kept\n" in done.stdout, "what was written by hand is gone")
        for wrong in ("kind: Service\n", "webhooks: [\n", ""):
            done = subprocess.run([self.options.outrider, "webhook-cert", "--config", "-"], input=wrong, capture_output=True, text=True)
            ensure(done.returncode == 2 and not done.stdout and "standard input" in done.stderr, f"{wrong!r}: {done}")

    def manifests(self):
        """The overlay is what kubectl accepts, and says of the webhook what the program says."""
        if not shutil.which("kubectl"):
            return print("webhook: manifests: no kubectl, left out")
        made = subprocess.run(["kubectl", "kustomize", str(ROOT / "docker/kubernetes/overlays/webhook")], capture_output=True, text=True)
        ensure(made.returncode == 0, made.stderr)
        objects = {item["kind"]: item for item in yaml.safe_load_all(made.stdout)}
        same(sorted(objects), ["Deployment", "MutatingWebhookConfiguration", "Namespace", "NetworkPolicy", "PodDisruptionBudget", "Service",
                               "ServiceAccount"], "kinds")
        hook = json.loads(json.dumps(self.bundle.configuration["webhooks"][0]))
        hook["clientConfig"].pop("caBundle")
        same(objects["MutatingWebhookConfiguration"]["webhooks"], [hook], "the webhook that is registered")
        for kind, item in objects.items():
            if kind not in ("Namespace", "MutatingWebhookConfiguration"):
                same(item["metadata"]["namespace"], "outrider-system", f"the namespace of {kind}")
        container, = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
        mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in objects["Deployment"]["spec"]["template"]["spec"]["volumes"]}
        same(volumes[mounted["/run/webhook"]]["secret"]["secretName"], self.bundle.secret["metadata"]["name"], "the Secret that is mounted")
        same(container["args"][0], "webhook", "what is run")
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        same(objects["Service"]["spec"]["ports"][0]["targetPort"], "https", "the Service's port")
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            same(ports[container[probe]["httpGet"]["port"]], 15021, probe)
        known = subprocess.run([self.options.outrider, *container["args"], "--set", "version=99"], capture_output=True, text=True)
        ensure("version" in known.stderr and "unknown option" not in known.stderr, f"its arguments: {known.stderr}")
        done = subprocess.run([self.options.outrider, "webhook-cert", "--config", "-"], input=made.stdout, capture_output=True, text=True)
        same((done.returncode, done.stderr), (0, ""), "kubectl kustomize | outrider webhook-cert --config -")
        ensure(all(item for item in yaml.safe_load_all(done.stdout)), "an empty object")
        same(sum("caBundle" in json.dumps(item) for item in yaml.safe_load_all(done.stdout)), 1, "objects with a caBundle")

    def stop(self):
        for webhook in self.running:
            webhook.kill()


CASES = ("answers", "command_line", "clients", "malformed", "oversized", "hostile", "rotation", "way_out", "certificate", "manifests")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outrider", required=True)
    parser.add_argument("--only", action="append", choices=CASES)
    parser.add_argument("--update", action="store_true", help="write answers/ anew")
    parser.add_argument("--no-sandbox", dest="sandbox", action="store_false", help="a sanitizer's program has none")
    options = parser.parse_args()
    bad = 0
    for case in options.only or CASES:
        with tempfile.TemporaryDirectory() as folder:
            test = Test(options, folder)
            try:
                getattr(test, case)()
                print(f"webhook: {case}: fine", flush=True)
            except (AssertionError, TimeoutError, OSError, KeyError, http.client.HTTPException) as error:
                bad += 1
                print(f"webhook: {case}: {type(error).__name__}: {error}", file=sys.stderr)
                for each in test.running:
                    print(f"--- {each.log}\n{each.said()[-3000:]}", file=sys.stderr)
            finally:
                test.stop()
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
