#pragma once
// For tests: a folder that goes away, and certificates no sane authority would issue.

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "identity/authority.h"
#include "identity/identity.h"
#include "identity/openssl.h"

namespace outrider::identity {

// 2026-01-01, whatever the clock of the machine says.
inline const WallTime kNow = WallTime(seconds(1'767'225'600));

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "outrider-XXXXXX").string();
    if (!mkdtemp(pattern.data())) ADD_FAILURE() << "no temporary folder";
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  std::string path(const std::string& name = "") const { return name.empty() ? path_ : path_ + "/" + name; }
  std::string write(const std::string& name, std::string_view bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }

 private:
  std::string path_;
};

inline std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline unsigned mode_of(const std::string& path) {
  struct stat file {};
  return ::stat(path.c_str(), &file) == 0 ? file.st_mode & 07777 : 0;
}

inline WorkloadId id_of(std::string_view uri) { return WorkloadId::parse(uri).value(); }
inline Authority make_authority(WallTime now = kNow, seconds life = Authority::kLife) {
  return std::move(*Authority::create(now, life));
}
inline Issued issue(const Authority& authority, std::string_view uri, seconds life = std::chrono::hours(24),
                    WallTime now = kNow) {
  return std::move(*authority.issue({id_of(uri), {}, {}, life}, now));
}
inline Identity make_identity(const Authority& authority, std::string_view uri) {
  return std::move(*Identity::of(issue(authority, uri), authority.certificate()));
}

inline KeyPair key_of(EVP_PKEY* key) {  // takes the key over
  Bio out = writing();
  PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  EVP_PKEY_free(key);
  return std::move(*KeyPair::from_pem(written(out), "key"));
}
inline KeyPair ed25519_key() { return key_of(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); }
inline KeyPair rsa_key(size_t bits) { return key_of(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", bits)); }

// Extensions in OpenSSL's configuration words, signed by `authority` for any key.
struct Odd {
  std::vector<std::pair<int, const char*>> extensions;
  WallTime from = kNow - seconds(60), until = kNow + std::chrono::hours(1);
  std::string subject = "odd";
};
inline Certificate odd_certificate(const KeyPair& key, const Certificate& issuer, const KeyPair& issuer_key, const Odd& odd) {
  std::shared_ptr<X509> certificate(X509_new(), X509_free);
  X509* raw = certificate.get();
  X509_set_version(raw, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(raw), 4711);
  ASN1_TIME_set(X509_getm_notBefore(raw), std::chrono::system_clock::to_time_t(odd.from));
  ASN1_TIME_set(X509_getm_notAfter(raw), std::chrono::system_clock::to_time_t(odd.until));
  X509_NAME_add_entry_by_NID(X509_get_subject_name(raw), NID_commonName, MBSTRING_UTF8, bytes_of(odd.subject),
                             int(odd.subject.size()), -1, 0);
  X509_set_issuer_name(raw, X509_get_subject_name(issuer.raw()));
  X509_set_pubkey(raw, key.raw());
  for (const auto& [kind, value] : odd.extensions) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
    EXPECT_NE(extension, nullptr) << value;
    X509_add_ext(raw, extension, -1);
    X509_EXTENSION_free(extension);
  }
  EXPECT_GT(X509_sign(raw, issuer_key.raw(), issuer_key.algorithm() == Algorithm::Ed25519 ? nullptr : EVP_sha256()), 0);
  return Certificate(std::move(certificate));
}

}  // namespace outrider::identity
