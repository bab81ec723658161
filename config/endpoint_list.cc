#include "config/endpoint_list.h"

#include <algorithm>

#include "config/load.h"
#include "config/parse.h"

namespace outrider::config {

std::string read_endpoint_list(std::string_view text, const std::string& file, std::vector<Endpoint>& to) {
  const auto origin = std::make_shared<const Origin>(Origin{Origin::Kind::File, file});
  Parsed parsed = parse(text, origin);
  Reading reading;
  reading.complaints = std::move(parsed.complaints);
  if (reading.complaints.empty() && !parsed.root.is_list()) {
    if (parsed.root.is_null()) parsed.root.set_mark({1, 1});
    parsed.root.set_origin(origin);
    reading.error(parsed.root, "", "expected a list of endpoints ([]: there are none), got " + kind_of(parsed.root));
  }
  if (reading.complaints.empty()) {
    Node root = Node::map();
    root.put("endpoints", std::move(parsed.root));
    Fields fields(reading, &root, "");
    read_endpoints(fields, to);
  }
  const auto wrong = std::find_if(reading.complaints.begin(), reading.complaints.end(),
                                  [](const Complaint& each) { return each.severity == Severity::Error; });
  if (wrong == reading.complaints.end()) return {};
  to.clear();
  std::string line = print({*wrong});
  line.pop_back();
  return line;
}

}  // namespace outrider::config
