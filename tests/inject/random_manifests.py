"""Workloads in YAML that somebody could have written, in whatever form YAML allows for it."""

WORDS = ["web", "cart", "a b", "yes", "true", "1.5", "010", "it's", 'say "hi"', "ümlaut", "a: b", "# no comment", "- dash", "{{ x }}", "",
         "null", "~", "v1", "x" * 60, "tab\there", "end ", " begin", "*star", "&and", "!bang", "%percent", "@at", "`tick`", "a#b", "a,b",
         "[x]", "0x1F", "1e3", "2024-01-01", "12:30"]
COMMENTS = ["# a comment", "#", "# - name: not-one", "# {", "# --- ", "# 'quote", "#   key: value"]


class Writer:
    def __init__(self, draw):
        self.draw = draw
        self.step = draw.choice([2, 2, 2, 4, 3])
        self.list_offset = draw.choice([0, 2, self.step])
        self.newline = draw.choice(["\n", "\n", "\n", "\r\n"])
        self.comments = draw.choice([0, 0.1, 0.4])
        self.blanks = draw.choice([0, 0.1])
        self.flow = draw.choice([0, 0.1, 0.5])
        self.lines = []

    def maybe(self, chance):
        return self.draw.random() < chance

    def text(self, value, flow=False):
        safe = value.replace("-", "").replace("/", "").replace(".", "").isalnum() and value.isascii() and value[0].isalpha() and \
            value.lower() not in ("yes", "no", "on", "off", "true", "false", "null", "y", "n")
        forms = ["double"]
        if "\t" not in value:
            forms.append("single")
        if safe:
            forms += ["plain", "plain"]
        form = self.draw.choice(forms)
        if form == "plain":
            return value
        if form == "single":
            return "'" + value.replace("'", "''") + "'"
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'

    def scalar(self, value):
        if value is None:
            return self.draw.choice(["null", "~"])
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, int) else self.text(value)

    def in_flow(self, value):
        gap = self.draw.choice(["", " ", "  "])
        if isinstance(value, dict):
            return "{" + gap + ", ".join(self.text(k) + ": " + self.in_flow(v) for k, v in value.items()) + gap + "}"
        if isinstance(value, list):
            return "[" + gap + ("," + self.draw.choice(["", " "])).join(self.in_flow(v) for v in value) + gap + "]"
        return self.scalar(value)

    def tail(self):
        return self.draw.choice(["  ", " "]) + self.draw.choice(COMMENTS) if self.maybe(self.comments) else self.draw.choice(["", "", "", "  "])

    def line(self, text):
        if self.maybe(self.comments / 2):
            self.lines.append(" " * self.draw.randrange(12) + self.draw.choice(COMMENTS))
        if self.maybe(self.blanks):
            self.lines.append(self.draw.choice(["", "   "]))
        self.lines.append(text)

    def block_text(self, head, indent, value):
        style = self.draw.choice(["|", "|-", ">-", "|+"])
        self.line(head + style)
        for part in ["first " + value.replace("\t", " "), "", "---", "last: # x"]:
            self.lines.append(" " * (indent + 2) + part if part else "")
        if style == "|+":
            self.lines.append("")

    def value(self, head, value, indent, below):
        """`head`: what stands before the value, in its line. `below`: indentation of lines of maps behind it."""
        if isinstance(value, (dict, list)) and value and not self.maybe(self.flow):
            self.line(head.rstrip(" ") + self.tail())
            if isinstance(value, dict):
                self.map(value, below)
            else:
                self.list(value, indent + self.list_offset)
        elif isinstance(value, (dict, list)):
            self.line(head + self.in_flow(value) + self.tail())
        elif value in WORDS and self.maybe(0.1) and value.isascii():
            self.block_text(head, indent, value)
        else:
            self.line(head + self.scalar(value) + self.tail())

    def map(self, value, indent, first=None):
        """`first`: what stands before the first key, in its line."""
        items = list(value.items())
        if self.maybe(0.5):
            self.draw.shuffle(items)
        for key, one in items:
            head = first if first is not None else " " * indent
            first = None
            self.value(head + self.text(key) + ":" + self.draw.choice([" ", " ", "   "]), one, indent, indent + self.step)

    def list(self, value, indent):
        for one in value:
            gap = self.draw.choice([1, 1, 1, 3])
            if isinstance(one, dict) and one and not self.maybe(self.flow):
                if self.maybe(0.1):
                    self.line(" " * indent + "-" + self.tail())
                    self.map(one, indent + 2)
                else:
                    self.map(one, indent + 1 + gap, " " * indent + "-" + " " * gap)
            else:
                self.value(" " * indent + "-" + " " * gap, one, indent, indent + 2)


def handler(draw):
    kind = draw.choice(["httpGet", "httpGet", "tcpSocket", "grpc", "exec"])
    if kind == "exec":
        return {"exec": {"command": ["true", draw.choice(WORDS)]}}
    out = {"port": draw.randrange(1, 15000)}
    if kind == "httpGet":
        out["path"] = draw.choice(["/", "/live", "/a?b=c&d"])
        if draw.random() < 0.3:
            out["scheme"] = draw.choice(["HTTP", "HTTPS"])
        if draw.random() < 0.2:
            out["httpHeaders"] = [{"name": "x-a", "value": draw.choice(WORDS)}]
    if kind == "grpc" and draw.random() < 0.5:
        out["service"] = draw.choice(["", "shop.Cart"])
    return {kind: out}


def container(draw, name):
    out = {"name": name, "image": draw.choice(["a", "a:1", "r.example.com:5000/a/b@sha256:00"])}
    for key in ("livenessProbe", "readinessProbe", "startupProbe"):
        if draw.random() < 0.4:
            out[key] = handler(draw)
            if draw.random() < 0.5:
                out[key]["timeoutSeconds"] = draw.randrange(1, 9)
    if draw.random() < 0.2:
        hook = handler(draw)
        if "grpc" not in hook:
            out["lifecycle"] = {draw.choice(["preStop", "postStart"]): hook}
    if draw.random() < 0.5:
        out["args"] = [draw.choice(WORDS) for _ in range(draw.randrange(3))]
    if draw.random() < 0.3:
        out["env"] = [{"name": "A", "value": draw.choice(WORDS)}]
    if draw.random() < 0.7:
        out["ports"] = [{"containerPort": draw.randrange(1, 15000)}]
    return out


def pod(draw):
    spec = {"containers": [container(draw, f"c{i}") for i in range(draw.randrange(1, 4))]}
    if draw.random() < 0.3:
        spec["initContainers"] = [{"name": f"i{i}", "image": "i"} for i in range(draw.randrange(3))]
        for each in spec["initContainers"]:
            if draw.random() < 0.3:
                each.update(restartPolicy="Always", livenessProbe=handler(draw))
    if draw.random() < 0.4:
        spec["volumes"] = [{"name": f"v{i}", "emptyDir": {}} for i in range(draw.randrange(3))]
    if draw.random() < 0.3:
        spec["nodeSelector"] = {"disk": draw.choice(WORDS)}
    metadata = {}
    if draw.random() < 0.7:
        metadata["labels"] = {"app": "web"}
    if draw.random() < 0.4:
        metadata["annotations"] = {f"a{i}": draw.choice(WORDS) for i in range(draw.randrange(3))}
    if draw.random() < 0.2:
        metadata.setdefault("annotations", {})["outrider.dev/native-sidecar"] = "false"
    out = {"spec": spec}
    if metadata or draw.random() < 0.5:
        out["metadata"] = metadata
    return out


def workload(draw, number):
    kind = draw.choice(["Pod", "Deployment", "StatefulSet", "Job", "CronJob", "ConfigMap"])
    head = {"kind": kind, "metadata": {"name": f"n{number}"}}
    if kind == "ConfigMap":
        return {"apiVersion": "v1", **head, "data": {f"k{i}": draw.choice(WORDS) for i in range(draw.randrange(5))}}
    if kind == "Pod":
        made = pod(draw)
        made["metadata"] = {**head["metadata"], **made.get("metadata", {})}
        return {"apiVersion": "v1", "kind": kind, **made}
    if kind in ("Job", "CronJob"):
        job = {"template": pod(draw)}
        return {"apiVersion": "batch/v1", **head, "spec": job if kind == "Job" else {"schedule": "* * * * *", "jobTemplate": {"spec": job}}}
    return {"apiVersion": "apps/v1", **head, "spec": {"replicas": draw.randrange(4), "template": pod(draw)}}


def stream(draw):
    """Some documents, one workload in it at least."""
    all = [workload(draw, i) for i in range(draw.randrange(1, 5))]
    if all[-1]["kind"] == "ConfigMap":
        all.append({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "last"}, **{k: v for k, v in pod(draw).items() if k == "spec"}})
    if draw.random() < 0.2:
        all = [{"apiVersion": "v1", "kind": "List", "items": all}]
    out = "\ufeff" if draw.random() < 0.05 else ""
    for i, document in enumerate(all):
        writer = Writer(draw)
        if i > 0 or draw.random() < 0.3:
            writer.lines.append("---" + draw.choice(["", "", " # next"]))
        if draw.random() < 0.1:
            writer.lines.append(writer.in_flow(document))
        else:
            writer.map(document, 0)
        end = "" if i + 1 == len(all) and draw.random() < 0.2 else writer.newline
        out += writer.newline.join(writer.lines) + end
    return out
