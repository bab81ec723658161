#include "identity/certificate.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <ctime>
#include <limits>

#include "base/text.h"
#include "identity/files.h"
#include "identity/openssl.h"

namespace outrider::identity {

namespace {

std::shared_ptr<X509> own(X509* certificate) { return {certificate, X509_free}; }

// Dates without an end (9999-12-31) are beyond what our clock's nanoseconds can hold: cut to the year 2255.
WallTime time_of(const ASN1_TIME* at) {
  constexpr std::time_t kEnd = 9'000'000'000;
  std::tm parts{};
  if (ASN1_TIME_to_tm(at, &parts) != 1) return WallTime{};
  return WallTime(seconds(std::clamp<std::time_t>(timegm(&parts), 0, kEnd)));
}

std::string print(const X509_NAME* name) {
  Bio out = writing();
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253);
  return written(out);
}

std::string text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)), size_t(ASN1_STRING_length(string))};
}

std::string ip_of(const ASN1_STRING* bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  const int length = ASN1_STRING_length(bytes);
  if (length == 4) inet_ntop(AF_INET, ASN1_STRING_get0_data(bytes), text, sizeof text);
  if (length == 16) inet_ntop(AF_INET6, ASN1_STRING_get0_data(bytes), text, sizeof text);
  return text;
}

// An extension that cannot be parsed, or is there twice, names nothing.
std::vector<std::string> names(const X509* certificate, int kind) {
  std::vector<std::string> out;
  Names all(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (!all) {
    ERR_clear_error();
    return out;
  }
  for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type != kind) continue;
    if (kind == GEN_IPADD) out.push_back(ip_of(name->d.iPAddress));
    else out.push_back(text_of(name->d.ia5));
  }
  return out;
}

}  // namespace

Outcome<Certificate> Certificate::from_der(std::string_view der, std::string_view name) {
  ERR_clear_error();
  const unsigned char* at = bytes_of(der);
  auto certificate =
      der.size() > size_t(std::numeric_limits<int>::max()) ? nullptr : own(d2i_X509(nullptr, &at, long(der.size())));
  if (!certificate) return Failure{std::string(name) + ": not a certificate (" + openssl_reason() + ")"};
  if (at != bytes_of(der) + der.size()) return Failure{std::string(name) + ": bytes after the certificate"};
  return Certificate(std::move(certificate));
}

Outcome<std::vector<Certificate>> Certificate::from_pem(std::string_view pem, std::string_view name) {
  std::vector<Certificate> all;
  Bio bio = reading(pem);
  ERR_clear_error();
  while (auto certificate = own(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)))
    all.emplace_back(std::move(certificate));
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string reason = openssl_reason();
  if (!at_end)
    return Failure{std::string(name) + ": certificate " + std::to_string(all.size() + 1) + " is broken (" + reason + ")"};
  if (all.empty()) return Failure{std::string(name) + ": no PEM certificate in it"};
  return all;
}

Outcome<std::vector<Certificate>> Certificate::load(const std::string& path) {
  const auto pem = read_file(path);
  if (!pem) return pem.failure();
  return from_pem(*pem, path);
}

std::string Certificate::der() const {
  unsigned char* bytes = nullptr;
  const int length = i2d_X509(raw(), &bytes);
  std::string out(reinterpret_cast<const char*>(bytes), length > 0 ? size_t(length) : 0);
  OPENSSL_free(bytes);
  return out;
}

std::string Certificate::pem() const {
  Bio out = writing();
  PEM_write_bio_X509(out.get(), raw());
  return written(out);
}

WallTime Certificate::not_before() const { return time_of(X509_get0_notBefore(raw())); }
WallTime Certificate::not_after() const { return time_of(X509_get0_notAfter(raw())); }
std::string Certificate::fingerprint() const { return to_hex(sha256(der())); }
std::string Certificate::subject() const { return print(X509_get_subject_name(raw())); }
std::string Certificate::issuer() const { return print(X509_get_issuer_name(raw())); }
std::string Certificate::serial() const { return to_hex(text_of(X509_get0_serialNumber(raw()))); }
bool Certificate::is_ca() const { return X509_check_ca(raw()) != 0; }
bool Certificate::may_sign() const { return (X509_get_key_usage(raw()) & KU_DIGITAL_SIGNATURE) != 0; }
std::vector<std::string> Certificate::uris() const { return names(raw(), GEN_URI); }
std::vector<std::string> Certificate::dns_names() const { return names(raw(), GEN_DNS); }
std::vector<std::string> Certificate::addresses() const { return names(raw(), GEN_IPADD); }

std::optional<WorkloadId> Certificate::workload_id() const {
  const auto all = uris();
  if (all.size() != 1) return std::nullopt;
  return WorkloadId::parse(all.front());
}

PublicKey Certificate::public_key() const {
  EVP_PKEY* key = X509_get0_pubkey(raw());
  if (!key || EVP_PKEY_up_ref(key) != 1) {
    ERR_clear_error();
    return {};
  }
  return PublicKey(std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free));
}

}  // namespace outrider::identity
