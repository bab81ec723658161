#pragma once
// One line an exchange, written by a thread of its own; a worker never waits for a disk or a pipe.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/random.h"
#include "filter/tap_match.h"
#include "http/grpc.h"
#include "http/header_map.h"
#include "net/loop.h"

namespace outrider::exchange {

// One file or pipe: a bounded queue of bytes and a thread. What does not fit is dropped and counted. Owned by the
// supervisor's AccessLogs; outlives the workers.
class AccessLogWriter {
 public:
  explicit AccessLogWriter(std::string to);  // "stdout", "stderr" or a file, opened for append
  ~AccessLogWriter();                        // writes what is queued; waits a second for a reader that has stopped
  bool opened() const { return fd_ >= 0; }
  void start();                     // the thread, once; until then lines wait
  void submit(std::string& lines);  // takes the text, leaves `lines` empty; any thread
  void reopen();                    // a file: by its name, before anything else is written (it was moved away); any thread
  uint64_t dropped_lines() const { return dropped_.load(std::memory_order_relaxed); }
  size_t queued_bytes();  // any thread

 private:
  void open();
  void run();
  void write_out(std::string_view lines);
  bool wait_for_room();  // false: ending, and the reader has stopped reading
  const std::string to_;
  int fd_ = -1;  // the thread's, once there is one
  bool owned_fd_ = false, file_ = false;
  std::atomic<bool> ending_{false};
  int patience_;  // rounds of waiting that are left once it ends
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string queue_;
  bool reopen_ = false;
  std::atomic<uint64_t> dropped_{0};
  std::thread thread_;
};

// What is logged, and how. Constant; of a configuration.
struct AccessLogPlan {
  enum class Format : uint8_t { Json, Text } format = Format::Json;
  struct Field {
    enum class From : uint8_t { Request, Response, Text } from = From::Request;  // Request, Response: a field of that message
    std::string name, what;
  };
  double sample = 1, sample_errors = 1;  // shares, of what went well and of what did not
  std::optional<filter::TapMatch> when;  // none: everything
  std::vector<Field> fields;             // besides the usual ones
  std::vector<std::string> without;      // of the usual ones
  AccessLogWriter* writer = nullptr;
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

// An object that is still open; `without`: fields that are left out.
void append_entry(std::string& out, const AccessEntry& entry, std::span<const std::string> without = {});

struct AccessHeads {  // null: there was none
  const http::HeaderMap *request = nullptr, *response = nullptr;
};

// A worker's side: formats into a scratch and hands it over once a turn. Without a plan it does nothing.
class AccessLog final : net::EndOfTurn {
 public:
  explicit AccessLog(net::Loop& loop) : loop_(loop) {}
  ~AccessLog();
  void follow(std::shared_ptr<const AccessLogPlan> plan);  // from here on; null: nothing is logged
  const AccessLogPlan* plan() const { return plan_.get(); }
  bool drawn(bool error);  // by chance
  void write(const AccessEntry& entry, const AccessHeads& heads);

 private:
  void on_end_of_turn() override;
  net::Loop& loop_;
  std::shared_ptr<const AccessLogPlan> plan_;
  std::string lines_;
};

}  // namespace outrider::exchange
