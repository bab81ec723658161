// How much a request's body may be.
//   body_limit: {max: 10MiB}

#include "base/text.h"
#include "filter/options.h"

namespace outrider::filters {

namespace {

constexpr const char* kReason = "body_too_large";

// How much has come of one call's body.
struct Arrived {
  uint64_t bytes = 0;
};

// Owned by the chains that use it; const, any worker.
class BodyLimit final : public filter::Filter {
 public:
  explicit BodyLimit(uint64_t max) : max_(max) {}
  filter::Hook hooks() const override { return filter::Hook::RequestHead | filter::Hook::RequestBody; }

  filter::Verdict on_request(filter::Call& call) const override {
    const auto length = parse_number(call.request().headers.value(http::HeaderId::ContentLength));
    return length && *length > max_ ? refuse(call) : filter::Verdict::Continue;
  }

  filter::Verdict on_request_body(filter::Call& call, Buffer& data, bool) const override {
    uint64_t& bytes = call.state<Arrived>(*this).bytes;
    bytes += data.size();
    return bytes > max_ ? refuse(call) : filter::Verdict::Continue;
  }

 private:
  static filter::Verdict refuse(filter::Call& call) {
    call.deny(413, "body_limit", kReason, "The request's body is larger than allowed.\n");
    return filter::Verdict::Answered;
  }

  const uint64_t max_;
};

}  // namespace

std::unique_ptr<const filter::Filter> make_body_limit(const config::Node& node, filter::Complaint& complaint) {
  filter::Options options(node, complaint);
  size_t max = 0;
  if (!options.only({"max"}) || !options.size("max", max, size_t(1) << 50)) return nullptr;
  if (!options.find("max") || options.find("max")->is_null()) {
    options.fail("max", "missing");
    return nullptr;
  }
  return std::make_unique<BodyLimit>(max);
}

}  // namespace outrider::filters
