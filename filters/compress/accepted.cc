#include "filters/compress/accepted.h"

#include <array>

#include "base/text.h"
#include "http/preference.h"

namespace outrider::filters {

std::optional<Coding> accepted_coding(const http::HeaderMap& headers, const std::vector<Coding>& offered) {
  std::array<std::optional<double>, std::size(kCodings)> weights;
  std::optional<double> identity, others;
  for (const http::Field& field : headers.fields()) {
    if (!equals_ignore_case(field.name, "accept-encoding")) continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      std::string_view one = next_part(rest, ',');
      const std::string_view name = trim(next_part(one, ';'));
      const double weight = http::weight_of(one);
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
