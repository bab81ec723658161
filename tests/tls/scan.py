#!/usr/bin/env python3
"""testssl.sh against an edge listener with default settings: fails where it finds anything above LOW that is ours to mend."""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
from local import HOST, free_ports, wait_for_port  # noqa: E402 (the path comes first)

SKIPPED = 77
FINE = ("OK", "INFO", "LOW", "WARN")   # WARN: it could not look
# A test's authority revokes nothing; headers are the origin's.
NOT_OURS = ("cert_revocation", "security_headers")
DAYS = 120   # from 90 on a certificate is a long one
CONFIG = """\
version: 1
mode: edge
listeners: {{edge: {{address: "{host}:{port}", tls: {{cert: {folder}/id/tls.crt, key: {folder}/id/tls.key}}}}}}
routes: {{edge: [{{respond: {{status: 200, body: hello}}}}]}}
overload: {{threads: 2}}
admin: {{address: off, health: off}}
telemetry: {{log: {{level: error}}, metrics: {{address: off}}}}
"""


def findings(outrider, testssl, folder):
    ca, own, config, report = (os.path.join(folder, name) for name in ("ca", "id", "edge.yaml", "report.json"))
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([outrider, "identity", "dev-ca", ca], **quiet)
    subprocess.run([outrider, "identity", "issue", "--ca", ca, "--id", "spiffe://mesh.local/ns/default/sa/edge", "--out", own,
                    "--dns", "localhost", "--ip", HOST, "--for", f"{DAYS * 24}h"], **quiet)
    port = free_ports(1)[0]
    with open(config, "w", encoding="utf-8") as out:
        out.write(CONFIG.format(host=HOST, port=port, folder=folder))
    proxy = subprocess.Popen([outrider, "run", "-c", config], stdin=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        # It says by its exit code how many findings there are.
        subprocess.run([testssl, "--quiet", "--color", "0", "--warnings", "off", "--add-ca", os.path.join(ca, "ca.crt"),
                        "--jsonfile", report, f"localhost:{port}"], stdin=subprocess.DEVNULL, timeout=1800, check=False)
        if proxy.poll() is not None:
            sys.exit("the proxy has ended")
    finally:
        proxy.terminate()
        proxy.wait(timeout=60)
    with open(report, encoding="utf-8") as text:
        return json.load(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outrider", required=True)
    asked = parser.parse_args()
    testssl = shutil.which("testssl") or shutil.which("testssl.sh")
    if not testssl:
        print("skipped: there is no testssl.sh")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="outrider-scan-") as folder:
        found = findings(os.path.abspath(asked.outrider), testssl, folder)
    if len(found) < 100:
        sys.exit(f"it has looked at {len(found)} things only")
    bad = [each for each in found if each["severity"] not in FINE and each["id"] not in NOT_OURS]
    for each in bad:
        print("{severity} {id}: {finding}".format(**each), file=sys.stderr)
    print(f"{len(found)} findings, {len(bad)} above LOW that are ours")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
