#include "config/show.h"

#include "base/text.h"
#include "config/secret.h"

namespace outrider::config {

namespace {

bool is_default(const Node& node) { return node.origin().kind == Origin::Kind::Default; }

// Writes a tree as block YAML; lists of texts stay on one line. Lives for one show().
class Writer {
 public:
  explicit Writer(ShowOptions options) : options_(options) {}
  std::string take() { return std::move(out_); }

  void map(const Node& node, int depth) {
    for (const auto& entry : node.entries())
      if (wanted(entry.value)) {
        out_.append(size_t(depth) * 2, ' ');
        value(entry.key, entry.value, depth);
      }
  }

 private:
  // Worth a line: somebody said it, or everything is asked for.
  bool wanted(const Node& node) const {
    if (node.is_map()) {
      if (node.size() == 0) return !is_default(node) || options_.defaults;
      for (const auto& entry : node.entries())
        if (wanted(entry.value)) return true;
      return false;
    }
    return options_.defaults || !is_default(node);
  }

  void value(const std::string& key, const Node& node, int depth) {
    out_ += quote(key) + ":";
    if (node.is_map() && node.size() > 0) {
      out_ += "\n";
      return map(node, depth + 1);
    }
    if (node.is_list() && holds_maps(node)) return list(node, depth);
    out_ += " ";
    flow(node);
    end(node);
  }

  static bool holds_maps(const Node& list) {
    for (const Node& item : list.items())
      if (item.is_map() && item.size() > 0) return true;
    return false;
  }

  void list(const Node& node, int depth) {
    out_ += "\n";
    for (const Node& item : node.items()) {
      out_.append(size_t(depth) * 2 + 2, ' ');
      out_ += "- ";
      bool first = true;
      if (item.is_map())
        for (const auto& entry : item.entries()) {
          if (!wanted(entry.value)) continue;
          if (!first) out_.append(size_t(depth) * 2 + 4, ' ');
          first = false;
          value(entry.key, entry.value, depth + 2);
        }
      if (!first) continue;
      flow(item);
      end(item);
    }
  }

  void flow(const Node& node) {
    bool first = true;
    const auto comma = [&] {
      if (!first) out_ += ", ";
      first = false;
    };
    switch (node.kind()) {
      case Node::Kind::Null: out_ += "{}"; break;
      case Node::Kind::Scalar: out_ += text(node); break;
      case Node::Kind::List:
        out_ += "[";
        for (const Node& item : node.items()) {
          comma();
          flow(item);
        }
        out_ += "]";
        break;
      case Node::Kind::Map:
        out_ += "{";
        for (const auto& entry : node.entries()) {
          comma();
          out_ += quote(entry.key) + ": ";
          flow(entry.value);
        }
        out_ += "}";
    }
  }

  static std::string text(const Node& node) {
    if (!node.written().empty()) return quote(node.written());
    return quote_value(is_secret(node.text()) ? shown_secret(node.text()) : node.text());
  }

  // `on` and `off` are the language's own words, and read the same plain. A "${" that stands here is no variable.
  static std::string quote_value(const std::string& text) {
    if (text == "on" || text == "off") return text;
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text.compare(i, 2, "${") == 0) out += '$';
      out += text[i];
    }
    return quote(out);
  }

  void end(const Node& node) {
    if (options_.origin) {
      const size_t line = out_.size() - (out_.rfind('\n') + 1);
      out_.append(line < 44 ? 44 - line : 1, ' ');
      out_ += "# ";
      // A name from outside is one line here.
      for (char c : node.where()) out_ += uint8_t(c) < 0x20 ? ' ' : c;
    }
    out_ += "\n";
  }

  ShowOptions options_;
  std::string out_;
};

std::string whom(const Route& route) {
  using Action = Route::Action;
  if (route.action == Action::Passthrough) return "what was redirected there, to where it was meant for";
  const std::string to =
      route.action == Action::ByHost ? "the service the Host header names, from the registry" : "cluster " + route.cluster;
  if (!route.onward) return to;
  const std::string rest = route.home_port ? "for another port than " + std::to_string(route.home_port) : "for nobody it knows";
  return to + "; what was redirected there and is " + rest + ", to where it was meant for";
}

std::string notes(const Document& d) {
  std::string out;
  if (d.identity.mtls == Identity::Mtls::Off && d.mode == Mode::Sidecar)
    out += "# Traffic between sidecars is clear text: identity." + std::string(!d.identity ? "dir is not set" : "mtls is off") +
           ".\n";
  if (d.registry.kind == Registry::Kind::Dht) {
    if (d.registry.key.empty()) out += "# Registry packets are not sealed: registry.key is not set.\n";
    if (d.service && d.service.do_register && !d.identity) out += "# The registration is not signed: identity.dir is not set.\n";
  }
  for (const RoutesFrom& from : d.routes_from) {
    out += "# routes_from: ";
    for (char c : from.file) out += uint8_t(c) < 0x20 ? ' ' : c;
    out += ": its rules are below, in `routes`.\n";
  }
  for (const Listener& l : d.listeners)
    for (const Route& route : l.routes) {
      if (!route.implied) continue;
      std::string hosts;
      for (const std::string& host : route.hosts) hosts += (hosts.empty() ? " for " : ", ") + host;
      out += "# Listener " + l.name + ", behind its rules" + hosts + ": " + whom(route) + ".\n";
    }
  return out;
}

}  // namespace

std::string show(const Document& document, ShowOptions options) {
  Writer writer(options);
  const Node* version = document.effective.find("version");
  std::string head = notes(document);
  // What is shown is a file, whether or not it came from one.
  if (!options.defaults && (!version || is_default(*version))) head += "version: 1\n";
  // The mode decides which defaults are left out, so it is always said.
  const Node* mode = document.effective.find("mode");
  if (!options.defaults && (!mode || is_default(*mode))) head += std::string("mode: ") + name_of(document.mode) + "\n";
  writer.map(document.effective, 0);
  return head + writer.take();
}

}  // namespace outrider::config
