#pragma once
// Whom we trust: a bundle of roots, and what it says about a certificate.

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/time.h"
#include "identity/certificate.h"
#include "identity/outcome.h"

struct x509_st;
struct x509_store_st;
struct x509_store_ctx_st;
struct stack_st_X509;

namespace outrider::identity {

enum class TrustVerdict : uint8_t {
  Ok,
  UnknownCa,  // no chain to a root of the bundle
  Expired,    // it, or what its chain needs, is over
  NotYetValid,
  NoWorkloadId,  // chains well, but carries no workload id, or more than one name
  WrongUse,      // an authority itself, or its key must not sign, or is of a kind we do not accept
  Malformed,     // not one DER certificate
};
const char* text(TrustVerdict verdict);  // "unknown authority" ...

// What the bundle says about one leaf, and until when that holds.
struct Judgement {
  TrustVerdict verdict = TrustVerdict::Malformed;
  std::optional<WorkloadId> id;  // set when Ok
  PublicKey key;                 // set when Ok
  WallTime from{}, until{};      // Ok: while every certificate of its chain is valid
};

// The roots. Every certificate of the bundle is an anchor, whether signed by itself or not. Beside them may be those of other
// trust domains: each vouches for the workloads of its own domain, and nobody else does. Copies share one store, which nobody
// changes; any thread.
class Trust {
 public:
  static Outcome<Trust> load(const std::string& path);                              // PEM
  static Outcome<Trust> of(std::vector<Certificate> roots, std::string_view name);  // authorities only, one at least
  // `between`: what came with the leaf to fill the chain. Costs milliseconds; see TrustCache.
  Judgement judge(const Certificate& leaf, WallTime at, std::span<const Certificate> between = {}) const;
  Judgement judge(std::string_view leaf_der, WallTime at) const;
  void add(const std::string& domain, const Trust& bundle);  // another trust domain's; before any copy is made
  bool knows(std::string_view domain) const { return others_.find(domain) != others_.end(); }  // another trust domain
  const std::vector<Certificate>& roots() const { return roots_; }
  std::vector<std::pair<std::string, std::vector<Certificate>>> domains() const;  // all roots; "": our own domain's
  bool operator==(const Trust& other) const;                                      // the same certificates, in whatever order
  x509_store_st* raw() const { return store_.get(); }
  // Where X509_verify_cert() is to look: for a context of raw() that is about `leaf`.
  void prepare(x509_store_ctx_st* context) const;
  // Whether there is a chain, whatever the dates: of one whose dates have been looked at before. `role` is whose certificate
  // it is: "ssl_client", "ssl_server".
  bool vouches_for(x509_st* leaf, stack_st_X509* between, const char* role) const;

 private:
  Trust() = default;
  std::vector<Certificate> roots_;
  std::shared_ptr<x509_store_st> store_;
  struct Other {
    std::vector<Certificate> roots;
    std::shared_ptr<stack_st_X509> stack;  // the same
  };
  std::map<std::string, Other, std::less<>> others_;  // by domain
};

// Remembers judgements by SHA-256 of the leaf, so that a known peer costs one hash instead of a chain. Accepted and
// refused leaves are kept apart: strangers, however many, never push out a friend. What nobody has shown for a while is
// forgotten: peers go for good. Owned by one thread.
class TrustCache {
 public:
  explicit TrustCache(Trust trust, size_t friends = 4096, size_t strangers = 1024);
  const Judgement& judge(std::string_view leaf_der, WallTime at);  // valid until the next call
  // Whether judge() would answer without verifying a chain: for those who ration the dear way.
  bool knows(std::string_view leaf_der, WallTime at) const;
  void set_trust(Trust trust);  // forgets everything
  const Trust& trust() const { return trust_; }
  size_t size() const { return friends_.index.size() + strangers_.index.size(); }

 private:
  struct Entry {
    std::string fingerprint;
    Judgement judgement;  // a refusal holds for a minute, then it is asked again
    WallTime used{};
  };
  struct Table {  // newest use in front
    size_t limit;
    std::list<Entry> entries;
    std::unordered_map<std::string_view, std::list<Entry>::iterator, StringHash, std::equal_to<>> index;
  };
  static const Judgement* find(const Table& table, std::string_view fingerprint, WallTime at);
  static const Judgement& keep(Table& table, Entry entry);
  static void drop(Table& table, std::string_view fingerprint);
  Trust trust_;
  Table friends_, strangers_;
};

}  // namespace outrider::identity
