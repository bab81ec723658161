from asks import *
from kit import *

# What is sent on by rules that lead to more than one cluster; but where the Host header alone names it, clusters are no arms.
W = join(MESH, CALLS, ROUTE, 'route!="outbound-by-host"', 'cluster!~"|__unknown__"')
RULE = "namespace, job, route"
ARM = "namespace job route cluster"


def arms(expr):
    """Only of rules that have more than one arm."""
    return f"{expr} and on ({RULE}) (count by ({RULE}) ({requests(W, ARM)}) > 1)"


def board():
    it = Board("experiments", "Experiments: splits, copies, faults", "Splits by version, copies of requests, faults on purpose, second tries and taps: what there is to "
               "experiment with. Nothing here decides by itself who has won.",
               [NAMESPACE, service(what="Who sends the requests on."), routes(join(MESH, CALLS))], [CHANGED])
    one = f"({requests(W, ARM)} / on ({RULE}) group_left sum by ({RULE}) ({requests(W, ARM)}))"
    fault = join(MESH, 'filter="fault"')
    it.line(4,
            stat("Rules that split", or_zero(f"count(count by ({RULE}) ({requests(W, ARM)}) > 1)"), "none",
                 "Rules whose requests go to more than one cluster.", "None: routes[].split has not been set, or nobody calls.", PLAIN, 0),
            stat("Copies", or_zero(rate("outrider_mirrored_total", MESH)), "reqps", "Requests that are sent to a next version as well, per second.",
                 "routes[].mirror.", PLAIN, 1),
            stat("Faults", or_zero(rate("outrider_filter_actions_total", fault)), "reqps", "Requests that were delayed or failed on purpose, per second.",
                 "More than nothing and you know of no experiment: experiments and the filter fault in `outrider config show`.", PLAIN, 1),
            stat("Second tries", or_zero(rate("outrider_cluster_hedges_total", MESH)), "reqps", "Hedges beside slow first tries, per second.", "clusters.NAME.hedge.", PLAIN, 1),
            stat("Taps", gauge("outrider_tap_watchers", MESH), "none", "Readers that watch exchanges just now.", "`outrider tap`; a forgotten one costs.", PLAIN, 0))

    it.row("Splits: arms side by side")
    it.line(8, table(
        "Arms", {"namespace": "Namespace", "job": "Caller", "route": "Route", "cluster": "Arm"},
        [Column("Share", arms(one), "percentunit", 1), Column("Requests", arms(requests(W, ARM)), "reqps", 1),
         Column("Success", arms(f"({success(W, ARM)})"), "percentunit", 2, SUCCESS, when_nan("–")),
         *[Column(f"p{int(q * 100)}", arms(duration(q, W, ARM)), "s", 1) for q in (0.5, 0.95, 0.99)],
         Column("Requests in the time shown", arms(rate("outrider_requests_total", W, ARM, "[$__range]").replace("rate(", "increase(")), "short", 0)],
        "Each arm of each split: its share, and how well it answers.", "Compare only with enough requests in both; then change the weights, or take the worse one out.",
        sort="Route", up=True, links={"Arm": [("Cluster", to("cluster", namespace=".Namespace", service=".Caller", cluster=".Arm"))]}))
    it.line(8,
            series("Share", [(arms(requests(W, ARM)), "{{route}}: {{cluster}}")], "percent", "How the requests of each split are shared out.",
                   "Not as its weights say: stickiness keeps clients where they were.", shares=True),
            series("Success rate", [(arms(f"({success(W, ARM)})"), "{{route}}: {{cluster}}")], "percentunit", WHAT_FAILED, "One arm below the other: take it out.",
                   least=("lastNotNull", "min"), line=(0.999, "red"), top=1),
            series("Latency p95", [(arms(duration(0.95, W, ARM)), "{{route}}: {{cluster}}")], "s", "95 of 100 requests were answered in full within this time.",
                   "One arm above the other: is it warm yet?", exemplars=True),
            series("Answers that failed", [(arms(f"({failed(W, ARM)})"), "{{route}}: {{cluster}}")], "reqps", "5xx, and no answer that was not the client's doing.", "Only in one arm: it is the version."))

    it.row("Copies: how would the next version take it")
    good = rate("outrider_mirrored_total", join(MESH, 'result=~"[234]xx"'), "cluster")
    sent = rate("outrider_mirrored_total", join(MESH, 'result!~"too_large|over_limit|incomplete"'), "cluster")
    it.line(8,
            series("Copies by what came of them", [(rate("outrider_mirrored_total", MESH, "cluster result"), "{{cluster}} {{result}}")], "reqps",
                   "Nobody waits for their answers and nobody sees them.", "over_limit: the next version is slower than the copies come; mirror.max_in_flight.", stacked=True),
            series("Copies that were answered well", [(f"({good} or 0 * {sent}) / {sent}", "{{cluster}}")], "percentunit", "Share of the copies sent with an answer below 500.",
                   "Less than the live success rate: the next version is not ready.", least=("lastNotNull", "min"), top=1))

    it.row("Faults, second tries, taps")
    hedges = "outrider_cluster_hedges_total"
    won = rate(hedges, join(MESH, 'result="won"'), "cluster")
    it.line(8,
            series("Faults on purpose", [(rate("outrider_filter_actions_total", fault, "job action"), "{{job}} {{action}}")], "reqps",
                   "What the filter fault and `experiments` did.", "over_limit: too many were held at once, and went on as they were."),
            series("Hedges", [(rate(hedges, MESH, "cluster result"), "{{cluster}} {{result}}")], "reqps", "Second tries beside first ones that were slow to answer.", "Mostly lost: after is too small."),
            series("Hedges that won", [(f"({won} or 0 * {rate(hedges, MESH, 'cluster')}) / {rate(hedges, MESH, 'cluster')}", "{{cluster}}")], "percentunit",
                   "Share of the second tries whose answer came first.", "Near nothing: it costs and does not help.", top=1),
            series("Taps", [(gauge("outrider_tap_watchers", MESH, "job"), "{{job}} watchers"), (rate("outrider_tap_exchanges_total", MESH, "result"), "{{result}}")], "short",
                   "Who watches exchanges (`outrider tap`), and what they are shown per second.", "dropped: a watcher reads too slowly."))
    return it
