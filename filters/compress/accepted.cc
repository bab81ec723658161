#include "filters/compress/accepted.h"

#include <array>

#include "base/text.h"

namespace outrider::filters {

namespace {

// "0.5" of ";q=0.5"; 1 where nothing is said, 0 where it cannot be read.
double weight_of(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string_view one = trim(next_part(parameters, ';'));
    if (one.size() < 2 || lower(one[0]) != 'q' || one[1] != '=') continue;
    const auto weight = parse_decimal(one.substr(2));
    return weight && *weight <= 1 ? *weight : 0;
  }
  return 1;
}

}  // namespace

std::optional<Coding> accepted_coding(const http::HeaderMap& headers, const std::vector<Coding>& offered) {
  std::array<std::optional<double>, std::size(kCodings)> weights;
  std::optional<double> identity, others;
  for (const http::Field& field : headers.fields()) {
    if (!equals_ignore_case(field.name, "accept-encoding")) continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      std::string_view one = next_part(rest, ',');
      const std::string_view name = trim(next_part(one, ';'));
      const double weight = weight_of(one);
      if (name == "*") others = weight;
      else if (equals_ignore_case(name, "identity")) identity = weight;
      else if (const auto coding = coding_of(name)) weights[size_t(*coding)] = weight;
    }
  }
  std::optional<Coding> best;
  double most = 0;
  for (const Coding coding : offered)
    if (const double weight = weights[size_t(coding)].value_or(others.value_or(0)); weight > most) {
      best = coding;
      most = weight;
    }
  return identity && *identity > most ? std::nullopt : best;
}

}  // namespace outrider::filters
