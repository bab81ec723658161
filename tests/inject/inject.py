#!/usr/bin/env python3
"""Manifests through `outrider inject` and back: manifests/ is what comes in, golden/ what has to come out.

Of each: the output, read by PyYAML, is what its JSON Patch makes of the input, applied here by the RFC; what was not changed
is there byte for byte and in its order; injecting twice changes nothing; uninject gives the input back; keys of pods are Kubernetes'
own; `kubectl kustomize`, where there is one, takes it. --write makes golden/ anew: look at the difference before you commit it."""
import argparse
import base64
import difflib
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import json_patch
import pod_keys
import random_manifests

PATIENCE = 300   # seconds, for one call on a machine that has much else to do
FLAGS = {
    "old-style-cronjob.yaml": ["--native-sidecar", "false"],
    "multi-document.yaml": ["--image", "registry.example.com/mesh/outrider:1", "--bootstrap", "seed.mesh:4222,10.0.0.1:4222",
                            "--trust-domain", "corp.example", "--registry-key-secret", "mesh-key", "--identity-secret", "web-identity"],
    "pod.yaml": ["--set", "telemetry.log.format=json", "--set", "lifecycle.drain.delay=2s", "--dns-capture", "false"],
    "no-port.yaml": ["--capture", "none"],
}
EXIT = {"refused.yaml": 1}
# It reads no directives of YAML, nothing without a name, and (above) no pairs of surrogates.
NOT_FOR_KUSTOMIZE = ("odd-yaml.yaml", "pod.yaml")


class Texts(yaml.SafeLoader):
    """Without dates, which JSON has not."""


Texts.yaml_implicit_resolvers = {first: [(tag, regexp) for tag, regexp in all if tag != "tag:yaml.org,2002:timestamp"]
                                 for first, all in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def parsed(text):
    if text.lstrip("\ufeff \n").startswith("{") and not text.lstrip().startswith("{a"):
        try:  # JSON, one object or several: PyYAML knows no pairs of surrogates
            decoder, at, out = json.JSONDecoder(), 0, []
            while at < len(text) and text[at:].strip():
                at += len(text[at:]) - len(text[at:].lstrip())
                value, at = decoder.raw_decode(text, at)
                out.append(value)
            return out
        except ValueError:
            pass
    return [one for one in yaml.load_all(text.lstrip("\ufeff"), Loader=Texts)]


def objects_in(documents):
    """Those that have a report, with how to put another in their place."""
    for i, document in enumerate(documents):
        if document is None:
            continue
        if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
            for j, item in enumerate(document["items"]):
                yield item, (documents[i]["items"], j)
        else:
            yield document, (documents, i)


# What the Downward API would say of a pod.
FIELDS = {"metadata.name": "web-1", "metadata.namespace": "shop", "metadata.uid": "0b1c", "status.podIP": "10.0.0.1",
          "status.podIPs": "10.0.0.1,fd00::1", "spec.nodeName": "n1", "spec.serviceAccountName": "web"}
# Keys and words of parts that a build may lack, by what its schema says of them.
PARTS = {"OUTRIDER_ADMIN__PROBES": '"probes"', "OUTRIDER_LISTENERS__INBOUND__TRANSPARENT": '"tproxy"'}


class Program:
    def __init__(self, path):
        self.path = path
        self.schema = subprocess.run([path, "config", "schema"], capture_output=True, text=True, check=True).stdout
        self.seen = set()
        self.version = json.loads(subprocess.run([path, "version", "--json"], capture_output=True, check=True).stdout)["version"]

    def run(self, verb, text, flags=(), expect=0):
        done = subprocess.run([self.path, verb, "-f", "-", "--json", *flags], input=text, capture_output=True, timeout=PATIENCE)
        assert done.returncode == expect, f"{verb} ends with {done.returncode}, not {expect}: {done.stderr.decode()[-600:]}"
        return done.stdout, json.loads(done.stderr[:done.stderr.rindex(b"}") + 1])["objects"]


def taken_away(reports):
    """What the notes say that was there before, line by line."""
    for report in reports:
        for operation in json.loads(report.get("patch", "[]")):
            value = operation.get("value")
            note = value if operation["path"].endswith("/outrider.dev~1restore") else ""
            for word in note.split()[3:]:
                was = word.partition("-")[2]
                yield from base64.urlsafe_b64decode(was + "=" * (-len(was) % 4)).splitlines()


def untouched(before, after, reports):
    """Every line of the input is in the output, in its order; of one that was changed all but what a note has of it."""
    gone = sorted((line.strip() for line in taken_away(reports) if line.strip()), key=len, reverse=True)
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    for kind, i, i_end, j, j_end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind in ("equal", "insert"):
            continue
        there = b"".join(new[j:j_end])
        for line in old[i:i_end]:
            left = line.strip()
            for was in gone:
                left = left.replace(was, b"\0")
            for piece in re.split(rb"\0|(?<=[{}\[\],])|(?=[{}\[\],])", left):
                assert piece.strip() in there, f"a line that was not to be changed is not there: {line!r} ({piece!r})"


def check_environment(program, item):
    """The environment of a sidecar is a configuration that is valid."""
    pod = pod_keys.pod_of(item)
    for container in ((pod or {}).get("spec") or {}).get("initContainers", []) + ((pod or {}).get("spec") or {}).get("containers", []):
        if container["name"] != "outrider-proxy" or "-c" in container["args"]:
            continue
        environment = {each["name"]: each["value"].replace("$$", "$") if "value" in each else FIELDS[each["valueFrom"]["fieldRef"]["fieldPath"]]
                       for each in container["env"]}
        for name, sign in PARTS.items():
            if sign not in program.schema:
                environment.pop(name, None)
        for name in ("OUTRIDER_REGISTRY__KEY", "OUTRIDER_IDENTITY__DIR"):   # what is mounted
            environment.pop(name, None)
        told = tuple(sorted(environment.items()))
        if told in program.seen:
            continue
        program.seen.add(told)
        done = subprocess.run([program.path, "config", "show", "--json"], env=environment, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, f"not what a configuration is: {environment}\n{done.stdout}{done.stderr}"


def check(program, name, before, flags=(), expect=0, kubectl=None, environments=False):
    after, reports = program.run("inject", before, flags, expect)
    documents = parsed(before.decode())
    with_reports = list(objects_in(documents))
    assert len(with_reports) == len(reports), f"{len(reports)} reports of {len(with_reports)} objects"
    for (item, (parent, key)), report in zip(with_reports, reports):
        if "patch" in report:
            parent[key] = json_patch.patched(item, json.loads(report["patch"]))
    now = parsed(after.decode())
    assert now == documents, "the text is not what the patch makes of the input"
    for item, _ in objects_in(now):
        pod_keys.check_object(item)
        if environments:
            check_environment(program, item)
    untouched(before, after, reports)
    again, _ = program.run("inject", after, flags, expect)
    assert again == after, "injecting twice changes something"
    back, undone = program.run("uninject", after)
    assert back == before, "uninject does not give back what was there"
    changed = sum(report["result"] == "injected" for report in reports)
    assert changed == sum(report["result"] == "restored" for report in undone), undone
    assert (changed > 0) == (after != before)
    if kubectl:
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "input" + pathlib.Path(name).suffix).write_bytes(after)
            pathlib.Path(folder, "kustomization.yaml").write_text("resources: [input%s]\n" % pathlib.Path(name).suffix)
            done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, timeout=PATIENCE)
            assert done.returncode == 0, done.stderr.decode()
    return after, reports


def edited_since(program, before, was, now):
    """Who edits what was injected gets it taken out by its names, and keeps what he wrote."""
    after, _ = program.run("inject", before)
    assert after.count(was) == before.count(was) == 1
    back, reports = program.run("uninject", after.replace(was, now))
    assert [report["result"] for report in reports] == ["removed by names"], reports
    assert parsed(back.decode()) == parsed(before.replace(was, now).decode()), back.decode()


def ours_edited(program, before):
    """Nor is what was injected taken for what it was, where somebody has edited that."""
    after, _ = program.run("inject", before)
    back, reports = program.run("uninject", after.replace(b"sizeLimit: 64Mi", b"sizeLimit: 128Mi"))
    assert [report["result"] for report in reports] == ["removed by names"], reports
    assert parsed(back.decode()) == parsed(before.decode()), back.decode()


def removed_by_names(program, name, before, flags):
    """The same without the note of what was there: what is left means what was there before."""
    after, reports = program.run("inject", before, flags, EXIT.get(name, 0))
    if not any(report["result"] == "injected" for report in reports):
        return False
    unnoted = re.sub(rb'"outrider.dev/restore": ?"v1', b'"outrider.dev/restore": "v0', after)
    unnoted = re.sub(rb'outrider.dev/restore: ?"v1', b'outrider.dev/restore: "v0', unnoted)
    back, reports = program.run("uninject", unnoted)
    assert any(report["result"] == "removed by names" for report in reports), reports
    assert hollow(parsed(back.decode())) == hollow(parsed(before.decode())), back.decode()
    return True


def hollow(value):
    """Without what is empty, defaults that a probe says for itself, and numbers as texts."""
    if isinstance(value, dict):
        out = {key: hollow(one) for key, one in value.items()}
        if out.get("scheme") == "HTTP" and "port" in out:
            del out["scheme"]
        if out.get("path") == "/" and "port" in out:
            del out["path"]
        if str(out.get("port")).isdigit():
            out["port"] = int(out["port"])
        elif "port" in out and isinstance(out["port"], str):
            out["port"] = "named"
        return {key: one for key, one in out.items() if one not in ({}, [], None, "")}
    return [hollow(one) for one in value] if isinstance(value, list) else value


def without_names(before):
    """As above, where named ports have become numbers: only such manifests can be compared."""
    return not re.search(rb'port"?: *"?[a-z]', before)


def generated(program, seed, count):
    draw = random.Random(seed)
    for case in range(count):
        text = random_manifests.stream(draw)
        try:
            check(program, "random.yaml", text.encode())
        except (AssertionError, pod_keys.Wrong, KeyError, yaml.YAMLError) as wrong:
            kept = pathlib.Path(tempfile.gettempdir(), f"outrider-inject-{seed}-{case}.yaml")
            kept.write_text(text, newline="")
            print(f"seed {seed}, case {case}: {wrong}\nthe manifest is {kept}", file=sys.stderr)
            return False
    print(f"{count} streams of random manifests, seed {seed}")
    return True


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--outrider", required=True)
    options.add_argument("--write", action="store_true", help="golden/ anew, from what comes out")
    options.add_argument("--only", help="one manifest")
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options.add_argument("--cases", type=int, default=60)
    given = options.parse_args()
    program = Program(given.outrider)
    kubectl = shutil.which("kubectl")
    if not kubectl:
        print("without kubectl: nobody builds the results as resources")
    failed, names = [], 0
    manifests = sorted(path for path in (HERE / "manifests").iterdir() if given.only in (None, path.name))
    for path in manifests:
        before, flags = path.read_bytes(), FLAGS.get(path.name, [])
        try:
            after, reports = check(program, path.name, before, flags, EXIT.get(path.name, 0),
                                   None if b"\\ud83d" in before or path.name in NOT_FOR_KUSTOMIZE else kubectl, True)
            if without_names(before):
                names += removed_by_names(program, path.name, before, flags)
            shown = re.sub(rb'(outrider.dev/restore"?: ?)"v1 [^"]*"', rb'\1"..."', after)
            shown = shown.replace(program.version.encode(), b"VERSION")
            golden = HERE / "golden" / path.name
            if given.write:
                golden.parent.mkdir(exist_ok=True)
                golden.write_bytes(shown)
            assert golden.is_file() and golden.read_bytes() == shown, f"golden/{path.name} is another"
        except (AssertionError, pod_keys.Wrong, KeyError, yaml.YAMLError) as wrong:
            failed.append(path.name)
            print(f"{path.name}: {type(wrong).__name__} {wrong}", file=sys.stderr)
    if not given.only:
        edited_since(program, (HERE / "manifests/four-spaces.yaml").read_bytes(), b"image: second:1", b"image: second:22")
        ours_edited(program, (HERE / "manifests/four-spaces.yaml").read_bytes())
        if not generated(program, given.seed, given.cases):
            failed.append("random manifests")
    print(f"{len(manifests) - len(failed)} of {len(manifests)} manifests as they should be, {names} taken out by names, too")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
