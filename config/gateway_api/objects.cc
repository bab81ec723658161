#include "config/gateway_api/objects.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace outrider::config::gateway_api {

namespace {

constexpr size_t kMostFiles = 1000;

const Node* at(const Node& node, std::initializer_list<const char*> path) {
  const Node* found = &node;
  for (const char* key : path) found = found && found->is_map() ? found->find(key) : nullptr;
  return found && !found->is_null() ? found : nullptr;
}

std::string text_at(const Node& node, std::initializer_list<const char*> path) {
  const Node* found = at(node, path);
  return found && found->is_scalar() ? found->text() : std::string();
}

std::vector<const Node*> list_at(const Node& node, std::initializer_list<const char*> path) {
  const Node* found = at(node, path);
  return found ? found->as_list() : std::vector<const Node*>();
}

bool is_object_name(const std::string& text) {
  return text.size() <= 253 &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '.'; });
}

// For the time of one read_objects().
class Files {
 public:
  Files(Reading& reading, const Sources& sources, std::string home)
      : reading_(reading), sources_(sources), home_(std::move(home)) {}
  void read(const RoutesFrom& from);
  Objects take() { return std::move(objects_); }

 private:
  std::vector<Included> texts_of(const RoutesFrom& from);
  void read_file(const RoutesFrom& from, const Included& file);
  void sort_in(const RoutesFrom& from, const Node& node, const std::string& list_kind);
  void leave_out(const Object& object, const std::string& why);
  void read_gateway(const Object& object);
  void read_grant(const Object& object);
  Reading& reading_;
  const Sources& sources_;
  const std::string home_;
  Objects objects_;
  std::set<std::string> left_out_;  // kinds and files: said once
  std::set<std::string> known_;     // titles
  size_t bytes_ = 0;
};

// What was taken in before stands for the disk.
std::vector<Included> Files::texts_of(const RoutesFrom& from) {
  std::vector<Included> texts;
  const auto fail = [&](const std::string& why) { reading_.error(from.at, from.path, why); };
  if (sources_.included) {
    for (const Included& file : *sources_.included)
      if (file.file == from.file || file.file.starts_with(from.file.ends_with('/') ? from.file : from.file + "/"))
        texts.push_back(file);
    if (texts.empty()) reading_.warn(from.at, from.path, "nothing was kept of " + from.file);
    return texts;
  }
  const auto files = files_at(from.file);
  if (files.size() > kMostFiles) return fail(from.file + " holds more than " + std::to_string(kMostFiles) + " files"), texts;
  for (const std::string& file : files) {
    texts.push_back({file, ""});
    const std::string why = slurp(file, texts.back().text, kMaxText);
    bytes_ += texts.back().text.size();
    if (!why.empty()) fail(file + " cannot be read: " + why);
    else if (bytes_ > kMostIncluded) fail("more than 16 MiB of routes");
    if (!why.empty() || bytes_ > kMostIncluded) return {};
  }
  if (files.empty())
    reading_.warn(from.at, from.path, from.file + " is a folder without a file that ends in .yaml, .yml or .json");
  return texts;
}

void Files::read(const RoutesFrom& from) {
  reading_.takes_in.push_back(from.file);
  for (Included& file : texts_of(from)) {
    read_file(from, file);
    const auto same = [&](const Included& other) { return other.file == file.file; };
    if (std::none_of(reading_.included.begin(), reading_.included.end(), same)) reading_.included.push_back(std::move(file));
  }
}

void Files::read_file(const RoutesFrom& from, const Included& file) {
  const auto origin = std::make_shared<const Origin>(Origin{Origin::Kind::File, file.file});
  ParsedAll parsed = parse_all(file.text, origin);
  for (Complaint& complaint : parsed.complaints) reading_.complaints.push_back(std::move(complaint));
  for (const Node& root : parsed.roots) sort_in(from, root, {});
}

void Files::leave_out(const Object& object, const std::string& why) {
  if (left_out_.insert(object.node.origin().name + "\n" + object.kind + why).second)
    reading_.warn(object.node, object.title(), why);
}

void Files::sort_in(const RoutesFrom& from, const Node& node, const std::string& list_kind) {
  if (!node.is_map())
    return reading_.error(node, "", "expected an object of Kubernetes (apiVersion, kind, metadata, spec), got " + kind_of(node));
  Object object{node, text_at(node, {"kind"}), text_at(node, {"metadata", "namespace"}), text_at(node, {"metadata", "name"}),
                &from};
  std::string version = text_at(node, {"apiVersion"});
  if (object.kind.empty()) object.kind = list_kind;
  if (object.kind.empty()) return reading_.error(node, "", "an object without kind");
  if (object.kind.ends_with("List") && node.find("items")) {
    const std::string of = object.kind == "List" ? "" : object.kind.substr(0, object.kind.size() - 4);
    for (const Node* item : list_at(node, {"items"})) sort_in(from, *item, of);
    return;
  }
  if (object.name_space.empty()) object.name_space = home_;
  const std::string group = version.substr(0, version.find('/'));
  version.erase(0, std::min(version.size(), group.size() + 1));
  const bool ours = group == kGroup || (group.empty() && !list_kind.empty());
  const bool used =
      object.kind == "HTTPRoute" || object.kind == "GRPCRoute" || object.kind == "Gateway" || object.kind == "ReferenceGrant";
  if (!ours && used && !group.empty())
    return leave_out(object, "left out: it is of " + group + ", and of " + kGroup + " " + object.kind + "s are read");
  if (!ours && used) return reading_.error(node, object.title(), "needs apiVersion: " + std::string(kGroup) + "/v1");
  if (!used) {
    const bool rules = ours && (object.kind.ends_with("Route") || object.kind.ends_with("Policy"));
    return leave_out(
        object, std::string("left out: of these files HTTPRoute, GRPCRoute, Gateway and ReferenceGrant are read") +
                    (rules ? "; what it asks for has to be written in the configuration (`routes`, `clusters.<name>.tls`)" : ""));
  }
  if (!version.empty() && version != "v1" && version != "v1beta1" && version != "v1alpha2")
    return reading_.error(node, object.title() + ".apiVersion", "expected v1, v1beta1 or v1alpha2, got \"" + version + "\"");
  if (object.name.empty()) return reading_.error(node, object.kind + ".metadata.name", "missing");
  if (!is_object_name(object.name) || !is_object_name(object.name_space))
    return reading_.error(node, object.kind + ".metadata",
                          "\"" + object.name_space + "/" + object.name + "\" is no name of an object");
  if (!known_.insert(object.title()).second) return reading_.error(node, object.title(), "is there twice");
  if (object.kind == "Gateway") return read_gateway(object);
  if (object.kind == "ReferenceGrant") return read_grant(object);
  objects_.routes.push_back(std::move(object));
}

// Certificates, classes and addresses are the configuration's business.
void Files::read_gateway(const Object& object) {
  Gateway gateway{object.name_space, object.name, {}};
  for (const Node* listener : list_at(object.node, {"spec", "listeners"})) {
    Gateway::Door door;
    door.at = *listener;
    door.name = text_at(*listener, {"name"});
    door.hostname = to_lower(text_at(*listener, {"hostname"}));
    door.protocol = text_at(*listener, {"protocol"});
    const std::string path = object.title() + ".spec.listeners." + door.name;
    const auto port = parse_number(text_at(*listener, {"port"}));
    door.port = port && *port <= 65535 ? uint16_t(*port) : 0;
    if (door.name.empty() || door.port == 0)
      reading_.error(*listener, path, "a listener needs its name, and a port from 1 to 65535");
    if (!door.hostname.empty() && (!is_host(door.hostname) || door.hostname == "*"))
      reading_.error(*listener, path + ".hostname", "expected a host, or \"*.\" and a domain, got \"" + door.hostname + "\"");
    const std::string from = text_at(*listener, {"allowedRoutes", "namespaces", "from"});
    if (from == "All") door.from = Gateway::Door::From::All;
    else if (from == "Selector" || from == "None") door.from = Gateway::Door::From::Some;
    else if (!from.empty() && from != "Same")
      reading_.error(*listener, path + ".allowedRoutes.namespaces.from",
                     "expected Same, All, Selector or None, got \"" + from + "\"");
    if (const Node* selector = at(*listener, {"allowedRoutes", "namespaces", "selector"}); selector && from == "Selector") {
      const Node* labels = at(*selector, {"matchLabels"});
      const std::string name = labels && labels->size() == 1 ? text_at(*labels, {"kubernetes.io/metadata.name"}) : "";
      if (name.empty() || selector->size() != 1)
        reading_.error(
            *selector, path + ".allowedRoutes.namespaces.selector",
            "which labels a namespace has is not known here: only matchLabels with kubernetes.io/metadata.name can be judged");
      door.namespaces.push_back(name);
    }
    for (const Node* kind : list_at(*listener, {"allowedRoutes", "kinds"})) door.kinds.push_back(text_at(*kind, {"kind"}));
    gateway.doors.push_back(std::move(door));
  }
  objects_.gateways.push_back(std::move(gateway));
}

void Files::read_grant(const Object& object) {
  Grant grant{object.name_space, {}, {}};
  for (const Node* from : list_at(object.node, {"spec", "from"}))
    if (text_at(*from, {"group"}) == kGroup) grant.from.push_back({text_at(*from, {"kind"}), text_at(*from, {"namespace"})});
  for (const Node* to : list_at(object.node, {"spec", "to"}))
    if (text_at(*to, {"kind"}) == "Service" && text_at(*to, {"group"}).empty()) grant.services.push_back(text_at(*to, {"name"}));
  objects_.grants.push_back(std::move(grant));
}

}  // namespace

const Gateway* Objects::gateway(const std::string& name_space, const std::string& name) const {
  for (const Gateway& one : gateways)
    if (one.name_space == name_space && one.name == name) return &one;
  return nullptr;
}

bool Objects::granted(const std::string& kind, const std::string& from, const std::string& to, const std::string& service) const {
  return std::any_of(grants.begin(), grants.end(), [&](const Grant& grant) {
    return grant.name_space == to &&
           std::any_of(grant.from.begin(), grant.from.end(),
                       [&](const Grant::From& one) { return one.kind == kind && one.name_space == from; }) &&
           std::any_of(grant.services.begin(), grant.services.end(),
                       [&](const std::string& one) { return one.empty() || one == service; });
  });
}

Objects read_objects(Reading& reading, const std::vector<RoutesFrom>& all, const Sources& sources, const std::string& home) {
  Files files(reading, sources, home);
  for (const RoutesFrom& from : all) files.read(from);
  return files.take();
}

}  // namespace outrider::config::gateway_api
