#pragma once
// Spans of all workers, on their way to a collector: OTLP over HTTP (protobuf).

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/tally.h"
#include "config/document.h"
#include "exchange/spans.h"
#include "server/url_client.h"

namespace outrider::server {

// Gathers what workers post, sends it in messages of bounded size, one at a time, and again after a pause where the collector
// could not take it. What waits is bounded as a whole, and no worker waits. Owned by the supervisor, outlives the workers;
// control loop, but for enter() and on_spans().
class TraceExport final : public exchange::SpanSink, UrlEvents {
 public:
  TraceExport(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard);
  ~TraceExport();
  // Before the workers start; empty, or what is wrong. Without a collector it takes nothing.
  std::string configure(const config::Document& document, TlsFiles& files);
  void hold_files(TlsFiles& files);  // another configuration is gathered: those of the collector's TLS are looked after further
  // The way out, once no worker runs any more: sends what is left, for as long as telemetry.tracing.flush says, and calls `done`.
  void finish(std::function<void()> done);
  void stop();  // whatever is left is gone; a turn or two before the loop is

  bool enter(uint32_t bytes) override;
  void on_spans(std::vector<std::string> spans) override;

 private:
  void take(std::vector<std::string> spans);
  void send();      // when it is time, or enough
  void send_now();  // the batch, which is filled first where there is none
  void fill();
  void on_answered(const char* failure, const std::string& why) override;
  void on_taken(std::string_view answer);
  void fail(const char* result, bool again, const std::string& why, std::string_view retry_after = {});
  void give_up(const char* reason);
  void end_batch();
  void end();
  void on_flush_over();
  void exported(const char* result, uint64_t spans);
  void dropped(const char* reason, uint64_t spans);
  void warn(const char* result, const std::string& why);
  milliseconds next_pause(std::string_view retry_after);

  net::Loop& control_;
  stats::Catalog& catalog_;
  stats::Shard& shard_;
  upstream::AttemptPool attempts_;
  config::Tracing settings_;
  std::string preamble_;  // of each message: the resource, and the scope
  std::string scope_;
  std::unique_ptr<UrlClient> client_;  // null: there is no collector
  Backlog backlog_;
  std::atomic<uint32_t> room_{0};
  std::deque<std::string> queue_;
  uint64_t queued_bytes_ = 0;
  std::vector<std::string> batch_;  // under way, or to be sent again
  std::string body_;                // of the message
  Arena arena_;
  std::optional<filter::Subrequest> question_;
  uint32_t tries_ = 0;  // of the batch
  milliseconds pause_{0};
  bool asking_ = false, paused_ = false, warned_ = false;
  TimePoint next_warning_{};
  std::function<void()> done_;  // not null: this is the way out
  net::BoundTimer<TraceExport, &TraceExport::send_now> next_{*this};
  net::BoundTimer<TraceExport, &TraceExport::on_flush_over> flush_{*this};
};

// "http://otel:4318" -> "http://otel:4318/v1/traces"; what has a path stays as it is.
std::string traces_url(const std::string& otlp);

}  // namespace outrider::server
