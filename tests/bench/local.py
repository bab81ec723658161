"""What the measuring scripts share: ports of this machine, and waiting for them. The demo's own helpers serve here too."""
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docker", "demo"))
from demo import free_ports, wait_for  # noqa: E402,F401 (the path comes first)

HOST = "127.0.0.1"


def wait_for_port(port):
    for _ in range(600):
        try:
            return socket.create_connection((HOST, port), 1).close()
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nobody listens on port {port}")
