#include "server/key_places.h"

#include <charconv>

#include "config/reader.h"

namespace outrider::server {

namespace {

const config::Node* below(const config::Node* node, std::string_view key) {
  if (!node) return nullptr;
  if (node->is_map()) return node->find(key);
  size_t index = 0;
  const bool number = std::from_chars(key.data(), key.data() + key.size(), index).ec == std::errc();
  return number && node->is_list() && index < node->size() ? &node->items()[index] : nullptr;
}

// `off` in place of a map says all that is in it.
const config::Node* follow(const config::Node* node, std::initializer_list<std::string_view> keys, std::string& path) {
  for (const std::string_view key : keys) {
    if (node && node->is_scalar()) break;
    path = config::join_path(path, key);
    node = below(node, key);
  }
  return node;
}

std::string said(const std::string& path, const config::Node* node) {
  if (!node || node->origin().kind == config::Origin::Kind::Default) return path + ", by default";
  return path + ", " + node->where();
}

}  // namespace

std::string place_of(const config::Where& where) {
  return where.line ? where.file + ":" + std::to_string(where.line) : where.file;
}

std::string KeyPlaces::of(std::initializer_list<std::string_view> keys) const {
  std::string path;
  const config::Node* const node = follow(&document_.effective, keys, path);
  return said(path, node);
}

// What nobody has configured by name has what all such have.
std::string KeyPlaces::of_cluster(const std::string& cluster, std::initializer_list<std::string_view> keys) const {
  const config::Node* const clusters = document_.effective.find("clusters");
  const config::Node* node = below(clusters, cluster);
  std::string path = node ? config::join_path("clusters", cluster) : "defaults.cluster";
  if (!node) node = below(document_.effective.find("defaults"), "cluster");
  node = follow(node, keys, path);
  return said(path, node);
}

// "routes.edge[2]", whose table may be written at its listener.
std::string KeyPlaces::of_route(const config::Route& route, std::initializer_list<std::string_view> keys) const {
  std::string path = route.path.empty() ? "the rule " + route.name : route.path;
  for (const std::string_view key : keys) path += "." + std::string(key);
  return path + ", " + place_of(route.where);
}

const config::Listener* KeyPlaces::listener(std::string_view name) const {
  for (const auto& each : document_.listeners)
    if (each.name == name) return &each;
  return nullptr;
}

const config::Route* KeyPlaces::route(std::string_view listener, std::string_view name) const {
  if (const auto* const found = this->listener(listener))
    for (const auto& each : found->routes)
      if (each.name == name) return &each;
  return nullptr;
}

}  // namespace outrider::server
