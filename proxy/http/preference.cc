#include "http/preference.h"

#include "base/text.h"

namespace outrider::http {

double weight_of(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string_view one = trim(next_part(parameters, ';'));
    if (one.size() < 2 || lower(one[0]) != 'q' || one[1] != '=') continue;
    const auto weight = parse_decimal(one.substr(2));
    return weight && *weight <= 1 ? *weight : 0;
  }
  return 1;
}

}  // namespace outrider::http
