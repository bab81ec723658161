// Whoever dies at whatever byte: the other side gets all of a message or sees that it did not.

#include <gtest/gtest.h>

#include <atomic>

#include "tests/support/origin.h"
#include "tests/support/quiet.h"
#include "tests/support/wires.h"

namespace outrider::test {
namespace {

struct Form {
  const char* name;
  std::string head, body;    // as the origin sends them
  std::string content;       // what the client is to have of it
  bool until_close = false;  // a FIN anywhere in the body is an end like any other
};

const Form kForms[] = {
    {"content_length", "HTTP/1.1 200 OK\r\nContent-Length: 26\r\nX-One: two\r\n\r\n", "abcdefghijklmnopqrstuvwxyz",
     "abcdefghijklmnopqrstuvwxyz"},
    {"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n6;x=1\r\n world\r\n0\r\nX-End: 1\r\n\r\n",
     "hello world"},
    {"until_close", "HTTP/1.1 200 OK\r\nX-Until: close\r\n\r\n", "abcdefghijkl", "abcdefghijkl", true},
    {"interim", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "abc", "abc"},
};

enum class By { Fin, Rst };

// What a client makes of it, by nothing but the bytes it has: interim answers are passed over.
std::optional<Message> final_answer(Stream& client) {
  auto answer = client.read_message();
  while (answer && answer->status() >= 100 && answer->status() < 200) answer = client.read_message();
  return answer;
}

class Death : public ::testing::TestWithParam<std::tuple<Form, By, const char*, Wires>> {};

TEST_P(Death, AnEndpointThatDiesAtAnyByteNeverLooksWhole) {
  const auto& [form, by, version, wires] = GetParam();
  const std::string all = form.head + form.body;
  std::atomic<size_t> cut{0};
  Origin origin([&, by = by](Stream& connection) {
    if (!connection.read_message()) return;
    connection.send(all.substr(0, cut));
    if (by == By::Rst) connection.abort();
  });
  Chain chain(wires);
  Proxy& proxy = chain.start({chain.to(origin)}, "retry: off, panic: 100%");
  for (cut = 0; cut <= all.size(); ++cut) {
    SCOPED_TRACE("cut at byte " + std::to_string(cut) + " of " + std::to_string(all.size()));
    Stream client = chain.connect();
    client.send(std::string("GET / ") + version + "\r\nHost: web\r\n\r\n");
    const auto answer = final_answer(client);
    if (!answer) {  // closed before a final answer: visible
      EXPECT_LT(cut, all.size());
      continue;
    }
    if (answer->status() == 502) {
      EXPECT_TRUE(answer->whole);
      // A reset stream takes with it what had not gone on; a FIN of HTTP/1 comes behind it.
      EXPECT_LT(cut, by == By::Rst ? all.size() + 1 : wires.http2_out ? all.size() : form.head.size());
      EXPECT_NE(answer->field("x-outrider-reason"), "");
      continue;
    }
    EXPECT_EQ(answer->status(), 200);
    if (form.until_close && by == By::Fin) {
      EXPECT_EQ(answer->body, form.body.substr(0, cut - form.head.size()));
    } else if (answer->whole) {
      EXPECT_EQ(answer->body, form.content);
    } else {
      EXPECT_LT(cut, by == By::Rst ? all.size() + 1 : all.size());
    }
    EXPECT_TRUE(answer->whole || cut < all.size() || by == By::Rst);
    if (::testing::Test::HasFailure()) return;
  }
  chain.expect_quiet();
  if (!wires.http2_out) proxy.expect_metric(0, "outrider_cluster_connections_active");
}

INSTANTIATE_TEST_SUITE_P(Forms, Death,
                         ::testing::Combine(::testing::ValuesIn(kForms), ::testing::Values(By::Fin, By::Rst),
                                            ::testing::Values("HTTP/1.1", "HTTP/1.0"),
                                            ::testing::Values(Wires{false, false}, Wires{true, true})),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) +
                                  (std::get<1>(info.param) == By::Fin ? "_fin" : "_rst") +
                                  (std::string_view(std::get<2>(info.param)).ends_with("0") ? "_for_http10" : "_for_http11") +
                                  "_by_" + name_of(std::get<3>(info.param));
                         });

class DeathOfAClient : public EveryPair {};
OUTRIDER_EVERY_PAIR(DeathOfAClient);

// The other way round: the endpoint never takes half a request for a whole one, and nothing stays behind.
TEST_P(DeathOfAClient, AtAnyByteOfItsRequest) {
  const std::string all = "POST /a HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
  std::atomic<int> whole{0};
  Origin origin([&](Stream& connection) {
    while (const auto message = connection.read_message()) {
      if (!message->whole) return;
      ++whole;
      if (!connection.send(ok("fine"))) return;
    }
  });
  chain.start({chain.to(origin)});
  for (size_t cut = 0; cut < all.size(); ++cut)
    for (const By by : {By::Fin, By::Rst}) {
      Stream client = chain.connect();
      client.send(all.substr(0, cut));
      by == By::Fin ? client.close() : client.abort();
    }
  chain.expect_quiet();
  EXPECT_EQ(whole, 0);
  EXPECT_EQ(request(chain.address(), all).body, "fine");
  EXPECT_EQ(whole, 1);
}

// A client that leaves while its answer is on the way takes its attempt with it.
TEST_P(DeathOfAClient, InTheMiddleOfItsAnswer) {
  std::atomic<int> cut_off{0};
  Origin origin([&](Stream& connection) {
    if (!connection.read_message()) return;
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (connection.send("400\r\n" + std::string(1024, 'x') + "\r\n")) {}
    ++cut_off;
  });
  Proxy& proxy = chain.start({chain.to(origin)});
  for (int i = 0; i < 6; ++i) {
    Stream client = chain.connect();
    client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n");
    client.read_exactly(size_t(100 + 5000 * i));
    i % 2 ? client.close() : client.abort();
  }
  chain.expect_quiet();
  if (!chain.wires().http2_out) proxy.expect_metric(0, "outrider_cluster_connections_active");
  proxy.expect_metric(6, "outrider_requests_total", "flag=\"downstream_gone\"");
}

}  // namespace
}  // namespace outrider::test
