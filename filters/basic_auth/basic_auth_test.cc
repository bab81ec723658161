// Users, passwords, and what is asked of those who have none.

#include <gtest/gtest.h>

#include "base/base64.h"
#include "filters/basic_auth/users.h"
#include "tests/support/seat.h"
#include "tests/unit/identity/pki.h"

namespace outrider::filters {
namespace {

using test::complaint_of;
using test::made;
using test::Seat;

// Everybody's password is "secret".
const std::string kUsers =
    "# people\n"
    "anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"
    "ulf:{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0\n"
    "otto:$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA\r\n";

std::string basic(const std::string& pair) { return "Basic " + encode_base64(pair, Base64::Padded); }

class BasicAuthFilter : public testing::Test {
 protected:
  std::string ask(const filter::Filter& filter, const std::string& authorization) {
    Seat seat;
    if (!authorization.empty()) seat.request().headers.add("Authorization", authorization);
    seat.request().headers.add("X-User", "spoofed");
    const auto verdict = filter.on_request(seat);
    EXPECT_EQ(verdict, seat.said.empty() ? filter::Verdict::Continue : filter::Verdict::Answered);
    challenge = std::string(seat.response().headers.value("www-authenticate"));
    if (!seat.said.empty()) return seat.said;
    return "passed as " + seat.field("x-user") + (seat.field("authorization").empty() ? "" : " with its password");
  }
  std::string challenge;
  identity::TemporaryFolder folder;
};

TEST_F(BasicAuthFilter, LetsInWhoHasThePasswordAndSaysWhoItIs) {
  const auto filter = made("basic_auth", "{users: \"file:" + folder.write("users", kUsers) + "\", realm: shop, forward: x-user}");
  ASSERT_EQ(filter->feed()->load(), "");
  for (int again = 0; again < 2; ++again) {
    EXPECT_EQ(ask(*filter, basic("anna:secret")), "passed as anna");
    EXPECT_EQ(ask(*filter, basic("otto:secret")), "passed as otto");
    EXPECT_EQ(ask(*filter, basic("ulf:secret")), "passed as ulf");
  }
  EXPECT_EQ(ask(*filter, "bAsIc  " + basic("anna:secret").substr(6)), "passed as anna");
  EXPECT_EQ(ask(*filter, basic("anna:Secret")), "401 basic_auth wrong_credentials");
  EXPECT_EQ(challenge, "Basic realm=\"shop\", charset=\"UTF-8\"");
  EXPECT_EQ(ask(*filter, basic("anna:")), "401 basic_auth wrong_credentials");
  EXPECT_EQ(ask(*filter, basic("nobody:secret")), "401 basic_auth wrong_credentials");
  EXPECT_EQ(ask(*filter, basic("anna:" + std::string(300, 'x'))), "401 basic_auth wrong_credentials");
  EXPECT_EQ(ask(*filter, basic(std::string("anna:secret\0", 12))), "401 basic_auth wrong_credentials");
}

TEST_F(BasicAuthFilter, WhatIsNoUserAndPasswordIsToldSo) {
  const auto filter = made("basic_auth", "{users: \"file:" + folder.write("users", kUsers) + "\"}");
  ASSERT_EQ(filter->feed()->load(), "");
  EXPECT_EQ(ask(*filter, ""), "401 basic_auth no_credentials");
  EXPECT_EQ(challenge, "Basic realm=\"outrider\", charset=\"UTF-8\"");
  EXPECT_EQ(ask(*filter, "Bearer abc"), "401 basic_auth no_credentials");
  for (const std::string& text : {std::string("Basic"), std::string("Basic !"), std::string("Basic YQ"), basic("anna")})
    EXPECT_EQ(ask(*filter, text), "401 basic_auth malformed_credentials") << text;
}

TEST_F(BasicAuthFilter, AChangedFileCountsAndABrokenOneDoesNot) {
  const auto filter = made("basic_auth", "{users: \"file:" + folder.write("users", kUsers) + "\"}");
  ASSERT_EQ(filter->feed()->load(), "");
  folder.write("users", "broken\n");
  filter->feed()->look();
  EXPECT_EQ(ask(*filter, basic("anna:secret")), "passed as spoofed");
  folder.write("users", "ulla:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
  filter->feed()->look();
  EXPECT_EQ(ask(*filter, basic("anna:secret")), "401 basic_auth wrong_credentials");
  EXPECT_EQ(ask(*filter, basic("ulla:secret")), "passed as spoofed");
}

TEST_F(BasicAuthFilter, AFileThatCannotBeUsedSaysWhichLineAndWhy) {
  const auto said = [](const std::string& text) { return Users::read(text).why(); };
  EXPECT_EQ(said(kUsers), "");
  EXPECT_EQ(said("# nobody\n"), "there is no user in it");
  EXPECT_EQ(said("\nanna\n"), "line 2: expected NAME:HASH");
  EXPECT_EQ(said("a:{SHA}abc\n"), "line 1: a broken {SHA}");
  EXPECT_EQ(said("a:{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"), "line 1: a broken {SSHA}");
  EXPECT_EQ(said("a:$6$rounds=20000$salt$x\n"), "line 1: more than 10000 rounds: a worker would stand still for them");
  EXPECT_NE(said("a:$2y$05$abc\n").find("of a kind that is not taken"), std::string::npos);
  EXPECT_NE(said("a:secret\n").find("of a kind that is not taken"), std::string::npos);
  EXPECT_EQ(said(kUsers + "anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"), "line 5: this user is there already");
  EXPECT_NE(made("basic_auth", "{users: \"file:/no/such\"}")->feed()->load().find("/no/such"), std::string::npos);
}

TEST_F(BasicAuthFilter, SecretsStandInFilesAlone) {
  EXPECT_EQ(complaint_of("basic_auth", "{}"), "users: missing");
  EXPECT_NE(complaint_of("basic_auth", "{users: \"anna:secret\"}").find("users: expected file:/path"), std::string::npos);
  EXPECT_NE(complaint_of("basic_auth", "{users: \"file:/x\", user: y}").find("user: unknown key"), std::string::npos);
  EXPECT_NE(complaint_of("basic_auth", "{users: \"file:/x\", realm: \"a\\\"b\"}").find("realm: expected"), std::string::npos);
  EXPECT_NE(complaint_of("basic_auth", "{users: \"file:/x\", forward: host}").find("forward: \"host\" is"), std::string::npos);
}

}  // namespace
}  // namespace outrider::filters
