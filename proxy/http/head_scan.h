#pragma once
// Finds the end of a head or of a trailer block, and refuses what the parser behind it would let through.

#include "base/buffer.h"
#include "http/grammar.h"

namespace outrider::http {

// Goes line by line and starts where it stopped: a head that comes byte by byte costs no more than one that comes
// whole, and the verdict is the same. Embedded in a codec; begin() before each block.
class HeadScan {
 public:
  enum class Block : uint8_t { Request, Response, Trailers };
  enum class State : uint8_t { More, Whole, Bad };
  struct Limits {
    uint32_t bytes, fields;
    bool strict;  // false: bare LF and folded lines pass, and copy() straightens them
  };

  void begin(Block block);
  State scan(Buffer& input, const Limits& limits);
  size_t size() const { return at_; }  // of a whole block, its empty line included
  const Refusal& refusal() const { return refusal_; }
  // Moves a whole block out of `input` into the arena: one run, every line ended by CRLF, no line folded.
  std::string_view copy(Buffer& input, Arena& arena) const;

 private:
  State eat(std::string_view run, const Limits& limits);
  State bad(uint16_t status, const char* what);
  bool starts_ill(char c, const Limits& limits);  // the first character of a line
  Block block_ = Block::Request;
  bool after_cr_ = false, crooked_ = false;
  size_t at_ = 0;    // everything before it is scanned
  size_t line_ = 0;  // bytes of the current line so far
  uint32_t lines_ = 0;
  Refusal refusal_;
};

}  // namespace outrider::http
