#pragma once
// What servers gave us so that the next handshake is a short one.

#include <cstddef>
#include <memory>
#include <vector>

struct ssl_session_st;

namespace outrider::net {

class TlsContext;

// The newest few of one endpoint's. A ticket of TLS 1.3 is shown once, or who watches could tell that two connections are
// one client's (RFC 8446 C.4). Owned by a pool, and outlives the transports that were given it; one thread.
class TlsSessions {
 public:
  TlsSessions() = default;
  ~TlsSessions();
  TlsSessions(const TlsSessions&) = delete;
  TlsSessions& operator=(const TlsSessions&) = delete;
  // Of another context (certificates were renewed) than the last: what there was is forgotten, for it would bring back
  // what that one had accepted.
  void add(const std::shared_ptr<const TlsContext>& of, ssl_session_st* session);  // takes it over
  ssl_session_st* take(const std::shared_ptr<const TlsContext>& of);               // the caller's, to free; null: none
  size_t size() const { return kept_.size(); }
  static constexpr size_t kMost = 8;

 private:
  void keep_to(const std::shared_ptr<const TlsContext>& of);
  std::shared_ptr<const TlsContext> of_;
  std::vector<ssl_session_st*> kept_;  // the newest last
};

}  // namespace outrider::net
