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

sys.dont_write_bytecode = True      # the source tree stays clean
from metrics import Finding, not_promised, read_names, read_scrape
from promql import Names, Query

VARIABLES = {"__rate_interval": "1m", "__interval": "1m", "__range": "1h"}   # Grafana's own, with a value that parses
PANELS = {"stat", "timeseries", "table", "heatmap", "bargauge", "gauge", "state-timeline", "nodeGraph", "row"}
RUNBOOK = re.compile(r"`outrider (explain|endpoints|stat|check|config|identity|services|tap|route|health)\b")


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
