#include "config/schema_types.h"

#include <algorithm>

#include "base/text.h"

namespace outrider::config {

Node json_text(std::string text) { return Node::scalar(std::move(text), true); }

Node json_word(std::string word) { return Node::scalar(std::move(word)); }

Node json_list(std::vector<Node> items) {
  Node out = Node::list();
  for (Node& item : items) out.append(std::move(item));
  return out;
}

Node json_object(std::vector<std::pair<std::string, Node>> entries) {
  Node out = Node::map();
  for (auto& [key, value] : entries) out.put(key, std::move(value));
  return out;
}

Node json_ref(const std::string& definition) { return json_object({{"$ref", json_text("#/definitions/" + definition)}}); }

Node any_of(std::vector<Node> forms) {
  if (forms.size() == 1) return std::move(forms.front());
  return json_object({{"anyOf", json_list(std::move(forms))}});
}

namespace {

void print(const Node& node, size_t depth, std::string& out) {
  const auto line = [&](size_t by) { out.append("\n").append(2 * by, ' '); };
  switch (node.kind()) {
    case Node::Kind::Null: out += "null"; return;
    case Node::Kind::Scalar: node.quoted() ? append_json(out, node.text()) : void(out += node.text()); return;
    case Node::Kind::List:
      out += "[";
      for (size_t i = 0; i < node.items().size(); ++i) {
        if (i) out += ", ";
        print(node.items()[i], depth, out);
      }
      out += "]";
      return;
    case Node::Kind::Map: break;
  }
  out += "{";
  for (size_t i = 0; i < node.entries().size(); ++i) {
    if (i) out += ",";
    line(depth + 1);
    append_json(out, node.entries()[i].key);
    out += ": ";
    print(node.entries()[i].value, depth + 1, out);
  }
  if (node.size()) line(depth);
  out += "}";
}

Node type_of(std::vector<const char*> names) {
  if (names.size() == 1) return json_text(names[0]);
  std::vector<Node> items;
  for (const char* name : names) items.push_back(json_text(name));
  return json_list(std::move(items));
}

// A variable may stand for any text.
std::string pattern_of(const std::string& form) { return "^(" + form + ")$|\\$\\{"; }

// Whatever YAML takes it for, it is read as the text that was written.
Node text(const std::string& form = {}) {
  Node out = json_object({{"type", type_of({"string", "number", "boolean"})}});
  if (!form.empty()) out.put("pattern", json_text(pattern_of("|" + form)));
  return out;
}

Node strict_text(const std::string& form) {
  return json_object({{"type", json_text("string")}, {"pattern", json_text(pattern_of(form))}});
}

// A quantity with its unit; 0 needs none.
Node quantity(const std::string& form) {
  return json_object({{"type", type_of({"string", "integer"})},
                      {"pattern", json_text(pattern_of("0|" + form))},
                      {"minimum", json_word("0")},
                      {"maximum", json_word("0")}});
}

Node number(std::pair<uint64_t, uint64_t> range) {
  return json_object({{"type", type_of({"integer", "string"})},
                      {"minimum", json_word(std::to_string(range.first))},
                      {"maximum", json_word(std::to_string(range.second))},
                      {"pattern", json_text(pattern_of("[0-9]+"))}});
}

Node off() { return json_object({{"enum", json_list({json_text("off"), json_word("false"), json_text("false")})}}); }

// `off` and `on` are what YAML 1.1 makes of them, too; 1.2 is a number where nobody quotes it.
Node words(const std::vector<std::string>& all) {
  std::vector<Node> values, others{json_ref("variable")};
  for (const std::string& word : all) {
    if (word.starts_with('{')) {  // "{trust: N}"
      const std::string key = word.substr(1, word.find(':') - 1);
      others.push_back(json_object({{"type", json_text("object")},
                                    {"properties", json_object({{key, number({0, UINT32_MAX})}})},
                                    {"required", json_list({json_text(key)})},
                                    {"additionalProperties", json_word("false")}}));
      continue;
    }
    values.push_back(json_text(word));
    const std::string same = word == "on" ? "true" : word == "off" ? "false" : "";
    if (!same.empty()) values.push_back(json_word(same)), values.push_back(json_text(same));
    if (parse_decimal(word)) values.push_back(json_word(word));
  }
  others.insert(others.begin(), json_object({{"enum", json_list(std::move(values))}}));
  return any_of(std::move(others));
}

// One, several with commas between, or a list.
Node list_of(const std::string& form = {}) {
  const std::string one = form.empty() ? "" : "(" + form + ")";
  return any_of({form.empty() ? text() : text(one + "( *, *" + one + ")*"),
                 json_object({{"type", type_of({"array", "null"})}, {"items", text(form)}})});
}

// Of addresses: a number is none.
Node addresses() {
  return any_of(
      {strict_text(".*[:.].*"), json_object({{"type", type_of({"array", "null"})}, {"items", strict_text(".*[:.].*")}})});
}

Node map_of(Node value) {
  return json_object({{"type", type_of({"object", "null"})}, {"additionalProperties", std::move(value)}});
}

constexpr const char* kDuration = "([0-9]+(\\.[0-9]+)?(us|ms|s|m|h|d))+";
constexpr const char* kSize = "[0-9]+(\\.[0-9]+)?(B|KB|MB|GB|KiB|MiB|GiB)";
constexpr const char* kShare = "[0-9]+(\\.[0-9]+)?%";
constexpr const char* kAddress = "unix:.+|(\\[[0-9a-fA-F:.]+\\]|[^:\\s]*):[0-9]{1,5}";
constexpr const char* kStatus = "[1-5]xx|[0-9]{3}(-[0-9]{3})?";
constexpr const char* kNamed = "(header|cookie)\\..+|source|identity";

struct TextType {
  const char* name;
  const char* form;  // empty: any
};

constexpr TextType kTexts[] = {
    {"text", ""},
    {"name", ""},
    {"names", ""},
    {"file", ""},
    {"folder", ""},
    {"file or folder", ""},
    {"name or namespace/name", ""},
    {"folder or off", ""},
    {"regex", ""},
    {"host", ""},
    {"namespace", ""},
    {"host or host:port", ""},
    {"cluster", ""},
    {"cluster or service", ""},
    {"service of gRPC", ""},
    {"table/rule", ".+/.+"},
    {"stdout, stderr or file", ""},
    {"domain", "[A-Za-z0-9._-]+"},
    {"IP address", "[0-9a-fA-F:.]+|localhost"},
    {"SPIFFE ID", "spiffe://.+"},
    {"path", "/.*"},
    {"connect", "connect"},
    {"original_dst", "original_dst"},
    {"http or https", "https?"},
    {"status range", kStatus},
    {"number/s", "[0-9]+/s|0"},
    {"difference", "\\+[0-9]+(\\.[0-9]+)?%"},
    {"ratio", "x[0-9]+(\\.[0-9]+)?"},
    {"URL", "https?://.+"},
    {"header.NAME or off", "header\\..+|off"},
    {"cookie.NAME, header.NAME, source or identity", kNamed},
    {"source, identity, host, path, header.NAME or cookie.NAME", "(header|cookie)\\..+|source|identity|host|path"}};

constexpr TextType kLists[] = {{"texts", ""},
                               {"hosts", ""},
                               {"server names", ""},
                               {"files", ""},
                               {"methods", ""},
                               {"identities", ""},
                               {"networks", "[0-9a-fA-F:.]+(/[0-9]{1,3})?"},
                               {"networks or private", "private|[0-9a-fA-F:.]+(/[0-9]{1,3})?"},
                               {"paths", "/.*"},
                               {"ports", "[0-9]{1,5}"},
                               {"host:port", ".+:[0-9]{1,5}"},
                               {"h2, http/1.1", "h2|http/1\\.1"},
                               {"rising list of durations", kDuration}};

// "list of safe, 5xx or a status": words, and what else is in there.
std::optional<Node> list_of_words(std::string_view type) {
  constexpr std::string_view kStart = "list of ";
  if (!type.starts_with(kStart) || type == "list of rules" || type == "list of filters") return {};
  std::string form;
  for (const std::string_view part : split(type.substr(kStart.size()), ',')) {
    const std::string word(trim(part));
    form += (form.empty() ? "" : "|") + (word == "a status" ? std::string("[45][0-9]{2}") : word);
  }
  return list_of(form);
}

std::optional<Node> compound(const Key& key) {
  const std::string& type = key.type;
  const auto range = key.range.value_or(std::pair<uint64_t, uint64_t>(0, UINT32_MAX));
  if (type == "on or off") return words({"on", "off"});
  if (type == "off" || type == "identity") return type == "off" ? off() : strict_text(type);
  if (type == "duration") return quantity(kDuration);
  if (type == "size") return quantity(kSize);
  if (type == "size or off") return any_of({quantity(kSize), off()});
  if (type == "percentage") return strict_text(kShare);
  if (type == "number") return number(range);
  if (type == "auto or number") return any_of({strict_text("auto"), number(range)});
  if (type == "auto, off or number") return any_of({strict_text("auto"), off(), number(range)});
  if (type == "off, json or text") return words({"off", "json", "text"});
  if (type == "addresses") return addresses();
  if (type == "addresses or off") return any_of({addresses(), off()});
  if (type == "network or off") return any_of({strict_text("[0-9a-fA-F:.]+/[0-9]{1,3}"), off()});
  if (type == "address") return strict_text(kAddress);
  if (type == "address or off") return any_of({strict_text(kAddress), off()});
  if (type == "learned or duration") return quantity(std::string("learned|") + kDuration);
  if (type == "pN or duration") return quantity(std::string("p[0-9]+(\\.[0-9]+)?|") + kDuration);
  if (type == "ratio or off")
    return any_of({json_object({{"type", type_of({"number", "string"})},
                                {"minimum", json_word("1")},
                                {"pattern", json_text(pattern_of("[0-9]+(\\.[0-9]+)?"))}}),
                   off()});
  if (type == "map of texts") return map_of(text());
  if (type.starts_with("map of texts, each one")) return map_of(json_ref("text_match"));
  if (type == "map of clusters and their weights") return map_of(number({0, 1'000'000}));
  if (type == "map of identities, by service") return map_of(list_of());
  if (type == "map of set, add and remove") return json_ref("headers");
  if (type == "list of filters") return json_ref("filters");
  if (type == "name or list") return any_of({text(), json_ref(key.path.ends_with(".routes") ? "routes" : "filters")});
  if (type == "options of the filter" || type == "options of `match` of the filter tap")
    return json_object({{"type", json_text("object")}});
  if (type == "options of the filter `mirror`, or off")
    return any_of({json_object({{"type", type_of({"object", "null"})}}), off()});
  return {};
}

}  // namespace

std::string print_json(const Node& tree) {
  std::string out;
  print(tree, 0, out);
  return out + "\n";
}

std::optional<Node> schema_of(const Key& key) {
  if (!key.words.empty()) return words(key.words);
  if (auto found = compound(key)) return found;
  for (const TextType& each : kTexts)
    if (key.type == each.name) return text(each.form);
  for (const TextType& each : kLists)
    if (key.type == each.name) return list_of(each.form);
  return list_of_words(key.type);
}

std::optional<Node> plain_item(const std::string& type) {
  if (type == "ports or maps") return text("[0-9]{1,5}( *, *[0-9]{1,5})*");
  if (type == "addresses or maps") return strict_text(".*:.*");
  return {};
}

std::vector<std::pair<std::string, Node>> shared_definitions() {
  std::vector<std::pair<std::string, Node>> matches;
  for (const char* kind : {"prefix", "suffix", "contains", "regex"}) matches.emplace_back(kind, text());
  matches.emplace_back("present", words({"on", "off"}));
  matches.emplace_back("not", json_ref("text_match"));
  Node match = json_object({{"type", json_text("object")},
                            {"properties", json_object(std::move(matches))},
                            {"minProperties", json_word("1")},
                            {"maxProperties", json_word("1")},
                            {"additionalProperties", json_word("false")}});
  Node headers =
      json_object({{"type", type_of({"object", "null"})},
                   {"properties", json_object({{"set", map_of(text())}, {"add", map_of(text())}, {"remove", list_of()}})},
                   {"additionalProperties", json_word("false")}});
  return {{"variable", json_object({{"type", json_text("string")},
                                    {"pattern", json_text("\\$\\{")},
                                    {"description", json_text("A variable of the environment: ${NAME} or ${NAME:-default}")}})},
          {"text_match", any_of({text(), std::move(match)})},
          {"headers", std::move(headers)}};
}

}  // namespace outrider::config
