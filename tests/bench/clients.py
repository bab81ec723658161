#!/usr/bin/env python3
"""Real clients through the proxy, as far as they are installed: curl, wrk, http.client, Node's fetch, redis-benchmark, psql;
and promtool over what the proxy says of it. Servers are started here and end here. Exits 1 when one of them fails."""
import argparse
import glob
import http.client
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import urllib.request

from local import HOST, free_ports, wait_for_port

FETCH = """
const get = async (path) => { const r = await fetch('http://%s/' + path); return r.status + ' ' + await r.text() };
(async () => {
  let good = 0;
  for (let i = 0; i < 300; ++i) good += await get(i) === '200 hello\\n';
  for (const text of await Promise.all(Array.from({length: 200}, (_, i) => get(i)))) good += text === '200 hello\\n';
  console.log(process.version + ': ' + good + ' of 500');
  process.exit(good === 500 ? 0 : 1);
})();
"""


class Servers:
    """nginx, Redis and PostgreSQL, where they are installed, in a folder of their own."""

    def __init__(self, folder):
        self.folder, self.processes, self.ports = folder, [], {}

    def start(self, name, port, command, **more):
        self.processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more))
        wait_for_port(port)
        self.ports[name] = port

    def start_all(self):
        nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        if nginx:
            port, config = free_ports(1)[0], os.path.join(self.folder, "nginx.conf")
            with open(config, "w", encoding="utf-8") as out:
                out.write(f"daemon off; worker_processes 1; pid {self.folder}/nginx.pid; error_log {self.folder}/error.log;\n"
                          "events { worker_connections 1024; }\nhttp { access_log off; keepalive_requests 100000000;\n"
                          f" server {{ listen {HOST}:{port}; location / {{ return 200 \"hello\\n\"; }} }} }}\n")
            self.start("http", port, [nginx, "-c", config, "-e", os.path.join(self.folder, "error.log")])
        if shutil.which("redis-server"):
            port = free_ports(1)[0]
            self.start("redis", port, ["redis-server", "--port", str(port), "--bind", HOST, "--save", ""], cwd=self.folder)
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        if found and shutil.which("psql"):
            port, data, bin_ = free_ports(1)[0], os.path.join(self.folder, "postgres"), os.path.dirname(found[-1])
            user = {}
            os.mkdir(data)
            if os.getuid() == 0:                       # PostgreSQL does not run as root
                owner = pwd.getpwnam("postgres")
                user = {"user": owner.pw_uid, "group": owner.pw_gid, "cwd": data}
                os.chmod(self.folder, 0o755)
                os.chown(data, owner.pw_uid, owner.pw_gid)
            subprocess.run([f"{bin_}/initdb", "-D", data, "-A", "trust", "-U", "postgres"], check=True, capture_output=True, **user)
            self.start("postgres", port, [f"{bin_}/postgres", "-D", data, "-p", str(port), "-k", data,
                                          "-c", f"listen_addresses={HOST}"], **user)

    def stop(self):
        for process in self.processes:
            process.send_signal(3 if b"postgres" in open(f"/proc/{process.pid}/cmdline", "rb").read() else 15)
            process.wait(20)


class Checks:
    def __init__(self):
        self.failed = False

    def say(self, name, good, text):
        self.failed = self.failed or not good
        print(f"{'ok  ' if good else 'FAIL'}  {name:15}  {text}", flush=True)

    def run(self, name, command, good=lambda out: True, shown=lambda out: out.strip().splitlines()[-1], **more):
        if not shutil.which(command[0]):
            print(f"-     {name:15}  not installed", flush=True)
            return
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, **more)
        fine = done.returncode == 0 and good(done.stdout)
        self.say(name, fine, shown(done.stdout) if fine else (done.stdout[-300:] + done.stderr[-300:]))


def python_client(port):
    connection = http.client.HTTPConnection(HOST, port)
    for i in range(1000):
        connection.request("GET", f"/{i}")
        answer = connection.getresponse()
        if (answer.status, answer.read()) != (200, b"hello\n"):
            return False
    connection.request("POST", "/", body=iter([b"a" * 1000] * 100), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    return connection.getresponse().status == 200


def check(ports, admin):
    checks, at = Checks(), {name: f"{HOST}:{port}" for name, port in ports.items()}
    if "http" in ports:
        checks.run("curl", ["curl", "-sS", "-i", f"http://{at['http']}/"], lambda out: "200 OK" in out and out.endswith("hello\n"),
                   lambda out: out.splitlines()[0])
        checks.run("wrk", ["wrk", "-t1", "-c50", "-d3s", f"http://{at['http']}/"],
                   lambda out: "Non-2xx" not in out and "Socket errors" not in out,
                   lambda out: next(line.strip() for line in out.splitlines() if " requests in " in line))
        checks.say("http.client", python_client(ports["http"]), "1000 requests on one connection, a chunked POST")
        checks.run("Node's fetch", ["node", "-e", FETCH % at["http"]])
    if "redis" in ports:
        checks.run("redis-benchmark", ["redis-benchmark", "-p", str(ports["redis"]), "-n", "20000", "-c", "50", "-t", "set,get",
                                       "--csv"], lambda out: '"GET"' in out, lambda out: "; ".join(out.split()[1:])[:70])
    if "postgres" in ports:
        psql = ["psql", "-h", HOST, "-p", str(ports["postgres"]), "-U", "postgres", "-qAt", "-c"]
        checks.run("psql", [*psql, "select count(*), sum(n) from generate_series(1, 100000) n"], lambda out: out == "100000|5000050000\n")
        checks.run("psql, 10 MB", [*psql, "select repeat('x', 10000000)"], lambda out: out == "x" * 10000000 + "\n",
                   lambda out: f"{len(out) - 1} characters")
    scrape = urllib.request.urlopen(f"http://{HOST}:{admin}/metrics").read()
    checks.run("promtool", ["promtool", "check", "metrics"], lambda out: out == "", lambda out: "silent", input=scrape.decode())
    return not checks.failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outrider", default="build/outrider")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="outrider-clients-")
    servers, proxy, good = Servers(folder), None, False
    try:
        servers.start_all()
        ports = {name: free_ports(1)[0] for name in servers.ports}
        metrics = free_ports(1)[0]
        config = os.path.join(folder, "outrider.yaml")
        with open(config, "w", encoding="utf-8") as out:
            out.write(f"version: 1\nmode: edge\nregistry: {{kind: none}}\nadmin: {{address: off, health: off}}\n"
                      f"telemetry: {{metrics: {{address: \"{HOST}:{metrics}\"}}}}\nlisteners:\n")
            protocol = {name: "http" if name == "http" else "tcp" for name in ports}
            for name, port in ports.items():
                out.write(f"  {name}: {{address: \"{HOST}:{port}\", protocol: {protocol[name]}}}\n")
            out.write("routes:\n" + "".join(f"  {name}: [{{cluster: {name}}}]\n" for name in ports) + "clusters:\n")
            for name, port in servers.ports.items():
                out.write(f"  {name}: {{endpoints: [\"{HOST}:{port}\"], protocol: {protocol[name]}}}\n")
        proxy = subprocess.Popen([os.path.abspath(options.outrider), "run", "-c", config], stderr=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL)
        wait_for_port(metrics)
        good = check(ports, metrics)
    finally:
        if proxy:
            proxy.send_signal(2)
            proxy.wait(20)
        servers.stop()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
