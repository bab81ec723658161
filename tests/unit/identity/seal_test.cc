// Datagrams under the mesh key: what opens, what does not, and what an attacker can cost us.

#include "identity/seal.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <cstring>

#include "base/random.h"
#include "base/text.h"
#include "identity/key_pair.h"
#include "pki.h"

namespace outrider::identity {

class SealTest : public testing::Test {
 protected:
  static MeshKeys fresh_keys() { return {{random_bytes(32)}}; }
  static std::string sealed(Seal& by, std::string_view plain) { return std::string(by.seal(plain)); }
  static SealVerdict verdict(Seal& at, std::string_view datagram) { return at.unseal(datagram).verdict; }
  static std::string opened(Seal& at, std::string_view datagram) {
    const auto out = at.unseal(datagram);
    return out.verdict == SealVerdict::Ok ? std::string(out.plain.begin(), out.plain.end()) : "refused";
  }
  static void set_counter(Seal& seal, uint32_t counter) { seal.counter_ = counter; }
  static std::string salt_of(std::string_view datagram) { return std::string(datagram.substr(2, 16)); }

  const MeshKeys keys = fresh_keys();
  Seal alice{keys}, bob{keys};
};

TEST_F(SealTest, WhatOneSealsAnotherOpens) {
  for (const size_t size :
       {size_t(0), size_t(1), size_t(15), size_t(16), size_t(17), size_t(1280), Seal::kMaxDatagram - Seal::kOverhead}) {
    const std::string plain(size, 'p');
    const std::string datagram = sealed(alice, plain);
    EXPECT_EQ(datagram.size(), size + Seal::kOverhead);
    EXPECT_EQ(opened(bob, datagram), plain);
  }
  EXPECT_EQ(bob.senders(), 1u);
  EXPECT_TRUE(alice.seal(std::string(Seal::kMaxDatagram - Seal::kOverhead + 1, 'p')).empty());
}

TEST_F(SealTest, NothingClearIsLeftInADatagramAndNoTwoAreAlike) {
  const std::string one = sealed(alice, "the same clear words"), two = sealed(alice, "the same clear words");
  EXPECT_EQ(one.find("clear"), std::string::npos);
  EXPECT_NE(one.substr(22), two.substr(22));
  EXPECT_NE(salt_of(one), salt_of(sealed(bob, "x")));
}

// Against OpenSSL's own HKDF and GCM, so that the format is what its description says.
TEST_F(SealTest, TheFormatIsHkdfAndAesGcm) {
  const std::string datagram = sealed(alice, "hello"), salt = salt_of(datagram);
  EVP_KDF* kdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  EVP_KDF_CTX* context = EVP_KDF_CTX_new(kdf);
  std::string digest = "SHA256", key = keys.keys[0], domain = "outrider-seal-v1", info = "key" + salt;
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
                         OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key.data(), key.size()),
                         OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, domain.data(), domain.size()),
                         OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()),
                         OSSL_PARAM_construct_end()};
  unsigned char derived[16];
  ASSERT_EQ(EVP_KDF_derive(context, derived, sizeof derived, params), 1);
  EVP_KDF_CTX_free(context);
  EVP_KDF_free(kdf);

  ASSERT_EQ(datagram.size(), 5 + Seal::kOverhead);
  EXPECT_EQ(uint8_t(datagram[0]), 0xC1);
  EXPECT_EQ(datagram.substr(18, 4), std::string("\0\0\0\1", 4));
  const unsigned char nonce[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  EVP_CIPHER_CTX* gcm = EVP_CIPHER_CTX_new();
  unsigned char plain[5];
  int n = 0;
  std::string tag = datagram.substr(27);
  EVP_DecryptInit_ex2(gcm, EVP_aes_128_gcm(), derived, nonce, nullptr);
  EVP_DecryptUpdate(gcm, nullptr, &n, bytes_of(datagram), 22);
  EVP_DecryptUpdate(gcm, plain, &n, bytes_of(datagram) + 22, 5);
  EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_SET_TAG, 16, tag.data());
  EXPECT_EQ(EVP_DecryptFinal_ex(gcm, plain, &n), 1);
  EVP_CIPHER_CTX_free(gcm);
  EXPECT_EQ(std::memcmp(plain, "hello", 5), 0);
}

TEST_F(SealTest, ADatagramOpensOnce) {
  const std::string datagram = sealed(alice, "x");
  EXPECT_EQ(verdict(bob, datagram), SealVerdict::Ok);
  EXPECT_EQ(verdict(bob, datagram), SealVerdict::Replayed);
  EXPECT_EQ(verdict(bob, datagram), SealVerdict::Replayed);
}

TEST_F(SealTest, OurOwnDatagramSentBackIsRefused) { EXPECT_EQ(verdict(alice, sealed(alice, "x")), SealVerdict::Replayed); }

TEST_F(SealTest, DatagramsMayOvertakeEachOtherWithinTheWindow) {
  std::vector<std::string> sent;
  for (uint32_t i = 0; i < Seal::kWindow + 1; ++i) sent.push_back(sealed(alice, std::to_string(i)));
  EXPECT_EQ(verdict(bob, sent.back()), SealVerdict::Ok);
  EXPECT_EQ(verdict(bob, sent.front()), SealVerdict::Replayed);  // too old to tell
  for (size_t i = sent.size() - 2; i > 0; --i) EXPECT_EQ(opened(bob, sent[i]), std::to_string(i));
  for (const auto& again : sent) EXPECT_EQ(verdict(bob, again), SealVerdict::Replayed);
}

// The window against the obvious model of it: a set of all counters seen.
TEST_F(SealTest, TheWindowAgreesWithASetOfCounters) {
  const uint64_t seed = random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  std::vector<std::string> sent{""};
  for (uint32_t i = 1; i <= 6000; ++i) sent.push_back(sealed(alice, ""));
  std::vector<bool> seen(sent.size());
  uint32_t highest = 0, at = 1;
  for (int step = 0; step < 6000; ++step) {
    at = random.below(8) == 0 ? 1 + random.below(6000)
                              : std::min<uint32_t>(6000, highest / 2 + random.below(highest / 2 + 30) + 1);
    const bool fresh = at > highest || (highest - at < Seal::kWindow && !seen[at]);
    ASSERT_EQ(verdict(bob, sent[at]), fresh ? SealVerdict::Ok : SealVerdict::Replayed) << at << " of " << highest;
    if (fresh) seen[at] = true;
    highest = std::max(highest, fresh ? at : 0);
  }
}

TEST_F(SealTest, AForgedCounterMovesNoWindow) {
  const std::string first = sealed(alice, "1"), second = sealed(alice, "2");
  EXPECT_EQ(verdict(bob, first), SealVerdict::Ok);
  std::string forged = second;
  forged[18] = char(0xFF);
  EXPECT_EQ(verdict(bob, forged), SealVerdict::UnknownKey);
  EXPECT_EQ(opened(bob, second), "2");
}

TEST_F(SealTest, NoBentByteOpens) {
  const std::string datagram = sealed(alice, "a datagram of the mesh");
  for (size_t i = 0; i < datagram.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bent = datagram;
      bent[i] = char(bent[i] ^ (1 << bit));
      EXPECT_NE(verdict(bob, bent), SealVerdict::Ok) << i << " bit " << bit;
    }
  for (size_t length = 0; length < datagram.size(); ++length)
    EXPECT_NE(verdict(bob, datagram.substr(0, length)), SealVerdict::Ok) << length;
  EXPECT_NE(verdict(bob, datagram + "x"), SealVerdict::Ok);
  EXPECT_EQ(bob.senders(), 0u);
  EXPECT_EQ(verdict(bob, datagram), SealVerdict::Ok);
}

TEST_F(SealTest, EachRefusalHasItsName) {
  EXPECT_EQ(verdict(bob, "\x85\xa1y\xa1r"), SealVerdict::Unsealed);  // a clear DHT packet begins like this
  EXPECT_EQ(verdict(bob, ""), SealVerdict::Malformed);
  EXPECT_EQ(verdict(bob, "\xC1"), SealVerdict::Malformed);
  EXPECT_EQ(verdict(bob, sealed(alice, "x").substr(0, Seal::kOverhead - 1)), SealVerdict::Malformed);
  std::string zero = sealed(alice, "x");
  zero.replace(18, 4, 4, '\0');
  EXPECT_EQ(verdict(bob, zero), SealVerdict::Malformed);
  Seal stranger(fresh_keys());
  EXPECT_EQ(verdict(bob, sealed(stranger, "x")), SealVerdict::UnknownKey);
  EXPECT_STREQ(reason(SealVerdict::Ok), "");
  EXPECT_STREQ(reason(SealVerdict::Unsealed), "unsealed");
  EXPECT_STREQ(reason(SealVerdict::UnknownKey), "unsealed");
  EXPECT_STREQ(reason(SealVerdict::Malformed), "malformed");
  EXPECT_STREQ(reason(SealVerdict::Replayed), "replayed");
}

TEST_F(SealTest, TwoKeysAreAcceptedAndTheFirstSeals) {
  // 600 pairs: some share the byte that names a key, and must be told apart by trying.
  for (int i = 0; i < 600; ++i) {
    const MeshKeys old_key = fresh_keys(), new_key = fresh_keys();
    const MeshKeys rotating{{new_key.keys[0], old_key.keys[0]}};
    Seal before(old_key, 4), between(rotating, 4), after(new_key, 4);
    ASSERT_EQ(opened(between, sealed(before, "old")), "old");
    ASSERT_EQ(opened(between, sealed(after, "new")), "new");
    ASSERT_EQ(opened(after, sealed(between, "both")), "both");
    ASSERT_EQ(opened(before, sealed(between, "both")), "refused");
    ASSERT_EQ(opened(before, sealed(after, "new")), "refused");
  }
}

TEST_F(SealTest, StrangersWithRandomSaltsPushNobodyOut) {
  Seal receiver(keys, 2);
  EXPECT_EQ(verdict(receiver, sealed(alice, "a")), SealVerdict::Ok);
  const std::string replay = sealed(bob, "b");
  EXPECT_EQ(verdict(receiver, replay), SealVerdict::Ok);
  std::string forged = sealed(alice, "c");
  for (int i = 0; i < 1000; ++i) {
    forged.replace(2, 16, random_bytes(16));
    EXPECT_EQ(verdict(receiver, forged), SealVerdict::UnknownKey);
  }
  EXPECT_EQ(receiver.senders(), 2u);
  EXPECT_EQ(verdict(receiver, replay), SealVerdict::Replayed);  // still known
}

TEST_F(SealTest, TheSenderLeastRecentlyHeardGivesWay) {
  Seal receiver(keys, 2), carol(keys);
  const std::string from_alice = sealed(alice, "a"), from_bob = sealed(bob, "b");
  EXPECT_EQ(verdict(receiver, from_alice), SealVerdict::Ok);
  EXPECT_EQ(verdict(receiver, from_bob), SealVerdict::Ok);
  EXPECT_EQ(verdict(receiver, sealed(alice, "again")), SealVerdict::Ok);
  EXPECT_EQ(verdict(receiver, sealed(carol, "c")), SealVerdict::Ok);
  EXPECT_EQ(receiver.senders(), 2u);
  EXPECT_EQ(verdict(receiver, from_alice), SealVerdict::Replayed);
  EXPECT_EQ(verdict(receiver, sealed(bob, "new")), SealVerdict::Ok);  // forgotten, and welcome again
}

TEST_F(SealTest, ASaltIsDroppedBeforeItsCounterComesAround) {
  const std::string before = sealed(alice, "1");
  set_counter(alice, UINT32_MAX - 1);
  const std::string last = sealed(alice, "last"), next = sealed(alice, "next");
  EXPECT_EQ(salt_of(before), salt_of(last));
  EXPECT_NE(salt_of(last), salt_of(next));
  EXPECT_EQ(opened(bob, before), "1");
  EXPECT_EQ(opened(bob, last), "last");
  EXPECT_EQ(opened(bob, next), "next");
  EXPECT_EQ(bob.senders(), 2u);
}

TEST(MeshKeyFiles, AreWrittenFreshForTheirOwnerOnlyAndNeverOver) {
  TemporaryFolder folder;
  const std::string file = folder.path("mesh.key");
  ASSERT_TRUE(write_mesh_key(file));
  EXPECT_EQ(mode_of(file), 0600u);
  const auto keys = load_mesh_keys(file);
  ASSERT_TRUE(keys) << keys.why();
  ASSERT_EQ(keys->keys.size(), 1u);
  EXPECT_EQ(contents(file), to_hex(keys->keys[0]) + "\n");
  EXPECT_EQ(write_mesh_key(file).why(), file + ": is there already; move it away first");
  ASSERT_TRUE(write_mesh_key(folder.path("other")));
  EXPECT_NE(contents(folder.path("other")), contents(file));
}

TEST(MeshKeyFiles, HoldOneOrTwoLinesAndSayWhatIsWrongWhere) {
  const std::string key(64, 'a'), other(64, 'B');
  const auto why = [](const std::string& text) { return parse_mesh_keys(text, "mesh.key").why(); };
  EXPECT_EQ(parse_mesh_keys(key, "f")->keys.size(), 1u);
  const auto both = parse_mesh_keys("\n" + key + "\r\n  " + other + "\n\n", "f");
  ASSERT_TRUE(both);
  EXPECT_EQ(both->keys, (std::vector<std::string>{std::string(32, '\xaa'), std::string(32, '\xbb')}));
  EXPECT_EQ(why(""), "mesh.key: no mesh key in it");
  EXPECT_EQ(why("\n \n"), "mesh.key: no mesh key in it");
  EXPECT_EQ(why(key + "\n" + key.substr(2) + "\n"), "mesh.key:2: a mesh key is 64 hex digits");
  EXPECT_EQ(why(std::string(64, 'g')), "mesh.key:1: a mesh key is 64 hex digits");
  EXPECT_EQ(why(key + "00"), "mesh.key:1: a mesh key is 64 hex digits");
  EXPECT_EQ(why(key + "\n" + other + "\n" + key), "mesh.key:3: a third key; two are the most, while one is rotated");
  EXPECT_EQ(load_mesh_keys("/nonexistent/mesh.key").why(), "/nonexistent/mesh.key: No such file or directory");
}

}  // namespace outrider::identity
