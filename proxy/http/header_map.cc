#include "http/header_map.h"

#include <algorithm>
#include <memory>

#include "base/text.h"

namespace outrider::http {

namespace {

bool same_name(const Field& field, HeaderId id, std::string_view name) {
  return field.id == id && (id != HeaderId::Other || equals_ignore_case(field.name, name));
}

}  // namespace

const Field* HeaderMap::find_present(HeaderId id) const {
  for (const Field& field : fields())
    if (field.id == id) return &field;
  return nullptr;
}

const Field* HeaderMap::find(std::string_view name) const {
  const HeaderId id = header_id(name);
  if (!has_any(set_of(id))) return nullptr;
  for (const Field& field : fields())
    if (same_name(field, id, name)) return &field;
  return nullptr;
}

void HeaderMap::add(std::string_view name, std::string_view value) {
  add_view(header_id(name), arena_.copy(name), arena_.copy(value));
  fields_[count_ - 1].clean = false;
}

void HeaderMap::add_view(HeaderId id, std::string_view name, std::string_view value, bool verbatim) {
  constexpr HeaderSet kSecret =
      set_of(HeaderId::Authorization, HeaderId::Cookie, HeaderId::ProxyAuthorization, HeaderId::SetCookie);
  if (count_ == capacity_) {
    Field* larger = arena_.array<Field>(size_t{capacity_} * 2);
    std::uninitialized_copy(fields_, fields_ + count_, larger);
    fields_ = larger;
    capacity_ *= 2;
  }
  present_ |= set_of(id);
  new (&fields_[count_++]) Field{id, (kSecret & set_of(id)) != 0, true, verbatim, name, value};
}

void HeaderMap::set(std::string_view name, std::string_view value) {
  const HeaderId id = header_id(name);
  if (!find(name)) return add(name, value);
  set_copied(id, name, arena_.copy(value), false);
}

void HeaderMap::set_copied(HeaderId id, std::string_view name, std::string_view value, bool clean) {
  if (!has_any(set_of(id))) {
    add_view(id, header_name(id), value);
    fields_[count_ - 1].clean = clean;
    return;
  }
  uint32_t at = 0;
  while (!same_name(fields_[at], id, name)) ++at;
  fields_[at].value = value;
  fields_[at].clean = clean;
  fields_[at].verbatim = false;
  erase(at + 1, [&](const Field& field) { return same_name(field, id, name); });
}

size_t HeaderMap::remove(HeaderSet ids) {
  ids &= present_ & ~set_of(HeaderId::Other);
  if (!ids) return 0;
  present_ &= ~ids;
  return erase(0, [&](const Field& field) { return (ids & set_of(field.id)) != 0; });
}

// `name` may be a view of a field's own name: the bytes it points at stay where they are.
size_t HeaderMap::remove(std::string_view name) {
  const HeaderId id = header_id(name);
  if (id != HeaderId::Other) return remove(set_of(id));
  return erase(0, [&](const Field& field) { return same_name(field, id, name); });
}

template <class Unwanted>
size_t HeaderMap::erase(uint32_t from, Unwanted unwanted) {
  Field* const end = fields_ + count_;
  Field* const kept = std::remove_if(fields_ + from, end, unwanted);
  count_ = uint32_t(kept - fields_);
  return size_t(end - kept);
}

size_t HeaderMap::bytes() const {
  size_t sum = 0;
  for (const Field& field : fields()) sum += field.name.size() + field.value.size() + 4;
  return sum;
}

// Back to the inline array: the arena may be reset before the next use.
void HeaderMap::clear() {
  fields_ = inline_.data();
  capacity_ = kInline;
  count_ = 0;
  present_ = 0;
}

}  // namespace outrider::http
