#pragma once
// A type of the language, in the words of the README, as a piece of JSON Schema.

#include <optional>
#include <string>
#include <vector>

#include "config/node.h"
#include "config/reader.h"

namespace outrider::config {

// JSON as a tree: scalars in quotes are texts, others are what they say (true, 12).
Node json_text(std::string text);
Node json_word(std::string word);
Node json_list(std::vector<Node> items);
Node json_object(std::vector<std::pair<std::string, Node>> entries);
Node json_ref(const std::string& definition);  // {"$ref": "#/definitions/NAME"}
Node any_of(std::vector<Node> forms);          // of one: itself
std::string print_json(const Node& tree);

// Of one key by its type, words and range. Null: no such type, which a test refuses.
std::optional<Node> schema_of(const Key& key);
// One item where it is no map, of a list whose items may be both ("addresses or maps"); null: they are all maps.
std::optional<Node> plain_item(const std::string& type);
// What those refer to: variable, scalar, text_match, headers.
std::vector<std::pair<std::string, Node>> shared_definitions();

}  // namespace outrider::config
