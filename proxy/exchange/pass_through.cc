// TLS that is passed through: what its client says before anything is encrypted, and what it is told where that leads nowhere.

#include <algorithm>

#include "exchange/exchange.h"
#include "exchange/http_session.h"
#include "net/client_hello.h"

namespace outrider::exchange {

namespace {

constexpr char kNotTls[] = "not_tls";
constexpr uint8_t kDecodeError = 50, kUnrecognizedName = 112;  // RFC 8446 6.2

// "\x02h2\x08http/1.1" as "h2,http/1.1".
std::string_view listed(std::string_view protocols, Arena& arena) {
  if (protocols.empty()) return {};
  char* const text = arena.array<char>(protocols.size());
  std::copy(protocols.begin(), protocols.end(), text);
  for (size_t at = 0; at < protocols.size(); at += 1 + uint8_t(protocols[at])) text[at] = ',';
  return {text + 1, protocols.size() - 1};
}

}  // namespace

// Where everything is led to one cluster, what is no proper hello goes there, too.
const char* Exchange::read_hello() {
  using State = net::ClientHello::State;
  const ListenerPlan& plan = session_->plan();
  if (!session_->tcp_too() && !plan.by_server_name) return nullptr;
  Buffer& come = downstream().unread();
  std::string joined;
  const auto hello = net::read_client_hello(come.contiguous(std::min(come.size(), net::kClientHelloBytes)), joined);
  tls_ = hello.state == State::Whole;
  request_.authority = arena_.copy(hello.server_name);
  offered_ = listed(hello.protocols, arena_);
  if (session_->tcp_too() || tls_) return nullptr;
  switch (hello.state) {
    case State::NotTls: return kNotTls;
    case State::Malformed: return hello.why;
    default: return "client_hello_cut_short";
  }
}

// The name that is known of TLS which is passed on is that of the hello.
upstream::Caller* Exchange::caller() {
  return session_ ? session_->caller(tls_ ? request_.authority : std::string_view()) : nullptr;
}

// TLS has words for it, which clients show; who speaks something else is left without.
void Exchange::refuse_bytes(const Error& why) {
  session_->note_refused(why, request_.authority);
  Buffer alert(site_.loop.blocks());
  const uint8_t word = why.code == Code::NoRoute ? kUnrecognizedName : kDecodeError;
  const char record[] = {21, 3, 3, 0, 2, 2, char(word)};
  if (why.what != kNotTls) alert.append(std::string_view(record, sizeof record));
  downstream().send_body(stream_, alert, true);
}

}  // namespace outrider::exchange
