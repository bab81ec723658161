#include "identity/identity.h"

#include <sys/stat.h>

#include <cstdio>
#include <ctime>

#include "base/text.h"

namespace outrider::identity {

namespace {

std::string span_text(WallTime from, WallTime to) {
  const auto left = std::chrono::duration_cast<seconds>(to - from).count();
  if (left < 0) return "over";
  if (left >= 2 * 86400) return std::to_string(left / 86400) + " days left";
  if (left >= 2 * 3600) return std::to_string(left / 3600) + " hours left";
  return std::to_string(left / 60) + " minutes left";
}

void append_list(std::string& out, const std::vector<std::string>& items) {
  out += '[';
  for (size_t i = 0; i < items.size(); ++i) {
    if (i) out += ',';
    append_json(out, items[i]);
  }
  out += ']';
}

std::string joined(const std::vector<std::string>& items) {
  std::string out;
  for (const auto& item : items) (out += out.empty() ? "" : ", ") += item;
  return out;
}

}  // namespace

std::string rfc3339(WallTime at) {
  const std::time_t clock = std::chrono::system_clock::to_time_t(at);
  std::tm parts{};
  gmtime_r(&clock, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

Outcome<Identity> Identity::load(const std::string& folder) {
  const std::string crt = folder + "/tls.crt", key_file = folder + "/tls.key";
  auto certificates = Certificate::load(crt);
  if (!certificates) return certificates.failure();
  auto key = KeyPair::load(key_file);
  if (!key) return key.failure();
  auto trust = Trust::load(folder + "/ca.crt");
  if (!trust) return trust.failure();
  const Certificate leaf = certificates->front();
  auto id = leaf.workload_id();
  if (!id)
    return Failure{crt +
                   ": names no workload: exactly one URI of the form spiffe://<trust domain>/ns/<namespace>/sa/"
                   "<account> is needed" +
                   (leaf.uris().empty() ? std::string() : ", it has " + joined(leaf.uris()))};
  if (!(leaf.public_key() == key->public_key())) return Failure{key_file + ": is not the key of the first certificate in " + crt};
  certificates->erase(certificates->begin());
  return Identity{std::move(*id), std::move(*key), leaf, std::move(*certificates), std::move(*trust)};
}

Outcome<Identity> Identity::of(const Issued& issued, const Certificate& root) {
  auto id = issued.certificate.workload_id();
  if (!id) return Failure{"the certificate names no workload"};
  auto trust = Trust::of({root}, "root");
  if (!trust) return trust.failure();
  return Identity{std::move(*id), issued.key, issued.certificate, {}, std::move(*trust)};
}

std::string Identity::problem(WallTime now) const {
  const auto verdict = trust.judge(leaf, now, chain).verdict;
  switch (verdict) {
    case TrustVerdict::Ok: return "";
    case TrustVerdict::Expired:
      return leaf.not_after() < now ? "tls.crt: expired " + rfc3339(leaf.not_after())
                                    : "ca.crt: the authority of tls.crt is expired";
    case TrustVerdict::NotYetValid: return "tls.crt: not valid before " + rfc3339(leaf.not_before());
    case TrustVerdict::UnknownCa: return "tls.crt: issued by no authority in ca.crt";
    default: return std::string("tls.crt: ") + text(verdict);
  }
}

std::string Identity::warning(WallTime now, double share) const {
  constexpr seconds kLongest = std::chrono::hours(24 * 30);  // authorities live for years: nobody renews one two years ahead
  const auto ends_soon = [&](const Certificate& certificate, seconds most) {
    const auto life = std::chrono::duration<double>(certificate.not_after() - certificate.not_before()) * share;
    return certificate.not_after() - now <= std::min(std::chrono::duration_cast<seconds>(life), most);
  };
  if (ends_soon(leaf, seconds::max())) return "tls.crt: ends " + rfc3339(leaf.not_after()) + " and has not been renewed";
  for (const auto& [domain, roots] : trust.domains()) {
    const auto last = std::max_element(roots.begin(), roots.end(),
                                       [](const Certificate& a, const Certificate& b) { return a.not_after() < b.not_after(); });
    if (last != roots.end() && ends_soon(*last, kLongest))
      return (domain.empty() ? "ca.crt" : "identity.trust." + domain) + ": the last authority ends " + rfc3339(last->not_after());
  }
  return {};
}

Outcome<Description> describe(const std::string& folder, WallTime now) {
  const auto identity = Identity::load(folder);
  if (!identity) return identity.failure();
  const Certificate& leaf = identity->leaf;
  Description out;
  out.folder = folder;
  out.id = identity->id.text();
  out.subject = leaf.subject();
  out.issuer = leaf.issuer();
  out.serial = leaf.serial();
  out.fingerprint = leaf.fingerprint();
  out.key_kind = name(identity->key.algorithm());
  out.problem = identity->problem(now);
  out.dns = leaf.dns_names();
  out.addresses = leaf.addresses();
  out.not_before = leaf.not_before();
  out.not_after = leaf.not_after();
  struct stat file {};
  out.key_open = ::stat((folder + "/tls.key").c_str(), &file) == 0 && (file.st_mode & 077) != 0;
  for (const auto& root : identity->trust.roots()) out.roots.push_back({root.subject(), root.fingerprint(), root.not_after()});
  return out;
}

std::string Description::text(WallTime now) const {
  std::string out;
  const auto line = [&](const char* label, const std::string& value) {
    char padded[16];
    std::snprintf(padded, sizeof padded, "%-13s", label);
    if (!value.empty()) (((out += padded) += value) += '\n');
  };
  line("identity", id);
  line("state", problem.empty() ? "good" : problem);
  line("valid", rfc3339(not_before) + " to " + rfc3339(not_after) + " (" + span_text(now, not_after) + ")");
  line("subject", subject);
  line("issuer", issuer);
  line("serial", serial);
  line("sha256", fingerprint);
  line("key", key_kind + (key_open ? ", tls.key can be read by others than its owner" : ""));
  line("dns", joined(dns));
  line("addresses", joined(addresses));
  for (const auto& root : roots)
    line("trusts", root.subject + ", until " + rfc3339(root.not_after) + " (" + span_text(now, root.not_after) + ")");
  return out;
}

std::string Description::json() const {
  std::string out = "{";
  const auto field = [&](const char* label, const std::string& value) {
    if (out.back() != '{') out += ',';
    append_json(out, label);
    out += ':';
    append_json(out, value);
  };
  field("folder", folder);
  field("id", id);
  field("problem", problem);
  field("not_before", rfc3339(not_before));
  field("not_after", rfc3339(not_after));
  field("subject", subject);
  field("issuer", issuer);
  field("serial", serial);
  field("fingerprint", fingerprint);
  field("key", key_kind);
  out += key_open ? ",\"key_open\":true,\"dns\":" : ",\"key_open\":false,\"dns\":";
  append_list(out, dns);
  out += ",\"addresses\":";
  append_list(out, addresses);
  out += ",\"roots\":[";
  for (const auto& root : roots) {
    if (out.back() != '[') out += ',';
    out += '{';
    field("subject", root.subject);
    field("not_after", rfc3339(root.not_after));
    field("fingerprint", root.fingerprint);
    out += '}';
  }
  return out + "]}";
}

}  // namespace outrider::identity
