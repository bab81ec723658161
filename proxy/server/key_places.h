#pragma once
// Where in the configuration a value is said, for sentences: "clusters.web.timeout, edge.yaml:12".

#include <initializer_list>
#include <string>
#include <string_view>

#include "config/document.h"

namespace outrider::server {

// Looks into the document; for as long as that lives.
class KeyPlaces {
 public:
  explicit KeyPlaces(const config::Document& document) : document_(document) {}
  // Keys behind each other, without what they hold. What nobody wrote is there by default.
  std::string of(std::initializer_list<std::string_view> keys) const;
  std::string of_cluster(const std::string& cluster, std::initializer_list<std::string_view> keys) const;
  std::string of_route(const config::Route& route, std::initializer_list<std::string_view> keys) const;
  const config::Document& document() const { return document_; }
  const config::Listener* listener(std::string_view name) const;  // null: there is none any more
  const config::Route* route(std::string_view listener, std::string_view name) const;

 private:
  const config::Document& document_;
};

std::string place_of(const config::Where& where);  // "edge.yaml:4", or what gave it

}  // namespace outrider::server
