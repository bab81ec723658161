#pragma once
// JSON from outside, read with a bound and without recursion. Included by this folder's .cc files only.

#include <rapidjson/document.h>

#include <optional>
#include <string>
#include <string_view>

namespace outrider::filters {

// One object and nothing behind it.
inline std::optional<rapidjson::Document> read_object(std::string_view text) {
  std::optional<rapidjson::Document> document(std::in_place);
  document->Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(text.data(), text.size());
  if (document->HasParseError() || !document->IsObject()) document.reset();
  return document;
}

// The member of that name; null: there is none. Said twice it is neither: `twice` becomes true, and who reads on may read
// something else than others do.
inline const rapidjson::Value* member(const rapidjson::Value& object, std::string_view name, bool& twice) {
  const rapidjson::Value* found = nullptr;
  for (const auto& each : object.GetObject())
    if (std::string_view(each.name.GetString(), each.name.GetStringLength()) == name) {
      twice |= found != nullptr;
      found = &each.value;
    }
  return found;
}

inline std::optional<std::string> text_of(const rapidjson::Value* value) {
  if (!value || !value->IsString()) return std::nullopt;
  return std::string(value->GetString(), value->GetStringLength());
}

}  // namespace outrider::filters
