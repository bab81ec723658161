#!/usr/bin/env python3
"""The check finds what it is for: each case spoils one thing in a copy of docker/ and says what must be found.

  check_dashboards_test.py SOURCE_ROOT
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

CHECK = pathlib.Path(__file__).parent / "check_dashboards.py"
BOARD, ALERTS, RECORDING = ("grafana/dashboards/mesh-overview.json", "prometheus/rules/alerts.yml",
                            "prometheus/rules/recording.yml")


def panel(change, which=0):
    def spoil(board):
        change([each for each in board["panels"] if each["type"] != "row"][which])
    return spoil


def link(old, new):
    """The first link of the table of services, with a part of it altered."""
    def change(each):
        links = next(one for one in each["fieldConfig"]["overrides"] if one["properties"][0]["id"] == "links")["properties"][0]["value"]
        links[0]["url"] = links[0]["url"].replace(old, new)
    return panel(change, 7)


def graph(change):
    def spoil(board):
        change(next(each for each in board["panels"] if each["type"] == "nodeGraph"))
    return spoil


def expr(text):
    return panel(lambda each: each["targets"][0].update(expr=text))


IN_BOARDS = {
    "a metric that does not exist": (expr("sum(rate(outrider_request_total[1m]))"), "outrider_request_total does not exist"),
    "a histogram by its bare name": (expr("sum(rate(outrider_request_duration_seconds[1m]))"), "is a histogram"),
    "a suffix on what is no histogram": (expr("sum(outrider_registry_peers_count)"), "outrider_registry_peers_count does not exist"),
    "a label that does not exist": (expr('sum(rate(outrider_requests_total{status="200"}[1m]))'), "has no label status"),
    "a label of another metric": (expr("sum by (route) (outrider_requests_in_flight)"), "has no route"),
    "a value outside the closed set": (expr('sum(rate(outrider_requests_total{flag="late"}[1m]))'), "flag is never that"),
    "an alternative that never matches": (expr('sum(rate(outrider_requests_total{code=~"5..|6.."}[1m]))'), "code is never 6.."),
    "a quantile of what has no buckets": (expr("histogram_quantile(0.9, sum(rate(outrider_request_duration_seconds_bucket[1m])))"), "without le"),
    "on() with a label one side has not": (expr("sum by (job) (up) and on (job, instance) outrider_build_info"), "left side has no instance"),
    "a counter without rate": (expr("sum(outrider_requests_total)"), "is a counter"),
    "rate of a gauge": (expr("sum(rate(outrider_registry_peers[1m]))"), "which is a gauge"),
    "a query that does not parse": (expr("sum(rate(outrider_requests_total[1m])"), "expected ,"),
    "a variable nobody defined": (expr('sum(outrider_registry_peers{job=~"$team"})'), "no variable $team"),
    "a legend with a label that is summed away": (panel(lambda each: each["targets"][0].update(legendFormat="{{job}}")), "its legend shows job"),
    "no title": (panel(lambda each: each.update(title="")), "no title"),
    "no description": (panel(lambda each: each.pop("description")), "no description"),
    "no unit": (panel(lambda each: each["fieldConfig"]["defaults"].pop("unit")), "no unit"),
    "a data source of its own": (panel(lambda each: each["targets"][0].update(datasource={"type": "prometheus", "uid": "P1"})), "variable datasource"),
    "an id twice": (panel(lambda each: each.update(id=2)), "panel id 2 is used twice"),
    "a panel over another": (panel(lambda each: each["gridPos"].update(x=1), 1), "lies over"),
    "a panel too wide": (panel(lambda each: each["gridPos"].update(w=25)), "outside the 24 columns"),
    "a column nothing makes": (panel(lambda each: each["transformations"][1]["options"]["renameByName"].update(zone="Zone"), 7), "column zone"),
    "a style for no column": (panel(lambda each: each["fieldConfig"]["overrides"][0]["matcher"].update(options="Succes"), 7), "styles the column Succes"),
    "a variable nothing uses": (lambda board: board["templating"]["list"].append(
        {"name": "zone", "type": "custom", "query": "a,b"}), "nothing uses the variable zone"),
    "a variable of a label that is not there": (lambda board: board["templating"]["list"][1].update(
        definition="label_values(outrider_build_info, route)", query={"query": "label_values(outrider_build_info, route)"}), "has no label route"),
    "a label made from one that is not there": (expr('sum by (to) (label_replace(up, "to", "$1", "cluster", "(.*)"))'), "there is no cluster"),
    "a link to a dashboard that is not there": (link("outrider-service", "outrider-servce"), "a link to no dashboard of ours"),
    "a link that sets what the other has not": (link("var-service", "var-job"), "a link sets job"),
    "a link by a column that is not there": (link('"Service"', '"Job"'), "a link takes the column Job"),
    "a link by a variable that is not there": (link("${datasource}", "${source}"), "a link takes the variable source"),
    "a node graph without who is asked": (graph(lambda each: each["targets"][1].update(expr='label_replace(up, "id", "$1", "job", "(.*)")')), "its query edges needs the labels"),
    "a node graph without figures": (graph(lambda each: each.pop("transformations")), "nodes have no mainstat"),
    "the uid of another": (lambda board: board.update(uid="outrider-service"), "has the uid of"),
}
IN_TEXT = {
    "JSON with a trailing comma": (BOARD, '"tags": [\n  "outrider"\n ],', '"tags": [\n  "outrider",\n ],', "mesh-overview.json"),
    "a key twice": (BOARD, '"refresh": "10s",', '"refresh": "10s", "refresh": "5s",', "the key refresh twice"),
    "an alert on a metric that does not exist": (ALERTS, "(outrider_cluster_panic)", "(outrider_cluster_panics)", "OutriderClusterPanic: outrider_cluster_panics does not exist"),
    "an alert on a rule that does not exist": (ALERTS, "requests:ratio_rate1h", "requests:ratio_rate2h", "ratio_rate2h does not exist"),
    "an alert on a value that never comes": (ALERTS, 'sealed="false"', 'sealed="no"', "sealed is never that"),
    "an alert that shows a label it lost": (ALERTS, "max by (namespace, job, instance, cluster) (outrider_cluster_panic)", "max by (job) (outrider_cluster_panic)", "$labels.instance"),
    "an alert without a runbook": (ALERTS, 'runbook: "`outrider endpoints', 'notes: "`outrider endpoints', "OutriderClusterPanic: an alert has a runbook"),
    "a runbook without a command": (ALERTS, 'runbook: "`outrider endpoints {{ $labels.cluster }}` there says for each', 'runbook: "Look', "OutriderClusterPanic: an alert has a runbook"),
    "a recording rule by a label that is not there": (RECORDING, "sum by (namespace, job, direction) (rate(outrider_requests_total[5m]))", "sum by (job, peer) (rate(outrider_requests_total[5m]))", "has no peer"),
}


def run(docker, *arguments):
    result = subprocess.run([sys.executable, CHECK, docker, *arguments], capture_output=True, text=True, timeout=60)
    return result.returncode, result.stdout + result.stderr


def main():
    root = pathlib.Path(sys.argv[1])
    names, failures = root / "proxy/stats/names.h", []

    def expect(case, wanted, code, output):
        if code != 1 or wanted not in output:
            failures.append(f"{case}: expected {wanted!r}, got exit {code}:\n{output}")

    with tempfile.TemporaryDirectory() as directory:
        docker = pathlib.Path(directory) / "docker"
        shutil.copytree(root / "docker", docker)
        code, output = run(docker, "--names", names)
        if code != 0:
            failures.append(f"unspoilt: exit {code}:\n{output}")
        for case, (spoil, wanted) in IN_BOARDS.items():
            whole = (docker / BOARD).read_text()
            board = json.loads(whole)
            spoil(board)
            (docker / BOARD).write_text(json.dumps(board))
            expect(case, wanted, *run(docker, "--names", names))
            (docker / BOARD).write_text(whole)
        for case, (file, old, new, wanted) in IN_TEXT.items():
            whole = (docker / file).read_text()
            if old not in whole:
                failures.append(f"{case}: {file} no longer has {old!r}")
            (docker / file).write_text(whole.replace(old, new, 1))
            expect(case, wanted, *run(docker, "--names", names))
            (docker / file).write_text(whole)

        sample = subprocess.run([sys.executable, CHECK.parent / "sample_scrape.py", names], capture_output=True, text=True,
                                check=True, timeout=60).stdout
        scrape = pathlib.Path(directory) / "scrape.txt"
        for case, text, arguments, wanted in (
                ("a scrape with all", sample, [], None),
                ("a scrape that lacks one", "\n".join(line for line in sample.split("\n") if "outrider_cluster_panic" not in line),
                 ["--names", names], "outrider_cluster_panic does not exist in the scrape"),
                ("a scrape with a value nobody promised", sample.replace('way="in"', 'way="sideways"'), ["--names", names, "--closed"],
                 'way="sideways"}, names.h has no such value')):
            scrape.write_text(text)
            code, output = run(docker, "--scrape", scrape, *arguments)
            if wanted:
                expect(case, wanted, code, output)
            elif code != 0:
                failures.append(f"{case}: exit {code}:\n{output}")
    print("\n".join(failures) or f"{len(IN_BOARDS) + len(IN_TEXT) + 4} cases, all as expected")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
