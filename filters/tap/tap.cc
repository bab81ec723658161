// Picks exchanges for those who watch (`outrider tap`, /tap), with the request as it is at this place of the chain. While nobody
// watches it does nothing.
//   tap: {match: {header: {x-tap: "1"}, status: 5xx}, max: 100, to: admin}

#include "filter/options.h"
#include "filter/tap_match.h"

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

bool add(filter::Options& options, filter::TapMatch& match, const std::string& key, const std::string& value) {
  const std::string wrong = match.add(key, value);
  return wrong.empty() || options.fail("match", wrong);
}

// `{x-tap: "1", x-team: {present: true}}`
bool read_headers(filter::Options& options, const config::Node& headers, filter::TapMatch& match) {
  const auto refuse = [&] { return options.fail("match.header", "expected a map of names and texts, or NAME: {present: true}"); };
  if (!headers.is_map()) return refuse();
  for (const auto& [name, mark, value] : headers.entries()) {
    const config::Node* const present = value.is_map() && value.size() == 1 ? value.find("present") : nullptr;
    if (!value.is_scalar() && !(present && present->is_scalar() && present->text() == "true")) return refuse();
    if (!add(options, match, "header", value.is_scalar() ? name + ":" + value.text() : name)) return false;
  }
  return true;
}

bool read_match(filter::Options& options, filter::TapMatch& match) {
  const config::Node* const node = options.find("match");
  if (!node || node->is_null()) return true;
  if (!node->is_map()) return options.fail("match", "expected a map");
  for (const auto& [key, mark, value] : node->entries()) {
    if (key == "header") {
      if (!read_headers(options, value, match)) return false;
      continue;
    }
    for (const config::Node* item : value.as_list()) {
      if (!item->is_scalar()) return options.fail("match." + key, "expected a text, or a list of texts");
      if (!add(options, match, key, item->text())) return false;
    }
  }
  return true;
}

}  // namespace

std::unique_ptr<const filter::Filter> make_tap(const config::Node& node, filter::Complaint& complaint) {
  filter::Options options(node, complaint);
  auto how = std::make_unique<filter::Tapping>();
  uint64_t max = how->max;
  std::string to = "admin";
  if (!options.only({"match", "max", "to"}) || !read_match(options, how->match) || !options.number("max", max, 1, kMost) ||
      !options.text("to", to))
    return nullptr;
  if (to != "admin") {
    options.fail("to", "expected admin, which is where they are watched; got \"" + to + "\"");
    return nullptr;
  }
  how->max = uint32_t(max);
  return std::make_unique<Tap>(std::move(how));
}

}  // namespace outrider::filters
