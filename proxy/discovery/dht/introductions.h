#pragma once
// Who sits where: strangers are asked for a proof of their node id, and wait for it.

#include <array>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "discovery/dht/conduct.h"
#include "discovery/dht/node_proof.h"
#include "discovery/dht/options.h"
#include "discovery/dht/verifier.h"

namespace outrider::discovery {

class IntroductionsEvents {
 public:
  virtual void on_introduced(std::string_view packet, const net::Address& from, const std::string& node_id) = 0;  // had waited
  virtual void send_introduction(std::string_view bytes, const net::Address& to) = 0;
  virtual void on_false_proof(const net::Address& who) = 0;  // no honest node gives such a one

 protected:
  ~IntroductionsEvents() = default;
};

// A packet of a stranger is kept while he is asked who he is; he asks back with his proof, so that two nodes know each other
// after three datagrams. Those who have proven are remembered by address for half an hour, asked again in the meantime while
// what they send is still taken, and forgotten when a packet of theirs bears another id: the address may be another's by now.
// Nonces are made, not remembered: a flood of strangers takes nobody his turn. What costs a look at an unknown certificate
// and fails is rationed, by IP address and in all. Owned by the registry's node; its thread.
class Introductions {
 public:
  static constexpr size_t kMostKnown = 4096, kMostStrangers = 1024;
  static constexpr size_t kMostKept = 64, kMostKeptBytes = 128 << 10;  // packets of one stranger
  static constexpr size_t kMostKeptInAll = 8 << 20;
  static constexpr milliseconds kPatience{3000};                    // with a stranger: OpenDHT has no more either
  static constexpr milliseconds kAskAgain{1000}, kAskKnown{10000};  // between two questions
  static constexpr milliseconds kRefused{10000};                    // until somebody whose proof was no good may try again
  static constexpr milliseconds kKnown = std::chrono::minutes(30), kRenew = std::chrono::minutes(25);
  static constexpr milliseconds kSettled{5000};                             // a proof this fresh is not doubted
  static constexpr int kAnswers = 200, kQuestions = 2000, kFailures = 100;  // a second

  Introductions(const DhtOptions& options, Verifier& verifier, DhtStats& stats, IntroductionsEvents& events);
  void open(const net::Address& bound);                    // from here on it is decided whether ids are bound
  const std::string& node_id() const { return node_id_; }  // this node's; empty: any
  bool asks() const { return asks_; }
  // The id that a packet of this sender must bear. Null: the packet is kept, or counted and dropped.
  const std::string* admit(std::string_view packet, const net::Address& from, TimePoint now);
  void take(std::string_view introduction, const net::Address& from, TimePoint now, WallTime wall);
  void doubt(const net::Address& who, TimePoint now);  // a packet bore another id than this
  void forget(const net::Address& who);                // it has left
  void tick(TimePoint now);                            // each second
  void on_identity_changed(bool trust_changed, TimePoint now);
  const std::string& trouble() const { return trouble_; }  // for a person; empty: none
  size_t known() const { return known_.size(); }
  size_t strangers() const { return strangers_.size(); }
  size_t kept_bytes() const { return kept_bytes_; }

 private:
  struct Known {
    net::Address who;
    std::string id, nonce;
    TimePoint proven{}, ask_at{}, until{};
  };
  struct Stranger {
    net::Address who;
    TimePoint since{}, ask_at{}, refused_until{};
    RecordVerdict refusal = RecordVerdict::Ok;
    std::deque<std::string> kept;
    size_t bytes = 0;
  };
  // So many in a second.
  struct Ration {
    int64_t second = 0;
    int used = 0;
    int used_now(TimePoint now);
  };
  using Strangers = std::unordered_map<uint64_t, Stranger>;
  static uint64_t key_of(const net::Address& who) { return who.ip_key() * 0x9E3779B97F4A7C15u + who.port(); }
  std::string nonce_for(const net::Address& who, int64_t moment) const;
  Known* find(const net::Address& who, TimePoint now);
  Stranger& stranger(const net::Address& who, TimePoint now);
  void keep(Stranger& one, std::string_view packet);
  void drop_kept(Stranger& one, RecordVerdict why);
  void ask(const net::Address& who, TimePoint now);
  void answer(const Question& question, const net::Address& from, TimePoint now, bool ask_back);
  void unable(const net::Address& from, TimePoint now);
  void note_seen(const net::Address& seen, const net::Address& by, TimePoint now);
  void take_proof(const Proof& proof, const net::Address& from, TimePoint now, WallTime wall);
  ProofChecked check(const Proof& proof, const net::Address& from, TimePoint now, WallTime wall);
  void accept(const Proof& proof, const net::Address& from, TimePoint now, milliseconds valid);
  void refuse(const Proof& proof, const net::Address& from, TimePoint now, RecordVerdict why);
  bool may_say(TimePoint& last, TimePoint now);

  const DhtOptions& options_;
  Verifier& verifier_;
  DhtStats& stats_;
  IntroductionsEvents& events_;
  const std::string secret_;
  net::Address own_;
  std::string node_id_, proven_for_, trouble_;
  bool asks_ = false;
  std::unordered_map<uint64_t, Known> known_;
  Strangers strangers_;
  size_t kept_bytes_ = 0;
  Ration answers_, questions_, failures_;
  Conduct faulty_;  // by IP address: the port is 0
  TimePoint troubled_{}, said_unable_{}, said_silent_{}, said_refused_{}, said_translated_{}, said_twice_{};
};

}  // namespace outrider::discovery
