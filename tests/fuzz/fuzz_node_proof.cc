// Introductions from members of the mesh. First byte even: the rest is one as it came. Odd: the rest edits a good proof, three
// bytes an edit (place, place, change). What is read is written back as it was, and no proof but the one that was given is
// ever believed.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "discovery/dht/node_proof.h"
#include "identity/authority.h"

namespace {

using namespace outrider;
using namespace outrider::discovery;

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

void must(bool held) {
  if (!held) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] & 1) {
    bytes = world.good;
    for (size_t i = 1; i + 2 < size; i += 3) {
      char& byte = bytes[size_t(data[i] << 8 | data[i + 1]) % bytes.size()];
      byte = char(byte ^ data[i + 2]);
    }
  }
  if (const auto question = read_question(bytes)) must(is_introduction(bytes) && write_question(*question) == bytes);
  const auto proof = read_proof(bytes);
  if (!proof) return 0;
  must(is_introduction(bytes) && bytes.ends_with(proof->signature) && proof->node_id.size() == kNodeIdBytes);
  const auto checked = check_proof(*proof, world.at, "mesh.local", world.cache, kNow);
  must((checked.verdict == RecordVerdict::Ok) == (bytes == world.good));
  return 0;
}
