// The registry over real DHT nodes.

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/support/sockets.h"
#include "tests/unit/discovery/dht_mesh.h"

namespace outrider::discovery {
namespace {

const std::string kOne = "10.0.0.1:80", kTwo = "10.0.0.2:80";

TEST_F(DhtMesh, AnAnnouncementIsSeenByAWatcherAndItsWithdrawalToo) {
  grow(3);
  Member &publisher = *members[1], &reader = *members[2];
  reader.registry.watch(kShop, reader.heard);
  ASSERT_TRUE(until([&] { return reader.heard.calls == 1; }));
  EXPECT_EQ(reader.heard.of().known, Known::Absent);
  publisher.registry.announce(kShop, at(kOne));
  ASSERT_TRUE(until([&] { return reader.heard.has(kOne); }));
  EXPECT_EQ(reader.heard.of().known, Known::Yes);
  EXPECT_EQ(reader.heard.of().at.at(kOne)->identity, "spiffe://mesh.local/ns/default/sa/shop");
  EXPECT_EQ(reader.events.lookups, 1);
  EXPECT_EQ(reader.events.seen, 1);
  publisher.registry.withdraw(kShop);
  ASSERT_TRUE(until([&] { return reader.heard.size() == 0; }));
  EXPECT_EQ(reader.heard.of().known, Known::Absent);
  EXPECT_EQ(reader.registry.records().tombstones, 1u);
  EXPECT_EQ(reader.rejected() + publisher.rejected(), 0u);
}

TEST_F(DhtMesh, AWatcherThatComesLaterFindsWhatLiesThere) {
  grow(3);
  members[1]->registry.announce(kShop, at(kOne));
  members[2]->registry.announce(kShop, at(kTwo));
  ASSERT_TRUE(until([&] { return members[1]->events.published && members[2]->events.published; }));
  Member& reader = join();
  reader.registry.watch(kShop, reader.heard);
  ASSERT_TRUE(until([&] { return reader.heard.size() == 2; }));
}

TEST_F(DhtMesh, AChangeIsSeenAsTheSameInstance) {
  grow(3);
  Member &publisher = *members[1], &reader = *members[2];
  reader.registry.watch(kShop, reader.heard);
  publisher.registry.announce(kShop, at(kOne));
  ASSERT_TRUE(until([&] { return reader.heard.has(kOne); }));
  const auto before = reader.heard.of().at.at(kOne);
  Instance changed = at(kOne);
  changed.weight = 7;
  publisher.registry.announce(kShop, changed);
  ASSERT_TRUE(until([&] { return reader.heard.size() == 1 && reader.heard.of().at.at(kOne)->weight == 7; }));
  EXPECT_EQ(reader.heard.of().at.at(kOne)->instance, before->instance);
  EXPECT_GT(reader.heard.of().at.at(kOne)->sequence, before->sequence);
}

TEST_F(DhtMesh, StoppingWithdraws) {
  grow(3);
  Member &publisher = *members[1], &reader = *members[2];
  reader.registry.watch(kShop, reader.heard);
  publisher.registry.announce(kShop, at(kOne));
  ASSERT_TRUE(until([&] { return reader.heard.has(kOne); }));
  publisher.registry.stop();
  ASSERT_TRUE(until([&] { return reader.heard.size() == 0; }));
}

// The watcher listens at few nodes, and they are among those that leave: it must find others in time.
TEST_F(DhtMesh, WithdrawalsAreSeenWhileTheNodesOfTheMeshAreReplacedOneByOne) {
  grow(8);
  Member& reader = *members[1];
  reader.registry.watch(kShop, reader.heard);
  const size_t replicas = members.size() - 2;
  for (size_t i = 0; i < replicas; ++i) members[i + 2]->registry.announce(kShop, at("10.0.0." + std::to_string(i + 1) + ":80"));
  ASSERT_TRUE(until([&] { return reader.heard.size() == replicas; }));
  for (size_t turn = 0; turn < replicas + 2; ++turn) {
    const std::string address = "10.0.0." + std::to_string(turn % replicas + 1) + ":80";
    auto leaving = std::move(members[2]);
    members.erase(members.begin() + 2);
    leaving->registry.withdraw(kShop);
    ASSERT_TRUE(until([&] { return leaving->events.withdrawn == 1; }));
    leaving.reset();
    ASSERT_TRUE(until([&] { return !reader.heard.has(address); })) << "turn " << turn;
    join().registry.announce(kShop, at(address));
    ASSERT_TRUE(until([&] { return reader.heard.has(address); })) << "turn " << turn;
  }
}

TEST_F(DhtMesh, ANodeThatHasSaidGoodbyeIsNamedToNobody) {
  grow(6);
  for (auto& member : members) member->registry.announce(kShop, at(address_of(*member)));
  ASSERT_TRUE(until(
      [&] { return std::all_of(members.begin(), members.end(), [](const auto& one) { return one->events.published > 0; }); }));
  const auto all_know = [&](size_t others) {
    return std::all_of(members.begin(), members.end(), [&](const auto& one) { return one->registry.stats().peers == others; });
  };
  ASSERT_TRUE(until([&] { return all_know(5); }));
  const net::Address left = members[3]->registry.local();
  lose(*members[3]);
  ASSERT_TRUE(until([&] { return all_know(4); }));
  test::Fd grave(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));  // who still writes there?
  ASSERT_EQ(::bind(grave.get(), left.raw(), left.length()), 0);
  Member& newcomer = join();
  newcomer.registry.watch(kShop, newcomer.heard);
  ASSERT_TRUE(until([&] { return newcomer.heard.size() == 5; }));
  char bytes[2000];
  sockaddr_storage from{};
  socklen_t length = sizeof from;
  int letters = 0;
  while (::recvfrom(grave.get(), bytes, sizeof bytes, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &length) > 0)
    letters += net::Address(reinterpret_cast<sockaddr*>(&from), length) == newcomer.registry.local();
  EXPECT_EQ(letters, 0);
}

TEST_F(DhtMesh, NodesThatComeAndGoLeaveNoSearchEachBehind) {
  grow(2);
  const auto& stats = members[0]->registry.stats();
  ASSERT_TRUE(until([&] { return stats.peers == 1; }));
  const uint32_t before = stats.searches;
  for (int guests = 0; guests < 30; ++guests) {
    Member& guest = join();
    ASSERT_TRUE(until([&] { return guest.events.answering; }));
    lose(guest);
  }
  join();
  ASSERT_TRUE(until([&] { return stats.peers == 2; }));  // the numbers are those of now
  EXPECT_LT(stats.searches, before + 20);
}

TEST_F(DhtMesh, APortInUseIsSaid) {
  Member& first = join();
  auto taken = options();
  taken.bind = first.registry.local();
  members.push_back(std::make_unique<Member>(control, taken));
  EXPECT_EQ(members.back()->registry.start(), first.registry.local().text() + ": address already in use");
}

TEST_F(DhtMesh, AServiceOfManyReplicasIsSpreadOverKeysAndReadWholeByANewcomer) {
  grow(5);
  constexpr int kReplicas = 200;
  for (int i = 0; i < kReplicas; ++i) {
    Instance self = at("10.0.1." + std::to_string(i + 1) + ":80");
    char id[33];
    std::snprintf(id, sizeof id, "%08x%024x", unsigned(i) * 2654435761u, i);
    self.instance = id;
    members[size_t(i) % 5]->registry.announce(kShop, self);
  }
  const auto acknowledged = [&] {
    return std::all_of(members.begin(), members.end(), [](const auto& one) {
      const auto own = one->registry.facts().announced;
      return own.size() == kReplicas / 5 &&
             std::all_of(own.begin(), own.end(), [](const auto& each) { return each.acknowledged; });
    });
  };
  ASSERT_TRUE(until(acknowledged));
  Member& newcomer = join();
  newcomer.registry.watch(kShop, newcomer.heard);
  ASSERT_TRUE(until([&] { return newcomer.heard.size() == kReplicas; }));
  // Whoever comes now makes it more keys, if it is not more already.
  newcomer.registry.announce(kShop, at("10.0.2.1:80"));
  ASSERT_TRUE(until([&] {
    const auto own = newcomer.registry.facts().announced;
    return newcomer.heard.size() == kReplicas + 1 && own.size() == 1 && own[0].shards > 1;
  }));
}

// --- what is not believed -----------------------------------------------------------------------------------------

struct Forgeries : DhtMesh {
  // A member publishes under `options`; nobody may see it, and somebody must have counted why.
  void expect_refused(DhtOptions options, RecordVerdict why) {
    grow(3);
    Member& reader = *members[1];
    reader.registry.watch(kShop, reader.heard);
    members[2]->registry.announce(kShop, at(kTwo));
    ASSERT_TRUE(until([&] { return reader.heard.has(kTwo); }));
    Member& stranger = join(std::move(options));
    stranger.registry.announce(kShop, at(kOne));
    ASSERT_TRUE(until([&] {
      uint64_t sum = 0;
      for (size_t i = 0; i < 3; ++i) sum += members[i]->rejected(why);
      return sum > 0;
    }));
    members[2]->registry.announce(kShop, at("10.0.0.3:80"));
    ASSERT_TRUE(until([&] { return reader.heard.has("10.0.0.3:80"); }));
    EXPECT_FALSE(reader.heard.has(kOne));
  }
  DhtOptions joined() {
    if (members.empty()) join();
    return options();
  }
};

TEST_F(Forgeries, ARecordOfAForeignAuthorityIsRefused) {
  auto options = joined();
  options.identity = identity_from(identity::make_authority(net::Loop::wall()), "spiffe://mesh.local/ns/default/sa/shop");
  expect_refused(options, RecordVerdict::UnknownCa);
}

TEST_F(Forgeries, ARecordOfAnotherNamespacesIdentityIsRefused) {
  auto options = joined();
  options.identity = identity_for("spiffe://mesh.local/ns/bank/sa/shop");
  expect_refused(options, RecordVerdict::NotOwner);
}

TEST_F(Forgeries, AnUnsignedRecordIsRefusedByAReaderWithAnIdentity) {
  auto options = joined();
  options.identity = nullptr;
  expect_refused(options, RecordVerdict::NoCertificate);
}

TEST_F(Forgeries, ARecordThatIsValidTooLongIsRefused) {
  auto options = joined();
  options.valid = std::chrono::hours(2);
  expect_refused(options, RecordVerdict::Skew);
}

TEST_F(DhtMesh, UnsignedMembersBelieveEachOther) {
  identity = nullptr;
  grow(3);
  EXPECT_FALSE(members[1]->registry.facts().signs);
  members[2]->registry.watch(kShop, members[2]->heard);
  members[1]->registry.announce(kShop, at(kOne));
  ASSERT_TRUE(until([&] { return members[2]->heard.has(kOne); }));
  EXPECT_EQ(members[2]->heard.of().at.at(kOne)->identity, "") << "nobody vouches for it";
}

// --- what is not sealed -------------------------------------------------------------------------------------------

void send_to(const net::Address& to, std::string_view bytes) {
  test::Fd socket(::socket(to.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::sendto(socket.get(), bytes.data(), bytes.size(), 0, to.raw(), to.length()), ssize_t(bytes.size()));
}

TEST_F(DhtMesh, PacketsThatAreNotSealedAreDroppedAndCounted) {
  Member& node = join();
  send_to(node.registry.local(), "d1:ad2:id20:abcdefghij0123456789e1:q4:ping");
  send_to(node.registry.local(), std::string("\x83\xa1", 2));
  ASSERT_TRUE(until([&] { return node.rejected(RecordVerdict::Unsealed) == 2; }));
  identity::Seal stranger(identity::MeshKeys{{std::string(32, 'x')}});
  send_to(node.registry.local(), stranger.seal("hello"));
  ASSERT_TRUE(until([&] { return node.rejected(RecordVerdict::Unsealed) == 3; }));
  identity::Seal holder(keys);
  const std::string sealed(
      holder.seal("\xC0"
                  "bye, but not in time"));
  send_to(node.registry.local(), sealed);
  ASSERT_TRUE(until([&] { return node.rejected(RecordVerdict::Malformed) == 1; }));
  send_to(node.registry.local(), sealed);
  ASSERT_TRUE(until([&] { return node.rejected(RecordVerdict::Replayed) == 1; }));
  EXPECT_FALSE(node.registry.answering());
}

TEST_F(DhtMesh, WithoutTheKeyNobodyJoins) {
  grow(2);
  auto other = options();
  other.mesh_keys = identity::MeshKeys{{std::string(32, 'x')}};
  Member& stranger = join(other);
  auto clear = options();
  clear.mesh_keys = {};
  Member& plain = join(clear);
  ASSERT_TRUE(until([&] { return members[0]->rejected(RecordVerdict::Unsealed) >= 4; }));
  EXPECT_FALSE(stranger.registry.answering());
  EXPECT_FALSE(plain.registry.answering());
}

TEST_F(DhtMesh, WithoutAnyKeyItWorksInTheClearAndSaysSo) {
  keys = {};
  grow(3);
  EXPECT_FALSE(members[1]->registry.facts().sealed);
  members[2]->registry.watch(kShop, members[2]->heard);
  members[1]->registry.announce(kShop, at(kOne));
  ASSERT_TRUE(until([&] { return members[2]->heard.has(kOne); }));
}

// --- what is killed -----------------------------------------------------------------------------------------------

// A node in a process of its own, which announces something and can be killed. Made before the test has threads.
struct Doomed {
  Doomed(const DhtOptions& options, const std::string& service, const std::string& address) {
    int ends[2];
    if (::pipe(ends) != 0) std::abort();
    pid = ::fork();
    if (pid == 0) {
      net::Loop control;
      Member member(control, options);
      if (!member.registry.start().empty()) ::_exit(1);
      member.registry.announce(service, DhtMesh::at(address));
      const std::string where = member.registry.local().text();
      if (::write(ends[1], where.data(), where.size()) < 0) ::_exit(1);
      ::close(ends[1]);
      control.run();
    }
    ::close(ends[1]);
    char text[100];
    for (ssize_t n; (n = ::read(ends[0], text, sizeof text)) > 0;) seed.append(text, size_t(n));
    ::close(ends[0]);
  }
  ~Doomed() { kill(); }
  void kill() {
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    pid = -1;
  }
  pid_t pid = -1;
  std::string seed;
};

TEST_F(DhtMesh, SilenceNeverEmptiesASet) {
  Doomed doomed(options(), kShop, kOne);
  auto with = options();
  with.bootstrap = {doomed.seed};
  with.silence = milliseconds(1500);
  Member& reader = join(with);
  reader.registry.watch(kShop, reader.heard);
  // What comes before its first look at who answers is stale by its own word.
  ASSERT_TRUE(until([&] { return reader.heard.has(kOne) && reader.heard.of().known == Known::Yes; }));
  doomed.kill();
  ASSERT_TRUE(until([&] { return reader.heard.of().known == Known::Stale; }));
  EXPECT_FALSE(reader.registry.answering());
  EXPECT_TRUE(reader.heard.has(kOne));
  EXPECT_EQ(reader.registry.facts().peers, reader.registry.stats().peers.load());
}

TEST_F(DhtMesh, AKilledInstanceEndsByTheReadersOwnTimerWhileOthersAreFresh) {
  auto brief = options();
  brief.valid = milliseconds(2500);
  Doomed doomed(brief, kShop, kOne);
  auto with = options();
  with.bootstrap = {doomed.seed};
  Member& publisher = join(with);
  Member& reader = join(with);
  publisher.registry.announce(kShop, at(kTwo));
  reader.registry.watch(kShop, reader.heard);
  ASSERT_TRUE(until([&] { return reader.heard.size() == 2; }));
  const uint64_t first = reader.heard.of().at.at(kOne)->sequence;
  ASSERT_TRUE(until([&] { return reader.heard.of().at.at(kOne)->sequence > first; })) << "it is signed anew";
  doomed.kill();
  ASSERT_TRUE(until([&] { return !reader.heard.has(kOne); }));
  EXPECT_TRUE(reader.heard.has(kTwo));
}

TEST_F(DhtMesh, WhatWasKnownIsRememberedOnDiskAndServedWhenNobodyAnswers) {
  identity::TemporaryFolder folder;
  Doomed doomed(options(), kShop, kOne);
  auto with = options();
  with.bootstrap = {doomed.seed};
  with.folder = folder.path("node");
  Member& reader = join(with);
  reader.registry.watch(kShop, reader.heard);
  ASSERT_TRUE(until([&] { return reader.heard.has(kOne); }));
  lose(reader);
  doomed.kill();
  Member& again = join(with);
  again.registry.watch(kShop, again.heard);
  ASSERT_TRUE(until([&] { return again.heard.has(kOne); }));
  EXPECT_EQ(again.heard.of().known, Known::Stale);
  EXPECT_EQ(again.heard.of().at.at(kOne)->identity, "spiffe://mesh.local/ns/default/sa/shop");
  EXPECT_FALSE(again.registry.answering());
}

TEST_F(DhtMesh, WhenAThirdOfTheNodesIsKilledAtOnceEveryLookupOfTheOthersIsAnswered) {
  std::vector<std::unique_ptr<Doomed>> doomed;
  auto with = options();
  const auto service = [](size_t n) { return "default/service-" + std::to_string(n); };
  for (size_t i = 0; i < 3; ++i) {
    doomed.push_back(std::make_unique<Doomed>(with, service(i), "10.0.0." + std::to_string(i + 1) + ":80"));
    with.bootstrap = {doomed[0]->seed};
  }
  for (size_t i = 0; i < 6; ++i) join(with);
  for (size_t i = 0; i < 3; ++i) {
    members[i]->registry.announce(service(i), at("10.0.1." + std::to_string(i + 1) + ":80"));
    members[5]->registry.watch(service(i), members[5]->heard);
  }
  ASSERT_TRUE(until([&] {
    return members[5]->heard.size(service(0)) == 2 && members[5]->heard.size(service(1)) == 2 &&
           members[5]->heard.size(service(2)) == 2 &&
           std::all_of(members.begin(), members.end(), [](const auto& one) { return one->registry.stats().peers >= 4; });
  }));
  for (auto& one : doomed) one->kill();
  for (size_t i = 0; i < 5; ++i)
    for (size_t n = 0; n < 3; ++n) members[i]->registry.watch(service(n), members[i]->heard);
  for (auto& member : members)
    for (size_t n = 0; n < 3; ++n)
      ASSERT_TRUE(until([&] { return member->heard.has("10.0.1." + std::to_string(n + 1) + ":80", service(n)); }));
}

TEST_F(DhtMesh, ANodeFindsBackToThoseItKnewWhenItsSeedsAreGone) {
  identity::TemporaryFolder folder;
  Doomed seed(options(), "default/seed", kTwo);
  auto with = options();
  with.bootstrap = {seed.seed};
  Member& publisher = join(with);
  with.folder = folder.path("node");
  Member& reader = join(with);
  publisher.registry.announce(kShop, at(kOne));
  reader.registry.watch(kShop, reader.heard);
  ASSERT_TRUE(until([&] { return reader.heard.has(kOne) && reader.registry.stats().peers >= 2; }));
  seed.kill();
  lose(reader);
  Member& again = join(with);
  again.registry.watch(kShop, again.heard);
  ASSERT_TRUE(until([&] { return again.heard.of().known == Known::Yes && again.heard.has(kOne); }));
  EXPECT_TRUE(again.registry.answering());
}

TEST_F(DhtMesh, ANewcomerJoinsThroughAnyMemberWhenTheFirstIsGone) {
  Doomed seed(options(), "default/seed", kTwo);
  auto with = options();
  with.bootstrap = {seed.seed};
  Member& publisher = join(with);
  Member& other = join(with);
  publisher.registry.announce(kShop, at(kOne));
  other.registry.watch(kShop, other.heard);
  // They have met: whoever knows the seed alone when that goes is alone.
  ASSERT_TRUE(
      until([&] { return other.heard.has(kOne) && other.registry.stats().peers >= 2 && publisher.registry.stats().peers >= 2; }));
  seed.kill();
  auto through = options();
  through.bootstrap = {address_of(other)};
  Member& newcomer = join(through);
  newcomer.registry.watch(kShop, newcomer.heard);
  ASSERT_TRUE(until([&] { return newcomer.heard.has(kOne); }));
  newcomer.registry.announce(kShop, at(kTwo));
  ASSERT_TRUE(until([&] { return other.heard.has(kTwo); }));
}

}  // namespace
}  // namespace outrider::discovery
