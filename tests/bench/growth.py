"""Outrider's own cost of a small request as its configuration grows: the same request, to the same 64 connections."""
import os

from local import HOST
from peers import quiet_settings, write

SMALL = "small"              # what the others are compared with: ten endpoints, ten routes, one cluster
MANY_ENDPOINTS, BUSY, MANY_ROUTES, MANY_CLUSTERS = 10_000, 256, 10_000, 1_000
WARM = 15_000                # requests, after which there is a connection to each endpoint that is asked in turn

# name -> endpoints, routes, clusters, what it is
VARIANTS = {
    SMALL: (10, 10, 1, "10 endpoints, 10 routes, 1 cluster"),
    "endpoints": (MANY_ENDPOINTS, 10, 1, f"{MANY_ENDPOINTS:,} endpoints, {BUSY:,} of them with 99.6 % of the weight"),
    "endpoints-even": (MANY_ENDPOINTS, 10, 1, f"{MANY_ENDPOINTS:,} endpoints of one weight, in turn"),
    "endpoints-all": (MANY_ENDPOINTS, 10, 1, "the same without subset_size: a connection to each"),
    "routes": (10, MANY_ROUTES, 1, f"{MANY_ROUTES:,} routes by host or path, the last one matches"),
    "clusters": (1, MANY_CLUSTERS, MANY_CLUSTERS, f"{MANY_CLUSTERS:,} clusters and their routes, the last one is asked"),
    "clusters-even": (1, MANY_CLUSTERS, MANY_CLUSTERS, f"{MANY_CLUSTERS:,} clusters, all asked in turn"),
}


def host(number):
    return f"h{number}.bench.test"


def endpoint(number, to, even):
    """Loopback addresses of one backend, which listens on all of them."""
    address = f'"127.1.{number // 250}.{number % 250 + 1}:{to}"'
    return address if even else f"{{address: {address}, weight: {10000 if number < BUSY else 1}}}"


def route(number, last, clusters):
    if number == last:
        match = f"host: {host(number)}, prefix: /small"
    elif clusters == 1 and number % 2:
        match = f"prefix: /p{number}/q"
    else:
        match = f"host: {host(number)}"
    return f"    - {{match: {{{match}}}, cluster: c{number if clusters > 1 else 0}}}\n"


def config(name, port, to):
    endpoints, routes, clusters, _ = VARIANTS[name]
    even = name != "endpoints"
    members = ", ".join(endpoint(i, to, even) for i in range(endpoints))
    lb = "round_robin" if name in ("endpoints-even", "endpoints-all") else "ewma"
    if name == "endpoints-all":
        lb += ", lb_options: {subset_size: 0}"
    text = f'version: 1\nregistry: {{kind: none}}\nlisteners: {{edge: {{address: "{HOST}:{port}"}}}}\nroutes:\n  edge:\n'
    text += "".join(route(i, routes - 1, clusters) for i in range(routes)) + "clusters:\n"
    for i in range(clusters):
        text += f"  c{i}: {{endpoints: [{members}], lb: {lb}, circuit_breaker: {{max_connections: 65536}}}}\n"
    return text


def outrider(binary, name):
    def command(folder, _, port, to):
        path = write(os.path.join(folder, f"{name}.yaml"), config(name, port, to))
        return quiet_settings([binary, "run", "-c", path])
    return command


def headers(name):
    return {"Host": host(VARIANTS[name][1] - 1)}


def script(name, folder):
    """For wrk, where requests go to all clusters in turn."""
    if name != "clusters-even":
        return None
    return write(os.path.join(folder, "turns.lua"),
                 f"local n = 0\nrequest = function()\n  n = (n + 1) % {MANY_CLUSTERS}\n"
                 '  return wrk.format("GET", "/small", {Host = "h" .. n .. ".bench.test"})\nend\n')
