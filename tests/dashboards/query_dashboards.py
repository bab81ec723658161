#!/usr/bin/env python3
"""Puts every query of the dashboards to a real Prometheus, and every rule too.

  query_dashboards.py docker --names proxy/stats/names.h

Runs promtool over docker/prometheus, then Prometheus itself with that configuration on a free loopback port, scraping
two made-up proxies that show all of names.h. Every panel must get an answer with data in it, every variable at least
one value, every rule must evaluate. Needs Debian's package prometheus. Bounded in time; leaves nothing running.
"""
import argparse
import http.server
import json
import math
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

sys.dont_write_bytecode = True      # the source tree stays clean
import check_dashboards
import sample_scrape

PROXIES = {"orders": "10.0.0.1:15020", "web": "10.0.0.2:15020"}      # job to instance
PATIENCE = 90                                                        # seconds, for anything that is waited for


def exporter(metrics):
    started = time.monotonic()

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = sample_scrape.text(metrics, time.monotonic() - started + 1).encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def prepare(source, directory, targets):
    """A copy of docker/prometheus that looks more often, at these: (address, labels)."""
    config = directory / "prometheus"
    shutil.copytree(source, config)
    text = (config / "prometheus.yml").read_text()
    for key in ("scrape_interval", "scrape_timeout", "evaluation_interval"):
        text, changed = re.subn(rf"^(\s*{key}:) \d+s", r"\1 2s", text, flags=re.M)
        if changed != 1:
            raise check_dashboards.Finding(f"prometheus.yml: {changed} times {key}, expected once")
    (config / "prometheus.yml").write_text(text)
    for each in (config / "targets").iterdir():
        each.unlink()
    (config / "targets/these.json").write_text(json.dumps(
        [{"targets": [address], "labels": labels} for address, labels in targets]))
    return config


class Prometheus:
    """The process: started here, ended by close(), which the owner always calls."""

    def __init__(self, binary, config, directory):
        self.log = directory / "prometheus.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [binary, f"--config.file={config}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
                 "--web.listen-address=127.0.0.1:0"], stdout=log, stderr=log, cwd=directory)
        self.base = None

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def wait_until(self, what, done):
        end = time.monotonic() + PATIENCE
        while True:
            if self.process.poll() is not None:
                raise check_dashboards.Finding(f"prometheus ended:\n{self.log.read_text()}")
            if done():
                return
            if time.monotonic() > end:
                raise check_dashboards.Finding(f"waited {PATIENCE} s for {what}:\n{self.log.read_text()}")
            time.sleep(0.1)

    def find_port(self):
        address = re.search(r'msg="Listening on" address=(127\.0\.0\.1:\d+)', self.log.read_text())
        self.base = address and f"http://{address[1]}"
        return self.base

    def ask(self, path, **arguments):
        """The data of an answer; a Finding with Prometheus' own words when it is an error."""
        try:
            with urllib.request.urlopen(f"{self.base}/api/v1/{path}?{urllib.parse.urlencode(arguments)}", timeout=30) as answer:
                answer = json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            answer = json.loads(text) if text.startswith("{") else {"error": f"{error.code} {text}"}   # 503 until it has started
        if answer.get("status") != "success":
            raise check_dashboards.Finding(answer.get("error", "no answer"))
        return answer["data"]

    def query(self, text):
        return self.ask("query", query=text)["result"]

    def has_data(self, proxies):
        """Every proxy was scraped four times, and every rule has been evaluated."""
        try:
            counts = self.query("count_over_time(outrider_build_info[1m])")
            rules = [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]
        except (check_dashboards.Finding, OSError):
            return False
        return (len(counts) == proxies and all(float(each["value"][1]) >= 4 for each in counts)
                and rules and all(rule["health"] != "unknown" for rule in rules))


def is_empty(result):
    """Nothing, or nothing but what is no number."""
    return all(math.isnan(float(each["value"][1])) for each in result)


def ask_everything(docker, prometheus, every_query=True):
    """(how many, findings). Without `every_query` one query with data is enough for a panel: nobody gets a 1xx."""
    findings, asked = [], 0
    for path in sorted((docker / "grafana/dashboards").glob("*.json")):
        board = check_dashboards.read_dashboard(path)
        variables = check_dashboards.variables_of(board)
        filled = {}                                     # id of a panel to whether it has data
        for where, text, _, panel in check_dashboards.queries_of(board):
            asked += 1
            try:
                empty = is_empty(prometheus.query(check_dashboards.fill_in(text, variables)))
                if panel:                               # annotations are rare events
                    filled[panel["id"]] = filled.get(panel["id"], False) or not empty
                if empty and panel and every_query:
                    raise check_dashboards.Finding("no data")
            except check_dashboards.Finding as finding:
                findings.append(f"{path.name}: {where}: {finding}\n    {text}")
        findings += [f"{path.name}: {panel['title']}: no data" for panel in check_dashboards.panels_of(board)
                     if not every_query and not filled.get(panel["id"], True)]
        for name, selector, label in check_dashboards.queries_of_variables(board):
            asked += 1
            match = check_dashboards.fill_in(selector, variables)
            try:
                if not prometheus.ask(f"label/{label}/values", **{"match[]": match}):
                    raise check_dashboards.Finding("no values")
            except check_dashboards.Finding as finding:
                findings.append(f"{path.name}: variable {name}: {finding}\n    {selector}")
    written = [rule for path in (docker / "prometheus/rules").glob("*.yml") for rule in check_dashboards.read_rules(path)]
    loaded = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    if sorted(rule.get("record") or rule["alert"] for rule in written) != sorted(rule["name"] for rule in loaded):
        findings.append("the rules in the files are not the rules that were loaded")
    for rule in loaded:
        asked += 1
        if rule["health"] != "ok":
            findings.append(f"rule {rule['name']}: {rule['health']}: {rule.get('lastError')}")
    return asked, findings


def untested(rules, tests):
    """Alerts that no test has both firing and silent."""
    for alert in (rule["alert"] for path in rules for rule in check_dashboards.read_rules(path) if "alert" in rule):
        firing = rf"alertname: {alert}\n\s+eval_time: \S+\n\s+exp_alerts:\n\s+- exp_labels"
        silent = rf"alertname: {alert}, eval_time: \S+, exp_alerts: \[\]"
        if not re.search(firing, tests) or not re.search(silent, tests):
            yield alert


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("docker", type=pathlib.Path)
    parser.add_argument("--names", required=True, help="proxy/stats/names.h")
    arguments = parser.parse_args()
    binary, promtool = shutil.which("prometheus"), shutil.which("promtool")
    if not binary or not promtool:
        print("prometheus or promtool is not installed (Debian: apt-get install prometheus)")
        return 1
    source = arguments.docker / "prometheus"
    for check in (["check", "config", source / "prometheus.yml"], ["check", "rules", *sorted((source / "rules").glob("*.yml"))],
                  ["test", "rules", pathlib.Path(__file__).parent / "rules_test.yml"]):
        result = subprocess.run([promtool, *map(str, check)], capture_output=True, text=True, timeout=PATIENCE)
        if result.returncode != 0:
            print(f"promtool {' '.join(check[:2])}:\n{result.stdout}{result.stderr}")
            return 1
    tests = pathlib.Path(__file__).parent / "rules_test.yml"
    if missing := list(untested(sorted((source / "rules").glob("*.yml")), tests.read_text())):
        print(f"{tests.name} does not have both firing and silent: {', '.join(missing)}")
        return 1
    server = prometheus = None
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        try:
            server = exporter(check_dashboards.read_names(arguments.names))
            targets = [(f"127.0.0.1:{server.server_address[1]}", {"job": job, "instance": instance})
                       for job, instance in PROXIES.items()]
            prometheus = Prometheus(binary, prepare(source, directory, targets), directory)
            prometheus.wait_until("its port", prometheus.find_port)
            prometheus.wait_until("data", lambda: prometheus.has_data(len(PROXIES)))
            asked, findings = ask_everything(arguments.docker, prometheus)
        except check_dashboards.Finding as finding:
            asked, findings = 0, [str(finding)]
        finally:
            if prometheus:
                prometheus.close()
            if server:
                server.shutdown()
    if findings:
        print("\n".join(findings))
        print(f"{len(findings)} findings")
        return 1
    print(f"{asked} queries and rules, all answered by Prometheus")
    return 0


if __name__ == "__main__":
    sys.exit(main())
