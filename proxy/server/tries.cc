// Words for what became of one try, and for why there was no other.

#include <cstring>

#include "server/story.h"
#include "server/wording.h"
#include "upstream/attempt.h"

namespace outrider::server {

using exchange::Decision;

namespace {

const char* reason_of_os(const Error& error) { return error.os_error ? std::strerror(error.os_error) : error.what; }

}  // namespace

std::string failure_text(const Decision& decision, const Decision::Try& failed, const KeyPlaces& keys) {
  const Error& error = failed.error;
  const std::string_view what = error.what;
  const std::string word = " (" + std::string(what) + ")";
  const auto cluster_key = [&](std::initializer_list<std::string_view> path) {
    return decision.plan ? keys.of_cluster(decision.plan->name, path) : std::string();
  };
  switch (error.code) {
    case Code::Refused:
      if (what == "no_such_socket") return "has no socket at that path" + word;
      return (what == "connection_refused" ? std::string("refused the connection: nobody listens there")
                                           : "refused the connection") +
             word;
    case Code::Unreachable: return "cannot be reached: " + std::string(reason_of_os(error)) + word;
    case Code::Timeout:
      if (what == "connect_timeout" || what == "tls_timeout")
        return std::string(what == "tls_timeout" ? "had not finished the TLS handshake" : "took no connection") + " within " +
               limit_text(decision.plan ? decision.plan->pool.connect_timeout : milliseconds(0)) + " (" +
               cluster_key({"connect_timeout"}) + ")";
      if (what == upstream::kTryTimeout && decision.reason == "request_timeout")
        return "was given up, for all of it had no more time";
      if (what == upstream::kTryTimeout)
        return "had not begun to answer within " + limit_text(decision.tries.per_try_timeout) + " (" +
               tries_key(decision, keys, {"retry", "per_try_timeout"}) + ")";
      return "answered no more: its host is gone, or the way to it" + word;
    case Code::Tls:
      return "and this proxy could agree on no TLS: " + (failed.trouble.empty() ? std::string(what) : failed.trouble) + word +
             ", by " + cluster_key({"tls"});
    case Code::Closed:
      if (failed.headed >= 0) return "closed the connection in the middle of its answer" + word;
      return std::string(what == "connection_reset" ? "reset" : "closed") +
             (failed.sent ? " the connection before it answered" : " the connection before it was asked") + word;
    case Code::Protocol: return "answered with what HTTP does not allow" + word;
    case Code::TooLarge: return "answered with more of a head than is taken" + word;
    case Code::Overload:
    case Code::Denied:
      if (error.side == Side::Local) return "was not asked: a limit here was reached" + word;
      return "cannot be asked so" + word;
    case Code::NoEndpoint: return "left the cluster while a connection to it was waited for" + word;
    case Code::Canceled: return "was given up";
    case Code::NoRoute:
    case Code::Config:
    case Code::Internal: break;
  }
  return (failed.headed >= 0 ? "broke off in the middle of its answer" : "broke off before it answered") + word;
}

std::string not_again_text(const Decision& d, const KeyPlaces& keys) {
  if (!d.not_again) return {};
  const std::string_view why = d.not_again;
  const auto key = [&](std::string_view name) { return tries_key(d, keys, {"retry", name}); };
  const std::string not_again = "It was not tried again, ";
  if (why == "retries_off") return not_again + "for retries are off (" + key("attempts") + ").";
  if (why == "retries_used_up")
    return not_again + "for the " + std::to_string(d.tries.retries) + (d.tries.retries == 1 ? " retry" : " retries") +
           " it may have were used up (" + key("attempts") + ").";
  if (why == "closed_twice")
    return not_again + "for two new connections have closed over it: that may be what this very request does to endpoints.";
  if (why == "budget") {
    char share[32];
    std::snprintf(share, sizeof share, "%g%%", d.tries.budget * 100);
    return not_again + "for the budget of retries was used up: " + share + " of the requests under way (" + key("budget") +
           "), or " + std::to_string(d.tries.budget_min) + " (" + key("budget_min") + ").";
  }
  if (why == "retry_after")
    return not_again + "for the endpoint asked for more time (retry-after) than " + limit_text(d.tries.backoff_max) + " (" +
           tries_key(d, keys, {"retry", "backoff", "max"}) + ").";
  if (why == "status_not_listed") return not_again + "for " + key("when") + ", does not list that status.";
  if (why == "timeout_not_listed") return not_again + "for " + key("when") + ", does not list timeout.";
  if (why == "others_retry") return not_again + "for x-outrider-attempt says that whoever is before us sees to that.";
  if (why == "answer_begun") return not_again + "for a part of an answer had come.";
  if (why == "body_not_kept")
    return not_again + "for its body is larger than the " + bytes_text(d.tries.buffer) + " that are kept for another try (" +
           key("buffer") + ").";
  if (why == "not_idempotent")
    return not_again + "for the endpoint may have acted on it, and " + d.method +
           " is none of the methods that may be repeated (" + key("methods") + ").";
  if (why == "not_listed") return not_again + "for that is nothing that " + key("when") + ", lists.";
  return {};
}

}  // namespace outrider::server
