// Requests that change something, from pages of other origins.
//   csrf: {origins: ["https://shop.example.com"]}

#include "filter/options.h"
#include "filters/cors/origins.h"

namespace outrider::filters {

namespace {

// Owned by the chains that use it; const, any worker.
class Csrf final : public filter::Filter {
 public:
  explicit Csrf(Origins trusted) : trusted_(std::move(trusted)) {}
  filter::Hook hooks() const override { return filter::Hook::RequestHead; }

  filter::Verdict on_request(filter::Call& call) const override {
    if (!is_foreign(call.request())) return filter::Verdict::Continue;
    call.deny(403, "csrf", "foreign_origin", "This request comes from a page of another origin.\n");
    return filter::Verdict::Answered;
  }

 private:
  // By what browsers say and pages cannot: Sec-Fetch-Site, and Origin in older ones (W3C Fetch Metadata; RFC 6454 7). Who says
  // neither is no browser, and has no cookies of somebody else to misuse.
  bool is_foreign(const http::RequestHead& head) const {
    using http::Method;
    if (head.method == Method::Get || head.method == Method::Head || head.method == Method::Options ||
        head.method == Method::Trace)
      return false;
    const auto origin = head.headers.value("origin");
    if (!origin.empty() && trusted_.contain(origin)) return false;
    if (const http::Field* site = head.headers.find("sec-fetch-site"))
      return site->value != "same-origin" && site->value != "none";
    if (origin.empty()) return false;
    const size_t mark = origin.find("://");
    return mark == origin.npos || origin.substr(mark + 3) != head.authority;
  }
  const Origins trusted_;
};

}  // namespace

std::unique_ptr<const filter::Filter> make_csrf(const config::Node& node, filter::Complaint& complaint) {
  filter::Options options(node, complaint);
  std::vector<std::string> listed;
  if (!options.only({"origins"}) || !options.texts("origins", listed)) return nullptr;
  Origins origins;
  for (const auto& origin : listed)
    if (origin == "*" || !origins.add(origin)) {
      options.fail("origins", "expected origins like https://shop.example.com or https://*.example.com, got \"" + origin + "\"");
      return nullptr;
    }
  return std::make_unique<Csrf>(std::move(origins));
}

}  // namespace outrider::filters
