// Datagrams from strangers. First byte % 3: 0, the rest is a datagram as it came; 1, the rest edits a good one, three
// bytes an edit (place, place, change); 2, the rest is the text of a key file. Nothing but what a holder of the key
// sealed opens, and it opens once.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "identity/seal.h"

namespace {

using namespace outrider::identity;

const MeshKeys kKeys{{std::string(32, 'k'), std::string(32, 'l')}};

void must(bool held) {
  if (!held) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Seal sender(kKeys, 8), receiver(kKeys, 8);
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] % 3 == 2) {
    const auto keys = parse_mesh_keys(rest, "mesh.key");
    must(bool(keys) != !keys.why().empty());
    if (keys) must(keys->keys.size() <= 2 && keys->keys.front().size() == 32);
    return 0;
  }
  if (data[0] % 3 == 0) {
    must(receiver.unseal(rest).verdict != SealVerdict::Ok);
    return 0;
  }
  const std::string plain = "find_node";
  const std::string good(sender.seal(plain));
  std::string bent = good;
  for (size_t i = 1; i + 2 < size; i += 3) {
    char& byte = bent[size_t(data[i] << 8 | data[i + 1]) % bent.size()];
    byte = char(byte ^ data[i + 2]);
  }
  if (bent != good) must(receiver.unseal(bent).verdict != SealVerdict::Ok);
  const auto opened = receiver.unseal(good);
  must(opened.verdict == SealVerdict::Ok && std::string(opened.plain.begin(), opened.plain.end()) == plain);
  must(receiver.unseal(good).verdict == SealVerdict::Replayed);
  must(receiver.senders() == 1);
  return 0;
}
