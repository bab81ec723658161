#include "config/load.h"

#include <unistd.h>

#include <algorithm>
#include <tuple>

#include "base/text.h"
#include "config/parse.h"
#include "config/secret.h"

extern char** environ;

namespace outrider::config {

namespace {

constexpr size_t kMaxValue = 64 * 1024;

// One load(): gathers the layers, then has them read.
class Loading {
 public:
  explicit Loading(const Sources& sources) : sources_(sources), layers_{Node(), Node(), Node(), sources} {}
  Outcome run();

 private:
  void read_file();
  void read_environment();
  void read_flags();
  void base();
  void namespace_of_pod();
  void put(std::string_view path, std::string_view value, const Origin& origin);
  void expand(Node& node);
  bool expand(std::string& text, int depth, std::string& wrong) const;
  const std::string* variable(std::string_view name) const;
  void say(const Origin& origin, std::string path, std::string message);
  std::string known_key(const Node* at, const std::string& key) const;
  const Sources& sources_;
  Reading reading_;
  Layers layers_;
};

const std::string* Loading::variable(std::string_view name) const {
  for (const auto& [key, value] : sources_.environment)
    if (key == name) return &value;
  return nullptr;
}

void Loading::say(const Origin& origin, std::string path, std::string message) {
  Node at;
  at.set_origin(std::make_shared<const Origin>(origin));
  reading_.error(at, std::move(path), std::move(message));
}

void Loading::read_file() {
  if (!sources_.file && !sources_.text) {
    layers_.user = Node::map();
    layers_.user.set_origin(std::make_shared<const Origin>(Origin{Origin::Kind::Flag, "command line"}));
    return;
  }
  const std::string name = sources_.file ? (*sources_.file == "-" ? "stdin" : *sources_.file) : "configuration";
  std::string text = sources_.text.value_or("");
  const auto origin = std::make_shared<const Origin>(Origin{Origin::Kind::File, name});
  if (!sources_.text)
    if (const std::string why = slurp(*sources_.file, text, kMaxText); !why.empty()) {
      reading_.complaints.push_back({name, 0, 0, Severity::Error, "", "cannot be read: " + why});
      return;
    }
  Parsed parsed = parse(text, origin);
  for (Complaint& complaint : parsed.complaints) reading_.complaints.push_back(std::move(complaint));
  if (parsed.root.is_map()) layers_.user = std::move(parsed.root);
  else if (!parsed.root.is_null()) reading_.error(parsed.root, "", "expected a map of keys, got " + kind_of(parsed.root));
  else if (parsed.complaints.empty()) {  // an empty file lacks its version
    layers_.user = Node::map();
    layers_.user.set_origin(origin);
    layers_.user.set_mark({1, 1});
  }
  layers_.user.each_scalar([this](Node& node) { expand(node); });
}

// ${VAR}, ${VAR:-default}, $${ for a plain ${. Defaults may hold variables themselves.
bool Loading::expand(std::string& text, int depth, std::string& wrong) const {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text.compare(i, 3, "$${") == 0) {
      out += "${";
      i += 3;
      continue;
    }
    if (text.compare(i, 2, "${") != 0) {
      out += text[i++];
      continue;
    }
    size_t end = i + 2, open = 1;
    for (; end < text.size() && open; ++end) {
      if (text.compare(end, 2, "${") == 0) ++open;
      else if (text[end] == '}') --open;
    }
    if (open) {
      wrong = "\"${\" without its \"}\"";
      return false;
    }
    const std::string inside = text.substr(i + 2, end - i - 3);
    const size_t colon = inside.find(":-");
    const std::string name = inside.substr(0, colon);
    const bool valid = !name.empty() && !is_digit(name[0]) &&
                       std::all_of(name.begin(), name.end(), [](char c) { return is_alpha(c) || is_digit(c) || c == '_'; });
    if (!valid) {
      wrong = "\"" + name + "\" is no name of a variable";
      return false;
    }
    const std::string* value = variable(name);
    if (value && (!value->empty() || colon == inside.npos)) out += *value;
    else if (colon != inside.npos) {
      std::string standard = inside.substr(colon + 2);
      if (depth > 4) {
        wrong = "variables nested too deep";
        return false;
      }
      if (!expand(standard, depth + 1, wrong)) return false;
      out += standard;
    } else {
      wrong = "environment variable " + name + " is not set (${" + name + ":-default} gives it a default)";
      return false;
    }
    if (value && utf8_prefix(*value) < value->size()) {
      wrong = "environment variable " + name + " is not UTF-8";
      return false;
    }
    if (out.size() > kMaxValue) {
      wrong = "longer than 64 KiB";
      return false;
    }
    i = end;
  }
  text = std::move(out);
  return true;
}

void Loading::expand(Node& node) {
  // What `config show` has printed is a configuration, too.
  if (const auto written = written_secret(node.text()); written.size() < node.text().size()) node.set_text(std::string(written));
  if (node.text().find("${") == std::string::npos) return;
  std::string text = node.text(), wrong;
  if (!expand(text, 0, wrong)) return reading_.error(node, "", wrong);
  node.set_written(node.text());
  node.set_text(std::move(text));
}

// Names in the environment are upper case and cannot hold a '-': the key they mean is the one that is there.
std::string Loading::known_key(const Node* at, const std::string& key) const {
  if (!at || !at->is_map() || at->find(key)) return key;
  for (const auto& entry : at->entries()) {
    std::string folded = to_lower(entry.key);
    std::replace(folded.begin(), folded.end(), '-', '_');
    if (folded == key) return entry.key;
  }
  return key;
}

// "a.b.c"; a part with dots in it stands in double quotes.
bool split_path(std::string_view path, std::vector<std::string>& parts) {
  while (true) {
    std::string part;
    if (path.starts_with('"')) {
      const size_t end = path.find('"', 1);
      if (end == path.npos || (end + 1 < path.size() && path[end + 1] != '.')) return false;
      part = path.substr(1, end - 1);
      path.remove_prefix(end + 1);
    } else {
      const size_t end = std::min(path.find('.'), path.size());
      part = path.substr(0, end);
      path.remove_prefix(end);
    }
    if (part.empty() || part.find('[') != part.npos) return false;
    parts.push_back(std::move(part));
    if (path.empty()) return true;
    path.remove_prefix(1);
  }
}

void Loading::put(std::string_view path, std::string_view value, const Origin& origin) {
  std::vector<std::string> parts;
  if (!split_path(path, parts) || parts.size() > 16)
    return say(origin, "", "expected a path of keys (clusters.web.lb); a list is set whole, got \"" + std::string(path) + "\"");
  if (utf8_prefix(value) < value.size() || utf8_prefix(path) < path.size()) return say(origin, "", "not UTF-8");
  const auto shared = std::make_shared<const Origin>(origin);
  Node leaf = Node::scalar(std::string(value));
  const std::string_view trimmed = trim(value);
  if ((trimmed.starts_with('[') && trimmed.ends_with(']')) || trimmed.starts_with('{')) {  // else [::1]:80
    Parsed parsed = parse(trimmed, shared);
    for (const Complaint& complaint : parsed.complaints) say(origin, std::string(path), complaint.message);
    if (!parsed.complaints.empty()) return;
    leaf = std::move(parsed.root);
  }
  Node overlay = Node::map();
  Node* at = &overlay;
  const Node* there = &layers_.user;
  for (std::string& part : parts) {
    if (origin.kind == Origin::Kind::Environment) part = known_key(there, part);
    there = there && there->is_map() ? there->find(part) : nullptr;
    at = &at->at(part);
  }
  *at = std::move(leaf);
  overlay.stamp(shared);
  if (layers_.user.is_null()) layers_.user = Node::map();
  layers_.user.merge(overlay);
}

// OUTRIDER_A__B__C is a.b.c, OUTRIDER_MODE is mode; everything else that begins with OUTRIDER_ is not ours to judge. An
// empty one is as good as none.
void Loading::read_environment() {
  std::vector<std::pair<std::string, std::pair<std::string, std::string>>> found;  // path, name, value
  for (const auto& [name, value] : sources_.environment) {
    if (!name.starts_with("OUTRIDER_") || value.empty()) continue;
    std::string rest = to_lower(name.substr(9));
    if (rest != "mode" && rest.find("__") == rest.npos) continue;
    std::string path;
    for (size_t at = 0; at < rest.size();) {
      if (rest.compare(at, 2, "__") == 0) {
        path += '.';
        at += 2;
      } else path += rest[at++];
    }
    found.push_back({std::move(path), {name, value}});
  }
  // The whole before its parts, whatever order the environment has.
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    const auto depth = [](const std::string& path) { return std::count(path.begin(), path.end(), '.'); };
    return std::pair(depth(a.first), a.first) < std::pair(depth(b.first), b.first);
  });
  for (const auto& [path, variable] : found) put(path, variable.second, {Origin::Kind::Environment, variable.first});
}

void Loading::read_flags() {
  for (const Setting& setting : sources_.flags) put(setting.path, setting.value, {Origin::Kind::Flag, setting.origin});
  for (const std::string& text : sources_.set) {
    const Origin origin{Origin::Kind::Flag, "--set " + text};
    const size_t equals = text.find('=');
    if (equals == text.npos) say(origin, "", "expected PATH=VALUE");
    else put(trim(std::string_view(text).substr(0, equals)), std::string_view(text).substr(equals + 1), origin);
  }
}

// Who this proxy is, as the environment of a container says it.
void Loading::base() {
  const auto from = [&](const char* section, const char* key, const char* name) {
    const std::string* value = variable(name);
    if (!value || value->empty() || utf8_prefix(*value) < value->size()) return false;
    Node leaf = Node::scalar(*value);
    leaf.set_origin(std::make_shared<const Origin>(Origin{Origin::Kind::Environment, name}));
    layers_.base.at(section).put(key, std::move(leaf));
    return true;
  };
  if (!from("node", "id", "POD_NAME") && !from("node", "id", "HOSTNAME")) {
    char name[256] = "";
    if (gethostname(name, sizeof name - 1) == 0 && *name) layers_.base.at("node").put("id", Node::scalar(name));
  }
  from("node", "address", "POD_IP");
  from("node", "zone", "OUTRIDER_ZONE");
  if (!from("service", "namespace", "POD_NAMESPACE")) namespace_of_pod();
  from("identity", "spiffe_id", "SPIFFE_ID");
  if (!sources_.identity_dir.empty() && access((sources_.identity_dir + "/tls.crt").c_str(), F_OK) == 0)
    layers_.base.at("identity").put("dir", Node::scalar(sources_.identity_dir));
}

// Where Kubernetes is the registry, names without a namespace mean the pod's own.
void Loading::namespace_of_pod() {
  const Node *registry = layers_.user.find("registry"), *kind = registry && registry->is_map() ? registry->find("kind") : nullptr;
  if (!kind || !kind->is_scalar() || kind->text() != "kubernetes") return;
  std::string text;
  if (!slurp(sources_.service_account + "/namespace", text, 1024).empty()) return;
  const std::string name(trim(text.substr(0, text.find('\n'))));
  if (is_label(name)) layers_.base.at("service").put("namespace", Node::scalar(name));
}

Outcome Loading::run() {
  read_file();
  read_environment();
  read_flags();
  base();
  Outcome outcome;
  const bool unreadable = sources_.file && !reading_.complaints.empty() && layers_.user.is_null();
  if (!unreadable) outcome.document = read_document(reading_, layers_);
  outcome.complaints = std::move(reading_.complaints);
  outcome.takes_in = std::move(reading_.takes_in);
  // By file and line: its own file first, then those that it takes in.
  const auto place = [&](const Complaint& c) {
    const bool taken_in =
        std::any_of(reading_.included.begin(), reading_.included.end(), [&](const Included& i) { return i.file == c.file; });
    return std::tuple(c.line == 0, taken_in, taken_in ? std::string_view(c.file) : "", c.line, c.column);
  };
  std::stable_sort(outcome.complaints.begin(), outcome.complaints.end(),
                   [&](const Complaint& a, const Complaint& b) { return place(a) < place(b); });
  const auto is_error = [](const Complaint& c) { return c.severity == Severity::Error; };
  if (std::any_of(outcome.complaints.begin(), outcome.complaints.end(), is_error)) outcome.document.reset();
  if (outcome.document) outcome.document->included = std::move(reading_.included);
  return outcome;
}

}  // namespace

Outcome load(const Sources& sources) { return Loading(sources).run(); }

std::vector<std::pair<std::string, std::string>> environment() {
  std::vector<std::pair<std::string, std::string>> out;
  for (char** at = environ; at && *at; ++at) {
    const std::string_view text(*at);
    if (const size_t equals = text.find('='); equals != text.npos)
      out.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

std::vector<Setting> service_flag(const std::string& value) {
  const std::string origin = "--service " + value;
  const size_t colon = value.rfind(':');
  std::vector<Setting> out{{"service.name", value.substr(0, colon), origin}};
  if (colon != value.npos) out.push_back({"service.port", value.substr(colon + 1), origin});
  return out;
}

std::vector<Setting> bootstrap_flag(const std::string& value) { return {{"registry.bootstrap", value, "--bootstrap " + value}}; }

std::vector<Setting> listen_flags(const std::string& listen, const std::string& to) {
  const std::string listen_origin = "--listen " + listen, to_origin = "--to " + to;
  return {{"mode", "edge", listen_origin},
          {"registry.kind", "none", listen_origin},
          {"listeners.edge.address", listen, listen_origin},
          {"routes.edge", "[{cluster: web}]", listen_origin},
          {"clusters.web.endpoints", to, to_origin}};
}

namespace {

const char* name_of(Severity severity) { return severity == Severity::Error ? "error" : "warning"; }

// What was written may hold anything; a complaint is one line of a terminal.
void append_line(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (const char c : text) {
    if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (uint8_t(c) < 0x20 || c == 0x7f) out.append("\\x").append({kHex[uint8_t(c) >> 4], kHex[uint8_t(c) & 15]});
    else out += c;
  }
}

}  // namespace

std::string print(const std::vector<Complaint>& complaints) {
  std::string out;
  for (const Complaint& c : complaints) {
    append_line(out, c.file);
    if (c.line) out += ":" + std::to_string(c.line);
    if (c.line && c.column) out += ":" + std::to_string(c.column);
    out += std::string(": ") + name_of(c.severity) + ": ";
    if (!c.path.empty()) append_line(out, c.path + ": ");
    append_line(out, c.message);
    out += "\n";
  }
  return out;
}

std::string print_json(const std::vector<Complaint>& complaints) {
  std::string out = "[";
  for (const Complaint& c : complaints) {
    if (out.size() > 1) out += ",";
    out += "\n  {\"file\": ";
    append_json(out, c.file);
    out += ", \"line\": " + std::to_string(c.line) + ", \"column\": " + std::to_string(c.column) + ", \"severity\": \"" +
           name_of(c.severity) + "\", \"path\": ";
    append_json(out, c.path);
    out += ", \"message\": ";
    append_json(out, c.message);
    out += "}";
  }
  return out + (out.size() > 1 ? "\n]\n" : "]\n");
}

}  // namespace outrider::config
