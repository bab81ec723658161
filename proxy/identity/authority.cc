#include "identity/authority.h"

#include <arpa/inet.h>
#include <openssl/bn.h>

#include <algorithm>
#include <filesystem>

#include "base/text.h"
#include "identity/files.h"
#include "identity/openssl.h"

namespace outrider::identity {

namespace {

constexpr seconds kBackdated = std::chrono::minutes(1);  // for peers whose clock is a little behind
constexpr seconds kLongest = std::chrono::hours(24 * 365 * 100);

std::shared_ptr<X509> own(X509* certificate) { return {certificate, X509_free}; }

bool add_extension(X509* to, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  const bool added = extension && X509_add_ext(to, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

bool set_serial(X509* to) {
  std::string bytes = random_bytes(16);
  bytes[0] = char((bytes[0] & 0x7f) | 0x40);  // positive, and always 16 bytes
  BIGNUM* number = BN_bin2bn(bytes_of(bytes), int(bytes.size()), nullptr);
  const bool set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(to));
  BN_free(number);
  return set;
}

// Everything a root and a leaf have in common.
std::shared_ptr<X509> blank(const PublicKey& key, std::string_view name, WallTime from, WallTime until) {
  auto certificate = own(X509_new());
  X509* raw = certificate.get();
  const auto clock = [](WallTime at) { return std::chrono::system_clock::to_time_t(at); };
  const bool good = raw && X509_set_version(raw, X509_VERSION_3) == 1 && set_serial(raw) &&
                    ASN1_TIME_set(X509_getm_notBefore(raw), clock(from)) &&
                    ASN1_TIME_set(X509_getm_notAfter(raw), clock(until)) &&
                    X509_NAME_add_entry_by_NID(X509_get_subject_name(raw), NID_commonName, MBSTRING_UTF8, bytes_of(name),
                                               int(name.size()), -1, 0) == 1 &&
                    X509_set_pubkey(raw, key.raw()) == 1;
  return good ? certificate : nullptr;
}

bool sign(X509* certificate, const KeyPair& with) {
  const EVP_MD* digest = with.algorithm() == Algorithm::Ed25519 ? nullptr : EVP_sha256();
  return X509_sign(certificate, with.raw(), digest) > 0;
}

bool valid_dns(std::string_view name) {
  return !name.empty() && name.size() <= 253 && std::all_of(name.begin(), name.end(), [](char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '*' || c == '_';
  });
}

bool add_name(GENERAL_NAMES* to, int kind, int asn1_type, std::string_view bytes) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_STRING* value = ASN1_STRING_type_new(asn1_type);
  if (!name || !value || ASN1_STRING_set(value, bytes.data(), int(bytes.size())) != 1) {
    ASN1_STRING_free(value);
    GENERAL_NAME_free(name);
    return false;
  }
  GENERAL_NAME_set0_value(name, kind, value);
  if (sk_GENERAL_NAME_push(to, name) > 0) return true;
  GENERAL_NAME_free(name);
  return false;
}

// Built from parts: values of the command line never pass through OpenSSL's configuration language.
Outcome<Done> add_names(X509* to, const Authority::Wish& wish) {
  Names names(GENERAL_NAMES_new());
  bool good = names && add_name(names.get(), GEN_URI, V_ASN1_IA5STRING, wish.id.text());
  for (const auto& dns : wish.dns) {
    if (!valid_dns(dns)) return Failure{"\"" + dns + "\" is not a DNS name"};
    good = good && add_name(names.get(), GEN_DNS, V_ASN1_IA5STRING, dns);
  }
  for (const auto& address : wish.addresses) {
    char bytes[16];
    const bool v4 = inet_pton(AF_INET, address.c_str(), bytes) == 1;
    if (!v4 && inet_pton(AF_INET6, address.c_str(), bytes) != 1) return Failure{"\"" + address + "\" is not an IP address"};
    good = good && add_name(names.get(), GEN_IPADD, V_ASN1_OCTET_STRING, {bytes, v4 ? size_t(4) : size_t(16)});
  }
  if (!good || X509_add1_ext_i2d(to, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) != 1)
    return Failure{"names cannot be set: " + openssl_reason()};
  return Done{};
}

std::string common_name(const WorkloadId& id) { return std::string(id.account().substr(0, ub_common_name)); }

}  // namespace

Outcome<Authority> Authority::create(WallTime now, seconds life, std::string_view name) {
  if (life <= seconds(0) || life > kLongest) return Failure{"a certificate's life is between a second and 100 years"};
  auto key = KeyPair::generate();
  if (!key) return key.failure();
  auto root = blank(key->public_key(), name, now - kBackdated, now + life);
  X509* raw = root.get();
  if (!raw || X509_set_issuer_name(raw, X509_get_subject_name(raw)) != 1 ||
      !add_extension(raw, raw, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add_extension(raw, raw, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(raw, raw, NID_subject_key_identifier, "hash") || !sign(raw, *key))
    return Failure{"a root cannot be made: " + openssl_reason()};
  return Authority(std::move(*key), Certificate(std::move(root)));
}

Outcome<Authority> Authority::load(const std::string& folder) {
  auto certificates = Certificate::load(folder + "/ca.crt");
  if (!certificates) return certificates.failure();
  auto key = KeyPair::load(folder + "/ca.key");
  if (!key) return key.failure();
  // A bundle may hold old roots too: the key says which is ours.
  for (auto& certificate : *certificates)
    if (certificate.is_ca() && certificate.public_key() == key->public_key())
      return Authority(std::move(*key), std::move(certificate));
  return Failure{folder + "/ca.key: fits no authority in " + folder + "/ca.crt"};
}

Outcome<Done> Authority::save(const std::string& folder) const {
  if (auto made = make_folder(folder); !made) return made;
  if (std::error_code error; std::filesystem::exists(folder + "/ca.crt", error))
    return Failure{folder + "/ca.crt: is there already; move it away first"};
  std::string pem = key_.pem();
  auto wrote = write_file(folder + "/ca.key", pem, 0600, Existing::Keep);
  OPENSSL_cleanse(pem.data(), pem.size());
  if (!wrote) return wrote;
  return write_file(folder + "/ca.crt", certificate_.pem(), 0644, Existing::Keep);
}

Outcome<Issued> Authority::issue(const Wish& wish, WallTime now) const {
  if (wish.life <= seconds(0) || wish.life > kLongest) return Failure{"a certificate's life is between a second and 100 years"};
  const WallTime end = certificate_.not_after();
  if (end <= now) return Failure{"the authority's own certificate is expired"};
  auto key = KeyPair::generate();
  if (!key) return key.failure();
  const WallTime from = std::max(now - kBackdated, certificate_.not_before());
  auto leaf = blank(key->public_key(), common_name(wish.id), from, std::min<WallTime>(now + wish.life, end));
  X509* raw = leaf.get();
  X509* root = certificate_.raw();
  if (!raw || X509_set_issuer_name(raw, X509_get_subject_name(root)) != 1 ||
      !add_extension(raw, root, NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(raw, root, NID_key_usage, "critical,digitalSignature") ||
      !add_extension(raw, root, NID_ext_key_usage, "serverAuth,clientAuth") ||
      !add_extension(raw, root, NID_authority_key_identifier, "keyid"))
    return Failure{"a certificate cannot be made: " + openssl_reason()};
  if (auto named = add_names(raw, wish); !named) return named.failure();
  if (!sign(raw, key_)) return Failure{"a certificate cannot be signed: " + openssl_reason()};
  return Issued{std::move(*key), Certificate(std::move(leaf))};
}

Outcome<Done> make_dev_ca(const std::string& folder, WallTime now) {
  auto authority = Authority::create(now);
  if (!authority) return authority.failure();
  return authority->save(folder);
}

Outcome<Done> issue_into(const std::string& ca_folder, const Authority::Wish& wish, const std::string& out, WallTime now) {
  const auto authority = Authority::load(ca_folder);
  if (!authority) return authority.failure();
  const auto issued = authority->issue(wish, now);
  if (!issued) return issued.failure();
  if (auto made = make_folder(out); !made) return made;
  if (auto wrote = issued->key.save(out + "/tls.key"); !wrote) return wrote;
  if (auto wrote = write_file(out + "/tls.crt", issued->certificate.pem(), 0644); !wrote) return wrote;
  // The whole bundle, not only the root that signed: peers may still come with certificates of the others.
  const auto bundle = read_file(ca_folder + "/ca.crt");
  if (!bundle) return bundle.failure();
  return write_file(out + "/ca.crt", *bundle, 0644);
}

}  // namespace outrider::identity
