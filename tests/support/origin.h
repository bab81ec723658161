#pragma once
// A server that does what a test says, connection by connection.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/stream.h"

namespace outrider::test {

// Listens on 127.0.0.1, port 0, from its construction to its end; a thread for each connection.
class Origin {
 public:
  using Serve = std::function<void(Stream& connection)>;  // returns: the connection is closed
  explicit Origin(Serve serve);
  // Answers every request on every connection with 200 and `body`.
  static std::unique_ptr<Origin> answering(std::string body);
  // Answers with what `make` makes of the request; HTTP/1.1 bytes as they are to be sent.
  static std::unique_ptr<Origin> answering(std::function<std::string(const Message&)> make);
  ~Origin();
  Origin(const Origin&) = delete;
  Origin& operator=(const Origin&) = delete;
  const net::Address& address() const { return address_; }
  std::string text() const { return address_.text(); }
  int connections() const { return connections_; }
  int requests() const { return requests_; }  // of answering()
  void stop();                                // as if it had died: refuses, and its connections are reset

 private:
  void accept();
  Serve serve_;
  int fd_ = -1;
  net::Address address_;
  std::atomic<int> connections_{0}, requests_{0};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::thread accepting_;
};

// A port of 127.0.0.1 at which nobody listens.
net::Address refusing_address();

std::string ok(std::string_view body, std::string_view more_fields = {});  // a whole 200 response

}  // namespace outrider::test
