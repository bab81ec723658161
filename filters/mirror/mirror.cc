// Sends copies of requests to somebody else, whose answers nobody sees: how would the next version take this traffic?
//   mirror: {cluster: cart-next, percent: 5%, timeout: 5s, max_body: 64KiB, max_answer: 1MiB, max_in_flight: 100}
// What is sent, when, and what becomes of it is in proxy/exchange/shadow.

#include <chrono>

#include "filter/options.h"

namespace outrider::filters {

namespace {

constexpr size_t kMostBody = 16 << 20;
constexpr size_t kMostAnswer = size_t{1} << 40;

// Owned by the chains that use it, and shared by all workers.
class Mirror final : public filter::Filter {
 public:
  Mirror(std::string cluster, filter::Mirroring how) : cluster_(std::move(cluster)), how_(std::move(how)) {}
  filter::Hook hooks() const override { return filter::Hook::RequestHead; }
  std::string_view cluster() const override { return cluster_; }
  // Never a copy of a copy: where two mirror to each other, it would go round for ever.
  filter::Verdict on_request(filter::Call& call) const override {
    if (!call.request().headers.has_any(http::set_of(http::HeaderId::XOutriderMirror))) call.mirror(*this, how_);
    return filter::Verdict::Continue;
  }

 private:
  const std::string cluster_;
  const filter::Mirroring how_;
};

}  // namespace

std::unique_ptr<const filter::Filter> make_mirror(const config::Node& node, filter::Complaint& complaint) {
  filter::Options options(node, complaint);
  std::string cluster;
  filter::Mirroring how;
  uint64_t most = how.max_in_flight;
  if (!options.only({"cluster", "percent", "timeout", "max_body", "max_answer", "max_in_flight"}) ||
      !options.text("cluster", cluster, true) || !options.share("percent", how.share) ||
      !options.duration("timeout", how.timeout, milliseconds(1), std::chrono::minutes(10)) ||
      !options.size("max_body", how.max_body, kMostBody) || !options.size("max_answer", how.max_answer, kMostAnswer) ||
      !options.number("max_in_flight", most, 1, 100'000))
    return nullptr;
  how.max_in_flight = uint32_t(most);
  return std::make_unique<Mirror>(std::move(cluster), std::move(how));
}

}  // namespace outrider::filters
