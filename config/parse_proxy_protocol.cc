// What a proxy in front says of connections to a listener.

#include <iterator>

#include "config/parse.h"

namespace outrider::config {

namespace {

constexpr const char* kPrivateWord = "private";
constexpr const char* kPrivate[] = {"10.0.0.0/8",     "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8",
                                    "169.254.0.0/16", "fc00::/7",      "fe80::/10",      "::1"};

std::string check_trusted(std::string& text) { return text == kPrivateWord ? std::string() : check_network(text); }

using Taken = ProxyHeaders::Mode;  // `Mode` is the program's
constexpr std::pair<const char*, Taken> kWords[] = {
    {"off", Taken::Off}, {"optional", Taken::Optional}, {"required", Taken::Required}};
constexpr std::span<const std::pair<const char*, Taken>> kTaken(kWords);

}  // namespace

std::vector<std::string> ProxyHeaders::networks() const {
  std::vector<std::string> all;
  for (const std::string& each : trust) {
    if (each == kPrivateWord) all.insert(all.end(), std::begin(kPrivate), std::end(kPrivate));
    else all.push_back(each);
  }
  return all;
}

// A word, or {mode: WORD, trust: NETWORKS}.
void read_proxy_headers(Fields& fields, ProxyHeaders& headers) {
  const Node* value = fields.given("proxy_protocol");
  const bool catalog = fields.reading().catalog;
  if (catalog || !value || !value->is_map()) {
    fields.choice("proxy_protocol", headers.mode, kTaken);
    if (!catalog) return;
  }
  Fields own = fields.map("proxy_protocol");
  headers.mode = Taken::Required;
  own.choice("mode", headers.mode, kTaken);
  own.texts("trust", headers.trust, "networks or private", check_trusted);
  if (catalog || headers.mode == Taken::Off) return;
  const Node& at = own.given("trust") ? *own.given("trust") : own.node();
  if (headers.trust.empty() && own.given("trust") && own.given("trust")->as_list().empty())  // else what is wrong has been said
    own.error("trust", at, "nobody's header would be taken: give the balancers' networks, private, or take it out");
  for (const std::string& each : headers.trust)
    if (each.ends_with("/0"))
      own.reading().warn(
          at, own.path("trust"),
          each + ": whoever can reach this listener may say that he is anybody; give the balancers' networks alone");
}

}  // namespace outrider::config
