"""What is asked of Prometheus, put together from a few pieces; and the variables that dashboards share."""
from kit import Column, SUCCESS, choice, stat, series, variable, when_nan, CLASSES, LATENCY

R = "[$__rate_interval]"
MESH = 'namespace=~"$namespace", job=~"$service"'
POD = MESH + ', pod=~"$pod"'
DIRECTION, CLUSTER, ROUTE = 'direction=~"$direction"', 'cluster=~"$cluster"', 'route=~"$route"'
CALLS = 'direction=~"outbound|edge"'        # what is sent on, as its caller's proxy counts it


def join(*matchers):
    return ", ".join(each for each in matchers if each)


def over(how, labels):
    return f"{how} by ({', '.join(labels.split())}) " if labels else how


def rate(metric, where, labels="", window=R):
    return f"{over('sum', labels)}(rate({metric}{{{where}}}{window}))"


def gauge(metric, where, labels="", how="sum"):
    return f"{over(how, labels)}({metric}{{{where}}})"


def quantile(q, metric, where, labels="", window=R):
    return f"histogram_quantile({q}, {rate(metric + '_bucket', where, ('le ' + labels).strip(), window)})"


def quantiles(metric, where, labels="", window=R):
    return [(quantile(q, metric, where, labels, window), f"p{int(q * 100)}") for q in (0.5, 0.95, 0.99)]


def requests(where, labels=""):
    return rate("outrider_requests_total", where, labels)


def failed(where, labels=""):
    """5xx, and no answer at all that was not the client's doing; 0 where there are requests and none fails."""
    answered, silent = join(where, 'code=~"5.."'), join(where, 'code="other"', 'flag!="none"')
    return (f"({over('sum', labels)}(rate(outrider_requests_total{{{answered}}}{R}) or rate(outrider_requests_total{{{silent}}}{R}))"
            f" or 0 * {requests(where, labels)})")


def success(where, labels=""):
    return f"1 - {failed(where, labels)} / {requests(where, labels)}"


def duration(q, where, labels=""):
    return quantile(q, "outrider_request_duration_seconds", where, labels)


def classes(where):
    return [(requests(join(where, f'code=~"{n}.."')), f"{n}xx") for n in range(1, 6)] + [
        (requests(join(where, 'code="other"')), "no status")]


def been_proxies(where):
    """Of everything Prometheus scrapes, what has been a proxy within the last hour."""
    return f" and on (job, instance) count by (job, instance) (max_over_time(outrider_build_info{{{where}}}[1h]))"


def share_of_registry(where, label):
    """Of the proxies, those whose packets are `sealed` or whose records are `signed`."""
    true = join(where, f'{label}="true"')
    return f"(count(outrider_registry_info{{{true}}}) or vector(0)) / count(outrider_registry_info{{{where}}})"


def only(*queries):
    """Of many that are mostly nothing those that are not, and a line at the bottom where there is none."""
    return [(f"{expr} > 0", legend) for expr, legend in queries] + [("vector(0)", "none")]


def or_zero(expr):
    return f"{expr} or vector(0)"


def share(part, whole, without="1"):
    """Of a rate; `without` is what it counts as when there is nothing to share."""
    return f"(({part}) or vector(0)) / ({whole} > 0) or vector({without})"


WHAT_FAILED = ("Share of requests that did not fail. Failed is a 5xx answer, or no answer at all that was not the client's doing. "
               "4xx answers, also 499 for a client that left, are not failures.")


# --- panels that several boards have ---------------------------------------------------------------------------------

def success_stat(where, then):
    return stat("Success rate", success(where), "percentunit", WHAT_FAILED, then, SUCCESS, 2, legend="success", mappings=when_nan("no traffic"))


def rate_stat(where, what, then="A fall to nothing: nobody calls any more, or nothing gets through."):
    return stat("Request rate", requests(where), "reqps", what, then, legend="requests")


def latency_stat(where, then):
    return stat("Latency", quantiles("outrider_request_duration_seconds", where), "s",
                "First byte of a request to the last byte of its response.", then, LATENCY, 1, names=True, mappings=when_nan("no traffic"))


def answers(where, then, title="Answers by class"):
    return series(title, classes(where), "reqps", "Requests by the class of the status the client was sent. No status: TCP "
                  "connections, and requests without an answer.", then, stacked=True, colors=CLASSES)


def flags(where, then):
    return series("Requests a proxy ended, by flag", [(requests(join(where, 'flag!="none"'), "flag"), "{{flag}}")], "reqps",
                  "Requests that ended because of the proxy and not because of the other side, by why.", then, stacked=True)


# --- columns of tables ------------------------------------------------------------------------------------------------

def columns(where, labels):
    return [Column("Requests", requests(where, labels), "reqps", 1),
            Column("Success", success(where, labels), "percentunit", 2, SUCCESS, when_nan("–")),
            Column("p50", duration(0.5, where, labels), "s", 1), Column("p95", duration(0.95, where, labels), "s", 1),
            Column("p99", duration(0.99, where, labels), "s", 1)]


# --- variables --------------------------------------------------------------------------------------------------------

NAMESPACE = variable("namespace", "Namespace", "outrider_build_info", "namespace", "As the scrape labels its targets.")


def service(many=True, what="The job of the scrape, one per service."):
    return variable("service", "Service", 'outrider_build_info{namespace=~"$namespace"}', "job", what, many)


PODS = variable("pod", "Pod", f"outrider_build_info{{{MESH}}}", "pod", "Single proxies.")
EVERY = ["inbound", "outbound", "edge"]
DIRECTIONS = ("inbound is what a sidecar hands to its own application, outbound what its application sends to others, edge what a "
              "gateway takes in.")


def directions(*chosen):
    more = " inbound and edge together count each request once, at the server's side." if chosen else ""
    return choice("direction", "Direction", EVERY, list(chosen), DIRECTIONS + more)


def clusters(metric="outrider_requests_in_flight", where=MESH):
    return variable("cluster", "Cluster", f"{metric}{{{where}}}", "cluster", "What requests are sent to.")


def routes(where=MESH):
    return variable("route", "Route", f"outrider_requests_total{{{where}}}", "route", "Rules, by table and name.")


CHANGED = ("Configuration changed",
           f"count by (job) (count by (job, hash) (outrider_config_info{{{MESH}}}) unless count by (job, hash) "
           f"(outrider_config_info{{{MESH}}} offset 1m)) and count by (job) (outrider_config_info{{{MESH}}} offset 1m)", "{{job}}")
