#include "inject/json.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "base/text.h"

namespace outrider::inject {

Node from_json(const rapidjson::Value& value) {
  switch (value.GetType()) {
    case rapidjson::kNullType: return {};
    case rapidjson::kFalseType: return Node::boolean(false);
    case rapidjson::kTrueType: return Node::boolean(true);
    case rapidjson::kStringType: return Node::text({value.GetString(), value.GetStringLength()});
    case rapidjson::kNumberType: {
      rapidjson::StringBuffer text;
      rapidjson::Writer<rapidjson::StringBuffer> writer(text);
      value.Accept(writer);
      return Node::scalar(Node::Kind::Number, text.GetString());
    }
    case rapidjson::kArrayType: {
      Node list = Node::list();
      for (const auto& item : value.GetArray()) list.append(from_json(item));
      return list;
    }
    case rapidjson::kObjectType: break;
  }
  Node map = Node::map();
  for (const auto& member : value.GetObject())
    map.entries().push_back({{member.name.GetString(), member.name.GetStringLength()}, from_json(member.value), {}});
  return map;
}

Node read_json(std::string_view text) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(text.data(), text.size());
  return document.HasParseError() ? Node() : from_json(document);
}

void append_json(std::string& out, const Node& node) {
  const char* separator = "";
  switch (node.kind()) {
    case Node::Kind::Null: out += "null"; return;
    case Node::Kind::Bool:
    case Node::Kind::Number: out += node.text(); return;
    case Node::Kind::Text: outrider::append_json(out, node.text()); return;
    case Node::Kind::List:
      out += '[';
      for (const Node& item : node.items()) {
        out += separator;
        append_json(out, item);
        separator = ",";
      }
      out += ']';
      return;
    case Node::Kind::Map: break;
  }
  out += '{';
  for (const Node::Entry& entry : node.entries()) {
    out += separator;
    outrider::append_json(out, entry.key);
    out += ':';
    append_json(out, entry.value);
    separator = ",";
  }
  out += '}';
}

std::string patch_json(const std::vector<Operation>& operations) {
  std::string out = "[";
  for (const Operation& each : operations) {
    const bool remove = each.kind == Operation::Kind::Remove;
    out += out.size() > 1 ? ",{\"op\":\"" : "{\"op\":\"";
    out += remove ? "remove" : each.kind == Operation::Kind::Add ? "add" : "replace";
    out += "\",\"path\":";
    outrider::append_json(out, each.path);
    if (!remove) {
      out += ",\"value\":";
      append_json(out, each.value);
    }
    out += '}';
  }
  return out + "]";
}

}  // namespace outrider::inject
