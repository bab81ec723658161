#include "exchange/spans.h"

#include <iterator>

#include "stats/names.h"

namespace outrider::exchange {

void Spans::add(std::vector<std::string> spans) {
  if (!sink_) return;
  uint32_t weight = 0;
  for (const std::string& span : spans) weight += weight_of(span);
  if (!sink_->enter(weight)) {
    shard_.add(catalog_.slot(stats::names::kTracesDropped, {{"reason", "queue_full"}}), spans.size());
    return;
  }
  std::move(spans.begin(), spans.end(), std::back_inserter(waiting_));
  loop_.at_end_of_turn(*this);
}

}  // namespace outrider::exchange
