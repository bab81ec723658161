// What endpoints say that they should not, and what the client is told of it. Whatever it is, the next request on the
// client's connection gets its own answer or none.

#include <future>

#include "tests/conformance/table.h"

// clang-format off
namespace outrider::test {
namespace {

struct Said {
  const char* name;
  const char* rfc;                     // of RFC 9112 unless it says otherwise
  std::string says;                    // the endpoint, to the first request; then it closes, or serves on
  bool closes;
  const char* client;                  // "200 body", "200 body!" when it is visibly cut, "502 reason"
  const char* method = "GET";
};

const std::string kPoison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

// Answers requests for /second with "second", and all others as the row says.
void check(const Said& row, bool bridged) {
  SCOPED_TRACE(std::string(row.name) + " (" + row.rfc + ")" + (bridged ? " over HTTP/2" : ""));
  Origin origin([&row](Stream& connection) {
    while (const auto request = connection.read_message()) {
      const bool second = request->start.find(" /second ") != std::string::npos;
      if (!connection.send(second ? ok("second") : row.says)) return;
      if (!second && row.closes) return;
    }
  });
  Path path(origin.text(), bridged, "retry: {attempts: 0}");
  Proxy& proxy = path.proxy;
  Stream client = proxy.connect();
  client.send(std::string(row.method) + " /first HTTP/1.1\r\nHost: web\r\n\r\n");
  std::string seen;
  auto answer = client.read_message(row.method == std::string_view("HEAD"));
  for (; answer && answer->status() < 200; answer = client.read_message()) seen += std::to_string(answer->status()) + " ";
  if (answer) {
    const std::string reason = answer->field("x-outrider-reason");
    seen += std::to_string(answer->status()) + " " + (reason.empty() ? answer->body : reason) + (answer->whole ? "" : "!");
    EXPECT_EQ(answer->count("x-injected"), 0u);
  }
  EXPECT_EQ(bridged ? settled(seen, row.client) : seen, row.client);
  client.send("GET /second HTTP/1.1\r\nHost: web\r\n\r\n");
  const auto second = client.read_message();
  if (second) {
    EXPECT_EQ(second->start, "HTTP/1.1 200 OK");
    EXPECT_EQ(second->body, "second");
  }
  EXPECT_EQ(request(proxy.address(), "GET /second HTTP/1.1\r\nHost: web\r\n\r\n").body, "second");
}

void check(const Said& row) {
  for (const bool bridged : {false, true}) check(row, bridged);
}

TEST(Responses, AreReadAsTheyAreFramed) {
  for (const Said& row : {
           Said{"a length", "6.2", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", false, "200 hi"},
           Said{"chunks", "7.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", false, "200 hi"},
           Said{"until the end", "6.3", "HTTP/1.1 200 OK\r\n\r\nhi", true, "200 hi"},
           Said{"until the end, HTTP/1.0", "6.3", "HTTP/1.0 200 OK\r\n\r\nhi", true, "200 hi"},
           Said{"no phrase", "4", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nhi", false, "200 hi"},
           Said{"a status of no class we know", "RFC 9110 15", "HTTP/1.1 799 Odd\r\nContent-Length: 2\r\n\r\nhi", false, "799 hi"},
           Said{"interim ones first", "RFC 9110 15.2", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", false, "103 200 hi"},
           Said{"to HEAD, with a length", "6.3", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", false, "200 ", "HEAD"},
           Said{"204", "6.3", "HTTP/1.1 204 No Content\r\n\r\n", false, "204 "},
           Said{"304 with a length", "6.3", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", false, "304 "},
       })
    check(row);
}

TEST(Responses, ThatCannotBeReadAreABadGateway) {
  for (const Said& row : {
           Said{"no HTTP at all", "4", "SSH-2.0-OpenSSH_9.2p1\r\n\r\n", false, "502 bad_status_line"},
           Said{"another HTTP", "2.3", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, "502 bad_status_line"},
           Said{"a status of two digits", "4", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", false, "502 bad_status_line"},
           Said{"a status below all", "4", "HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n", false, "502 bad_status_line"},
           Said{"both framings", "6.3", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, "502 content_length_and_transfer_encoding"},
           Said{"two lengths", "6.3", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 50\r\n\r\nhi" + kPoison, false, "502 duplicate_content_length"},
           Said{"a length that is none", "6.3", "HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nhi", false, "502 bad_content_length"},
           Said{"a negative length", "6.3", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhi", false, "502 bad_content_length"},
           Said{"a coding that is not chunked", "6.3", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi", true, "502 bad_transfer_encoding"},
           Said{"a coding nobody here undoes", "6.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", false, "502 transfer_coding_not_implemented"},
           Said{"chunks in HTTP/1.0", "6.1", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, "502 transfer_encoding_in_http10"},
           Said{"a folded line", "5.2", "HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 0\r\n\r\n", false, "502 folded_line"},
           Said{"space before a colon", "5.1", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", false, "502 space_before_colon"},
           Said{"LF alone", "2.2", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", false, "502 bare_lf"},
           Said{"CR alone: a field split in two", "11.1", "HTTP/1.1 200 OK\r\nX: y\rX-Injected: 1\r\nContent-Length: 0\r\n\r\n", false, "502 bare_cr"},
           Said{"a NUL", "RFC 9110 5.5", std::string("HTTP/1.1 200 OK\r\nX: y\0z\r\nContent-Length: 0\r\n\r\n", 47), false, "502 nul_byte"},
           Said{"a switch nobody asked for", "RFC 9110 15.2.2", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" + kPoison, false, "502 unexpected_upgrade"},
           Said{"a blank line first", "4", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, "502 blank_line"},
           Said{"a head without an end", "RFC 9110 5.4", "HTTP/1.1 200 OK\r\nX: " + std::string(100000, 'x') + "\r\n\r\n", false, "502 head_too_large"},
           Said{"nothing", "9.5", "", true, "502 upstream_closed"},
           Said{"half a head", "8", "HTTP/1.1 200 OK\r\nContent-Le", true, "502 response_cut_short"},
       })
    check(row);
}

TEST(Responses, ThatAreCutAreSeenToBeCut) {
  for (const Said& row : {
           Said{"in a body of declared length", "8", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", true, "200 hi!"},
           Said{"in a chunk", "8", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi", true, "200 hi!"},
           Said{"between chunks", "8", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", true, "200 hi!"},
           Said{"before the last line", "8", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n", true, "200 hi!"},
           Said{"by a chunk that is none", "7.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nzz\r\n", false, "200 hi!"},
           Said{"by a chunk longer than it says", "7.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi!!\r\n0\r\n\r\n", false, "200 hi!"},
           Said{"by a size with LF alone", "7.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n2\nho\r\n0\r\n\r\n", false, "200 hi!"},
           Said{"by a trailer that frames", "7.1.2", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nContent-Length: 9\r\n\r\n", false, "200 hi!"},
       })
    check(row);
}

TEST(Responses, WhatIsBehindThemIsNobodysAnswer) {
  for (const Said& row : {
           Said{"another response behind a length", "9.2", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi" + kPoison, false, "200 hi"},
           Said{"another response behind chunks", "9.2", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" + kPoison, false, "200 hi"},
           Said{"a body behind HEAD", "6.3", "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kPoison.size()) + "\r\n\r\n" + kPoison, false, "200 ", "HEAD"},
           Said{"a body behind 204", "6.3", "HTTP/1.1 204 No Content\r\nContent-Length: " + std::to_string(kPoison.size()) + "\r\n\r\n" + kPoison, false, "204 "},
           Said{"a body behind 304", "6.3", "HTTP/1.1 304 Not Modified\r\nContent-Length: " + std::to_string(kPoison.size()) + "\r\n\r\n" + kPoison, false, "304 "},
           Said{"a body longer than its length", "9.2", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi there", false, "200 hi"},
           Said{"more behind a close", "9.6", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi" + kPoison, false, "200 hi"},
       })
    check(row);
}

// The second response comes alone, while the connection rests: it ends the connection.
TEST(Responses, WhatComesLateIsNobodysAnswerEither) {
  std::promise<bool> closed;
  Origin origin([&](Stream& connection) {
    while (const auto request = connection.read_message()) {
      connection.send(ok(request->start));
      if (request->start.find("/odd") == std::string::npos) continue;
      connection.send(kPoison);
      return closed.set_value(connection.at_end());
    }
  });
  Proxy proxy(Proxy::edge({origin.text()}));
  Stream client = proxy.connect();
  client.send("GET /odd HTTP/1.1\r\nHost: web\r\n\r\n");
  const auto odd = client.read_message();
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->body, "GET /odd HTTP/1.1");
  EXPECT_TRUE(closed.get_future().get());
  client.send("GET /even HTTP/1.1\r\nHost: web\r\n\r\n");
  const auto even = client.read_message();
  ASSERT_TRUE(even);
  EXPECT_EQ(even->body, "GET /even HTTP/1.1");
}

TEST(Responses, AFloodOfInterimOnesEndsInABadGateway) {
  Origin origin([](Stream& connection) {
    if (!connection.read_message()) return;
    const std::string field = "X: " + std::string(8000, 'x') + "\r\n";
    for (int i = 0; i < 1000; ++i)
      if (!connection.send("HTTP/1.1 102 Processing\r\n" + field + "\r\n")) return;
  });
  Proxy proxy(Proxy::edge({origin.text()}, "retry: {attempts: 0}"));
  Stream client = proxy.connect();
  client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n");
  int interim = 0;
  auto answer = client.read_message();
  for (; answer && answer->status() == 102; answer = client.read_message()) ++interim;
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 502);
  EXPECT_EQ(answer->field("x-outrider-reason"), "too_many_interim");
  EXPECT_LT(interim, 200);
}

}  // namespace
}  // namespace outrider::test
