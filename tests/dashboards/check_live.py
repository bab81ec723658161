#!/usr/bin/env python3
"""Starts a small mesh of real proxies and holds the dashboards, rules and names.h against what it shows.

  check_live.py docker --names proxy/stats/names.h --outrider build/outrider

Every metric and label that is asked for is in a scrape, and a scrape has nothing names.h does not promise. Where
Debian's package prometheus is installed, promtool finds nothing in a scrape, Prometheus has every proxy up, and no panel
of a dashboard is empty.
"""
import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.dont_write_bytecode = True      # the source tree stays clean
import check_dashboards
import live_mesh
import query_dashboards

CHECK = pathlib.Path(__file__).parent / "check_dashboards.py"


def check_scrapes(arguments, mesh):
    """Until all is there: a counter of something rare comes with the first of it. The last output, and whether it is good."""
    words = [sys.executable, CHECK, arguments.docker, "--names", arguments.names, "--closed"]
    for address in mesh.metrics().values():
        words += ["--scrape", f"http://{address}/metrics"]
    end = time.monotonic() + live_mesh.PATIENCE
    while True:
        result = subprocess.run(words, capture_output=True, text=True, timeout=live_mesh.PATIENCE)
        if result.returncode == 0 or time.monotonic() > end:
            return (result.stdout + result.stderr).strip(), result.returncode == 0
        time.sleep(0.5)


def scrape_of(address):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return answer.read().decode()


def check_labels(mesh):
    """A name that only a client knows is no label: anybody could make a series of it."""
    for name, address in mesh.metrics().items():
        if live_mesh.NOBODY in scrape_of(address):
            yield f"{name} has {live_mesh.NOBODY} in its metrics"


def check_format(promtool, mesh):
    for name, address in mesh.metrics().items():
        text = scrape_of(address)
        result = subprocess.run([promtool, "check", "metrics"], input=text.encode(), capture_output=True, timeout=60)
        if result.returncode != 0 or result.stdout or result.stderr:
            yield f"promtool check metrics, {name}: {(result.stdout + result.stderr).decode()}"


def check_prometheus(binary, docker, mesh, folder):
    targets = [(address, {"job": name}) for name, address in mesh.metrics().items()]
    prometheus = query_dashboards.Prometheus(binary, query_dashboards.prepare(docker / "prometheus", folder, targets), folder)
    try:
        prometheus.wait_until("its port", prometheus.find_port)
        prometheus.wait_until("data", lambda: prometheus.has_data(len(targets)))
        targets = prometheus.ask("targets", state="active")["activeTargets"]
        down = [f"{each['labels']['job']} is {each['health']}: {each['lastError']}" for each in targets if each["health"] != "up"]
        mesh.begin_replica("orders-2")                     # what is rare has to happen while Prometheus looks
        end = time.monotonic() + live_mesh.PATIENCE
        while True:
            asked, findings = query_dashboards.ask_everything(docker, prometheus, every_query=False)
            if not findings or time.monotonic() > end:
                break
            time.sleep(0.5)
        print(f"Prometheus: {len(targets) - len(down)} of {len(targets)} targets up, {asked} queries and rules")
        return down + findings
    finally:
        prometheus.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("docker", type=pathlib.Path)
    parser.add_argument("--names", required=True, help="proxy/stats/names.h")
    parser.add_argument("--outrider", required=True, help="the binary")
    arguments = parser.parse_args()
    binary, promtool = shutil.which("prometheus"), shutil.which("promtool")
    findings = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        try:
            with live_mesh.Mesh(arguments.outrider, folder) as mesh:
                output, good = check_scrapes(arguments, mesh)
                print(output)
                findings += [] if good else [f"the last trouble of the traffic: {mesh.trouble}"]
                findings += check_labels(mesh)
                if promtool:
                    findings += check_format(promtool, mesh)
                if binary:
                    findings += check_prometheus(binary, arguments.docker, mesh, folder)
                else:
                    print("Prometheus is not installed: the queries were not asked")
        except (check_dashboards.Finding, live_mesh.Failure, OSError, subprocess.SubprocessError) as trouble:
            findings.append(str(trouble))
    if findings:
        print("\n".join(findings))
        print(f"{len(findings)} findings")
        return 1
    print("all of it is there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
