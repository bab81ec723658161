#include "net/tls_staple.h"

#include <openssl/ocsp.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "identity/files.h"

namespace outrider::net {

namespace {

constexpr long kSkew = 300;  // seconds, between the authority's clock and ours

using Response = std::unique_ptr<OCSP_RESPONSE, void (*)(OCSP_RESPONSE*)>;
using Basic = std::unique_ptr<OCSP_BASICRESP, void (*)(OCSP_BASICRESP*)>;

// What it says of that serial number; null: nothing.
OCSP_SINGLERESP* about(OCSP_BASICRESP* basic, const ASN1_INTEGER* serial) {
  for (int i = 0; i < OCSP_resp_count(basic); ++i) {
    OCSP_SINGLERESP* const single = OCSP_resp_get0(basic, i);
    ASN1_INTEGER* theirs = nullptr;
    OCSP_id_get0_info(nullptr, nullptr, nullptr, &theirs, const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(single)));
    if (theirs && ASN1_INTEGER_cmp(theirs, serial) == 0) return single;
  }
  return nullptr;
}

}  // namespace

identity::Outcome<Staple> Staple::beside(const std::string& cert, X509* leaf, WallTime now) {
  const std::string file = path(cert);
  if (::access(file.c_str(), F_OK) != 0) return Staple();
  auto bytes = identity::read_file(file);
  if (!bytes) return bytes.failure();
  const auto* der = reinterpret_cast<const unsigned char*>(bytes->data());
  const Response response(d2i_OCSP_RESPONSE(nullptr, &der, long(bytes->size())), OCSP_RESPONSE_free);
  if (!response || OCSP_response_status(response.get()) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
    return identity::Failure{file + ": is no response of OCSP, or one of failure"};
  const Basic basic(OCSP_response_get1_basic(response.get()), OCSP_BASICRESP_free);
  OCSP_SINGLERESP* const single = basic ? about(basic.get(), X509_get0_serialNumber(leaf)) : nullptr;
  if (!single) return identity::Failure{file + ": says nothing of " + cert};
  ASN1_GENERALIZEDTIME *from = nullptr, *until = nullptr;
  const int status = OCSP_single_get0_status(single, nullptr, nullptr, &from, &until);
  if (status != V_OCSP_CERTSTATUS_GOOD)
    return identity::Failure{file + ": says of " + cert + " that it is " + OCSP_cert_status_str(status)};
  tm end{};
  if (!until || !OCSP_check_validity(from, until, kSkew, -1) || ASN1_TIME_to_tm(until, &end) != 1)
    return identity::Failure{file + ": is out of date"};
  Staple staple;
  staple.der_ = std::move(*bytes);
  staple.leaf_ = leaf;
  staple.until_ = std::chrono::system_clock::from_time_t(timegm(&end));
  if (staple.until_ <= now) return identity::Failure{file + ": is out of date"};
  return staple;
}

int Staple::show(SSL* ssl) const {
  auto* const copy = static_cast<unsigned char*>(OPENSSL_malloc(der_.size()));
  if (!copy) return SSL_TLSEXT_ERR_NOACK;
  std::memcpy(copy, der_.data(), der_.size());
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, long(der_.size()));
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace outrider::net
