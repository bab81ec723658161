#pragma once
// Owning pointers for OpenSSL's objects. Included by this folder's .cc files only.

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

namespace outrider::identity {

template <auto kFree>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Bio = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using MdContext = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, Freer<X509_STORE_CTX_free>>;

inline Bio reading(std::string_view text) { return Bio(BIO_new_mem_buf(text.data(), int(text.size()))); }
inline Bio writing() { return Bio(BIO_new(BIO_s_mem())); }
inline std::string written(const Bio& bio) {
  char* text = nullptr;
  const long n = BIO_get_mem_data(bio.get(), &text);
  return n > 0 ? std::string(text, size_t(n)) : std::string();
}
inline const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

}  // namespace outrider::identity
