#include "discovery/dht/introductions.h"

#include <algorithm>

#include "base/log.h"
#include "discovery/dht/wire.h"

namespace outrider::discovery {

namespace {
constexpr milliseconds kMoment{30000};  // a nonce is good for one and what is left of another
constexpr milliseconds kSaid = std::chrono::minutes(1);

int64_t moment_of(TimePoint now) { return now.time_since_epoch() / kMoment; }

net::Address without_port(net::Address who) {
  who.set_port(0);
  return who;
}
}  // namespace

Introductions::Introductions(const DhtOptions& options, Verifier& verifier, DhtStats& stats, IntroductionsEvents& events)
    : options_(options), verifier_(verifier), stats_(stats), events_(events), secret_(identity::random_bytes(32)) {}

void Introductions::open(const net::Address& bound) {
  if (!options_.proves_node_id()) return;
  own_ = own_address(bound, options_.address, options_.bootstrap);
  proven_for_ = options_.identity->id.text();
  node_id_ = node_id_of(options_.identity->id, own_);
  asks_ = options_.asks_for_proofs();
}

// ---- Packets of others ---------------------------------------------------------------------------------------------

const std::string* Introductions::admit(std::string_view packet, const net::Address& from, TimePoint now) {
  if (Known* known = find(from, now)) {
    if (now >= known->ask_at) {
      known->ask_at = now + kAskKnown;
      ask(from, now);
    }
    return &known->id;
  }
  Stranger& one = stranger(from, now);
  if (now < one.refused_until) {
    stats_.reject(one.refusal);
    return nullptr;
  }
  keep(one, packet);
  if (now >= one.ask_at) {
    one.ask_at = now + kAskAgain;
    ask(from, now);
  }
  return nullptr;
}

// Its time is up when it is.
Introductions::Known* Introductions::find(const net::Address& who, TimePoint now) {
  const auto it = known_.find(key_of(who));
  if (it == known_.end() || it->second.who != who) return nullptr;
  if (now < it->second.until) return &it->second;
  known_.erase(it);
  return nullptr;
}

// The one who has waited longest gives way: an honest one waits for no more than a round trip.
Introductions::Stranger& Introductions::stranger(const net::Address& who, TimePoint now) {
  const auto it = strangers_.find(key_of(who));
  if (it != strangers_.end() && it->second.who == who) return it->second;
  if (it != strangers_.end()) drop_kept(it->second, RecordVerdict::Muted);
  else if (strangers_.size() >= kMostStrangers) {
    const auto oldest = std::min_element(strangers_.begin(), strangers_.end(),
                                         [](const auto& a, const auto& b) { return a.second.since < b.second.since; });
    drop_kept(oldest->second, RecordVerdict::Muted);
    strangers_.erase(oldest);
  }
  Stranger fresh;
  fresh.who = who;
  fresh.since = now;
  return strangers_[key_of(who)] = std::move(fresh);
}

void Introductions::keep(Stranger& one, std::string_view packet) {
  if (one.kept.size() >= kMostKept || one.bytes + packet.size() > kMostKeptBytes || kept_bytes_ + packet.size() > kMostKeptInAll)
    return stats_.reject(RecordVerdict::Muted);
  one.kept.emplace_back(packet);
  one.bytes += packet.size();
  kept_bytes_ += packet.size();
}

void Introductions::drop_kept(Stranger& one, RecordVerdict why) {
  for (size_t i = 0; i < one.kept.size(); ++i) stats_.reject(why);
  kept_bytes_ -= one.bytes;
  one.kept.clear();
  one.bytes = 0;
}

void Introductions::doubt(const net::Address& who, TimePoint now) {
  const Known* known = find(who, now);
  if (known && now - known->proven >= kSettled) known_.erase(key_of(who));
}

void Introductions::forget(const net::Address& who) {
  if (const auto it = known_.find(key_of(who)); it != known_.end() && it->second.who == who) known_.erase(it);
  const auto it = strangers_.find(key_of(who));
  if (it == strangers_.end() || it->second.who != who) return;
  kept_bytes_ -= it->second.bytes;  // what it had sent is of no use to anybody: no need to count it
  strangers_.erase(it);
}

void Introductions::tick(TimePoint now) {
  if (now - troubled_ >= 2 * kSaid) trouble_.clear();
  for (auto it = strangers_.begin(); it != strangers_.end();) {
    Stranger& one = it->second;
    const bool refused = one.refusal != RecordVerdict::Ok;
    if (refused ? now < one.refused_until : now - one.since < kPatience) {
      if (!refused && now >= one.ask_at) {
        one.ask_at = now + kAskAgain;
        ask(one.who, now);
      }
      ++it;
      continue;
    }
    if (!one.kept.empty() && may_say(said_silent_, now))
      log::warn(
          "a node of the registry's network does not prove its id and is not listened to: it has no identity, is of an "
          "older version, or has registry.node_ids: free, which must then be free everywhere",
          {{"node", one.who.text()}});
    drop_kept(one, RecordVerdict::NoCertificate);
    it = strangers_.erase(it);
  }
}

// ---- Questions and proofs --------------------------------------------------------------------------------------------

int Introductions::Ration::used_now(TimePoint now) {
  const int64_t this_second = now.time_since_epoch() / seconds(1);
  if (this_second != second) second = this_second, used = 0;
  return used;
}

std::string Introductions::nonce_for(const net::Address& who, int64_t moment) const {
  return identity::sha256(secret_ + number(uint64_t(moment), 8) + address_bytes(who)).substr(0, kNonceBytes);
}

void Introductions::ask(const net::Address& who, TimePoint now) {
  if (questions_.used_now(now) >= kQuestions) return;
  ++questions_.used;
  events_.send_introduction(write_question({nonce_for(who, moment_of(now)), who}), who);
}

void Introductions::take(std::string_view introduction, const net::Address& from, TimePoint now, WallTime wall) {
  if (const auto question = read_question(introduction)) return answer(*question, from, now, true);
  const auto proof = read_proof(introduction);
  if (!proof) {
    stats_.reject(RecordVerdict::Malformed);
    return events_.on_false_proof(from);
  }
  take_proof(*proof, from, now, wall);
  if (proof->back) answer(*proof->back, from, now, false);
}

// Half of the answers are for those who are known: strangers, however many, leave them theirs.
void Introductions::answer(const Question& question, const net::Address& from, TimePoint now, bool ask_back) {
  if (node_id_.empty() || !options_.identity || options_.identity->id.text() != proven_for_) return unable(from, now);
  const bool known = find(from, now);
  if (answers_.used_now(now) >= (known ? 2 * kAnswers : kAnswers)) return;
  ++answers_.used;
  note_seen(question.seen, from, now);
  std::optional<Question> back;
  if (ask_back && asks_ && !known && questions_.used_now(now) < kQuestions) {
    Stranger& one = stranger(from, now);
    if (now >= one.refused_until && now >= one.ask_at) {
      one.ask_at = now + kAskAgain;
      ++questions_.used;
      back = Question{nonce_for(from, moment_of(now)), from};
    }
  }
  const std::string proof = write_proof(question.nonce, node_id_, own_, back, *options_.identity);
  if (!proof.empty()) events_.send_introduction(proof, from);
}

// Whoever asks does not listen without.
void Introductions::unable(const net::Address& from, TimePoint now) {
  troubled_ = now;
  trouble_ = "others do not listen to this node, for it does not prove its id";
  if (!may_say(said_unable_, now)) return;
  log::warn(
      "others in the registry's network do not listen to this node, for it does not prove its id: it needs an identity "
      "(identity.dir) that has not changed since its start, and registry.node_ids: bound",
      {{"node", from.text()}});
}

void Introductions::note_seen(const net::Address& seen, const net::Address& by, TimePoint now) {
  if (comes_from(own_, seen)) return trouble_.clear();
  troubled_ = now;
  trouble_ = "others see this node at " + seen.text() + " and not at " + own_.text() +
             ", to which its id belongs, and do not listen to it";
  if (!may_say(said_translated_, now)) return;
  log::warn(
      "others in the registry's network see this node at another address than its own and do not listen to it: set "
      "registry.bind to the address they see or, where addresses are translated between nodes, registry.node_ids: free on "
      "every node",
      {{"own", own_.text()}, {"seen", seen.text()}, {"by", by.text()}});
}

void Introductions::take_proof(const Proof& proof, const net::Address& from, TimePoint now, WallTime wall) {
  if (!asks_) return;
  const int64_t moment = moment_of(now);
  if (proof.nonce != nonce_for(from, moment) && proof.nonce != nonce_for(from, moment - 1))
    return stats_.reject(RecordVerdict::Replayed);
  if (const Known* known = find(from, now); known && known->nonce == proof.nonce) return;  // asked twice
  if (const auto it = strangers_.find(key_of(from)); it != strangers_.end() && now < it->second.refused_until) return;
  const auto checked = check(proof, from, now, wall);
  if (checked.verdict == RecordVerdict::Muted) return stats_.reject(checked.verdict);  // asked again, it may be looked at
  if (checked.verdict != RecordVerdict::Ok) return refuse(proof, from, now, checked.verdict);
  accept(proof, from, now, std::chrono::duration_cast<milliseconds>(checked.until - wall));
}

ProofChecked Introductions::check(const Proof& proof, const net::Address& from, TimePoint now, WallTime wall) {
  identity::TrustCache* const trust = verifier_.trust();
  if (!trust) return {RecordVerdict::UnknownCa, {}};
  const bool cheap = trust->knows(proof.leaf, wall);  // one signature, and no chain
  const int failed = failures_.used_now(now);
  if (cheap ? failed >= 4 * kFailures : failed >= kFailures || faulty_.muted(without_port(from), now))
    return {RecordVerdict::Muted, {}};
  const auto checked = check_proof(proof, from, options_.trust_domain, *trust, wall);
  if (checked.verdict == RecordVerdict::Ok) return checked;
  ++failures_.used;
  if (!cheap) faulty_.blame(without_port(from), now);
  return checked;
}

// An id has one place: who has it now is where the proof came from.
void Introductions::accept(const Proof& proof, const net::Address& from, TimePoint now, milliseconds valid) {
  const uint64_t key = key_of(from);
  std::erase_if(known_, [&](const auto& one) { return one.first != key && one.second.id == proof.node_id; });
  if (proof.node_id == node_id_ && may_say(said_twice_, now))
    log::warn(
        "another node has this one's id in the registry's network: nodes of one identity on one IP address need ports that "
        "differ modulo 8 (registry.bind)",
        {{"node", from.text()}, {"own", own_.text()}});
  if (known_.size() >= kMostKnown && !known_.contains(key))
    known_.erase(std::min_element(known_.begin(), known_.end(),
                                  [](const auto& a, const auto& b) { return a.second.until < b.second.until; }));
  Known& known = known_[key] = {
      from, proof.node_id, proof.nonce, now, now + std::min(kRenew, valid - valid / 6), now + std::min(kKnown, valid)};
  const std::string id = known.id;
  const auto it = strangers_.find(key);
  if (it == strangers_.end()) return;
  const Stranger waited = std::move(it->second);
  strangers_.erase(it);
  kept_bytes_ -= waited.bytes;
  if (waited.who != from) return;
  for (const auto& packet : waited.kept) events_.on_introduced(packet, from, id);
}

// Who is known stays so until his time is up: whoever is no longer trusted has been given a minute.
void Introductions::refuse(const Proof& proof, const net::Address& from, TimePoint now, RecordVerdict why) {
  stats_.reject(why);
  const bool moved = !comes_from(proof.address, from);
  if (moved && may_say(said_translated_, now))
    log::warn(
        "a node of the registry's network is not listened to, for its packets come from another address than its own: set its "
        "registry.bind to the address others see or, where addresses are translated between nodes, "
        "registry.node_ids: free on every node",
        {{"seen", from.text()}, {"says", proof.address.text()}});
  else if (!moved && may_say(said_refused_, now))
    log::warn("a node of the registry's network is not listened to: its proof of its id is no good",
              {{"node", from.text()}, {"why", reason(why)}});
  if (why == RecordVerdict::BadSignature || why == RecordVerdict::Malformed || (why == RecordVerdict::WrongIdentity && !moved))
    events_.on_false_proof(from);
  if (find(from, now)) return;
  Stranger& one = stranger(from, now);
  drop_kept(one, why);
  one.refusal = why;
  one.refused_until = now + kRefused;
}

void Introductions::on_identity_changed(bool trust_changed, TimePoint now) {
  if (!proven_for_.empty() && options_.identity && options_.identity->id.text() != proven_for_)
    log::warn(
        "the identity is another's now, and the registry's node keeps the place of the old one until a restart: others will "
        "no longer listen to it",
        {{"was", proven_for_}, {"is", options_.identity->id.text()}});
  if (!trust_changed) return;
  for (auto& [key, known] : known_) {
    known.ask_at = now;
    known.until = std::min(known.until, now + std::chrono::minutes(1));
  }
  std::erase_if(strangers_, [](const auto& one) { return one.second.refusal != RecordVerdict::Ok; });  // they keep nothing
  faulty_ = {};
}

bool Introductions::may_say(TimePoint& last, TimePoint now) {
  if (last != TimePoint{} && now - last < kSaid) return false;
  last = now;
  return true;
}

}  // namespace outrider::discovery
