#include "http/head_scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace outrider::http {

namespace {

// Where a line may end; `end` where none does. Sixteen bytes at a time: heads are looked through once for this, and
// once by llhttp.
const char* find_cr_or_lf(const char* at, const char* end) {
#ifdef __SSE2__
  const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n');
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const int found = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, cr), _mm_cmpeq_epi8(bytes, lf)));
    if (found) return at + std::countr_zero(unsigned(found));
  }
#endif
  while (at != end && *at != '\r' && *at != '\n') ++at;
  return at;
}

}  // namespace

void HeadScan::begin(Block block) {
  block_ = block;
  after_cr_ = crooked_ = false;
  at_ = line_ = 0;
  lines_ = 0;
  refusal_ = {};
}

HeadScan::State HeadScan::bad(uint16_t status, const char* what) {
  refusal_ = {status, what};
  return State::Bad;
}

HeadScan::State HeadScan::scan(Buffer& input, const Limits& limits) {
  std::array<iovec, 16> runs;
  size_t count = input.gather(runs.data(), runs.size());
  if (count == runs.size()) {  // in crumbs: put together once, and few enough again for long
    input.contiguous(std::min<size_t>(input.size(), size_t{limits.bytes} + 1));
    count = input.gather(runs.data(), runs.size());
  }
  size_t skip = at_;
  for (const iovec& piece : std::span(runs).first(count)) {
    if (skip >= piece.iov_len) {
      skip -= piece.iov_len;
      continue;
    }
    std::string_view run(static_cast<const char*>(piece.iov_base) + skip, piece.iov_len - skip);
    skip = 0;
    run = run.substr(0, limits.bytes - std::min<size_t>(at_, limits.bytes));
    if (const State state = eat(run, limits); state != State::More) return state;
  }
  if (at_ < limits.bytes) return State::More;
  if (block_ == Block::Trailers) return bad(431, "trailers_too_large");
  return lines_ == 0 ? bad(414, "target_too_long") : bad(431, "head_too_large");
}

// The first character of a line is one that no line starts with.
bool HeadScan::starts_ill(char c, const Limits& limits) {
  const bool start_line = lines_ == 0 && block_ != Block::Trailers;
  if (c == ' ' || c == '\t') {
    const bool folded = lines_ > (block_ == Block::Trailers ? 0u : 1u);
    if (folded && !limits.strict) return crooked_ = true, false;
    refusal_ = start_line ? Refusal{400, "space_before_start_line"} : Refusal{400, "folded_line"};
    return true;
  }
  if (c != ':' || start_line) return false;
  refusal_ = {400, "empty_field_name"};
  return true;
}

HeadScan::State HeadScan::eat(std::string_view run, const Limits& limits) {
  const char* at = run.data();
  const char* const end = at + run.size();
  while (at != end) {
    if (!after_cr_) {
      if (line_ == 0 && (*at == ' ' || *at == '\t' || *at == ':') && starts_ill(*at, limits)) return State::Bad;
      const char* const stop = find_cr_or_lf(at, end);
      line_ += size_t(stop - at);
      at = stop;
      if (at == end) break;
      after_cr_ = *at == '\r';
      if (after_cr_ && ++at == end) break;
    }
    if (*at != '\n') return bad(400, "bare_cr");
    if (!after_cr_) {
      if (limits.strict) return bad(400, "bare_lf");
      crooked_ = true;
    }
    ++at;
    after_cr_ = false;
    if (line_ == 0) {
      at_ += size_t(at - run.data());
      return lines_ > 0 || block_ == Block::Trailers ? State::Whole : bad(400, "blank_line");
    }
    line_ = 0;
    const uint32_t start_lines = block_ == Block::Trailers ? 0 : 1;
    if (++lines_ > limits.fields + start_lines) return bad(431, "too_many_fields");
  }
  at_ += run.size();
  return State::More;
}

std::string_view HeadScan::copy(Buffer& input, Arena& arena) const {
  const auto block = static_cast<char*>(arena.allocate(crooked_ ? at_ * 2 : at_, 1));
  for (size_t done = 0; done < at_;) {
    const auto run = input.front().substr(0, at_ - done);
    std::memcpy(block + done, run.data(), run.size());
    done += run.size();
    input.drop(run.size());
  }
  if (!crooked_) return {block, at_};
  // RFC 9112 2.2 and 5.2: LF alone ends a line, a folded line goes on behind spaces. Worked from the back, so that
  // growing in place never overwrites what is still to be read.
  char* const end = block + at_ * 2;
  char* to = end;
  char after = '\r';  // what follows the line end just seen
  for (size_t i = at_; i-- > 0;) {
    const char c = block[i];
    if (c != '\n') {
      *--to = after = c;
      continue;
    }
    if (i > 0 && block[i - 1] == '\r') --i;
    const bool folds = after == ' ' || after == '\t';
    *--to = folds ? ' ' : '\n';
    *--to = folds ? ' ' : '\r';
    after = '\r';
  }
  return {to, size_t(end - to)};
}

}  // namespace outrider::http
