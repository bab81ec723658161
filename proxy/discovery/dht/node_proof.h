#pragma once
// Where in the DHT a node sits, and how it proves that this is its place.
//
// The DHT keeps a value on the nodes whose ids are nearest to its key, so whoever chooses ids chooses what he keeps, and what
// he keeps from others. Hence a node's id follows from its workload identity and its address: an identity has eight places on
// each address it can answer at.
//
//   question   0xC0 "who" | nonce 16 | seen: length 1, address
//   proof      0xC0 "iam" | nonce 16 | node id 20 | address: length 1, address | question back: nonce 16 and seen, or length 0 |
//              algorithm 1 | leaf: length 2, DER | signature
//   signed: "outrider-node-v1" and every byte before the signature
//
// The nonce is the asker's, and went to one address: a proof is of use to him alone and at that address alone, and only for a
// moment. `seen` is how the asker sees whom he asks, so that a node learns that others see it at another address than its own.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/dht/record.h"
#include "identity/identity.h"
#include "identity/trust.h"
#include "net/address.h"

namespace outrider::discovery {

constexpr size_t kNodeIdBytes = 20, kNonceBytes = 16;
constexpr size_t kMostProof = 4096;  // bytes

// First 20 bytes of SHA-256("outrider-node-v1-id" | SPIFFE ID | 0 | IP | port modulo 8, 2 bytes); of a loopback address the
// whole port counts, for there many nodes share it.
std::string node_id_of(const identity::WorkloadId& who, const net::Address& at);

// At which address others see this node: the bound one or, where that is any, `ip` or, where that is empty, the one from which
// datagrams to the seeds leave.
net::Address own_address(const net::Address& bound, const std::string& ip, const std::vector<std::string>& bootstrap);

// Whether datagrams from `source` are of a node that says it is at `claimed`. Over loopback, a node of this machine may
// be at any address of the machine.
bool comes_from(const net::Address& claimed, const net::Address& source);

struct Question {
  std::string nonce;
  net::Address seen;
};
struct Proof {
  std::string nonce, node_id;
  net::Address address;
  std::optional<Question> back;  // the prover asks, too
  identity::Algorithm algorithm = identity::Algorithm::None;
  std::string leaf, signature;
  std::string text;  // what was signed
};

bool is_introduction(std::string_view bytes);  // a question or a proof, by its beginning
std::string write_question(const Question& question);
std::optional<Question> read_question(std::string_view bytes);
// Empty: it cannot be signed, or would be over kMostProof.
std::string write_proof(std::string_view nonce, std::string_view node_id, const net::Address& address,
                        const std::optional<Question>& back, const identity::Identity& signer);
std::optional<Proof> read_proof(std::string_view bytes);  // checks nothing but its form

// Everything but the nonce. `until`, set when Ok: while the certificates are valid.
struct ProofChecked {
  RecordVerdict verdict = RecordVerdict::Malformed;
  WallTime until{};
};
ProofChecked check_proof(const Proof& proof, const net::Address& source, std::string_view trust_domain,
                         identity::TrustCache& trust, WallTime now);

}  // namespace outrider::discovery
