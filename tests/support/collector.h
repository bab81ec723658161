#pragma once
// Somebody who takes spans: OTLP over HTTP, protobuf, read with no code of the exporter's.

#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "base/protobuf.h"
#include "base/text.h"
#include "tests/support/origin.h"

namespace outrider::test {

struct SeenSpan {
  std::string trace, id, parent, state, name;  // ids in hex
  uint64_t kind = 0, start = 0, end = 0, code = 0;
  std::string message, service;  // of the status; of the resource
  std::map<std::string, std::string> attributes, resource;
  std::vector<std::pair<std::string, std::string>> links;  // trace, span
  std::string operator[](const std::string& key) const {
    const auto found = attributes.find(key);
    return found == attributes.end() ? "" : found->second;
  }
  bool is_server() const { return kind == 2; }
};

namespace otlp {

using protobuf::Reader;

inline void read_attribute(std::string_view bytes, std::map<std::string, std::string>& into) {
  std::string key, value;
  Reader pair(bytes);
  while (const auto field = pair.next()) {
    if (field->number == 1) key = field->bytes;
    if (field->number != 2) continue;
    Reader any(field->bytes);
    while (const auto of = any.next()) value = of->number == 1 ? std::string(of->bytes) : std::to_string(of->value.value_or(0));
    EXPECT_FALSE(any.broken());
  }
  EXPECT_FALSE(pair.broken());
  EXPECT_TRUE(into.emplace(key, value).second) << key << " twice";
}

inline SeenSpan read_span(std::string_view bytes) {
  SeenSpan span;
  Reader all(bytes);
  while (const auto field = all.next()) {
    switch (field->number) {
      case 1: span.trace = to_hex(field->bytes); break;
      case 2: span.id = to_hex(field->bytes); break;
      case 3: span.state = field->bytes; break;
      case 4: span.parent = to_hex(field->bytes); break;
      case 5: span.name = field->bytes; break;
      case 6: span.kind = field->value.value_or(0); break;
      case 7: span.start = field->fixed64.value_or(0); break;
      case 8: span.end = field->fixed64.value_or(0); break;
      case 9: read_attribute(field->bytes, span.attributes); break;
      case 13: {
        Reader link(field->bytes);
        auto& made = span.links.emplace_back();
        while (const auto of = link.next()) (of->number == 1 ? made.first : made.second) = to_hex(of->bytes);
        break;
      }
      case 15: {
        Reader status(field->bytes);
        while (const auto of = status.next()) {
          if (of->number == 2) span.message = of->bytes;
          if (of->number == 3) span.code = of->value.value_or(0);
        }
        break;
      }
      default: ADD_FAILURE() << "a span has no field " << field->number;
    }
  }
  EXPECT_FALSE(all.broken());
  EXPECT_EQ(span.trace.size(), 32u);
  EXPECT_EQ(span.id.size(), 16u);
  EXPECT_LE(span.start, span.end);
  return span;
}

// All spans of a message.
inline std::vector<SeenSpan> read(std::string_view message) {
  std::vector<SeenSpan> spans;
  Reader request(message);
  while (const auto resource_spans = request.next()) {
    EXPECT_EQ(resource_spans->number, 1u);
    std::map<std::string, std::string> resource;
    Reader parts(resource_spans->bytes);
    while (const auto part = parts.next()) {
      Reader inner(part->bytes);
      while (const auto of = inner.next()) {
        if (part->number == 1 && of->number == 1) read_attribute(of->bytes, resource);
        if (part->number != 2 || of->number != 2) continue;
        spans.push_back(read_span(of->bytes));
        spans.back().resource = resource;
        spans.back().service = resource["service.name"];
      }
      EXPECT_FALSE(inner.broken());
    }
    EXPECT_FALSE(parts.broken());
  }
  EXPECT_FALSE(request.broken());
  return spans;
}

}  // namespace otlp

// Listens until its end; any number of proxies. `answer` says what it makes of the n-th message (from 0), empty: nothing at all.
class Collector {
 public:
  using Answer = std::function<std::string(size_t n, const Message& message)>;
  Collector() : Collector([](size_t, const Message&) { return ok("", "Content-Type: application/x-protobuf\r\n"); }) {}
  explicit Collector(Answer answer) : answer_(std::move(answer)) {}
  std::string url() const { return "http://" + origin_.text(); }
  // Waits, for a bounded time, until so many have come, and gives all there are.
  std::vector<SeenSpan> await(size_t spans) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return spans_.size() >= spans; }))
        << spans_.size() << " spans of " << spans;
    return spans_;
  }
  void await_messages(size_t n) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return messages_.size() >= n; })) << messages_.size();
  }
  std::vector<Message> messages() {
    const std::lock_guard lock(mutex_);
    return messages_;
  }
  std::vector<SeenSpan> spans() {
    const std::lock_guard lock(mutex_);
    return spans_;
  }
  void stop() { origin_.stop(); }

 private:
  void serve(Stream& connection) {
    while (connection.await(300'000)) {
      const auto message = connection.read_message();
      if (!message) return;
      std::string answer;
      {
        const std::lock_guard lock(mutex_);
        answer = answer_(messages_.size(), *message);
        messages_.push_back(*message);
        if (answer.starts_with("HTTP/1.1 200"))
          for (auto& span : otlp::read(message->body)) spans_.push_back(std::move(span));
        changed_.notify_all();
      }
      if (answer.empty()) continue;
      if (!connection.send(answer)) return;
    }
  }
  const Answer answer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Message> messages_;
  std::vector<SeenSpan> spans_;
  Origin origin_{[this](Stream& connection) { serve(connection); }};
};

}  // namespace outrider::test
