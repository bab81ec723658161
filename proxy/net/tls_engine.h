#pragma once
// TLS between a transport's descriptor and its owner.

#include <memory>
#include <span>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"
#include "net/tls_context.h"

struct ssl_st;

namespace outrider::net {

// One connection's state of OpenSSL, over records in blocks of the worker's: one read of the socket brings many of them,
// and one write carries many. Owned by a transport; one thread.
class TlsEngine {
 public:
  TlsEngine(std::shared_ptr<const TlsContext> context, BlockPool& blocks);  // server's side
  ~TlsEngine();
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;
  Buffer input, output;  // records that have come, and that are to go
  bool established() const { return established_; }
  bool has_input() const;                     // bytes may be had without another record
  Result<bool> handshake();                   // one step; true: it is over
  Result<size_t> read(std::span<char> into);  // 0: more records are needed, or ended()
  bool ended() const { return ended_; }       // the peer has said that it is done
  Result<Done> write(std::string_view bytes);
  void finish();                     // says that we are done
  std::string_view version() const;  // "TLSv1.3"; a literal

 private:
  Error error_of(int result) const;
  const std::shared_ptr<const TlsContext> context_;
  ssl_st* const ssl_;
  bool established_ = false, ended_ = false;
};

}  // namespace outrider::net
