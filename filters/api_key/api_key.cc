// Keys from a file, in a header.
//   api_key: {header: x-api-key, keys: file:/run/secrets/keys, forward: x-client}

#include "filter/feed.h"
#include "filter/options.h"
#include "filters/api_key/keys.h"

namespace outrider::filters {

namespace {

// Owned by the chains that use it; const, any worker.
class ApiKey final : public filter::Filter {
 public:
  ApiKey(std::string file, std::string header, std::string forward)
      : keys_(std::make_shared<filter::FileFeed<Keys>>(std::move(file), Keys::read)), header_(std::move(header)),
        challenge_("ApiKey header=\"" + header_ + "\""), forward_(std::move(forward)) {}
  filter::Hook hooks() const override { return filter::Hook::RequestHead; }
  std::shared_ptr<filter::Feed> feed() const override { return keys_; }

  filter::Verdict on_request(filter::Call& call) const override {
    auto& headers = call.request().headers;
    if (!forward_.empty()) headers.remove(forward_);
    const http::Field* given = headers.find(header_);
    if (!given) return refuse(call, "no_key");
    const auto keys = keys_->get();
    const std::string* owner = keys->owner(given->value);
    if (!owner) return refuse(call, "wrong_key");
    headers.remove(header_);
    if (!forward_.empty() && !owner->empty()) headers.set(forward_, *owner);
    return filter::Verdict::Continue;
  }

 private:
  filter::Verdict refuse(filter::Call& call, const char* reason) const {
    call.response().headers.set("www-authenticate", challenge_);
    call.deny(401, "api_key", reason, "A key is needed.");
    return filter::Verdict::Answered;
  }

  const std::shared_ptr<filter::FileFeed<Keys>> keys_;
  const std::string header_, challenge_, forward_;
};

}  // namespace

std::unique_ptr<const filter::Filter> make_api_key(const config::Node& node, filter::Complaint& complaint) {
  filter::Options options(node, complaint);
  std::string file, header = "x-api-key", forward;
  if (!options.only({"header", "keys", "forward"}) || !options.header("header", header) || !options.file("keys", file) ||
      !options.header("forward", forward))
    return nullptr;
  return std::make_unique<ApiKey>(std::move(file), std::move(header), std::move(forward));
}

}  // namespace outrider::filters
