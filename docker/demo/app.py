#!/usr/bin/env python3
"""A small HTTP program, one replica of the demo's service: says who it is, and knows nothing of any proxy but where to ask."""
import argparse
import http.client
import json
import random
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        status, said = 200, {"replica": self.server.replica, "path": self.path}
        if self.path != "/health":
            status, said = self.work(said)
        body = json.dumps(said).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Replica", self.server.replica)
        self.end_headers()
        self.wfile.write(body)

    def work(self, said):
        """As the options have it: sometimes slow, sometimes wrong, and by asking somebody else."""
        options = self.server.options
        if random.random() * 100 < options.slow:
            time.sleep(0.1)
        if random.random() * 100 < options.fail:
            return 500, {**said, "error": "as --fail says"}
        if not options.calls:
            return 200, said
        asked = http.client.HTTPConnection(options.sidecar, timeout=5)
        try:
            asked.request("GET", self.path, headers={"Host": options.calls})
            answer = asked.getresponse()
            return (200 if answer.status < 500 else 502), {**said, options.calls: json.loads(answer.read() or b"null")}
        except (OSError, ValueError, http.client.HTTPException) as trouble:
            return 502, {**said, "error": f"{options.calls}: {trouble}"}
        finally:
            asked.close()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--calls", metavar="SERVICE", help="ask this service, too, for each request")
    parser.add_argument("--sidecar", default="127.0.0.1:15001", help="through whom (%(default)s)")
    parser.add_argument("--slow", type=float, default=0, metavar="PERCENT", help="of the requests take 100 ms longer")
    parser.add_argument("--fail", type=float, default=0, metavar="PERCENT", help="of the requests get 500")
    options = parser.parse_args()
    server = Server(("127.0.0.1", options.port), Handler)
    server.replica, server.options = options.name, options
    server.serve_forever()


if __name__ == "__main__":
    main()
