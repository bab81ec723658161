#pragma once
// Which records are believed: by us as readers, and by us as storing nodes.

#include <optional>

#include "discovery/dht/options.h"
#include "discovery/dht/rules.h"
#include "discovery/registry.h"

namespace outrider::discovery {

// Owned by the registry's node; its thread. Chain verdicts are cached by leaf, so that a known signer costs one signature.
// What fails to verify is dear: so many in a second, or of one sender at once, and what else comes of suspects is refused
// unseen, and looked at again later.
class Verifier {
 public:
  Verifier(const DhtOptions& options, DhtStats& stats);

  struct Believed {
    Record record;
    std::shared_ptr<const Instance> facts;
  };
  // Found under a key of `service` (empty: of whichever). Refused ones are counted. `stale`: how long after its end a record
  // still counts. `why`, where given: the verdict on a refused one.
  std::optional<Believed> read(std::string_view bytes, const std::string& service, WallTime now, milliseconds stale = {},
                               RecordVerdict* why = nullptr);
  // Of a record that has been believed: whether its signer is known to the trust there is now.
  bool trusts_signer(std::string_view bytes, WallTime now);
  const std::shared_ptr<const identity::Identity>& identity() const { return identity_; }
  identity::TrustCache* trust() { return trust_ ? &*trust_ : nullptr; }  // null: no identity
  // May a stranger's value be kept? Under which key it lies is compared by the caller. Counts against its signer's quota.
  std::optional<Record> keep(std::string_view bytes, WallTime now);
  // Whose records come next; one who has been blamed of late gets no more than what is left of this second's budget.
  void from(bool suspect) { suspect_ = suspect, heard_lies_ = 0; }
  // Refused by read() for what an honest node checks before it passes a record on, whatever its settings.
  uint64_t lies() const { return lies_; }
  uint64_t junk() const { return stats_.rejected_in_all(); }          // whatever has come that is not believed, packets too
  uint64_t refused() const { return refused_; }                       // by read(), for any reason
  void refuse(RecordVerdict why) { stats_.reject(why), ++refused_; }  // what was believed and finds no room
  void set_identity(std::shared_ptr<const identity::Identity> identity);

 private:
  static constexpr int kFailedASecond = 100;
  static constexpr int kLiesAtOnce = 64;
  Checked check(const Record& record, const Rules& rules);
  Rules rules(const std::string* service, WallTime now, bool require_signed);
  const DhtOptions& options_;
  DhtStats& stats_;
  std::shared_ptr<const identity::Identity> identity_;
  std::optional<identity::TrustCache> trust_;
  int64_t second_ = 0;
  int failed_ = 0, heard_lies_ = 0;
  bool suspect_ = false;
  Quota kept_{options_.quota};
  uint64_t lies_ = 0, refused_ = 0;
};

// What watchers are told.
std::shared_ptr<const Instance> facts_of(const Record& record, std::string identity);

}  // namespace outrider::discovery
