#pragma once
// TLS between a transport's descriptor and its owner.

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"
#include "base/time.h"
#include "net/tls_context.h"

struct ssl_st;
struct ssl_session_st;
struct x509_store_ctx_st;

namespace outrider::net {

// One connection's state of OpenSSL, over records in blocks of the worker's: one read of the socket brings many of them,
// and one write carries many. Owned by a transport; one thread.
class TlsEngine {
 public:
  TlsEngine(std::shared_ptr<const TlsContext> context, BlockPool& blocks);  // server's side
  TlsEngine(const TlsPeer& peer, BlockPool& blocks);                        // client's
  ~TlsEngine();
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;
  Buffer input, output;  // records that have come, and that are to go
  bool established() const { return established_; }
  TimePoint began() const { return began_; }  // its handshake
  bool has_input() const;                     // bytes may be had without another record
  Result<bool> handshake();                   // one step; true: it is over
  Result<size_t> read(std::span<char> into);  // 0: more records are needed, or ended()
  bool ended() const { return ended_; }       // the peer has said that it is done
  Result<Done> write(std::string_view bytes);
  void finish();         // says that we are done
  Error closed_early();  // what it is when the connection ends in the handshake
  bool is_client() const { return client_; }
  bool resumed() const;
  std::string_view protocol() const;                       // by ALPN; empty: none was agreed on
  std::string_view version() const;                        // "TLSv1.3"; a literal
  std::string_view server_name() const;                    // that a client has asked for
  bool peer_certified() const;                             // it has shown a certificate
  const std::string& peer() const { return peer_; }        // its SPIFFE ID, where the context checks that
  const std::string& trouble() const { return trouble_; }  // a client's: what a person should know of an error
  const std::shared_ptr<const TlsContext>& context() const { return context_; }
  // Established, and mutual: looks at the peer again by what another context trusts, once for each. False: it would be refused.
  bool trusts_still(const std::shared_ptr<const TlsContext>& now);
  bool has_asked(const std::shared_ptr<const TlsContext>& now) const { return now == (judged_by_ ? judged_by_ : context_); }
  TimePoint distrusted{};  // since when the owner knows; {}: trusted

  // OpenSSL's questions, for the context.
  static int keep_session(ssl_st* ssl, ssl_session_st* session);
  static int verify(int ok, x509_store_ctx_st* chain);

 private:
  Error error_of(int result);
  bool refuse(x509_store_ctx_st* chain);
  void note_peer();
  const std::shared_ptr<const TlsContext> context_;
  ssl_st* const ssl_;
  const bool client_;
  bool established_ = false, finished_ = false, ended_ = false, broken_ = false, owes_ticket_ = false;
  TlsSessions* const sessions_ = nullptr;
  const char* refusal_ = nullptr;  // of the peer's certificate
  std::shared_ptr<const TlsContext> judged_by_;
  bool trusted_ = true;
  TimePoint began_{};
  std::string name_, expected_, peer_, trouble_;
};

}  // namespace outrider::net
