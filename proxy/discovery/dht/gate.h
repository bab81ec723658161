#pragma once
// What of a packet OpenDHT may see: sound ones alone, with values of ours alone.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "discovery/dht/record.h"
#include "net/address.h"

namespace outrider::discovery {

// A member of the mesh may have gone bad, and OpenDHT believes what members say: it keeps and passes on values of types
// nobody has registered, takes the first value of an id for the one that belongs there, and trusts the shape of a packet. So
// every packet is read here before. Values that come in parts are put together here, and handed over in one piece once each
// is what it should be: of one of our types, not too long, under the id that follows from its bytes. Signatures are for later,
// when it is known which service is asked about. Owned by the registry's node; its thread.
class Gate {
 public:
  static constexpr size_t kMostValues = 4096;    // in one packet; OpenDHT keeps no more of one node
  static constexpr size_t kMostBytes = 4 << 20;  // of one packet's values
  static constexpr size_t kMostOpen = 256;       // packets of which parts are missing
  static constexpr size_t kMostOpenBytes = 16 << 20;
  static constexpr milliseconds kPatience{10000};  // with missing parts

  struct Admitted {
    RecordVerdict verdict = RecordVerdict::Malformed;
    std::string_view bytes;  // Ok: until the next call; empty: parts are missing
  };
  // `node_id`: the sender's, which the packet must bear; empty: any.
  Admitted admit(std::string_view packet, const net::Address& from, TimePoint now, std::string_view node_id = {});

 private:
  struct Open {
    std::string head;  // the packet as it came
    std::vector<size_t> sizes;
    std::vector<std::string> values;
    TimePoint since{};
    size_t missing = 0, bytes = 0;
  };
  using Key = std::pair<std::string, uint64_t>;  // sender, transaction
  struct Reading;
  Admitted admit_part(const Reading& packet, const net::Address& from, TimePoint now);
  Admitted open(const Reading& packet, std::string_view bytes, const net::Address& from, TimePoint now);
  Admitted whole(const Open& open);
  void drop(std::map<Key, Open>::iterator it);
  void make_room(TimePoint now);
  std::map<Key, Open> open_;
  size_t open_bytes_ = 0;
  std::string whole_;
};

}  // namespace outrider::discovery
