#include "discovery/kubernetes/slice.h"

#include <rapidjson/document.h>

namespace outrider::discovery {

namespace {

using rapidjson::Value;

constexpr size_t kLongestMessage = 300;

bool parse(rapidjson::Document& document, std::string_view text) {
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(text.data(), text.size());
  return !document.HasParseError() && document.IsObject();
}

// The API server leaves out what is not set, or says null.
const Value* member(const Value& object, const char* name) {
  const auto it = object.FindMember(name);
  return it == object.MemberEnd() || it->value.IsNull() ? nullptr : &it->value;
}

// False: it is there, and no text.
bool read(const Value& object, const char* name, std::string& text) {
  const Value* const value = member(object, name);
  if (!value) return true;
  if (!value->IsString()) return false;
  text.assign(value->GetString(), value->GetStringLength());
  return true;
}

bool read(const Value& object, const char* name, std::optional<bool>& flag) {
  const Value* const value = member(object, name);
  if (!value) return true;
  if (!value->IsBool()) return false;
  flag = value->GetBool();
  return true;
}

// Calls `each` for the items of a list; false: it is no list of objects, or `each` said so.
template <class F>
bool read_each(const Value& object, const char* name, F each) {
  const Value* const list = member(object, name);
  if (!list) return true;
  if (!list->IsArray()) return false;
  for (const Value& item : list->GetArray())
    if (!item.IsObject() || !each(item)) return false;
  return true;
}

// What is not said is so: an endpoint without conditions is ready.
bool read_conditions(const Value& from, SliceEndpoint& to) {
  std::optional<bool> ready, serving, terminating;
  if (const Value* const conditions = member(from, "conditions")) {
    if (!conditions->IsObject() || !read(*conditions, "ready", ready) || !read(*conditions, "serving", serving) ||
        !read(*conditions, "terminating", terminating))
      return false;
  }
  using State = SliceEndpoint::State;
  const bool serves = serving.value_or(ready.value_or(true)), ends = terminating.value_or(false);
  to.state = ready.value_or(true) ? State::Ready : serves && ends ? State::Draining : State::Out;
  return true;
}

bool read_endpoint(const Value& from, SliceEndpoint& to) {
  const Value* const addresses = member(from, "addresses");
  if (!addresses || !addresses->IsArray() || addresses->Empty() || !(*addresses)[0].IsString()) return false;
  to.address.assign((*addresses)[0].GetString(), (*addresses)[0].GetStringLength());
  if (!read_conditions(from, to) || !read(from, "nodeName", to.node) || !read(from, "zone", to.zone)) return false;
  if (const Value* const target = member(from, "targetRef")) {
    std::string kind;
    if (!target->IsObject() || !read(*target, "kind", kind) || !read(*target, "uid", to.uid)) return false;
    if (kind == "Pod" && !read(*target, "name", to.pod)) return false;
  }
  const Value* const hints = member(from, "hints");
  if (!hints) return true;
  return hints->IsObject() && read_each(*hints, "forZones", [&](const Value& zone) {
           std::string name;
           if (!read(zone, "name", name)) return false;
           if (!name.empty()) to.for_zones.push_back(std::move(name));
           return true;
         });
}

bool read_port(const Value& from, std::vector<SlicePort>& ports) {
  SlicePort port;
  std::string protocol = "TCP";
  if (!read(from, "name", port.name) || !read(from, "protocol", protocol) || !read(from, "appProtocol", port.app_protocol))
    return false;
  const Value* const number = member(from, "port");
  if (!number || protocol != "TCP") return true;  // every port is meant, or one that is not for us
  if (!number->IsUint() || number->GetUint() == 0 || number->GetUint() > 65535) return false;
  port.port = uint16_t(number->GetUint());
  ports.push_back(std::move(port));
  return true;
}

bool read_slice(const Value& from, Slice& to) {
  const Value* const metadata = member(from, "metadata");
  if (!metadata || !metadata->IsObject() || !read(*metadata, "name", to.name) || !read(*metadata, "resourceVersion", to.version))
    return false;
  if (to.name.empty()) return false;
  if (const Value* const labels = member(*metadata, "labels"))
    if (!labels->IsObject() || !read(*labels, kTlsLabel.data(), to.tls)) return false;
  std::string family;
  if (!read(from, "addressType", family)) return false;
  to.family = family == "IPv4" ? Slice::Family::V4 : family == "IPv6" ? Slice::Family::V6 : Slice::Family::Other;
  return read_each(from, "ports", [&](const Value& port) { return read_port(port, to.ports); }) &&
         read_each(from, "endpoints", [&](const Value& endpoint) {
           to.endpoints.emplace_back();
           return read_endpoint(endpoint, to.endpoints.back());
         });
}

std::string message_of(const Value& status) {
  std::string message;
  if (!read(status, "message", message)) message.clear();
  if (message.size() > kLongestMessage) message.resize(kLongestMessage);
  for (char& c : message)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return message;
}

}  // namespace

const char* name_of(SliceEvent::Kind kind) {
  static constexpr const char* kNames[] = {"added", "modified", "deleted", "bookmark", "error"};
  return kNames[size_t(kind)];
}

std::optional<SlicePage> read_page(std::string_view text) {
  rapidjson::Document document;
  if (!parse(document, text)) return {};
  SlicePage page;
  std::string kind;
  const Value* const metadata = member(document, "metadata");
  if (!read(document, "kind", kind) || kind != "EndpointSliceList" || !metadata || !metadata->IsObject() ||
      !read(*metadata, "resourceVersion", page.version) || !read(*metadata, "continue", page.next) || page.version.empty())
    return {};
  const bool whole = read_each(document, "items", [&](const Value& item) {
    page.slices.emplace_back();
    return read_slice(item, page.slices.back());
  });
  if (!whole) return {};
  return page;
}

std::optional<SliceEvent> read_event(std::string_view line) {
  rapidjson::Document document;
  if (!parse(document, line)) return {};
  std::string type;
  const Value* const object = member(document, "object");
  if (!read(document, "type", type) || !object || !object->IsObject()) return {};
  using Kind = SliceEvent::Kind;
  SliceEvent event;
  if (type == "ERROR") {
    if (const Value* const code = member(*object, "code"); code && code->IsInt()) event.code = code->GetInt();
    event.message = message_of(*object);
    return event;
  }
  if (type == "BOOKMARK") {
    const Value* const metadata = member(*object, "metadata");
    event.kind = Kind::Bookmark;
    if (!metadata || !metadata->IsObject() || !read(*metadata, "resourceVersion", event.version) || event.version.empty())
      return {};
    return event;
  }
  if (type == "ADDED") event.kind = Kind::Added;
  else if (type == "MODIFIED") event.kind = Kind::Modified;
  else if (type == "DELETED") event.kind = Kind::Deleted;
  else return {};
  std::string kind;
  if (!read(*object, "kind", kind) || kind != "EndpointSlice" || !read_slice(*object, event.slice) || event.slice.version.empty())
    return {};
  event.version = event.slice.version;
  return event;
}

std::string read_message(std::string_view text) {
  rapidjson::Document document;
  return parse(document, text) ? message_of(document) : std::string();
}

}  // namespace outrider::discovery
