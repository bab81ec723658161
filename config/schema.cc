#include "config/schema.h"

#include <memory>

#include "base/text.h"
#include "config/key_docs.h"
#include "config/parse.h"
#include "config/schema_types.h"

namespace outrider::config {

namespace {

// One place of the language: what may stand there, and the places below it.
struct Place {
  std::string path;               // as keys are named: "clusters.<name>.retry"
  std::vector<const Key*> forms;  // none: a map, and nothing else
  std::vector<std::pair<std::string, std::unique_ptr<Place>>> below;
  std::unique_ptr<Place> item, named;  // of a list; of a map by name

  Place& at(const std::string& key, const std::string& path_there) {
    std::unique_ptr<Place>* slot = nullptr;
    if (key == "[]") slot = &item;
    else if (key.starts_with('<')) slot = &named;
    else {
      for (auto& [name, place] : below)
        if (name == key) slot = &place;
      if (!slot) slot = &below.emplace_back(key, nullptr).second;
    }
    if (!*slot) *slot = std::make_unique<Place>();
    (*slot)->path = path_there;
    return **slot;
  }
};

// "routes.<table>[].match.host": each step of it.
Place& place_of(Place& root, const std::string& path) {
  Place* at = &root;
  std::string so_far;
  for (const std::string_view part : split(path, '.')) {
    const bool list = part.ends_with("[]");
    const std::string name(part.substr(0, part.size() - (list ? 2 : 0)));
    so_far += (so_far.empty() ? "" : ".") + name;
    at = &at->at(name, so_far);
    if (list) at = &at->at("[]", so_far += "[]");
  }
  return *at;
}

// What stands in `defaults` is described with the item that it is the default of.
std::string described_as(const std::string& path) {
  for (const auto& [from, to] : {std::pair{"defaults.cluster.", "clusters.<name>."},
                                 {"defaults.listener.", "listeners.<name>."},
                                 {"defaults.route.", "routes.<table>[]."}})
    if (path.starts_with(from)) return to + path.substr(std::string_view(from).size());
  return path;
}

// One schema() call.
class Making {
 public:
  explicit Making(const std::vector<std::string_view>& filters) : filters_(filters), keys_(all_forms()) {
    for (const Key& key : keys_)
      if (key.supported || !key.standard.empty()) place_of(root_, key.path).forms.push_back(&key);
  }

  Node whole() {
    Node out = json_object({{"$schema", json_text("http://json-schema.org/draft-07/schema#")},
                            {"title", json_text("outrider")},
                            {"description", json_text("Configuration of the proxy Outrider: config/README.md")}});
    const Node map = map_of(root_);
    for (const auto& entry : map.entries()) out.put(entry.key, entry.value);
    out.put("type", json_text("object"));
    out.put("required", json_list({json_text("version")}));
    Node definitions = json_object(shared_definitions());
    definitions.put("filters", filters());
    definitions.put("routes", list_of(place_of(root_, "routes.<table>"), ""));
    out.put("definitions", std::move(definitions));
    return out;
  }

 private:
  Node map_of(const Place& place) {
    Node out = json_object({{"type", json_list({json_text("object"), json_text("null")})}});
    Node properties = Node::map();
    for (const auto& [name, below] : place.below) properties.put(name, schema_at(*below));
    if (properties.size()) out.put("properties", std::move(properties));
    out.put("patternProperties", json_object({{"^x-", json_word("true")}}));
    out.put("additionalProperties", place.named ? schema_at(*place.named) : json_word("false"));
    return out;
  }

  // A list may be given as its one item.
  Node list_of(const Place& place, const std::string& type) {
    std::vector<Node> forms{map_of(*place.item)};
    forms.front().put("type", json_text("object"));
    if (auto plain = plain_item(type)) forms.push_back(std::move(*plain));
    Node one = any_of(std::move(forms));
    return any_of({json_object({{"type", json_list({json_text("array"), json_text("null")})}, {"items", one}}), one});
  }

  Node schema_at(const Place& place) {
    if (place.path == "routes.<table>") return described(json_ref("routes"), place);
    std::vector<Node> forms;
    bool map = !place.below.empty() || place.named || (place.forms.empty() && !place.item);
    if (place.item) forms.push_back(list_of(place, place.forms.empty() ? "" : place.forms.front()->type));
    if (map) forms.push_back(map_of(place));
    for (const Key* key : place.forms) add_form(*key, place, forms);
    return described(any_of(std::move(forms)), place);
  }

  void add_form(const Key& key, const Place& place, std::vector<Node>& forms) {
    if (!key.supported) return forms.push_back(Node::map());  // whatever it is, `config validate` knows
    if (place.item && (plain_item(key.type) || key.type == "list of rules")) return;
    if (key.type == "list") {  // several of this map
      Node item = map_of(place);
      return forms.push_back(json_object({{"type", json_text("array")}, {"items", std::move(item)}}));
    }
    if (key.type.starts_with("keys of `")) {
      const size_t start = key.type.find('`') + 1;
      const Place& same = place_of(root_, key.type.substr(start, key.type.find('`', start) - start));
      Node copy = map_of(same);
      forms.push_back(std::move(copy));
      forms.push_back(*schema_of({"", "off", ""}));
      return;
    }
    if (auto schema = schema_of(key)) forms.push_back(std::move(*schema));
  }

  Node filters() {
    std::vector<Node> names;
    Node properties = Node::map();
    for (const std::string_view name : filters_) {
      names.push_back(json_text(std::string(name)));
      properties.put(std::string(name), any_of({json_object({{"type", json_list({json_text("object"), json_text("null")})}}),
                                                *schema_of({"", "off", ""})}));
    }
    Node one = any_of({json_object({{"type", json_text("object")},
                                    {"properties", std::move(properties)},
                                    {"minProperties", json_word("1")},
                                    {"maxProperties", json_word("1")},
                                    {"additionalProperties", json_word("false")}}),
                       json_object({{"enum", json_list(std::move(names))}})});
    return any_of({json_object({{"type", json_list({json_text("array"), json_text("null")})}, {"items", one}}), one,
                   *schema_of({"", "off", ""})});
  }

  // Draft-07 has nothing beside a $ref.
  Node described(Node schema, const Place& place) const {
    const KeyDoc doc = doc_of(described_as(place.path));
    std::string about = doc.about;
    const Key* const key = place.forms.empty() ? nullptr : place.forms.front();
    if (key && !key->supported)
      about = "Not supported yet in this version: anything but its default is an error or has no effect";
    if (!doc.range.empty()) about += (about.empty() ? "Range: " : ". Range: ") + doc.range;
    const bool default_worth_saying = key && key->supported && !key->standard.empty() && key->type != "name or list";
    if (default_worth_saying) about += (about.empty() ? "Default: " : ". Default: ") + key->standard;
    if (!doc.example.empty()) about += (about.empty() ? "Example: " : ". Example: ") + doc.example;
    if (about.empty()) return schema;
    if (schema.find("$ref")) schema = json_object({{"allOf", json_list({std::move(schema)})}});
    Node out = json_object({{"description", json_text(std::move(about))}});
    if (default_worth_saying) add_default(out, *key);
    for (const auto& entry : schema.entries()) out.put(entry.key, entry.value);
    return out;
  }

  static void add_default(Node& out, const Key& key) {
    static const auto kBuiltIn = std::make_shared<const Origin>(Origin{Origin::Kind::Default, "default"});
    Node value = parse(key.standard, kBuiltIn).root;
    if (value.is_null()) return;
    const bool number = key.type == "number";
    value.each_scalar([&](Node& scalar) { scalar = number ? json_word(scalar.text()) : json_text(scalar.text()); });
    out.put("default", std::move(value));
  }

  const std::vector<std::string_view>& filters_;
  std::vector<Key> keys_;
  Place root_;
};

}  // namespace

std::string schema(const std::vector<std::string_view>& filters) { return print_json(Making(filters).whole()); }

}  // namespace outrider::config
