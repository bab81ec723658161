#include "identity/svid.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/protobuf.h"
#include "identity/openssl.h"

namespace outrider::identity {

namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr size_t kMaxCertificates = 100;  // one behind another

struct Svid {  // message X509SVID
  std::string_view id, certificates, key, bundle;
};

std::optional<Svid> read_svid(std::string_view message) {
  Svid svid;
  protobuf::Reader reader(message);
  while (const auto field = reader.next()) {
    if (field->value) continue;
    switch (field->number) {
      case 1: svid.id = field->bytes; break;
      case 2: svid.certificates = field->bytes; break;
      case 3: svid.key = field->bytes; break;
      case 4: svid.bundle = field->bytes; break;
      default: break;
    }
  }
  if (reader.broken()) return {};
  return svid;
}

struct Foreign {  // an entry of map<string, bytes> federated_bundles
  std::string_view domain, bundle;
};

std::optional<Foreign> read_foreign(std::string_view message) {
  Foreign entry;
  protobuf::Reader reader(message);
  while (const auto field = reader.next()) {
    if (field->number == 1) entry.domain = field->bytes;
    if (field->number == 2) entry.bundle = field->bytes;
  }
  if (reader.broken()) return {};
  if (entry.domain.starts_with(kScheme)) entry.domain.remove_prefix(kScheme.size());
  return entry;
}

// DER, one behind another.
Outcome<std::vector<Certificate>> read_certificates(std::string_view der, const std::string& name) {
  std::vector<Certificate> all;
  const unsigned char* at = bytes_of(der);
  const unsigned char* const end = at + der.size();
  while (at < end) {
    ERR_clear_error();
    std::shared_ptr<X509> certificate(d2i_X509(nullptr, &at, long(end - at)), X509_free);
    if (!certificate)
      return Failure{name + ": certificate " + std::to_string(all.size() + 1) + " is broken (" + openssl_reason() + ")"};
    if (all.size() == kMaxCertificates) return Failure{name + ": more certificates than are sensible"};
    all.emplace_back(std::move(certificate));
  }
  if (all.empty()) return Failure{name + ": no certificate in it"};
  return all;
}

Outcome<KeyPair> read_key(std::string_view pkcs8) {
  ERR_clear_error();
  const unsigned char* at = bytes_of(pkcs8);
  const std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>> key(d2i_AutoPrivateKey(nullptr, &at, long(pkcs8.size())));
  Bio out = writing();
  if (!key || PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return Failure{"x509_svid_key: not a usable private key (" + openssl_reason() + ")"};
  std::string pem = written(out);
  auto pair = KeyPair::from_pem(pem, "x509_svid_key");
  wipe(pem);
  return pair;
}

Outcome<Identity> identity_of(const Svid& svid) {
  auto chain = read_certificates(svid.certificates, "x509_svid");
  if (!chain) return chain.failure();
  const Certificate leaf = chain->front();
  chain->erase(chain->begin());
  auto id = leaf.workload_id();
  if (!id) return Failure{"x509_svid: its name is not spiffe://<trust domain>/ns/<namespace>/sa/<account>"};
  if (svid.id != id->text()) return Failure{"x509_svid: the certificate is of another identity than the answer says"};
  auto key = read_key(svid.key);
  if (!key) return key.failure();
  if (!(leaf.public_key() == key->public_key())) return Failure{"x509_svid_key: is not the certificate's"};
  auto roots = read_certificates(svid.bundle, "bundle");
  if (!roots) return roots.failure();
  auto trust = Trust::of(std::move(*roots), "bundle");
  if (!trust) return trust.failure();
  return Identity{std::move(*id), std::move(*key), leaf, std::move(*chain), std::move(*trust)};
}

}  // namespace

void wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

Outcome<Identity> read_svids(std::string_view message, std::string_view wanted) {
  const Failure malformed{"the answer is no X509SVIDResponse"};
  if (message.size() > kMaxSvids) return Failure{"the answer is larger than 4 MiB"};
  std::vector<Svid> svids;
  std::vector<Foreign> foreign;
  protobuf::Reader reader(message);
  while (const auto field = reader.next()) {
    if (field->number == 1) {
      const auto svid = read_svid(field->bytes);
      if (!svid) return malformed;
      svids.push_back(*svid);
    } else if (field->number == 3) {
      const auto entry = read_foreign(field->bytes);
      if (!entry) return malformed;
      foreign.push_back(*entry);
    }
  }
  if (reader.broken()) return malformed;
  if (svids.empty()) return Failure{"the answer has no identity in it"};
  const Svid* chosen = &svids.front();
  for (const Svid& svid : svids)
    if (svid.id == wanted) chosen = &svid;
  auto identity = identity_of(*chosen);
  if (!identity) return identity;
  for (const auto& [domain, bundle] : foreign) {
    const std::string name = "federated bundle of " + std::string(domain.substr(0, 255));
    if (!valid_trust_domain(domain) || domain == identity->id.trust_domain()) return Failure{name + ": not another trust domain"};
    auto roots = read_certificates(bundle, name);
    if (!roots) return roots.failure();
    const auto trust = Trust::of(std::move(*roots), name);
    if (!trust) return trust.failure();
    identity->trust.add(std::string(domain), *trust);
  }
  return identity;
}

}  // namespace outrider::identity
