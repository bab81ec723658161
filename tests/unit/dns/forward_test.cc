// Names that are somebody else's: asked of others, and handed on as they come. FEATURES row 11.

#include <set>

#include "ground.h"

namespace outrider::dns {
namespace {

namespace wire = test::dns;
using net::DnsType;
using test::DnsReply;
using test::DnsServer;

// A server that answers what a test does with each datagram.
class Odd {
 public:
  using Answers = std::function<std::vector<std::string>(const std::string&)>;
  explicit Odd(Answers answers) : answers_(std::move(answers)), fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const auto any = net::Address::loopback(0);
    if (::bind(fd_.get(), any.raw(), any.length()) != 0 || ::pipe2(wake_, O_CLOEXEC) != 0) std::abort();
    at = net::Address::local_of(fd_.get());
    thread_ = std::thread([this] { serve(); });
  }
  ~Odd() {
    (void)!::write(wake_[1], "x", 1);
    thread_.join();
    for (const int fd : wake_) ::close(fd);
  }
  net::Address at;
  std::set<uint16_t> ports, ids;  // of those who asked; to be read when nobody asks
  std::atomic<int> asked{0};

 private:
  void serve() {
    for (;;) {
      pollfd all[] = {{wake_[0], POLLIN, 0}, {fd_.get(), POLLIN, 0}};
      if (::poll(all, 2, -1) < 0) continue;
      if (all[0].revents) return;
      char bytes[4096];
      sockaddr_in from{};
      socklen_t length = sizeof from;
      const ssize_t n = ::recvfrom(fd_.get(), bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&from), &length);
      if (n < 12) continue;
      ports.insert(ntohs(from.sin_port));
      ids.insert(uint16_t(uint8_t(bytes[0]) << 8 | uint8_t(bytes[1])));
      for (const std::string& answer : answers_({bytes, size_t(n)}))
        ::sendto(fd_.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
      ++asked;
    }
  }
  const Answers answers_;
  test::Fd fd_;
  int wake_[2];
  std::thread thread_;
};

std::string question_of(const std::string& message) {  // without what is behind it
  size_t at = 12;
  while (message[at]) at += size_t(message[at]) + 1;
  return message.substr(12, at + 5 - 12);
}

struct Forwards : Ground {
  void start_with(std::vector<net::Address> servers) {
    settings.upstreams.servers = std::move(servers);
    start();
  }
  DnsServer server;
  Forwards() { server.set("web.test", DnsType::A, {{wire::a("10.0.0.1", 60)}}); }
};

TEST_F(Forwards, OtherNamesAreAskedOfOthersAndTheirAnswerIsHandedOn) {
  server.set("web.test", DnsType::Srv, {{wire::srv(1, 2, 8080, "a.test")}});
  start_with({server.address()});
  const auto seen = ask("web.test");
  EXPECT_EQ(seen.text("web.test", DnsType::A), "10.0.0.1");
  EXPECT_EQ(seen.two(0), 0x1234u) << "with the id it was asked with";
  EXPECT_EQ(ask("web.test", 33).text("web.test", DnsType::Srv), "a.test:8080");
  EXPECT_EQ(a("nobody.test"), "code 3");
  EXPECT_EQ(a("web"), "code 3") << "no search domain is put behind it";
  EXPECT_EQ(results("forwarded"), 4u);
}

TEST_F(Forwards, WhatDoesNotFitIsAskedOnceMoreByTcp) {
  DnsReply large;
  for (int i = 0; i < 200; ++i) large.answers.push_back(wire::a("10.0.0.1"));
  server.set("large.test", DnsType::A, large);
  large.only_tcp = true;
  server.set("cut.test", DnsType::A, large);
  start_with({server.address()});
  for (const char* name : {"large.test", "cut.test"}) {
    const auto cut = ask(name);
    EXPECT_TRUE(cut.cut()) << name;
    EXPECT_LE(cut.bytes.size(), 1232u);
    const auto whole = ask(name, 1, true);
    EXPECT_FALSE(whole.cut());
    EXPECT_EQ(whole.answers(), 200u) << name;
  }
  EXPECT_EQ(server.asked_by_tcp(), 2);
  EXPECT_EQ(ask("large.test", 1, false, 4096).answers(), 200u) << "whoever takes it has it at once";
}

TEST_F(Forwards, ADeadServerCostsOneQuestionAMomentAndTheOthersNothing) {
  const test::Fd dead(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));  // bound, and nobody reads
  const auto any = net::Address::loopback(0);
  ASSERT_EQ(::bind(dead.get(), any.raw(), any.length()), 0);
  settings.upstreams.timeout = milliseconds(100);
  start_with({net::Address::local_of(dead.get()), server.address()});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(a("web.test"), "10.0.0.1");
  EXPECT_EQ(failures("timeout"), 1u);
}

TEST_F(Forwards, WhoRefusesTheConnectionIsNotWaitedFor) {
  const auto gone = [] {
    const test::Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto any = net::Address::loopback(0);
    if (::bind(fd.get(), any.raw(), any.length()) != 0) std::abort();
    return net::Address::local_of(fd.get());
  }();
  settings.upstreams.timeout = seconds(3600);
  start_with({gone, server.address()});
  EXPECT_EQ(a("web.test"), "10.0.0.1");
  EXPECT_EQ(ask("web.test", 1, true).text("web.test", DnsType::A), "10.0.0.1");
  EXPECT_EQ(failures("unreachable"), 1u) << "after that it is asked last";
}

TEST_F(Forwards, OneThatFailsIsNotTheLastWord) {
  DnsServer failing;
  failing.set("web.test", DnsType::A, {{}, {}, 2});
  failing.set("only.test", DnsType::A, {{}, {}, 5});
  server.set("only.test", DnsType::A, {{}, {}, 5});
  start_with({failing.address(), server.address()});
  EXPECT_EQ(a("web.test"), "10.0.0.1");
  EXPECT_EQ(a("only.test"), "code 5") << "what all of them say";
}

TEST_F(Forwards, ForgersAreNotBelieved) {
  Odd liar([](const std::string& asked) {
    const std::string id = asked.substr(0, 2), question = question_of(asked);
    DnsReply wrong{{wire::a("10.6.6.6", 3600)}};
    return std::vector<std::string>{"",
                                    "x",
                                    std::string(40, '\xff'),
                                    wrong.message(std::string{char(~id[0]), id[1]}, question),
                                    wrong.message(id, wire::name("evil.test") + wire::two(1) + wire::two(1)),
                                    wrong.message(id, question.substr(0, question.size() - 4) + wire::two(28) + wire::two(1)),
                                    DnsReply{{wire::a("10.0.0.1")}}.message(id, question)};
  });
  start_with({liar.at});
  EXPECT_EQ(a("web.test"), "10.0.0.1");
  EXPECT_EQ(failures("mismatched"), 6u);
}

TEST_F(Forwards, EachTryHasAPortAndAnIdOfItsOwn) {
  constexpr int kTimes = 64;
  {
    Odd counting([](const std::string& asked) {
      return std::vector<std::string>{DnsReply{{wire::a("10.0.0.1")}}.message(asked.substr(0, 2), question_of(asked))};
    });
    start_with({counting.at});
    for (int i = 0; i < kTimes; ++i) EXPECT_EQ(a("web.test"), "10.0.0.1");
    until("all to be counted", [&] { return counting.asked == kTimes; });
    // By chance two may be the same; half of them are not.
    EXPECT_GT(counting.ports.size(), size_t(kTimes / 2));
    EXPECT_GT(counting.ids.size(), size_t(kTimes / 2));
  }
}

TEST_F(Forwards, ALateAnswerIsNobodys) {
  std::string first;
  Odd late([&](const std::string& asked) {
    const std::string answer =
        DnsReply{{wire::a(first.empty() ? "10.6.6.6" : "10.0.0.1")}}.message(asked.substr(0, 2), question_of(asked));
    if (first.empty()) return first = answer, std::vector<std::string>{};
    return std::vector<std::string>{first, answer};
  });
  settings.upstreams.timeout = milliseconds(100);
  start_with({late.at});
  EXPECT_EQ(a("web.test"), "10.0.0.1") << "the second try's, not the first one's";
}

TEST_F(Forwards, WhereNobodyAnswersThatIsSaid) {
  server.set("web.test", DnsType::A, {.silent = true});
  settings.upstreams.timeout = milliseconds(50);
  start_with({server.address()});
  const auto seen = ask("web.test");
  EXPECT_EQ(seen.code(), 2);
  EXPECT_NE(seen.bytes.find(server.text()), std::string::npos) << "and of whom";
  EXPECT_EQ(results("unanswered"), 1u);
  EXPECT_EQ(failures("timeout"), 2u) << "a datagram may be lost";
}

TEST_F(Forwards, NeverToOurselves) {
  char file[] = "/tmp/outrider-resolv-XXXXXX";
  const test::Fd conf(::mkstemp(file));
  const std::string line = "nameserver 127.0.0.1\n", more = "nameserver 127.0.0.9\n";
  ASSERT_EQ(::write(conf.get(), line.data(), line.size()), ssize_t(line.size()));
  const auto ours = *net::Address::parse("127.0.0.1:5353");
  Upstreams::Settings given;
  given.resolv_conf = file;
  given.port = ours.port();
  Upstreams upstreams(given);
  upstreams.leave_out({ours});
  EXPECT_TRUE(upstreams.in_order(TimePoint{}).empty());
  EXPECT_TRUE(upstreams.only_ourselves());
  EXPECT_NE(upstreams.text().find("nobody but this proxy"), std::string::npos);
  ASSERT_EQ(::write(conf.get(), more.data(), more.size()), ssize_t(more.size()));
  EXPECT_EQ(upstreams.in_order(TimePoint{}).size(), 1u) << "the file is looked at each time";
  EXPECT_EQ(upstreams.text(), "127.0.0.9:5353");
  ::unlink(file);
}

// A rule that redirects what the proxy asks back to it, as if it was the application.
TEST_F(Forwards, OurOwnQuestionThatComesBackIsRefused) {
  net::Address back;
  test::Fd relay(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto any = net::Address::loopback(0);
  ASSERT_EQ(::bind(relay.get(), any.raw(), any.length()), 0);
  settings.upstreams.timeout = seconds(3600);
  start_with({net::Address::local_of(relay.get())});
  auto waiting = std::async(std::launch::async, [&] { return a("web.test"); });
  char bytes[512];
  sockaddr_in from{};
  socklen_t length = sizeof from;
  const ssize_t n = ::recvfrom(relay.get(), bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&from), &length);
  ASSERT_GT(n, 12);
  // The same bytes from the same port, as the kernel would bring them.
  std::string answer;
  there([&] {
    const std::string_view message(bytes, size_t(n));
    const net::Address peer(reinterpret_cast<sockaddr*>(&from), length);
    server_->on_message(message, {.peer = &peer, .port = peer.port()});
  });
  EXPECT_EQ(results("loop"), 1u);
  const std::string id(bytes, 2);
  const std::string good = DnsReply{{wire::a("10.0.0.1")}}.message(id, question_of({bytes, size_t(n)}));
  ASSERT_EQ(::sendto(relay.get(), good.data(), good.size(), 0, reinterpret_cast<sockaddr*>(&from), length), ssize_t(good.size()));
  EXPECT_EQ(waiting.get(), "10.0.0.1");
}

TEST_F(Forwards, SoManyQuestionsWaitAndNoMore) {
  server.set("slow.test", DnsType::A, {.silent = true});
  settings.most_queries = 3;
  settings.upstreams.timeout = seconds(3600);
  start_with({server.address()});
  const test::Fd client(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.get(), at.raw(), at.length()), 0);
  const std::string asked = test::DnsAsk{.name = "slow.test"}.message();
  for (int i = 0; i < 5; ++i) ASSERT_EQ(::send(client.get(), asked.data(), asked.size(), 0), ssize_t(asked.size()));
  until("two to be dropped", [&] { return dropped("in_flight") == 2; });
}

TEST_F(Forwards, AClientThatLeavesIsNotAnswered) {
  server.set("slow.test", DnsType::A, {.silent = true});
  settings.upstreams.timeout = milliseconds(100);
  start_with({server.address()});
  {
    const test::Fd client = test::connected_to(at);
    const std::string asked = test::DnsAsk{.name = "slow.test"}.message(), framed = wire::two(unsigned(asked.size())) + asked;
    ASSERT_EQ(::send(client.get(), framed.data(), framed.size(), MSG_NOSIGNAL), ssize_t(framed.size()));
    until("it to be asked", [&] { return server.asked("slow.test", DnsType::A) > 0; });
  }
  until("its end", [&] { return results("unanswered") == 1; });
  EXPECT_EQ(a("web.test"), "10.0.0.1");
}

TEST(ResolvConf, ServersAreLinesOfTheirOwn) {
  const auto read = read_resolv_conf(
      "# a comment\nsearch a.test\nnameserver 10.0.0.2\n nameserver\t10.0.0.3 # b\nnameserverx 10.0.0.4\nnameserver nobody\n"
      "nameserver fd00::5\r\nnameserver 0.0.0.0\noptions ndots:5\nnameserver",
      53);
  std::vector<std::string> texts;
  for (const auto& one : read) texts.push_back(one.text());
  EXPECT_EQ(texts, (std::vector<std::string>{"10.0.0.2:53", "10.0.0.3:53", "[fd00::5]:53"}));
  std::string many;
  for (int i = 0; i < 100; ++i) many += "nameserver 10.0.0.1\n";
  EXPECT_EQ(read_resolv_conf(many, 53).size(), 8u);
  EXPECT_TRUE(read_resolv_conf("", 53).empty());
}

}  // namespace
}  // namespace outrider::dns
