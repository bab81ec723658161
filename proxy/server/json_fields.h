#pragma once
// Fields of JSON that somebody else has written, whatever they are.

#include <rapidjson/document.h>

#include <string>

namespace outrider::server {

inline std::string text_of(const rapidjson::Value& object, const char* key) {  // empty: there is none
  const auto it = object.FindMember(key);
  if (it == object.MemberEnd() || !it->value.IsString()) return {};
  return {it->value.GetString(), it->value.GetStringLength()};
}

inline double number_of(const rapidjson::Value& object, const char* key) {  // 0: there is none
  const auto it = object.FindMember(key);
  return it != object.MemberEnd() && it->value.IsNumber() ? it->value.GetDouble() : 0;
}

inline uint64_t count_of(const rapidjson::Value& object, const char* key) {  // likewise, and where it is none
  const auto it = object.FindMember(key);
  return it != object.MemberEnd() && it->value.IsUint64() ? it->value.GetUint64() : 0;
}

}  // namespace outrider::server
