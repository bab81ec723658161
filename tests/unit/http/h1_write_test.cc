#include "http/h1_write.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace outrider::http {
namespace {

using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

struct Written {
  std::string bytes;
  BodyOut body;
  bool keep_alive = true;
};

struct Request {
  std::string_view method = "GET", path = "/";
  Fields fields = {};
  bool end = true;
  Form form = Form::Origin;
  std::string_view authority = {};
};

Written write(const Request& what, std::span<const Field> own = {}) {
  BlockPool pool;
  Buffer out(pool);
  Arena arena;
  RequestHead head(arena);
  head.method_text = what.method;
  head.method = method_of(what.method);
  head.path = what.path;
  head.form = what.form;
  head.authority = what.authority;
  for (const auto& [name, value] : what.fields) head.headers.add(name, value);
  const BodyOut body = write_request(out, head, own, what.end);
  return {out.text(), body};
}

Written answer(uint16_t status, Fields fields, ResponseShape shape, std::string_view reason = {}) {
  BlockPool pool;
  Buffer out(pool);
  Arena arena;
  ResponseHead head(arena);
  head.status = status;
  head.reason = reason;
  for (const auto& [name, value] : fields) head.headers.add(name, value);
  const BodyOut body = write_response(out, head, shape);
  return {out.text(), body, shape.keep_alive};
}

TEST(H1Write, RequestsKeepTheirFieldsAndLoseTheirFraming) {
  EXPECT_EQ(write({.fields = {{"hOsT", "a"},
                              {"Connection", "close"},
                              {"X-One", "1"},
                              {"x-one", ""},
                              {"TE", "trailers"},
                              {"Transfer-Encoding", "chunked"},
                              {"Upgrade", "x"},
                              {"Keep-Alive", "5"}}})
                .bytes,
            "GET / HTTP/1.1\r\nhOsT: a\r\nX-One: 1\r\nx-one: \r\n\r\n");
}

TEST(H1Write, RequestsAreFramedByWhatFollows) {
  EXPECT_EQ(write({.method = "POST"}).bytes, "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(write({.method = "DELETE"}).bytes, "DELETE / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(write({.method = "DELETE", .fields = {{"Content-Length", "0"}}}).bytes,
            "DELETE / HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
  const auto length = write({.method = "POST", .fields = {{"Content-Length", "5"}}, .end = false});
  EXPECT_EQ(length.bytes, "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(length.body.kind, BodyOut::Kind::Length);
  EXPECT_EQ(length.body.left, 5u);
  const auto chunked = write({.method = "POST", .end = false});
  EXPECT_EQ(chunked.bytes, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(chunked.body.kind, BodyOut::Kind::Chunked);
  // What declares a body that does not come, twice, or nonsense, declares nothing.
  EXPECT_EQ(write({.method = "POST", .fields = {{"Content-Length", "5"}}}).bytes, "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(write({.method = "PUT", .fields = {{"Content-Length", "5"}, {"content-length", "6"}}, .end = false}).bytes,
            "PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(write({.method = "PUT", .fields = {{"Content-Length", "5, 5"}}, .end = false}).bytes,
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
}

TEST(H1Write, NothingEscapesItsPlaceInARequest) {
  EXPECT_EQ(write({.path = "/a b\r\nX: y\x80"}).bytes, "GET /a%20b%0D%0AX:%20y%80 HTTP/1.1\r\n\r\n");
  EXPECT_EQ(write({.method = "GET /x HTTP/1.1\r\n"}).bytes, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(write({.fields = {{"X\r\nY", "1"}, {"", "2"}, {"Z", "a\r\nb"}, {"W", std::string_view("a\0b", 3)}, {"Host", "a\nb"}}})
                .bytes,
            "GET / HTTP/1.1\r\n\r\n");
}

TEST(H1Write, TargetsGoOutInTheFormAnOriginReads) {
  EXPECT_EQ(write({.path = "", .form = Form::Absolute, .authority = "b"}).bytes, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(write({.method = "OPTIONS", .path = "*", .form = Form::Asterisk}).bytes, "OPTIONS * HTTP/1.1\r\n\r\n");
  EXPECT_EQ(write({.method = "CONNECT", .path = "", .form = Form::Authority, .authority = "a:443"}).bytes,
            "CONNECT a:443 HTTP/1.1\r\n\r\n");
}

TEST(H1Write, FieldsOfOneTryReplaceThoseOfTheHead) {
  const std::array own{Field{.name = "X-Try", .value = "2"}, Field{.id = HeaderId::Host, .name = "Host", .value = "other"},
                       Field{.id = HeaderId::ContentLength, .name = "Content-Length", .value = "9"},
                       Field{.name = "X-New", .value = "n"}};
  EXPECT_EQ(write({.fields = {{"A", "1"}, {"x-try", "0"}, {"B", "2"}, {"X-Try", "1"}, {"Host", "web"}}}, own).bytes,
            "GET / HTTP/1.1\r\nA: 1\r\nX-Try: 2\r\nB: 2\r\nHost: other\r\nX-New: n\r\n\r\n");
}

TEST(H1Write, AHeadLargerThanAnyBlockIsWrittenWhole) {
  const std::string value(300 * 1024, 'v');
  const auto written = write({.fields = {{"A", value}, {"B", value}}});
  EXPECT_EQ(written.bytes, "GET / HTTP/1.1\r\nA: " + value + "\r\nB: " + value + "\r\n\r\n");
}

TEST(H1Write, AnswersAreFramedByWhatFollowsAndWhoAsked) {
  using Kind = BodyOut::Kind;
  auto a = answer(200, {{"Content-Length", "5"}}, {});
  EXPECT_EQ(a.bytes, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(a.body.kind, Kind::Length);
  a = answer(200, {}, {});
  EXPECT_EQ(a.bytes, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(a.body.kind, Kind::Chunked);
  a = answer(200, {}, {.to_http10 = true});
  EXPECT_EQ(a.bytes, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(a.body.kind, Kind::UntilClose);
  EXPECT_FALSE(a.keep_alive);
  a = answer(200, {{"Content-Length", "5"}}, {.to_http10 = true});
  EXPECT_EQ(a.bytes, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n");
  a = answer(200, {}, {.end = true});
  EXPECT_EQ(a.bytes, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  a = answer(200, {{"Content-Length", "7"}}, {.to_head = true});
  EXPECT_EQ(a.bytes, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
  EXPECT_EQ(a.body.kind, Kind::None);
  a = answer(204, {{"Content-Length", "0"}}, {.end = true});
  EXPECT_EQ(a.bytes, "HTTP/1.1 204 No Content\r\n\r\n");
  a = answer(304, {{"Content-Length", "7"}}, {.end = true});
  EXPECT_EQ(a.bytes, "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n");
  EXPECT_EQ(answer(200, {}, {.end = true, .keep_alive = false}).bytes,
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

TEST(H1Write, AnAnswerMayAskForTheEndOfItsConnection) {
  const auto a = answer(200, {{"Connection", "x, Close"}}, {.end = true});
  EXPECT_FALSE(a.keep_alive);
  EXPECT_TRUE(a.bytes.ends_with("Connection: close\r\n\r\n"));
}

TEST(H1Write, PhrasesAreTheServersWhereTheyAreHarmless) {
  EXPECT_TRUE(answer(200, {}, {.end = true}, "Jawohl").bytes.starts_with("HTTP/1.1 200 Jawohl\r\n"));
  EXPECT_TRUE(answer(200, {}, {.end = true}, "a\r\nX: y").bytes.starts_with("HTTP/1.1 200 OK\r\nContent-Length"));
  EXPECT_TRUE(answer(299, {}, {.end = true}).bytes.starts_with("HTTP/1.1 299 \r\n"));
}

TEST(H1Write, PiecesOfEverySizeComeOutWhole) {
  BlockPool pool;
  for (const auto kind : {BodyOut::Kind::Length, BodyOut::Kind::Chunked}) {
    for (const size_t size : {size_t(1), size_t(1024), size_t(1025), size_t(16 * 1024), size_t(16 * 1024 + 1), size_t(300000)}) {
      for (const bool behind_something : {false, true}) {
        Buffer out(pool), data(pool);
        if (behind_something) out.append("head");
        const std::string body(size, 'b');
        data.append(body + "rest");
        write_piece(out, data, size, {kind, size});
        EXPECT_EQ(data.text(), "rest");
        std::string expected = behind_something ? "head" : "";
        char line[32];
        snprintf(line, sizeof line, "%zx\r\n", size);
        expected += kind == BodyOut::Kind::Chunked ? line + body + "\r\n" : body;
        EXPECT_EQ(out.text(), expected) << size;
      }
    }
  }
}

}  // namespace
}  // namespace outrider::http
