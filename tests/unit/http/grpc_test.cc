#include "http/grpc.h"

#include <gtest/gtest.h>

#include <string>

namespace outrider::http {
namespace {

using std::chrono::milliseconds;

bool is_grpc_type(std::string_view type) {
  Arena arena;
  HeaderMap headers(arena);
  headers.add("content-type", type);
  return is_grpc(headers);
}

TEST(Grpc, IsToldByItsContentType) {
  for (const char* type : {"application/grpc", "application/grpc+proto", "application/grpc+json", "application/grpc;x=y",
                           "application/grpc ; x=y", "Application/gRPC"})
    EXPECT_TRUE(is_grpc_type(type)) << type;
  for (const char* type : {"", "application/grp", "application/grpc-web", "application/grpc-web+proto", "application/grpcx",
                           "text/plain", "xapplication/grpc"})
    EXPECT_FALSE(is_grpc_type(type)) << type;
  Arena arena;
  EXPECT_FALSE(is_grpc(HeaderMap(arena)));
}

TEST(Grpc, TimeoutsAreDigitsAndAUnit) {
  const std::pair<const char*, int64_t> good[] = {{"1H", 3600000},     {"2M", 120000},         {"3S", 3000}, {"4m", 4},
                                                  {"5000u", 5},        {"5001u", 6},           {"1n", 1},    {"1000001n", 2},
                                                  {"00000001S", 1000}, {"99999999m", 99999999}};
  for (const auto& [text, ms] : good) {
    const auto timeout = parse_grpc_timeout(text);
    ASSERT_TRUE(timeout) << text;
    EXPECT_EQ(timeout->count(), ms) << text;
  }
}

TEST(Grpc, ATimeoutOfThousandsOfYearsIsOneYear) {
  for (const char* text : {"99999999H", "99999999M", "99999999S", "8761H"})
    EXPECT_EQ(*parse_grpc_timeout(text), milliseconds(std::chrono::hours(24 * 365))) << text;
}

TEST(Grpc, MalformedTimeoutsAreNone) {
  for (const char* text : {"", "S", "1", "1s", "1h", "1 S", " 1S", "1S ", "-1S", "+1S", "1.5S", "0S", "00000000n", "123456789n",
                           "100000000000000000000S", "1SS", "0x1S", "1\xce\xbc"})
    EXPECT_FALSE(parse_grpc_timeout(text)) << text;
}

TEST(Grpc, WhatIsWrittenAsATimeoutIsReadBackAndNeverLess) {
  Arena arena;
  for (const int64_t ms : {int64_t(1), int64_t(999), int64_t(99'999'999), int64_t(100'000'000), int64_t(100'000'001),
                           int64_t(365) * 24 * 3600 * 1000}) {
    const auto text = write_grpc_timeout(milliseconds(ms), arena);
    const auto read = parse_grpc_timeout(text);
    ASSERT_TRUE(read) << text;
    EXPECT_GE(read->count(), ms);
    EXPECT_LT(read->count(), ms + 1000);
  }
  EXPECT_EQ(write_grpc_timeout(milliseconds(0), arena), "1m");
  EXPECT_EQ(write_grpc_timeout(milliseconds(-5), arena), "1m");
}

TEST(Grpc, MessagesArePercentEncoded) {
  Arena arena;
  EXPECT_EQ(write_grpc_message("plain ~!", arena), "plain ~!");
  EXPECT_EQ(write_grpc_message("100%\r\n\x7f\xc3\xa4", arena), "100%25%0D%0A%7F%C3%A4");
  EXPECT_EQ(write_grpc_message("", arena), "");
  EXPECT_EQ(write_grpc_message(std::string(5000, 'a'), arena).size(), 1024u);
}

TEST(Grpc, TheLengthsOfMessagesAreFoundWhereverTheyAreCut) {
  const auto message = [](uint32_t length) {
    std::string text(1, '\0');
    for (int shift = 24; shift >= 0; shift -= 8) text += char(length >> shift);
    return text + std::string(length, '\xff');
  };
  const std::string stream = message(3) + message(0) + message(300) + message(7);
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    GrpcFrames frames;
    uint32_t longest = 0;
    for (size_t at = 0; at < stream.size(); at += piece) longest = std::max(longest, frames.pass(stream.substr(at, piece)));
    EXPECT_EQ(longest, 300u) << piece;
    EXPECT_EQ(frames.pass(message(2)), 2u) << "in step again";
  }
  GrpcFrames frames;
  EXPECT_EQ(frames.pass(std::string_view("\0\xff\xff\xff\xff", 5)), 0xffffffffu);
}

TEST(Grpc, EveryStatusIsReadAsItWasSetAndOthersAreUnknown) {
  for (int i = 0; i < int(GrpcStatus::Count); ++i) {
    Arena arena;
    HeaderMap headers(arena);
    set_grpc_status(headers, GrpcStatus(i), "a\nb");
    EXPECT_EQ(headers.value(HeaderId::GrpcStatus), std::to_string(i));
    EXPECT_EQ(headers.value(HeaderId::GrpcMessage), "a%0Ab");
    EXPECT_EQ(grpc_status_in(headers), GrpcStatus(i));
  }
  for (const char* odd : {"17", "-1", "", "x", "4294967296"}) {
    Arena arena;
    HeaderMap headers(arena);
    headers.add("grpc-status", odd);
    EXPECT_EQ(grpc_status_in(headers), GrpcStatus::Unknown) << odd;
  }
  Arena arena;
  EXPECT_FALSE(grpc_status_in(HeaderMap(arena)));
}

}  // namespace
}  // namespace outrider::http
