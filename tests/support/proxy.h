#pragma once
// The whole proxy in the test's process, on a thread of its own.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "server/supervisor.h"
#include "tests/support/stream.h"

namespace outrider::test {

// Starts from YAML whose addresses have port 0; admin and metrics are given one when the text says nothing of them. Ends
// with the object: drained, and its exit code checked by end().
class Proxy {
 public:
  explicit Proxy(const std::string& yaml, std::vector<std::string> set = {});
  static inline milliseconds file_look = identity::kFileLook;  // of those that start from now on
  static inline std::string cgroup;                            // likewise: where they read memory
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;
  // One edge listener on 127.0.0.1 to these endpoints; `cluster` and `listener` are more YAML flow entries: "lb: random".
  static std::string edge(const std::vector<std::string>& endpoints, const std::string& cluster = {},
                          const std::string& listener = {});
  net::Address address(std::string_view listener = "edge") const { return supervisor_->address_of(listener); }
  Stream connect(std::string_view listener = "edge") const { return Stream::connect(address(listener)); }
  Message get(const std::string& path, std::string_view port = "admin");  // a page
  // The sum of all series of that name whose labels contain `labels` (as printed: code="200",flag="none").
  double metric(std::string_view name, std::string_view labels = {});
  // Waits, for a bounded time, until metric() is `value`; fails the test otherwise.
  void expect_metric(double value, std::string_view name, std::string_view labels = {});
  std::string scrape();
  server::Supervisor& supervisor() { return *supervisor_; }
  void begin_end() { supervisor_->end(); }
  int end();  // the exit code; again: the same

 private:
  std::unique_ptr<server::Supervisor> supervisor_;
  std::thread thread_;
  std::optional<Stream> scraper_;
  int code_ = -1;
};

// One request on a connection of its own.
Message request(const net::Address& to, const std::string& bytes, bool head_only = false);

}  // namespace outrider::test
