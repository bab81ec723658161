// Keys in a header, and whose they are.

#include <gtest/gtest.h>

#include "filters/api_key/keys.h"
#include "tests/support/seat.h"
#include "tests/unit/identity/pki.h"

namespace outrider::filters {
namespace {

using test::complaint_of;
using test::made;
using test::Seat;

const std::string kKeys = "# who: key\nshop front 0123456789abcdef\n\nfedcba9876543210\r\n";

class ApiKeyFilter : public testing::Test {
 protected:
  std::string ask(const filter::Filter& filter, const std::string& key, const std::string& header = "X-API-Key") {
    Seat seat;
    if (!key.empty()) seat.request().headers.add(header, key);
    seat.request().headers.add("X-Client", "spoofed");
    filter.on_request(seat);
    challenge = std::string(seat.response().headers.value("www-authenticate"));
    if (!seat.said.empty()) return seat.said;
    return "passed as " + seat.field("x-client") + (seat.field(header).empty() ? "" : " with its key");
  }
  std::string challenge;
  identity::TemporaryFolder folder;
};

TEST_F(ApiKeyFilter, LetsInWhoHasAKeyAndSaysWhoseItIs) {
  const auto filter = made("api_key", "{keys: \"file:" + folder.write("keys", kKeys) + "\", forward: x-client}");
  ASSERT_EQ(filter->feed()->load(), "");
  EXPECT_EQ(ask(*filter, "0123456789abcdef"), "passed as shop front");
  EXPECT_EQ(ask(*filter, "fedcba9876543210"), "passed as ");
  EXPECT_EQ(ask(*filter, "0123456789abcdeF"), "401 api_key wrong_key");
  EXPECT_EQ(challenge, "ApiKey header=\"x-api-key\"");
  EXPECT_EQ(ask(*filter, "0123456789abcde"), "401 api_key wrong_key");
  EXPECT_EQ(ask(*filter, "shop front 0123456789abcdef"), "401 api_key wrong_key");
  EXPECT_EQ(ask(*filter, ""), "401 api_key no_key");
}

TEST_F(ApiKeyFilter, TheHeaderMayBeAnother) {
  const auto filter = made("api_key", "{header: x-token, keys: \"file:" + folder.write("keys", kKeys) + "\"}");
  ASSERT_EQ(filter->feed()->load(), "");
  EXPECT_EQ(ask(*filter, "0123456789abcdef", "X-Token"), "passed as spoofed");
  EXPECT_EQ(ask(*filter, "0123456789abcdef"), "401 api_key no_key");
}

TEST_F(ApiKeyFilter, AChangedFileCounts) {
  const auto filter = made("api_key", "{keys: \"file:" + folder.write("keys", kKeys) + "\"}");
  ASSERT_EQ(filter->feed()->load(), "");
  folder.write("keys", "another-key-of-someone\n");
  filter->feed()->look();
  EXPECT_EQ(ask(*filter, "0123456789abcdef"), "401 api_key wrong_key");
  EXPECT_EQ(ask(*filter, "another-key-of-someone"), "passed as spoofed");
}

TEST_F(ApiKeyFilter, AFileThatCannotBeUsedSaysWhichLineAndWhy) {
  EXPECT_EQ(Keys::read(kKeys).why(), "");
  EXPECT_EQ(Keys::read("# none\n").why(), "there is no key in it");
  EXPECT_EQ(Keys::read("a short\n").why(), "line 1: a key has at least 16 characters, or it can be guessed");
}

TEST_F(ApiKeyFilter, SecretsStandInFilesAlone) {
  EXPECT_EQ(complaint_of("api_key", "{}"), "keys: missing");
  EXPECT_NE(complaint_of("api_key", "{keys: [abc]}").find("keys: expected"), std::string::npos);
  EXPECT_NE(complaint_of("api_key", "{keys: \"file:/x\", header: \"a b\"}").find("header: \"a b\" is no name"),
            std::string::npos);
}

}  // namespace
}  // namespace outrider::filters
