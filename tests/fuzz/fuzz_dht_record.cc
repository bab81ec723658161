// Records from strangers. First byte even: the rest is a record as it came. Odd: the rest edits a good signed one, three
// bytes an edit (place, place, change). Whatever comes: no crash, what is read is written back as it was, and no record
// but the one that was signed is ever believed.

#include <cstdint>
#include <string>

#include "discovery/dht/rules.h"
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
  std::string good;
  Rules rules;

  World() {
    Announcement what;
    what.trust_domain = "mesh.local";
    what.service = "shop/cart";
    what.issued = what.not_before = kNow;
    what.not_after = kNow + seconds(600);
    what.address = *net::Address::parse("10.0.0.1:80");
    what.zone = "a";
    what.labels = {{"k", "v"}};
    good = *write_record(what, &signer);
    rules.trust = &cache;
    rules.trust_domain = "mesh.local";
    rules.now = kNow;
    rules.require_signed = true;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  if (size == 0) return 0;
  const std::string bytes = fuzz::altered(data, size, world.good);
  const Parsed read = parse_record(bytes);
  must(value_id(bytes) != 0);
  if (read.verdict != RecordVerdict::Ok) return 0;

  const Record& record = read.record;
  must(record.bytes == bytes && record.signed_length <= bytes.size());
  if (record.algorithm == identity::Algorithm::None) {
    const auto again = write_record(record, nullptr);  // fields of later versions are not written
    must(bool(again) && again->size() <= bytes.size());
    must(again->size() < bytes.size() || *again == bytes);
  }
  const Checked said = check_record(record, world.rules);
  must((said.verdict == RecordVerdict::Ok) == (bytes == world.good));
  must((said.verdict == RecordVerdict::Ok) == !said.identity.empty());

  Rules blind = world.rules;
  blind.trust = nullptr;
  blind.require_signed = false;
  must(check_record(record, blind).identity.empty());
  return 0;
}
