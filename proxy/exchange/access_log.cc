#include "exchange/access_log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <ctime>
#include <utility>

#include "base/text.h"
#include "http/secrets.h"

namespace outrider::exchange {

namespace {

constexpr size_t kQueueBytes = 4 << 20;
constexpr int kRound = 100, kRounds = 10;  // milliseconds, and how many of them

// As many as a pipe with room takes without blocking, and without another's bytes in between.
size_t whole_lines(std::string_view lines) {
  if (lines.size() <= PIPE_BUF) return lines.size();
  const size_t end = lines.rfind('\n', PIPE_BUF - 1);
  return end == lines.npos ? PIPE_BUF : end + 1;
}

void append_time(std::string& out, WallTime at) {
  const int64_t ms = to_ms(at);
  const time_t seconds = ms / 1000;
  tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  const int n = std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1,
                              utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, int(ms % 1000));
  out.append(text, size_t(n));
}

void append_ms(std::string& out, uint64_t us) {
  char text[32];
  out.append(text, size_t(std::snprintf(text, sizeof text, "%llu.%03llu", static_cast<unsigned long long>(us / 1000),
                                        static_cast<unsigned long long>(us % 1000))));
}

// time client "METHOD host path" status flag reason route cluster endpoint tries up/down duration_ms id "agent"
void append_text_line(std::string& out, const AccessEntry& e) {
  const auto word = [&](std::string_view value) {
    out += ' ';
    if (value.empty()) value = "-";
    for (const char c : value) out += uint8_t(c) > 0x20 && uint8_t(c) < 0x7f ? c : '?';
  };
  const auto quoted = [&](std::string_view value) {
    out += ' ';
    append_json(out, value);
  };
  append_time(out, e.start);
  word(e.client);
  std::string line(e.method);
  line.append(1, ' ').append(e.host).append(1, ' ').append(e.path);
  quoted(line);
  word(std::to_string(e.status));
  word(e.flag);
  word(e.reason);
  word(e.route);
  word(e.cluster);
  word(e.endpoint);
  word(std::to_string(e.tries));
  word(std::to_string(e.request_bytes) + "/" + std::to_string(e.response_bytes));
  out += ' ';
  append_ms(out, e.duration_us);
  word(e.request_id);
  quoted(e.user_agent);
}

// Of a field that came more often, the first.
std::string_view value_of(const http::HeaderMap* head, const std::string& name) {
  const http::Field* const field = head ? head->find(name) : nullptr;
  if (!field) return {};
  return http::is_secret(*field) ? http::kHidden : field->value;
}

std::string_view value_of(const AccessLogPlan::Field& field, const AccessHeads& heads) {
  using From = AccessLogPlan::Field::From;
  if (field.from == From::Text) return field.what;
  return value_of(field.from == From::Request ? heads.request : heads.response, field.what);
}

}  // namespace

void append_entry(std::string& out, const AccessEntry& e, std::span<const std::string> without) {
  const auto left_out = [&](std::string_view key) {
    return !without.empty() && std::find(without.begin(), without.end(), key) != without.end();
  };
  const auto text = [&](const char* key, std::string_view value) {
    if (value.empty() || left_out(key)) return;
    out.append(",\"").append(key).append("\":");
    append_json(out, value);
  };
  const auto number = [&](const char* key, uint64_t value) {
    if (!left_out(key)) out.append(",\"").append(key).append("\":").append(std::to_string(value));
  };
  out += "{\"time\":\"";
  append_time(out, e.start);
  out += '"';
  text("direction", e.direction);
  text("listener", e.listener);
  text("client", e.client);
  if (!e.peer.empty()) text("peer", e.peer);
  text("original_dst", e.original_dst);
  text("protocol", e.protocol);
  text("alpn", e.offered);
  text("method", e.method);
  text("host", e.host);
  text("path", e.path);
  number("status", e.status);
  if (e.grpc_status) number("grpc_status", uint64_t(*e.grpc_status));
  text("flag", e.flag);
  text("reason", e.reason);
  text("route", e.route);
  text("cluster", e.cluster);
  text("endpoint", e.endpoint);
  number("tries", e.tries);
  number("request_bytes", e.request_bytes);
  number("response_bytes", e.response_bytes);
  const auto duration = [&](const char* key, uint64_t us) {
    if (left_out(key)) return;
    out.append(",\"").append(key).append("\":");
    append_ms(out, us);
  };
  duration("duration_ms", e.duration_us);
  duration("first_byte_ms", e.first_byte_us);
  text("request_id", e.request_id);
  text("trace_id", e.trace_id);
  text("user_agent", e.user_agent);
}

AccessLogWriter::AccessLogWriter(std::string to) : to_(std::move(to)), patience_(kRounds) { open(); }

// One that cannot be opened leaves the one there was.
void AccessLogWriter::open() {
  int fd = to_.empty() || to_ == "stdout" ? STDOUT_FILENO : STDERR_FILENO;
  const bool named = !to_.empty() && to_ != "stdout" && to_ != "stderr";
  if (named) fd = ::open(to_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (fd < 0) return;
  if (owned_fd_) ::close(fd_);
  fd_ = fd;
  owned_fd_ = named;
  struct stat about {};
  file_ = ::fstat(fd_, &about) == 0 && S_ISREG(about.st_mode);
}

void AccessLogWriter::start() {
  if (fd_ >= 0 && !thread_.joinable()) thread_ = std::thread([this] { run(); });
}

AccessLogWriter::~AccessLogWriter() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  if (owned_fd_ && fd_ >= 0) ::close(fd_);
}

void AccessLogWriter::reopen() {
  {
    std::lock_guard lock(mutex_);
    reopen_ = true;
  }
  wake_.notify_one();
}

void AccessLogWriter::submit(std::string& lines) {
  {
    std::lock_guard lock(mutex_);
    if (queue_.size() + lines.size() > kQueueBytes)
      dropped_.fetch_add(uint64_t(std::count(lines.begin(), lines.end(), '\n')), std::memory_order_relaxed);
    else queue_ += lines;
  }
  wake_.notify_one();
  lines.clear();
}

size_t AccessLogWriter::queued_bytes() {
  std::lock_guard lock(mutex_);
  return queue_.size();
}

void AccessLogWriter::run() {
  std::string writing;
  for (bool again = false;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return ending_ || reopen_ || !queue_.empty(); });
      again = std::exchange(reopen_, false);
      if (queue_.empty() && !again) return;
      writing.swap(queue_);
    }
    if (again) open();
    write_out(writing);
    writing.clear();
  }
}

void AccessLogWriter::write_out(std::string_view lines) {
  while (!lines.empty() && wait_for_room()) {
    const ssize_t n = ::write(fd_, lines.data(), file_ ? lines.size() : whole_lines(lines));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) break;
    lines.remove_prefix(size_t(n));
  }
  // A full disk, or a reader that went away or stopped: these lines are lost, and said to be.
  dropped_.fetch_add(uint64_t(std::count(lines.begin(), lines.end(), '\n')), std::memory_order_relaxed);
}

bool AccessLogWriter::wait_for_room() {
  pollfd out{fd_, POLLOUT, 0};
  while (::poll(&out, 1, kRound) <= 0)
    if (ending_ && patience_-- <= 0) return false;
  return true;
}

AccessLog::~AccessLog() { follow(nullptr); }

void AccessLog::follow(std::shared_ptr<const AccessLogPlan> plan) {
  if (plan_ && !lines_.empty()) plan_->writer->submit(lines_);
  plan_ = std::move(plan);
}

bool AccessLog::drawn(bool error) {
  const double share = error ? plan_->sample_errors : plan_->sample;
  return share >= 1 || (share > 0 && loop_.random().unit() < share);
}

void AccessLog::write(const AccessEntry& entry, const AccessHeads& heads) {
  const bool json = plan_->format == AccessLogPlan::Format::Json;
  if (json) append_entry(lines_, entry, plan_->without);
  else append_text_line(lines_, entry);
  for (const auto& field : plan_->fields) {
    const std::string_view value = value_of(field, heads);
    if (json && value.empty()) continue;
    lines_ += json ? ',' : ' ';
    if (json) append_json(lines_, field.name);
    else lines_ += field.name;
    lines_ += json ? ':' : '=';
    append_json(lines_, value);
  }
  lines_ += json ? "}\n" : "\n";
  loop_.at_end_of_turn(*this);
}

void AccessLog::on_end_of_turn() {
  if (!lines_.empty()) plan_->writer->submit(lines_);
}

}  // namespace outrider::exchange
