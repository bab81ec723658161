#pragma once
// A node of the registry's network that keeps to no rule: it puts any bytes under any key, and answers others as it likes.

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "identity/identity.h"
#include "identity/seal.h"
#include "net/address.h"

namespace outrider::test {

// Speaks OpenDHT's packets by itself, so that no check of ours or of the library stands in its way. With the mesh key it is
// a member gone bad, without one an outsider. Listens on 127.0.0.1 from its construction to its end, on a thread of its own;
// its functions are for any one thread.
class Attacker {
 public:
  static constexpr uint16_t kOurType = 0x4d45;
  struct Value {
    std::string bytes;
    uint64_t id = 0;  // 0: the one that belongs to the bytes
    uint16_t type = kOurType;
  };
  // `near`: its node's id is the one next to this key's hash, or to this id of 40 digits; empty: random or, with an identity,
  // the one that belongs to it. With an identity it proves its id to whoever asks: every other one, by `nth`, of those who sit
  // where they should not proves the id that is theirs and bears the other, the rest claim that one in the proof too.
  explicit Attacker(const identity::MeshKeys& keys = {}, const std::string& near = {}, unsigned nth = 0,
                    std::shared_ptr<const identity::Identity> member = nullptr);
  ~Attacker();
  Attacker(const Attacker&) = delete;
  Attacker& operator=(const Attacker&) = delete;
  const net::Address& address() const { return address_; }

  // Asks a node for the key, as everybody must before a put, and puts; false: it does not answer.
  bool put(const net::Address& node, const std::string& key, const std::vector<Value>& values);
  bool ping(const net::Address& node);                          // and so gets known to it
  uint32_t knock(const net::Address& node);                     // a ping that does not wait; its transaction
  void send(const net::Address& node, std::string_view plain);  // whatever it is, sealed like the rest

  // To whoever asks here: these values for the key, pushed as well to those who listen, and these neighbours.
  void lay(const std::string& key, std::vector<Value> values);
  void name(const std::vector<const Attacker*>& neighbours);
  int asked() const { return asked_; }  // gets, listens and puts of keys

 private:
  using Reply = std::string;
  void run();
  void handle(std::string_view plain, const net::Address& from);
  void send_values(std::string_view head, const std::vector<std::string>& packed, uint32_t transaction, const net::Address& to);
  std::string wait_for(uint32_t transaction);
  uint32_t next() { return ++transaction_; }
  int fd_ = -1;
  net::Address address_;
  std::string id_, proven_id_;
  const std::shared_ptr<const identity::Identity> member_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable arrived_;
  std::unique_ptr<identity::Seal> seal_;
  std::map<uint32_t, Reply> replies_;
  std::map<std::string, std::vector<Value>> laid_;
  std::string neighbours_;
  std::atomic<uint32_t> transaction_{1000};
  std::atomic<int> asked_{0};
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

// So many values that differ in their last bytes.
std::vector<Attacker::Value> junk(std::string bytes, size_t count);

}  // namespace outrider::test
