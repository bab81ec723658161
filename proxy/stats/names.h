#pragma once
// Every metric: name, help, kind, unit, and the labels it takes with the closed set of their values.
//
// Values come from the configuration (listener, route, cluster) or from the sets given here; never a path, a client's
// address, a host or a user agent. `pod`, `namespace` and `node` are added by the scrape. Where a label says `*`
// the value is a name from the configuration. Histograms carry no `code`. Histograms are kept in microseconds.

#include <array>

#include "stats/stats.h"

// clang-format off
namespace outrider::stats::names {

inline constexpr double kMicro = 1e-6, kMilli = 1e-3;

// Requests. direction: inbound, outbound, edge. route: *. cluster: *, or "" when none was chosen. code: 100 to 599, or
// other (no answer at all, and TCP connections). flag, why it did not end as it should: none, no_route, no_endpoint,
// connect_failure, connect_timeout, request_timeout, idle_timeout, upstream_reset, upstream_protocol, downstream_gone,
// malformed, too_large, overload, draining, denied, internal. grpc_status: 0 to 16. peer: "namespace/account" of an identity
// that TLS has shown, whole where it is of another trust domain; beyond 50 of them, other.
inline constexpr Name kRequests{  // direction, route, cluster, code, flag
    "outrider_requests_total", "Requests that have ended, with the status the client was sent.", Kind::Counter};
inline constexpr Name kRequestDuration{  // direction, route, cluster
    "outrider_request_duration_seconds", "Time from the first byte of a request to the last byte of its response.",
    Kind::Histogram, kMicro};
inline constexpr Name kFirstByte{  // direction, route, cluster
    "outrider_response_first_byte_seconds", "Time from the first byte of a request to the head of its response.",
    Kind::Histogram, kMicro};
inline constexpr Name kRequestsInFlight{  // direction, cluster
    "outrider_requests_in_flight", "Requests being served at this moment.", Kind::Gauge};
inline constexpr Name kRequestBytes{  // direction, route, cluster
    "outrider_request_bytes_total", "Body bytes of requests.", Kind::Counter};
inline constexpr Name kResponseBytes{  // direction, route, cluster
    "outrider_response_bytes_total", "Body bytes of responses.", Kind::Counter};
inline constexpr Name kGrpcResponses{  // direction, route, cluster, grpc_status
    "outrider_grpc_responses_total", "Calls of gRPC that have ended, with the status the client got.", Kind::Counter};
inline constexpr Name kPeerRequests{  // direction, peer, code
    "outrider_peer_requests_total", "Requests by the identity at the other end: who calls whom.", Kind::Counter};
inline constexpr Name kProxyOverhead{  // direction
    "outrider_proxy_overhead_seconds", "Time a request spent in the proxy itself, both ways together.",
    Kind::Histogram, kMicro, Range::Fine};
inline constexpr Name kMalformedRequests{  // reason: the `what` of the codec's error, literals of http/ only
    "outrider_malformed_requests_total", "Requests refused because their form breaks the protocol or a limit.",
    Kind::Counter};

// protocol: http1, http2, tls, tcp. how: first_bytes (of the client), server_first.
inline constexpr Name kProtocolDetections{  // protocol, how
    "outrider_protocol_detections_total", "Connections of listeners that tell protocols apart, once it was known who speaks.",
    Kind::Counter};

// Connections from clients. listener: *. tls: none, terminated, mutual, passed. reason: client (it left), finished (as its last
// response said, or both ends of a TCP connection), reset, idle, header_timeout, request_timeout, duration,
// max_requests, too_many, too_many_per_ip, too_fast, malformed, draining, no_route, connect_failure, no_endpoint, overload, tls,
// denied, distrusted, proxy_protocol, internal.
inline constexpr Name kConnections{  // direction, listener, tls
    "outrider_connections_total", "Connections accepted from clients.", Kind::Counter};
inline constexpr Name kConnectionsActive{  // direction, listener, tls
    "outrider_connections_active", "Connections from clients that are open.", Kind::Gauge};
inline constexpr Name kConnectionDuration{  // direction, listener
    "outrider_connection_duration_seconds", "How long connections from clients were open.", Kind::Histogram, kMicro,
    Range::Long};
inline constexpr Name kConnectionsClosed{  // direction, listener, reason
    "outrider_connections_closed_total", "Connections from clients that have ended, by reason.", Kind::Counter};

// result: ok, tls_handshake, tls_timeout, tls_not_tls, tls_version, tls_no_shared_protocol, tls_no_shared_curve,
// tls_no_agreement, tls_no_certificate, tls_certificate_refused, tls_broken, tls_plain_http, tls_no_shared_cipher,
// tls_refused_by_client, tls_wrong_name, tls_wrong_identity, tls_expired, tls_not_yet_valid, tls_unknown_ca,
// tls_refused_by_endpoint, tls_closed.
// side: client, endpoint. version: TLSv1.3, TLSv1.2, none (there was no end of it).
inline constexpr Name kTlsHandshakes{  // result, side, version
    "outrider_tls_handshakes_total", "Handshakes of TLS with clients and with endpoints, by how they ended.", Kind::Counter};

inline constexpr Name kTlsHandshakeDuration{  // side
    "outrider_tls_handshake_duration_seconds", "From the first word of a handshake of TLS to its end, of those that succeeded.",
    Kind::Histogram, kMicro, Range::Fine};

// Files of certificates, by where the configuration names them. owner: *. file: *. result: success, failure.
inline constexpr Name kTlsCertificateExpiry{  // owner, file
    "outrider_tls_certificate_expiry_timestamp_seconds", "When a certificate that is shown expires.", Kind::Gauge};
inline constexpr Name kTlsReloads{  // owner, result
    "outrider_tls_reloads_total", "Certificates and keys that were found to be new, and whether they could be used.", Kind::Counter};

// reason: no_route (no rule has the name), no_server_name (none was named, and no rule takes that), not_tls,
// client_hello_cut_short, client_hello_too_long, client_hello_length, client_hello_record_length, client_hello_interrupted,
// client_hello_twice, client_hello_server_name, client_hello_protocols.
inline constexpr Name kTlsRefused{  // direction, listener, reason
    "outrider_tls_refused_total", "TLS that was to be passed through and led nowhere, by reason.", Kind::Counter};

// reason: not_redirected (it came directly, and has no destination), own_listener (it was meant for this proxy itself), own_connection
// (it is one of this proxy's, redirected back to it), virtual_address (one that stands for no service).
inline constexpr Name kPassthroughRefused{  // direction, listener, reason
    "outrider_passthrough_refused_total", "What was to go on to the address it was meant for and could not, by reason.", Kind::Counter};

// result: v1, v2, local (the proxy in front itself connects), unknown (it does not say who does), none (optional, and nothing came);
// of connections that were refused untrusted, missing, timeout, cut_short, v1_line, v1_too_long, v1_protocol, v1_address, v1_port,
// v2_version, v2_command, v2_family, v2_address, v2_too_long, v2_tlv, v2_checksum.
inline constexpr Name kProxyHeaders{  // direction, listener, result
    "outrider_proxy_protocol_headers_total", "Connections of listeners with PROXY protocol, by what came of its header.",
    Kind::Counter};

// way: in (client to endpoint), out.
inline constexpr Name kTcpBytes{  // direction, cluster, way
    "outrider_tcp_bytes_total", "Bytes relayed for TCP connections and tunnels.", Kind::Counter};

// Upstream. cluster: *. state: ready, draining, ejected, unhealthy, unknown, stale. connect reason: refused, timeout,
// unreachable, tls, closed, overload. retry reason: connect_failure, refused_stream, reset_before_request, cancelled,
// deadline_exceeded, internal, resource_exhausted, unavailable, status, timeout; result: success, failure, budget (not tried).
// limit: connections, pending, requests, retries. check result: success, failure; check reason: refused, timeout,
// unreachable, tls, closed, overload, status, not_serving. locality: local, other, unknown. ejection reason: connect_failure,
// no_answer, gateway_error, 5xx, success_rate.
inline constexpr Name kClusterEndpoints{  // cluster, state
    "outrider_cluster_endpoints", "Endpoints of a cluster, by what this proxy holds of them.", Kind::Gauge};
inline constexpr Name kClusterConnectionsActive{  // cluster
    "outrider_cluster_connections_active", "Open connections to endpoints.", Kind::Gauge};
inline constexpr Name kClusterConnectDuration{  // cluster
    "outrider_cluster_connect_duration_seconds", "Time until a connection to an endpoint was ready.", Kind::Histogram,
    kMicro, Range::Fine};
inline constexpr Name kClusterConnectFailures{  // cluster, reason
    "outrider_cluster_connect_failures_total", "Connections to endpoints that did not come about.", Kind::Counter};
inline constexpr Name kClusterPending{  // cluster
    "outrider_cluster_pending_requests", "Requests that wait for a connection.", Kind::Gauge};
inline constexpr Name kClusterRetries{  // cluster, reason, result
    "outrider_cluster_retries_total", "Further tries of requests, by why and how they ended.", Kind::Counter};
inline constexpr Name kClusterRetryBudget{  // cluster
    "outrider_cluster_retry_budget_remaining_ratio", "How much of the retries that the cluster may have under way is left.",
    Kind::Gauge};
inline constexpr Name kClusterEjections{  // cluster, reason
    "outrider_cluster_ejections_total", "Endpoints that were left out for a time, by what they had done.", Kind::Counter};
inline constexpr Name kClusterBreakerOpen{  // cluster, limit
    "outrider_cluster_breaker_open", "1 while a limit of the cluster refuses.", Kind::Gauge};
inline constexpr Name kClusterPanic{  // cluster
    "outrider_cluster_panic", "1 while so few endpoints are healthy that all are used.", Kind::Gauge};
inline constexpr Name kClusterHealthChecks{  // cluster, result
    "outrider_cluster_health_checks_total", "Active health checks.", Kind::Counter};
inline constexpr Name kClusterHealthFailures{  // cluster, reason
    "outrider_cluster_health_check_failures_total", "Active health checks that failed, by why.", Kind::Counter};
inline constexpr Name kClusterPicks{  // cluster, locality
    "outrider_cluster_picks_total", "Endpoints chosen by the balancer, by where they are.", Kind::Counter};

// Second tries beside first ones that are slow to answer. result: won (its answer was the first), lost, failed (it had no good answer),
// cut (the request ended before either answered), budget (not tried), no_other (endpoint; not tried).
inline constexpr Name kClusterHedges{  // cluster, result
    "outrider_cluster_hedges_total", "Second tries beside first ones that were slow to answer, by how they ended.", Kind::Counter};

// Copies of requests. cluster: whom they are for. result: 2xx, 3xx, 4xx, 5xx, timeout, failed, no_endpoint, overload (a limit of
// the cluster), too_large (not sent), over_limit (max_in_flight, not sent), incomplete (not sent: nor was all of its request).
inline constexpr Name kMirrored{  // cluster, result
    "outrider_mirrored_total", "Copies of requests for somebody whose answers nobody sees, by what came of them.", Kind::Counter};

// Questions to DNS. result: found, no_name, no_data, timeout, server_failure, refused, malformed, unreachable, cut (there were more
// than dns.max_endpoints).
inline constexpr Name kDnsLookups{  // result
    "outrider_dns_lookups_total", "Questions to DNS for endpoints, by how they ended.", Kind::Counter};
// The server of DNS beside the application. result: found, no_name, no_data, not_ready (the registry does not say), no_room (of virtual
// addresses, or of names that wait), forwarded, unanswered (by nobody who was asked for it), loop (it was our own), malformed, refused.
inline constexpr Name kDnsQueries{  // result
    "outrider_dns_queries_total", "Questions to the proxy's own server of DNS, by what was answered.", Kind::Counter};
// reason: no_query, rate, in_flight, connections, unsent (the client takes no answer).
inline constexpr Name kDnsDropped{  // reason
    "outrider_dns_queries_dropped_total", "Questions to the proxy's own server of DNS that were not answered, by why.", Kind::Counter};
// reason: timeout, unreachable, refused (it could not, or would not), mismatched (an answer to something else; it is waited on).
inline constexpr Name kDnsForwardFailures{  // reason
    "outrider_dns_forward_failures_total", "Tries to have other servers of DNS answer that failed, by why.", Kind::Counter};
inline constexpr Name kDnsVirtualAddresses{
    "outrider_dns_virtual_addresses", "Services that have a virtual address.", Kind::Gauge};
// Files of endpoints. result: success, failure.
inline constexpr Name kEndpointsFileReads{  // cluster, result
    "outrider_endpoints_file_reads_total", "Files of endpoints that were found to be new, and whether they could be used.",
    Kind::Counter};

// One endpoint each, only with telemetry.metrics.endpoint_metrics. endpoint: its address.
inline constexpr Name kEndpointRequests{  // cluster, endpoint
    "outrider_endpoint_requests_total", "Requests and connections sent to an endpoint.", Kind::Counter};
inline constexpr Name kEndpointInFlight{  // cluster, endpoint
    "outrider_endpoint_requests_in_flight", "Requests and connections at an endpoint at this moment.", Kind::Gauge};
inline constexpr Name kEndpointLatency{  // cluster, endpoint
    "outrider_endpoint_latency_seconds", "Moving average of an endpoint's answers, as the balancer sees it.",
    Kind::Gauge, kMilli};

// The application beside us.
inline constexpr Name kServiceUp{  // service: *
    "outrider_service_up", "1 while the local application answers its health check.", Kind::Gauge};
// priority: high, normal, low. reason: service_queue_full, service_queue_timeout, service_throttled, overload_memory,
// overload_connections, overload_loop_lag.
inline constexpr Name kServiceConcurrencyLimit{
    "outrider_service_concurrency_limit", "Requests that may be under way in the local application at once.", Kind::Gauge};
inline constexpr Name kServiceQueueDepth{  // priority
    "outrider_service_queue_depth", "Requests that wait to be let in to the local application.", Kind::Gauge};
inline constexpr Name kServiceQueueWait{
    "outrider_service_queue_wait_seconds", "How long requests that had to wait, and were let in, waited for that.", Kind::Histogram, kMicro};
inline constexpr Name kServiceShed{  // priority, reason
    "outrider_service_shed_total", "Requests refused so that others are served, by what they are worth and why.", Kind::Counter};

inline constexpr Name kServiceUtilization{
    "outrider_service_utilization_ratio", "Requests in the local application and before it, by how many it takes at once.", Kind::Gauge};
inline constexpr Name kServiceDesiredReplicas{
    "outrider_service_desired_replicas", "What this one pod adds to the replicas its service needs: its utilization of late, by the target.", Kind::Gauge};
// limit: min, max.
inline constexpr Name kServiceReplicasLimit{  // limit
    "outrider_service_replicas_limit", "The least and the most replicas there are to be, as configured.", Kind::Gauge};

// Probes of the pod's containers that are asked here. container: *. kind: liveness, readiness, startup, post_start, pre_stop. result:
// success, refused, timeout, unreachable, tls, closed, overload, status, not_serving.
inline constexpr Name kProbes{  // container, kind, result
    "outrider_probes_total", "Probes of this pod's containers, by what the application said to them.", Kind::Counter};

// Registry. record state: valid, stale, tombstone. rejected reason: bad_signature, unknown_ca, no_certificate,
// wrong_identity, not_owner, expired, skew, replayed, oversized, unsealed, malformed, muted, quota. publish result: success, failure.
// way: in, out. sealed, signed: true, false.
inline constexpr Name kRegistryPeers{
    "outrider_registry_peers", "DHT nodes in the routing table that answer.", Kind::Gauge};
inline constexpr Name kRegistryServices{
    "outrider_registry_services", "Services that are being watched.", Kind::Gauge};
inline constexpr Name kRegistryRecords{  // state
    "outrider_registry_records", "Records of other instances that are held.", Kind::Gauge};
inline constexpr Name kRegistryLookupDuration{
    "outrider_registry_lookup_duration_seconds", "Time until a first lookup of a service was answered.",
    Kind::Histogram, kMicro};
inline constexpr Name kRegistryPropagation{
    "outrider_registry_propagation_seconds", "Time from the issue of a record until this proxy saw it.",
    Kind::Histogram, kMicro};
inline constexpr Name kRegistryRejected{  // reason
    "outrider_registry_rejected_total", "Records and packets that were not believed.", Kind::Counter};
inline constexpr Name kRegistryWithheld{
    "outrider_registry_withheld_total", "Readings of a service whose nearest nodes showed nothing of what others had.",
    Kind::Counter};
inline constexpr Name kRegistryUnlisted{
    "outrider_registry_unlisted_total", "Listings of services that found no room while they were read.", Kind::Counter};
inline constexpr Name kRegistryStaleness{  // cluster
    "outrider_registry_staleness_seconds", "How long ago the registry last confirmed a cluster's endpoints.",
    Kind::Gauge, kMilli};
inline constexpr Name kRegistryPublishes{  // result
    "outrider_registry_publishes_total", "Publications of this proxy's own records.", Kind::Counter};
inline constexpr Name kRegistryBytes{  // way
    "outrider_registry_bytes_total", "Bytes of registry packets.", Kind::Counter};
inline constexpr Name kRegistryInfo{  // sealed, signed
    "outrider_registry_info", "1; whether packets are sealed and records signed.", Kind::Gauge};

// Kubernetes as the registry. type: added, modified, deleted, bookmark, error. reason: lookup, connection, tls, token, timeout, silent,
// cut, unauthorized, forbidden, expired, throttled, status, malformed, oversized.
inline constexpr Name kRegistryEvents{  // type
    "outrider_registry_events_total", "Events that watches of Kubernetes' EndpointSlices have brought.", Kind::Counter};
inline constexpr Name kRegistryFailures{  // reason
    "outrider_registry_failures_total", "Questions to Kubernetes' API server that failed, and watches that ended before their time.",
    Kind::Counter};

// Who comes, and who we are. rule: *. verdict: allowed, denied. mode: enforce, shadow. result: success, failure.
inline constexpr Name kAuthorization{  // verdict, rule, mode
    "outrider_authorization_total", "Requests and TCP connections that were judged, by the rule whose word it was.", Kind::Counter};
// filter: ip, basic_auth, api_key, jwt, ext_authz, rate_limit, body_limit. reason: a rule of `ip`; of rate_limit that; of body_limit
// body_too_large; of basic_auth no_credentials, malformed_credentials, wrong_credentials; of api_key
// no_key, wrong_key; of jwt no_token, malformed, algorithm, unknown_key, bad_signature, no_expiry, expired, not_yet_valid,
// wrong_issuer, wrong_audience, no_keys (none have come yet); of ext_authz authz_denied, authz_timeout, authz_unavailable,
// authz_failed, and each of the last three with _allowed behind it, where on_error let the request in.
inline constexpr Name kFilterDenied{  // filter, reason
    "outrider_filter_denied_total", "Requests and connections that a filter has refused, or could not judge.", Kind::Counter};
// filter: fault, bandwidth, compress. action: delayed, aborted, reset, over_limit (too many are held or under way: it went on as it
// was), slowed, zstd, br, gzip.
inline constexpr Name kFilterActions{  // filter, action
    "outrider_filter_actions_total", "Requests that a filter has done something to, by what.", Kind::Counter};
// scope: mesh (counted together with others), local (by this proxy alone; also where the store of scope mesh does not answer).
inline constexpr Name kRateLimited{  // route, scope
    "outrider_rate_limited_total", "Requests that came too often, by whose limit it was.", Kind::Counter};
// store: the address of a Redis, as configured. reason: lookup, connect, timeout, closed, auth, refused (it answered with an error),
// protocol (with something else).
inline constexpr Name kStoreFailures{  // store, reason
    "outrider_rate_limit_store_failures_total", "Times the store of mesh-wide rate limits was given up for a while, by why.",
    Kind::Counter};
inline constexpr Name kIdentityExpiry{
    "outrider_identity_expiry_timestamp_seconds", "When this proxy's certificate expires.", Kind::Gauge};
inline constexpr Name kAuthorityExpiry{  // trust_domain: our own, and those of identity.trust
    "outrider_identity_ca_expiry_timestamp_seconds", "When the last of a trust domain's authorities expires.", Kind::Gauge};
inline constexpr Name kIdentityRotations{  // result
    "outrider_identity_rotations_total", "New certificates found in identity.dir.", Kind::Counter};
inline constexpr Name kDistrusted{  // side: client, endpoint
    "outrider_identity_distrusted_total", "Open connections whose peer is trusted no more, since ca.crt or identity.trust changed.",
    Kind::Counter};
inline constexpr Name kIdentityInfo{  // spiffe_id, issuer: of our own certificate
    "outrider_identity_info", "1; who this proxy is.", Kind::Gauge};
// source: host and port of a URL of the configuration. result: success, lookup, connection, timeout, status, too_large, malformed.
inline constexpr Name kDownloads{  // source, result
    "outrider_downloads_total", "What filters have from URLs (jwks), by how fetching it ended.", Kind::Counter};

// Another process has taken this one's place. result: success (of this process and those it took over from), failure.
inline constexpr Name kUpgrades{  // result
    "outrider_upgrades_total", "Upgrades of the binary in place, by result.", Kind::Counter};

// The process. loop: worker, control, registry. subsystem: buffers, registry, stats, access_log.
inline constexpr Name kBuildInfo{  // version, revision
    "outrider_build_info", "1; what was built.", Kind::Gauge};
inline constexpr Name kConfigInfo{  // version, hash
    "outrider_config_info", "1; which configuration is served.", Kind::Gauge};
// result: success, failure (refused, and nothing changed), unchanged.
inline constexpr Name kConfigReloads{  // result
    "outrider_config_reloads_total", "Times the configuration was read again, by what came of it.", Kind::Counter};
inline constexpr Name kConfigLastReload{
    "outrider_config_last_reload_success", "1 unless what was read last could not be used.", Kind::Gauge};
inline constexpr Name kConfigRollbacks{
    "outrider_config_rollbacks_total", "Times the configuration went back to an earlier one, by the guard or by hand.", Kind::Counter};
inline constexpr Name kEventLoopLag{  // loop
    "outrider_event_loop_lag_seconds", "The longest turn of an event loop in each second.", Kind::Histogram, kMicro,
    Range::Fine};
inline constexpr Name kOverloadLevel{
    "outrider_overload_level", "0; 1: low priority is refused; 2: and no connection kept; 3: and nothing let in.", Kind::Gauge};
inline constexpr Name kMemory{  // subsystem
    "outrider_memory_bytes", "Memory held, by what it is for.", Kind::Gauge};
inline constexpr Name kMetricsSeries{
    "outrider_metrics_series", "Series this proxy keeps; telemetry.metrics.max_series is the most.", Kind::Gauge};
inline constexpr Name kMetricsDroppedSeries{
    "outrider_metrics_dropped_series_total", "Times a series did not fit and was counted as __other__ or left out.",
    Kind::Counter};
inline constexpr Name kAccessLogDropped{
    "outrider_access_log_dropped_total", "Access log lines dropped because the writer was behind.", Kind::Counter};
// result: shown (to one watcher), dropped (one that reads too slowly), limited (over what `max` of a filter tap allows).
inline constexpr Name kTapWatchers{
    "outrider_tap_watchers", "Readers that watch exchanges as they end (outrider tap).", Kind::Gauge};
inline constexpr Name kTapExchanges{  // result
    "outrider_tap_exchanges_total", "Exchanges that somebody was to see, by what became of that.", Kind::Counter};
// Spans. result, of each time that they were sent: success, rejected (the collector says so of some), refused (of all, and not to be sent
// again), busy (it has no time for them), lookup, connection, timeout. reason: queue_full, rejected, refused, gave_up (sent too often),
// shutdown.
inline constexpr Name kTracesExported{  // result
    "outrider_traces_exported_total", "Spans sent to the collector, by how that ended; counted each time they are sent.", Kind::Counter};
inline constexpr Name kTracesDropped{  // reason
    "outrider_traces_dropped_total", "Spans that no collector has.", Kind::Counter};
inline constexpr Name kRefusedCalls{
    "outrider_refused_system_calls_total", "System calls the sandbox has refused; the log has the name of the first.", Kind::Counter};
inline constexpr Name kProcessCpu{
    "process_cpu_seconds_total", "User and system CPU time spent.", Kind::Counter};
inline constexpr Name kProcessResident{
    "process_resident_memory_bytes", "Resident memory.", Kind::Gauge};
inline constexpr Name kProcessVirtual{
    "process_virtual_memory_bytes", "Virtual memory.", Kind::Gauge};
inline constexpr Name kProcessOpenFds{
    "process_open_fds", "Open file descriptors.", Kind::Gauge};
inline constexpr Name kProcessMaxFds{
    "process_max_fds", "Most file descriptors that may be open.", Kind::Gauge};
inline constexpr Name kProcessStart{
    "process_start_time_seconds", "When the process started, since the epoch.", Kind::Gauge};

inline constexpr std::array kAll = {
    &kRequests, &kRequestDuration, &kFirstByte, &kRequestsInFlight, &kRequestBytes, &kResponseBytes, &kGrpcResponses, &kPeerRequests, &kProxyOverhead, &kMalformedRequests, &kProtocolDetections, &kConnections, &kConnectionsActive, &kConnectionDuration, &kConnectionsClosed, &kTlsHandshakes, &kTlsHandshakeDuration, &kTlsCertificateExpiry, &kTlsReloads, &kTlsRefused, &kPassthroughRefused, &kProxyHeaders, &kTcpBytes, &kClusterEndpoints, &kClusterConnectionsActive, &kClusterConnectDuration, &kClusterConnectFailures, &kClusterPending, &kClusterRetries, &kClusterRetryBudget, &kClusterEjections, &kClusterBreakerOpen, &kClusterPanic, &kClusterHealthChecks, &kClusterHealthFailures, &kClusterPicks, &kClusterHedges, &kMirrored, &kDnsLookups, &kDnsQueries, &kDnsDropped, &kDnsForwardFailures, &kDnsVirtualAddresses, &kEndpointsFileReads, &kEndpointRequests, &kEndpointInFlight, &kEndpointLatency, &kServiceUp, &kServiceConcurrencyLimit, &kServiceQueueDepth, &kServiceQueueWait, &kServiceShed, &kServiceUtilization, &kServiceDesiredReplicas, &kServiceReplicasLimit, &kProbes, &kRegistryPeers, &kRegistryServices, &kRegistryRecords, &kRegistryLookupDuration, &kRegistryPropagation, &kRegistryRejected, &kRegistryWithheld, &kRegistryUnlisted, &kRegistryStaleness, &kRegistryPublishes, &kRegistryBytes, &kRegistryEvents, &kRegistryFailures, &kRegistryInfo, &kAuthorization, &kFilterDenied, &kFilterActions, &kRateLimited, &kStoreFailures, &kDownloads, &kIdentityExpiry, &kAuthorityExpiry, &kIdentityRotations, &kDistrusted, &kIdentityInfo, &kBuildInfo, &kConfigInfo, &kConfigReloads, &kConfigLastReload, &kConfigRollbacks, &kUpgrades, &kEventLoopLag, &kOverloadLevel, &kMemory, &kMetricsSeries, &kMetricsDroppedSeries, &kAccessLogDropped, &kTapWatchers, &kTapExchanges, &kTracesExported, &kTracesDropped, &kRefusedCalls, &kProcessCpu,
    &kProcessResident, &kProcessVirtual, &kProcessOpenFds, &kProcessMaxFds, &kProcessStart,
};

}  // namespace outrider::stats::names
