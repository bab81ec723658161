#!/usr/bin/env python3
"""A scrape with every metric of names.h, every closed label value and made-up names for the open ones.

  sample_scrape.py proxy/stats/names.h   prints one
"""
import itertools
import sys
import time

sys.dont_write_bytecode = True      # the source tree stays clean
import check_dashboards

OPEN = {"route": ["orders", "default"], "cluster": ["orders", "users"], "listener": ["inbound"], "service": ["orders"],
        "endpoint": ["10.0.0.1:8080", "10.0.0.2:8080"], "reason": ["bad header name"], "version": ["0.1.0"],
        "revision": ["abc123"], "hash": ["5f3a"], "spiffe_id": ["spiffe://mesh/ns/default/sa/orders"], "issuer": ["mesh CA"], "rule": ["allow[0]"], "peer": ["default/users"], "trust_domain": ["mesh.local"],
        "owner": ["listeners.edge.tls"], "file": ["/run/tls/tls.crt"], "source": ["id.example.com"],
        "store": ["127.0.0.1:6379"], "container": ["web"]}
CODES = ["101", "200", "302", "404", "499", "503", "other"]          # one of each class is enough
BOUNDS = ["0.001", "0.01", "0.1", "1", "+Inf"]


def samples(label, values):
    if label == "code":
        return CODES
    return sorted(values) if values is not None else OPEN[label]


def text(metrics, age):
    """What a proxy would show `age` seconds after its start: counters rise with it, each series at its own pace."""
    lines = []
    for name, metric in metrics.items():
        lines += [f"# HELP {name} Sample.", f"# TYPE {name} {metric.kind}"]
        choices = [[(label, value) for value in samples(label, values)] for label, values in metric.labels.items()]
        if name.endswith("_info"):
            choices = [each[-1:] for each in choices]                 # one proxy has one of each
        for pace, labels in enumerate(itertools.product(*choices), 1):
            inside = ",".join(f'{label}="{value}"' for label, value in labels)
            if metric.kind == "histogram":
                for i, bound in enumerate(BOUNDS, 1):
                    lines.append(f'{name}_bucket{{{inside + "," if inside else ""}le="{bound}"}} {int(age * pace * i)}')
                lines.append(f"{name}_sum{{{inside}}} {age * pace * 0.05:.6f}")
                lines.append(f"{name}_count{{{inside}}} {int(age * pace * len(BOUNDS))}")
                continue
            value = age * pace if metric.kind == "counter" else 1
            if name.endswith("_timestamp_seconds"):
                value = time.time() + 3600
            if name == "process_start_time_seconds":
                value = time.time() - age
            lines.append(f"{name}{{{inside}}} {value:.6f}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text(check_dashboards.read_names(sys.argv[1]), 60))
