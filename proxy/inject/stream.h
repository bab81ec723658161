#pragma once
// Manifests: one or more documents of YAML or JSON, of which only what an injection changes becomes another text.

#include <string>
#include <string_view>
#include <vector>

#include "inject/plan.h"

namespace outrider::inject {

// What became of one object.
struct Report {
  std::string name;  // "Deployment shop/web"
  size_t line = 0;   // in the stream
  Plan plan;
  Node object;        // as it was
  bool exact = true;  // uninject: byte for byte; else by names, since the text has been edited
};

struct Transformed {
  std::string text;
  std::vector<Report> reports;  // in order; null documents have none
  std::string error;            // then there is no text: what could not be read, and where
};

Transformed inject_stream(std::string_view text, const Settings& settings);
Transformed uninject_stream(std::string_view text);

// The documents as they stand, with their markers; together they are the text.
std::vector<std::string_view> documents_of(std::string_view text);

}  // namespace outrider::inject
