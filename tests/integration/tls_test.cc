// TLS from clients, through the whole proxy on loopback.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/random.h"
#include "tests/support/origin.h"
#include "tests/support/quiet.h"
#include "tests/support/seed.h"
#include "tests/support/tls.h"
#include "tests/unit/http/frames.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";

struct Tls : testing::Test {
  Certificates certificates;
  TlsClient client{certificates};
  std::unique_ptr<Origin> origin = Origin::answering(
      [](const Message& request) { return ok(request.body.empty() ? request.field("x-forwarded-proto") : request.body); });
  void expect_handshakes(Proxy& proxy, double n, const char* result) {
    proxy.expect_metric(n, "outrider_tls_handshakes_total", std::string("result=\"") + result + "\"");
  }
};

TEST_F(Tls, RequestsPassAndAreSaidToBeOfHttps) {
  Proxy proxy(Proxy::edge({origin->text()}, "", certificates.listener()));
  auto stream = client.connect(proxy.address(), "http/1.1");
  ASSERT_TRUE(stream);
  EXPECT_EQ(client.protocol, "http/1.1");
  for (int i = 0; i < 3; ++i) {
    stream->send(kGet);
    const auto answer = stream->read_message();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, "https");
  }
  EXPECT_EQ(origin->connections(), 1);
  stream->close();
  expect_handshakes(proxy, 1, "ok");
  expect_quiet(proxy);
}

TEST_F(Tls, BothVersionsOfHttpAreOfferedAndTheNewerIsTaken) {
  Proxy proxy(Proxy::edge({origin->text()}, "", certificates.listener()));
  auto stream = client.connect(proxy.address(), "h2");
  ASSERT_TRUE(stream);
  EXPECT_EQ(client.protocol, "h2");
  stream->send(http::kPreface + http::frame(4, 0, 0, "") + http::headers(1, http::request_fields({})));
  EXPECT_TRUE(stream->read_until("https")) << "the body of the answer";
}

// More requests at once than are read in one turn, and more bytes than one read takes: what has been decrypted is not
// forgotten.
TEST_F(Tls, ManyStreamsAtOnceAreAllServed) {
  Proxy proxy(Proxy::edge({origin->text()}, "", certificates.listener()));
  auto stream = client.connect(proxy.address(), "h2");
  ASSERT_TRUE(stream);
  constexpr uint32_t kStreams = 120;
  std::string all = http::kPreface + http::frame(4, 0, 0, "");
  for (uint32_t i = 0; i < kStreams; ++i)
    all += http::headers(1 + 2 * i, http::request_fields({{"x-" + std::to_string(i), std::string(800, char('a' + i % 26))}}));
  // In one piece, as if the proxy had been busy for a moment.
  BIO* records = BIO_new(BIO_s_mem());
  SSL_set0_wbio(client.last, records);
  SSL_write(client.last, all.data(), int(all.size()));
  char* bytes = nullptr;
  const long n = BIO_get_mem_data(records, &bytes);
  ASSERT_EQ(::send(stream->fd(), bytes, size_t(n), MSG_NOSIGNAL), n);
  SSL_set0_wbio(client.last, BIO_new_socket(stream->fd(), BIO_NOCLOSE));
  for (uint32_t ended = 0; ended < kStreams; ++ended) ASSERT_TRUE(stream->read_until("https")) << ended << " were served";
}

TEST_F(Tls, WhatAListenerDoesNotSpeakIsRefused) {
  Proxy proxy(Proxy::edge({origin->text()}, "", "protocol: http1, " + certificates.listener()));
  EXPECT_FALSE(client.connect(proxy.address(), "h2"));
  expect_handshakes(proxy, 1, "tls_no_shared_protocol");
  EXPECT_TRUE(client.connect(proxy.address())) << "a client that does not say";
}

// More than sockets and records hold, both ways; a reader who takes his time.
TEST_F(Tls, LongBodiesPassBothWays) {
  Proxy proxy(Proxy::edge({origin->text()}, "timeout: 0", "http: {max_body: off}, " + certificates.listener()));
  auto stream = client.connect(proxy.address());
  ASSERT_TRUE(stream);
  stream->set_buffers(16384);
  Random random = seeded_random();
  const std::string body = random_bytes(random, 5'000'001);
  std::thread sender([&] {
    stream->send("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n");
    for (size_t at = 0; at < body.size(); at += 100'000) stream->send(std::string_view(body).substr(at, 100'000));
  });
  sender.join();
  const auto answer = stream->read_message();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->body == body);
  stream->close();
  expect_quiet(proxy);
}

// The client's handshake and its request arrive in pieces of any size.
TEST_F(Tls, RecordsMayComeByteByByte) {
  Proxy proxy(Proxy::edge({origin->text()}, "", certificates.listener()));
  Stream socket = Stream::connect(proxy.address());
  SSL* ssl = SSL_new(client.context());
  BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl, in, out);
  SSL_set_connect_state(ssl);
  const auto flush = [&] {
    char byte;
    while (BIO_read(out, &byte, 1) == 1) ASSERT_TRUE(socket.send({&byte, 1}));
  };
  const auto fill = [&] {
    const std::string some = socket.read_some(1);
    ASSERT_FALSE(some.empty());
    BIO_write(in, some.data(), int(some.size()));
  };
  while (SSL_do_handshake(ssl) != 1 && !testing::Test::HasFailure()) {
    flush();
    fill();
  }
  SSL_write(ssl, kGet.data(), int(kGet.size()));
  flush();
  std::string answer;
  char part[1000];
  while (!answer.ends_with("https") && !testing::Test::HasFailure()) {
    const int n = SSL_read(ssl, part, sizeof part);
    if (n > 0) answer.append(part, size_t(n));
    else fill();
  }
  SSL_free(ssl);
}

TEST_F(Tls, ASessionIsResumedByEveryWorker) {
  Proxy proxy(Proxy::edge({origin->text()}, "", certificates.listener()), {"overload.threads=2"});
  {
    auto first = client.connect(proxy.address());
    ASSERT_TRUE(first);
    EXPECT_FALSE(client.resumed);
    first->send(kGet);
    ASSERT_TRUE(first->read_message());
    client.keep_session();
  }
  for (int i = 0; i < 16; ++i) {
    auto next = client.connect(proxy.address());
    ASSERT_TRUE(next);
    EXPECT_TRUE(client.resumed);
  }
}

TEST_F(Tls, WhatIsNoTlsIsRefusedAndCounted) {
  Proxy proxy(Proxy::edge({origin->text()}, "", certificates.listener()));
  Stream plain = Stream::connect(proxy.address());
  plain.send(kGet);
  plain.read_all();
  expect_handshakes(proxy, 1, "tls_plain_http");
  Stream other = Stream::connect(proxy.address());
  other.send("SSH-2.0-OpenSSH_9.2\r\n");
  other.read_all();
  expect_handshakes(proxy, 1, "tls_not_tls");
  SSL_CTX_set_max_proto_version(client.context(), TLS1_1_VERSION);
  EXPECT_FALSE(client.connect(proxy.address()));
  proxy.expect_metric(3, "outrider_connections_closed_total", "reason=\"tls\"");
  EXPECT_EQ(origin->connections(), 0);
  expect_quiet(proxy);
}

TEST_F(Tls, OfAClientACertificateMayBeAsked) {
  Proxy proxy(Proxy::edge({origin->text()}, "", certificates.listener("client_ca: " + certificates.ca())));
  SSL_CTX_set_max_proto_version(client.context(), TLS1_2_VERSION);  // there a client hears of it in the handshake
  EXPECT_FALSE(client.connect(proxy.address()));
  expect_handshakes(proxy, 1, "tls_no_certificate");
  const Certificates strangers;
  SSL_CTX_use_certificate_chain_file(client.context(), strangers.cert().c_str());
  SSL_CTX_use_PrivateKey_file(client.context(), strangers.key().c_str(), SSL_FILETYPE_PEM);
  EXPECT_FALSE(client.connect(proxy.address()));
  expect_handshakes(proxy, 1, "tls_certificate_refused");
  SSL_CTX_use_certificate_chain_file(client.context(), certificates.cert().c_str());
  SSL_CTX_use_PrivateKey_file(client.context(), certificates.key().c_str(), SSL_FILETYPE_PEM);
  auto stream = client.connect(proxy.address());
  ASSERT_TRUE(stream);
  stream->send(kGet);
  EXPECT_TRUE(stream->read_message());
}

TEST_F(Tls, AHandshakeThatDoesNotEndIsEnded) {
  Proxy proxy(Proxy::edge({origin->text()}, "", "timeouts: {tls: 100ms}, " + certificates.listener()));
  Stream silent = Stream::connect(proxy.address());
  EXPECT_TRUE(silent.at_end());
  expect_handshakes(proxy, 1, "tls_timeout");
  expect_quiet(proxy);
}

TEST_F(Tls, AnAnswerThatIsCutDoesNotLookWhole) {
  Origin cutting([](Stream& connection) {
    if (!connection.read_message()) return;
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  });
  Proxy proxy(Proxy::edge({cutting.text()}, "", certificates.listener()));
  auto stream = client.connect(proxy.address());
  ASSERT_TRUE(stream);
  stream->send("GET /a HTTP/1.0\r\nHost: web\r\n\r\n");  // for this client the end of the connection is the body's
  const auto answer = stream->read_message();
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->whole);
}

TEST_F(Tls, AnAnswerThatEndsWithItsConnectionEndsAsTlsDoes) {
  Origin closing([](Stream& connection) {
    if (connection.read_message()) connection.send("HTTP/1.0 200 OK\r\n\r\nhello");
  });
  Proxy proxy(Proxy::edge({closing.text()}, "", certificates.listener()));
  auto stream = client.connect(proxy.address());
  ASSERT_TRUE(stream);
  stream->send("GET /a HTTP/1.0\r\nHost: web\r\n\r\n");
  const auto answer = stream->read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "hello");
  EXPECT_TRUE(answer->whole);
}

// Ended by TLS for TCP: a server that speaks first, bulk both ways, and a half-close.
TEST_F(Tls, TcpPassesWithItsHalfCloses) {
  Random random = seeded_random();
  const std::string bytes = random_bytes(random, 3'000'000);
  std::atomic<bool> right{false};
  Origin speaking([&](Stream& connection) {
    connection.send("hello\n");
    right = connection.read_all() == bytes;
    connection.send(bytes);
  });
  Proxy proxy(Proxy::edge({speaking.text()}, "protocol: tcp", "protocol: tcp, " + certificates.listener()));
  auto stream = client.connect(proxy.address());
  ASSERT_TRUE(stream);
  EXPECT_EQ(stream->read_until("\n"), "hello\n");
  stream->send(bytes);
  stream->finish_sending();
  EXPECT_TRUE(stream->read_all() == bytes);
  EXPECT_FALSE(stream->ended_by_reset());
  EXPECT_TRUE(right);
  stream->close();
  expect_quiet(proxy);
}

}  // namespace
}  // namespace outrider::test
