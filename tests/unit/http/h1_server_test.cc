#include "tests/unit/http/three_ways.h"

namespace outrider::http {
namespace {

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

}  // namespace
}  // namespace outrider::http
