// `routes_from`: rules that stand in other files, in a language of others.

#include "config/parse.h"

namespace outrider::config {

namespace {

std::string check_gateway(std::string& text) {
  const size_t slash = text.find('/');
  const bool fine = is_name(text) && slash != 0 && slash != text.size() - 1 && text.find('/', slash + 1) == text.npos;
  return fine ? std::string() : "expected a Gateway's name, or namespace/name, got \"" + text + "\"";
}

}  // namespace

void read_routes_from(Fields& top, std::vector<RoutesFrom>& all) {
  top.list("routes_from", "list of {gateway_api: FILE}", [&](Fields& item, const Node& at) {
    RoutesFrom from;
    item.text("gateway_api", from.file, "file or folder");
    item.text("gateway", from.gateway, "name or namespace/name", check_gateway);
    if (item.reading().catalog) return;
    if (from.file.empty())
      return item.error("gateway_api", at, "missing: a file of HTTPRoutes and GRPCRoutes, or a folder of such");
    from.at = *item.given("gateway_api");
    from.path = item.path("gateway_api");
    all.push_back(std::move(from));
  });
  // What is in force are the rules that were read there: they are shown in `routes`, as if they stood there.
  if (!top.reading().catalog) top.keep("routes_from", Node::list());
}

}  // namespace outrider::config
