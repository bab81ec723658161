#include "filter/chain.h"

#include <algorithm>
#include <utility>

namespace outrider::filter {

using http::Pipe;
using http::Way;

Chain::Chain(std::vector<std::shared_ptr<const Filter>> filters) : owned_(std::move(filters)) {
  for (const auto& filter : owned_) {
    const Hook hooks = filter->hooks();
    if (has(hooks, Hook::RequestHead)) head_[0].push_back(filter.get());
    if (has(hooks, Hook::RequestBody)) body_[0].push_back(filter.get());
    if (has(hooks, Hook::ResponseHead)) head_[1].push_back(filter.get());
    if (has(hooks, Hook::ResponseBody)) body_[1].push_back(filter.get());
    if (has(hooks, Hook::Complete)) complete_.push_back(filter.get());
  }
  std::reverse(head_[1].begin(), head_[1].end());
  std::reverse(body_[1].begin(), body_[1].end());
}

Verdict Chain::run_head(Call& call, Way way, Pipe& pipe) const {
  const auto& filters = head_[size_t(way)];
  if (pipe.paused) return Verdict::Pause;  // other events come by while a filter waits for its own
  while (pipe.head_cursor < filters.size()) {
    const Filter& filter = *filters[pipe.head_cursor++];
    const Verdict verdict = way == Way::Request ? filter.on_request(call) : filter.on_response(call);
    if (verdict == Verdict::Continue) continue;
    pipe.paused = verdict == Verdict::Pause;
    return verdict;
  }
  return Verdict::Continue;
}

Verdict Chain::run_body(Call& call, Way way, Pipe& pipe) const {
  const auto& filters = body_[size_t(way)];
  if (filters.empty() || pipe.paused) return pipe.paused ? Verdict::Pause : Verdict::Continue;
  if (pipe.body_cursor >= filters.size() && pipe.passed == pipe.held.size() && (!pipe.ended || pipe.end_passed))
    return Verdict::Continue;
  // Bytes behind `passed` are new to every filter; a pause in the middle keeps its place in body_cursor.
  if (pipe.body_cursor >= filters.size()) pipe.body_cursor = 0;
  Buffer fresh = pipe.held.take(pipe.held.size());
  Buffer done = fresh.take(pipe.passed);
  const size_t before = fresh.size();
  Verdict verdict = Verdict::Continue;
  while (pipe.body_cursor < filters.size() && verdict == Verdict::Continue) {
    const Filter& filter = *filters[pipe.body_cursor++];
    verdict =
        way == Way::Request ? filter.on_request_body(call, fresh, pipe.ended) : filter.on_response_body(call, fresh, pipe.ended);
  }
  pipe.grown += int64_t(fresh.size()) - int64_t(before);
  const bool through = verdict == Verdict::Continue;
  done.append(std::move(fresh));
  if (through) {
    pipe.passed = done.size();
    pipe.end_passed = pipe.ended;
  }
  pipe.held.append(std::move(done));
  pipe.paused = verdict == Verdict::Pause;
  return verdict;
}

void Chain::run_complete(Call& call) const {
  for (const Filter* filter : complete_) filter->on_complete(call);
}

}  // namespace outrider::filter
