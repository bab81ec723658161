#pragma once
// The parts of diff(): each adds what it finds. Cold paths only.

#include <string>
#include <vector>

#include "config/diff.h"

namespace outrider::config {

using Differences = std::vector<Difference>;
using Keys = std::vector<std::string>;  // a path, key by key

// diff_values.cc: any two values of the effective trees, leaf by leaf. `subject` begins each sentence: "cluster cart: ". Keys in
// `skip` are looked at by somebody else.
struct Compared {
  Difference::Kind kind;
  std::string subject;
  Keys path;         // of both
  size_t named = 0;  // so many keys of the path are in the subject already
  Keys skip = {};
  const char* nothing = "nothing";  // what it is called that there is no value
};
void diff_values(const Node* before, const Node* after, const Compared& what, Differences& out);

// diff_routes.cc, for one listener that both have. `prefix` tells it from others: "edge: ", or nothing.
void diff_routes(const Document& before, const Listener& old, const Document& after, const Listener& fresh,
                 const std::string& prefix, Differences& out);

// diff_filters.cc
void diff_chain(const Chain& before, const Chain& after, const std::string& subject, const std::string& path, Differences& out);
Chain own_filters(const Listener& listener, const Route& route);                         // behind the listener's
std::vector<std::string> without_filters(const Listener& listener, const Route& route);  // of the listener's, those it takes out

// diff_access.cc
void diff_access(const Document& before, const Document& after, Differences& out);

// describe.cc: rules in words.
std::string name_of_rule(const Route& route);  // "edge[3]", "edge[3] (checkout)"
std::string requests_of(const Route& route);   // "POST /cart", "everything"
std::string match_of(const Route& route);      // "prefix /", for parentheses
std::string target_of(const Route& route);     // "cart@v2", "cart@v1 (95 %) and cart@v2 (5 %)", "a redirect to ..."
std::string signature_of(const Route& route);  // what it matches, whatever it does with that: equal for equal matches
bool refuses(const Route& route);              // answers with an error here
std::string percent_text(double share);        // "5 %"
std::string joined(const std::vector<std::string>& items, const char* last = " and ");  // "a, b and c"

}  // namespace outrider::config
