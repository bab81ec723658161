#pragma once
// A request and its response that are nowhere, for a filter that may refuse them.

#include <gtest/gtest.h>

#include "config/load.h"
#include "filter/feed.h"
#include "filters/all.h"

namespace outrider::test {

class Seat : public filter::Call {
 public:
  void respond(uint16_t status, const char* reason, std::string_view) override { said = std::to_string(status) + " " + reason; }
  void deny(uint16_t status, const char* filter, const char* reason, std::string_view) override {
    said = std::to_string(status) + " " + filter + " " + reason;
  }
  void let_in(const char* filter, const char* reason) override { said = std::string("in ") + filter + " " + reason; }
  void fetch(const filter::Filter&, filter::Subrequest& what) override { asked = &what; }
  void resume(http::Way) override { ++resumed; }
  void wait(const filter::Filter&, http::Way, std::chrono::microseconds time) override { waits = time; }
  void reset(const char* reason) override { said = std::string("reset ") + reason; }
  void note(const char* filter, const char* action) override { noted += std::string(filter) + " " + action + "\n"; }
  const http::HeaderMap* take_trailers() override { return nullptr; }
  std::string field(std::string_view name) { return std::string(request().headers.value(name)); }
  std::string said;  // "403 ip ip.deny[0]"; "in ext_authz authz_timeout_allowed"; empty: nothing was answered
  filter::Subrequest* asked = nullptr;
  int resumed = 0;
  std::chrono::microseconds waits{0};
  std::string noted;  // "fault delayed\n"
};

inline config::Node options_of(const std::string& text) {
  return config::parse(text, std::make_shared<const config::Origin>()).root;
}

inline std::unique_ptr<const filter::Filter> made(const char* name, const std::string& options) {
  filter::Complaint complaint;
  auto filter = filters::find(name)->make(options_of(options), complaint);
  EXPECT_TRUE(filter) << complaint.path << ": " << complaint.message;
  return filter;
}

// What is wrong with options; empty: nothing.
inline std::string complaint_of(const char* name, const std::string& options) {
  std::string path, message;
  return filters::check(name, options_of(options), path, message) ? "" : path + ": " + message;
}

}  // namespace outrider::test
