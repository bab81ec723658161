// Why it ended so: the one thing, by what key or line, and what can be done.

#include <algorithm>

#include "exchange/exchange.h"
#include "exchange/onward.h"
#include "server/story.h"
#include "server/wording.h"

namespace outrider::server {

using exchange::Decision;
using exchange::Flag;
using exchange::TimeLimit;
using Standing = Decision::Standing;

namespace {

using Sentences = std::vector<std::string>;

// One finding.
class Cause {
 public:
  Cause(const Decision& decision, const KeyPlaces& keys) : d_(decision), keys_(keys) {}

  Sentences find() {
    switch (d_.flag) {
      case Flag::None: return went_through();
      case Flag::NoRoute: return no_route();
      case Flag::NoEndpoint: return nobody();
      case Flag::RequestTimeout: return too_late();
      case Flag::IdleTimeout: return silent();
      case Flag::Malformed: return malformed();
      case Flag::TooLarge: return too_large();
      case Flag::Overload: return limited();
      case Flag::Denied: return denied();
      case Flag::DownstreamGone: return client_left();
      case Flag::Draining:
        return {"The proxy was ending, and lifecycle.drain.time was over (" + keys_.of({"lifecycle", "drain", "time"}) + ")."};
      case Flag::ConnectFailure:
      case Flag::ConnectTimeout:
      case Flag::UpstreamReset:
      case Flag::UpstreamProtocol: return endpoint_failed();
      case Flag::Internal: break;
    }
    return {"The proxy failed (" + d_.reason + "); its log says more."};
  }

 private:
  std::string cluster_key(std::initializer_list<std::string_view> path) const {
    return d_.plan ? keys_.of_cluster(d_.plan->name, path) : std::string();
  }
  std::string listener_key(std::string_view a, std::string_view b) const { return keys_.of({"listeners", d_.listener, a, b}); }
  const Decision::Try* last() const { return d_.attempts.empty() ? nullptr : &d_.attempts.back(); }

  // --- what was answered -----------------------------------------------------------------------------------------

  Sentences went_through() {
    Sentences told;
    const bool grpc_failed = d_.grpc_status && http::is_grpc_failure(*d_.grpc_status);
    if (d_.action == Decision::Action::Respond && d_.status >= 400)
      told.push_back("The rule " + d_.route + in_brackets(place()) + " answers " + std::to_string(d_.status) +
                     " by itself (respond).");
    else if (last() && (d_.status >= 500 || grpc_failed))
      told.push_back("The endpoint " + last()->endpoint->address + " itself answered so; what is wrong is there, or behind it.");
    if (const std::string then = not_again_text(d_, keys_); !then.empty() && !told.empty()) told.push_back(then);
    if (const std::string slow = where_time_went(); !slow.empty()) told.push_back(slow);
    return told;
  }

  std::string place() const { return d_.line ? d_.file + ":" + std::to_string(d_.line) : d_.file; }

  // Worth a sentence where it was long.
  std::string where_time_went() const {
    if (d_.duration < keys_.document().admin.explain.slower.count() * 1000) return {};
    struct Part {
      int64_t us;
      std::string what;
    };
    std::vector<Part> parts;
    if (d_.held.length > 0) parts.push_back({d_.held.length, "the filter " + written_text(d_.held.by) + " held it"});
    if (d_.asked.length > 0)
      parts.push_back({d_.asked.length, "the filter " + written_text(d_.asked.by) + " waited for what it had asked"});
    if (d_.queued > 0) parts.push_back({d_.queued, "it waited to be let in to the application (service.concurrency)"});
    if (d_.looked_up > 0) parts.push_back({d_.looked_up, "nothing was known yet of the cluster " + d_.cluster});
    for (const auto& each : d_.attempts) {
      if (each.opened >= 0)
        parts.push_back({each.opened - each.began, "it waited for a connection to " + each.endpoint->address});
      if (each.headed >= 0 && each.opened >= 0)
        parts.push_back({each.headed - each.opened, "the endpoint " + each.endpoint->address + " had not begun its answer"});
      if (each.failed >= 0 && each.opened >= 0 && each.headed < 0)
        parts.push_back(
            {each.failed - each.opened, "the endpoint " + each.endpoint->address + " said nothing, in a try that failed"});
    }
    if (d_.first_byte >= 0)
      parts.push_back({d_.duration - d_.first_byte, "the answer itself was on its way, as fast as endpoint and client made it"});
    const auto longest = std::max_element(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.us < b.us; });
    if (longest == parts.end()) return {};
    return "It was slow: " + time_text(longest->us) + " of " + time_text(d_.duration) + " went by while " + longest->what + ".";
  }

  // --- nobody to ask ---------------------------------------------------------------------------------------------

  Sentences no_route() {
    if (d_.reason == "no_server_name")
      return {"The client's TLS names no server, and no rule passes on what names none (match.sni: \"*\" does)."};
    if (!d_.route.empty())
      return {"The rule " + d_.route + in_brackets(place()) + " leads to the service that the Host names, and \"" + d_.host +
              "\" names none: NAME, NAME.NAMESPACE or NAME.NAMESPACE." + keys_.document().registry.domain + " would."};
    const auto others = rules_passed_by(d_, keys_);
    std::string text = "No rule of the listener " + d_.listener + " is for it";
    if (others.empty()) return {text + ": there is none (routes." + d_.listener + ")."};
    return {text + ": " + listed(others, "; ") + ".",
            "`outrider route " + (d_.method.empty() ? "GET" : d_.method) + " http://" + d_.host + "/...` tries others."};
  }

  Sentences nobody() {
    if (const char* const onward = exchange::meaning_of(d_.reason); *onward)
      return {"It cannot go on to where it was meant for: " + std::string(onward) + "."};
    const std::string cluster = "The cluster " + d_.cluster;
    const std::string wrong = d_.trouble.empty() ? "" : " (" + d_.trouble + ")";
    if (d_.reason == "discovery_timeout" || d_.known == upstream::Known::NotYet)
      return {"Nothing was known of the cluster " + d_.cluster + " in time" + wrong +
                  ": whoever is to say which endpoints it has did not answer.",
              "`outrider services` and /registry say how the registry is; of a name, look at clusters." + d_.cluster + ".dns."};
    uint32_t all = 0;
    for (const uint32_t count : d_.standings) all += count;
    if (all == 0 && d_.excluded)
      return {cluster + " has " + std::to_string(d_.excluded) +
              " endpoints, none of them with the version or the labels it asks for (" + cluster_key({"constraints", "require"}) +
              ")."};
    if (all == 0 && d_.plan && !d_.plan->service.empty()) {
      const bool none = keys_.document().registry.kind == config::Registry::Kind::None;
      if (none)
        return {"The cluster " + d_.cluster + " is looked up in the registry, and there is none (" +
                keys_.of({"registry", "kind"}) + "); give it endpoints (clusters." + d_.cluster + ".endpoints), or a registry."};
      if (keys_.document().registry.kind == config::Registry::Kind::Kubernetes)
        return {"Kubernetes has no endpoints of the service " + d_.plan->service + wrong + since(d_.known_since_ms) + ".",
                "`kubectl get endpointslices -l kubernetes.io/service-name=NAME` shows what the API server has."};
      return {"Nobody has registered the service " + d_.plan->service + wrong + since(d_.known_since_ms) + ".",
              "`outrider services` lists who has registered."};
    }
    if (all == 0) return {cluster + " has no endpoints" + wrong + " (" + endpoints_key() + ")."};
    Sentences out;
    for (const auto& each : d_.candidates) out.push_back(aside_text(each));
    if (out.size() < all) out.push_back(std::to_string(all - out.size()) + " more");
    return {"No endpoint of the cluster " + d_.cluster + " could be used: " + listed(out, "; ") + ".",
            "`outrider endpoints " + d_.cluster + "` says how they are now" + what_takes_them_out() + "."};
  }

  std::string endpoints_key() const {
    using Discovery = config::Cluster::Discovery;
    const config::Cluster* const cluster = keys_.document().cluster(d_.plan ? d_.plan->name : d_.cluster);
    const Discovery from = cluster ? cluster->discovery : Discovery::Static;
    return cluster_key({from == Discovery::File ? "endpoints_file" : from == Discovery::Dns ? "dns" : "endpoints"});
  }

  static std::string since(int64_t ms) { return ms > 0 ? ", since " + clock_text(ms) : std::string(); }

  std::string what_takes_them_out() const {
    Sentences keys;
    if (d_.standings[size_t(Standing::Ejected)] + d_.standings[size_t(Standing::HalfOpen)])
      keys.push_back(cluster_key({"outlier_detection", "base_ejection"}));
    if (d_.standings[size_t(Standing::Unhealthy)]) keys.push_back(cluster_key({"health_check"}));
    if (d_.standings[size_t(Standing::Draining)]) keys.push_back(cluster_key({"endpoints"}));
    return keys.empty() ? "" : "; what takes them out is " + listed(keys, "; ");
  }

  // --- time ------------------------------------------------------------------------------------------------------

  Sentences too_late() {
    if (d_.reason == "request_header_timeout")
      return {"The head of the request did not come within " + limit(listener_timeout(&config::Listener::request_headers)) +
              " (" + listener_key("timeouts", "request_headers") + ")."};
    if (d_.reason == upstream::kTryTimeout) return endpoint_failed();
    const std::string within = limit(d_.limit.within);
    std::string whose;
    switch (d_.limit.of) {
      case TimeLimit::Of::Rule: whose = route_key("timeout"); break;
      case TimeLimit::Of::Listener: whose = listener_key("timeouts", "request"); break;
      case TimeLimit::Of::Cluster: whose = cluster_key({"timeout"}); break;
      case TimeLimit::Of::Caller: whose = d_.grpc ? "the caller's grpc-timeout" : "the caller's x-outrider-timeout-ms"; break;
      case TimeLimit::Of::Nobody: break;
    }
    Sentences told{"All of it may take " + within + in_brackets(whose) + ", and that was over."};
    if (d_.held.length >= 0 && !last()) told.push_back("The filter " + written_text(d_.held.by) + " was still holding it.");
    else if (last() && last()->headed < 0)
      told.push_back("The endpoint " + last()->endpoint->address +
                     (last()->opened < 0 ? " had no connection for it yet" + connections_text() + "."
                      : d_.request_ended ? " had not begun to answer."
                                         : " was still being sent the request."));
    else if (last()) told.push_back("The answer of " + last()->endpoint->address + " had begun, and had not come to its end.");
    return told;
  }

  std::string connections_text() const {
    if (!d_.connections_used_up) return "";
    return ": the cluster may have no more than " + std::to_string(d_.plan->max_connections) + " connections, and had as many (" +
           cluster_key({"circuit_breaker", "max_connections"}) + ")";
  }

  std::string route_key(std::string_view key) const {
    const config::Route* const route = keys_.route(d_.listener, d_.route);
    return route ? keys_.of_route(*route, {key}) : "timeout of the rule " + d_.route;
  }

  static std::string limit(milliseconds within) { return within.count() ? limit_text(within) : "its limit"; }
  milliseconds listener_timeout(milliseconds config::Listener::*which) const {
    const config::Listener* const listener = keys_.listener(d_.listener);
    return listener ? listener->*which : milliseconds(0);
  }

  Sentences silent() {
    const bool tunnel = d_.reason == exchange::kTunnelIdle;
    const auto which = tunnel ? &config::Listener::tunnel_idle : &config::Listener::stream_idle;
    return {"Nothing moved, either way, for " + limit(listener_timeout(which)) + " (" +
            listener_key("timeouts", tunnel ? "tunnel_idle" : "stream_idle") + ")."};
  }

  // --- the client's ----------------------------------------------------------------------------------------------

  Sentences malformed() {
    const config::Listener* const listener = keys_.listener(d_.listener);
    if (d_.reason == "head_too_large" || d_.reason == "too_many_fields" || d_.reason == "too_many_headers") return too_large();
    Sentences told{"The request is not what HTTP allows: " + d_.reason + "."};
    if (d_.reason == "bad_path")
      told[0] =
          "The path leads above its root, or has %00 or a refused %2f in it (" + listener_key("http", "escaped_slash") + ").";
    if (listener && listener->strict &&
        (d_.reason == "content_length_and_transfer_encoding" || d_.reason == "bare_lf" || d_.reason == "folded_line"))
      told.push_back("What can be read in two ways is refused (" + listener_key("http", "strict") + ").");
    told.push_back("It is the client, " + d_.client + ", that has to change.");
    return told;
  }

  Sentences too_large() {
    const config::Listener* const listener = keys_.listener(d_.listener);
    if (d_.answered_by) return denied();
    if (last() && last()->error.side == Side::Upstream && last()->error.code == Code::TooLarge) return endpoint_failed();
    if (d_.reason == "body_too_large")
      return {"The body is larger than " + bytes_text(listener ? listener->max_body : 0) + " (" +
              listener_key("http", "max_body") + ")."};
    if (d_.reason == "too_many_fields" || d_.reason == "too_many_headers")
      return {"The head has more than " + std::to_string(listener ? listener->max_headers : 0) + " fields (" +
              listener_key("http", "max_headers") + ")."};
    return {"The head is larger than " + bytes_text(listener ? listener->max_header_bytes : 0) + " (" +
            listener_key("http", "max_header_bytes") + "; " + d_.reason + ")."};
  }

  Sentences client_left() {
    std::string when = "It left";
    if (d_.response_begun) when += " when " + bytes_text(d_.response_bytes) + " of the answer had gone to it";
    else if (last() && last()->opened >= 0)
      when += " while the endpoint " + last()->endpoint->address + " was at work on its request, for " +
              time_text(d_.duration - last()->opened);
    else if (last()) when += " while it waited for a connection to " + last()->endpoint->address;
    else if (d_.held.length >= 0) when += " while the filter " + written_text(d_.held.by) + " held it";
    else if (d_.queued >= 0) when += " while it waited to be let in to the application (service.queue)";
    else when += " before anybody was asked";
    return {when + "; that is its own decision, or its own limit of time (" + d_.reason + ")."};
  }

  // --- limits ----------------------------------------------------------------------------------------------------

  Sentences breaker(const char* key, uint32_t most, const char* what) {
    return {"The cluster " + d_.cluster + " may have no more than " + std::to_string(most) + " " + what + " (" +
                cluster_key({"circuit_breaker", key}) +
                "), of all workers together, and had as many: one more is refused at once.",
            "Where its endpoints can take more, raise it; `outrider stat` shows what is in flight."};
  }

  Sentences limited() {
    const std::string& reason = d_.reason;
    if (d_.plan && reason == "circuit_breaker_requests") return breaker("max_requests", d_.plan->max_requests, "in flight");
    if (d_.plan && reason == "circuit_breaker_pending")
      return breaker("max_pending", d_.plan->max_pending, "waiting for a connection");
    if (d_.plan && reason == "circuit_breaker_destinations")
      return breaker("max_destinations", d_.plan->max_destinations, "destinations in use, on each worker");
    const auto& service = keys_.document().service;
    if (reason == "service_queue_full")
      return {"The application has as many requests under way as it may have (" + keys_.of({"service", "concurrency"}) +
              "), and " + std::to_string(service.queue_max) + " are waiting, as many as may (" +
              keys_.of({"service", "queue", "max"}) + ")."};
    if (reason == "service_queue_timeout")
      return {"The application has as many requests under way as it may have (" + keys_.of({"service", "concurrency"}) +
              "), and none of them ended within " + limit(service.queue_timeout) + " (" +
              keys_.of({"service", "queue", "timeout"}) + ")."};
    if (reason == "service_throttled")
      return {
          "Too many requests of the last half a minute have failed in the application, so some are refused before it sees them (" +
          keys_.of({"service", "admission", "success_rate"}) + ")."};
    if (reason == "overload_connections")
      return {"The proxy has nearly all the connections it may have (" + keys_.of({"overload", "connections"}) + ")."};
    if (reason == "overload_loop_lag")
      return {"A worker's turn took too long (" + keys_.of({"overload", "loop_lag"}) +
              "), and requests of low priority are refused for a while."};
    if (reason == "overload_memory")
      return {"The process has nearly all the memory it may have (" + keys_.of({"overload", "memory"}) +
              "); /ready says how much."};
    if (reason == "out_of_descriptors") return {"The process may open no more files (ulimit -n)."};
    return {"A limit of this proxy was reached: " + reason + "."};
  }

  // --- who may ---------------------------------------------------------------------------------------------------

  Sentences denied() {
    if (d_.authorization) {
      const auto& rules = keys_.document().authorization;
      const std::string who = d_.identity.empty() ? "whoever has no identity" : d_.identity;
      for (const auto* list : {&rules.allow, &rules.deny})
        for (const auto& rule : *list)
          if (rule.name == d_.reason)
            return {"authorization." + rule.name + " (" + place_of(rule.where) + ") denies this to " + who + "."};
      return {"No rule of authorization.allow lets " + who + " ask for this (" + keys_.of({"authorization", "allow"}) + ").",
              "`outrider authz` says what may be asked for."};
    }
    if (!d_.answered_by) return {"It was refused here: " + d_.reason + "."};
    return {"The filter " + written_text(*d_.answered_by) + " answered in the endpoint's place: " + meaning_of_denial() + "."};
  }

  std::string meaning_of_denial() const {
    const std::string& filter = d_.answered_by->name;
    if (filter == "ip") return "the address " + d_.client + " may not come (" + d_.reason + ")";
    if (filter == "rate_limit") return "more came than the rate lets on (" + d_.reason + ")";
    if (filter == "fault") return "it was told to make requests fail (" + d_.reason + ")";
    if (filter == "body_limit") return "the body is larger than its max (" + d_.reason + ")";
    if (filter == "inject") return "it is no review of a webhook that is taken here (" + d_.reason + ")";
    if (filter == "cors" || filter == "csrf") return "it came from a page of another origin (" + d_.reason + ")";
    if (filter == "api_key" || filter == "basic_auth" || filter == "jwt")
      return "what the client showed, or did not show, lets nobody in (" + d_.reason + ")";
    if (filter == "ext_authz")
      return d_.reason == "authz_denied" ? "whom it asked said no (authz_denied)"
                                         : "whom it asked gave no usable answer (" + d_.reason + ")";
    return d_.reason;
  }

  // --- the endpoint's --------------------------------------------------------------------------------------------

  Sentences endpoint_failed() {
    const Decision::Try* failed = last();
    for (const auto& each : d_.attempts)
      if (each.error.what == d_.reason) failed = &each;
    if (!failed) return {"It could not be sent to an endpoint: " + d_.reason + "."};
    if (failed->failed < 0)  // it answered, with what cannot be passed on
      return {"The answer of the endpoint " + failed->endpoint->address + " cannot be passed on: " + d_.reason + "."};
    Sentences told{"The endpoint " + failed->endpoint->address + " " + failure_text(d_, *failed, keys_) + "."};
    if (const std::string then = not_again_text(d_, keys_); !then.empty()) told.push_back(then);
    return told;
  }

  const Decision& d_;
  const KeyPlaces& keys_;
};

}  // namespace

std::vector<std::string> cause_of(const Decision& decision, const KeyPlaces& keys) { return Cause(decision, keys).find(); }

}  // namespace outrider::server
