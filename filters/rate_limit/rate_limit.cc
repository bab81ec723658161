// Requests a second, of all or of each client.
//   rate_limit: {rate: 100/s, burst: 200, key: header.x-client}

#include <chrono>
#include <string>

#include "base/text.h"
#include "filter/options.h"
#include "filters/rate_limit/buckets.h"
#include "http/request_key.h"

namespace outrider::filters {

namespace {

constexpr uint32_t kUsualKeys = 10'000, kMostKeys = 1'000'000;
constexpr uint64_t kOfAll = 0;

// Owned by the chains that use it; all workers take from the same buckets.
class RateLimit final : public filter::Filter {
 public:
  RateLimit(double rate, double burst, http::RequestKey key, uint16_t status, uint32_t keys)
      : key_(std::move(key)), status_(status),
        buckets_(std::make_unique<Buckets>(rate, burst, key_.kind == http::RequestKey::Kind::Nothing ? 1 : keys)) {}
  filter::Hook hooks() const override { return filter::Hook::RequestHead; }

  filter::Verdict on_request(filter::Call& call) const override {
    const auto key = key_.of(call.request(), asker_of(call.peer())).value_or(kOfAll);
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    const auto wait = buckets_->take(key, uint64_t(std::chrono::nanoseconds(now).count()));
    if (!wait) return filter::Verdict::Continue;
    const uint64_t whole_seconds = (*wait + 999'999'999) / 1'000'000'000;
    call.response().headers.set("retry-after", call.arena().copy(std::to_string(whole_seconds)));
    call.deny(status_, "rate_limit", "rate_limit", "Too many requests.\n");
    return filter::Verdict::Answered;
  }

 private:
  const http::RequestKey key_;
  const uint16_t status_;
  const std::unique_ptr<Buckets> buckets_;
};

// "100/s", "5/m", "1000/h": a second.
std::optional<double> rate_of(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == text.npos) return {};
  const auto count = parse_decimal(text.substr(0, slash));
  const std::string_view of = text.substr(slash + 1);
  const double seconds = of == "s" ? 1 : of == "m" ? 60 : of == "h" ? 3600 : 0;
  if (!count || *count <= 0 || seconds == 0) return {};
  return *count / seconds;
}

}  // namespace

std::unique_ptr<const filter::Filter> make_rate_limit(const config::Node& node, filter::Complaint& complaint) {
  filter::Options options(node, complaint);
  std::string rate, burst, by, status = "429", keys = std::to_string(kUsualKeys), scope = "local";
  if (!options.only({"rate", "burst", "key", "status", "keys", "scope"}) || !options.text("rate", rate, true) ||
      !options.text("burst", burst) || !options.text("key", by) || !options.text("status", status) ||
      !options.text("keys", keys) || !options.text("scope", scope))
    return nullptr;
  const auto complain = [&](const char* key, std::string message) {
    options.fail(key, std::move(message));
    return nullptr;
  };
  const auto per_second = rate_of(rate);
  if (!per_second || *per_second > 1e9)
    return complain("rate", "expected so many in a time, like 100/s, 5/m or 1000/h, got \"" + rate + "\"");
  const auto at_once = burst.empty() ? std::optional(std::max(*per_second, 1.0)) : parse_decimal(burst);
  if (!at_once || *at_once < 1 || *at_once > 1e9)
    return complain("burst", "expected a number of 1 or more, got \"" + burst + "\"");
  const auto key = http::RequestKey::parse(by);
  if (!by.empty() && (key.kind == http::RequestKey::Kind::Nothing || by.ends_with('.')))
    return complain("key", "expected source, identity, host, path, header.NAME or cookie.NAME, got \"" + by + "\"");
  const auto code = parse_number(status), most = parse_number(keys);
  if (!code || *code < 400 || *code > 599) return complain("status", "expected a status from 400 to 599, got \"" + status + "\"");
  if (!most || *most < 1 || *most > kMostKeys)
    return complain("keys", "expected a number from 1 to 1000000, got \"" + keys + "\"");
  if (scope != "local") return complain("scope", "expected local (mesh is not built yet), got \"" + scope + "\"");
  return std::make_unique<RateLimit>(*per_second, *at_once, key, uint16_t(*code), uint32_t(*most));
}

}  // namespace outrider::filters
