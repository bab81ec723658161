#pragma once

#include <optional>

#include "base/hash.h"
#include "http/message.h"
#include "upstream/cluster_plan.h"

namespace outrider::exchange {

// What leads a request by ring_hash or maglev: the same in every proxy and after every start. Nothing where the request
// has not, or has empty, what it is to be led by. `source`: the client's ip.
std::optional<uint64_t> hash_key(const upstream::HashBy& by, const http::RequestHead& head, std::string_view source);

// From a key, or whatever is drawn in its place, to 0 or more and less than 1.
inline double draw(uint64_t lot) { return double(mix(lot) >> 11) * 0x1.0p-53; }

}  // namespace outrider::exchange
