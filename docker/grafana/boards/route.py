from asks import *
from kit import *

W = join(POD, DIRECTION, ROUTE)
PER = "direction route"
EACH = "{{route}} ({{direction}})"


def board():
    it = Board("route", "Route", "Each rule: what comes by it, how it is answered, and where it goes.",
               [NAMESPACE, service(), PODS, directions(), routes()], [CHANGED])
    it.line(4,
            success_stat(W, "Red: the table has it by rule."),
            rate_stat(W, "Requests that ended, per second."),
            (latency_stat(W, "Red: sort the table by p99."), 6),
            stat("Without a rule", or_zero(requests(join(POD, DIRECTION, 'flag="no_route"'))), "reqps",
                 "Requests that no rule took: 404.", "`outrider route METHOD URL` says what the rules make of one.", FEW, 2),
            stat("Too often", or_zero(rate("outrider_rate_limited_total", join(POD, ROUTE))), "reqps",
                 "Requests a rate limit has refused.", "One client, or all? The limit's key decides; Edge gateway has more.", FEW, 2))
    it.row("Rules")
    it.line(10, table(
        "Rules", {"job": "Service", "namespace": "Namespace", "direction": "Direction", "route": "Route"},
        [*columns(W, f"namespace job {PER}"),
         Column("Requests' bytes", rate("outrider_request_bytes_total", W, f"namespace job {PER}"), "Bps", 1),
         Column("Responses' bytes", rate("outrider_response_bytes_total", W, f"namespace job {PER}"), "Bps", 1)],
        "Each rule of each service, by its table and name.", "Click the service for its dashboard; choose a route above for its details.",
        links={"Service": [("Service", to("service", namespace=".Namespace", service=".Service"))],
               "Route": [("Only this route", to("route", namespace=".Namespace", service=".Service", route=".Route"))]}))
    it.line(8,
            series("Success rate", [(success(W, PER), EACH)], "percentunit", WHAT_FAILED, "Low: statuses and flags below.",
                   least=("lastNotNull", "min"), line=(0.999, "red"), top=1),
            series("Request rate", [(requests(W, PER), EACH)], "reqps", "Requests that ended, per second.", "A rule without any: another one before it takes them; `outrider route METHOD URL` says which."),
            series("Latency p95", [(duration(0.95, W, PER), EACH)], "s", "95 of 100 requests were answered in full within this time.",
                   "Near the rule's timeout: 504 is next.", exemplars=True))
    it.line(8,
            answers(W, "Flags beside this say which of them are the proxy's own."),
            flags(W, "`outrider explain` beside the proxy tells the story of single requests."),
            series("Answers by status", [(requests(join(W, 'code!~"[23].."'), "route code"), "{{route}} {{code}}")], "reqps",
                   "Every status but 2xx and 3xx, as the client was sent it.", "`outrider tap status=5xx` shows them as they come."))
    it.row("Where it goes")
    it.line(8,
            (table("By cluster", {"direction": "Direction", "route": "Route", "cluster": "Cluster"}, columns(W, f"{PER} cluster"),
                   "Where each rule's requests went; more than one cluster: a split.", "Click a cluster for its dashboard; Experiments shows a split's arms side by side.",
                   links={"Cluster": [("Cluster", to("cluster", namespace="=", service="=", cluster=".Cluster"))]}), 16),
            (series("Share by cluster", [(requests(W, "route cluster"), "{{route}}: {{cluster}}")], "percent", "How the requests of the chosen rules are shared out.",
                    "Not as split says: stickiness keeps clients where they were.", shares=True), 8))
    it.line(8,
            series("Time to first byte p95", [(quantile(0.95, "outrider_response_first_byte_seconds", W, PER), EACH)], "s",
                   "First byte of a request to the head of its response, for 95 of 100.", "Much less than the latency: bodies are long, or clients read slowly."),
            series("Statuses of gRPC", only((rate("outrider_grpc_responses_total", W, "route grpc_status"), "{{route}} {{grpc_status}}")), "reqps",
                   "Calls of gRPC by the status the client got; 0 is OK, 14 unavailable, 4 too late.", "14: the cluster; 4: its deadline."),
            series("Rate limited", [(rate("outrider_rate_limited_total", join(POD, ROUTE), "route scope"), "{{route}} ({{scope}})")], "reqps",
                   "Requests that came too often, by whose limit it was: mesh is counted together with others.", "A client of yours: it should heed retry-after."),
            series("Bytes", [(rate("outrider_request_bytes_total", W, PER), EACH + " requests"), (rate("outrider_response_bytes_total", W, PER), EACH + " responses")], "Bps",
                   "Body bytes of requests and responses.", "A jump without more requests: larger answers."))
    return it
