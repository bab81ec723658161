#include "discovery/dht/node_proof.h"

#include "discovery/dht/rules.h"
#include "discovery/dht/wire.h"

namespace outrider::discovery {

namespace {

constexpr std::string_view kWho =
    "\xC0"
    "who";
constexpr std::string_view kIAm =
    "\xC0"
    "iam";
constexpr uint16_t kPlaces = 8;  // of an identity on one address

std::string signed_proof(std::string_view bytes) { return "outrider-node-v1" + std::string(bytes); }

std::string sized(std::string_view bytes) { return number(bytes.size(), 1).append(bytes); }

// What stands behind its length; null: it is not all there.
std::optional<std::string_view> cut_sized(std::string_view& from, size_t length_bytes) {
  if (from.size() < length_bytes) return {};
  const size_t size = number(cut(from, length_bytes));
  if (from.size() < size) return {};
  return cut(from, size);
}

std::string body_of(const Question& question) { return question.nonce + sized(address_bytes(question.seen)); }

std::optional<Question> cut_question(std::string_view& from) {
  Question question{std::string(cut(from, kNonceBytes)), {}};
  const auto seen = cut_sized(from, 1);
  const auto address = seen ? read_address(*seen) : std::nullopt;
  if (question.nonce.size() != kNonceBytes || !address) return {};
  question.seen = *address;
  return question;
}

std::string ip_of(const net::Address& address) {
  std::string bytes = address_bytes(address);
  bytes.resize(bytes.size() - 2);
  return bytes;
}

}  // namespace

std::string node_id_of(const identity::WorkloadId& who, const net::Address& at) {
  const uint16_t place = at.is_loopback() ? at.port() : at.port() % kPlaces;
  const std::string text = "outrider-node-v1-id" + who.text() + '\0' + ip_of(at) + number(place, 2);
  return identity::sha256(text).substr(0, kNodeIdBytes);
}

net::Address own_address(const net::Address& bound, const std::string& ip, const std::vector<std::string>& bootstrap) {
  if (!bound.is_wildcard()) return bound;
  const auto at = [&](const std::string& ip) {
    const std::string port = ":" + std::to_string(bound.port());
    return net::Address::parse(ip.find(':') == ip.npos ? ip + port : "[" + ip + "]" + port);
  };
  if (const auto told = at(ip); !ip.empty() && told) return *told;
  std::vector<net::Address> peers;
  for (const auto& seed : bootstrap)
    if (const auto address = net::Address::parse(seed)) peers.push_back(*address);
  // Names of seeds take a while to look up; the way into a documentation network is the default route (RFC 5737, 3849).
  for (const char* far : {"192.0.2.1:9", "[2001:db8::1]:9"}) peers.push_back(*net::Address::parse(far));
  for (const auto& peer : peers) {
    if (bound.family() == AF_INET && peer.family() != AF_INET) continue;
    net::Address own = net::Address::towards(peer);
    if (!own.valid() || own.is_loopback() || own.is_wildcard()) continue;
    own.set_port(bound.port());
    return own;
  }
  return *at(net::Address::first_reachable());
}

bool comes_from(const net::Address& claimed, const net::Address& source) {
  if (claimed.port() != source.port()) return false;
  if (ip_of(claimed) == ip_of(source)) return true;
  return source.is_loopback() && !claimed.is_loopback() && ip_of(net::Address::towards(claimed)) == ip_of(claimed);
}

bool is_introduction(std::string_view bytes) { return bytes.starts_with(kWho) || bytes.starts_with(kIAm); }

std::string write_question(const Question& question) { return std::string(kWho) + body_of(question); }

std::optional<Question> read_question(std::string_view bytes) {
  if (!bytes.starts_with(kWho)) return {};
  bytes.remove_prefix(kWho.size());
  auto question = cut_question(bytes);
  if (!bytes.empty()) return {};
  return question;
}

std::string write_proof(std::string_view nonce, std::string_view node_id, const net::Address& address,
                        const std::optional<Question>& back, const identity::Identity& signer) {
  const std::string leaf = signer.leaf.der();
  std::string out(kIAm);
  out.append(nonce).append(node_id).append(sized(address_bytes(address))).append(sized(back ? body_of(*back) : ""));
  out.append(number(uint64_t(signer.key.algorithm()), 1)).append(number(leaf.size(), 2)).append(leaf);
  const std::string signature = signer.key.sign(signed_proof(out));
  if (signature.empty() || out.size() + signature.size() > kMostProof) return {};
  return out + signature;
}

std::optional<Proof> read_proof(std::string_view bytes) {
  if (!bytes.starts_with(kIAm) || bytes.size() > kMostProof) return {};
  std::string_view rest = bytes.substr(kIAm.size());
  Proof proof;
  proof.nonce = cut(rest, kNonceBytes);
  proof.node_id = cut(rest, kNodeIdBytes);
  const auto address = cut_sized(rest, 1);
  const auto own = address ? read_address(*address) : std::nullopt;
  auto back = own ? cut_sized(rest, 1) : std::nullopt;
  if (!back || rest.empty()) return {};
  proof.address = *own;
  if (!back->empty() && (!(proof.back = cut_question(*back)) || !back->empty())) return {};
  const uint8_t algorithm = uint8_t(cut(rest, 1)[0]);
  const auto leaf = cut_sized(rest, 2);
  if (algorithm > uint8_t(identity::Algorithm::RsaSha256) || !leaf || rest.empty() || rest.size() > identity::kMaxSignature)
    return {};
  proof.algorithm = identity::Algorithm(algorithm);
  proof.leaf = *leaf;
  proof.signature = rest;
  proof.text = signed_proof(bytes.substr(0, bytes.size() - rest.size()));
  return proof;
}

ProofChecked check_proof(const Proof& proof, const net::Address& source, std::string_view trust_domain,
                         identity::TrustCache& trust, WallTime now) {
  if (!comes_from(proof.address, source)) return {RecordVerdict::WrongIdentity, {}};
  const auto& judged = trust.judge(proof.leaf, now);
  if (judged.verdict != identity::TrustVerdict::Ok) return {verdict_of(judged.verdict), {}};
  if (judged.id->trust_domain() != trust_domain || node_id_of(*judged.id, proof.address) != proof.node_id)
    return {RecordVerdict::WrongIdentity, {}};
  if (judged.key.algorithm() != proof.algorithm || !judged.key.verify(proof.text, proof.signature))
    return {RecordVerdict::BadSignature, {}};
  return {RecordVerdict::Ok, judged.until};
}

}  // namespace outrider::discovery
