// Answers of a Workload API. First byte even: the rest is one as it came. Odd: the rest edits a good one, three bytes an edit
// (place, place, change). Whatever comes: no crash, and an identity that is read has the key of its certificate.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "identity/svid.h"
#include "tests/support/svid.h"

namespace {

using namespace outrider;

const WallTime kNow = WallTime(seconds(1'767'225'600));
constexpr const char* kCart = "spiffe://mesh.local/ns/shop/sa/cart";

std::string good_one() {
  const auto authority = std::move(*identity::Authority::create(kNow));
  const auto issued = std::move(*authority.issue({*identity::WorkloadId::parse(kCart), {}, {}}, kNow));
  const auto svid = test::Svid::of(issued, authority.certificate());
  return test::svid_response({svid}, {{"partner.org", authority.certificate().der()}});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string good = good_one();
  if (size == 0) return 0;
  std::string message(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] & 1) {
    const std::string edits = std::move(message);
    message = good;
    for (size_t i = 0; i + 2 < edits.size(); i += 3)
      message[(size_t(uint8_t(edits[i])) << 8 | uint8_t(edits[i + 1])) % message.size()] ^= edits[i + 2];
  }
  const auto read = identity::read_svids(message, kCart);
  if (read && !(read->leaf.public_key() == read->key.public_key())) std::abort();
  if (!read && read.why().empty()) std::abort();
  return 0;
}
