// Requests a second, of all or of each client.
//   rate_limit: {rate: 100/s, burst: 200, key: header.x-client}
//   rate_limit: {rate: 100/s, scope: mesh, redis: "127.0.0.1:6379", name: shop, password: file:/run/redis, timeout: 100ms}

#include <chrono>
#include <string>

#include "base/text.h"
#include "filter/options.h"
#include "filters/rate_limit/buckets.h"
#include "filters/rate_limit/mesh_limit.h"
#include "http/request_key.h"

namespace outrider::filters {

namespace {

constexpr uint32_t kUsualKeys = 10'000, kMostKeys = 1'000'000;
constexpr uint64_t kOfAll = 0;
constexpr size_t kLongestName = 200;

// Owned by the chains that use it; all workers take from the same buckets.
class RateLimit final : public filter::Filter {
 public:
  // `mesh`: null where nobody else spends from them.
  RateLimit(http::RequestKey key, uint16_t status, std::shared_ptr<Buckets> buckets, std::shared_ptr<MeshLimit> mesh)
      : key_(std::move(key)), status_(status), buckets_(std::move(buckets)), mesh_(std::move(mesh)) {}
  filter::Hook hooks() const override { return filter::Hook::RequestHead; }
  std::shared_ptr<filter::Feed> feed() const override { return mesh_; }

  filter::Verdict on_request(filter::Call& call) const override {
    const auto key = key_.of(call.request(), asker_of(call.peer())).value_or(kOfAll);
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    Buckets::Place place;
    const auto wait = buckets_->take(key, uint64_t(std::chrono::nanoseconds(now).count()), &place);
    if (!wait) {
      if (mesh_) mesh_->spent(place);
      return filter::Verdict::Continue;
    }
    const uint64_t whole_seconds = (*wait + 999'999'999) / 1'000'000'000;
    call.response().headers.set("retry-after", call.arena().copy(std::to_string(whole_seconds)));
    call.limited(mesh_ && mesh_->answering() ? "mesh" : "local");
    call.deny(status_, "rate_limit", "rate_limit", "Too many requests.\n");
    return filter::Verdict::Answered;
  }

 private:
  const http::RequestKey key_;
  const uint16_t status_;
  const std::shared_ptr<Buckets> buckets_;
  const std::shared_ptr<MeshLimit> mesh_;
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

struct MeshOptions {
  bool on = false;
  std::string name;
  filter::Store store;
};

bool is_redis_address(const std::string& text) {
  if (text.starts_with("unix:/")) return true;
  const size_t colon = text.rfind(':');
  if (colon == text.npos || colon == 0 || text.find_first_of("/@") != text.npos) return false;
  const auto port = parse_number(std::string_view(text).substr(colon + 1));
  return port && *port >= 1 && *port <= 65535;
}

bool read_mesh(filter::Options& options, MeshOptions& mesh) {
  std::string scope = "local";
  if (!options.text("scope", scope)) return false;
  if (scope != "local" && scope != "mesh") return options.fail("scope", "expected local or mesh, got \"" + scope + "\"");
  mesh.on = scope == "mesh";
  if (!mesh.on) {
    for (const char* key : {"redis", "name", "password", "timeout", "sync", "retry"})
      if (options.find(key)) return options.fail(key, "only a limit with scope: mesh has it");
    return true;
  }
  filter::Store& store = mesh.store;
  if (!options.text("redis", store.address, true) || !options.text("name", mesh.name) ||
      (options.find("password") && !options.file("password", store.password)) ||
      !options.duration("timeout", store.timeout, milliseconds(1), std::chrono::minutes(1)) ||
      !options.duration("sync", store.sync, milliseconds(1), std::chrono::minutes(1)) ||
      !options.duration("retry", store.retry, milliseconds(10), std::chrono::hours(1)))
    return false;
  if (!is_redis_address(store.address))
    return options.fail("redis", "expected host:port or unix:/path, got \"" + store.address + "\"");
  return mesh.name.size() <= kLongestName || options.fail("name", "expected at most 200 characters");
}

}  // namespace

std::unique_ptr<const filter::Filter> make_rate_limit(const config::Node& node, filter::Complaint& complaint) {
  filter::Options options(node, complaint);
  std::string rate, burst, by, status = "429", keys = std::to_string(kUsualKeys);
  MeshOptions mesh;
  if (!options.only(
          {"rate", "burst", "key", "status", "keys", "scope", "redis", "name", "password", "timeout", "sync", "retry"}) ||
      !options.text("rate", rate, true) || !options.text("burst", burst) || !options.text("key", by) ||
      !options.text("status", status) || !options.text("keys", keys) || !read_mesh(options, mesh))
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
  const bool one_for_all = key.kind == http::RequestKey::Kind::Nothing;
  auto buckets = std::make_shared<Buckets>(*per_second, *at_once, one_for_all ? 1 : uint32_t(*most));
  auto shared = mesh.on ? std::make_shared<MeshLimit>(std::move(mesh.store), std::move(mesh.name), buckets) : nullptr;
  return std::make_unique<RateLimit>(key, uint16_t(*code), std::move(buckets), std::move(shared));
}

}  // namespace outrider::filters
