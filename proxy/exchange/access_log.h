#pragma once
// One line an exchange, written by a thread of its own; a worker never waits for a disk or a pipe.

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/random.h"
#include "http/grpc.h"
#include "net/loop.h"

namespace outrider::exchange {

// The one writer of the process: a bounded queue of bytes and a thread. What does not fit is dropped and counted.
// Owned by the supervisor; outlives the workers.
class AccessLogWriter {
 public:
  enum class Format : uint8_t { Json, Text };
  // to: "stdout", "stderr" or a file, opened for append. `sample`: share of requests logged, errors by their own.
  AccessLogWriter(Format format, const std::string& to, double sample, double sample_errors);
  ~AccessLogWriter();  // writes what is queued; waits a second for a reader that has stopped
  bool opened() const { return fd_ >= 0; }
  void start();                     // the thread; until then lines wait
  void submit(std::string& lines);  // takes the text, leaves `lines` empty; any thread
  uint64_t dropped_lines() const { return dropped_.load(std::memory_order_relaxed); }
  size_t queued_bytes();  // any thread
  Format format() const { return format_; }
  double sample(bool error) const { return error ? sample_errors_ : sample_; }

 private:
  void run();
  void write_out(std::string_view lines);
  bool wait_for_room();  // false: ending, and the reader has stopped reading
  Format format_;
  double sample_, sample_errors_;
  int fd_ = -1;
  bool owned_fd_ = false, file_ = false;
  std::atomic<bool> ending_{false};
  int patience_;  // rounds of waiting that are left once it ends
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string queue_;
  std::atomic<uint64_t> dropped_{0};
  std::thread thread_;
};

struct AccessEntry {
  WallTime start;
  std::string_view direction, listener, route, cluster, endpoint, method, host, path, client, peer, request_id, flag, reason,
      user_agent, protocol, offered, original_dst, trace_id;
  uint16_t status = 0;
  std::optional<http::GrpcStatus> grpc_status;
  uint32_t tries = 0;
  uint64_t request_bytes = 0, response_bytes = 0, duration_us = 0, first_byte_us = 0;
};

void append_entry(std::string& out, const AccessEntry& entry);  // an object that is still open

// A worker's side: formats into a scratch and hands it over once a turn. Without a writer it does nothing.
class AccessLog final : net::EndOfTurn {
 public:
  AccessLog(net::Loop& loop, AccessLogWriter* writer) : loop_(loop), writer_(writer) {}
  ~AccessLog();
  bool wanted(bool error);
  void write(const AccessEntry& entry);

 private:
  void on_end_of_turn() override;
  net::Loop& loop_;
  AccessLogWriter* writer_;
  std::string lines_;
};

}  // namespace outrider::exchange
