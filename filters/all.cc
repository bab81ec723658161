#include "filters/all.h"

namespace outrider::filters {

// One row a filter; nothing else in the tree needs to hear of it.
#define OUTRIDER_FILTERS(ROW) \
  ROW(api_key)                \
  ROW(bandwidth)              \
  ROW(basic_auth)             \
  ROW(body_limit)             \
  ROW(compress)               \
  ROW(cors)                   \
  ROW(csrf)                   \
  ROW(ext_authz)              \
  ROW(fault)                  \
  ROW(grpc_web)               \
  ROW(headers)                \
  ROW(inject)                 \
  ROW(ip)                     \
  ROW(jwt)                    \
  ROW(mirror)                 \
  ROW(rate_limit)             \
  ROW(tap)

#define ROW(name) std::unique_ptr<const filter::Filter> make_##name(const config::Node&, filter::Complaint&);
OUTRIDER_FILTERS(ROW)
#undef ROW

std::span<const filter::Entry> all() {
#define ROW(name) {#name, make_##name},
  static constexpr filter::Entry kAll[] = {OUTRIDER_FILTERS(ROW)};
#undef ROW
  return kAll;
}

const filter::Entry* find(std::string_view name) {
  for (const filter::Entry& entry : all())
    if (entry.name == name) return &entry;
  return nullptr;
}

std::vector<std::string_view> names() {
  std::vector<std::string_view> out;
  for (const filter::Entry& entry : all()) out.push_back(entry.name);
  return out;
}

bool check(std::string_view name, const config::Node& options, std::string& path, std::string& message) {
  const filter::Entry* entry = find(name);
  filter::Complaint complaint;
  if (entry && entry->make(options, complaint)) return true;
  path = complaint.path;
  message = entry ? complaint.message : "unknown filter";
  return false;
}

}  // namespace outrider::filters
