#include "filter/chain.h"

#include <algorithm>
#include <utility>

namespace outrider::filter {

using http::Pipe;
using http::Way;

Chain::Chain(std::vector<std::shared_ptr<const Filter>> filters, std::vector<Written> written)
    : owned_(std::move(filters)), written_(std::move(written)) {
  for (const auto& filter : owned_) {
    const Hook hooks = filter->hooks();
    if (has(hooks, Hook::RequestHead)) head_[0].push_back(filter.get());
    if (has(hooks, Hook::RequestBody)) body_[0].push_back(filter.get());
    if (has(hooks, Hook::ResponseHead)) head_[1].push_back(filter.get());
    if (has(hooks, Hook::ResponseBody)) body_[1].push_back(filter.get());
    if (has(hooks, Hook::Complete)) complete_.push_back(filter.get());
  }
  for (const Way way : {Way::Request, Way::Response})
    for (const Filter* filter : body_[size_t(way)]) piece_[size_t(way)] = std::min(piece_[size_t(way)], filter->piece(way));
  std::reverse(head_[1].begin(), head_[1].end());
  std::reverse(body_[1].begin(), body_[1].end());
}

Verdict Chain::run_head(Call& call, Way way, Pipe& pipe) const {
  const auto& filters = head_[size_t(way)];
  // Other events come by while a filter waits for its own.
  if (pipe.paused) return pipe.collecting ? Verdict::Collect : Verdict::Pause;
  while (pipe.head_cursor < filters.size()) {
    const Filter& filter = *filters[pipe.head_cursor++];
    const Verdict verdict = way == Way::Request ? filter.on_request(call) : filter.on_response(call);
    if (verdict == Verdict::Continue) continue;
    pipe.collecting = verdict == Verdict::Collect;
    pipe.paused = verdict == Verdict::Pause || pipe.collecting;
    return verdict;
  }
  return Verdict::Continue;
}

Verdict Chain::run_collect(Call& call, Pipe& pipe) const {
  const Filter& filter = *head_[size_t(Way::Request)][pipe.head_cursor - 1];
  const Verdict verdict = filter.on_collect(call, pipe.held, pipe.ended);
  pipe.collecting = pipe.paused = verdict == Verdict::Collect;
  return verdict;
}

Verdict Chain::run_body(Call& call, Way way, Pipe& pipe) const {
  const auto& filters = body_[size_t(way)];
  if (filters.empty() || pipe.paused) return pipe.paused ? Verdict::Pause : Verdict::Continue;
  Verdict verdict = Verdict::Continue;
  while (verdict == Verdict::Continue && (pipe.halfway || pipe.passed < pipe.held.size() || (pipe.ended && !pipe.end_passed)))
    verdict = run_piece(call, way, pipe);
  return verdict;
}

// What is behind `passed` is new to every filter, but for what was on its way when one of them paused: that goes on behind it.
Verdict Chain::run_piece(Call& call, Way way, Pipe& pipe) const {
  const auto& filters = body_[size_t(way)];
  Buffer rest = pipe.held.take(pipe.held.size());
  Buffer done = rest.take(pipe.passed);
  if (!std::exchange(pipe.halfway, false)) {
    pipe.body_cursor = 0;
    pipe.midway = std::min(rest.size(), piece_[size_t(way)]);
    pipe.end_midway = pipe.ended && pipe.midway == rest.size();
  }
  Buffer piece = rest.take(pipe.midway);
  const size_t before = piece.size();
  Verdict verdict = Verdict::Continue;
  while (pipe.body_cursor < filters.size() && verdict == Verdict::Continue) {
    const Filter& filter = *filters[pipe.body_cursor++];
    verdict = way == Way::Request ? filter.on_request_body(call, piece, pipe.end_midway)
                                  : filter.on_response_body(call, piece, pipe.end_midway);
  }
  pipe.grown += int64_t(piece.size()) - int64_t(before);
  pipe.midway = piece.size();
  done.append(std::move(piece));
  if (verdict == Verdict::Continue) {
    pipe.passed = done.size();
    pipe.end_passed = pipe.end_midway;
  }
  pipe.held.append(std::move(done));
  pipe.held.append(std::move(rest));
  pipe.paused = pipe.halfway = verdict == Verdict::Pause;
  return verdict;
}

const Filter* Chain::current(Way way, const Pipe& pipe) const {
  const bool in_body = pipe.body_cursor > 0;
  const auto& filters = in_body ? body_[size_t(way)] : head_[size_t(way)];
  const size_t cursor = in_body ? pipe.body_cursor : pipe.head_cursor;
  return cursor > 0 && cursor <= filters.size() ? filters[cursor - 1] : nullptr;
}

const Written* Chain::written(const Filter* filter) const {
  for (size_t i = 0; i < std::min(owned_.size(), written_.size()); ++i)
    if (owned_[i].get() == filter) return &written_[i];
  return nullptr;
}

void Chain::run_complete(Call& call) const {
  for (const Filter* filter : complete_) filter->on_complete(call);
}

}  // namespace outrider::filter
