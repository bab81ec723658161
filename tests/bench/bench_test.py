#!/usr/bin/env python3
"""The budget over made-up runs: what is broken is named, what holds is not, what was not measured is neither."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

import budget
import report

HERE = os.path.dirname(os.path.abspath(__file__))
GOOD = {                     # workload -> proxy -> figures within budget
    "http": {"outrider": {"cpu_us": 20, "calls": 4.1}, "haproxy": {"cpu_us": 30}, "nginx": {"cpu_us": 25}},
    "rate": {"outrider": {"cpu_us": 40}, "haproxy": {"cpu_us": 50}, "nginx": {"cpu_us": 45}},
    "tcp": {"outrider": {"cpu_us": 20}, "haproxy": {"cpu_us": 20}, "nginx": {"cpu_us": 22}},
    "tcp-1m": {"outrider": {"cpu_us": 300}, "haproxy": {"cpu_us": 900}, "nginx": {"cpu_us": 800}},
    "http-1m": {"outrider": {"cpu_us": 500}, "haproxy": {"cpu_us": 800}, "nginx": {"cpu_us": 900}},
    "h2": {"outrider": {"cpu_us": 16}, "haproxy": {"cpu_us": 17}, "nginx": {"cpu_us": 31}},
    "h2-h2": {"outrider": {"cpu_us": 9}, "haproxy": {"cpu_us": 10}},
    "idle": {"outrider": {"start_mib": 7, "idle_bytes": 500}, "outrider-dht": {"start_mib": 20, "idle_bytes": 500}},
    "growth": {name: {"cpu_us": 20} for name in ("small", "endpoints", "endpoints-even", "endpoints-all", "routes", "clusters")},
}


def runs(changes=()):
    """Three rounds; what is changed is (workload, proxy, figure, value)."""
    made = [{"workload": workload, "proxy": proxy, "round": round_, "errors": 0, **figures}
            for workload, proxies in GOOD.items() for proxy, figures in proxies.items() for round_ in range(3)]
    for workload, proxy, figure, value in changes:
        for run in made:
            if (run["workload"], run["proxy"]) == (workload, proxy):
                run[figure] = value
    return made


def broken(made):
    return [verdict.name for verdict in budget.judge(budget.load(), made) if verdict.broken]


class Budget(unittest.TestCase):
    def test_a_run_within_budget_breaks_nothing_and_leaves_nothing_unmeasured(self):
        verdicts = budget.judge(budget.load(), runs())
        self.assertEqual([v.name for v in verdicts if v.broken or v.found is None], [])

    def test_every_entry_can_be_broken_by_outriders_own_figure(self):
        for entry in budget.load():
            change = entry["workload"], entry.get("proxy", "outrider"), entry["figure"], 1e6
            self.assertEqual(len(broken(runs([change]))), 1, entry)

    def test_the_better_peer_counts(self):
        self.assertEqual(broken(runs([("http", "haproxy", "cpu_us", 21)])), ["P1 http cpu_us beside best peer"])
        self.assertEqual(broken(runs([("http", "nginx", "cpu_us", 21)])), ["P1 http cpu_us beside best peer"])

    def test_a_peer_that_was_not_measured_is_left_out(self):
        self.assertEqual(broken([r for r in runs([("tcp", "outrider", "cpu_us", 21)]) if r["proxy"] != "haproxy"]), [])

    def test_the_limit_itself_is_kept(self):
        self.assertEqual(broken(runs([("http", "outrider", "calls", 4.2)])), [])
        self.assertEqual(broken(runs([("http", "outrider", "calls", 4.21)])), ["P1 http calls"])

    def test_one_bad_round_of_three_is_noise(self):
        made = runs()
        next(run for run in made if run["workload"] == "http")["cpu_us"] = 1e6
        self.assertEqual(broken(made), [])

    def test_what_was_not_measured_is_not_broken_and_says_so(self):
        verdicts = budget.judge(budget.load(), [run for run in runs() if run["workload"] == "tcp"])
        self.assertEqual([v.name for v in verdicts if v.broken], [])
        self.assertIn("not measured", budget.table(verdicts))

    def test_an_error_of_outrider_breaks_it_and_one_of_a_peer_does_not(self):
        self.assertEqual(broken(runs([("growth", "routes", "errors", 1)])), ["errors of outrider"])
        self.assertEqual(broken(runs([("http", "nginx", "errors", 1)])), [])


class Report(unittest.TestCase):
    def test_user_and_system_are_split_by_all_rounds_together(self):
        made = [{"workload": "http", "proxy": "outrider", "cpu_us": 10, "user_ticks": user, "system_ticks": system}
                for user, system in ((0, 5), (5, 10))]
        self.assertEqual(report.median(made, "http", "outrider", "user_us"), 2.5)

    def test_the_last_column_is_outrider_divided_by_the_other(self):
        self.assertIn("0.80x", [line for line in report.table("http", "", runs()).split("\n") if "nginx" in line][0])


class CommandLine(unittest.TestCase):
    def check(self, made):
        kept = {"machine": {"date": "", "cores": 2, "cpu": "", "kernel": "", "load": 0}, "notes": [], "runs": made,
                "versions": {"outrider": "", "haproxy": "", "nginx": ""}}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(kept, file)
            file.flush()
            return subprocess.run([sys.executable, os.path.join(HERE, "bench.py"), "--read", file.name, "--check", "--markdown"],
                                  capture_output=True, text=True)

    def test_check_ends_with_0_when_all_is_kept(self):
        done = self.check(runs())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_check_ends_with_1_and_names_what_is_broken(self):
        done = self.check(runs([("http", "outrider", "calls", 5.0)]))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual([line.split()[1:4] for line in done.stdout.split("\n") if "BROKEN" in line], [["P1", "http", "calls:"]])


if __name__ == "__main__":
    unittest.main()
