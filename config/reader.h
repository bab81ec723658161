#pragma once
// Reading one map of the tree: each call names a key, its type and the field it fills, and that is all there is to say
// about a key. Unknown keys, wrong types, defaults, the effective tree and the list of keys follow from it.

#include <functional>
#include <initializer_list>
#include <limits>
#include <set>
#include <span>
#include <type_traits>

#include "base/time.h"
#include "config/included.h"
#include "config/node.h"
#include "config/values.h"

namespace outrider::config {

// One key of the language, as config/README.md lists it.
struct Key {
  std::string path, type, standard;  // standard: its default
  bool supported = true;
  bool listed = true;  // false: another form of what is listed (`off` for a map), or of its item (under `defaults`)
  std::vector<std::string> words = {};                      // of a choice
  std::optional<std::pair<uint64_t, uint64_t>> range = {};  // of a number
};

// What one load() gathers while it reads.
struct Reading {
  std::vector<Complaint> complaints;
  std::vector<Key>* catalog = nullptr;  // asked for: every map and list is read as if it had one item
  std::vector<Included> included;       // files of `routes_from`
  std::vector<std::string> takes_in;    // and what names them
  std::set<std::string> said;           // what an item inherits from `defaults` is complained about once

  bool has_errors() const;
  void complain(Severity severity, const Node& at, Mark mark, const std::string& path, std::string message);
  void error(const Node& at, const std::string& path, std::string message) {
    complain(Severity::Error, at, at.mark(), path, std::move(message));
  }
  void warn(const Node& at, const std::string& path, std::string message) {
    complain(Severity::Warning, at, at.mark(), path, std::move(message));
  }
};

std::string join_path(const std::string& path, std::string_view key);                         // "clusters.\"a.b\".lb"
std::string did_you_mean(std::string_view text, const std::vector<std::string_view>& known);  // " (did you mean ...)" or empty
std::string kind_of(const Node& node);                                                        // "a list", '"x"', for ", got ..."
// The items of a list; a text given instead is split at its commas.
std::vector<Node> items_of(const Node& node);

template <class E>
using Words = std::initializer_list<std::pair<const char*, E>>;
using Texts = std::initializer_list<const char*>;

// A map while it is read. Its end complains about what nobody asked for, and hands the effective map to its parent.
class Fields {
 public:
  Fields(Reading& reading, const Node* node, std::string path);  // the root
  ~Fields();
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;

  const Node* given(std::string_view key) const;  // what is written; null when it is not, or is nothing
  const Node& node() const { return *node_; }
  const std::string& path() const { return path_; }
  std::string path(std::string_view key) const { return join_path(path_, key); }
  Reading& reading() { return reading_; }
  Node take() {
    done();
    return std::move(effective_);
  }  // the effective map, of a root

  void flag(std::string_view key, bool& field);
  void duration(std::string_view key, milliseconds& field, milliseconds least = milliseconds(0),
                milliseconds most = std::chrono::hours(24 * 365));
  void size(std::string_view key, uint64_t& field, uint64_t least, uint64_t most, bool may_be_off = false);
  void share(std::string_view key, double& field);
  using Check = std::string (*)(std::string& text);  // may tidy the text; empty: fine, else the complaint
  void text(std::string_view key, std::string& field, const char* type = "text", Check check = nullptr);
  void texts(std::string_view key, std::vector<std::string>& field, const char* type = "texts", Check check = nullptr);
  void pairs(std::string_view key, std::vector<std::pair<std::string, std::string>>& field);
  void address(std::string_view key, std::string& field, AddressRule rule, bool may_be_off = false);
  template <class N>
  void number(std::string_view key, N& field, uint64_t least = 0, uint64_t most = std::numeric_limits<N>::max()) {
    uint64_t value = field;
    read_number(key, value, least, most);
    field = N(value);
  }
  // `later`: words of the language that are not built yet.
  template <class E>
  void choice(std::string_view key, E& field, Words<E> words, Texts later = {}) {
    choice(key, field, std::span(words.begin(), words.size()), later);
  }
  template <class E>
  void choice(std::string_view key, E& field, std::span<const std::pair<const char*, E>> words, Texts later = {}) {
    std::vector<std::string_view> names;
    size_t at = 0;
    for (const auto& [name, value] : words) {
      if (value == field) at = names.size();
      names.push_back(name);
    }
    field = (words.begin() + read_choice(key, names, at, later))->second;
  }
  // A key of the language that is not built yet. Values that ask for nothing are accepted; its default, where that asks
  // for something, with a warning; anything else is an error that says so. Both as YAML.
  void later(std::string_view key, Texts accepted = {}, Texts promised = {});
  void number_or_auto(std::string_view key, uint32_t& field, uint64_t least, uint64_t most);  // `auto` leaves the field as it is
  // Read by hand: the node, or null. The key, its type and default are known from here on.
  const Node* hand(std::string_view key, const std::string& type, const std::string& standard);
  // For the catalog: what this map may be instead, in the words of a type: "off", "identity", "list".
  void also(std::string_view key, const std::string& type);
  void keep(std::string_view key, Node value) { effective_.put(std::string(key), std::move(value)); }
  // True when the key is `off` instead of a map.
  bool off(std::string_view key, bool by_default);
  Fields map(std::string_view key) { return Fields(*this, key); }
  // Each item of a list of maps (or the one map): `each(Fields&, const Node&)`. A text is given to `plain` if there is one.
  void list(std::string_view key, const std::string& type, const std::function<void(Fields&, const Node&)>& each,
            const std::function<void(const Node&, const std::string& path)>& plain = nullptr);
  void error(std::string_view key, const Node& at, std::string message) { reading_.error(at, path(key), std::move(message)); }

 private:
  Fields(Fields& parent, std::string_view key);
  void read_number(std::string_view key, uint64_t& value, uint64_t least, uint64_t most);
  size_t read_choice(std::string_view key, const std::vector<std::string_view>& names, size_t standard, Texts later);
  // The scalar behind a key; null when it is absent or was complained about. Notes the key and its default down.
  const Node* scalar(std::string_view key, const std::string& type, const std::string& standard);
  void know(std::string_view key, const std::string& type, const std::string& standard, bool supported = true);
  void keep_text(std::string_view key, const Node& from, std::string text);
  bool later_value(const Node& value, const std::vector<Node>& accepted, const std::string& path);
  void done();
  Reading& reading_;
  Fields* parent_ = nullptr;
  std::string key_, path_;
  const Node* node_;  // never null: an empty map stands in
  std::vector<std::string> known_;
  Node effective_ = Node::map();
  bool done_ = false;
};

}  // namespace outrider::config
