#!/usr/bin/env python3
"""`outrider config schema` against a validator of others (python3-jsonschema): whatever the parser accepts is valid, what is wrong
in a way that a schema can see is not, and every key of the language is in it."""

import argparse
import json
import pathlib
import random
import re
import subprocess
import sys

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print(f"skipped: {missing.name} is not installed (python3-jsonschema, python3-yaml)")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROW = re.compile(r'^\s*\{"([^"]+)", ([SL]), (kNone|"(?:[^"\\]|\\.)*"), (kNone|"(?:[^"\\]|\\.)*")\},', re.M)


class Core(yaml.SafeLoader):
    """YAML 1.2, as editors read it: on and off are texts, and so are times of day."""


Core.yaml_implicit_resolvers = {}
Core.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), list("tf"))
Core.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(~|null|)$"), ["~", "n", ""])
Core.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
Core.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+\.[0-9]+$"), list("-+0123456789"))


def core(text):
    return yaml.load(text, Core)  # noqa: S506: made of SafeLoader


class Language:
    def __init__(self, program):
        self.program = program
        text = subprocess.run([program, "config", "schema"], check=True, capture_output=True, text=True).stdout
        self.schema = json.loads(text)
        jsonschema.Draft7Validator.check_schema(self.schema)
        self.validator = jsonschema.Draft7Validator(self.schema)

    def valid(self, document):
        return self.validator.is_valid(document)

    def why(self, document):
        def leaves(error):
            return [leaf for inner in error.context for leaf in leaves(inner)] if error.context else [error]
        return "; ".join(f"{'.'.join(map(str, e.absolute_path))}: {e.message[:120]}"
                         for error in self.validator.iter_errors(document) for e in leaves(error))

    def accepts(self, text):
        return subprocess.run([self.program, "config", "validate", "-"], input=text, capture_output=True, text=True).returncode == 0


def literal(text):
    return None if text == "kNone" else json.loads(text)


def rows():
    """The table of tests/unit/config/keys_test.cc: a key, whether it is supported, and two values."""
    text = (ROOT / "tests/unit/config/keys_test.cc").read_text()
    found = [(key, state == "S", literal(one), literal(two)) for key, state, one, two in ROW.findall(text)]
    assert len(found) > 250, len(found)
    return found


def placed(key, value):
    """A document with that value at that key and nothing else."""
    inner = value
    for part in reversed(key.split(".")):
        inner = {part[:-2]: [inner]} if part.endswith("[]") else {part: inner}
    return inner if "version" in inner else {"version": 1, **inner}


def keys_of(schema, language):
    """Keys of README.md, each with its place."""
    lines = (ROOT / "config/README.md").read_text().split("## Keys")[1].split("\n")
    return [line.split("|")[1].strip().strip("`") for line in lines if line.startswith("| `")]


def configurations():
    """Whole configurations of this repository: files, and texts in tests."""
    for path in sorted(ROOT.glob("config/examples/*.yaml")) + sorted(ROOT.glob("docker/**/outrider*.yaml")):
        yield path.name, path.read_text()
    for path in sorted(ROOT.glob("tests/**/*.cc")) + sorted(ROOT.glob("filters/**/*_test.cc")):
        text = path.read_text()
        for raw in re.findall(r'R"\((version: 1\n.*?)\)"', text, re.S):
            yield path.name, raw
        for quoted in re.findall(r'((?:"version: 1\\n(?:[^"\\]|\\.)*"\s*)(?:"(?:[^"\\]|\\.)*"\s*)*)', text):
            parts = re.findall(r'"(?:[^"\\]|\\.)*"', quoted)
            if not any(re.search(r"\\[^\\nt\"]", part) for part in parts):  # C has escapes that JSON has not
                yield path.name, "".join(json.loads(part) for part in parts)
    for path in sorted(ROOT.glob("docker/**/*.py")) + sorted(ROOT.glob("tests/**/*.py")):
        for raw in re.findall(r'f?"""\\?\n?(version: 1\n.*?)"""', path.read_text(), re.S):
            yield path.name, raw


def wrong(rng, document):
    """The same with one mistake a schema can see; None where there is no place for it."""
    copy = json.loads(json.dumps(document))
    maps = []

    def gather(node, path):
        if isinstance(node, dict):
            maps.append((node, path))
            for key, value in node.items():
                gather(value, path + [key])
        elif isinstance(node, list):
            for each in node:
                gather(each, path + ["[]"])
    gather(copy, [])
    free = {"labels", "headers", "set", "add", "trust", "owners", "require", "prefer", "header", "query", "cookie", "split", "fault", "mirror"}
    maps = [(m, p) for m, p in maps if not free & set(p) and p[:1] != ["filters"] and p[-1:] != ["filters"]
            and p not in (["listeners"], ["routes"], ["clusters"], ["experiments"]) and "filters" not in p]
    node, path = rng.choice(maps)
    kind = rng.choice(["unknown", "type", "unit"])
    if kind == "unknown":
        node["nosuchkey"] = 1
        return copy, path + ["nosuchkey"]
    if kind == "unit":
        timed = [(m, k, p) for m, p in maps for k in m if k in ("timeout", "connect_timeout", "interval", "delay", "slow_start", "idle")]
        if not timed:
            return None, None
        m, k, p = rng.choice(timed)
        m[k] = 250
        return copy, p + [k]
    scalars = [k for k, v in node.items() if isinstance(v, (str, int)) and k not in ("routes", "filters", "retry", "hedge", "mirror", "fault")]
    scalars = [k for k in scalars if v_is_scalar_only(path, k)]
    if not scalars:
        return None, None
    key = rng.choice(scalars)
    node[key] = {"nosuch": {"deep": 1}}
    return copy, path + [key]


def v_is_scalar_only(path, key):
    return key in ("version", "mode", "lb", "timeout", "connect_timeout", "direction", "name", "port", "namespace", "panic", "discovery", "weight")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--outrider", required=True)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = arguments.parse_args()
    language = Language(options.outrider)
    failures = []

    # Every key with its values.
    for key, supported, *values in rows():
        for index, value in enumerate(values):
            if value is None or (not supported and index == 1):
                continue
            if key.startswith("experiments.slow.match"):
                continue
            whole = value[:1] in ("{", "[")
            for text in {value} if whole else {value, json.dumps(value)}:
                document = placed(key, core(text) if text else "")
                if not language.valid(document):
                    failures.append(f"{key}={text}: {language.why(document)}")

    # Every key of the README is described in the schema.
    text = json.dumps(language.schema)
    for key in keys_of(language.schema, language):
        leaf = re.sub(r"\[\]$", "", key.split(".")[-1])
        if not leaf.startswith("<") and f'"{leaf}":' not in text:
            failures.append(f"{key} is not in the schema")

    # Whole configurations, as both versions of YAML read them.
    good = []
    for name, text in configurations():
        if not language.accepts(text):
            continue
        for load in (core, yaml.safe_load):
            document = load(text)
            if not language.valid(document):
                failures.append(f"{name}: the parser accepts it, the schema does not: {language.why(document)}\n{text}")
        good.append(core(text))
    print(f"{len(good)} configurations are accepted by both")
    if len(good) < 40:
        failures.append(f"only {len(good)} configurations were found: has the way they are written changed?")

    # What is wrong.
    print(f"seed {options.seed}")
    rng = random.Random(options.seed)
    refused = 0
    for _ in range(600):
        document, path = wrong(rng, rng.choice(good))
        if document is None:
            continue
        refused += 1
        if language.valid(document):
            failures.append(f"a mistake at {'.'.join(path)} is valid: {json.dumps(document)}")
        elif refused <= 60 and language.accepts(json.dumps(document)):
            failures.append(f"only the schema refuses {'.'.join(path)}: {json.dumps(document)}")
    if refused < 300:
        failures.append(f"only {refused} mistakes were made")
    for sample in ("clusters: {web: {timeout: 5}}", "clusters: {web: {panic: 50}}", "clusters: {web: {lb: fastest}}", "mode: egde",
                   "listeners: {a: {address: 8080}}", "routes: {a: [{cluster: [1]}]}", "overload: {threads: many}",
                   "admin: {address: nowhere}", "filters: {a: [{nosuch: {}}]}", "listeners: {a: {http: {max_body: 5}}}",
                   "service: {port: 70000}", "clusters: {web: {retry: {attempts: 11}}}", "on: 1", "routes: {a: [{match: {header: {x: {like: y}}}}]}"):
        document = core("version: 1\n" + sample)
        if language.valid(document):
            failures.append(f"{sample} is valid")
        if language.accepts("version: 1\n" + sample):
            failures.append(f"{sample} is accepted by the parser")
    for each in failures:
        print("FAILED", each)
    return 1 if failures else 0


sys.exit(main())
