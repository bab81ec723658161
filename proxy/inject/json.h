#pragma once
// Trees from JSON and to it.

#include <rapidjson/document.h>

#include <string>
#include <vector>

#include "inject/plan.h"

namespace outrider::inject {

Node from_json(const rapidjson::Value& value);  // bounded by whoever parsed it: depth is its own
Node read_json(std::string_view text);          // null where it is none
void append_json(std::string& out, const Node& node);
std::string patch_json(const std::vector<Operation>& operations);  // an array, as RFC 6902 has it

}  // namespace outrider::inject
