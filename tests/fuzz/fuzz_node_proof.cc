// Introductions from members of the mesh. First byte even: the rest is one as it came. Odd: the rest edits a good proof, three
// bytes an edit (place, place, change). What is read is written back as it was, and no proof but the one that was given is
// ever believed.

#include <cstdint>
#include <string>

#include "discovery/dht/node_proof.h"
#include "identity/authority.h"
#include "tests/fuzz/altered.h"

namespace {

using namespace outrider;
using namespace outrider::discovery;
using outrider::fuzz::must;

const WallTime kNow = WallTime(seconds(1'767'225'600));

struct World {
  identity::Authority authority = std::move(*identity::Authority::create(kNow));
  identity::Identity signer = std::move(*identity::Identity::of(
      *authority.issue({*identity::WorkloadId::parse("spiffe://mesh.local/ns/shop/sa/cart"), {}, {}}, kNow),
      authority.certificate()));
  identity::TrustCache cache{signer.trust, 16, 16};
  net::Address at = *net::Address::parse("10.0.0.1:4222");
  std::string good = write_proof(std::string(kNonceBytes, 'n'), node_id_of(signer.id, at), at,
                                 Question{std::string(kNonceBytes, 'b'), at}, signer);
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  if (size == 0) return 0;
  const std::string bytes = fuzz::altered(data, size, world.good);
  if (const auto question = read_question(bytes)) must(is_introduction(bytes) && write_question(*question) == bytes);
  const auto proof = read_proof(bytes);
  if (!proof) return 0;
  must(is_introduction(bytes) && bytes.ends_with(proof->signature) && proof->node_id.size() == kNodeIdBytes);
  const auto checked = check_proof(*proof, world.at, "mesh.local", world.cache, kNow);
  must((checked.verdict == RecordVerdict::Ok) == (bytes == world.good));
  return 0;
}
