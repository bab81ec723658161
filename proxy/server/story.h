#pragma once
// What is kept of a request, told in sentences.

#include <string>
#include <vector>

#include "exchange/decision.h"
#include "server/key_places.h"

namespace outrider::server {

// The first says what became of it, the next why, and by what key or line; the others what happened, in its order. The
// configuration is today's, and where the request met another one, that is said.
std::vector<std::string> story_of(const exchange::Decision& decision, const KeyPlaces& keys);

// cause.cc: why it ended so, and what can be done. Empty: it went well, and was quick.
std::vector<std::string> cause_of(const exchange::Decision& decision, const KeyPlaces& keys);

// Words for a part of it, for both; the first two are in tries.cc.
std::string failure_text(const exchange::Decision& decision, const exchange::Decision::Try& failed, const KeyPlaces& keys);
std::string not_again_text(const exchange::Decision& decision, const KeyPlaces& keys);  // empty: nothing to say
std::string aside_text(const exchange::Decision::Candidate& candidate);                 // "10.0.0.1:80, ejected since ..."
// A key of `retry` or `hedge` where it was said: at the rule, or the cluster.
std::string tries_key(const exchange::Decision& decision, const KeyPlaces& keys, std::initializer_list<std::string_view> path);
// no_rule.cc: rules that were not for it; the first `before` of the listener, or all.
std::vector<std::string> rules_passed_by(const exchange::Decision& decision, const KeyPlaces& keys);

}  // namespace outrider::server
