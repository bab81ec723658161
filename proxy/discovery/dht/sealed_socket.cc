#include "discovery/dht/sealed_socket.h"

#include <cerrno>

#include "base/log.h"
#include "discovery/dht/node_proof.h"

namespace outrider::discovery {

namespace {
constexpr unsigned char kSealed = 0xC1;  // begins every sealed datagram and no clear one

RecordVerdict counted_as(identity::SealVerdict verdict) {
  switch (verdict) {
    case identity::SealVerdict::Replayed: return RecordVerdict::Replayed;
    case identity::SealVerdict::Malformed: return RecordVerdict::Malformed;
    default: return RecordVerdict::Unsealed;
  }
}
}  // namespace

SealedSocket::SealedSocket(net::Loop& loop, const identity::MeshKeys& keys, DhtStats& stats, SocketEvents& events)
    : loop_(loop), stats_(stats), events_(events), datagram_(loop, *this) {
  if (!keys.keys.empty()) seal_.emplace(keys);
}

int SealedSocket::send(std::string_view plain, const net::Address& to) {
  if (silent_) return 0;
  if (neighbours_.gone(to, loop_.now()) || conduct_.muted(to, loop_.now())) return EHOSTUNREACH;
  const std::string_view bytes = seal_ ? seal_->seal(plain) : plain;
  if (bytes.empty()) return EMSGSIZE;
  const int status = datagram_.send(bytes, to);
  if (status != 0) return status;
  stats_.packets_out.fetch_add(1, std::memory_order_relaxed);
  stats_.bytes_out.fetch_add(bytes.size(), std::memory_order_relaxed);
  return 0;
}

int SealedSocket::fall_silent() {
  silent_ = true;
  datagram_.pause();
  return datagram_.share();
}

void SealedSocket::speak_again() {
  silent_ = false;
  datagram_.resume();
}

// Without a key anybody could say it in anybody's name.
void SealedSocket::say_goodbye(std::string_view node_id) {
  if (!seal_) return;
  const std::string goodbye = write_goodbye(node_id, net::Loop::wall());
  for (const auto& neighbour : neighbours_.recent(loop_.now())) send(goodbye, neighbour);
}

void SealedSocket::blame(const net::Address& who) {
  if (conduct_.blame(who, loop_.now()))
    log::warn("a node of the registry's network sends what cannot be believed: it is not listened to", {{"node", who.text()}});
}

void SealedSocket::on_datagram(std::span<char> bytes, const net::Address& from) {
  stats_.packets_in.fetch_add(1, std::memory_order_relaxed);
  stats_.bytes_in.fetch_add(bytes.size(), std::memory_order_relaxed);
  if (conduct_.muted(from, loop_.now())) return stats_.reject(RecordVerdict::Muted);
  if (seal_) {
    const auto opened = seal_->unseal(bytes);
    if (opened.verdict != identity::SealVerdict::Ok) return stats_.reject(counted_as(opened.verdict));
    bytes = opened.plain;
  } else if (!bytes.empty() && uint8_t(bytes[0]) == kSealed) {
    return stats_.reject(RecordVerdict::Malformed);
  }
  heard_ = loop_.now();
  if (seal_ && is_introduction({bytes.data(), bytes.size()})) return events_.on_introduction({bytes.data(), bytes.size()}, from);
  if (is_goodbye({bytes.data(), bytes.size()})) {
    const auto node_id = seal_ ? read_goodbye({bytes.data(), bytes.size()}, net::Loop::wall()) : std::nullopt;
    if (!node_id) return stats_.reject(RecordVerdict::Malformed);
    neighbours_.left(from, loop_.now());
    return events_.on_goodbye(*node_id, from);
  }
  neighbours_.heard(from, loop_.now());
  events_.on_packet({bytes.data(), bytes.size()}, from);
}

}  // namespace outrider::discovery
