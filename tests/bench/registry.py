#!/usr/bin/env python3
"""The registry at its limits, on this machine: a service of thousands of endpoints read by a newcomer (--endpoints), a third
of the nodes killed at once (--kill), a network cut in two and healed (--partition), and thousands of junk values under one
service's key (--flood). Real nodes of the DHT, sealed and
signed, many in a process (outrider_registry_nodes); the newcomer is a real sidecar.

Ends with 1 when a bound is broken. Times are the machine's as much as ours: run it on a quiet one. --partition makes two
network namespaces and needs to be root.
"""
import argparse
import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mesh import ROOT, Verdicts, free_ports, get_json  # noqa: E402 (the path comes first)

LEAVES = 30                          # certificates that sign
READ_LIMIT = 10                      # seconds until a newcomer has READ_SHARE of the endpoints
READ_SHARE = 0.99
ANSWERED = 0.999                     # of the look-ups while nodes die
FLOOD_CPU = 0.5                       # of a core, for the sidecar that follows the service, while the flood lasts
HEAL_LIMIT = 30                      # seconds after a partition has ended
REPLICAS = 4                         # of each service, each in another process
BIG = "default/shop"


def wait_for(what, limit, ready):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        with contextlib.suppress(OSError, ValueError, KeyError, http.client.HTTPException):
            if ready():
                return
        time.sleep(0.2)
    raise TimeoutError(what)


class Nodes:
    """A process with many nodes."""

    def __init__(self, stage, name, count, bootstrap, inside=(), bind="127.0.0.1"):
        words = [*inside, stage.options.nodes_program, "--nodes", str(count), "--bind", bind,
                 "--mesh-key", stage.path("mesh.key"), "--lease", str(stage.options.lease)]
        for seed in bootstrap:
            words += ["--bootstrap", seed]
        for folder in stage.identities():
            words += ["--identity", folder]
        self.name, self.count = name, count
        with open(stage.path(name + ".log"), "wb") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                                            bufsize=1, start_new_session=True)
        self.address = self.answer()["address"]

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"registry: {self.name} has ended")
        return json.loads(line)

    def state(self):
        self.tell("state")
        return self.answer()

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)


class Stage:
    """Keys, certificates, and the processes that were started; all of them end with it."""

    def __init__(self, options):
        self.options, self.all = options, []
        self.folder = tempfile.mkdtemp(prefix="outrider-registry-")
        self.tool("identity", "dev-ca", self.path("ca"))
        self.tool("identity", "mesh-key", self.path("mesh.key"))
        for folder, account in [*((folder, "shop") for folder in self.identities()), (self.path("id", "web"), "web")]:
            self.tool("identity", "issue", "--ca", self.path("ca"), "--id", f"spiffe://mesh.local/ns/default/sa/{account}",
                      "--out", folder)

    def tool(self, *words):
        subprocess.run([self.options.outrider, *words], check=True, stdout=subprocess.DEVNULL)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def identities(self):
        return [self.path("id", f"shop-{i}") for i in range(LEAVES)]

    def start(self, *arguments, **more):
        nodes = Nodes(self, *arguments, **more)
        self.all.append(nodes)
        return nodes

    def start_many(self, count, processes, **more):
        """`count` nodes in so many processes, the first one's first node being everybody's seed. Waits until all are in."""
        share, rest = divmod(count, processes)
        many = [self.start(f"nodes-{len(self.all)}", share + rest, [], **more)]
        for _ in range(processes - 1):
            many.append(self.start(f"nodes-{len(self.all)}", share, [many[0].address], **more))
        wait_for("all nodes to be answered", 120, lambda: all(each.state()["answering"] == each.count for each in many))
        return many

    def stop(self):
        for each in self.all:
            if each.process.poll() is None:
                each.kill()
            each.process.wait()
        if self.options.keep:
            print(f"  logs: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


class Reader:
    """A sidecar that comes when everything is there."""

    def __init__(self, stage, bootstrap):
        self.admin, self.outbound, metrics, dht = free_ports(4)
        settings = {
            "mode": "sidecar", "node.id": "reader", "node.address": "127.0.0.1", "registry.bind": f"127.0.0.1:{dht}",
            "registry.key": stage.path("mesh.key"), "registry.snapshot": stage.path("reader-state"),
            "registry.lease": f"{stage.options.lease}s", "registry.bootstrap": bootstrap, "identity.dir": stage.path("id", "web"),
            "admin.address": f"127.0.0.1:{self.admin}", "admin.health": "off",
            "telemetry.metrics.address": f"127.0.0.1:{metrics}", "listeners.outbound.address": f"127.0.0.1:{self.outbound}",
            "clusters.shop.connect_timeout": "50ms",
        }
        words = [stage.options.outrider, "run"]
        for key, value in settings.items():
            words += ["--set", f"{key}={value}"]
        self.name = "reader"
        with open(stage.path("reader.log"), "wb") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        stage.all.append(self)

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)

    def ask(self, service="shop"):
        """A request: it makes the sidecar look for the service. What becomes of it does not matter, nobody is there."""
        connection = http.client.HTTPConnection("127.0.0.1", self.outbound, timeout=20)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/", headers={"Host": service})
            connection.getresponse().read()
        connection.close()

    def known(self, name=BIG):
        services = get_json(self.admin, "/services")["services"]
        return max((each.get("instances", 0) for each in services if each["name"] == name), default=0)

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self):
        """What is its own, and what it shares with others divided among them."""
        with open(f"/proc/{self.process.pid}/smaps_rollup", encoding="utf-8") as sums:
            return next(int(line.split()[1]) for line in sums if line.startswith("Pss:")) / 1024


def endpoints(stage, options, verdicts):
    """A service of thousands: how soon a newcomer knows them all."""
    wanted = options.endpoints
    many = stage.start_many(options.nodes or 30, 1)
    many[0].tell("announce", BIG, wanted, options.rate, 0)
    started = time.monotonic()
    wait_for("all registrations to be acknowledged", 120 + 4 * wanted / options.rate,
             lambda: (lambda now: now["published"] >= wanted and now["unacknowledged"] == 0)(many[0].state()))
    state = many[0].state()
    verdicts.line(f"{wanted} registrations acknowledged", f"{time.monotonic() - started:.1f} s, at {options.rate:g} a second asked")
    verdicts.line("keys they are spread over; values a node keeps",
                  f"{state['shards']}; {state['stored'] // many[0].count}, {state['stored_bytes'] / many[0].count / 2**20:.1f} MiB")
    verdicts.line("CPU of all nodes until then", f"{state['cpu_s']:.1f} s, longest stay in OpenDHT {state['busiest_us'] / 1000:.0f} ms")
    reader = Reader(stage, many[0].address)
    wait_for("the newcomer to be answered", 60, lambda: get_json(reader.admin, "/registry")["ready"])
    cpu, memory = reader.cpu_s(), reader.memory_mib()
    verdicts.line("the newcomer before it looks", f"{memory:.1f} MiB, {cpu:.2f} s of CPU", memory < 25)
    asked = time.monotonic()
    reader.ask()
    steps = {}
    while time.monotonic() < asked + 60:
        known, now = reader.known(), time.monotonic() - asked
        for share in (0.5, 0.9, READ_SHARE, 1):
            if known >= share * wanted:
                steps.setdefault(share, now)
        if 1 in steps:
            break
        time.sleep(0.1)
    verdicts.line("what it knew in the end", f"{known} of {wanted}", known >= READ_SHARE * wanted)
    verdicts.line("50 %, 90 %, 99 %, all after", ", ".join(f"{steps[share]:.1f} s" if share in steps else "never"
                                                           for share in (0.5, 0.9, READ_SHARE, 1)),
                  steps.get(READ_SHARE, 99) <= READ_LIMIT)
    verdicts.line("the newcomer then", f"{reader.memory_mib():.1f} MiB, {reader.cpu_s() - cpu:.2f} s of CPU")
    before = reader.cpu_s(), time.monotonic()
    time.sleep(options.settle)
    verdicts.line(f"its CPU in the {options.settle:g} s after", f"{100 * (reader.cpu_s() - before[0]) / (time.monotonic() - before[1]):.1f} "
                  f"% of a core, {reader.memory_mib():.1f} MiB, still {reader.known()}", reader.known() >= READ_SHARE * wanted)


def spread_services(many, count):
    """Each service in REPLICAS processes in a row. -> name -> processes."""
    where = {}
    for n in range(count):
        homes = [many[(n + step) % len(many)] for step in range(REPLICAS)]
        for step, home in enumerate(homes):
            home.tell("announce", f"default/service-{n}", 1, 1000, n * REPLICAS + step)
        where[f"default/service-{n}"] = homes
    return where


def wait_published(many):
    def done():
        states = [each.state() for each in many]
        return all(each["unacknowledged"] == 0 and each["published"] for each in states)
    wait_for("the services to be registered", 120, done)


def kill(stage, options, verdicts):
    """Three of ten processes are killed at once. Look-ups go on at all others, of services that have a replica left."""
    many = stage.start_many(options.nodes or 60, 10)
    services = spread_services(many, options.services)
    wait_published(many)
    for each in many:
        for n in random.sample(range(options.services), 3):
            each.tell("watch", f"default/service-{n}")
    wait_for("the watchers to know", 60, lambda: all(min(sizes) == REPLICAS for each in many for sizes in each.state()["sizes"].values()))
    first = random.randrange(len(many))
    victims = [many[(first + 3 * step) % len(many)] for step in range(3)]
    survivors = [each for each in many if each not in victims]
    assert all(any(home in survivors for home in homes) for homes in services.values())
    for each in survivors:
        each.tell("lookups", options.services, options.lookups / len(survivors), options.seconds + 5)
    time.sleep(5)                                             # some before, to compare
    for each in victims:
        each.kill()
    for each in victims:
        each.process.wait()
    dead = sum(each.count for each in victims)
    results = [each.answer() for each in survivors]
    total = sum(each["lookups"] for each in results)
    of = {what: sum(each.get(what, 0) for each in results) for what in ("fresh", "remembered", "empty", "silent", "first")}
    answered = of["fresh"] + of["remembered"]
    verdicts.line(f"look-ups in the {options.seconds:g} s after {dead} of {sum(each.count for each in many)} nodes were killed",
                  f"{total}, of services not looked up before by that node: {of['first']}")
    verdicts.line("answered", f"{100 * answered / total:.3f} %: {of['fresh']} from the DHT, {of['remembered']} last-known-good; "
                  f"{of['empty']} empty, {of['silent']} not at all", answered >= ANSWERED * total)
    verdicts.line("p99, longest", f"{max(each['p99_ms'] for each in results)} ms, {max(each['max_ms'] for each in results)} ms")
    sizes = [size for each in survivors for all_sizes in each.state()["sizes"].values() for size in all_sizes]
    verdicts.line("standing watchers that know an endpoint", f"{sum(size > 0 for size in sizes)} of {len(sizes)}", min(sizes) > 0)


@contextlib.contextmanager
def two_networks():
    """Two namespaces and a wire between them. -> how to run something in each, its address, and how to cut and mend the wire."""
    names = [f"outrider-{os.getpid()}-{end}" for end in "ab"]
    wires = [f"or{os.getpid() % 100000}{end}" for end in "ab"]

    def ip(*words):
        subprocess.run(["ip", *words], check=True)
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", wires[0], "netns", names[0], "type", "veth", "peer", "name", wires[1], "netns", names[1])
        for name, wire, host in zip(names, wires, (1, 2)):
            ip("-n", name, "address", "add", f"10.77.0.{host}/24", "dev", wire)
            ip("-n", name, "link", "set", wire, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield ([["ip", "netns", "exec", name] for name in names], ["10.77.0.1", "10.77.0.2"],
               lambda state: ip("-n", names[0], "link", "set", wires[0], state))
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, stderr=subprocess.DEVNULL)


def partition(stage, options, verdicts):
    """Half of the nodes in each of two networks. While they are apart each half registers something the other has not seen."""
    with two_networks() as (inside, hosts, wire):
        count = (options.nodes or 20) // 2
        halves = [stage.start("half-0", count, [], inside=inside[0], bind=hosts[0])]
        halves.append(stage.start("half-1", count, [halves[0].address], inside=inside[1], bind=hosts[1]))
        wait_for("all nodes to be answered", 120, lambda: all(each.state()["answering"] == each.count for each in halves))
        for n, half in enumerate(halves):
            half.tell("announce", f"default/old-{n}", 3, 1000, 100 * n)
            for other in halves:
                other.tell("watch", f"default/old-{n}")
                other.tell("watch", f"default/new-{n}")

        def everywhere(names, size):
            return all(sizes.get(name, [0]) == [size] * count for half in halves for sizes in [half.state()["sizes"]]
                       for name in names)
        old, new = [{f"default/{age}-{n}" for n in (0, 1)} for age in ("old", "new")]
        wait_for("both to know both services", 60, lambda: everywhere(old, 3))
        wait_for("the nodes to know each other", 120, lambda: min(half.state()["least_peers"] for half in halves) > count)
        wire("down")
        time.sleep(options.seconds / 2)
        for n, half in enumerate(halves):
            half.tell("announce", f"default/new-{n}", 3, 1000, 1000 + 100 * n)
        time.sleep(options.seconds / 2)
        apart = [half.state()["sizes"] for half in halves]
        verdicts.line(f"after {options.seconds:g} s apart: endpoints of the other half's service that are still known, of 3",
                      ", ".join(str(min(sizes[f"default/old-{1 - n}"])) for n, sizes in enumerate(apart)),
                      all(min(sizes[f"default/old-{1 - n}"]) > 0 for n, sizes in enumerate(apart)))
        verdicts.line("its own new service is known to each half, the other's is not",
                      ", ".join(f"{min(sizes[f'default/new-{n}'])} and {max(sizes[f'default/new-{1 - n}'])}"
                                for n, sizes in enumerate(apart)),
                      all(min(sizes[f"default/new-{n}"]) == 3 and max(sizes[f"default/new-{1 - n}"]) == 0
                          for n, sizes in enumerate(apart)))
        wire("up")
        healed = time.monotonic()
        seen = {}
        while time.monotonic() < healed + 4 * HEAL_LIMIT and len(seen) < 2 * 2 * count:
            for n, half in enumerate(halves):
                for node, size in enumerate(half.state()["sizes"][f"default/new-{1 - n}"]):
                    if size == 3:
                        seen.setdefault((n, node), time.monotonic() - healed)
            if len(seen) == 2 * count:
                break
            time.sleep(0.1)
        took = sorted(seen.values())
        verdicts.line("watchers that see what the other half registered meanwhile",
                      f"{len(took)} of {2 * count}" + (f", p50 {took[len(took) // 2]:.1f} s, the last after {took[-1]:.1f} s" if took else ""),
                      len(took) == 2 * count and took[-1] <= HEAL_LIMIT)
        took = time.monotonic()
        wait_for("all services to be whole", 60, lambda: everywhere(old | new, 3))
        verdicts.line("all services whole at every node", f"{time.monotonic() - healed:.1f} s after healing",
                      time.monotonic() - healed <= HEAL_LIMIT)


def flood(stage, options, verdicts):
    """Junk under the key of a service, put at every node by members gone bad beside it. Look-ups of the service go on."""
    many = stage.start_many(options.nodes or 20, 1)
    many[0].tell("announce", "default/service-0", REPLICAS, 1000, 0)
    wait_published(many)
    reader = Reader(stage, many[0].address)
    wait_for("the newcomer to be answered", 60, lambda: get_json(reader.admin, "/registry")["ready"])
    reader.ask("service-0")
    wait_for("the newcomer to know the service", 60, lambda: reader.known("default/service-0") == REPLICAS)
    cpu, since = reader.cpu_s(), time.monotonic()
    time.sleep(5)
    verdicts.line("CPU of a sidecar that follows the service, before", f"{100 * (reader.cpu_s() - cpu) / (time.monotonic() - since):.1f} % of a core")
    words = [options.flood_program, "--mesh-key", stage.path("mesh.key"), "--identity", stage.path("id", "shop-0"),
             "--service", "default/service-0", "--count", str(options.flood), "--senders", "8"]
    for address in [get_json(reader.admin, "/registry")["address"], *many[0].state()["addresses"]]:
        words += ["--node", address]
    many[0].tell("lookups", 1, options.lookups, options.seconds)
    time.sleep(1)
    cpu, since = reader.cpu_s(), time.monotonic()
    attack = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        sent = json.loads(attack.stdout.readline())
        used, took = reader.cpu_s() - cpu, time.monotonic() - since
        verdicts.line("junk values put at each node, nodes", f"{sent['values']}, {sent['nodes']}, in {sent['seconds']:.1f} s, "
                      f"{sent['silent']} of {8 * sent['nodes']} turned away before", sent["silent"] * 2 < 8 * sent["nodes"])
        verdicts.line("the sidecar's CPU meanwhile", f"{used:.2f} s, {100 * used / took:.0f} % of a core", used <= FLOOD_CPU * took)
        result = many[0].answer()
        answered = result.get("fresh", 0) + result.get("remembered", 0)
        verdicts.line(f"look-ups in {options.seconds:g} s, while it lasts and goes on being shown", f"{result['lookups']}, of which the first of "
                      f"a node: {result.get('first', 0)}; p99 {result['p99_ms']} ms, longest {result['max_ms']} ms")
        verdicts.line("answered", f"{100 * answered / result['lookups']:.3f} %: {result.get('fresh', 0)} from the DHT, {result.get('remembered', 0)} "
                      f"last-known-good; {result.get('empty', 0)} empty, {result.get('silent', 0)} not at all",
                      answered >= ANSWERED * result["lookups"])
        state = many[0].state()
        verdicts.line("refused at the nodes", f"{state['rejected']} values and packets, {state['muted']} of them unread; "
                      f"stored {state['stored']}, {state['stored_bytes'] / 2**20:.2f} MiB")
        verdicts.line("what the sidecar knows", f"{reader.known('default/service-0')} of {REPLICAS}", reader.known("default/service-0") == REPLICAS)
    finally:
        attack.kill()
        attack.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    build = os.path.join(ROOT, "build")
    parser.add_argument("--outrider", default=os.path.join(build, "outrider"), help="the binary")
    parser.add_argument("--nodes-program", default=os.path.join(build, "outrider_registry_nodes"))
    parser.add_argument("--flood-program", default=os.path.join(build, "outrider_registry_flood"))
    parser.add_argument("--endpoints", type=int, metavar="N", help="a service of so many")
    parser.add_argument("--kill", action="store_true", help="30 %% of the nodes at once")
    parser.add_argument("--partition", action="store_true", help="two halves")
    parser.add_argument("--flood", type=int, metavar="N", help="junk values put at each node, under one key")
    parser.add_argument("--nodes", type=int, help="of the DHT: 30, 60, 20, 20")
    parser.add_argument("--rate", type=float, default=50, help="registrations a second, --endpoints")
    parser.add_argument("--settle", type=float, default=60, help="seconds for which the newcomer is watched afterwards, --endpoints")
    parser.add_argument("--services", type=int, default=60, help="--kill")
    parser.add_argument("--lookups", type=float, default=70, help="a second, --kill and --flood")
    parser.add_argument("--seconds", type=float, default=60, help="of look-ups, or apart")
    parser.add_argument("--lease", type=int, default=60)
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    verdicts = Verdicts()
    for wanted, scenario in ((options.endpoints, endpoints), (options.kill, kill), (options.partition, partition),
                             (options.flood, flood)):
        if not wanted:
            continue
        stage = Stage(options)
        try:
            print(f"{scenario.__doc__}  {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
            scenario(stage, options, verdicts)
        except TimeoutError as missing:
            verdicts.line("waited in vain for", str(missing), False)
        finally:
            stage.stop()
    sys.exit(1 if verdicts.bad else 0)


if __name__ == "__main__":
    main()
