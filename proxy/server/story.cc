#include "server/story.h"

#include <algorithm>
#include <cstring>

#include "exchange/onward.h"
#include "http/secrets.h"
#include "server/wording.h"

namespace outrider::server {

using exchange::Decision;
using exchange::Flag;
using Standing = Decision::Standing;

namespace {

// One telling.
class Story {
 public:
  Story(const Decision& decision, const KeyPlaces& keys) : d_(decision), keys_(keys) {}
  std::vector<std::string> tell() {
    outcome();
    for (std::string& sentence : cause_of(d_, keys_)) say(std::move(sentence));
    arrival();
    rule();
    filters();
    waits();
    endpoints();
    for (size_t i = 0; i < d_.attempts.size(); ++i) one_try(i);
    hedge();
    if (d_.digest != keys_.document().digest)
      say("The configuration was another one then (version " + std::to_string(d_.snapshot) +
          "); keys and lines named here are today's.");
    return std::move(sentences_);
  }

 private:
  void say(std::string sentence) {
    const bool said = std::find(sentences_.begin(), sentences_.end(), sentence) != sentences_.end();
    if (!sentence.empty() && !said) sentences_.push_back(std::move(sentence));
  }

  void outcome() {
    const std::string after = " after " + time_text(d_.duration);
    const std::string reason = d_.reason.empty() || !d_.response_begun ? "" : ", with x-outrider-reason: " + d_.reason;
    const std::string grpc =
        d_.grpc_status ? " and grpc-status " + std::to_string(int(*d_.grpc_status)) + " (" + name_of(*d_.grpc_status) + ")" : "";
    if (d_.client_gone) {
      say(std::string("The client went away") + (d_.response_begun ? " in the middle of its answer" : " before it was answered") +
          after + ".");
    } else if (d_.raw) {
      say(d_.flag == Flag::None ? "The connection ended" + after + "; " + bytes_text(d_.request_bytes) +
                                      " had gone to the endpoint, " + bytes_text(d_.response_bytes) + " came back."
                                : "The client's connection was closed without a word" + after + in_brackets(d_.reason) + ".");
    } else if (!d_.response_begun) {
      say("The client was sent no answer: its connection or stream was reset" + after + in_brackets(d_.reason) + ".");
    } else if (d_.flag != Flag::None && d_.answered) {
      say("The client was sent " + std::to_string(d_.status) + ", and its answer was cut off behind " +
          bytes_text(d_.response_bytes) + ", " + time_text(d_.duration) + " after the request had come" + in_brackets(d_.reason) +
          ".");
    } else {
      say("The client was sent " + std::to_string(d_.status) + grpc + after + reason + ".");
    }
  }

  void arrival() {
    const config::Listener* const listener = keys_.listener(d_.listener);
    std::string text =
        d_.raw ? std::string(d_.passed_tls ? "A TLS connection" : "A TCP connection") + (d_.host.empty() ? "" : " for " + d_.host)
        : d_.method.empty()
            ? std::string("Something that was no whole request")
            : d_.method + " " + http::without_secrets(d_.path) + (d_.host.empty() ? " without a host" : " of " + d_.host);
    text +=
        " came to the listener " + d_.listener + in_brackets(listener ? place_of(listener->where) : "") + " from " + d_.client;
    text += d_.identity.empty() ? (d_.encrypted ? " by TLS" : " in clear text") : " by mutual TLS as " + d_.identity;
    if (!d_.meant_for.empty()) text += ", redirected on its way to " + d_.meant_for;
    say(text + ".");
  }

  void rule() {
    const std::string at = d_.line ? d_.file + ":" + std::to_string(d_.line) : d_.file;
    if (d_.route.empty()) return;
    std::string text = "The rule " + d_.route + in_brackets(at);
    switch (d_.action) {
      case Decision::Action::Respond: text += " answers such requests by itself"; break;
      case Decision::Action::Redirect: text += " sends such requests elsewhere"; break;
      default: text += d_.cluster.empty() ? " was for it" : " led it to the cluster " + d_.cluster; break;
    }
    say(text + ".");
    if (d_.flag == Flag::NoRoute) return;
    if (const auto passed_by = rules_passed_by(d_, keys_); !passed_by.empty())
      say("Before that one, for this host and path, too: " + listed(passed_by, "; ") + ", which it had not.");
  }

  void filters() {
    std::vector<std::string> passed;
    for (const auto& each : d_.filters) {
      const bool answered = d_.answered_by && each.name == d_.answered_by->name && each.line == d_.answered_by->line;
      if (answered || d_.authorization) break;
      passed.push_back(written_text(each));
    }
    if (!passed.empty() && !d_.route.empty())
      say((passed.size() == 1 ? "The filter " : "The filters ") + listed(passed) + (d_.answered_by ? " let it on." : " saw it."));
    for (const auto& note : d_.notes)
      if (note.filter != "tap") say("The filter " + note.filter + " noted: " + note.action + ".");
    if (d_.held.length >= 0) say("The filter " + written_text(d_.held.by) + " held it for " + time_text(d_.held.length) + ".");
    if (d_.asked.length >= 0)
      say("The filter " + written_text(d_.asked.by) + " asked somebody else about it, which took " + time_text(d_.asked.length) +
          ".");
  }

  void waits() {
    if (d_.looked_up >= 0)
      say("For " + time_text(d_.looked_up) + " it waited until something was known of the cluster " + d_.cluster + ".");
    if (d_.queued >= 0)
      say("It waited " + time_text(d_.queued) + " to be let in to the application (" + keys_.of({"service", "concurrency"}) +
          ").");
  }

  void endpoints() {
    if (!d_.plan || d_.plan->by_destination || d_.attempts.empty()) return;
    std::vector<std::string> in, out;
    uint32_t considered = d_.standings[size_t(Standing::Considered)], all = 0;
    for (const uint32_t count : d_.standings) all += count;
    if (all == 0) return;
    for (const auto& each : d_.candidates) {
      if (each.standing == Standing::Considered) in.push_back(each.member.endpoint->address);
      else out.push_back(aside_text(each));
    }
    if (in.size() < considered) in.push_back(std::to_string(considered - in.size()) + " more");
    if (out.size() < all - considered) out.push_back(std::to_string(all - considered - out.size()) + " more");
    const std::string which = all == 1 ? "The one endpoint" : "Of " + std::to_string(all) + " endpoints";
    if (all == 1) say(which + " of " + d_.cluster + " is " + (considered ? in[0] + "." : out[0] + "."));
    else
      say(which + " of " + d_.cluster + " there came into question, as it ended: " + (in.empty() ? "none" : listed(in)) +
          (out.empty() ? "." : "; not: " + listed(out, "; ") + "."));
    if (d_.excluded)
      say(std::to_string(d_.excluded) + " more were left out for their version or labels (" +
          keys_.of_cluster(d_.plan->name, {"constraints", "require"}) + ").");
    if (d_.panicking)
      say("Too few of them were fit, so all were used, fit or not (panic: " + keys_.of_cluster(d_.plan->name, {"panic"}) + ").");
  }

  void one_try(size_t index) {
    const Decision::Try& each = d_.attempts[index];
    const size_t number = d_.tried - d_.attempts.size() + index + 1;
    std::string text = "Try " + std::to_string(number) + (each.hedge ? ", beside the one before it," : "") + " went to " +
                       each.endpoint->address;
    if (each.began >= 0 && number > 1) text += " " + time_text(each.began) + " after the request had come";
    if (each.opened >= 0) {
      text += each.reused ? ", by a connection that was there" : ", by a new connection";
      if (each.opened - each.began >= 1000 || !each.reused)
        text += ", open after " + time_text(std::max<int64_t>(0, each.opened - each.began));
    }
    if (each.headed >= 0) {
      const int64_t waited = std::max<int64_t>(0, each.headed - std::max<int64_t>(each.opened, 0));
      text += d_.raw ? std::string() : "; its answer " + std::to_string(each.status) + " began " + time_text(waited) + " later";
      if (each.grpc_status) text += std::string(", with ") + name_of(*each.grpc_status);
    }
    if (each.failed >= 0) {
      const int64_t from = each.opened >= 0 ? each.opened : each.began;
      text += "; it " + failure_text(d_, each, keys_) + ", " + time_text(std::max<int64_t>(0, each.failed - from)) + " later";
    }
    say(text + ".");
    if (each.again) again(each);
    else if (index + 1 == d_.attempts.size() && d_.reason != "request_timeout") say(not_again_text(d_, keys_));
  }

  void again(const Decision::Try& each) {
    const std::string_view why = each.again;
    std::string text = why == "connect_failure"  ? "It had not seen the request, which was tried again"
                       : why == "refused_stream" ? "It said that it had not looked at the request, which was tried again"
                       : why == "reset_before_request"
                           ? "Nothing of an answer had come and " + d_.method + " may be repeated, so it was tried again"
                       : why == "timeout" ? "That is among what is tried again"
                       : why == "status"  ? "That status is among those that are tried again"
                                          : "The status " + std::string(why) + " is among those that are tried again";
    if (each.waited.count()) text += ", after a pause of " + limit_text(each.waited);
    say(text + " (" + tries_key(d_, keys_, {"retry", "when"}) + ").");
  }

  void hedge() {
    if (!d_.hedge) return;
    const std::string_view what = d_.hedge;
    const std::string after = " (" + tries_key(d_, keys_, {"hedge", "after"}) + ")";
    if (what == "won")
      say("As no answer had come in time, a second try was made beside the first, and answered first: hedge won" + after + ".");
    else if (what == "lost")
      say("As no answer had come in time, a second try was made beside the first, which then answered first: hedge lost" + after +
          ".");
    else if (what == "failed") say("A second try was made beside the first, and failed" + after + ".");
    else if (what == "cut") say("A second try was under way beside the first as it ended" + after + ".");
    else if (what == "budget")
      say("A second try beside the first was due, but the budget of retries was used up (" +
          tries_key(d_, keys_, {"retry", "budget"}) + ").");
    else if (what == "no_other") say("A second try beside the first was due, but there was no other endpoint" + after + ".");
  }

  const Decision& d_;
  const KeyPlaces& keys_;
  std::vector<std::string> sentences_;
};

}  // namespace

std::string aside_text(const Decision::Candidate& candidate) {
  using upstream::Ejected;
  const std::string since = candidate.since_ms > 0 ? " since " + clock_text(candidate.since_ms) : std::string();
  const std::string address = candidate.member.endpoint->address;
  const auto why = [&] {
    switch (candidate.ejected_for) {
      case Ejected::NoAnswer: return "it did not answer in time, or broke off";
      case Ejected::GatewayError: return "it answered 502 to 504 in a row";
      case Ejected::ServerError: return "it answered 5xx in a row";
      case Ejected::SuccessRate: return "too many of its answers were failures";
      default: return "it could not be connected to";
    }
  };
  switch (candidate.standing) {
    case Standing::Considered: break;
    case Standing::Draining: return address + ", draining" + (candidate.member.facts->weight == 0 ? " (its weight is 0)" : "");
    case Standing::Ejected: return address + ", ejected" + since + " because " + why();
    case Standing::HalfOpen: return address + ", which was ejected because " + why() + " and has not answered since";
    case Standing::Unhealthy: return address + ", unhealthy" + since + ": it fails its health check";
    case Standing::NotChecked: return address + ", not checked yet while others are healthy";
    case Standing::OtherTier: {
      const std::string zone = candidate.member.facts->zone;
      return address + ", of a later tier (priority " + std::to_string(candidate.member.facts->priority) +
             (zone.empty() ? "" : ", zone " + zone) + ")";
    }
    case Standing::OtherSubset: return address + ", not among those this worker keeps to (lb_options.subset_size)";
  }
  return address;
}

std::string tries_key(const Decision& decision, const KeyPlaces& keys, std::initializer_list<std::string_view> path) {
  if (const config::Route* const route = decision.own_tries ? keys.route(decision.listener, decision.route) : nullptr) {
    const config::Node* node = &route->own_tries;
    std::string name = route->path.empty() ? "the rule " + route->name : route->path;
    for (const auto key : path) {
      name += "." + std::string(key);
      if (node) node = node->is_map() ? node->find(key) : nullptr;
    }
    if (node) return name + ", " + node->where();
  }
  return decision.plan ? keys.of_cluster(decision.plan->name, path) : std::string();
}

std::vector<std::string> story_of(const Decision& decision, const KeyPlaces& keys) { return Story(decision, keys).tell(); }

}  // namespace outrider::server
