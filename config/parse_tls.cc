// Terms of TLS: names are checked by the OpenSSL that will be asked for them.

#include <openssl/ssl.h>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "config/parse.h"

namespace outrider::config {

namespace {

using Context = std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)>;

Context any_side() { return {SSL_CTX_new(TLS_method()), SSL_CTX_free}; }

bool of_tls13(std::string_view cipher) { return cipher.starts_with("TLS_"); }

// Those that authenticate by certificate and encrypt.
const std::vector<std::string_view>& ciphers() {
  static const Context context = any_side();
  static const std::vector<std::string_view> names = [] {
    SSL_CTX_set_cipher_list(context.get(), "ALL:!aNULL:!eNULL:!PSK:!SRP");
    SSL_CTX_set_ciphersuites(context.get(),
                             "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
                             "TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256");
    std::vector<std::string_view> found;
    const auto* const all = SSL_CTX_get_ciphers(context.get());
    for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i) found.emplace_back(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(all, i)));
    return found;
  }();
  return names;
}

std::string check_ciphers(std::string& list) {
  for (const std::string_view name : split(list, ':')) {
    if (name.empty()) return "expected names with ':' between, got \"" + list + "\"";
    if (std::find(ciphers().begin(), ciphers().end(), name) == ciphers().end())
      return "\"" + std::string(name) + "\" is no cipher that OpenSSL has for TLS with certificates" +
             did_you_mean(name, ciphers());
  }
  return {};
}

std::string check_curves(std::string& list) {
  const Context context = any_side();
  const auto fine = [&](const std::string& names) { return SSL_CTX_set1_groups_list(context.get(), names.c_str()) == 1; };
  for (const std::string_view name : split(list, ':'))
    if (name.empty() || !fine(std::string(name)))
      return "\"" + std::string(name) + "\" is no curve that OpenSSL has for TLS" +
             did_you_mean(name, {"X25519", "X448", "P-256", "P-384", "P-521", "ffdhe2048", "ffdhe3072"});
  return fine(list) ? std::string() : "expected each name once, with ':' between, got \"" + list + "\"";
}

}  // namespace

void read_terms(Fields& fields, TlsTerms& terms) {
  enum class Least : uint8_t { Tls12, Tls13 } least = terms.tls12 ? Least::Tls12 : Least::Tls13;
  fields.choice("min", least, {{"1.2", Least::Tls12}, {"1.3", Least::Tls13}});
  terms.tls12 = least == Least::Tls12;
  fields.text("ciphers", terms.ciphers, "names", check_ciphers);
  fields.text("curves", terms.curves, "names", check_curves);
  const auto names = split(terms.ciphers, ':');
  if (!terms.tls12 && !terms.ciphers.empty() && std::none_of(names.begin(), names.end(), of_tls13))
    fields.reading().warn(*fields.given("ciphers"), fields.path("ciphers"),
                          "has no effect: all of them are of TLS 1.2, and min is 1.3");
}

}  // namespace outrider::config
