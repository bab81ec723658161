#include "discovery/dht/sealed_socket.h"

#include <cerrno>

namespace outrider::discovery {

namespace {
constexpr unsigned char kSealed = 0xC1;   // begins every sealed datagram and no clear one

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
  const std::string_view bytes = seal_ ? seal_->seal(plain) : plain;
  if (bytes.empty()) return EMSGSIZE;
  const int status = datagram_.send(bytes, to);
  if (status != 0) return status;
  stats_.packets_out.fetch_add(1, std::memory_order_relaxed);
  stats_.bytes_out.fetch_add(bytes.size(), std::memory_order_relaxed);
  return 0;
}

void SealedSocket::on_datagram(std::span<char> bytes, const net::Address& from) {
  stats_.packets_in.fetch_add(1, std::memory_order_relaxed);
  stats_.bytes_in.fetch_add(bytes.size(), std::memory_order_relaxed);
  if (seal_) {
    const auto opened = seal_->unseal(bytes);
    if (opened.verdict != identity::SealVerdict::Ok) return stats_.reject(counted_as(opened.verdict));
    bytes = opened.plain;
  } else if (!bytes.empty() && uint8_t(bytes[0]) == kSealed) {
    return stats_.reject(RecordVerdict::Malformed);
  }
  heard_ = loop_.now();
  events_.on_packet({bytes.data(), bytes.size()}, from);
}

}  // namespace outrider::discovery
