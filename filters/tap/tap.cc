// Picks exchanges for those who watch (`outrider tap`, /tap), with the request as it is at this place of the chain. While nobody
// watches it does nothing.
//   tap: {match: {header: {x-tap: "1"}, status: 5xx}, max: 100, to: admin}

#include "filter/options.h"
#include "filter/tap_options.h"

namespace outrider::filters {

namespace {

constexpr uint64_t kMost = 10'000;

// Owned by the chains that use it, and shared by all workers.
class Tap final : public filter::Filter {
 public:
  explicit Tap(std::unique_ptr<const filter::Tapping> how) : how_(std::move(how)) {}
  filter::Hook hooks() const override { return filter::Hook::RequestHead; }
  filter::Verdict on_request(filter::Call& call) const override {
    if (!call.watched()) return filter::Verdict::Continue;
    const http::RequestHead& head = call.request();
    if (how_->match.of_request({head.method_text, head.authority, head.path, head.headers.fields()})) call.tap(*how_);
    return filter::Verdict::Continue;
  }

 private:
  const std::unique_ptr<const filter::Tapping> how_;
};

}  // namespace

std::unique_ptr<const filter::Filter> make_tap(const config::Node& node, filter::Complaint& complaint) {
  filter::Options options(node, complaint);
  auto how = std::make_unique<filter::Tapping>();
  uint64_t max = how->max;
  std::string to = "admin";
  if (!options.only({"match", "max", "to"}) || !filter::read_match(options, how->match) ||
      !options.number("max", max, 1, kMost) || !options.text("to", to))
    return nullptr;
  if (to != "admin") {
    options.fail("to", "expected admin, which is where they are watched; got \"" + to + "\"");
    return nullptr;
  }
  how->max = uint32_t(max);
  return std::make_unique<Tap>(std::move(how));
}

}  // namespace outrider::filters
