#include "identity/trust.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <set>

#include "identity/openssl.h"

namespace outrider::identity {

namespace {

constexpr int kDepth = 4;          // authorities between a leaf and its anchor
constexpr int kSecurityLevel = 2;  // 112 bits: no RSA under 2048, no SHA-1
constexpr seconds kRefusalHolds = std::chrono::minutes(1);
constexpr seconds kEarlyHolds{1};
constexpr seconds kUnused = std::chrono::minutes(20);  // who lives shows a new record at least each 15

using Stack = std::unique_ptr<STACK_OF(X509), decltype([](STACK_OF(X509) * s) { sk_X509_free(s); })>;

TrustVerdict verdict_of(int error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED: return TrustVerdict::Expired;
    case X509_V_ERR_CERT_NOT_YET_VALID: return TrustVerdict::NotYetValid;
    default: return TrustVerdict::UnknownCa;
  }
}

Certificate sharing(X509* certificate) {
  X509_up_ref(certificate);
  return Certificate(std::shared_ptr<X509>(certificate, X509_free));
}

Judgement refused(TrustVerdict verdict, WallTime at) {
  Judgement out;
  out.verdict = verdict;
  out.from = at;
  out.until = at + (verdict == TrustVerdict::NotYetValid ? kEarlyHolds : kRefusalHolds);
  return out;
}

}  // namespace

const char* text(TrustVerdict verdict) {
  switch (verdict) {
    case TrustVerdict::Ok: return "trusted";
    case TrustVerdict::UnknownCa: return "issued by no authority of the trust bundle";
    case TrustVerdict::Expired: return "expired";
    case TrustVerdict::NotYetValid: return "not yet valid";
    case TrustVerdict::NoWorkloadId: return "names no workload (one SPIFFE ID .../ns/.../sa/... is needed)";
    case TrustVerdict::WrongUse: return "its key must not sign, or is of a kind that is not accepted";
    case TrustVerdict::Malformed: return "not a certificate";
  }
  return "";
}

Outcome<Trust> Trust::load(const std::string& path) {
  auto roots = Certificate::load(path);
  if (!roots) return roots.failure();
  return of(std::move(*roots), path);
}

Outcome<Trust> Trust::of(std::vector<Certificate> roots, std::string_view name) {
  const std::string file(name);
  if (roots.empty()) return Failure{file + ": no certificate in it"};
  Trust trust;
  trust.store_ = std::shared_ptr<X509_STORE>(X509_STORE_new(), X509_STORE_free);
  X509_STORE* store = trust.store_.get();
  for (size_t i = 0; i < roots.size(); ++i) {
    if (!roots[i].is_ca())
      return Failure{file + ": certificate " + std::to_string(i + 1) + " (" + roots[i].subject() + ") is not an authority"};
    if (!store || X509_STORE_add_cert(store, roots[i].raw()) != 1)
      return Failure{file + ": certificate " + std::to_string(i + 1) + " cannot be used (" + openssl_reason() + ")"};
  }
  // Partial chains: an intermediate in the bundle is an anchor. People cut their bundles where their mesh begins.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_auth_level(X509_STORE_get0_param(store), kSecurityLevel);
  X509_STORE_set_depth(store, kDepth);
  trust.roots_ = std::move(roots);
  return trust;
}

Judgement Trust::judge(const Certificate& leaf, WallTime at, std::span<const Certificate> between) const {
  // The cheap questions first: most strangers fall here without a signature being verified.
  PublicKey key = leaf.public_key();
  if (leaf.is_ca() || !leaf.may_sign() || key.algorithm() == Algorithm::None) return refused(TrustVerdict::WrongUse, at);
  if (leaf.not_after() < at) return refused(TrustVerdict::Expired, at);
  if (leaf.not_before() > at) return refused(TrustVerdict::NotYetValid, at);

  Stack untrusted(sk_X509_new_null());
  for (const auto& certificate : between) sk_X509_push(untrusted.get(), certificate.raw());
  StoreContext context(X509_STORE_CTX_new());
  if (!context || X509_STORE_CTX_init(context.get(), store_.get(), leaf.raw(), untrusted.get()) != 1) {
    ERR_clear_error();
    return refused(TrustVerdict::UnknownCa, at);
  }
  prepare(context.get());
  X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context.get()), std::chrono::system_clock::to_time_t(at));
  if (X509_verify_cert(context.get()) != 1) {
    const int error = X509_STORE_CTX_get_error(context.get());
    ERR_clear_error();
    return refused(verdict_of(error), at);
  }
  auto id = leaf.workload_id();
  if (!id) return refused(TrustVerdict::NoWorkloadId, at);

  Judgement out;
  out.verdict = TrustVerdict::Ok;
  out.id = std::move(id);
  out.key = std::move(key);
  out.from = leaf.not_before();
  out.until = leaf.not_after();
  const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(context.get());
  for (int i = 1; i < sk_X509_num(chain); ++i) {
    const Certificate above = sharing(sk_X509_value(chain, i));
    out.from = std::max(out.from, above.not_before());
    out.until = std::min(out.until, above.not_after());
  }
  return out;
}

Judgement Trust::judge(std::string_view leaf_der, WallTime at) const {
  const auto leaf = Certificate::from_der(leaf_der, "leaf");
  return leaf ? judge(*leaf, at) : refused(TrustVerdict::Malformed, at);
}

void Trust::add(const std::string& domain, const Trust& bundle) {
  Other& other = others_[domain];
  other.roots = bundle.roots_;
  other.stack = {sk_X509_new_null(), [](STACK_OF(X509) * all) { sk_X509_free(all); }};
  for (const auto& root : other.roots) sk_X509_push(other.stack.get(), root.raw());
}

std::vector<std::pair<std::string, std::vector<Certificate>>> Trust::domains() const {
  std::vector<std::pair<std::string, std::vector<Certificate>>> all{{"", roots_}};
  for (const auto& [domain, other] : others_) all.emplace_back(domain, other.roots);
  return all;
}

void Trust::prepare(X509_STORE_CTX* context) const {
  if (others_.empty()) return;
  X509* const leaf = X509_STORE_CTX_get0_cert(context);
  const auto id = leaf ? sharing(leaf).workload_id() : std::nullopt;
  const auto other = id ? others_.find(id->trust_domain()) : others_.end();
  if (other != others_.end()) X509_STORE_CTX_set0_trusted_stack(context, other->second.stack.get());
}

bool Trust::vouches_for(X509* leaf, STACK_OF(X509) * between, const char* role) const {
  const StoreContext context(X509_STORE_CTX_new());
  bool good = context && X509_STORE_CTX_init(context.get(), store_.get(), leaf, between) == 1;
  if (good) {
    prepare(context.get());
    X509_STORE_CTX_set_default(context.get(), role);
    X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_NO_CHECK_TIME);
    good = X509_verify_cert(context.get()) == 1;
  }
  ERR_clear_error();
  return good;
}

bool Trust::operator==(const Trust& other) const {
  const auto all = [](const Trust& trust) {
    std::multiset<std::pair<std::string, std::string>> certificates;  // domain, DER
    for (const auto& [domain, roots] : trust.domains())
      for (const Certificate& root : roots) certificates.emplace(domain, root.der());
    return certificates;
  };
  return all(*this) == all(other);
}

TrustCache::TrustCache(Trust trust, size_t friends, size_t strangers)
    : trust_(std::move(trust)), friends_{std::max<size_t>(friends, 1), {}, {}}, strangers_{
                                                                                    std::max<size_t>(strangers, 1), {}, {}} {}

const Judgement& TrustCache::judge(std::string_view leaf_der, WallTime at) {
  std::string fingerprint = sha256(leaf_der);
  for (Table* table : {&friends_, &strangers_})
    if (const Judgement* known = find(*table, fingerprint, at)) {
      const auto entry = table->index.find(fingerprint)->second;
      entry->used = at;
      table->entries.splice(table->entries.begin(), table->entries, entry);
      return *known;
    }
  drop(friends_, fingerprint);
  drop(strangers_, fingerprint);
  Judgement fresh = trust_.judge(leaf_der, at);
  Table& table = fresh.verdict == TrustVerdict::Ok ? friends_ : strangers_;
  return keep(table, {std::move(fingerprint), std::move(fresh), at});
}

bool TrustCache::knows(std::string_view leaf_der, WallTime at) const {
  const std::string fingerprint = sha256(leaf_der);
  return find(friends_, fingerprint, at) || find(strangers_, fingerprint, at);
}

void TrustCache::set_trust(Trust trust) {
  for (Table* table : {&friends_, &strangers_}) {
    table->index.clear();
    table->entries.clear();
  }
  trust_ = std::move(trust);
}

const Judgement* TrustCache::find(const Table& table, std::string_view fingerprint, WallTime at) {
  const auto found = table.index.find(fingerprint);
  if (found == table.index.end()) return nullptr;
  const Judgement& judgement = found->second->judgement;
  return at >= judgement.from && at < judgement.until ? &judgement : nullptr;
}

const Judgement& TrustCache::keep(Table& table, Entry entry) {
  while (!table.entries.empty() && (table.entries.size() >= table.limit || table.entries.back().used + kUnused < entry.used))
    drop(table, table.entries.back().fingerprint);
  table.entries.push_front(std::move(entry));
  table.index.emplace(table.entries.front().fingerprint, table.entries.begin());
  return table.entries.front().judgement;
}

void TrustCache::drop(Table& table, std::string_view fingerprint) {
  const auto found = table.index.find(fingerprint);
  if (found == table.index.end()) return;
  const auto entry = found->second;
  table.index.erase(found);
  table.entries.erase(entry);
}

}  // namespace outrider::identity
