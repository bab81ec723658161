// What the filter makes of calls of gRPC-Web and of their answers, however their bytes are cut.

#include <gtest/gtest.h>

#include "base/random.h"
#include "config/load.h"
#include "filters/all.h"
#include "filters/grpc_web/base64.h"

namespace outrider::filters {
namespace {

using filter::Verdict;
using http::HeaderId;

std::unique_ptr<const filter::Filter> made(const std::string& options, filter::Complaint& complaint) {
  const auto node = config::parse(options, std::make_shared<const config::Origin>()).root;
  return find("grpc_web")->make(node, complaint);
}

// A call that is nowhere, and a filter that has it.
class Seat final : public filter::Call {
 public:
  Seat(const std::string& type, const std::string& accept = {}) : trailers_(arena_) {
    request_.headers.set(HeaderId::ContentType, type);
    request_.headers.set(HeaderId::ContentLength, "7");
    if (!accept.empty()) request_.headers.set(HeaderId::Accept, accept);
    EXPECT_EQ(filter_->on_request(*this), Verdict::Continue);
  }
  void respond(uint16_t status, const char* reason, std::string_view) override { told = std::to_string(status) + " " + reason; }
  void fetch(const filter::Filter&, filter::Subrequest&) override { ADD_FAILURE() << "a request of its own"; }
  void resume(http::Way) override { ADD_FAILURE() << "nothing was paused"; }
  const http::HeaderMap* take_trailers() override { return has_trailers_ ? &trailers_ : nullptr; }

  std::string type() const { return std::string(request_.headers.value(HeaderId::ContentType)); }
  std::string answer(const std::string& type) {
    answer_.headers.set(HeaderId::ContentType, type);
    EXPECT_EQ(filter_->on_response(*this), Verdict::Continue);
    return std::string(answer_.headers.value(HeaderId::ContentType));
  }
  std::string send(const std::string& bytes, bool end = false) {
    Buffer data(pool_);
    data.append(bytes);
    const Verdict verdict = filter_->on_request_body(*this, data, end);
    EXPECT_EQ(verdict, told.empty() ? Verdict::Continue : Verdict::Answered);
    return told.empty() ? data.text() : told;
  }
  std::string receive(const std::string& bytes) { return received(bytes, false); }
  std::string finish(const std::vector<std::pair<std::string, std::string>>& trailers) {
    has_trailers_ = !trailers.empty();
    for (const auto& [name, value] : trailers) trailers_.add(name, value);
    return received({}, true);
  }
  std::string told;

 private:
  std::string received(const std::string& bytes, bool end) {
    Buffer data(pool_);
    data.append(bytes);
    EXPECT_EQ(filter_->on_response_body(*this, data, end), Verdict::Continue);
    return data.text();
  }
  BlockPool pool_;
  filter::Complaint complaint_;
  std::unique_ptr<const filter::Filter> filter_ = made("{}", complaint_);
  http::HeaderMap trailers_;
  bool has_trailers_ = false;
};

std::string frame(const std::string& trailers) { return std::string("\x80\0\0\0", 4) + char(trailers.size()) + trailers; }

std::string encoded(const std::string& bytes) {
  BlockPool pool;
  Buffer data(pool);
  data.append(bytes);
  return encode_base64(data).text();
}

TEST(GrpcWebFilter, ARequestBecomesOneOfGrpc) {
  const std::pair<const char*, const char*> table[] = {
      {"application/grpc-web", "application/grpc"},
      {"application/grpc-web+proto", "application/grpc+proto"},
      {"Application/gRPC-Web+json; charset=utf-8", "application/grpc+json; charset=utf-8"},
      {"application/grpc-web-text", "application/grpc"},
      {"application/grpc-web-text+proto", "application/grpc+proto"},
  };
  for (const auto& [type, wanted] : table) {
    Seat seat(type);
    EXPECT_EQ(seat.type(), wanted);
    EXPECT_FALSE(seat.request().headers.find(HeaderId::ContentLength)) << type;
  }
}

TEST(GrpcWebFilter, WhatIsNotGrpcWebPassesAsItIs) {
  for (const char* type : {"application/grpc", "application/grpc+proto", "application/grpc-website", "text/plain", ""}) {
    Seat seat(type);
    EXPECT_EQ(seat.type(), type);
    EXPECT_TRUE(seat.request().headers.find(HeaderId::ContentLength)) << type;
    EXPECT_EQ(seat.send("!bytes!", true), "!bytes!");
    EXPECT_EQ(seat.answer("application/grpc"), "application/grpc");
    EXPECT_EQ(seat.receive("!bytes!"), "!bytes!");
    EXPECT_EQ(seat.finish({{"grpc-status", "0"}}), "");
  }
}

TEST(GrpcWebFilter, TrailersAreTheLastMessageOfTheBody) {
  Seat seat("application/grpc-web+proto");
  EXPECT_EQ(seat.answer("application/grpc+proto"), "application/grpc-web+proto");
  EXPECT_EQ(seat.receive("message"), "message");
  EXPECT_EQ(seat.finish({{"Grpc-Status", "5"}, {"grpc-message", "no %25"}, {"X-More", ""}}),
            frame("grpc-status: 5\r\ngrpc-message: no %25\r\nx-more: \r\n"));
}

TEST(GrpcWebFilter, AHeadWithAStatusIsAllThereIs) {
  Seat seat("application/grpc-web");
  seat.response().headers.set(HeaderId::GrpcStatus, "12");
  EXPECT_EQ(seat.answer("application/grpc"), "application/grpc-web");
  EXPECT_EQ(seat.finish({}), "");
}

TEST(GrpcWebFilter, ACallWithoutAStatusIsNoSuccess) {
  Seat seat("application/grpc-web");
  seat.answer("application/grpc");
  EXPECT_TRUE(seat.finish({}).substr(5).starts_with("grpc-status: 2\r\n"));
}

TEST(GrpcWebFilter, WhoIsNoServerOfGrpcIsHeardAsHeSpeaks) {
  Seat seat("application/grpc-web-text");
  EXPECT_EQ(seat.answer("text/html"), "text/html");
  EXPECT_EQ(seat.receive("<p>gone"), "<p>gone");
  EXPECT_EQ(seat.finish({}), "");
}

TEST(GrpcWebFilter, TheAnswerIsTextWhereThatIsWhatTheClientAccepts) {
  const std::tuple<const char*, const char*, const char*> table[] = {
      {"application/grpc-web-text", "", "application/grpc-web-text"},
      {"application/grpc-web-text", "*/*", "application/grpc-web-text"},
      {"application/grpc-web-text", "application/grpc-web", "application/grpc-web"},
      {"application/grpc-web", "application/grpc-web-text", "application/grpc-web-text"},
      {"application/grpc-web", "*/*", "application/grpc-web"},
  };
  for (const auto& [type, accept, wanted] : table) EXPECT_EQ(Seat(type, accept).answer("application/grpc"), wanted);
}

TEST(GrpcWebFilter, EveryPieceOfATextIsWholeByItself) {
  Seat seat("application/grpc-web-text");
  EXPECT_EQ(seat.answer("application/grpc"), "application/grpc-web-text");
  EXPECT_EQ(seat.receive("a"), "YQ==");
  EXPECT_EQ(seat.receive("ab"), "YWI=");
  EXPECT_EQ(seat.receive("abc"), "YWJj");
  EXPECT_EQ(seat.receive(""), "");
  EXPECT_EQ(seat.finish({{"grpc-status", "0"}}), encoded(frame("grpc-status: 0\r\n")));
}

TEST(GrpcWebFilter, ATextIsReadHoweverItIsCut) {
  const std::string text = "AAAAAAVo" + std::string("ZWxsbw==") + "AAAAAAE=" + "IQ==";
  const std::string wanted = std::string("\0\0\0\0\5hello\0\0\0\0\1!", 16);
  for (size_t first = 0; first <= text.size(); ++first)
    for (size_t second = first; second <= text.size(); ++second) {
      Seat seat("application/grpc-web-text");
      std::string bytes = seat.send(text.substr(0, first));
      bytes += seat.send(text.substr(first, second - first));
      bytes += seat.send(text.substr(second), true);
      ASSERT_EQ(bytes, wanted) << first << ' ' << second;
    }
}

TEST(GrpcWebFilter, WhatIsNoBase64IsRefused) {
  for (const char* text : {"A", "AA", "AAA", "AAA\n", "AA=A", "=AAA", "A===", "AB==", "AAB=", "AA-_", "AAAA=", "AAAAA==="})
    EXPECT_EQ(Seat("application/grpc-web-text").send(text, true), "400 bad_base64") << text;
}

TEST(GrpcWebFilter, BytesOfEveryLengthComeBackFromTheirText) {
  const uint64_t seed = random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  for (size_t size : {0u, 1u, 2u, 3u, 4u, 5u, 1000u, 4097u, 300'000u, 1'000'001u}) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = char(random.next());
    const std::string text = encoded(bytes);
    EXPECT_EQ(text.size(), (size + 2) / 3 * 4);
    EXPECT_TRUE(Seat("application/grpc-web-text").send(text, true) == bytes) << size;
  }
}

TEST(GrpcWebFilter, HasNoOptions) {
  filter::Complaint complaint;
  EXPECT_TRUE(made("{}", complaint));
  EXPECT_FALSE(made("{text: on}", complaint));
  EXPECT_EQ(complaint.message, "it has no options: grpc_web: {}");
}

}  // namespace
}  // namespace outrider::filters
