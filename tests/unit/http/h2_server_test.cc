// What a server makes of frames (RFC 9113).

#include "tests/unit/http/h2_server.h"

namespace outrider::http {
namespace {

TEST(H2Server, ReadsARequestAndWritesAResponse) {
  const auto heard = to_server(headers(1, request_fields({{"accept", "*/*"}})));
  EXPECT_EQ(heard.events, "head GET /a @web [Host: web] [accept: */*]\nend\n");
  EXPECT_EQ(heard.frames, kOk);
}

TEST(H2Server, ABodyComesInDataFramesAndEndsWithTheLast) {
  const auto heard = to_server(headers(1, request_fields({}, "POST"), kEndHeaders) + data(1, "abc") + data(1, "def", true));
  EXPECT_EQ(heard.events, "head POST /a @web [Host: web]\nbody abcdef\nend\n");
  EXPECT_EQ(heard.frames, kOk);
}

TEST(H2Server, PaddingIsNoBody) {
  const auto heard = to_server(headers(1, request_fields({}, "POST"), kEndHeaders) +
                               frame(NGHTTP2_DATA, kPadded | kEndStream, 1, std::string("\3abc", 4) + std::string(3, '\0')));
  EXPECT_EQ(heard.events, "head POST /a @web [Host: web]\nbody abc\nend\n");
}

TEST(H2Server, TrailersEndARequest) {
  const auto heard =
      to_server(headers(1, request_fields({}, "POST"), kEndHeaders) + data(1, "abc") + headers(1, {{"x-sum", "1"}}));
  EXPECT_EQ(heard.events, "head POST /a @web [Host: web]\nbody abc\ntrailers [x-sum: 1]\nend\n");
}

TEST(H2Server, AHeaderBlockMayBeContinued) {
  const std::string whole = block(request_fields());
  const auto heard = to_server(frame(NGHTTP2_HEADERS, kEndStream, 1, whole.substr(0, 5)) +
                               frame(NGHTTP2_CONTINUATION, 0, 1, whole.substr(5, 5)) +
                               frame(NGHTTP2_CONTINUATION, kEndHeaders, 1, whole.substr(10)));
  EXPECT_EQ(heard.events, "head GET /a @web [Host: web]\nend\n");
}

TEST(H2Server, CookieCrumbsAreOneFieldAgain) {
  const auto heard = to_server(headers(1, request_fields({{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}, {"cookie", "c=3"}})));
  EXPECT_EQ(heard.events, "head GET /a @web [Host: web] [cookie: a=1; b=2; c=3] [x: y]\nend\n");
}

TEST(H2Server, HostStandsInForAuthorityAndMustNotDifferFromIt) {
  EXPECT_EQ(to_server(headers(1, {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "b"}})).events,
            "head GET / @b [host: b]\nend\n");
  EXPECT_EQ(to_server(headers(1, request_fields({{"host", "WEB"}}))).events, "head GET /a @web [Host: web]\nend\n");
  const auto differ = to_server(headers(1, request_fields({{"host", "other"}})));
  EXPECT_EQ(differ.events, "reset host_and_authority_differ\n");
  EXPECT_EQ(differ.frames, "RST_STREAM 1 PROTOCOL_ERROR\n");
}

TEST(H2Server, ConnectHasAnAuthorityAndNothingElse) {
  const auto heard =
      to_server(headers(1, {{":method", "CONNECT"}, {":authority", "db:5432"}}, kEndHeaders) + data(1, "hi", true));
  EXPECT_EQ(heard.events, "head CONNECT  authority @db:5432 [Host: db:5432]\nbody hi\nend\n");
}

// Its SETTINGS, an answer to PING: what no stream has a part in.
TEST(H2Server, TellsOfOutputThatIsItsOwnAffair) {
  Rig rig(Role::Server, {}, Wire::Http2);
  for (const auto& bytes : {kPreface + frame(NGHTTP2_SETTINGS, 0, 0), frame(NGHTTP2_PING, 0, 0, "12345678")}) {
    rig.input.append(bytes);
    rig.outputs = 0;
    ASSERT_TRUE(rig.codec->feed(rig.input));
    EXPECT_GT(rig.outputs, 0);
    rig.take_output();
  }
  EXPECT_NE(rig.written.find("12345678"), std::string::npos);
}

TEST(H2Server, ExtendedConnectNamesItsProtocol) {
  const auto heard = to_server(headers(
      1, {{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "http"}, {":path", "/chat"}, {":authority", "web"}},
      kEndHeaders));
  EXPECT_EQ(heard.events, "head CONNECT /chat upgrade=websocket @web [Host: web]\n");
}

// RFC 9113 8.1.1: malformed requests are stream errors; the connection goes on.
struct Malformed {
  const char* what;
  Fields fields;
};
class H2Malformed : public testing::TestWithParam<Malformed> {};

TEST_P(H2Malformed, IsAStreamErrorAndTheConnectionGoesOn) {
  const auto heard = to_server(headers(1, GetParam().fields));
  EXPECT_EQ(heard.events.substr(0, 6), "reset ") << heard;
  EXPECT_EQ(heard.frames, "RST_STREAM 1 PROTOCOL_ERROR\n");
  Server server;
  server.rig.read(headers(1, GetParam().fields) + headers(3, request_fields()));
  EXPECT_EQ(server.frames(), "RST_STREAM 1 PROTOCOL_ERROR\nHEADERS 3 [:status: 200]\nDATA 3 end yes\n");
}

INSTANTIATE_TEST_SUITE_P(
    Rfc9113, H2Malformed,
    testing::Values(
        Malformed{"8.2.1 upper case in a name", request_fields({{"Accept", "*/*"}})},
        Malformed{"8.2.1 a space in a name", request_fields({{"a b", "c"}})},
        Malformed{"8.2.1 a colon in a name", request_fields({{"a:b", "c"}})},
        Malformed{"8.2.1 CR in a value", request_fields({{"a", "b\rc"}})},
        Malformed{"8.2.1 LF in a value", request_fields({{"a", "b\nevil: yes"}})},
        Malformed{"8.2.1 NUL in a value", request_fields({{"a", std::string("b\0c", 3)}})},
        Malformed{"8.2.1 white space before a value", request_fields({{"a", " b"}})},
        Malformed{"8.2.1 white space behind a value", request_fields({{"a", "b\t"}})},
        Malformed{"8.2.2 Connection", request_fields({{"connection", "close"}})},
        Malformed{"8.2.2 Keep-Alive", request_fields({{"keep-alive", "timeout=5"}})},
        Malformed{"8.2.2 Proxy-Connection", request_fields({{"proxy-connection", "close"}})},
        Malformed{"8.2.2 Transfer-Encoding", request_fields({{"transfer-encoding", "chunked"}})},
        Malformed{"8.2.2 Upgrade", request_fields({{"upgrade", "h2c"}})},
        Malformed{"8.2.2 TE other than trailers", request_fields({{"te", "gzip"}})},
        Malformed{"8.3 a pseudo-field behind a field", {{":method", "GET"}, {":scheme", "http"}, {"a", "b"}, {":path", "/"}}},
        Malformed{"8.3 an unknown pseudo-field", request_fields({{":version", "2"}})},
        Malformed{"8.3 a response's pseudo-field", request_fields({{":status", "200"}})},
        Malformed{"8.3 a pseudo-field twice", request_fields({{":path", "/b"}})},
        Malformed{"8.3.1 no method", {{":scheme", "http"}, {":path", "/"}, {":authority", "web"}}},
        Malformed{"8.3.1 no scheme", {{":method", "GET"}, {":path", "/"}, {":authority", "web"}}},
        Malformed{"8.3.1 no path", {{":method", "GET"}, {":scheme", "http"}, {":authority", "web"}}},
        Malformed{"8.3.1 an empty path", {{":method", "GET"}, {":scheme", "http"}, {":path", ""}, {":authority", "web"}}},
        Malformed{"8.3.1 a path without its slash",
                  {{":method", "GET"}, {":scheme", "http"}, {":path", "a"}, {":authority", "web"}}},
        Malformed{"8.3.1 a space in the path",
                  {{":method", "GET"}, {":scheme", "http"}, {":path", "/a b"}, {":authority", "web"}}},
        Malformed{"8.3.1 a fragment", {{":method", "GET"}, {":scheme", "http"}, {":path", "/a#b"}, {":authority", "web"}}},
        Malformed{"8.3.1 an asterisk for GET", {{":method", "GET"}, {":scheme", "http"}, {":path", "*"}, {":authority", "web"}}},
        Malformed{"8.3.1 user information", {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "me@web"}}},
        Malformed{"8.3.1 an empty authority", {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", ""}}},
        Malformed{"8.3.1 no authority at all", {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}}},
        Malformed{"8.3.1 a method that is no token",
                  {{":method", "G ET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "web"}}},
        Malformed{"8.5 CONNECT with a path", {{":method", "CONNECT"}, {":path", "/"}, {":authority", "web:80"}}},
        Malformed{"8.5 CONNECT without a port", {{":method", "CONNECT"}, {":authority", "web"}}},
        Malformed{"8.1.1 a length and no body", request_fields({{"content-length", "5"}}, "POST")},
        Malformed{"8.1.1 a length that is none", request_fields({{"content-length", "5x"}}, "POST")},
        Malformed{"8.1.1 two lengths", request_fields({{"content-length", "0"}, {"content-length", "1"}}, "POST")}),
    [](const auto& of) { return case_name(of.param.what); });

TEST(H2Server, ABodyThatIsNotAsLongAsItSaidIsAStreamError) {
  const std::string head = headers(1, request_fields({{"content-length", "3"}}, "POST"), kEndHeaders);
  EXPECT_EQ(to_server(head + data(1, "abc", true)).frames, kOk);
  for (const auto& body : {data(1, "ab", true), data(1, "abcd", true), data(1, "ab") + headers(1, {{"x", "y"}})}) {
    Server server;
    server.rig.read(head);
    server.rig.read(body);
    EXPECT_EQ(server.frames(), "RST_STREAM 1 PROTOCOL_ERROR\n");
    EXPECT_TRUE(server.rig.events.ends_with("reset malformed\n")) << server.rig.events;
  }
}

TEST(H2Server, TrailersMustNotFrameOrRoute) {
  for (const auto& [name, value] : Fields{{"content-length", "3"}, {"host", "b"}, {":path", "/"}}) {
    Server server;
    server.rig.read(headers(1, request_fields({}, "POST"), kEndHeaders) + data(1, "abc"));
    server.rig.read(headers(1, {{name, value}}));
    EXPECT_EQ(server.frames(), "RST_STREAM 1 PROTOCOL_ERROR\n") << name;
    EXPECT_FALSE(server.streams[0].whole);
  }
}

TEST(H2Server, AHeadAboveTheLimitsIsAnsweredWith431) {
  Server server({.max_header_bytes = 200, .max_headers = 8});
  server.rig.read(headers(1, request_fields({{"a", std::string(300, 'x')}})));
  EXPECT_EQ(server.frames(), "HEADERS 1 end [:status: 431]\n");
  server.rig.read(headers(3, request_fields({{"a", ""}, {"b", ""}, {"c", ""}, {"d", ""}, {"e", ""}})));
  EXPECT_EQ(server.frames(), "HEADERS 3 end [:status: 431]\n");
  server.rig.read(headers(5, request_fields()));
  EXPECT_EQ(server.frames(), "HEADERS 5 [:status: 200]\nDATA 5 end yes\n");
}

}  // namespace
}  // namespace outrider::http
