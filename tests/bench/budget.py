"""The ratios that must hold, and whether they do."""
import collections
import json
import os

import report

BUDGET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "budget.json")
Verdict = collections.namedtuple("Verdict", "name found at_most broken")


def load(path=BUDGET):
    with open(path, encoding="utf-8") as text:
        return json.load(text)


def found(entry, runs):
    """The figure an entry speaks of, or its ratio to another's; None where one of them was not measured."""
    workload, figure, proxy = entry["workload"], entry["figure"], entry.get("proxy", "outrider")
    if "beside" not in entry:
        return report.median(runs, workload, proxy, figure)
    others = report.PEERS if entry["beside"] == "best peer" else (entry["beside"],)
    ratios = [report.ratio(runs, workload, proxy, other, figure) for other in others]
    return max((r for r in ratios if r is not None), default=None)       # beside the best of them it looks worst


def judge(entries, runs):
    verdicts = []
    for entry in entries:
        value = found(entry, runs)
        name = f"{entry['target']} {entry['workload']} {entry.get('proxy', '')} {entry['figure']}".replace("  ", " ")
        if "beside" in entry:
            name += f" beside {entry['beside']}"
        verdicts.append(Verdict(name, value, entry["at_most"], value is not None and value > entry["at_most"]))
    errors = sum(run.get("errors", 0) for run in runs if run["proxy"] not in report.PEERS)
    return verdicts + [Verdict("errors of outrider", errors if runs else None, 0, errors > 0)]


def table(verdicts):
    lines = ["\nbudget"]
    for verdict in verdicts:
        word = "not measured" if verdict.found is None else "BROKEN" if verdict.broken else "kept"
        lines.append(f"  {word:12} {verdict.name}: {report.number(verdict.found, 2)}, at most {verdict.at_most}")
    return "\n".join(lines)
