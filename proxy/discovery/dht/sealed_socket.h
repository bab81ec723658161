#pragma once
// The registry's datagrams: sealed on their way out, opened and counted on their way in.

#include <optional>

#include "discovery/dht/conduct.h"
#include "discovery/dht/neighbours.h"
#include "discovery/dht/options.h"
#include "identity/seal.h"
#include "net/datagram.h"

namespace outrider::discovery {

class SocketEvents {
 public:
  virtual void on_packet(std::string_view bytes, const net::Address& from) = 0;        // authentic, when there is a key
  virtual void on_goodbye(const std::string& node_id, const net::Address& from) = 0;   // authentic
  virtual void on_introduction(std::string_view bytes, const net::Address& from) = 0;  // authentic: node_proof.h

 protected:
  ~SocketEvents() = default;
};

// Without a mesh key it is a plain socket that drops what looks sealed. Owned by the registry's node; its thread.
class SealedSocket final : net::DatagramEvents {
 public:
  SealedSocket(net::Loop& loop, const identity::MeshKeys& keys, DhtStats& stats, SocketEvents& events);
  Result<Done> bind(const net::Address& at, int inherited) {
    return inherited >= 0 ? datagram_.adopt(inherited) : datagram_.bind(at);
  }
  // Another process reads the same socket: nothing is read here, and what is sent is lost, as if the network had been down.
  int fall_silent();  // the descriptor once more, for that process
  void speak_again();
  int send(std::string_view plain, const net::Address& to);  // 0, or an errno; EHOSTUNREACH: gone, or muted
  void say_goodbye(std::string_view node_id);                // to all who were heard of late; only with a key
  void blame(const net::Address& who);                       // for something no honest node sends
  bool suspect(const net::Address& who) const { return conduct_.blamed(who, loop_.now()); }
  net::Address local() const { return datagram_.local(); }
  bool sealed() const { return seal_.has_value(); }
  TimePoint heard() const { return heard_; }  // the last authentic packet; epoch: none yet

 private:
  void on_datagram(std::span<char> bytes, const net::Address& from) override;
  net::Loop& loop_;
  DhtStats& stats_;
  SocketEvents& events_;
  std::optional<identity::Seal> seal_;
  TimePoint heard_{};
  bool silent_ = false;
  Neighbours neighbours_;
  Conduct conduct_;
  net::Datagram datagram_;
};

}  // namespace outrider::discovery
