from asks import *
from kit import *

W = POD
HANDSHAKES = "outrider_tls_handshakes_total"


def left(metric, labels="", where=W):
    """Until the first of them ends; 0 stands for none."""
    return f"{over('min', labels)}({metric}{{{where}}} > 0) - time()"


IDENTITY, FILES, ROOTS = ("outrider_identity_expiry_timestamp_seconds", "outrider_tls_certificate_expiry_timestamp_seconds",
                          "outrider_identity_ca_expiry_timestamp_seconds")


def board():
    it = Board("identity", "Identity", "Certificates and who renews them, handshakes that fail, who comes and what he may.", [NAMESPACE, service(), PODS])
    inbound = join(W, 'direction="inbound"')
    it.line(4,
            stat("Identity ends in, soonest", left(IDENTITY), "s", "The workload's certificate that ends first.",
                 "Red: it should have been exchanged at half of its life; `outrider identity show DIR`.", LIFE, 1, graph=False),
            stat("Certificate file ends in, soonest", left(FILES), "s", "Of the certificates that listeners and clusters name as files.", "Red: the table below names it.", DAYS, 1, graph=False),
            stat("Authority ends in, soonest", left(ROOTS), "s", "The last of a trust domain's authorities: with it ends all they have issued.",
                 "Red: put the next one into ca.crt beside it, long before.", DAYS, 1, graph=False),
            stat("Inbound by mutual TLS", share(rate("outrider_connections_total", join(inbound, 'tls="mutual"')), rate("outrider_connections_total", inbound)), "percentunit",
                 "Which share of new connections to sidecars has shown an identity.", "The others came in clear text, where identity.mtls is permissive.", ALL, 1),
            stat("Handshakes that fail", or_zero(rate(HANDSHAKES, join(W, 'result!="ok"'))), "ops", "A second, with clients and with endpoints.", "By why below.",
                 steps("green", (0.1, "orange"), (1, "red")), 2),
            stat("Denied by authorization", or_zero(rate("outrider_authorization_total", join(W, 'verdict="denied"'))), "ops",
                 "Requests and TCP connections a second that a rule has denied, or would have.", "`outrider authz FROM TO` says by which rule, with its line.", FEW, 2))

    it.row("Certificates")
    it.line(8,
            series("What is left of identities", [(left(IDENTITY, "job pod"), "{{job}} {{pod}}")], "s", "A saw: it falls, and jumps up when the certificate is exchanged.",
                   "One that goes on falling is exchanged by nobody.", least=("lastNotNull", "min")),
            series("What is left of certificate files", [(left(FILES, "job pod owner"), "{{job}} {{pod}} {{owner}}")], "s", "By where the configuration names them.",
                   "One that goes on falling is renewed by nobody.", least=("lastNotNull", "min")),
            series("Exchanged certificates", [(rate("outrider_identity_rotations_total", W, "result"), "identity {{result}}"), (rate("outrider_tls_reloads_total", W, "result"), "files {{result}}")], "ops",
                   "Identities and files that were found to be new.", "A failure keeps what there was; the log says why."))
    it.line(8,
            (table("Certificate files, the first to end above", {"job": "Service", "pod": "Pod", "owner": "Where", "file": "File"},
                   [Column("Ends in", left(FILES, "job pod owner file"), "s", 1, DAYS)], "Each certificate that a listener or a cluster shows.",
                   "A new file in its place is used within a second.", up=True), 16),
            (table("Authorities", {"job": "Service", "trust_domain": "Trust domain"}, [Column("Ends in", left(ROOTS, "job trust_domain"), "s", 1, DAYS)],
                   "The last of each trust domain to end: our own, and those of identity.trust.", "Put the next one beside it into every ca.crt, and then issue by it.", up=True), 8))

    it.row("Handshakes")
    it.line(8,
            series("With clients that fail, by why", only((rate(HANDSHAKES, join(W, 'side="client"', 'result!="ok"'), "result"), "{{result}}")), "ops",
                   "What strangers try, and clients that are configured otherwise: versions, ciphers and curves of theirs that a listener does not take.", "tls_unknown_ca: a client of another mesh; identity.trust."),
            series("With endpoints that fail, by why", only((rate(HANDSHAKES, join(W, 'side="endpoint"', 'result!="ok"'), "result"), "{{result}}")), "ops",
                   "A request goes to another endpoint then.", "tls_wrong_identity: whoever answers is not who the registration says."),
            series("Time they take, p95", [(quantile(0.95, "outrider_tls_handshake_duration_seconds", W, "side"), "{{side}}")], "s",
                   "From the first word of a handshake to its end, of those that succeeded.", "High: far away, or too little CPU."),
            series("By version", [(rate(HANDSHAKES, join(W, 'result="ok"'), "side version"), "{{side}} {{version}}")], "ops", "Handshakes that came to their end.", "As many as requests: connections are not kept."))

    it.row("Who comes, and what he may")
    it.line(8,
            series("Connections by TLS", [(rate("outrider_connections_total", W, "direction tls"), "{{direction}} {{tls}}")], "ops", "none: clear text. mutual: both have shown an identity.", "Inbound with none: callers without identity.dir, let in because identity.mtls is permissive."),
            series("Judged by authorization", [(rate("outrider_authorization_total", W, "rule verdict mode"), "{{rule}} {{verdict}} ({{mode}})")], "ops",
                   "By the rule whose word it was; shadow rules only count.", "`outrider authz FROM TO` says it beforehand."),
            series("Requests by who asks", [(rate("outrider_peer_requests_total", W, "direction peer"), "{{direction}} {{peer}}")], "reqps",
                   "The identity at the other end. Beyond fifty of them: other.", "One you do not know: authorization.allow."),
            series("Trusted no more", only((rate("outrider_identity_distrusted_total", W, "side"), "{{side}}")), "ops",
                   "Open connections whose peer is trusted no more, since ca.crt or identity.trust changed.", "They are closed; who comes again needs a certificate of the new authority."))
    return it
