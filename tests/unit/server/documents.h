#pragma once
// Configurations for tests of what is answered from them.

#include <gtest/gtest.h>

#include "config/load.h"

namespace outrider::server {

inline config::Document document_of(const std::string& text) {
  config::Sources sources;
  sources.text = "version: 1\n" + text;
  sources.file = "shop.yaml";
  const auto outcome = config::load(sources);
  EXPECT_TRUE(outcome.document) << config::print(outcome.complaints);
  return *outcome.document;
}

}  // namespace outrider::server
