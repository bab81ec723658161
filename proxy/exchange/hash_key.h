#pragma once

#include <optional>

#include "http/message.h"
#include "upstream/cluster_plan.h"

namespace outrider::exchange {

// What leads a request by ring_hash or maglev: the same in every proxy and after every start. Nothing where the request
// has not, or has empty, what it is to be led by. `source`: the client's ip.
std::optional<uint64_t> hash_key(const upstream::HashBy& by, const http::RequestHead& head, std::string_view source);

}  // namespace outrider::exchange
