// Registry records: what is written is read, what is bent is refused, and by which name.

#include "discovery/dht/rules.h"

#include <gtest/gtest.h>

#include "../identity/pki.h"
#include "base/random.h"
#include "base/text.h"
#include "discovery/dht/verifier.h"

namespace outrider::discovery {

inline void PrintTo(RecordVerdict verdict, std::ostream* out) { *out << (verdict == RecordVerdict::Ok ? "ok" : reason(verdict)); }

namespace {

using namespace identity;

constexpr const char* kCart = "spiffe://mesh.local/ns/shop/sa/cart";
constexpr auto kMinute = std::chrono::minutes(1);

Announcement announcement() {
  Announcement what;
  what.trust_domain = "mesh.local";
  what.service = "shop/cart";
  what.shard = 3;
  what.shards = 16;
  for (size_t i = 0; i < what.instance.size(); ++i) what.instance[i] = uint8_t(0xf0 + i);
  what.sequence = 1'767'225'600'123;
  what.issued = what.not_before = kNow;
  what.not_after = kNow + 10 * kMinute;
  what.ready = true;
  what.address = *net::Address::parse("10.1.2.3:8080");
  what.protocol = "http1";
  what.weight = 250;
  what.zone = "eu-west-1a";
  what.version = "v2.3.1";
  what.labels = {{"canary", "yes"}, {"team", "carts and more"}};
  return what;
}

std::string write(const Announcement& what, const Identity* signer = nullptr) {
  auto bytes = write_record(what, signer);
  EXPECT_TRUE(bytes) << bytes.why();
  return bytes ? *bytes : "";
}

RecordVerdict parsed(std::string_view bytes) { return parse_record(bytes).verdict; }

// version and fields, in whatever order and form a test wants them.
std::string field(uint8_t tag, std::string_view value) {
  return std::string{char(tag), char(value.size() >> 8), char(value.size())}.append(value);
}
std::vector<std::string> fields_of(std::string_view bytes) {
  std::vector<std::string> out;
  for (bytes.remove_prefix(1); !bytes.empty();) {
    const size_t size = 3 + size_t(uint8_t(bytes[1]) << 8 | uint8_t(bytes[2]));
    out.emplace_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  return out;
}
std::string joined(const std::vector<std::string>& fields, char version = 1) {
  std::string out(1, version);
  for (const auto& one : fields) out += one;
  return out;
}
std::string replaced(std::string_view bytes, uint8_t tag, std::string_view value) {  // the field anew, or added
  auto fields = fields_of(bytes);
  std::erase_if(fields, [&](const std::string& one) { return uint8_t(one[0]) == tag; });
  fields.push_back(field(tag, value));
  std::sort(fields.begin(), fields.end(), [](const auto& a, const auto& b) { return uint8_t(a[0]) < uint8_t(b[0]); });
  return joined(fields);
}

class Records : public testing::Test {
 protected:
  Rules rules(WallTime now = kNow) {
    Rules out;
    out.trust = &cache;
    out.trust_domain = "mesh.local";
    out.now = now;
    out.require_signed = true;
    return out;
  }
  static Checked check(std::string_view bytes, const Rules& rules) {
    const auto read = parse_record(bytes);
    return read.verdict == RecordVerdict::Ok ? check_record(read.record, rules) : Checked{read.verdict, {}};
  }
  RecordVerdict verdict(std::string_view bytes) { return check(bytes, rules()).verdict; }

  Authority authority = make_authority();
  Identity cart = make_identity(authority, kCart);
  TrustCache cache{cart.trust};
};

// ---- Written and read ------------------------------------------------------------------------------------------------

TEST_F(Records, AreReadAsTheyWereWritten) {
  const Announcement what = announcement();
  for (const Identity* signer : {static_cast<const Identity*>(nullptr), static_cast<const Identity*>(&cart)}) {
    const std::string bytes = write(what, signer);
    const auto read = parse_record(bytes);
    ASSERT_EQ(read.verdict, RecordVerdict::Ok);
    const Record& record = read.record;
    EXPECT_EQ(record.trust_domain, what.trust_domain);
    EXPECT_EQ(record.service, what.service);
    EXPECT_EQ(record.shard, what.shard);
    EXPECT_EQ(record.shards, what.shards);
    EXPECT_EQ(record.instance, what.instance);
    EXPECT_EQ(record.sequence, what.sequence);
    EXPECT_EQ(record.issued, what.issued);
    EXPECT_EQ(record.not_before, what.not_before);
    EXPECT_EQ(record.not_after, what.not_after);
    EXPECT_EQ(record.address, what.address);
    EXPECT_EQ(record.protocol, what.protocol);
    EXPECT_EQ(record.weight, what.weight);
    EXPECT_EQ(record.slots, 0u);
    EXPECT_EQ(record.zone, what.zone);
    EXPECT_EQ(record.version, what.version);
    EXPECT_EQ(record.labels, what.labels);
    EXPECT_TRUE(record.ready);
    EXPECT_FALSE(record.tombstone);
    EXPECT_FALSE(record.draining);
    EXPECT_EQ(record.bytes, bytes);
    EXPECT_EQ(record.leaf, signer ? cart.leaf.der() : "");
    EXPECT_EQ(record.algorithm, signer ? Algorithm::EcdsaP256 : Algorithm::None);
    EXPECT_EQ(record.instance_text(), "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    EXPECT_EQ(record.key_name(), "outrider1/mesh.local/svc/shop/cart#3");
  }
}

TEST_F(Records, WithoutChoicesAreShortAndStayWithinTheTarget) {
  Announcement what;
  what.trust_domain = "mesh.local";
  what.service = "shop/cart";
  what.issued = what.not_before = kNow;
  what.not_after = kNow + kMinute;
  what.tombstone = true;
  const auto bare = parse_record(write(what));
  ASSERT_EQ(bare.verdict, RecordVerdict::Ok);
  EXPECT_FALSE(bare.record.address.valid());
  EXPECT_TRUE(bare.record.tombstone);
  EXPECT_TRUE(bare.record.labels.empty());
  EXPECT_LT(write(announcement(), &cart).size(), 800u);
}

TEST_F(Records, CarryIPv6AndAllFlags) {
  Announcement what = announcement();
  what.address = *net::Address::parse("[2001:db8::7]:443");
  what.tombstone = what.draining = true;
  what.ready = false;
  const auto read = parse_record(write(what));
  ASSERT_EQ(read.verdict, RecordVerdict::Ok);
  EXPECT_EQ(read.record.address.text(), "[2001:db8::7]:443");
  EXPECT_TRUE(read.record.tombstone && read.record.draining && !read.record.ready);
}

TEST_F(Records, ThatCannotBeMeantAreNotWritten) {
  const auto why = [&](auto change) {
    Announcement what = announcement();
    change(what);
    return write_record(what, nullptr).why();
  };
  const std::string prefix = "record of shop/cart: ";
  EXPECT_EQ(why([](auto& a) { a.trust_domain = ""; }), prefix + "bad trust domain");
  EXPECT_EQ(why([](auto& a) { a.service = "cart"; }),
            "record of cart: a service is namespace/name, lower case, 63 characters each");
  EXPECT_EQ(why([](auto& a) { a.shards = 3; }), prefix + "shards is no power of two up to 1024");
  EXPECT_EQ(why([](auto& a) { a.shards = 0; }), prefix + "shards is no power of two up to 1024");
  EXPECT_EQ(why([](auto& a) { a.shards = 2048; }), prefix + "shards is no power of two up to 1024");
  EXPECT_EQ(why([](auto& a) { a.shard = 16; }), prefix + "shard is not below shards");
  EXPECT_EQ(why([](auto& a) { a.not_after = a.not_before - seconds(1); }), prefix + "ends before it begins");
  EXPECT_EQ(why([](auto& a) { a.issued = WallTime(seconds(-1)); }), prefix + "a time out of range");
  EXPECT_EQ(why([](auto& a) { a.not_after = WallTime::max(); }), prefix + "a time out of range");
  EXPECT_EQ(why([](auto& a) { a.address = {}; }), prefix + "no address");
  EXPECT_EQ(why([](auto& a) { a.address = *net::Address::parse("unix:/x"); }), prefix + "a unix path is no address for others");
  EXPECT_EQ(why([](auto& a) { a.address.set_port(0); }), prefix + "an address nobody can connect to");
  EXPECT_EQ(why([](auto& a) { a.address = *net::Address::parse(":80"); }), prefix + "an address nobody can connect to");
  EXPECT_EQ(why([](auto& a) { a.protocol = "seventeen letters"; }), prefix + "protocol is over 16 printable characters");
  EXPECT_EQ(why([](auto& a) { a.zone = "a\nb"; }), prefix + "zone is over 63 printable characters");
  EXPECT_EQ(why([](auto& a) { a.version = std::string(64, 'v'); }), prefix + "version is over 63 printable characters");
  const std::string labels = prefix + "labels: 16, 256 bytes in all, printable, in order of their keys, each key once";
  EXPECT_EQ(why([](auto& a) { a.labels = {{"b", ""}, {"a", ""}}; }), labels);
  EXPECT_EQ(why([](auto& a) { a.labels = {{"a", ""}, {"a", ""}}; }), labels);
  EXPECT_EQ(why([](auto& a) { a.labels = {{"", "x"}}; }), labels);
  EXPECT_EQ(why([](auto& a) { a.labels = {{"a", std::string(256, 'x')}}; }), labels);
  EXPECT_EQ(why([](auto& a) { a.labels = {{"a", std::string(250, 'x')}, {"b", std::string(250, 'x')}}; }), labels);
  EXPECT_EQ(why([](auto& a) { a.labels = {{"a", "\x7f"}}; }), labels);
  Announcement foreign = announcement();
  foreign.trust_domain = "other";
  EXPECT_EQ(write_record(foreign, &cart).why(), prefix + "trust domain other, but the certificate is " + kCart);
}

// ---- The strict parser -----------------------------------------------------------------------------------------------

TEST_F(Records, CutAnywhereOrContinuedAreMalformed) {
  for (const std::string& bytes : {write(announcement()), write(announcement(), &cart)}) {
    for (size_t length = 0; length < bytes.size(); ++length)
      EXPECT_EQ(parsed(std::string_view(bytes).substr(0, length)), RecordVerdict::Malformed) << length;
    for (const char* tail : {"x", "\xFF", "\x50"}) EXPECT_EQ(parsed(bytes + tail), RecordVerdict::Malformed);
  }
}

TEST_F(Records, OverFourKibibytesAreOversized) {
  EXPECT_EQ(parsed(std::string(kMaxRecord + 1, 1)), RecordVerdict::Oversized);
  const std::string full = write(announcement());
  const std::string padded = full + field(0x50, std::string(kMaxRecord - full.size() - 3, 'x'));
  ASSERT_EQ(padded.size(), kMaxRecord);
  EXPECT_EQ(parsed(padded), RecordVerdict::Ok);
}

TEST_F(Records, FieldsComeOnceInOrderAndNoneIsMissing) {
  const auto fields = fields_of(write(announcement(), &cart));
  for (size_t i = 0; i < fields.size(); ++i) {
    auto twice = fields, moved = fields, without = fields;
    twice.insert(twice.begin() + long(i), fields[i]);
    EXPECT_EQ(parsed(joined(twice)), RecordVerdict::Malformed) << i;
    without.erase(without.begin() + long(i));
    const uint8_t tag = uint8_t(fields[i][0]);
    const bool needless = tag == 9 || tag == 11 || tag == 12 || tag == 13;  // protocol, zone, version, labels
    EXPECT_EQ(parsed(joined(without)), needless ? RecordVerdict::Ok : RecordVerdict::Malformed) << int(tag);
    if (i == 0) continue;
    std::swap(moved[i], moved[i - 1]);
    EXPECT_EQ(parsed(joined(moved)), RecordVerdict::Malformed) << i;
  }
  EXPECT_EQ(parsed(joined(fields, 2)), RecordVerdict::Malformed);
  EXPECT_EQ(parsed(joined({}, 1)), RecordVerdict::Malformed);
}

TEST_F(Records, FieldsOfTheWrongLengthOrContentAreMalformed) {
  const std::string bytes = write(announcement());
  const auto with = [&](uint8_t tag, std::string_view value) { return parsed(replaced(bytes, tag, value)); };
  const auto malformed = RecordVerdict::Malformed;
  ASSERT_EQ(with(2, "shop/web"), RecordVerdict::Ok);  // the tool of this test works
  for (const auto& one : fields_of(bytes)) EXPECT_EQ(with(uint8_t(one[0]), ""), malformed) << int(one[0]);
  for (const uint8_t fixed : {3, 4, 5, 6, 7, 8, 10, 15})
    for (const auto& one : fields_of(bytes)) {
      if (uint8_t(one[0]) != fixed) continue;
      EXPECT_EQ(with(fixed, one.substr(3) + "x"), malformed) << int(fixed);
      EXPECT_EQ(with(fixed, one.substr(3, one.size() - 4)), malformed) << int(fixed);
    }
  EXPECT_EQ(with(1, "Mesh Local"), malformed);
  EXPECT_EQ(with(2, "shop"), malformed);
  EXPECT_EQ(with(3, std::string("\0\3\0\3", 4)), malformed);
  EXPECT_EQ(with(3, std::string("\0\4\0\4", 4)), malformed);
  EXPECT_EQ(with(6, std::string(24, '\xff')), malformed);
  EXPECT_EQ(with(7, "\x10"), malformed);
  EXPECT_EQ(with(8, std::string("\1\2\3\4\0\0", 6)), malformed);                    // port 0
  EXPECT_EQ(with(8, std::string(10, '\0') + "\xff\xff\1\2\3\4\0\x50"), malformed);  // v4 in v6's clothes
  EXPECT_EQ(with(8, std::string("\0\0\0\0\0\x50", 6)), malformed);
  EXPECT_EQ(with(9, "two words"), malformed);
  EXPECT_EQ(with(11, std::string(64, 'z')), malformed);
  EXPECT_EQ(with(12, "\xc3\xbc"), malformed);
  EXPECT_EQ(with(13, "\1a"), malformed);
  EXPECT_EQ(with(13, "\1a\2b"), malformed);
  EXPECT_EQ(with(13, std::string("\1b\0\1a\0", 6)), malformed);
  EXPECT_EQ(with(13, std::string("\1a\0\1a\0", 6)), malformed);
  EXPECT_EQ(with(13, std::string("\0\0", 2)), malformed);
  std::string many;
  for (int i = 0; i < 17; ++i) many += std::string{1, char('a' + i), 0};
  EXPECT_EQ(with(13, many), malformed);
  EXPECT_EQ(with(13, many.substr(0, 48)), RecordVerdict::Ok);
  EXPECT_EQ(with(15, "\x04"), malformed);
}

TEST_F(Records, AreSignedAltogetherOrNotAtAll) {
  const std::string clear = write(announcement());
  EXPECT_EQ(parsed(replaced(clear, 14, "leaf")), RecordVerdict::Malformed);
  EXPECT_EQ(parsed(replaced(clear, 15, "\1")), RecordVerdict::Malformed);
  EXPECT_EQ(parsed(replaced(clear, 0xFF, "signature")), RecordVerdict::Malformed);
  EXPECT_EQ(parsed(replaced(replaced(clear, 14, "leaf"), 0xFF, "signature")), RecordVerdict::Malformed);
  const std::string whole = replaced(replaced(replaced(clear, 14, "leaf"), 15, "\1"), 0xFF, "signature");
  EXPECT_EQ(parsed(whole), RecordVerdict::Ok);
  EXPECT_EQ(parsed(replaced(whole, 0xFF, std::string(513, 's'))), RecordVerdict::Malformed);
}

TEST_F(Records, FieldsOfLaterVersionsAreSkippedAndSigned) {
  const std::string clear = write(announcement());
  for (const uint8_t tag : {0x41, 0x80, 0xEF}) EXPECT_EQ(parsed(replaced(clear, tag, "later")), RecordVerdict::Ok);
  for (const uint8_t tag : {0x00, 0x10, 0x3F, 0xF0, 0xFE})
    EXPECT_EQ(parsed(replaced(clear, tag, "later")), RecordVerdict::Malformed);
  EXPECT_EQ(verdict(replaced(write(announcement(), &cart), 0x41, "slipped in")), RecordVerdict::BadSignature);
}

// The first of them. Older readers skip it.
TEST_F(Records, SlotsAreSaidWhereSomebodyKnowsThem) {
  Announcement what = announcement();
  what.slots = 16;
  const std::string clear = write(what), bytes = write(what, &cart);
  EXPECT_EQ(parse_record(clear).record.slots, 16u);
  EXPECT_EQ(parse_record(bytes).record.slots, 16u);
  EXPECT_EQ(verdict(bytes), RecordVerdict::Ok);
  EXPECT_EQ(facts_of(parse_record(bytes).record, kCart)->slots, 16u);
  EXPECT_EQ(verdict(replaced(bytes, 0x40, std::string("\0\0\1\0", 4))), RecordVerdict::BadSignature);
  for (const size_t size : {1, 3, 5}) EXPECT_EQ(parsed(replaced(clear, 0x40, std::string(size, '\1'))), RecordVerdict::Malformed);
}

// ---- Judged ----------------------------------------------------------------------------------------------------------

TEST_F(Records, OfAServicesOwnNamespaceAreBelievedAndNameTheirSigner) {
  const auto good = check(write(announcement(), &cart), rules());
  EXPECT_EQ(good.verdict, RecordVerdict::Ok);
  EXPECT_EQ(good.identity, kCart);
  const Identity web = make_identity(authority, "spiffe://mesh.local/ns/shop/sa/web");
  EXPECT_EQ(check(write(announcement(), &web), rules()).identity, "spiffe://mesh.local/ns/shop/sa/web");
}

TEST_F(Records, BentInAnyByteAreNeverBelieved) {
  const std::string bytes = write(announcement(), &cart);
  for (const bool judged : {true, false}) {
    Rules how = rules();
    if (!judged) {
      how.trust = nullptr;
      how.require_signed = false;
    }
    for (size_t i = 0; i < bytes.size(); ++i)
      for (const int bits : {1, 0x80, 0xff}) {
        std::string bent = bytes;
        bent[i] = char(bent[i] ^ bits);
        const auto said = check(bent, how);
        EXPECT_NE(said.verdict, RecordVerdict::Ok) << "byte " << i << " bits " << bits;
        EXPECT_EQ(said.identity, "");
      }
  }
}

TEST_F(Records, SignedByEveryKindOfKeyAreBelievedAndKindsAreNotMixedUp) {
  for (const KeyPair& key : {ed25519_key(), rsa_key(2048)}) {
    const Certificate leaf = odd_certificate(key, authority.certificate(), authority.key(),
                                             {{{NID_subject_alt_name, "URI:spiffe://mesh.local/ns/shop/sa/cart"}}});
    const Identity odd = std::move(*Identity::of({key, leaf}, authority.certificate()));
    const std::string bytes = write(announcement(), &odd);
    EXPECT_EQ(parse_record(bytes).record.algorithm, key.algorithm());
    EXPECT_EQ(verdict(bytes), RecordVerdict::Ok);
    EXPECT_EQ(verdict(replaced(bytes, 15, "\1")), RecordVerdict::BadSignature);
    std::string bent = bytes;
    bent.back() = char(bent.back() ^ 1);
    EXPECT_EQ(verdict(bent), RecordVerdict::BadSignature);
  }
}

TEST_F(Records, OfAForeignAuthorityAreRefused) {
  const Identity stranger = make_identity(make_authority(), kCart);
  EXPECT_EQ(verdict(write(announcement(), &stranger)), RecordVerdict::UnknownCa);
}

TEST_F(Records, UnderSomebodyElsesCertificateAreRefused) {
  const Identity thief{cart.id, std::move(*KeyPair::generate()), cart.leaf, {}, cart.trust};
  EXPECT_EQ(verdict(write(announcement(), &thief)), RecordVerdict::BadSignature);
}

TEST_F(Records, OfAnotherNamespaceAreNotTheOwners) {
  const Identity ops = make_identity(authority, "spiffe://mesh.local/ns/ops/sa/cart");
  const std::string bytes = write(announcement(), &ops);
  EXPECT_EQ(verdict(bytes), RecordVerdict::NotOwner);
  Owners owners;
  owners.by_service["shop/cart"] = {"ops/*"};
  Rules listed = rules();
  listed.owners = &owners;
  EXPECT_EQ(check(bytes, listed).verdict, RecordVerdict::Ok);
  EXPECT_EQ(check(write(announcement(), &cart), listed).verdict, RecordVerdict::NotOwner);
  // Where others are believed unsigned, and where nobody can be judged.
  listed.require_signed = false;
  EXPECT_EQ(check(write(announcement(), nullptr), listed).verdict, RecordVerdict::NoCertificate);
  listed.trust = nullptr;
  EXPECT_EQ(check(bytes, listed).verdict, RecordVerdict::UnknownCa);
}

TEST_F(Records, OfAnotherTrustDomainAreOfTheWrongIdentity) {
  const Identity other = make_identity(authority, "spiffe://other/ns/shop/sa/cart");
  Announcement what = announcement();
  what.trust_domain = "other";
  EXPECT_EQ(verdict(write(what, &other)), RecordVerdict::WrongIdentity);
  // Signed by a member of `other` who claims to be of ours: the writer refuses, so it is made by hand.
  std::string forged = replaced(write(what, &other), 1, "mesh.local");
  auto fields = fields_of(forged);
  fields.pop_back();
  const std::string body = joined(fields);
  forged = body + field(0xFF, other.key.sign("outrider-registration-v1" + body));
  EXPECT_EQ(verdict(forged), RecordVerdict::WrongIdentity);
  Rules theirs = rules();
  theirs.trust_domain = "other";
  EXPECT_EQ(check(write(what, &other), theirs).verdict, RecordVerdict::Ok);
}

TEST_F(Records, WhoseCertificateNamesNobodyAreOfTheWrongIdentity) {
  const KeyPair key = std::move(*KeyPair::generate());
  const Identity nameless{cart.id,
                          key,
                          odd_certificate(key, authority.certificate(), authority.key(), {{{NID_subject_alt_name, "DNS:cart"}}}),
                          {},
                          cart.trust};
  EXPECT_EQ(verdict(write(announcement(), &nameless)), RecordVerdict::WrongIdentity);
}

TEST_F(Records, UnsignedAreBelievedOnlyWhereThatIsAllowedAndVouchForNobody) {
  const std::string bytes = write(announcement());
  EXPECT_EQ(verdict(bytes), RecordVerdict::NoCertificate);
  Rules lax = rules();
  lax.require_signed = false;
  EXPECT_EQ(check(bytes, lax).verdict, RecordVerdict::Ok);
  EXPECT_EQ(check(bytes, lax).identity, "");
  lax.trust = nullptr;
  EXPECT_EQ(check(bytes, lax).verdict, RecordVerdict::Ok);
}

TEST_F(Records, SignedOnesVouchForNobodyWhereThereIsNobodyToJudge) {
  const std::string bytes = write(announcement(), &cart);
  Rules blind = rules();
  blind.trust = nullptr;
  EXPECT_EQ(check(bytes, blind).verdict, RecordVerdict::UnknownCa);
  blind.require_signed = false;
  EXPECT_EQ(check(bytes, blind).verdict, RecordVerdict::Ok);
  EXPECT_EQ(check(bytes, blind).identity, "");
  const std::string rubbish = replaced(bytes, 14, "rubbish");
  EXPECT_EQ(check(rubbish, blind).verdict, RecordVerdict::Malformed);
}

TEST_F(Records, UnderAnotherServicesKeyAreReplays) {
  Rules here = rules();
  here.service = "shop/web";
  EXPECT_EQ(check(write(announcement(), &cart), here).verdict, RecordVerdict::Replayed);
  here.service = "shop/cart";
  EXPECT_EQ(check(write(announcement(), &cart), here).verdict, RecordVerdict::Ok);
}

TEST_F(Records, HoldFromTheirBeginToTheirEndGiveOrTakeTheSkew) {
  const std::string bytes = write(announcement(), &cart);  // ten minutes from kNow
  const auto at = [&](WallTime now) { return check(bytes, rules(now)).verdict; };
  EXPECT_EQ(at(kNow - seconds(31)), RecordVerdict::Skew);
  EXPECT_EQ(at(kNow - seconds(30)), RecordVerdict::Ok);
  EXPECT_EQ(at(kNow + 10 * kMinute + seconds(29)), RecordVerdict::Ok);
  EXPECT_EQ(at(kNow + 10 * kMinute + seconds(30)), RecordVerdict::Expired);
  Announcement what = announcement();
  what.not_after = kNow + 15 * kMinute + seconds(30);
  EXPECT_EQ(verdict(write(what, &cart)), RecordVerdict::Ok);
  what.not_after += milliseconds(1);
  EXPECT_EQ(verdict(write(what, &cart)), RecordVerdict::Skew);
  what = announcement();
  what.sequence = uint64_t(to_ms(kNow + 15 * kMinute + seconds(31)));  // no later version could be newer
  EXPECT_EQ(verdict(write(what, &cart)), RecordVerdict::Skew);
  what = announcement();
  what.issued = kNow + seconds(31);
  EXPECT_EQ(verdict(write(what, &cart)), RecordVerdict::Skew);
  what = announcement();
  what.not_before = kNow + seconds(31);
  EXPECT_EQ(verdict(write(what, &cart)), RecordVerdict::Skew);
}

TEST_F(Records, OfASnapshotCountForAWhileAfterTheirEndAndAfterTheirCertificates) {
  const Identity brief = std::move(*Identity::of(issue(authority, kCart, std::chrono::minutes(20)), authority.certificate()));
  const std::string bytes = write(announcement(), &brief);
  Rules later = rules(kNow + 60 * kMinute);
  EXPECT_EQ(check(bytes, later).verdict, RecordVerdict::Expired);
  later.stale = std::chrono::hours(1);
  EXPECT_EQ(check(bytes, later).verdict, RecordVerdict::Ok);
  later.now = kNow + 71 * kMinute;
  EXPECT_EQ(check(bytes, later).verdict, RecordVerdict::Expired);
  later.stale = milliseconds(int64_t(1) << 42);  // 139 years
  EXPECT_EQ(check(bytes, later).verdict, RecordVerdict::Ok);
}

TEST_F(Records, OfAnExpiredOrEarlyCertificateAreRefused) {
  const Identity over = std::move(*Identity::of(issue(authority, kCart, std::chrono::minutes(3)), authority.certificate()));
  const std::string bytes = write(announcement(), &over);
  EXPECT_EQ(verdict(bytes), RecordVerdict::Ok);
  EXPECT_EQ(check(bytes, rules(kNow + 5 * kMinute)).verdict, RecordVerdict::Expired);
  const Identity early =
      std::move(*Identity::of(issue(authority, kCart, std::chrono::hours(1), kNow + 5 * kMinute), authority.certificate()));
  EXPECT_EQ(verdict(write(announcement(), &early)), RecordVerdict::Skew);
}

TEST_F(Records, ReasonsAreTheLabelsOfTheMetric) {
  std::string all;
  for (int v = 0; v <= int(RecordVerdict::Muted); ++v) (all += reason(RecordVerdict(v))) += ' ';
  EXPECT_EQ(all,
            " bad_signature unknown_ca no_certificate wrong_identity not_owner expired skew replayed oversized "
            "unsealed malformed muted ");
}

// ---- Names and ids ---------------------------------------------------------------------------------------------------

TEST(RecordIds, AreTheFirstBytesOfTheHash) {
  EXPECT_EQ(value_id("abc"), 0xba7816bf8f01cfeaULL);  // FIPS 180-2, appendix B.1
  EXPECT_NE(value_id("abd"), value_id("abc"));
}

TEST(RecordIds, KeysNameDomainServiceAndShard) {
  EXPECT_EQ(key_name("mesh.local", "shop/cart", 0), "outrider1/mesh.local/svc/shop/cart#0");
  EXPECT_EQ(key_name("mesh.local", "shop/cart", 1023), "outrider1/mesh.local/svc/shop/cart#1023");
}

TEST(RecordIds, InstancesSpreadEvenlyOverShards) {
  // 6400 instances over 16 shards: 400 each, sigma 19.4; five sigma either way. Chance of a false alarm below 1e-5.
  std::array<int, 16> count{};
  for (int i = 0; i < 6400; ++i) ++count[shard_of(new_instance_id(), 16)];
  for (int n : count) EXPECT_NEAR(n, 400, 97);
  EXPECT_EQ(shard_of(new_instance_id(), 1), 0);
  EXPECT_NE(new_instance_id(), new_instance_id());
}

}  // namespace
}  // namespace outrider::discovery
