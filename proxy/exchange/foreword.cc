#include "exchange/foreword.h"

#include <algorithm>

#include "base/log.h"
#include "exchange/door.h"

namespace outrider::exchange {

namespace {

constexpr char kUntrusted[] = "untrusted", kMissing[] = "missing", kTimeout[] = "timeout", kCutShort[] = "cut_short";

void tell(Site& site, AcceptedFrom& from, const char* why, const net::Address& peer) {
  site.shard.add(from.counters.foreword(why));
  const auto unsaid = from.say(site.loop.now());
  if (!unsaid) return;
  const char* const meaning = meaning_of_foreword(why);
  log::warn("connection refused: " + std::string(*meaning ? meaning : "its PROXY header breaks the protocol"),
            {{"listener", from.plan->name},
             {"reason", why},
             {"client", peer.is_unix() ? "unix" : peer.text()},
             {"not_logged", *unsaid}});
}

}  // namespace

bool ForewordPlan::trusts(const net::Address& peer) const {
  const auto ip = ip_bytes(peer.raw());
  return !ip || std::any_of(trust.begin(), trust.end(), [&](const Network& network) { return network.has(*ip); });
}

const char* meaning_of_foreword(std::string_view why) {
  if (why == kUntrusted)
    return "it comes from an address that may not send a PROXY header, and each connection needs one; add the balancer's network to "
           "listeners.NAME.proxy_protocol.trust, or take mode: optional";
  if (why == kMissing)
    return "it does not begin with a PROXY header; have the balancer send one (haproxy: send-proxy-v2, nginx: proxy_protocol on), "
           "or take listeners.NAME.proxy_protocol: optional";
  if (why == kTimeout) return "its PROXY header was not there within listeners.NAME.timeouts.proxy_protocol";
  if (why == kCutShort) return "it ended within its PROXY header";
  if (why == "v2_too_long" || why == "v1_too_long") return "its PROXY header is longer than any that is taken";
  if (why == "v2_checksum") return "the checksum of its PROXY header is not that of what has come";
  return "";
}

void Foreword::read(Site& site, std::shared_ptr<AcceptedFrom> from, int fd, const net::Address& peer) {
  auto* const waiting = new Foreword(site, std::move(from), fd, peer);
  site.forewords.push_back(*waiting);
  site.loop.arm(waiting->limit_, waiting->rules_->timeout);
  waiting->bytes_.look();  // mostly it has come with the connection
}

void Foreword::refuse_untrusted(Site& site, AcceptedFrom& from, int fd, const net::Address& peer) {
  tell(site, from, kUntrusted, peer);
  refuse_client(site, from, fd, Ending::ProxyProtocol);
}

Foreword::Foreword(Site& site, std::shared_ptr<AcceptedFrom> from, int fd, const net::Address& peer)
    : site_(site), from_(std::move(from)), rules_(from_->plan->foreword), peer_(peer), bytes_(site.loop, *this, fd) {}

void Foreword::on_first_bytes(std::string_view bytes, bool over) {
  using State = wire::ProxyHeader::State;
  const auto header = wire::read_proxy_header(bytes);
  switch (header.state) {
    case State::Whole: return let_in(&header);
    case State::Malformed: return refuse(header.why);
    case State::Absent: return rules_->required ? refuse(kMissing) : let_in(nullptr);
    case State::Partial: break;
  }
  begun_ = header.begun;
  if (!over) return bytes_.wait() ? void() : refuse(Ending::Internal);
  if (!begun_ && !rules_->required) return let_in(nullptr);
  return bytes.empty() ? refuse(Ending::Client) : refuse(kCutShort);
}

// Who has not even begun one sends none: a client that is waiting for the server's first word, or that types.
void Foreword::on_limit() { begun_ || rules_->required ? refuse(kTimeout) : let_in(nullptr); }

// The last thing it does: what becomes of the connection is its session's.
void Foreword::let_in(const wire::ProxyHeader* header) {
  const std::unique_ptr<Foreword> self(this);
  site_.shard.add(from_->counters.foreword(header ? header->kind : "none"));
  const int fd = bytes_.take(header ? header->size : 0);
  const bool told = header && header->told.source.valid();
  const Foretold foretold{told ? header->told : wire::Relayed{}, peer_};
  seat_client(site_, from_, fd, told ? foretold.said.source : peer_, told ? &foretold : nullptr);
}

void Foreword::refuse(const char* why) {
  tell(site_, *from_, why, peer_);
  refuse(Ending::ProxyProtocol);
}

void Foreword::refuse(Ending why) {
  const std::unique_ptr<Foreword> self(this);
  plan().of_process->leave();
  plan().connections->leave();
  refuse_client(site_, *from_, bytes_.take(0), why);
}

}  // namespace outrider::exchange
