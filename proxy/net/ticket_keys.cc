#include "net/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>
#include <span>

namespace outrider::net {

namespace {

constexpr int kFull = 0, kUsed = 1, kUsedAndRenewed = 2;  // what OpenSSL makes of an answer

// Asked for once: by its name, OpenSSL would look for it with each ticket.
const EVP_CIPHER* cipher_of_tickets() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  return cipher;
}

bool authenticate(EVP_MAC_CTX* mac, std::array<unsigned char, 32>& key) {
  char digest[] = "SHA256";
  const OSSL_PARAM wanted[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.data(), key.size()),
                               OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, wanted) == 1;
}

// RFC 8446 C.4: a ticket is for one use, so its use brings another. One of an authenticated client is worth no more than his
// certificate, which nobody looks at again.
SSL_TICKET_RETURN judge(SSL* ssl, SSL_SESSION* session, const unsigned char*, size_t, SSL_TICKET_STATUS status, void*) {
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) return SSL_TICKET_RETURN_IGNORE_RENEW;
  const X509* const peer = SSL_SESSION_get0_peer(session);
  if (peer && X509_cmp_current_time(X509_get0_notAfter(peer)) <= 0) return SSL_TICKET_RETURN_IGNORE_RENEW;
  const bool renew = status == SSL_TICKET_SUCCESS_RENEW || SSL_version(ssl) == TLS1_3_VERSION;
  return renew ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE;
}

}  // namespace

TicketKeys::~TicketKeys() {
  wipe(now_);
  wipe(before_);
}

void TicketKeys::wipe(std::optional<Key>& key) {
  if (key) OPENSSL_cleanse(&*key, sizeof *key);
  key.reset();
}

void TicketKeys::seal_for(SSL_CTX* context) {
  SSL_CTX_set_app_data(context, this);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, answer);
  SSL_CTX_set_session_ticket_cb(context, nullptr, judge, nullptr);
  SSL_CTX_set_timeout(context, long(kLife.count()));
}

int TicketKeys::answer(SSL* ssl, unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int seal) {
  auto& keys = *static_cast<TicketKeys*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const std::lock_guard lock(keys.mutex_);
  return seal ? keys.seal(name, vector, cipher, mac) : keys.open(name, vector, cipher, mac);
}

int TicketKeys::seal(unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
  if (!turn() || !draw(vector)) return kFull;
  std::copy(now_->name.begin(), now_->name.end(), name);
  const bool ready = EVP_EncryptInit_ex(cipher, cipher_of_tickets(), nullptr, now_->cipher.data(), vector) == 1;
  return ready && authenticate(mac, now_->mac) ? kUsed : kFull;
}

// Vectors are no secret: many at a time, because each question costs OpenSSL a system call and thousands of instructions.
bool TicketKeys::draw(unsigned char* vector) {
  if (vectors_left_ == 0) {
    if (RAND_bytes(vectors_[0].data(), int(sizeof vectors_)) != 1) return false;
    vectors_left_ = vectors_.size();
  }
  const auto& next = vectors_[--vectors_left_];
  std::copy(next.begin(), next.end(), vector);
  return true;
}

int TicketKeys::open(const unsigned char* name, const unsigned char* vector, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
  turn();
  for (auto* key : {&now_, &before_}) {
    if (!*key || !std::equal((*key)->name.begin(), (*key)->name.end(), name)) continue;
    const bool ready = EVP_DecryptInit_ex(cipher, cipher_of_tickets(), nullptr, (*key)->cipher.data(), vector) == 1;
    if (!ready || !authenticate(mac, (*key)->mac)) return kFull;
    return key == &now_ ? kUsed : kUsedAndRenewed;
  }
  return kFull;
}

namespace {

template <class Part>
void put(std::string& to, const Part& part) {
  to.append(reinterpret_cast<const char*>(&part), sizeof part);
}

template <class Part>
void take(std::string_view& from, Part& part) {
  std::memcpy(static_cast<void*>(&part), from.data(), sizeof part);
  from.remove_prefix(sizeof part);
}

}  // namespace

// Each key in use: name, cipher, mac, and the moment of the machine's clock at which it was made.
std::string TicketKeys::save() {
  const std::lock_guard lock(mutex_);
  std::string saved;
  saved.reserve(2 * sizeof(Key));  // one piece of memory, that the caller wipes
  for (const auto* key : {&now_, &before_}) {
    if (!*key) continue;
    put(saved, (*key)->name);
    put(saved, (*key)->cipher);
    put(saved, (*key)->mac);
    put(saved, int64_t((*key)->made.time_since_epoch().count()));
  }
  return saved;
}

bool TicketKeys::load(std::string_view saved) {
  constexpr size_t kSaved = sizeof(Key::name) + sizeof(Key::cipher) + sizeof(Key::mac) + sizeof(int64_t);
  if (saved.empty() || saved.size() % kSaved != 0 || saved.size() > 2 * kSaved) return false;
  const std::lock_guard lock(mutex_);
  for (auto* key : {&now_, &before_}) {
    wipe(*key);
    if (saved.empty()) continue;
    key->emplace();
    int64_t made = 0;
    take(saved, (*key)->name);
    take(saved, (*key)->cipher);
    take(saved, (*key)->mac);
    take(saved, made);
    (*key)->made = TimePoint(TimePoint::duration(made));
  }
  return true;
}

bool TicketKeys::turn() {
  const TimePoint now = clock_();
  if (before_ && now >= before_->made + 2 * kLife) wipe(before_);
  if (now_ && now < now_->made + kLife) return true;
  if (now_ && now < now_->made + 2 * kLife) {
    wipe(before_);
    before_ = now_;
  }
  wipe(now_);
  Key fresh{{}, {}, {}, now};
  for (const auto& part :
       {std::span<unsigned char>(fresh.name), std::span<unsigned char>(fresh.cipher), std::span<unsigned char>(fresh.mac)})
    if (RAND_bytes(part.data(), int(part.size())) != 1) return false;
  now_ = fresh;
  OPENSSL_cleanse(&fresh, sizeof fresh);
  return true;
}

}  // namespace outrider::net
