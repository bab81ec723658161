#!/usr/bin/env python3
"""What is read of compose.yaml is noticed when it is wrong: each case spoils one thing in a copy of docker/.

  written_test.py SOURCE_ROOT --outrider build/outrider
"""
import argparse
import pathlib
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True      # the source tree stays clean
try:
    from written import Compose, read_everything
except ImportError:
    print("needs Python's yaml (Debian: python3-yaml)")
    sys.exit(77)

CASES = {                            # what is spoilt: (file, from, to, what must be found)
    "a configuration that is not there": ("compose.yaml", "/etc/outrider/cart.yaml", "/etc/outrider/crt.yaml", "/etc/outrider/crt.yaml is not mounted"),
    "a configuration nobody uses": ("compose.yaml", "/etc/outrider/cart.yaml", "/etc/outrider/shop.yaml", "docker/demo/cart.yaml: nobody uses it"),
    "a key that does not exist": ("demo/shop.yaml", "lease:", "leese:", 'did you mean "lease"'),
    "a folder that is not there": ("compose.yaml", "./prometheus/rules:", "./prometheus/rule:", "mounts ./prometheus/rule, which is not there"),
    "a volume nobody has": ("compose.yaml", "mesh:/run/mesh:ro", "mash:/run/mesh:ro", "mounts mash, which is no volume"),
    "a service to wait for that is not there": ("compose.yaml", "seed: {condition", "sead: {condition", "waits for sead"),
    "a port open to all": ("compose.yaml", "127.0.0.1:9090:9090", "9090:9090", "is open to more than this machine"),
    "a proxy nobody scrapes": ("demo/targets.yml", "shop-2:15020", "shop-3:15020", "does not have just the proxies"),
    "dashboards where nobody looks": ("compose.yaml", "/var/lib/grafana/dashboards:ro", "/var/lib/grafana/boards:ro", "not mounted where it is told to look"),
    "a data source without an address": ("compose.yaml", "PROMETHEUS_URL:", "PROMETHEUS:", "PROMETHEUS_URL is not set"),
    "a pipeline without its end": ("otel-collector.yaml", "exporters: [debug]", "exporters: [file]", "no file among exporters"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("--outrider", required=True, type=pathlib.Path, help="the binary")
    arguments = parser.parse_args()
    outrider, failures = arguments.outrider.resolve(), []
    with tempfile.TemporaryDirectory() as folder:
        for case, (file, old, new, wanted) in CASES.items():
            copy = pathlib.Path(folder) / "docker"
            shutil.copytree(arguments.root / "docker", copy)
            text = (copy / file).read_text()
            (copy / file).write_text(text.replace(old, new))
            found = "\n".join(read_everything(Compose(copy.parent), outrider))
            if old not in text or wanted not in found:
                failures.append(f"{case}: expected {wanted!r}, got:\n{found}")
            shutil.rmtree(copy)
    print("\n".join(failures) or f"{len(CASES)} cases, all as expected")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
