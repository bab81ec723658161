// Which responses are compressed, how, and that the same comes out again.

#include <brotli/decode.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "base/text.h"
#include "filters/compress/accepted.h"
#include "tests/support/seat.h"
#include "tests/support/seed.h"

namespace outrider::filters {
namespace {

using filter::Verdict;
using http::HeaderId;

std::string gunzip(const std::string& bytes) {
  z_stream stream{};
  EXPECT_EQ(::inflateInit2(&stream, 15 + 16), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = uInt(bytes.size());
  std::string out;
  int result = Z_OK;
  while (result == Z_OK) {
    char room[4096];
    stream.next_out = reinterpret_cast<Bytef*>(room);
    stream.avail_out = sizeof room;
    result = ::inflate(&stream, Z_NO_FLUSH);
    out.append(room, sizeof room - stream.avail_out);
  }
  ::inflateEnd(&stream);
  return result == Z_STREAM_END && stream.avail_in == 0 ? out : out + " (cut)";
}

std::string unbrotli(const std::string& bytes) {
  BrotliDecoderState* const state = ::BrotliDecoderCreateInstance(nullptr, nullptr, nullptr);
  auto* in = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  std::string out;
  auto result = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
  while (result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
    uint8_t room[4096];
    uint8_t* next = room;
    size_t available = sizeof room;
    result = ::BrotliDecoderDecompressStream(state, &left, &in, &available, &next, nullptr);
    out.append(reinterpret_cast<char*>(room), sizeof room - available);
  }
  ::BrotliDecoderDestroyInstance(state);
  return result == BROTLI_DECODER_RESULT_SUCCESS && left == 0 ? out : out + " (cut)";
}

std::string unzstd(const std::string& bytes) {
  ZSTD_DCtx* const context = ::ZSTD_createDCtx();
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  std::string out;
  for (size_t more = 1; more != 0;) {
    char room[4096];
    ZSTD_outBuffer to{room, sizeof room, 0};
    const size_t before = in.pos;
    more = ::ZSTD_decompressStream(context, &to, &in);
    out.append(room, to.pos);
    if (::ZSTD_isError(more) || (more != 0 && to.pos == 0 && in.pos == before)) {
      out += " (cut)";
      break;
    }
  }
  ::ZSTD_freeDCtx(context);
  return out;
}

std::string decoded(Coding coding, const std::string& bytes) {
  return coding == Coding::Gzip ? gunzip(bytes) : coding == Coding::Brotli ? unbrotli(bytes) : unzstd(bytes);
}

std::string some_text(size_t size) {
  std::string text;
  while (text.size() < size) text += "line " + std::to_string(text.size()) + " of a text\n";
  return text;
}

TEST(Encoder, WhatIsReadIsWhatWasWritten) {
  Random random = test::seeded_random();
  BlockPool blocks;
  for (const Coding coding : kCodings)
    for (int round = 0; round < 20; ++round) {
      const auto encoder = Encoder::make(coding);
      ASSERT_TRUE(encoder);
      std::string whole, encoded;
      const int pieces = int(random.below(6));
      for (int i = 0; i <= pieces; ++i) {
        Buffer data(blocks);
        const size_t size = random.below(2) ? random.below(200'000) : random.below(30);
        const std::string text = random.below(3) ? some_text(size) : test::random_bytes(random, size);
        data.append(text);
        whole += text;
        ASSERT_TRUE(encoder->encode(data, i == pieces));
        encoded += data.text();
      }
      ASSERT_EQ(decoded(coding, encoded), whole) << name_of(coding);
    }
}

TEST(Encoder, NobodyHasToWaitForTheRest) {
  BlockPool blocks;
  for (const Coding coding : kCodings) {
    const auto encoder = Encoder::make(coding);
    Buffer data(blocks);
    data.append("the first event");
    ASSERT_TRUE(encoder->encode(data, false));
    EXPECT_EQ(decoded(coding, data.text()), "the first event (cut)") << name_of(coding);
  }
}

TEST(AcceptEncoding, TheClientsLikingDecidesAndThenTheOrder) {
  const std::vector<Coding> all(std::begin(kCodings), std::end(kCodings));
  const std::tuple<const char*, const char*> table[] = {
      {"gzip", "gzip"},
      {"gzip, br, zstd", "zstd"},
      {"gzip, deflate, br", "br"},
      {"GZIP", "gzip"},
      {"x-gzip", "gzip"},
      {"gzip;q=1.0, br;q=0.9, zstd; q=0.8", "gzip"},
      {"zstd;q=0, br;q=0.000, gzip;q=0.001", "gzip"},
      {"*", "zstd"},
      {"*;q=0.5, gzip", "gzip"},
      {"*, zstd;q=0", "br"},
      {"identity, gzip;q=0.5", "none"},
      {"identity;q=0.5, gzip;q=0.5", "gzip"},
      {"identity;q=0, gzip;q=0.1", "gzip"},
      {"deflate", "none"},
      {"", "none"},
      {"gzip;q=2", "none"},
      {"gzip;q=x", "none"},
      {"*;q=0", "none"},
      {",,;q=1,", "none"},
  };
  for (const auto& [field, wanted] : table) {
    test::Seat seat;
    seat.request().headers.add("Accept-Encoding", field);
    const auto coding = accepted_coding(seat.request().headers, all);
    EXPECT_STREQ(coding ? name_of(*coding) : "none", wanted) << field;
  }
  test::Seat seat;
  EXPECT_FALSE(accepted_coding(seat.request().headers, all)) << "who says nothing gets it as it is";
  seat.request().headers.add("accept-encoding", "br;q=0.1");
  seat.request().headers.add("Accept-Encoding", "zstd");
  EXPECT_EQ(accepted_coding(seat.request().headers, {Coding::Brotli, Coding::Gzip}), Coding::Brotli);
}

class Compress : public testing::Test {
 protected:
  // "gzip", or "" where it stays as it is; the fields are of the response.
  std::string coding(const std::string& fields, uint16_t status = 200, const char* accepted = "gzip",
                     http::Method method = http::Method::Get) {
    seat_ = std::make_unique<test::Seat>();
    seat_->request().method = method;
    seat_->request().headers.add("Accept-Encoding", accepted);
    seat_->response().status = status;
    for (std::string_view rest = fields; !rest.empty();) {
      std::string_view line = next_part(rest, '\n');
      const std::string_view name = next_part(line, ':');
      seat_->response().headers.add(name, trim(line));
    }
    EXPECT_EQ(filter_->on_response(*seat_), Verdict::Continue);
    filter_->on_complete(*seat_);
    return std::string(seat_->noted.empty() ? "" : seat_->response().headers.value(HeaderId::ContentEncoding));
  }
  std::string field(const char* name) { return std::string(seat_->response().headers.value(name)); }

  std::unique_ptr<const filter::Filter> filter_ = test::made("compress", "{}");
  std::unique_ptr<test::Seat> seat_;
};

TEST_F(Compress, WhatIsWorthItAndNothingElse) {
  EXPECT_EQ(coding("content-type: text/html"), "gzip") << "of unknown length";
  EXPECT_EQ(coding("content-type: Text/HTML; charset=utf-8\ncontent-length: 1024"), "gzip");
  EXPECT_EQ(coding("content-type: text/html\ncontent-length: 1023"), "");
  EXPECT_EQ(coding("content-type: application/json"), "gzip");
  EXPECT_EQ(coding("content-type: image/png"), "");
  EXPECT_EQ(coding("content-type: application/grpc"), "");
  EXPECT_EQ(coding("content-type: textile/html"), "");
  EXPECT_EQ(coding("x-nothing: said"), "");
  EXPECT_EQ(coding("content-type: text/html", 404), "gzip");
  for (const uint16_t status : {101, 204, 206, 304}) EXPECT_EQ(coding("content-type: text/html", status), "") << status;
  EXPECT_EQ(coding("content-type: text/html", 200, "gzip", http::Method::Connect), "");
}

TEST_F(Compress, NothingThatSaysOtherwise) {
  EXPECT_EQ(coding("content-type: text/html\ncontent-encoding: br"), "");
  EXPECT_EQ(coding("content-type: text/html\ncache-control: public, No-Transform"), "");
  EXPECT_EQ(field("vary"), "");
  EXPECT_EQ(coding("content-type: text/html\ncontent-range: bytes 0-1/2"), "");
  EXPECT_EQ(coding("content-type: text/html\nRepr-Digest: sha-256=:AA==:"), "");
}

TEST_F(Compress, EventsOnlyWhereTheyAreNamed) {
  EXPECT_EQ(coding("content-type: text/event-stream"), "");
  filter_ = test::made("compress", "{types: [text/event-stream]}");
  EXPECT_EQ(coding("content-type: text/event-stream"), "gzip");
  EXPECT_EQ(coding("content-type: text/html"), "");
}

TEST_F(Compress, FieldsSayWhatHasBecomeOfIt) {
  EXPECT_EQ(coding("content-type: text/html\ncontent-length: 5000\netag: \"1\"\naccept-ranges: bytes"), "gzip");
  EXPECT_EQ(field("content-length"), "");
  EXPECT_EQ(field("etag"), "W/\"1\"");
  EXPECT_EQ(field("accept-ranges"), "");
  EXPECT_EQ(field("vary"), "Accept-Encoding");
  EXPECT_EQ(coding("content-type: text/html\netag: W/\"1\"\nvary: Origin, accept-encoding"), "gzip");
  EXPECT_EQ(field("etag"), "W/\"1\"");
  EXPECT_EQ(seat_->response().headers.fields().size(), 4u) << "no second Vary";
}

TEST_F(Compress, WhoCannotReadItGetsItAsItIsAndCachesAreTold) {
  EXPECT_EQ(coding("content-type: text/html\netag: \"1\"", 200, "deflate"), "");
  EXPECT_EQ(field("vary"), "Accept-Encoding");
  EXPECT_EQ(field("etag"), "\"1\"");
  EXPECT_EQ(coding("content-type: text/html\ncontent-length: 5000", 200, "gzip", http::Method::Head), "");
  EXPECT_EQ(field("vary"), "Accept-Encoding");
  EXPECT_EQ(field("content-length"), "5000");
}

TEST_F(Compress, SoManyAtATimeAndNoMore) {
  filter_ = test::made("compress", "{max_streams: 1}");
  test::Seat first, second;
  for (test::Seat* seat : {&first, &second}) {
    seat->request().headers.add("Accept-Encoding", "br");
    seat->response().status = 200;
    seat->response().headers.add("content-type", "text/html");
    EXPECT_EQ(filter_->on_response(*seat), Verdict::Continue);
  }
  EXPECT_EQ(first.noted, "compress br\n");
  EXPECT_EQ(second.noted, "compress over_limit\n");
  EXPECT_EQ(second.response().headers.find(HeaderId::ContentEncoding), nullptr);
  filter_->on_complete(first);
  filter_->on_complete(second);
  EXPECT_EQ(coding("content-type: text/html"), "gzip");
}

TEST_F(Compress, AnAnswerInPlaceOfAnotherBeginsAnew) {
  BlockPool blocks;
  test::Seat seat;
  seat.request().headers.add("Accept-Encoding", "gzip");
  seat.response().status = 200;
  seat.response().headers.add("content-type", "text/html");
  Buffer data(blocks);
  data.append("old");
  (void)filter_->on_response(seat);
  (void)filter_->on_response_body(seat, data, false);
  seat.response().headers.remove(HeaderId::ContentEncoding);
  (void)filter_->on_response(seat);
  data.clear();
  data.append("new");
  (void)filter_->on_response_body(seat, data, true);
  EXPECT_EQ(gunzip(data.text()), "new");
  filter_->on_complete(seat);
}

TEST_F(Compress, ComplainsAboutWhatItDoesNotUnderstand) {
  using test::complaint_of;
  EXPECT_EQ(
      complaint_of("compress", "{types: [text/*, application/json], min: 1KiB, algorithms: [zstd, br, gzip], max_streams: 8}"),
      "");
  EXPECT_EQ(complaint_of("compress", "{types: [\"*/*\"]}"), "types: expected types like text/html or text/*, got \"*/*\"");
  EXPECT_EQ(complaint_of("compress", "{types: [html]}"), "types: expected types like text/html or text/*, got \"html\"");
  EXPECT_EQ(complaint_of("compress", "{algorithms: [deflate]}"), "algorithms: expected zstd, br and gzip, got \"deflate\"");
  EXPECT_EQ(complaint_of("compress", "{algorithms: [br, br]}"), "algorithms: \"br\" is there twice");
  EXPECT_EQ(complaint_of("compress", "{algorithms: []}"), "algorithms: expected zstd, br and gzip, or some of them");
  EXPECT_EQ(complaint_of("compress", "{max_streams: 0}").substr(0, 13), "max_streams: ");
  EXPECT_EQ(complaint_of("compress", "{level: 9}").substr(0, 7), "level: ");
}

}  // namespace
}  // namespace outrider::filters
