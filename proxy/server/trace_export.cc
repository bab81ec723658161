#include "server/trace_export.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "base/protobuf.h"
#include "base/text.h"
#include "exchange/span.h"
#include "server/build.h"
#include "stats/names.h"

namespace outrider::server {

using protobuf::append_bytes;

namespace {

constexpr milliseconds kFirstPause{1000};
constexpr seconds kBetweenWarnings{60};

// ExportTraceServiceRequest { resource_spans = 1 { resource = 1 { attributes = 1 }, scope_spans = 2 { scope = 1, spans = 2 } } }
constexpr uint32_t kResourceSpans = 1, kResource = 1, kAttributes = 1, kScopeSpans = 2, kScope = 1, kSpans = 2;
constexpr uint32_t kScopeName = 1, kScopeVersion = 2;
// ExportTraceServiceResponse { partial_success = 1 { rejected_spans = 1, error_message = 2 } }
constexpr uint64_t kPartialSuccess = 1, kRejectedSpans = 1, kErrorMessage = 2;

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

std::string from_environment(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

std::string resource_of(const config::Document& document) {
  const config::Service& service = document.service;
  const std::string name = !document.tracing.service.empty() ? document.tracing.service : service ? service.name : "edge";
  std::string resource;
  const auto tell = [&](const char* key, const std::string& value) {
    exchange::append_attribute(resource, kAttributes, key, value);
  };
  tell("service.name", name);
  tell("service.namespace", service.name_space);
  tell("service.version", service.version);
  tell("service.instance.id", document.node.id);
  tell("host.name", host_name());
  tell("k8s.pod.name", from_environment("POD_NAME"));
  tell("k8s.namespace.name", from_environment("POD_NAMESPACE"));
  return resource;
}

// OTLP's: these alone are to be sent again.
bool is_busy(uint16_t status) { return status == 429 || status == 502 || status == 503 || status == 504; }

}  // namespace

std::string traces_url(const std::string& otlp) {
  const size_t host = otlp.find("://") + 3, path = otlp.find('/', host);
  if (path != std::string::npos && path + 1 < otlp.size()) return otlp;
  return otlp.substr(0, path) + "/v1/traces";
}

TraceExport::TraceExport(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard)
    : control_(control), catalog_(catalog), shard_(shard), attempts_(control) {}

TraceExport::~TraceExport() = default;

std::string TraceExport::configure(const config::Document& document, TlsFiles& files) {
  settings_ = document.tracing;
  if (!settings_.on || settings_.otlp.empty()) return {};
  const std::string text = traces_url(settings_.otlp);
  const auto url = filter::parse_url(text);
  if (!url) return "telemetry.tracing.otlp: \"" + text + "\" is no URL: expected http://host:4318 or https://host/path";
  auto tls = tls_for(*url, "telemetry.tracing", settings_.ca, files);
  if (!tls) return "telemetry.tracing: " + tls.why();
  preamble_.clear();
  append_bytes(preamble_, kResource, resource_of(document));
  scope_ = protobuf::write_bytes(kScopeName, "outrider") + protobuf::write_bytes(kScopeVersion, this_build().version);
  UrlEvents& self = *this;
  client_ =
      std::make_unique<UrlClient>(upstream::Context{control_, catalog_, shard_}, attempts_, *url, *tls, settings_.timeout, self);
  room_.store(uint32_t(settings_.queue), std::memory_order_relaxed);
  return {};
}

void TraceExport::hold_files(TlsFiles& files) {
  if (!client_) return;
  if (const auto url = filter::parse_url(traces_url(settings_.otlp)))
    (void)tls_for(*url, "telemetry.tracing", settings_.ca, files);
}

// --- any worker ------------------------------------------------------------------------------------------------------

bool TraceExport::enter(uint32_t bytes) { return backlog_.enter(bytes, room_.load(std::memory_order_relaxed)); }

void TraceExport::on_spans(std::vector<std::string> spans) {
  control_.post([this, spans = std::move(spans)]() mutable { take(std::move(spans)); });
}

// --- the control loop ------------------------------------------------------------------------------------------------

void TraceExport::take(std::vector<std::string> spans) {
  if (!client_) return;
  for (std::string& span : spans) {
    queued_bytes_ += span.size();
    queue_.push_back(std::move(span));
  }
  send();
}

void TraceExport::send() {
  if (asking_ || paused_ || !batch_.empty()) return;
  const bool enough = queue_.size() >= settings_.batch_spans || queued_bytes_ >= settings_.batch_size;
  if (enough || (done_ && !queue_.empty())) return send_now();
  if (done_) return end();
  if (!queue_.empty() && !next_.armed()) control_.arm(next_, settings_.batch_delay);
}

// At least one, however large.
void TraceExport::fill() {
  uint64_t size = 0;
  while (!queue_.empty() && batch_.size() < settings_.batch_spans &&
         (batch_.empty() || size + queue_.front().size() <= settings_.batch_size)) {
    size += queue_.front().size();
    batch_.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  queued_bytes_ -= size;
  std::string scope_spans = protobuf::write_bytes(kScope, scope_);
  scope_spans.reserve(scope_spans.size() + size + 8 * batch_.size());
  for (const std::string& span : batch_) append_bytes(scope_spans, kSpans, span);
  std::string resource_spans = preamble_;
  append_bytes(resource_spans, kScopeSpans, scope_spans);
  body_ = protobuf::write_bytes(kResourceSpans, resource_spans);
  tries_ = 0;
}

void TraceExport::send_now() {
  next_.cancel();
  paused_ = false;
  if (batch_.empty() && queue_.empty()) return;
  if (batch_.empty()) fill();
  asking_ = true;
  ++tries_;
  arena_.reset();
  http::RequestHead& head = question_.emplace(arena_).head;
  head.method = http::Method::Post;
  head.method_text = "POST";
  head.headers.add("Content-Type", "application/x-protobuf");
  head.headers.add("Content-Length", std::to_string(body_.size()));
  question_->sent = body_;
  question_->timeout = settings_.timeout;
  client_->ask(*question_);
}

void TraceExport::on_answered(const char* failure, const std::string& why) {
  asking_ = false;
  if (failure) return fail(failure, true, why);
  const uint16_t status = question_->status;
  if (status / 100 == 2) return on_taken(question_->body);
  const std::string said = "it was answered with " + std::to_string(status);
  if (is_busy(status)) fail("busy", true, said, question_->headers->value(http::HeaderId::RetryAfter));
  else fail("refused", false, said);
}

// Some of them may have been rejected. Whatever else the answer is, it says that they were taken.
void TraceExport::on_taken(std::string_view answer) {
  uint64_t rejected = 0;
  std::string message;
  protobuf::Reader all(answer);
  while (const auto field = all.next()) {
    if (field->number != kPartialSuccess) continue;
    protobuf::Reader partial(field->bytes);
    while (const auto part = partial.next()) {
      if (part->number == kRejectedSpans && part->value) rejected = std::min<uint64_t>(*part->value, batch_.size());
      if (part->number == kErrorMessage) message = part->bytes.substr(0, 200);
    }
  }
  exported("success", batch_.size() - rejected);
  if (rejected) {
    exported("rejected", rejected);
    dropped("rejected", rejected);
    warn("rejected", message);
  } else if (std::exchange(warned_, false)) {
    log::info("the collector takes spans again", {{"otlp", settings_.otlp}});
  }
  pause_ = milliseconds(0);
  end_batch();
}

void TraceExport::fail(const char* result, bool again, const std::string& why, std::string_view retry_after) {
  exported(result, batch_.size());
  warn(result, why);
  if (done_) {  // nobody waits for it to come back
    give_up("shutdown");
    return end();
  }
  if (!again || tries_ >= settings_.attempts) give_up(again ? "gave_up" : "refused");
  // What comes next waits as long: it goes to the same collector.
  if (!again) return end_batch();
  paused_ = true;
  control_.arm(next_, next_pause(retry_after));
}

void TraceExport::give_up(const char* reason) {
  dropped(reason, batch_.size());
  for (const std::string& span : batch_) backlog_.leave(exchange::weight_of(span));
  batch_.clear();
}

void TraceExport::end_batch() {
  for (const std::string& span : batch_) backlog_.leave(exchange::weight_of(span));
  batch_.clear();
  body_.clear();
  send();
}

// Not all proxies at the same moment. What the collector wants is kept, within what the configuration allows.
milliseconds TraceExport::next_pause(std::string_view retry_after) {
  pause_ = std::min(std::max(2 * pause_, kFirstPause), settings_.retry);
  const auto half = pause_ / 2;
  const milliseconds own = half + milliseconds(control_.random().below(uint32_t(half.count()) + 1));
  const auto wanted = parse_number(retry_after);
  return wanted
             ? std::clamp(milliseconds(1000 * std::min<uint64_t>(*wanted, 3600)), std::min(own, settings_.retry), settings_.retry)
             : own;
}

void TraceExport::exported(const char* result, uint64_t spans) {
  if (spans) shard_.add(catalog_.slot(stats::names::kTracesExported, {{"result", result}}), spans);
}

void TraceExport::dropped(const char* reason, uint64_t spans) {
  if (spans) shard_.add(catalog_.slot(stats::names::kTracesDropped, {{"reason", reason}}), spans);
}

void TraceExport::warn(const char* result, const std::string& why) {
  const TimePoint now = control_.now();
  if (now < next_warning_) return;
  next_warning_ = now + kBetweenWarnings;
  warned_ = true;
  log::warn("spans could not be exported", {{"otlp", settings_.otlp}, {"reason", result}, {"why", why}});
}

// --- the way out -----------------------------------------------------------------------------------------------------

// Behind what the workers have posted.
void TraceExport::finish(std::function<void()> done) {
  control_.post([this, done = std::move(done)]() mutable {
    if (!client_) return done();
    done_ = std::move(done);
    control_.arm(flush_, settings_.flush);
    paused_ = false;
    if (!asking_ && !batch_.empty()) return send_now();  // it had failed: once more, without a pause
    send();
  });
}

void TraceExport::on_flush_over() {
  give_up("shutdown");
  end();
}

void TraceExport::end() {
  dropped("shutdown", queue_.size());
  queue_.clear();
  flush_.cancel();
  if (const auto done = std::exchange(done_, nullptr)) done();
}

void TraceExport::stop() {
  next_.cancel();
  flush_.cancel();
  room_.store(0, std::memory_order_relaxed);
  client_.reset();
}

}  // namespace outrider::server
