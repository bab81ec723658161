#include "tests/unit/http/three_ways.h"

namespace outrider::http {
namespace {

std::string answered(int number) { return "HTTP/1.1 200 OK\r\nN: " + std::to_string(number) + "\r\nContent-Length: 0\r\n\r\n"; }

std::string closing(int status, const char* phrase) {
  return "HTTP/1.1 " + std::to_string(status) + " " + phrase + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
}

const std::string kChat = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket, x\r\n\r\n";
const char kChatTold[] =
    "head GET /chat upgrade=websocket @a [Host: a] [Connection: keep-alive, Upgrade] [Upgrade: websocket, x]";

// --- what is read --------------------------------------------------------------------------------------------------

TEST(H1Server, ReadsARequestWithoutABody) {
  const auto t = requests("GET /a?b=c HTTP/1.1\r\nHost: web:80\r\nX-MiXed: \t one  two \t\r\nx-mixed:\r\n\r\n");
  EXPECT_EQ(t.events, lines({"head GET /a?b=c @web:80 [Host: web:80] [X-MiXed: one  two] [x-mixed: ]", "end"}));
  EXPECT_EQ(t.written, answered(1));
  EXPECT_TRUE(t.reusable);
}

TEST(H1Server, ReadsABodyOfDeclaredLength) {
  const auto t = requests("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello\r\n\r\nX:");
  EXPECT_EQ(t.events, lines({"head POST / @a [Host: a] [Content-Length: 11]", "body hello\r\n\r\nX:", "end"}));
  EXPECT_TRUE(t.reusable);
}

TEST(H1Server, ABodyOfLengthZeroIsNoBody) {
  const auto t = requests("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 000\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(t.events, lines({"head POST / @a [Host: a] [Content-Length: 000]", "end", "head GET /2 @a [Host: a]", "end"}));
}

TEST(H1Server, ReadsChunksAndTrailers) {
  const auto t = requests(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "4\r\nwiki\r\n005;a=b;c=\"d\"\r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n0\r\nX-Sum: 23\r\nDate: now\r\n\r\n");
  EXPECT_EQ(t.events, lines({"head POST / @a [Host: a] [Transfer-Encoding: Chunked]", "body wikipedia in\r\n\r\nchunks.",
                             "trailers [X-Sum: 23] [Date: now]", "end"}));
  EXPECT_EQ(t.written, answered(1));
  EXPECT_TRUE(t.reusable);
}

TEST(H1Server, TrailersThatSayNothingAreAnEndLikeAnyOther) {
  EXPECT_EQ(requests("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n000\r\n\r\n").events,
            lines({"head POST / @a [Host: a] [Transfer-Encoding: chunked]", "body abc", "end"}));
  EXPECT_EQ(requests("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").events,
            lines({"head POST / @a [Host: a] [Transfer-Encoding: chunked]", "end"}));
  // A field that was to be acted on with the head comes too late.
  EXPECT_EQ(requests("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: x\r\n\r\n").events,
            lines({"head POST / @a [Host: a] [Transfer-Encoding: chunked]", "end"}));
}

TEST(H1Server, AnswersPipelinedRequestsInOrder) {
  const auto t = requests(
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
      "PUT /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
      "HEAD /4 HTTP/1.1\r\nHost: a\r\n\r\nGET /5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
      "GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(t.events, lines({"head GET /1 @a [Host: a]", "end", "head POST /2 @a [Host: a] [Content-Length: 2]", "body hi", "end",
                             "head PUT /3 @a [Host: a] [Transfer-Encoding: chunked]", "body x", "end",
                             "head HEAD /4 @a [Host: a]", "end", "head GET /5 @a [Host: a] [Connection: close]", "end"}));
  EXPECT_EQ(t.written, answered(1) + answered(2) + answered(3) + "HTTP/1.1 200 OK\r\nN: 4\r\n\r\n" +
                           "HTTP/1.1 200 OK\r\nN: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_FALSE(t.reusable);
}

TEST(H1Server, SkipsAFewBlankLinesBeforeARequest) {
  EXPECT_EQ(requests("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n").events,
            lines({"head GET / @a [Host: a]", "end", "head GET /2 @a [Host: a]", "end"}));
  EXPECT_EQ(requests("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").events, lines({"reset blank_line 400"}));
}

TEST(H1Server, KnowsTheFormsOfATarget) {
  EXPECT_EQ(requests("GET http://b:81/x?y HTTP/1.1\r\nX: 1\r\nHost: a\r\n\r\n").events,
            lines({"head GET /x?y absolute @b:81 [X: 1] [Host: b:81]", "end"}));
  EXPECT_EQ(requests("GET HTTPS://b HTTP/1.1\r\nHost: b\r\n\r\n").events, lines({"head GET / absolute @b [Host: b]", "end"}));
  EXPECT_EQ(requests("GET http://b?q HTTP/1.1\r\nHost: b\r\n\r\n").events, lines({"head GET /?q absolute @b [Host: b]", "end"}));
  EXPECT_EQ(requests("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").events, lines({"head OPTIONS * asterisk @a [Host: a]", "end"}));
  EXPECT_EQ(requests("OPTIONS http://b HTTP/1.1\r\nHost: b\r\n\r\n").events,
            lines({"head OPTIONS * absolute @b [Host: b]", "end"}));
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHost:\r\n\r\n").events, lines({"head GET / @ [Host: ]", "end"}));
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n").events, lines({"head GET / @[::1]:80 [Host: [::1]:80]", "end"}));
}

// --- tunnels -----------------------------------------------------------------------------------------------------------

TEST(H1Server, NothingBehindATunnelsHeadIsReadAsARequest) {
  ServerScript refusing;
  refusing.on_head = [](Rig& rig, RecordingStream& stream) { respond(rig, stream, 501, true); };
  auto t = requests("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", refusing);
  EXPECT_EQ(t.events, lines({"head CONNECT  authority @a:443 [Host: a:443]"}));
  EXPECT_FALSE(t.reusable);
  t = requests(kChat + "GET / HTTP/1.1\r\nHost: a\r\n\r\n", refusing);
  EXPECT_EQ(t.events, lines({kChatTold}));
  EXPECT_EQ(t.written, closing(501, "Not Implemented"));
  EXPECT_FALSE(t.reusable);
}

TEST(H1Server, NothingBehindATunnelsHeadIsToldBeforeItIsOpen) {
  const auto t = requests(kChat + "abc", {.fin = true});
  EXPECT_EQ(t.events, lines({kChatTold}));
  EXPECT_EQ(t.written, "");
}

TEST(H1Server, AnOpenTunnelIsBytesUntilItsEnd) {
  ServerScript script;
  script.on_head = [](Rig& rig, RecordingStream& stream) { respond(rig, stream, 101, false); };
  auto t = requests(kChat + "GET / HTTP/1.1\r\n\r\n", script);
  EXPECT_EQ(t.events, lines({kChatTold, "body GET / HTTP/1.1\r\n\r\n"}));
  EXPECT_EQ(t.written, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  script.fin = true;
  t = requests(kChat, script);
  EXPECT_EQ(t.events, lines({kChatTold, "end"}));
  EXPECT_FALSE(t.reusable);
}

// RFC 9110 7.8: whatever comes after the body would be another protocol, and the offer need not be taken up.
TEST(H1Server, AnUpgradeWithABodyIsARequestLikeAnyOther) {
  const auto t = requests(
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nhi"
      "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(t.events, lines({"head POST / @a [Host: a] [Connection: Upgrade] [Upgrade: x] [Content-Length: 2]", "body hi", "end",
                             "head GET /2 @a [Host: a]", "end"}));
}

TEST(H1Server, AnUpgradeToWhatIsNoProtocolIsNone) {
  for (const char* offer : {"", "h2c", "H2C, h2c", "a b", "a/", "/1", "a/b/c"})
    EXPECT_TRUE(requests("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: " + std::string(offer) + "\r\n\r\n")
                    .events.ends_with("end\n"))
        << offer;
  EXPECT_TRUE(requests("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c, spdy/3.1\r\n\r\n")
                  .events.starts_with("head GET / upgrade=spdy/3.1 "));
}

TEST(H1Server, AnUpgradeNobodyAskedForProperlyIsNone) {
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n").events,
            lines({"head GET / @a [Host: a] [Upgrade: websocket]", "end"}));
  EXPECT_EQ(requests("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").events,
            lines({"head GET / 1.0 @ [Connection: upgrade] [Upgrade: websocket]", "end"}));
}

// RFC 9110 7.8: a server may go on without it, and clients offer it to everybody.
TEST(H1Server, AnOfferOfHttp2InClearTextIsNotTakenUp) {
  const auto t = requests(
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAQ\r\n"
      "Content-Length: 2\r\n\r\nhi");
  EXPECT_EQ(t.events,
            lines({"head POST / @a [Host: a] [Connection: Upgrade, HTTP2-Settings] [Upgrade: h2c] [HTTP2-Settings: AAQ] "
                   "[Content-Length: 2]",
                   "body hi", "end"}));
  EXPECT_TRUE(t.reusable);
}

// --- HTTP/1.0 --------------------------------------------------------------------------------------------------------

TEST(H1Server, OldRequestsEndTheirConnectionUnlessTheySayOtherwise) {
  auto t = requests("GET / HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\n\r\n");
  EXPECT_EQ(t.events, lines({"head GET / 1.0 @", "end"}));
  EXPECT_EQ(t.written, "HTTP/1.1 200 OK\r\nN: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_FALSE(t.reusable);
  t = requests("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n");
  EXPECT_EQ(t.events, lines({"head GET / 1.0 @ [Connection: Keep-Alive]", "end", "head GET /2 1.0 @", "end"}));
  EXPECT_TRUE(t.written.starts_with("HTTP/1.1 200 OK\r\nN: 1\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"));
}

TEST(H1Server, OldRequestsCanBeSwitchedOff) {
  ServerScript script;
  script.limits.http10 = false;
  EXPECT_EQ(requests("GET / HTTP/1.0\r\n\r\n", script).events, lines({"reset version_not_supported 505"}));
}

// --- limits ------------------------------------------------------------------------------------------------------------

TEST(H1Server, LimitsAreAnsweredWithTheirOwnStatus) {
  ServerScript script;
  script.limits.max_header_bytes = 64;
  script.limits.max_headers = 3;
  EXPECT_EQ(requests("GET /" + std::string(60, 'p') + " HTTP/1.1\r\nHost: a\r\n\r\n", script).events,
            lines({"reset target_too_long 414"}));
  auto t = requests("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(60, 'x') + "\r\n\r\n", script);
  EXPECT_EQ(t.events, lines({"reset head_too_large 431"}));
  EXPECT_EQ(t.written, closing(431, "Request Header Fields Too Large"));
  EXPECT_FALSE(t.reusable);
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", script).events,
            lines({"reset too_many_fields 431"}));
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\n\r\n", script).events,
            lines({"head GET / @a [Host: a] [A: 1] [B: 2]", "end"}));
}

TEST(H1Server, TheLargestHeadThatIsAllowedPasses) {
  ServerScript script;
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\nX: yyyyyyyy\r\n\r\n";
  script.limits.max_header_bytes = uint32_t(head.size());
  EXPECT_EQ(requests(head, script).events, lines({"head GET / @a [Host: a] [X: yyyyyyyy]", "end"}));
  script.limits.max_header_bytes -= 1;
  EXPECT_EQ(requests(head, script).events, lines({"reset head_too_large 431"}));
}

TEST(H1Server, TrailersHaveTheLimitsOfHeads) {
  ServerScript script;
  script.limits.max_header_bytes = 80;
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n";
  EXPECT_EQ(requests(head + "X: " + std::string(100, 'x') + "\r\n\r\n", script).events,
            lines({"head POST / @a [Host: a] [Transfer-Encoding: chunked]", "body x", "reset trailers_too_large 431"}));
}

TEST(H1Server, ChunkExtensionsAreBounded) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  Rig rig(Role::Server, {});
  RecordingStream stream(rig, 1);
  rig.serve = [&](StreamId) { return &stream; };
  rig.read(head + "1;" + std::string(5000, 'e') + "\r\nx\r\n");
  EXPECT_TRUE(rig.events.ends_with("reset chunk_extensions_too_long 400\n")) << rig.events;
  Rig many(Role::Server, {});
  RecordingStream other(many, 1);
  many.serve = [&](StreamId) { return &other; };
  std::string chunks = head;
  for (int i = 0; i < 100; ++i) chunks += "1;" + std::string(500, 'e') + "\r\nx\r\n";
  many.read(chunks);
  EXPECT_TRUE(many.events.ends_with("reset chunk_extensions_too_long 400\n")) << many.events;
}

// --- what is refused -------------------------------------------------------------------------------------------------

struct Bad {
  const char* bytes;
  const char* event;
};

class H1ServerRefuses : public ::testing::TestWithParam<Bad> {};

TEST_P(H1ServerRefuses, AndAnswersOnce) {
  const auto t = requests(GetParam().bytes);
  EXPECT_EQ(t.events, std::string("reset ") + GetParam().event + "\n") << GetParam().bytes;
  EXPECT_NE(t.written.find("Connection: close\r\n\r\n"), std::string::npos);
  EXPECT_FALSE(t.reusable);
}

const Bad kBadHeads[] = {
    // the line (RFC 9112 3)
    {"GET\r\n\r\n", "bad_request_line 400"},
    {"GET /\r\n\r\n", "missing_version 400"},
    {"GET / \r\n\r\n", "bad_request_line 400"},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "bad_request_line 400"},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "bad_request_line 400"},
    {"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", "missing_version 400"},
    {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", "space_before_start_line 400"},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", "bad_request_line 400"},
    {"GET / HTTP/1.10\r\nHost: a\r\n\r\n", "bad_request_line 400"},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "version_not_supported 505"},
    {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "version_not_supported 505"},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "version_not_supported 505"},
    {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "bad_method 400"},
    {"get / HTTP/1.1\r\nHost: a\r\n\r\n", "method_not_implemented 501"},
    {"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "method_not_implemented 501"},
    {"SOURCE / HTTP/1.1\r\nHost: a\r\n\r\n", "method_not_implemented 501"},
    {"GET / ICE/1.0\r\nHost: a\r\n\r\n", "bad_request_line 400"},
    {"OPTIONS * RTSP/1.0\r\n\r\n", "bad_request_line 400"},
    // the target
    {"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "fragment_in_target 400"},
    {"GET /a\x80 HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target 400"},
    {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target 400"},
    {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target 400"},
    {"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target 400"},
    {"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target 400"},
    {"GET http://u@b/ HTTP/1.1\r\nHost: b\r\n\r\n", "bad_target 400"},
    {"GET http://b:x/ HTTP/1.1\r\nHost: b\r\n\r\n", "bad_target 400"},
    {"GET ftp://b/ HTTP/1.1\r\nHost: b\r\n\r\n", "scheme_not_supported 400"},
    {"CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target 400"},
    {"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target 400"},
    {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 3\r\n\r\nabc", "connect_with_body 400"},
    // the host (RFC 9112 3.2)
    {"GET / HTTP/1.1\r\n\r\n", "missing_host 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "duplicate_host 400"},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "bad_host 400"},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "bad_host 400"},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "bad_host 400"},
    {"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", "bad_host 400"},
    {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "bad_host 400"},
    {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "bad_host 400"},
    // fields (RFC 9112 5)
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "space_before_colon 400"},
    {"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", "space_before_colon 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", "bad_field_name 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", "empty_field_name 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX(: y\r\n\r\n", "bad_field_name 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", "bad_field_value 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", "bad_field_value 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\n X: y\r\n\r\n", "folded_line 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\n\tX: y\r\n\r\n", "folded_line 400"},
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "folded_line 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: y\n\r\n", "bare_lf 400"},
    {"GET / HTTP/1.1\nHost: a\r\n\r\n", "bare_lf 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", "bare_lf 400"},
    {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "bare_lf 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: y\rZ: w\r\n\r\n", "bare_cr 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX:\rTransfer-Encoding: chunked\r\n\r\n", "bare_cr 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n", "bare_cr 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", "bare_cr 400"},
    {"GET / HTTP/1.1\rHost: a\r\n\r\n", "bare_cr 400"},
    {"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", "bare_cr 400"},
    // framing (RFC 9112 6)
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "content_length_and_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
     "content_length_and_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "duplicate_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\ncontent-length: 4\r\n\r\nabc", "duplicate_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 0\r\n\r\nabc", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3.0\r\n\r\nabc", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 184467440737095516160\r\n\r\n", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "duplicate_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
     "duplicate_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", "bad_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "bad_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n", "bad_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "bad_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", "bad_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "bad_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", "bad_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
     "chunked\r\n\r\n0\r\n\r\n",
     "bad_field_value 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "transfer_coding_not_implemented 501"},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "transfer_encoding_in_http10 400"},
};

INSTANTIATE_TEST_SUITE_P(Heads, H1ServerRefuses, ::testing::ValuesIn(kBadHeads));

TEST(H1Server, ANulByteIsNoPartOfAHead) {
  using namespace std::string_literals;
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n"s).events, lines({"reset nul_byte 400"}));
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n"s).events, lines({"reset nul_byte 400"}));
  EXPECT_EQ(requests("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"s).events, lines({"reset bad_target 400"}));
}

TEST(H1Server, RefusesBrokenChunks) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string seen = "head POST / @a [Host: a] [Transfer-Encoding: chunked]\n";
  const Bad kBad[] = {
      {"0x1\r\nx\r\n", "bad_chunk_size 400"},
      {"-1\r\nx\r\n", "bad_chunk_size 400"},
      {"+1\r\nx\r\n", "bad_chunk_size 400"},
      {" 1\r\nx\r\n", "bad_chunk_size 400"},
      {"1 \r\nx\r\n", "bad_chunk_size 400"},
      {"1 ;e\r\nx\r\n", "bad_chunk_size 400"},
      {"1;\x01\r\nx\r\n", "bad_chunk_extension 400"},
      {"\r\nx\r\n", "bad_chunk_size 400"},
      {"g\r\nx\r\n", "bad_chunk_size 400"},
      {"1_0\r\nx\r\n", "bad_chunk_size 400"},
      {"1\nx\r\n", "bare_lf 400"},
      {"1;e\nx\r\n", "bare_lf 400"},
      {"1\r\r\nx\r\n", "bad_chunk_size 400"},
      {"1;a\r\r\nx\r\n", "bad_chunk_extension 400"},
      {";a\r\nx\r\n", "bad_chunk_size 400"},
      {"10000000000000000\r\nx\r\n", "bad_chunk_size 400"},
      {"fffffffffffffffff\r\nx\r\n", "bad_chunk_size 400"},
  };
  for (const Bad& bad : kBad) EXPECT_EQ(requests(head + bad.bytes).events, seen + "reset " + bad.event + "\n") << bad.bytes;
  EXPECT_EQ(requests(head + "1\r\nxy\r\n").events, seen + "body x\nreset bad_chunk_end 400\n");
  EXPECT_EQ(requests(head + "1\r\nx\n0\r\n\r\n").events, seen + "body x\nreset bad_chunk_end 400\n");
  EXPECT_EQ(requests(head + "1\r\nx0\r\n\r\n").events, seen + "body x\nreset bad_chunk_end 400\n");
  for (const Bad& bad : {Bad{"Content-Length: 3", "forbidden_trailer 400"}, Bad{"Transfer-Encoding: chunked", "bad_trailer 400"},
                         Bad{"Host: b", "forbidden_trailer 400"}, Bad{" X: y", "folded_line 400"},
                         Bad{"X : y", "bad_trailer 400"}, Bad{": y", "empty_field_name 400"}, Bad{"X: \x01", "bad_trailer 400"}})
    EXPECT_EQ(requests(head + "0\r\n" + bad.bytes + "\r\n\r\n").events, seen + "reset " + bad.event + "\n") << bad.bytes;
  EXPECT_EQ(requests(head + "0\r\nX: y\n\r\n").events, seen + "reset bare_lf 400\n");
  EXPECT_EQ(requests(head + "0\r\n\n").events, seen + "reset bare_lf 400\n");
}

// --- written leniently, where that was asked for ---------------------------------------------------------------------

TEST(H1Server, WhereToldToItForgivesLineEndsAndFolds) {
  ServerScript script;
  script.limits.strict = false;
  EXPECT_EQ(requests("GET / HTTP/1.1\nHost: a\nX: one\n  two\n\n", script).events,
            lines({"head GET / @a [Host: a] [X: one    two]", "end"}));
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHost: a\r\nX: one\r\n\ttwo\r\n\r\n", script).events,
            lines({"head GET / @a [Host: a] [X: one  \ttwo]", "end"}));
  // What decides where a message ends is never forgiven.
  EXPECT_EQ(requests("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", script).events,
            lines({"reset content_length_and_transfer_encoding 400"}));
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHost: a\r\nX:\rTransfer-Encoding: chunked\r\n\r\n", script).events,
            lines({"reset bare_cr 400"}));
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHost : a\r\n\r\n", script).events, lines({"reset space_before_colon 400"}));
  EXPECT_EQ(requests("GET / HTTP/1.1\r\n Host: a\r\n\r\n", script).events, lines({"reset folded_line 400"}));
}

// --- ends --------------------------------------------------------------------------------------------------------------

TEST(H1Server, AFinBetweenRequestsIsAnEndAndInsideOneAnError) {
  ServerScript script;
  script.fin = true;
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHost: a\r\n\r\n", script).events,
            lines({"head GET / @a [Host: a]", "end", "fatal client_closed"}));
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHo", script).events, lines({"fatal request_cut_short"}));
  EXPECT_EQ(
      requests("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel", script).events,
      lines({"head POST / @a [Host: a] [Content-Length: 5]", "body hel", "reset request_cut_short", "fatal request_cut_short"}));
  EXPECT_EQ(requests("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", script).events,
            lines({"head POST / @a [Host: a] [Transfer-Encoding: chunked]", "body hel", "reset request_cut_short",
                   "fatal request_cut_short"}));
}

// --- step by step: who answers late, early, twice, or not at all -----------------------------------------------------

struct Server {
  explicit Server(const CodecLimits& limits = {}) : rig(Role::Server, limits) {
    rig.serve = [this](StreamId id) { return &streams.emplace_back(rig, id); };
  }
  RecordingStream& stream() { return streams.back(); }
  void respond(uint16_t status, bool end, std::initializer_list<std::pair<const char*, const char*>> fields = {}) {
    Arena arena;
    ResponseHead head(arena);
    head.status = status;
    for (const auto& [name, value] : fields) head.headers.add(name, value);
    rig.codec->send_response(stream().id, head, end);
    rig.take_output();
  }
  bool body(std::string_view bytes, bool end) {  // false: not all of it was taken
    Buffer data(rig.pool);
    data.append(bytes);
    rig.codec->send_body(stream().id, data, end);
    const bool all = data.empty();
    rig.take_output();
    return all;
  }
  std::deque<RecordingStream> streams;  // before the rig, whose codec may still tell them something
  Rig rig;
};

const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string kPost = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n";

TEST(H1Server, WhatIsBehindARequestWaitsForItsAnswer) {
  Server s;
  s.rig.read(kGet + "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(s.streams.size(), 1u);
  EXPECT_FALSE(s.rig.codec->wants_input());
  s.respond(204, true);
  EXPECT_TRUE(s.rig.hungry);
  s.rig.turn();
  EXPECT_EQ(s.streams.size(), 2u);
  EXPECT_EQ(s.stream().request.path, "/2");
}

TEST(H1Server, InterimAnswersComeBeforeTheRealOne) {
  Server s;
  s.rig.read("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  Arena arena;
  ResponseHead interim(arena);
  interim.status = 100;
  s.rig.codec->send_interim(1, interim);
  interim.status = 103;
  interim.headers.add("Link", "</x>");
  interim.headers.add("Content-Length", "7");
  s.rig.codec->send_interim(1, interim);
  s.rig.read("hi");
  s.respond(200, true);
  interim.status = 102;
  s.rig.codec->send_interim(1, interim);  // too late
  s.rig.take_output();
  EXPECT_EQ(s.rig.written,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

TEST(H1Server, AnOldClientHearsNoInterimAnswer) {
  Server s;
  s.rig.read("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  Arena arena;
  ResponseHead interim(arena);
  interim.status = 103;
  s.rig.codec->send_interim(1, interim);
  s.rig.take_output();
  EXPECT_EQ(s.rig.written, "");
}

TEST(H1Server, ASwitchOfProtocolsIsNotForUsToSend) {
  Server s;
  s.rig.read(kGet);
  Arena arena;
  ResponseHead interim(arena);
  interim.status = 101;
  s.rig.codec->send_interim(1, interim);
  s.rig.take_output();
  EXPECT_EQ(s.rig.written, "");
}

TEST(H1Server, AnAnswerBeforeTheBodyIsTheLastOne) {
  Server s;
  s.rig.read("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  s.respond(403, true);
  EXPECT_EQ(s.rig.written, closing(403, "Forbidden"));
  s.rig.codec->detach(1);
  EXPECT_FALSE(s.rig.codec->reusable());
  s.rig.read("defghij" + kGet);
  EXPECT_EQ(s.streams.size(), 1u);
}

TEST(H1Server, AnAnswerBeforeABodyThatIsAllHereKeepsTheConnection) {
  Server s;
  s.rig.serve = [&](StreamId id) {
    auto& stream = s.streams.emplace_back(s.rig, id);
    stream.takes = false;
    return &stream;
  };
  s.rig.codec = make_codec(Wire::Http1, Role::Server, s.rig, s.rig.pool, {.buffer = 4});
  s.rig.input.append(kPost + "0123456789" + kGet);
  ASSERT_TRUE(s.rig.codec->feed(s.rig.input));
  EXPECT_TRUE(s.rig.events.ends_with("body 0123456789\nend\n") || s.rig.events.ends_with("body 0123\n")) << s.rig.events;
  s.respond(403, true);
  s.rig.codec->detach(1);
  s.rig.turn();
  EXPECT_EQ(s.rig.written, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(s.streams.size(), 2u);
  EXPECT_TRUE(s.rig.codec->reusable());
}

TEST(H1Server, BodiesGoOutAsTheirHeadSays) {
  Server s;
  s.rig.read(kGet);
  s.respond(200, false, {{"Content-Length", "5"}});
  s.body("he", false);
  s.body("llo", true);
  EXPECT_EQ(s.rig.written, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_TRUE(s.rig.codec->reusable());
  s.rig.written.clear();
  s.rig.read(kGet);
  s.respond(200, false);
  s.body("hello world, this is it", false);
  s.body("", true);
  EXPECT_EQ(s.rig.written, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n17\r\nhello world, this is it\r\n0\r\n\r\n");
  EXPECT_TRUE(s.rig.codec->reusable());
  s.rig.written.clear();
  s.rig.read("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  s.respond(200, false);
  s.body("hello", true);
  EXPECT_EQ(s.rig.written, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
  EXPECT_FALSE(s.rig.codec->reusable());
  EXPECT_FALSE(s.rig.codec->broken());
}

TEST(H1Server, TrailersGoOutBehindChunksAndOnlyThoseThatMay) {
  Server s;
  s.rig.read(kGet);
  s.respond(200, false);
  s.body("x", false);
  Arena arena;
  HeaderMap trailers(arena);
  trailers.add("X-Sum", "1");
  trailers.add("Content-Length", "9");
  trailers.add("Set-Cookie", "a=b");
  trailers.add("X-Bad", "a\r\nb");
  s.rig.codec->send_trailers(1, trailers);
  s.rig.take_output();
  EXPECT_TRUE(s.rig.written.ends_with("\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n")) << s.rig.written;
}

TEST(H1Server, AnswersWithoutBodiesSendNone) {
  for (const uint16_t status : {204, 304}) {
    Server s;
    s.rig.read(kGet);
    s.respond(status, false, {{"Content-Length", "5"}});
    s.body("hello", true);
    EXPECT_EQ(s.rig.written.find("hello"), std::string::npos);
    EXPECT_EQ(s.rig.written.find("Content-Length: 5") != std::string::npos, status == 304);
    EXPECT_TRUE(s.rig.codec->reusable());
    EXPECT_FALSE(s.rig.codec->broken());
  }
  Server s;
  s.rig.read("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  s.respond(200, false, {{"Content-Length", "5"}});
  s.body("hello", true);
  EXPECT_EQ(s.rig.written, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  EXPECT_TRUE(s.rig.codec->reusable());
}

TEST(H1Server, ABodyThatIsNotAsLongAsPromisedBreaksTheConnection) {
  Server shorter;
  shorter.rig.read(kGet);
  shorter.respond(200, false, {{"Content-Length", "5"}});
  shorter.body("he", true);
  EXPECT_TRUE(shorter.rig.codec->broken());
  EXPECT_FALSE(shorter.rig.codec->reusable());
  Server longer;
  longer.rig.read(kGet);
  longer.respond(200, false, {{"Content-Length", "2"}});
  longer.body("he", false);
  longer.body("llo", true);
  EXPECT_TRUE(longer.rig.codec->broken());
  EXPECT_EQ(longer.rig.written.find("llo"), std::string::npos);
}

TEST(H1Server, AnAnswerThatIsGivenUpBreaksTheConnection) {
  for (const bool by_reset : {true, false}) {
    Server s;
    s.rig.read(kGet);
    s.respond(200, false);
    s.body("half", false);
    if (by_reset) s.rig.codec->reset(1, Reset::Internal);
    else s.rig.codec->detach(1);
    EXPECT_TRUE(s.rig.codec->broken());
    EXPECT_FALSE(s.rig.codec->reusable());
    EXPECT_EQ(s.rig.codec->open_streams(), 0u);
  }
}

TEST(H1Server, FieldsThatWouldEndTheirOwnLineAreNotWritten) {
  Server s;
  s.rig.read(kGet);
  s.respond(200, true,
            {{"X-A", "b\r\nX-Injected: 1"},
             {"X-B\r\nX-Injected", "1"},
             {"X C", "1"},
             {"X-D", "fine"},
             {"Connection", "X-D"},
             {"Transfer-Encoding", "gzip"},
             {"Content-Length", "7"}});
  EXPECT_EQ(s.rig.written, "HTTP/1.1 200 OK\r\nX-D: fine\r\nContent-Length: 0\r\n\r\n");
}

TEST(H1Server, ADrainMakesTheNextAnswerTheLast) {
  Server s;
  s.rig.read(kGet);
  s.rig.codec->drain();
  s.respond(200, true);
  EXPECT_TRUE(s.rig.written.ends_with("Connection: close\r\n\r\n"));
  EXPECT_FALSE(s.rig.codec->reusable());
}

TEST(H1Server, WhatIsNotTakenStopsTheReading) {
  Server s({.buffer = 100});
  s.rig.read("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
  s.stream().takes = false;
  s.rig.read(std::string(99, 'x'));
  EXPECT_TRUE(s.rig.codec->wants_input());
  s.rig.read("y");
  EXPECT_FALSE(s.rig.codec->wants_input());
  s.rig.read("zzz");
  EXPECT_EQ(s.rig.input.size(), 3u);
  s.rig.codec->consumed(1, 50);
  EXPECT_TRUE(s.rig.hungry);
  s.rig.turn();
  EXPECT_EQ(s.rig.input.size(), 0u);
}

TEST(H1Server, WhatIsNotWrittenStopsTheSending) {
  Server s({.buffer = 1000});
  s.rig.read(kGet);
  Arena arena;
  ResponseHead head(arena);
  head.status = 200;
  s.rig.codec->send_response(1, head, false);
  Buffer data(s.rig.pool);
  int pieces = 0;
  for (; data.empty() && pieces < 100; ++pieces) {
    data.append(std::string(300, 'x'));
    s.rig.codec->send_body(1, data, false);
  }
  EXPECT_LT(pieces, 10);
  EXPECT_EQ(s.stream().sendables, 0);
  s.rig.take_output();
  EXPECT_EQ(s.stream().sendables, 1);
  s.rig.codec->send_body(1, data, true);
  EXPECT_TRUE(data.empty());
}

// Many small requests whose answers nobody reads must not fill the memory.
TEST(H1Server, AnswersThatNobodyReadsStopTheNextRequests) {
  Server s({.buffer = 1000});
  s.rig.serve = [&](StreamId id) {
    auto& stream = s.streams.emplace_back(s.rig, id);
    stream.on_ended = [&] {
      Arena arena;
      ResponseHead head(arena);
      head.status = 200;
      s.rig.codec->send_response(stream.id, head, true);
    };
    return &stream;
  };
  for (int i = 0; i < 1000; ++i) s.rig.input.append(kGet);
  do {
    s.rig.hungry = false;
    ASSERT_TRUE(s.rig.codec->feed(s.rig.input));
  } while (s.rig.hungry);
  EXPECT_LT(s.streams.size(), 100u);
  EXPECT_FALSE(s.rig.codec->wants_input());
  s.rig.take_output();
  while (s.rig.hungry) s.rig.turn();
  EXPECT_EQ(s.streams.size(), 1000u);
}

TEST(H1Server, AHalfClosedClientStillGetsItsAnswer) {
  Server s;
  s.rig.read(kGet);
  s.rig.finish();
  EXPECT_FALSE(s.rig.fatal);
  s.respond(200, true);
  EXPECT_TRUE(s.rig.written.ends_with("Connection: close\r\n\r\n"));
  EXPECT_FALSE(s.rig.codec->reusable());
}

TEST(H1Server, ALostConnectionIsToldOnce) {
  Server s;
  s.rig.read(kPost);
  s.rig.codec->lost({Code::Protocol, Side::Local, Retry::Yes, 0, "gone", 400});
  s.rig.codec->lost({Code::Closed, Side::Local, Retry::No, 0, "again"});
  EXPECT_TRUE(s.rig.events.ends_with("\nreset gone\n")) << s.rig.events;
}

TEST(H1Server, ARequestThatIsHalfThereCanBeRefused) {
  const Error late{Code::Timeout, Side::Downstream, Retry::No, 0, "late", 408};
  Server nothing;
  nothing.rig.codec->refuse(late);
  EXPECT_EQ(nothing.rig.events, "");
  Server half;
  half.rig.read("GET / HT");
  half.rig.codec->refuse(late);
  EXPECT_EQ(half.rig.events, "reset late 408\n");
  half.respond(408, true);
  EXPECT_EQ(half.rig.written, closing(408, "Request Timeout"));
  Server body;
  body.rig.read(kPost + "abc");
  body.rig.codec->refuse(late);
  EXPECT_TRUE(body.rig.events.ends_with("body abc\nreset late 408\n")) << body.rig.events;
  Server whole;
  whole.rig.read(kGet);
  whole.rig.codec->refuse(late);
  EXPECT_TRUE(whole.rig.events.ends_with("end\n"));
}

TEST(H1Server, AStreamNobodyWillServeEndsTheConnection) {
  Rig rig(Role::Server, {});
  rig.read(kGet);
  EXPECT_TRUE(rig.fatal);
  EXPECT_EQ(rig.events, "fatal stream_refused\n");
}

}  // namespace
}  // namespace outrider::http
