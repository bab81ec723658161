#!/usr/bin/env python3
"""The rules of rules/ as a PrometheusRule, for the operator of Prometheus.

  operator.py [--check]     writes docker/kubernetes/overlays/operator/rules.yaml, or fails where it is not what it should be
"""
import pathlib
import sys

here = pathlib.Path(__file__).resolve().parent
target = here.parent / "kubernetes/overlays/operator/rules.yaml"
HEAD = """# Made by docker/prometheus/operator.py out of docker/prometheus/rules.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: outrider
spec:
  groups:
"""


def groups(file):
    """What is below `groups:`, as it is written."""
    _, _, below = file.read_text().partition("\ngroups:\n")
    return "".join(f"  {line}\n" if line else "\n" for line in below.rstrip("\n").split("\n"))


def main():
    text = HEAD + "".join(groups(here / "rules" / name) for name in ("recording.yml", "alerts.yml"))
    if "--check" in sys.argv[1:]:
        if target.read_text() != text:
            print(f"{target} is not what rules/ says: run docker/prometheus/operator.py")
            return 1
        return 0
    target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
