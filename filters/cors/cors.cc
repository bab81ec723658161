// Which pages of other origins may read answers, and ask with which methods and fields.
//   cors: {origins: ["https://shop.example.com"], methods: [GET, POST], headers: [authorization], credentials: on, max_age: 1h}

#include "config/values.h"
#include "filter/options.h"
#include "filters/cors/origins.h"

namespace outrider::filters {

namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

struct Rules {
  Origins origins;
  std::string methods, headers, expose, max_age;  // as they are sent; empty: the field is not
  bool credentials = false;
};

// Owned by the chains that use it; const, any worker. The Fetch standard 3.2.
class Cors final : public filter::Filter {
 public:
  explicit Cors(Rules rules) : rules_(std::move(rules)) {}
  filter::Hook hooks() const override { return filter::Hook::RequestHead | filter::Hook::ResponseHead; }

  filter::Verdict on_request(filter::Call& call) const override {
    const http::RequestHead& head = call.request();
    const http::Field* const origin = head.headers.find("origin");
    const bool preflight = origin && head.method == http::Method::Options && head.headers.find("access-control-request-method");
    if (!preflight) return filter::Verdict::Continue;
    if (!rules_.origins.contain(origin->value)) {
      call.deny(403, "cors", "foreign_origin", "Pages of this origin may not ask this.\n");
      return filter::Verdict::Answered;
    }
    auto& answer = call.response().headers;
    if (!rules_.methods.empty()) answer.set("access-control-allow-methods", rules_.methods);
    if (!rules_.headers.empty()) answer.set("access-control-allow-headers", rules_.headers);
    if (!rules_.max_age.empty()) answer.set("access-control-max-age", rules_.max_age);
    call.respond(204, "", "");
    return filter::Verdict::Answered;
  }

  // Of our own answers too: a page may know why it was refused.
  filter::Verdict on_response(filter::Call& call) const override {
    const http::Field* const origin = call.request().headers.find("origin");
    auto& answer = call.response().headers;
    const bool for_all = rules_.origins.any() && !rules_.credentials;
    if (!for_all) answer.add("vary", "origin");
    if (!origin || !rules_.origins.contain(origin->value)) return filter::Verdict::Continue;
    answer.set("access-control-allow-origin", for_all ? std::string_view("*") : origin->value);
    if (rules_.credentials) answer.set("access-control-allow-credentials", "true");
    if (!rules_.expose.empty()) answer.set("access-control-expose-headers", rules_.expose);
    return filter::Verdict::Continue;
  }

 private:
  const Rules rules_;
};

}  // namespace

std::unique_ptr<const filter::Filter> make_cors(const config::Node& node, filter::Complaint& complaint) {
  filter::Options options(node, complaint);
  std::vector<std::string> origins, methods, headers, expose;
  std::string max_age;
  Rules rules;
  if (!options.only({"origins", "methods", "headers", "expose", "credentials", "max_age"}) ||
      !options.texts("origins", origins) || !options.texts("methods", methods) || !options.texts("headers", headers) ||
      !options.texts("expose", expose) || !options.flag("credentials", rules.credentials) || !options.text("max_age", max_age))
    return nullptr;
  const auto complain = [&](const char* key, std::string message) {
    options.fail(key, std::move(message));
    return nullptr;
  };
  if (origins.empty()) return complain("origins", "whose pages? origins: [\"https://shop.example.com\"]");
  for (const auto& origin : origins)
    if (!rules.origins.add(origin))
      return complain("origins",
                      "expected origins like https://shop.example.com, https://*.example.com or *, got \"" + origin + "\"");
  if (rules.origins.any() && rules.credentials) return complain("credentials", "not for pages of every origin; list them");
  for (const auto* list : {&methods, &headers, &expose})
    for (const auto& name : *list)
      if (!config::is_token(name))
        return complain(list == &methods ? "methods" : list == &headers ? "headers" : "expose", "no name: \"" + name + "\"");
  if (!max_age.empty()) {
    const auto age = config::duration_of(max_age);
    if (!age) return complain("max_age", "expected a duration like 1h, got \"" + max_age + "\"");
    rules.max_age = std::to_string(std::chrono::duration_cast<seconds>(*age).count());
  }
  rules.methods = joined(methods);
  rules.headers = joined(headers);
  rules.expose = joined(expose);
  return std::make_unique<Cors>(std::move(rules));
}

}  // namespace outrider::filters
