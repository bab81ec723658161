// Users and passwords from a file (RFC 7617).
//   basic_auth: {users: file:/run/secrets/htpasswd, realm: shop, forward: x-user}

#include "base/base64.h"
#include "base/text.h"
#include "filter/feed.h"
#include "filter/options.h"
#include "filters/basic_auth/users.h"

namespace outrider::filters {

namespace {

// Owned by the chains that use it; const, any worker.
class BasicAuth final : public filter::Filter {
 public:
  BasicAuth(std::string file, const std::string& realm, std::string forward)
      : users_(std::make_shared<filter::FileFeed<Users>>(std::move(file), Users::read)),
        challenge_("Basic realm=\"" + realm + "\", charset=\"UTF-8\""), forward_(std::move(forward)) {}
  filter::Hook hooks() const override { return filter::Hook::RequestHead; }
  std::shared_ptr<filter::Feed> feed() const override { return users_; }

  filter::Verdict on_request(filter::Call& call) const override {
    auto& headers = call.request().headers;
    if (!forward_.empty()) headers.remove(forward_);
    std::string_view given = headers.value(http::HeaderId::Authorization);
    if (!equals_ignore_case(next_part(given, ' '), "basic")) return refuse(call, "no_credentials");
    const auto pair = decode_base64(trim(given), Base64::Padded);
    const size_t colon = pair ? pair->find(':') : std::string::npos;
    if (colon == std::string::npos) return refuse(call, "malformed_credentials");
    const std::string_view user = std::string_view(*pair).substr(0, colon);
    if (!users_->get()->check(user, std::string_view(*pair).substr(colon + 1))) return refuse(call, "wrong_credentials");
    headers.remove(http::HeaderId::Authorization);
    if (!forward_.empty()) headers.set(forward_, user);
    return filter::Verdict::Continue;
  }

 private:
  filter::Verdict refuse(filter::Call& call, const char* reason) const {
    call.response().headers.set("www-authenticate", challenge_);
    call.deny(401, "basic_auth", reason, "A user and a password are needed.");
    return filter::Verdict::Answered;
  }

  const std::shared_ptr<filter::FileFeed<Users>> users_;
  const std::string challenge_, forward_;
};

}  // namespace

std::unique_ptr<const filter::Filter> make_basic_auth(const config::Node& node, filter::Complaint& complaint) {
  filter::Options options(node, complaint);
  std::string file, realm = "outrider", forward;
  if (!options.only({"users", "realm", "forward"}) || !options.file("users", file) || !options.text("realm", realm) ||
      !options.header("forward", forward))
    return nullptr;
  if (realm.find_first_of("\"\\") != std::string::npos) {
    options.fail("realm", "expected a text without quotes and backslashes");
    return nullptr;
  }
  return std::make_unique<BasicAuth>(std::move(file), realm, std::move(forward));
}

}  // namespace outrider::filters
