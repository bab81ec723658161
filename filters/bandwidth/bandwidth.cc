// How fast bodies go, each way.
//   bandwidth: {down: 1MiB/s, up: 256KiB/s, per: connection}

#include <algorithm>
#include <chrono>
#include <string>

#include "config/values.h"
#include "filter/options.h"
#include "filters/bandwidth/throttle.h"

namespace outrider::filters {

namespace {

constexpr const char* kName = "bandwidth";
constexpr uint64_t kSlowest = 128, kFastest = uint64_t(1) << 40;  // bytes a second

// Whether this call was counted as slowed.
struct Slowed {
  bool yes = false;
};

// Owned by the chains that use it; all workers share the throttles. A body goes in small pieces, each when there is room for
// it: what is behind them waits where it is, until there is no more place for it and its sender waits, too.
class Bandwidth final : public filter::Filter {
 public:
  Bandwidth(uint64_t up, uint64_t down, bool per_connection) : per_connection_(per_connection) {
    if (up) up_ = std::make_unique<Throttle>(up, per_connection);
    if (down) down_ = std::make_unique<Throttle>(down, per_connection);
  }
  filter::Hook hooks() const override {
    return up_ && down_ ? filter::Hook::RequestBody | filter::Hook::ResponseBody
           : up_        ? filter::Hook::RequestBody
                        : filter::Hook::ResponseBody;
  }
  size_t piece(http::Way way) const override {
    const auto& throttle = way == http::Way::Request ? up_ : down_;
    return throttle ? throttle->piece() : SIZE_MAX;
  }
  filter::Verdict on_request_body(filter::Call& call, Buffer& data, bool) const override {
    return pass(call, http::Way::Request, *up_, data.size());
  }
  filter::Verdict on_response_body(filter::Call& call, Buffer& data, bool) const override {
    return pass(call, http::Way::Response, *down_, data.size());
  }

 private:
  filter::Verdict pass(filter::Call& call, http::Way way, Throttle& throttle, size_t bytes) const {
    if (bytes == 0) return filter::Verdict::Continue;
    const auto now = std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch());
    const auto wait = throttle.take(per_connection_ ? hash(call.peer().remote_address) : 0, bytes, now);
    if (wait.count() <= 0) return filter::Verdict::Continue;
    if (!std::exchange(call.state<Slowed>(*this).yes, true)) call.note(kName, "slowed");
    call.wait(*this, way, std::chrono::ceil<std::chrono::microseconds>(wait));
    return filter::Verdict::Pause;
  }

  const bool per_connection_;
  std::unique_ptr<Throttle> up_, down_;
};

// "1MiB/s"; 0: no limit.
bool read_rate(filter::Options& options, const char* key, uint64_t& rate) {
  std::string text;
  if (!options.text(key, text)) return false;
  if (text.empty()) return true;
  const auto bytes = text.ends_with("/s") ? config::size_of(std::string_view(text).substr(0, text.size() - 2)) : std::nullopt;
  if (!bytes || *bytes < kSlowest || *bytes > kFastest)
    return options.fail(key, "expected a size a second of 128B/s or more, like 1MiB/s, got \"" + text + "\"");
  rate = *bytes;
  return true;
}

}  // namespace

std::unique_ptr<const filter::Filter> make_bandwidth(const config::Node& node, filter::Complaint& complaint) {
  filter::Options options(node, complaint);
  uint64_t up = 0, down = 0;
  std::string per = "connection";
  if (!options.only({"down", "up", "per"}) || !read_rate(options, "down", down) || !read_rate(options, "up", up) ||
      !options.text("per", per))
    return nullptr;
  if (per != "connection" && per != "route") options.fail("per", "expected connection or route, got \"" + per + "\"");
  else if (!up && !down) options.fail("", "nothing to do: give down or up");
  else return std::make_unique<Bandwidth>(up, down, per == "connection");
  return nullptr;
}

}  // namespace outrider::filters
