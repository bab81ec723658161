#pragma once
// One load() from a text, and what was said about it.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/load.h"
#include "config/show.h"

namespace outrider::config {

struct Given {
  std::string text;
  std::vector<std::string> set = {};
  std::vector<std::pair<std::string, std::string>> environment = {};
  std::vector<Setting> flags = {};
  bool file = true;  // false: nothing but what is above, as without -c
};

inline Sources sources_of(const Given& given) {
  Sources sources;
  if (given.file) {
    sources.file = "test.yaml";
    sources.text = given.text;
  }
  sources.set = given.set;
  sources.environment = given.environment;
  sources.flags = given.flags;
  sources.identity_dir.clear();
  return sources;
}

inline Outcome load(const Given& given) { return load(sources_of(given)); }

// What would be printed; empty: nothing to say.
inline std::string said(const Given& given) { return print(load(given).complaints); }

inline Document must_load(const Given& given) {
  auto outcome = load(given);
  EXPECT_TRUE(outcome.document) << print(outcome.complaints) << given.text;
  return outcome.document ? std::move(*outcome.document) : Document();
}

inline bool has_error(const Outcome& outcome) { return !outcome.document.has_value(); }

// For cases about a registry, which a build without the DHT does not have.
#define OUTRIDER_NEEDS_DHT() \
  if (!OUTRIDER_DHT) GTEST_SKIP() << kNoDht

// A whole edge configuration, with `more` behind it: a cluster "web" and the listener "edge" on a free port.
inline std::string edge(const std::string& more = {}) {
  return "version: 1\nmode: edge\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [{cluster: web}]}\n"
         "clusters: {web: {endpoints: [\"127.0.0.1:9001\"]}}\n" +
         more;
}

}  // namespace outrider::config
