#pragma once
// An ordered list of filters, compiled: one array per hook, so bytes pass no filter that did not ask for them.

#include <array>
#include <string>
#include <vector>

#include "filter/filter.h"
#include "http/pipe.h"

namespace outrider::filter {

// Where one of its filters is written, for people.
struct Written {
  std::string name, file;
  uint32_t line = 0;  // 0: not in a file, and `file` says what gave it
};

// Const and shared by all workers once built; owned by the routes that use it.
class Chain {
 public:
  explicit Chain(std::vector<std::shared_ptr<const Filter>> filters, std::vector<Written> written = {});  // one for each, or none

  // Both go on where the pipe's cursors stand, so calling again after a pause continues.
  Verdict run_head(Call& call, http::Way way, http::Pipe& pipe) const;
  Verdict run_collect(Call& call, http::Pipe& pipe) const;              // behind Collect: for the request's head that waits
  Verdict run_body(Call& call, http::Way way, http::Pipe& pipe) const;  // what is beyond pipe.passed
  void run_complete(Call& call) const;
  bool wants_body(http::Way way) const { return !body_[size_t(way)].empty(); }
  bool empty() const { return owned_.empty(); }
  // The filter that a head, or a body where that has begun, has come to last; null: none.
  const Filter* current(http::Way way, const http::Pipe& pipe) const;
  const Written* written(const Filter* filter) const;  // null: it is not known
  const std::vector<Written>& all_written() const { return written_; }

 private:
  Verdict run_piece(Call& call, http::Way way, http::Pipe& pipe) const;
  std::vector<std::shared_ptr<const Filter>> owned_;
  std::vector<Written> written_;
  std::array<std::vector<const Filter*>, 2> head_, body_;  // by Way; responses run backwards
  std::array<size_t, 2> piece_{SIZE_MAX, SIZE_MAX};
  std::vector<const Filter*> complete_;
};

}  // namespace outrider::filter
