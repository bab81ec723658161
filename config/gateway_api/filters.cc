// What is done to requests and responses.

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/text.h"
#include "config/gateway_api/route.h"

namespace outrider::config::gateway_api {

namespace {

struct Row {
  const char *type, *field;
};
constexpr Row kRows[] = {{"RequestHeaderModifier", "requestHeaderModifier"},
                         {"ResponseHeaderModifier", "responseHeaderModifier"},
                         {"RequestMirror", "requestMirror"},
                         {"RequestRedirect", "requestRedirect"},
                         {"URLRewrite", "urlRewrite"},
                         {"CORS", "cors"},
                         {"ExtensionRef", "extensionRef"},
                         {"ExternalAuth", "externalAuth"}};

Node filter_at(const char* name, Node options, const Node& at) {
  Node use = map_at(at);
  use.put(name, std::move(options));
  return use;
}

// For the time of reading one list of filters.
class Filters {
 public:
  Filters(const About& about, bool of_backend) : about_(about), of_backend_(of_backend) {}
  void read(Fields& item, const Node& at);
  Shaping take() { return std::move(out_); }

 private:
  void read_headers(Fields& own, const Node& at, const char* side);
  void read_mirror(Fields& own, const Node& at);
  void read_redirect(Fields& own, const Node& at);
  void read_rewrite(Fields& own, const Node& at);
  void read_cors(Fields& own, const Node& at);
  void read_path(Fields& own, Node& to);
  const About& about_;
  const bool of_backend_;
  Shaping out_;
  std::set<std::string> seen_;
};

void Filters::read_headers(Fields& own, const Node& at, const char* side) {
  Node changes = map_at(at);
  for (const char* how : {"set", "add"}) {
    Node fields;
    std::set<std::string> names;
    own.list(how, "list of {name, value}", [&](Fields& one, const Node& place) {
      std::string name, value;
      one.text("name", name, "name",
               [](std::string& text) { return is_token(text) ? std::string() : "\"" + text + "\" is no name of a header"; });
      one.text("value", value);
      if (name.empty()) return one.error("name", place, "missing, or none");
      if (equals_ignore_case(name, "host"))
        return one.error("name", *one.given("name"), "Host is changed by URLRewrite: {hostname: ...}");
      if (!names.insert(to_lower(name)).second)
        return one.reading().warn(place, one.path(), "\"" + name + "\" is there already, and only the first counts");
      if (fields.is_null()) fields = map_at(*own.given(how));
      fields.put(name, text_at(value, one.given("value") ? *one.given("value") : place), place.mark());
    });
    if (fields.size() > 0) changes.put(how, std::move(fields));
  }
  std::vector<std::string> gone;
  own.texts("remove", gone, "names");
  if (!gone.empty()) {
    Node names = list_at(*own.given("remove"));
    for (const std::string& name : gone) names.append(text_at(name, *own.given("remove")));
    changes.put("remove", std::move(names));
  }
  if (changes.size() == 0) return own.reading().warn(at, own.path(), "changes nothing: give set, add or remove");
  Node options = map_at(at);
  options.put(side, std::move(changes));
  out_.filters.append(filter_at("headers", std::move(options), at));
}

void Filters::read_mirror(Fields& own, const Node& at) {
  Node options = map_at(at);
  if (const Node* given = own.given("backendRef")) {
    Fields reference = own.map("backendRef");
    const std::string cluster = read_reference(reference, *given, about_, "nothing is mirrored");
    if (!cluster.empty()) options.put("cluster", text_at(cluster, *given));
  } else {
    own.error("backendRef", at, "missing: who gets the copies?");
  }
  uint32_t percent = 100, numerator = 0, denominator = 100;
  const Node *share = own.given("percent"), *part = own.given("fraction");
  own.number("percent", percent, 0, 100);
  {
    Fields fraction = own.map("fraction");
    fraction.number("numerator", numerator);
    fraction.number("denominator", denominator, 1);
    if (part && !fraction.given("numerator")) fraction.error("numerator", *part, "missing");
    if (numerator > denominator) fraction.error("numerator", *part, "more than the denominator");
  }
  if (share && part) own.error("percent", *share, "percent and fraction exclude each other; give one");
  if (share) options.put("percent", text_at(std::to_string(percent) + "%", *share));
  if (part) options.put("percent", text_at(share_text(double(numerator) / denominator), *part));
  if (options.find("cluster")) out_.filters.append(filter_at("mirror", std::move(options), at));
}

// `path` of a redirect or a rewrite, as `path` or `prefix`.
void Filters::read_path(Fields& own, Node& to) {
  if (!own.given("path")) return (void)own.hand("path", "", "");
  const Node& given = *own.given("path");
  bool full = true;
  Fields path = own.map("path");
  path.choice("type", full, {{"ReplaceFullPath", true}, {"ReplacePrefixMatch", false}});
  if (!path.given("type")) path.error("type", given, "missing: expected ReplaceFullPath or ReplacePrefixMatch");
  const char* key = full ? "replaceFullPath" : "replacePrefixMatch";
  std::string value;
  path.text(key, value, "path", [](std::string& text) {
    if (!text.starts_with('/')) text.insert(0, "/");
    return check_path(text);
  });
  if (!path.given(key) && !(path.node().find(key))) path.error(key, given, "missing");
  if (value.empty()) value = "/";
  if (!full) out_.replaces_prefix = given;
  to.put(full ? "path" : "prefix", text_at(value, path.given(key) ? *path.given(key) : given));
}

std::string check_hostname(std::string& text) {
  text = to_lower(text);
  return is_host(text) && text.front() != '*' && text.front() != '[' ? std::string() : "expected a host, got \"" + text + "\"";
}

void Filters::read_redirect(Fields& own, const Node& at) {
  Node redirect = map_at(at);
  std::string scheme, host;
  uint32_t port = 0, status = 302;
  own.text("scheme", scheme, "http or https", [](std::string& text) {
    return text == "http" || text == "https" ? std::string() : "expected http or https, got \"" + text + "\"";
  });
  own.text("hostname", host, "host", check_hostname);
  own.number("port", port, 1, 65535);
  own.number("statusCode", status, 300, 399);
  if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308)
    own.error("statusCode", *own.given("statusCode"),
              "expected 301, 302, 303, 307 or 308, got \"" + std::to_string(status) + "\"");
  if (!scheme.empty()) redirect.put("scheme", text_at(scheme, *own.given("scheme")));
  if (!host.empty()) redirect.put("host", text_at(host, *own.given("hostname")));
  if (port) redirect.put("port", text_at(std::to_string(port), *own.given("port")));
  read_path(own, redirect);
  const Node* said = own.given("statusCode");
  redirect.put("status", text_at(std::to_string(status), said ? *said : at));
  out_.redirect_to_listeners_port = scheme.empty() && port == 0 && !host.empty();
  if (redirect.size() == 1)
    own.reading().error(at, own.path(), "sends the client where it already is: give scheme, hostname, port or path");
  out_.redirect = std::move(redirect);
}

void Filters::read_rewrite(Fields& own, const Node& at) {
  Node rewrite = map_at(at);
  std::string host;
  own.text("hostname", host, "host", check_hostname);
  if (!host.empty()) rewrite.put("host", text_at(host, *own.given("hostname")));
  read_path(own, rewrite);
  if (rewrite.size() > 0) out_.rewrite = std::move(rewrite);
  else own.reading().warn(at, own.path(), "changes nothing: give hostname or path");
}

void Filters::read_cors(Fields& own, const Node& at) {
  Node options = map_at(at);
  bool credentials = false;
  uint32_t age = 5;
  for (const auto& [key, ours] : {std::pair{"allowOrigins", "origins"},
                                  {"allowMethods", "methods"},
                                  {"allowHeaders", "headers"},
                                  {"exposeHeaders", "expose"}}) {
    std::vector<std::string> texts;
    own.texts(key, texts);
    if (texts.empty()) continue;
    const Node& given = *own.given(key);
    Node list = list_at(given);
    for (const std::string& text : texts) list.append(text_at(text, given));
    options.put(ours, std::move(list));
  }
  own.flag("allowCredentials", credentials);
  own.number("maxAge", age, 1, 86400 * 365);
  if (credentials) {
    options.put("credentials", text_at("on", *own.given("allowCredentials")));
    for (const char* key : {"methods", "headers", "expose"})
      if (const Node* list = options.find(key))
        for (const Node& item : list->items())
          if (item.text() == "*")
            own.reading().error(item, own.path(), "to browsers * stands for nothing where allowCredentials is true; list them");
  }
  options.put("max_age", text_at(std::to_string(age) + "s", own.given("maxAge") ? *own.given("maxAge") : at));
  if (!options.find("origins")) return own.error("allowOrigins", at, "missing: whose pages?");
  out_.filters.append(filter_at("cors", std::move(options), at));
}

void Filters::read(Fields& item, const Node& at) {
  std::string type;
  item.text("type", type);
  const Row* row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& one) { return one.type == type; });
  for (const Row& other : kRows) {
    if (&other == row) continue;
    const Node* stray = item.hand(other.field, "", "");
    if (stray)
      item.error(
          other.field, *stray,
          "belongs to type: " + std::string(other.type) + ", and this is a " + (type.empty() ? "filter without type" : type));
  }
  if (row == std::end(kRows)) {
    std::vector<std::string_view> known;
    for (const Row& one : kRows) known.push_back(one.type);
    return item.error("type", item.given("type") ? *item.given("type") : at,
                      "expected a type of filter, got \"" + type + "\"" + did_you_mean(type, known));
  }
  const std::string word = type;
  const bool http_alone = word == "RequestRedirect" || word == "URLRewrite" || word == "CORS";
  if (word == "ExtensionRef" || word == "ExternalAuth") item.hand(row->field, "", "");
  if (word == "ExtensionRef")
    return item.error("type", at,
                      "names something of another product, which is not known here; what Outrider has stands in `filters` of the "
                      "configuration (filters/README.md), for a listener or for a rule");
  if (word == "ExternalAuth")
    return item.error("type", at, "is not read; the filter ext_authz in `filters` of the configuration asks somebody else");
  if (http_alone && about_.object.kind == "GRPCRoute") {
    item.hand(row->field, "", "");
    return item.error("type", at, "a GRPCRoute has no " + word);
  }
  if (of_backend_ && (word == "RequestRedirect" || word == "CORS")) {
    item.hand(row->field, "", "");
    return item.error("type", at, word + " stands at the rule, not at one of its backends");
  }
  if (!seen_.insert(word).second && word != "RequestMirror") {
    item.hand(row->field, "", "");
    return item.error("type", at, "a second " + word + "; make it one");
  }
  const Node* given = item.given(row->field);
  if (!given) return item.error(row->field, at, "missing: what the " + word + " is to do");
  Fields own = item.map(row->field);
  if (!given->is_map()) return;
  if (word == "RequestHeaderModifier") read_headers(own, *given, "request");
  else if (word == "ResponseHeaderModifier") read_headers(own, *given, "response");
  else if (word == "RequestMirror") read_mirror(own, *given);
  else if (word == "RequestRedirect") read_redirect(own, *given);
  else if (word == "URLRewrite") read_rewrite(own, *given);
  else read_cors(own, *given);
}

}  // namespace

Shaping read_filters(Fields& owner, const About& about, bool of_backend) {
  Filters filters(about, of_backend);
  owner.list("filters", "list of filters", [&](Fields& item, const Node& at) { filters.read(item, at); });
  return filters.take();
}

}  // namespace outrider::config::gateway_api
