// What OpenDHT gets to see of a packet, and what it does not.

#include "discovery/dht/gate.h"

#include <gtest/gtest.h>

#include <msgpack.hpp>

#include "discovery/dht/conduct.h"
#include "tests/support/seed.h"

namespace outrider::discovery {
namespace {

constexpr uint16_t kType = kRecordType;
using Packer = msgpack::packer<msgpack::sbuffer>;
using Write = std::function<void(Packer&)>;

std::string packed(const Write& write) {
  msgpack::sbuffer buffer;
  Packer out(&buffer);
  write(out);
  return {buffer.data(), buffer.size()};
}

std::string bin(std::string_view bytes) {
  return packed([&](Packer& out) {
    out.pack_bin(uint32_t(bytes.size()));
    out.pack_bin_body(bytes.data(), uint32_t(bytes.size()));
  });
}
template <class T>
std::string of(const T& value) {
  return packed([&](Packer& out) { out.pack(value); });
}
// A map of texts and what is packed already.
std::string map(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string out = packed([&](Packer& to) { to.pack_map(uint32_t(fields.size())); });
  for (const auto& [key, value] : fields) out += of(key) + value;
  return out;
}
std::string array(const std::vector<std::string>& items) {
  std::string out = packed([&](Packer& to) { to.pack_array(uint32_t(items.size())); });
  for (const auto& item : items) out += item;
  return out;
}
std::string value(std::string_view bytes, uint64_t id, uint16_t type = kType) {
  return map({{"id", of(id)}, {"dat", map({{"body", map({{"type", of(type)}, {"data", bin(bytes)}})}})}});
}
std::string value(std::string_view bytes) { return value(bytes, value_id(bytes)); }
std::string answer(std::vector<std::pair<std::string, std::string>> fields, uint32_t transaction = 7) {
  fields.insert(fields.begin(), {"id", bin(std::string(20, 'i'))});
  return map({{"r", map(fields)}, {"t", of(transaction)}, {"y", of(std::string("r"))}});
}
std::string part(size_t index, size_t at, std::string_view bytes, uint32_t transaction = 7) {
  const std::string body = packed([&](Packer& out) {
                             out.pack_map(1);
                             out.pack(index);
                           }) +
                           map({{"o", of(at)}, {"d", bin(bytes)}});
  return map({{"y", of(std::string("p"))}, {"t", of(transaction)}, {"p", body}});
}

struct GateTest : testing::Test {
  RecordVerdict verdict(const std::string& packet) { return gate.admit(packet, from, now).verdict; }
  std::string admitted(const std::string& packet) {
    const auto one = gate.admit(packet, from, now);
    EXPECT_EQ(one.verdict, RecordVerdict::Ok);
    return std::string(one.bytes);
  }
  Gate gate;
  net::Address from = net::Address::loopback(4222);
  TimePoint now{std::chrono::hours(1)};
};

TEST_F(GateTest, SoundPacketsPassAsTheyAre) {
  for (const std::string& packet :
       {answer({}), answer({{"values", array({value("one"), value("two")})}}), answer({{"n4", bin(std::string(52, 'n'))}}),
        map({{"a", map({{"id", bin(std::string(20, 'i'))}})}, {"q", of(std::string("ping"))}, {"t", of(1)}}),
        answer({{"fileds", map({{"f", array({of(1), of(4)})}, {"v", array({of(5), of(0)})}})}})})
    EXPECT_EQ(admitted(packet), packet);
}

TEST_F(GateTest, ValuesInPartsAreHandedOverInOnePiece) {
  const std::string long_one = value(std::string(3000, 'x')), short_one = value("y");
  EXPECT_EQ(admitted(answer({{"token", bin("t")}, {"values", array({of(long_one.size()), of(short_one.size())})}})), "");
  EXPECT_EQ(admitted(part(0, 0, long_one.substr(0, 1280))), "");
  EXPECT_EQ(admitted(part(0, 1280, long_one.substr(1280, 1280))), "");
  EXPECT_EQ(admitted(part(1, 0, short_one)), "");
  EXPECT_EQ(admitted(part(0, 2560, long_one.substr(2560))),
            answer({{"token", bin("t")}, {"values", array({long_one, short_one})}}));
  EXPECT_EQ(admitted(part(0, 0, long_one)), "") << "it is over";
}

TEST_F(GateTest, ALostPartIsTakenWhenAllIsSentAgain) {
  const std::string one = value(std::string(2000, 'x'));
  const std::string head = answer({{"values", array({of(one.size())})}});
  EXPECT_EQ(admitted(head), "");
  EXPECT_EQ(admitted(part(0, 1280, one.substr(1280))), "") << "the first is missing";
  EXPECT_EQ(admitted(head), "");
  EXPECT_EQ(admitted(part(0, 0, one.substr(0, 1280))), "");
  EXPECT_EQ(admitted(part(0, 1280, one.substr(1280))), answer({{"values", array({one})}}));
}

TEST_F(GateTest, PartsOfAnotherSenderOrTooLateAreOfNoUse) {
  const std::string one = value("x");
  EXPECT_EQ(admitted(answer({{"values", array({of(one.size())})}})), "");
  from = net::Address::loopback(4223);
  EXPECT_EQ(admitted(part(0, 0, one)), "");
  from = net::Address::loopback(4222);
  now += Gate::kPatience + milliseconds(1);
  EXPECT_EQ(admitted(part(0, 0, one)), "");
}

TEST_F(GateTest, ValuesThatAreNotOursAreRefused) {
  const auto whole = [&](const std::string& one) { return verdict(answer({{"values", array({value("good"), one})}})); };
  EXPECT_EQ(whole(value("x", value_id("x"), 3)), RecordVerdict::Malformed) << "of another type";
  EXPECT_EQ(whole(value("x", 5)), RecordVerdict::Replayed) << "under an id that is another's";
  EXPECT_EQ(whole(value(std::string(kMaxRecord + 1, 'x'))), RecordVerdict::Oversized);
  EXPECT_EQ(whole(map({{"id", of(1)}, {"dat", bin("sealed by somebody")}})), RecordVerdict::Malformed);
  const std::string twice =
      map({{"id", of(value_id("x"))}, {"id", of(5)}, {"dat", map({{"body", map({{"type", of(kType)}, {"data", bin("x")}})}})}});
  EXPECT_EQ(whole(twice), RecordVerdict::Malformed) << "read one way by one and another way by another";
  uint32_t transaction = 100;
  const auto in_parts = [&](const std::string& one) {
    ++transaction;
    const auto head = verdict(answer({{"values", array({of(one.size())})}}, transaction));
    return head != RecordVerdict::Ok ? head : verdict(part(0, 0, one, transaction));
  };
  EXPECT_EQ(in_parts(value("x", value_id("x"), 3)), RecordVerdict::Malformed);
  EXPECT_EQ(in_parts(value("x", 5)), RecordVerdict::Replayed);
  EXPECT_EQ(in_parts(value(std::string(kMaxRecord + 1, 'x'))), RecordVerdict::Oversized);
  EXPECT_EQ(in_parts(std::string(10 * kMaxRecord, 'x')), RecordVerdict::Oversized);
  EXPECT_EQ(in_parts(value("x") + "more"), RecordVerdict::Malformed);
  EXPECT_EQ(in_parts("no value"), RecordVerdict::Malformed);
}

TEST_F(GateTest, ShapesThatOpenDhtWouldTrustAreRefused) {
  for (const std::string& packet : {std::string(),
                                    std::string("\xC0"),
                                    std::string("hello"),
                                    of(1),
                                    map({}),
                                    map({{"r", of(1)}, {"t", of(1)}}),
                                    map({{"e", array({})}, {"r", map({})}, {"t", of(1)}}),
                                    map({{"e", array({of(401)})}, {"t", of(1)}}),
                                    map({{"a", map({})}, {"r", map({})}, {"t", of(1)}}),
                                    map({{"r", map({})}, {"r", map({})}, {"t", of(1)}}),
                                    answer({{"fileds", map({{"f", array({})}, {"v", array({})}})}}),
                                    answer({{"fileds", map({{"f", array({of(1), of(1)})}, {"v", array({of(1)})}})}}),
                                    answer({{"fileds", map({{"f", array({of(99)})}, {"v", array({of(1)})}})}}),
                                    answer({{"n4", bin(std::string(27, 'n'))}}),
                                    answer({{"n4", bin(std::string(26 * 17, 'n'))}}),
                                    answer({{"n6", bin("n")}}),
                                    answer({{"values", of(1)}}),
                                    answer({{"values", array({of(9), value("x")})}}),
                                    answer({{"values", array({of(0)})}}),
                                    answer({{"values", array(std::vector<std::string>(Gate::kMostValues + 1, of(9)))}})})
    EXPECT_EQ(verdict(packet), RecordVerdict::Malformed) << testing::PrintToString(packet.substr(0, 80));
}

TEST_F(GateTest, PacketsThatAreNeverCompletedTakeABoundedRoom) {
  for (uint32_t transaction = 0; transaction < 10000; ++transaction) {
    verdict(answer({{"values", array({of(4000), of(4000)})}}, transaction));
    verdict(part(0, 0, std::string(4000, 'x'), transaction));
  }
  const std::string one = value("x");
  EXPECT_EQ(admitted(answer({{"values", array({of(one.size())})}}, 1)), "");
  EXPECT_NE(admitted(part(0, 0, one, 1)), "") << "the newest has its room";
}

TEST_F(GateTest, BytesOfAnyKindNeverPassUnlessTheyAreSound) {
  auto random = test::seeded_random();
  const std::string sound = answer({{"values", array({value("one"), value("two")})}, {"n4", bin(std::string(52, 'n'))}});
  for (int i = 0; i < 20000; ++i) {
    std::string bent = sound;
    for (uint32_t n = 1 + random.below(3); n > 0; --n) bent[random.below(uint32_t(bent.size()))] = char(random.next());
    bent.resize(bent.size() - random.below(4));
    gate.admit(bent, from, now);  // under the sanitizers it must not read past its end
  }
}

TEST(Conduct, WhoErrsTooOftenIsMutedForAWhile) {
  Conduct conduct;
  TimePoint now{std::chrono::hours(1)};
  const auto bad = net::Address::loopback(1), other = net::Address::loopback(2);
  for (int i = 0; i < Conduct::kBorne; ++i) EXPECT_FALSE(conduct.blame(bad, now));
  EXPECT_TRUE(conduct.blamed(bad, now));
  EXPECT_FALSE(conduct.muted(bad, now));
  EXPECT_TRUE(conduct.blame(bad, now));
  EXPECT_TRUE(conduct.muted(bad, now));
  EXPECT_FALSE(conduct.blame(bad, now)) << "once is enough";
  EXPECT_FALSE(conduct.muted(other, now) || conduct.blamed(other, now));
  now += Conduct::kMute;
  EXPECT_FALSE(conduct.muted(bad, now));
}

TEST(Conduct, SlipsThatAreFarBetweenAreForgiven) {
  Conduct conduct;
  TimePoint now{std::chrono::hours(1)};
  for (int i = 0; i < 10 * Conduct::kBorne; ++i, now += Conduct::kWindow / Conduct::kBorne * 2)
    EXPECT_FALSE(conduct.blame(net::Address::loopback(1), now));
}

TEST(Conduct, AnyNumberOfSendersTakesABoundedRoom) {
  Conduct conduct;
  const TimePoint now{std::chrono::hours(1)};
  for (uint32_t port = 1; port < 3 * Conduct::kMost; ++port) conduct.blame(net::Address::loopback(uint16_t(port)), now);
  EXPECT_EQ(conduct.size(), Conduct::kMost);
}

}  // namespace
}  // namespace outrider::discovery
