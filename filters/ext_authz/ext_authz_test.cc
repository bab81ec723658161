// What is asked, and what is made of the answer.

#include <gtest/gtest.h>

#include "tests/support/seat.h"

namespace outrider::filters {
namespace {

using test::complaint_of;
using test::made;

class Seat final : public test::Seat {
 public:
  Seat(const filter::Filter& filter, std::string_view identity = {}) : filter_(filter) {
    peer_ = {.identity = identity, .remote_address = "10.0.0.7:4000", .remote_ip = "10.0.0.7"};
    request().method = http::Method::Post;
    request().method_text = "POST";
    request().authority = "shop";
    request().path = "/cart?id=1";
  }
  // What is sent: "POST /cart?id=1", and "name=value" of every field.
  std::string question() {
    EXPECT_EQ(filter_.on_request(*this), filter::Verdict::Pause);
    std::string text = std::string(asked->head.method_text) + " " + std::string(asked->head.path);
    for (const auto& field : asked->head.headers.fields()) text.append(" ").append(field.name).append("=").append(field.value);
    return text;
  }
  // "": it goes on; else what was answered.
  std::string answered(uint16_t status, std::string_view fields = {}, const char* error = nullptr) {
    if (!asked) question();
    http::HeaderMap headers(arena());
    if (!fields.empty()) headers.add(fields.substr(0, fields.find(':')), fields.substr(fields.find(':') + 1));
    asked->status = status;
    asked->headers = &headers;
    asked->error = error;
    said.clear();
    const auto verdict = filter_.on_fetched(*this, *asked);
    EXPECT_EQ(verdict == filter::Verdict::Answered, !said.empty() && !said.starts_with("in "));
    return said;
  }

 private:
  const filter::Filter& filter_;
};

TEST(ExtAuthzFilter, AsksForTheSameWithTheFieldsThatAreNamed) {
  const auto filter = made("ext_authz", "{cluster: authz, headers: [x-token]}");
  Seat seat(*filter);
  seat.request().headers.add("X-Token", "t");
  seat.request().headers.add("Cookie", "c=1");
  seat.request().headers.add("Content-Length", "5");
  EXPECT_EQ(seat.question(), "POST /cart?id=1 Host=shop X-Token=t X-Forwarded-For=10.0.0.7 X-Forwarded-Proto=http");
}

TEST(ExtAuthzFilter, AsksWithWhatPeopleSignInWithUnlessToldOtherwise) {
  const auto filter = made("ext_authz", "{cluster: authz}");
  Seat with(*filter);
  with.request().headers.add("Cookie", "c=1");
  with.request().headers.add("Authorization", "Bearer t");
  EXPECT_EQ(with.question().substr(0, 57), "POST /cart?id=1 Host=shop Cookie=c=1 Authorization=Bearer");
}

TEST(ExtAuthzFilter, SaysWhoComesWhateverTheClientSays) {
  const auto filter = made("ext_authz", "{cluster: authz, headers: [x-forwarded-for, x-forwarded-client-cert]}");
  Seat liar(*filter);
  liar.request().headers.add("X-Forwarded-For", "110.0.0.7");
  liar.request().headers.add("X-Forwarded-Client-Cert", "URI=spiffe://mesh/root");
  EXPECT_EQ(liar.question(), "POST /cart?id=1 Host=shop X-Forwarded-For=10.0.0.7 X-Forwarded-Proto=http");
  Seat known(*filter, "spiffe://mesh.local/ns/shop/sa/web");
  known.request().headers.add("x-forwarded-for", "192.0.2.1, 10.0.0.7");
  const std::string question = known.question();
  EXPECT_NE(question.find("x-forwarded-for=192.0.2.1, 10.0.0.7"), std::string::npos) << question;
  EXPECT_NE(question.find("=URI=spiffe://mesh.local/ns/shop/sa/web"), std::string::npos) << question;
}

TEST(ExtAuthzFilter, MayAskBelowAPath) {
  const auto filter = made("ext_authz", "{cluster: authz, headers: [], prefix: /check/}");
  Seat seat(*filter);
  EXPECT_EQ(seat.question().substr(0, 32), "POST /check/cart?id=1 Host=shop ");
  Seat all(*filter);
  all.request().form = http::Form::Asterisk;
  all.request().path = "*";
  EXPECT_EQ(all.question().substr(0, 23), "POST /check/ Host=shop ");
}

TEST(ExtAuthzFilter, OnlyTwoHundredsLetIn) {
  const auto filter = made("ext_authz", "{cluster: authz, on_error: allow}");
  for (const uint16_t status : {200, 204, 299}) EXPECT_EQ(Seat(*filter).answered(status), "");
  for (const uint16_t status : {300, 302, 401, 403, 404, 429, 499})
    EXPECT_EQ(Seat(*filter).answered(status), std::to_string(status) + " ext_authz authz_denied");
  for (const uint16_t status : {101, 500, 503}) EXPECT_EQ(Seat(*filter).answered(status), "in ext_authz authz_failed_allowed");
  EXPECT_EQ(Seat(*filter).answered(0, {}, "timeout"), "in ext_authz authz_timeout_allowed");
  EXPECT_EQ(Seat(*filter).answered(0, {}, "refused"), "in ext_authz authz_unavailable_allowed");
}

TEST(ExtAuthzFilter, WhereNobodyDecidesNobodyComesIn) {
  const auto filter = made("ext_authz", "{cluster: authz}");
  EXPECT_EQ(Seat(*filter).answered(500), "503 ext_authz authz_failed");
  EXPECT_EQ(Seat(*filter).answered(0, {}, "timeout"), "503 ext_authz authz_timeout");
  EXPECT_EQ(Seat(*filter).answered(0, {}, "no_endpoint"), "503 ext_authz authz_unavailable");
}

TEST(ExtAuthzFilter, OnlyItsAnswerSaysWhoItIs) {
  const auto filter = made("ext_authz", "{cluster: authz, forward: [x-user]}");
  Seat seat(*filter);
  seat.request().headers.add("X-User", "root");
  EXPECT_EQ(seat.answered(200), "");
  EXPECT_EQ(seat.field("x-user"), "");
  EXPECT_EQ(seat.answered(200, "X-USER:anna"), "");
  EXPECT_EQ(seat.field("x-user"), "anna");
}

TEST(ExtAuthzFilter, ComplainsAboutWhatItDoesNotUnderstand) {
  EXPECT_EQ(complaint_of("ext_authz", "{}"), "cluster: missing");
  EXPECT_NE(complaint_of("ext_authz", "{cluster: a, protocol: grpc}").find("protocol: expected http"), std::string::npos);
  EXPECT_NE(complaint_of("ext_authz", "{cluster: a, on_error: maybe}").find("on_error: expected deny or allow"),
            std::string::npos);
  EXPECT_NE(complaint_of("ext_authz", "{cluster: a, timeout: 0}").find("timeout: expected"), std::string::npos);
  EXPECT_NE(complaint_of("ext_authz", "{cluster: a, timeout: 1h}").find("timeout: expected"), std::string::npos);
  EXPECT_NE(complaint_of("ext_authz", "{cluster: a, headers: [a b]}").find("headers: \"a b\""), std::string::npos);
  EXPECT_NE(complaint_of("ext_authz", "{cluster: a, headers: [content-length]}").find("headers:"), std::string::npos);
  EXPECT_NE(complaint_of("ext_authz", "{cluster: a, forward: [host]}").find("forward: \"host\""), std::string::npos);
  EXPECT_NE(complaint_of("ext_authz", "{cluster: a, prefix: check}").find("prefix: expected a path"), std::string::npos);
  EXPECT_NE(complaint_of("ext_authz", "{cluster: a, max_body: 2MiB}").find("max_body: expected"), std::string::npos);
  EXPECT_NE(complaint_of("ext_authz", "{cluster: a, fail: open}").find("fail: unknown key"), std::string::npos);
}

}  // namespace
}  // namespace outrider::filters
