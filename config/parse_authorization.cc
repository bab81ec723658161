// `authorization`: who may come in.

#include "base/text.h"
#include "config/parse.h"

namespace outrider::config {

namespace {

std::string check_prefix(std::string& path) {
  return path.starts_with('/') ? std::string() : "expected a path, got \"" + path + "\"";
}

void read_rules(Fields& fields, const char* key, std::vector<Authorization::Rule>& rules) {
  fields.list(key, "list of rules", [&](Fields& item, const Node& at) {
    Authorization::Rule rule;
    rule.name = std::string(key) + "[" + std::to_string(rules.size()) + "]";
    rule.where = where_of(at);
    item.texts("from", rule.from, "identities", check_identity);
    Fields to = item.map("to");
    to.number("port", rule.port, 0, 65535);
    to.texts("method", rule.methods, "methods", check_method);
    to.texts("prefix", rule.prefixes, "paths", check_prefix);
    if (!item.reading().catalog && rule.from.empty()) item.error("from", at, "whom is it about? from: [\"*\"] is every identity");
    rules.push_back(std::move(rule));
  });
}

}  // namespace

void read_authorization(Fields& top, Authorization& authorization) {
  using Mode = Authorization::Mode;
  Fields fields = top.map("authorization");
  fields.choice("mode", authorization.mode, {{"enforce", Mode::Enforce}, {"shadow", Mode::Shadow}});
  read_rules(fields, "allow", authorization.allow);
  read_rules(fields, "deny", authorization.deny);
}

}  // namespace outrider::config
