#!/usr/bin/env python3
"""Does every dashboard panel, alert and recording rule ask for something the proxy really shows?

  check_dashboards.py docker --names proxy/stats/names.h        against the list of all metrics, needs no proxy
  check_dashboards.py docker --scrape FILE_OR_URL [--scrape ..] against what proxies do show, taken together

With both, names must be in a scrape and the labels in either. --closed also looks the other way: label values in a
scrape that names.h does not promise. Dashboards are checked as well for what makes Grafana refuse or garble them, and
alerts for a runbook that names a command to begin with.
Prints what is wrong, one finding a line, and exits 1; else "N dashboards, M queries, K metric names: all exist".
"""
import argparse
import itertools
import json
import pathlib
import re
import sys
import urllib.request

SCRAPE_LABELS = {"job", "instance", "namespace", "pod"}             # what Prometheus adds to every series
VARIABLES = {"__rate_interval": "1m", "__interval": "1m", "__range": "1h"}   # Grafana's own, with a value that parses
PANELS = {"stat", "timeseries", "table", "heatmap", "bargauge", "gauge", "state-timeline", "nodeGraph", "row"}
RUNBOOK = re.compile(r"`outrider (explain|endpoints|stat|check|config|identity|services|tap|route|health)\b")


class Finding(Exception):
    pass


class Metric:
    """kind: counter, gauge, histogram. labels: name to the closed set of values, or None where any value may be."""
    def __init__(self, kind, labels):
        self.kind, self.labels = kind, labels


# --- names.h -----------------------------------------------------------------------------------------------------------

def values_of(text):
    """The closed set that a phrase of names.h lists, or None when it describes an open one."""
    values = set()
    for word in text.split(","):
        word = re.sub(r"^or ", "", word.strip()).strip('"')
        numbers = re.fullmatch(r"(\d+) to (\d+)", word)
        if numbers:
            values |= {str(n) for n in range(int(numbers[1]), int(numbers[2]) + 1)}
        elif re.fullmatch(r"[a-z0-9_]*", word):
            values.add(word)
        else:
            return None
    return values


def sets_of(comment):
    """Label to closed set (or None), from the comment over a group: `state: ready, draining. retry reason: a, b; ...`."""
    sets = {}
    for phrase in re.split(r"[.;](?:\s|$)", re.sub(r"\s*\([^)]*\)", "", comment)):
        head, colon, listed = phrase.partition(":")
        if not colon:
            continue
        for label in head.split(", "):
            words = label.split()
            if words and re.fullmatch(r"[a-z_]+", words[-1]):
                values = values_of(listed)
                known = sets.get(words[-1], set())
                sets[words[-1]] = None if values is None or known is None else known | values
    return sets


def read_names(path):
    metrics, sets, comment = {}, {}, []
    text = pathlib.Path(path).read_text()
    lines = iter(text.split("\n"))
    for line in lines:
        if line.startswith("//"):
            comment.append(line[2:].strip())
            continue
        if comment:
            sets.update(sets_of(" ".join(comment)))
            comment = []
        start = re.match(r"inline constexpr Name k\w+\{(?:\s*//\s*(.*))?$", line)
        if not start:
            continue
        body = body_of(lines)
        name = re.match(r'\s*"([a-z0-9_]+)"', body)
        kind = re.search(r"Kind::(\w+)", body)
        if not name or not kind:
            raise Finding(f"{path}: cannot read: {line} {body}")
        listed = (start[1] or "").partition(":")[0]
        labels = [each.strip() for each in listed.split(",") if each.strip()]
        metrics[name[1]] = Metric(kind[1].lower(), {label: sets.get(label) for label in labels})
    listed = re.search(r"kAll = \{(.*?)\};", text, re.S)
    if not metrics or not listed or listed[1].count("&") != len(metrics):
        raise Finding(f"{path}: {len(metrics)} metrics were read, but kAll has "
                      f"{listed[1].count('&') if listed else 'no list'}")
    return metrics


def body_of(lines):
    body = ""
    for line in lines:
        body += line + " "
        if line.rstrip().endswith("};"):
            break
    return body


# --- a scrape ----------------------------------------------------------------------------------------------------------

def read_scrape(source, metrics):
    if re.match(r"https?://", source):
        with urllib.request.urlopen(source, timeout=10) as answer:
            text = answer.read().decode()
    else:
        text = pathlib.Path(source).read_text()
    for line in text.splitlines():
        kind = re.match(r"# TYPE (\S+) (\S+)", line)
        if kind:
            metrics.setdefault(kind[1], Metric(kind[2], {}))
            continue
        series = re.match(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+", line)
        if not series:
            continue
        name = series[1]
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        if name not in metrics and base in metrics and metrics[base].kind == "histogram":
            name = base
        metric = metrics.setdefault(name, Metric("untyped", {}))
        for label, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', series[2] or ""):
            if label != "le":
                metric.labels.setdefault(label, set()).add(value)


def not_promised(scraped, promised):
    for name, metric in scraped.items():
        if name not in promised:
            yield f"the scrape has {name}, names.h has not"
            continue
        for label, values in metric.labels.items():
            if label not in promised[name].labels:
                yield f"the scrape has {name}{{{label}}}, names.h has no such label"
                continue
            known = promised[name].labels[label]
            for value in sorted(values - known - {"__other__"}) if known is not None else ():
                yield f'the scrape has {name}{{{label}="{value}"}}, names.h has no such value'


# --- PromQL ------------------------------------------------------------------------------------------------------------

AGGREGATIONS = {"sum", "min", "max", "avg", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile",
                "count_values"}
COUNTING = {"rate", "irate", "increase", "resets"}
FUNCTIONS = COUNTING | {"histogram_quantile", "vector", "scalar", "time", "absent", "abs", "ceil", "floor", "round",
                        "clamp", "clamp_min", "clamp_max", "delta", "deriv", "changes", "timestamp", "sort", "sort_desc",
                        "avg_over_time", "min_over_time", "max_over_time", "sum_over_time", "count_over_time",
                        "last_over_time", "quantile_over_time", "present_over_time"}
OPERATORS = {"+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless"}
TOKEN = re.compile(r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>\d[\w.]*)|(?P<word>[a-zA-Z_:][\w:]*)
                       |(?P<sign>=~|!~|==|!=|>=|<=|[-+*/%^<>=(){}\[\],:@]))""", re.X)


class Query:
    """Reads one expression. `labels` is what its result is labelled with; findings are raised. `find` is the Names."""

    def __init__(self, text, find):
        self.tokens, self.at, self.find = [], 0, find
        place, text = 0, text.rstrip()
        while place < len(text):
            token = TOKEN.match(text, place)
            if not token:
                raise Finding(f"cannot read: {text[place:place + 30]}")
            self.tokens.append((token.lastgroup, token[token.lastgroup]))
            place = token.end()
        self.tokens.append(("end", ""))
        self.labels = self.expression()
        if self.kind != "end":
            raise Finding(f"more than an expression: {self.text}")

    kind = property(lambda self: self.tokens[self.at][0])
    text = property(lambda self: self.tokens[self.at][1])

    def take(self, *wanted):
        token = self.text
        if wanted and token not in wanted:
            raise Finding(f"expected {' or '.join(wanted)}, found {token or 'the end'}")
        self.at += 1
        return token

    def names_in_parens(self):
        names = []
        self.take("(")
        while self.text != ")":
            names.append(self.take())
            if self.text != ")":
                self.take(",")
        self.take(")")
        return names

    def expression(self):
        left = self.operand(None)
        while self.text in OPERATORS:
            operator, on, many = self.take(), None, None
            if self.text == "bool":
                self.take()
            if self.text in ("on", "ignoring"):
                which = self.take()
                on = (which, self.names_in_parens())
                if self.text in ("group_left", "group_right"):
                    many = self.take()
                    extra = self.names_in_parens() if self.text == "(" else []
            right = self.operand(None)
            if on:
                for side, labels in (("left", left), ("right", right)):
                    missing = set(on[1]) - labels
                    if missing and on[0] == "on":
                        raise Finding(f"on ({', '.join(on[1])}): its {side} side has no {', '.join(sorted(missing))}")
            if operator == "or":
                left = left | right
            elif operator in ("and", "unless"):
                pass
            elif many:
                left = (left if many == "group_left" else right) | set(extra)
            elif on:
                left = set(on[1]) if on[0] == "on" else left - set(on[1])
            else:
                left = left or right        # a number on the left leaves the other side's labels
        return left

    def operand(self, function):
        if self.text in ("-", "+"):
            self.take()
            return self.operand(function)
        if self.kind == "number":
            self.take()
            return set()
        if self.kind == "string":
            self.take()
            return set()
        if self.text == "(":
            self.take()
            labels = self.expression()
            self.take(")")
        elif self.kind == "word" and self.text in AGGREGATIONS:
            labels = self.aggregation()
        elif self.kind == "word" and self.tokens[self.at + 1][1] == "(":
            labels = self.call()
        elif self.kind == "word":
            labels = self.selector(function)
        else:
            raise Finding(f"not an expression: {self.text or 'the end'}")
        while True:
            if self.text == "[":                    # a subquery, or the range of a selector
                self.take()
                while self.take() != "]":
                    pass
            elif self.text == "offset":
                self.take()
                self.take()
            else:
                return labels

    def aggregation(self):
        name, clause = self.take(), None
        if self.text in ("by", "without"):
            clause = (self.take(), self.names_in_parens())
        labels = self.arguments(None)
        if self.text in ("by", "without"):
            clause = (self.take(), self.names_in_parens())
        if clause is None:
            return labels if name in ("topk", "bottomk") else set()
        missing = set(clause[1]) - labels
        if missing:
            raise Finding(f"{name} {clause[0]} ({', '.join(clause[1])}): what it sums has no {', '.join(sorted(missing))}")
        if name in ("topk", "bottomk"):
            return labels
        return set(clause[1]) if clause[0] == "by" else labels - set(clause[1])

    def relabelled(self, name):
        """label_replace(of, to, text, from, pattern), label_join(of, to, between, from, ...)."""
        self.take("(")
        labels, words = self.expression(), []
        while self.text == ",":
            self.take()
            words.append(self.take()[1:-1])
        self.take(")")
        sources = words[2:3] if name == "label_replace" else words[2:]
        missing = set(sources) - labels
        if missing or not sources:
            raise Finding(f"{name} from {', '.join(sources)}: there is no {', '.join(sorted(missing)) or 'label'}")
        return labels | {words[0]}

    def call(self):
        name = self.take()
        if name in ("label_replace", "label_join"):
            return self.relabelled(name)
        if name not in FUNCTIONS:
            raise Finding(f"{name}: no function this check knows")
        labels = self.arguments(name)
        if name == "histogram_quantile":
            if "le" not in labels:
                raise Finding("histogram_quantile of something without le")
            labels = labels - {"le"}
        return set() if name in ("vector", "scalar", "time") else labels

    def arguments(self, function):
        labels = set()
        self.take("(")
        while self.text != ")":
            # What a counting function counts is a selector, and it has to know by whom it is asked.
            labels = labels | (self.operand(function) if function in COUNTING else self.expression())
            if self.text != ")":
                self.take(",")
        self.take(")")
        return labels

    def selector(self, function):
        name = self.take()
        kind, labels = self.find.metric(name)
        if kind == "gauge" and function in COUNTING:
            raise Finding(f"{function} of {name}, which is a gauge")
        if kind == "counter" and function not in COUNTING:
            raise Finding(f"{name} is a counter and not under rate or increase")
        if self.text == "{":
            self.take()
            while self.text != "}":
                label, operator, value = self.take(), self.take("=", "!=", "=~", "!~"), self.take()
                self.check_match(name, labels, label, operator, value[1:-1])
                if self.text != "}":
                    self.take(",")
            self.take("}")
        return set(labels)

    def check_match(self, name, labels, label, operator, value):
        if label not in labels:
            raise Finding(f"{name} has no label {label}")
        known = labels[label]
        if known is None or value == "":
            return
        if operator in ("=", "!="):
            if value not in known:
                raise Finding(f'{name}{{{label}{operator}"{value}"}}: {label} is never that')
            return
        for part in value.split("|"):               # each alternative must be able to match
            try:
                if not any(re.fullmatch(part, each) for each in known):
                    raise Finding(f'{name}{{{label}{operator}"{value}"}}: {label} is never {part}')
            except re.error as error:
                raise Finding(f'{name}{{{label}{operator}"{value}"}}: {error}') from None


class Names:
    """Everything a query may ask for: what proxies show, what Prometheus adds, what recording rules make."""

    def __init__(self, exist, promised, rules):
        self.exist, self.promised, self.used = exist, promised, set()
        self.recorded = {rule["record"]: rule["expr"] for rule in rules if "record" in rule}
        self.made = {}

    def metric(self, name):
        """Its kind and its labels with their closed sets (None: open)."""
        if name == "up":
            return "gauge", dict.fromkeys(SCRAPE_LABELS)
        if name in self.recorded:
            if name not in self.made:
                expression = self.recorded[name]
                self.made[name] = {}                # a rule that asks for itself has no labels
                self.made[name] = dict.fromkeys(Query(expression, self).labels)
            return "recorded", self.made[name]
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        if base != name and base in self.exist and self.exist[base].kind == "histogram":
            return "counter", self.labels(base, {"le": None} if name.endswith("_bucket") else {})
        if name not in self.exist:
            raise Finding(f"{name} does not exist" + (" in the scrape" if name in (self.promised or {}) or
                                                      base in (self.promised or {}) else ""))
        if self.exist[name].kind == "histogram":
            raise Finding(f"{name} is a histogram: ask for its _bucket, _sum or _count")
        return self.exist[name].kind, self.labels(name, {})

    def labels(self, name, more):
        self.used.add(name)
        labels = dict.fromkeys(self.exist[name].labels) if self.promised is None or name not in self.promised else {}
        if self.promised and name in self.promised:
            labels = {**dict.fromkeys(self.exist[name].labels), **self.promised[name].labels}
        return {**labels, **dict.fromkeys(SCRAPE_LABELS), **more}


# --- rules -------------------------------------------------------------------------------------------------------------

def read_rules(path):
    """The rules of a file as {record|alert, expr, text}. Reads the YAML these files are written in: `key: value`, and
    blocks folded with >-. promtool has the say about the rest."""
    rules, lines = [], path.read_text().split("\n")
    at = 0
    while at < len(lines):
        start = re.match(r"(\s*)- (record|alert): (\S+)\s*$", lines[at])
        if not start:
            if re.match(r"\s*-?\s*expr:", lines[at]):
                raise Finding(f"{path}:{at + 1}: an expr without a record or alert line before it")
            at += 1
            continue
        rule, at = {start[2]: start[3], "where": f"{path}:{at + 1}", "text": ""}, at + 1
        while at < len(lines) and (not lines[at].strip() or len(lines[at]) - len(lines[at].lstrip()) > len(start[1])):
            line = lines[at]
            rule["text"] += line + "\n"
            at += 1
            expr = re.match(r"(\s*)expr:\s*(.*)$", line)
            if not expr:
                continue
            rule["expr"] = expr[2]
            if expr[2] in (">-", ">", "|", "|-"):
                rule["expr"] = ""
                while at < len(lines) and len(lines[at]) - len(lines[at].lstrip()) > len(expr[1]):
                    rule["expr"] += lines[at].strip() + " "
                    at += 1
            elif expr[2][:1] in "\"'":
                raise Finding(f"{rule['where']}: write the expr without quotes, or as a block with >-")
        if not rule.get("expr"):
            raise Finding(f"{rule['where']}: no expr")
        rules.append(rule)
    if not rules:
        raise Finding(f"{path}: no rules in it")
    return rules


def check_rule(rule, names):
    labels = Query(rule["expr"], names).labels
    for label in re.findall(r"\$labels\.(\w+)", rule["text"]):
        if label not in labels:
            raise Finding(f"its text shows $labels.{label}, its result has no such label")
    if "alert" in rule and not ("summary:" in rule["text"] and "description:" in rule["text"] and "severity:" in rule["text"]):
        raise Finding("an alert has a severity, a summary and a description")
    if "alert" in rule and not RUNBOOK.search(rule["text"].partition("runbook:")[2]):
        raise Finding("an alert has a runbook that names a command of outrider to begin with")


# --- dashboards --------------------------------------------------------------------------------------------------------

def read_dashboard(path):
    def only_once(pairs):
        for key, count in ((key, sum(1 for other, _ in pairs if other == key)) for key, _ in pairs):
            if count > 1:
                raise Finding(f"{path}: the key {key} twice in one object")
        return dict(pairs)

    def no_constant(text):
        raise Finding(f"{path}: {text} is no JSON")
    try:
        return json.loads(path.read_text(), object_pairs_hook=only_once, parse_constant=no_constant)
    except json.JSONDecodeError as error:
        raise Finding(f"{path}: {error}") from None


def panels_of(board):
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", [])


def fill_in(text, variables):
    """An expression with Grafana's variables replaced, as Grafana would."""
    def one(match):
        name = match[1] or match[2]
        if name.isdigit():                              # what label_replace puts in
            return match[0]
        if name not in variables:
            raise Finding(f"no variable ${name}")
        return variables[name]
    return re.sub(r"\$(?:(\w+)|\{(\w+)(?::\w+)?\})", one, text)


def variables_of(board):
    return {**VARIABLES, **{each["name"]: ".*" for each in board["templating"]["list"]}}


def queries_of(board):
    """(where, expression, target or None) for panels and annotations; variables are queries_of_variables."""
    for panel in panels_of(board):
        for target in panel.get("targets", []):
            yield f"{panel['title']} {target['refId']}", target["expr"], target, panel
    for each in board.get("annotations", {}).get("list", []):
        if "expr" in each:
            yield f"annotation {each['name']}", each["expr"], {"legendFormat": each.get("textFormat", "")}, None


def queries_of_variables(board):
    """(name, selector, label) of every variable that is asked for with label_values."""
    for variable in board["templating"]["list"]:
        if variable["type"] != "query":
            continue
        text = variable["query"]["query"]
        parts = re.fullmatch(r"label_values\((.+),\s*(\w+)\)", text)
        if not parts or variable.get("definition") != text:
            raise Finding(f"variable {variable['name']}: not label_values(metric, label), or its definition differs")
        yield variable["name"], parts[1], parts[2]


def check_layout(panels, findings):
    taken = {}
    for panel in panels:
        place = panel.get("gridPos", {})
        if set(place) != {"x", "y", "w", "h"} or not all(isinstance(n, int) and n >= 0 for n in place.values()):
            findings.append(f"{panel['title']}: gridPos needs whole x, y, w and h")
            continue
        if place["w"] < 1 or place["h"] < 1 or place["x"] + place["w"] > 24:
            findings.append(f"{panel['title']}: outside the 24 columns")
        for cell in itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])):
            other = taken.setdefault(cell, panel["title"])
            if other is not panel["title"]:
                findings.append(f"{panel['title']}: lies over {other}")
                break
    for panel in panels:
        if panel.get("panels"):
            check_layout(panel["panels"], findings)


def check_panel(panel, findings):
    def say(what):
        findings.append(f"panel {panel.get('id')} {panel.get('title')!r}: {what}")
    if panel.get("type") not in PANELS:
        say(f"its type is {panel.get('type')}")
    if not panel.get("title"):
        say("no title")
    if panel.get("type") == "row":
        return
    if not panel.get("description"):
        say("no description")
    unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit") or panel.get("options", {}).get("yAxis", {}).get("unit")
    if not unit:
        say("no unit")
    if not panel.get("targets"):
        say("no query")
    for each in [panel, *panel.get("targets", [])]:
        if each.get("datasource") != {"type": "prometheus", "uid": "${datasource}"}:
            say("does not use the variable datasource")
    ids = [target.get("refId") for target in panel.get("targets", [])]
    if len(set(ids)) != len(ids):
        say("two queries with one refId")


def check_names_of_columns(panel, labels, say):
    """A table: what is renamed must come out of its queries, what is styled must be a column of it."""
    renamed, known = {}, labels | {"Time", "Value"} | {f"Value #{target['refId']}" for target in panel["targets"]}
    for step in panel.get("transformations", []):
        options = step.get("options", {})
        for column in [*options.get("renameByName", {}), *options.get("indexByName", {}), *options.get("excludeByName", {})]:
            if column not in known:
                say(f"column {column} does not come out of its queries")
        renamed.update(options.get("renameByName", {}))
    for override in panel["fieldConfig"]["overrides"]:
        column = override["matcher"]["options"]
        if override["matcher"]["id"] == "byName" and column not in renamed.values() and column not in known:
            say(f"styles the column {column}, which it has not")


def check_node_graph(panel, labels, say):
    """Grafana knows the two frames by their fields. `labels`: refId to what its query is labelled with."""
    made = {step["options"].get("alias") for step in panel.get("transformations", []) if step["id"] == "calculateField"}
    calculated = {step["options"].get("binary", {}).get("left") for step in panel.get("transformations", [])}
    for name, wanted in (("nodes", {"id", "title"}), ("edges", {"id", "source", "target"})):
        if not wanted <= labels.get(name, set()):
            say(f"its query {name} needs the labels {', '.join(sorted(wanted))}")
        if f"Value #{name}" not in calculated or "mainstat" not in made:
            say(f"{name} have no mainstat")
    if labels.get("nodes", set()) & {"source", "target"}:
        say("nodes with a source or a target count as edges")


def links_of(board):
    """(panel or None, address) of every link to another dashboard."""
    def addresses(part):
        if isinstance(part, dict):
            if isinstance(part.get("url"), str) and part["url"]:
                yield part["url"]
            part = list(part.values())
        if isinstance(part, list):
            for each in part:
                yield from addresses(each)
    for panel in panels_of(board):
        for address in addresses({key: value for key, value in panel.items() if key != "panels"}):
            yield panel, address


def check_links(board, boards):
    """Each leads to a dashboard there is, sets variables that one has, by columns and variables there are here."""
    here = variables_of(board)
    for panel, address in links_of(board):
        columns = {name for step in panel.get("transformations", []) for name in step["options"].get("renameByName", {}).values()}
        uid = re.match(r"/d/([\w-]+)\?", address)
        other = next((each for each in boards if uid and each["uid"] == uid[1]), None)
        if not other:
            yield f"{panel['title']}: a link to no dashboard of ours: {address}"
            continue
        set_there = re.findall(r"var-(\w+)=", address) + re.findall(r"\$\{(\w+):queryparam\}", address)
        for name in set(set_there) - set(variables_of(other)):
            yield f"{panel['title']}: a link sets {name}, which {other['title']} has not"
        for name in re.findall(r'\$\{__data\.fields\["([^"]+)"\]\}', address):
            if name not in columns:
                yield f"{panel['title']}: a link takes the column {name}, which it has not"
        for name in re.findall(r"\$\{(\w+)(?::\w+)?\}", address):
            if not name.startswith("__") and name not in here:
                yield f"{panel['title']}: a link takes the variable {name}, which is not here"


def check_board(path, board, names):
    findings, used, columns, graphs = [], {"datasource"}, {}, {}
    variables = variables_of(board)
    for key in ("uid", "title", "description", "schemaVersion", "panels", "templating", "time", "tags"):
        if not board.get(key):
            findings.append(f"no {key}")
    if not 36 <= board.get("schemaVersion", 0) <= 39:
        findings.append("schemaVersion is not one of Grafana 9 to 11")
    if not any(each["name"] == "datasource" and each["type"] == "datasource" for each in board["templating"]["list"]):
        findings.append("no variable datasource")
    ids = [panel.get("id") for panel in panels_of(board)]
    findings += [f"panel id {each} is used twice" for each in sorted(set(each for each in ids if ids.count(each) > 1))]
    for panel in panels_of(board):
        check_panel(panel, findings)
    check_layout(board["panels"], findings)

    queries = 0
    for where, text, target, panel in queries_of(board):
        queries += 1
        used |= {a or b for a, b in re.findall(r"\$(?:(\w+)|\{(\w+))", text)}
        try:
            labels = Query(fill_in(text, variables), names).labels
            for label in re.findall(r"\{\{\s*(\w+)\s*\}\}", target.get("legendFormat", "")):
                if label not in labels:
                    raise Finding(f"its legend shows {label}, its result has no such label")
            if panel and panel["type"] == "nodeGraph":
                graphs.setdefault(panel["id"], (panel, {}))[1][target["refId"]] = labels
            if panel and panel["type"] == "table":
                columns.setdefault(panel["id"], (panel, set()))[1].update(labels)
        except Finding as finding:
            findings.append(f"{where}: {finding}\n    {text}")
    for panel, labels in graphs.values():
        check_node_graph(panel, labels, lambda what, panel=panel: findings.append(f"{panel['title']}: {what}"))
    for panel, labels in columns.values():
        check_names_of_columns(panel, labels, lambda what, panel=panel: findings.append(f"{panel['title']}: {what}"))
    try:
        for name, selector, label in queries_of_variables(board):
            queries += 1
            used |= {a or b for a, b in re.findall(r"\$(?:(\w+)|\{(\w+))", selector)}
            text = fill_in(selector, variables)
            counts = names.metric(re.match(r"\w+", text)[0])[0] == "counter"
            labels = Query(f"rate({text}[1m])" if counts else text, names).labels
            if label not in labels:
                findings.append(f"variable {name}: {selector} has no label {label}")
    except Finding as finding:
        findings.append(f"variable: {finding}")
    findings += [f"nothing uses the variable {name}" for name in sorted(set(variables) - set(VARIABLES) - used)]
    return queries, [f"{path}: {finding}" for finding in findings]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("docker", type=pathlib.Path, help="the directory with grafana/ and prometheus/")
    parser.add_argument("--names", help="proxy/stats/names.h")
    parser.add_argument("--scrape", action="append", default=[], help="text of a scrape, a file or a URL; may be repeated")
    parser.add_argument("--closed", action="store_true", help="a scrape shows nothing that --names does not have")
    arguments = parser.parse_args()
    if not arguments.names and not arguments.scrape or arguments.closed and not (arguments.names and arguments.scrape):
        parser.error("needs --names, --scrape or both; --closed needs both")

    findings, queries = [], 0
    boards = sorted((arguments.docker / "grafana/dashboards").glob("*.json"))
    rule_files = sorted((arguments.docker / "prometheus/rules").glob("*.yml"))
    if not boards or not rule_files:
        parser.error(f"{arguments.docker}: no dashboards or no rules in it")
    try:
        promised = read_names(arguments.names) if arguments.names else None
        scraped = {}
        for source in arguments.scrape:
            read_scrape(source, scraped)
        rules = [rule for path in rule_files for rule in read_rules(path)]
        names = Names(scraped if arguments.scrape else promised, promised, rules)
        uids, read = {}, {path: read_dashboard(path) for path in boards}
        for path, board in read.items():
            count, wrong = check_board(path, board, names)
            queries += count
            findings += wrong + [f"{path}: {finding}" for finding in check_links(board, read.values())]
            if uids.setdefault(board.get("uid"), path) is not path:
                findings.append(f"{path}: has the uid of {uids[board['uid']]}")
    except (Finding, OSError, UnicodeDecodeError) as error:
        print(error)
        return 1
    for rule in rules:
        queries += 1
        try:
            check_rule(rule, names)
        except Finding as finding:
            findings.append(f"{rule['where']}: {rule.get('alert') or rule['record']}: {finding}")
    if arguments.closed:
        findings += not_promised(scraped, promised)
    if findings:
        print("\n".join(findings))
        print(f"{len(findings)} findings")
        return 1
    print(f"{len(boards)} dashboards, {queries} queries, {len(names.used)} metric names: all exist")
    return 0


if __name__ == "__main__":
    sys.exit(main())
