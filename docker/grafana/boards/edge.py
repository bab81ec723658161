from asks import *
from kit import *

E = join(POD, 'direction="edge"')
HERE = join(E, ROUTE)


def board():
    it = Board("edge", "Edge gateway", "What comes in from outside: requests, connections, TLS, and what is refused and why.",
               [NAMESPACE, service(), PODS, routes(join(MESH, 'direction="edge"'))], [CHANGED])
    it.line(4,
            success_stat(HERE, "Red: by route below, then the cluster it leads to."),
            (rate_stat(HERE, "Requests that ended, per second."), 3),
            (latency_stat(HERE, "Red: what the gateway calls; its own share is Proxy overhead in Proxy fleet."), 5),
            (stat("Open connections", gauge("outrider_connections_active", E), "none", "Connections from clients that are open.",
                  "Near listeners.NAME.limits: the next are refused.", PLAIN, 0), 3),
            (stat("Handshakes that fail", or_zero(rate("outrider_tls_handshakes_total", join(POD, 'side="client"', 'result!="ok"'))), "ops",
                  "Handshakes of TLS with clients, per second.", "Many: by why below; strangers always make some.", steps("green", (1, "orange"), (10, "red")), 2), 3),
            (stat("Refused", or_zero(rate("outrider_filter_denied_total", POD)), "reqps", "Requests and connections that filters have refused, or could not judge.",
                  "By filter and reason below.", PLAIN, 2), 3),
            (stat("Certificate ends in", f"min(outrider_tls_certificate_expiry_timestamp_seconds{{{POD}}}) - time()", "s",
                  "Of the certificates that are shown to clients and endpoints, the first to end.", "Red: put a new file in its place; it is used within a second. Identity names it.",
                  DAYS, 1, graph=False), 3))
    it.line(8,
            answers(HERE, "5xx: flags beside this say whether the gateway or what it calls."),
            flags(HERE, "malformed, too_large, denied: clients; the others: what is called."),
            series("Latency", quantiles("outrider_request_duration_seconds", HERE), "s", "First byte of a request to the last byte of its response.",
                   "High with a low time to first byte: slow clients.", exemplars=True),
            series("Success rate by route", [(success(HERE, "route"), "{{route}}")], "percentunit", WHAT_FAILED, "Low: Route has more.",
                   least=("lastNotNull", "min"), line=(0.999, "red"), top=1,
                   links=[("Route", to("route", namespace="=", service="=", route="${__field.labels.route}"))]))

    it.row("Connections")
    it.line(8,
            series("Open connections", [(gauge("outrider_connections_active", E, "listener tls"), "{{listener}} (TLS {{tls}})")], "none",
                   "Connections from clients that are open.", "A steady rise: listeners.NAME.timeouts.idle."),
            series("New connections", [(rate("outrider_connections_total", E, "listener tls"), "{{listener}} (TLS {{tls}})")], "cps",
                   "Connections accepted from clients, per second.", "A flood: listeners.NAME.limits, and the filter ip."),
            series("Closed connections by reason", [(rate("outrider_connections_closed_total", E, "reason"), "{{reason}}")], "cps",
                   "Connections from clients that have ended, by why.", "header_timeout: slow clients or an attack; too_many, too_fast: limits."),
            series("Who speaks what", [(rate("outrider_protocol_detections_total", POD, "protocol how"), "{{protocol}} ({{how}})")], "cps",
                   "Connections of listeners that tell protocols apart, once it was known who speaks.", "tcp where HTTP is expected: a client that speaks something else."))

    it.row("TLS")
    it.line(8,
            series("Versions", [(rate("outrider_tls_handshakes_total", join(POD, 'side="client"', 'result="ok"'), "version"), "{{version}}")], "ops",
                   "Handshakes with clients that came to their end.", "TLSv1.2: who may be asked to come with 1.3?", stacked=True),
            series("Handshakes that fail, by why", only((rate("outrider_tls_handshakes_total", join(POD, 'side="client"', 'result!="ok"'), "result"), "{{result}}")), "ops",
                   "What strangers try, and clients that are configured otherwise.", "tls_unknown_ca, tls_expired: certificates of clients; tls_refused_by_client: ours."),
            series("Handshake time", quantiles("outrider_tls_handshake_duration_seconds", join(POD, 'side="client"')), "s",
                   "From the first word of a handshake with a client to its end, of those that succeeded.", "High with a low loop lag: clients far away; with a high one: too little CPU."),
            series("What is left of certificates", [(f"min by (owner) (outrider_tls_certificate_expiry_timestamp_seconds{{{POD}}}) - time()", "{{owner}}")], "s",
                   "By where the configuration names them.", "A line that goes on falling is renewed by nobody.", least=("lastNotNull",)),
            series("Passed through and refused", only((rate("outrider_tls_refused_total", POD, "listener reason"), "{{listener}} TLS: {{reason}}"),
                                                      (rate("outrider_passthrough_refused_total", POD, "listener reason"), "{{listener}}: {{reason}}")), "cps",
                   "TLS that was to be passed through unread and led nowhere, and redirected connections that could not go on.",
                   "no_route: no rule has the name; own_connection: leave the proxy's user out of the redirecting rules."),
            series("Headers of PROXY protocol", [(rate("outrider_proxy_protocol_headers_total", POD, "listener result"), "{{listener}}: {{result}}")], "cps",
                   "Connections of listeners with proxy_protocol, by what came of the header in front.",
                   "missing, untrusted: somebody comes past the balancer, or proxy_protocol.trust lacks its network; local: its health checks."))

    it.row("What is refused")
    it.line(8,
            series("Rate limits", [(rate("outrider_rate_limited_total", join(POD, ROUTE), "route scope"), "{{route}} ({{scope}})")], "reqps",
                   "Requests that came too often, by rule and by whose limit it was.", "Honest clients among them: a larger rate or burst, or a better key."),
            series("By filters", [(rate("outrider_filter_denied_total", POD, "filter reason"), "{{filter}}: {{reason}}")], "reqps",
                   "Requests and connections that a filter has refused, or could not judge.", "authz_unavailable, no_keys: what the filter asks is away."),
            series("Malformed requests", [(rate("outrider_malformed_requests_total", POD, "reason"), "{{reason}}")], "reqps",
                   "Requests refused because their form breaks the protocol or a limit.", "Many of one kind: an attack, or listeners.NAME.http is too strict for a client of yours."),
            series("Bodies and heads too large", [(requests(join(HERE, 'flag="too_large"'), "code"), "{{code}}")], "reqps",
                   "413 for bodies, 431 for heads.", "listeners.NAME.http.max_body, and its limits of heads."))

    it.row("What filters depend on")
    it.line(8,
            series("Fetched from URLs", only((rate("outrider_downloads_total", POD, "source result"), "{{source}} {{result}}")), "ops",
                   "Keys of tokens (jwks), by how fetching them ended.", "Not success: what there was is kept; without any, tokens cannot be judged."),
            series("Store of rate limits given up", only((rate("outrider_rate_limit_store_failures_total", POD, "store reason"), "{{store}} {{reason}}")), "ops",
                   "Times the Redis of limits with scope mesh was given up for a while.", "Each proxy limits by itself then: the mesh lets in that many times more."),
            series("Done by filters", [(rate("outrider_filter_actions_total", POD, "filter action"), "{{filter}} {{action}}")], "reqps",
                   "Requests that a filter has done something to: compressed, slowed, faults.", "over_limit: it was too much, and went on as it was."))
    return it
