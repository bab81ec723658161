#pragma once
// Other programs: nft and those of iptables.

#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace outrider::capture {

struct Ran {
  bool found = false;  // it is installed, and was started
  int code = -1;       // of its end; -1: it did not end by itself
  std::string out, err;
  explicit operator bool() const { return found && code == 0; }
};

// Where the system keeps such programs, whatever PATH says; empty: it is not there.
std::string find_program(std::string_view name);

// To its end, or until `patience` is over; `input` is its standard input. It gets an environment of ours.
Ran run_program(std::string_view name, const std::vector<std::string>& words, std::string_view input = {},
                milliseconds patience = milliseconds(10000));

// Takes up what this process is permitted of what rules need (CAP_NET_ADMIN, CAP_NET_RAW), for itself and for the programs that
// it starts from then on. False: it is not permitted to change rules.
bool take_up_rights();

}  // namespace outrider::capture
