#include "http/header_map.h"

#include <algorithm>

#include "base/text.h"

namespace outrider::http {

namespace {

bool same_name(const Field& field, HeaderId id, std::string_view name) {
  return field.id == id && (id != HeaderId::Other || equals_ignore_case(field.name, name));
}

}  // namespace

const Field* HeaderMap::find(HeaderId id) const {
  for (const Field& field : fields())
    if (field.id == id) return &field;
  return nullptr;
}

const Field* HeaderMap::find(std::string_view name) const {
  const HeaderId id = header_id(name);
  for (const Field& field : fields())
    if (same_name(field, id, name)) return &field;
  return nullptr;
}

std::string_view HeaderMap::value(HeaderId id) const {
  const Field* field = find(id);
  return field ? field->value : std::string_view{};
}

void HeaderMap::add(std::string_view name, std::string_view value) {
  add_view(header_id(name), arena_.copy(name), arena_.copy(value));
}

void HeaderMap::add_view(HeaderId id, std::string_view name, std::string_view value) {
  if (count_ == capacity_) {
    Field* larger = arena_.array<Field>(size_t{capacity_} * 2);
    std::uninitialized_copy(fields_, fields_ + count_, larger);
    fields_ = larger;
    capacity_ *= 2;
  }
  const bool secret =
      id == HeaderId::Authorization || id == HeaderId::Cookie || id == HeaderId::ProxyAuthorization || id == HeaderId::SetCookie;
  new (&fields_[count_++]) Field{id, secret, name, value};
}

void HeaderMap::set(std::string_view name, std::string_view value) {
  const HeaderId id = header_id(name);
  const auto copied = arena_.copy(value);
  for (uint32_t i = 0; i < count_; ++i) {
    if (!same_name(fields_[i], id, name)) continue;
    fields_[i].value = copied;
    size_t erased = 0;
    erase_if_same(id, name, i + 1, erased);
    return;
  }
  add_view(id, arena_.copy(name), copied);
}

void HeaderMap::set(HeaderId id, std::string_view value) { set(header_name(id), value); }

size_t HeaderMap::remove(HeaderId id) {
  size_t erased = 0;
  if (id != HeaderId::Other) erase_if_same(id, {}, 0, erased);
  return erased;
}

size_t HeaderMap::remove(std::string_view name) {
  size_t erased = 0;
  erase_if_same(header_id(name), name, 0, erased);
  return erased;
}

// `name` may be a view of a field's own name: the bytes it points at stay where they are.
void HeaderMap::erase_if_same(HeaderId id, std::string_view name, size_t from, size_t& erased) {
  uint32_t to = uint32_t(from);
  for (uint32_t i = uint32_t(from); i < count_; ++i) {
    if (same_name(fields_[i], id, name)) ++erased;
    else fields_[to++] = fields_[i];
  }
  count_ = to;
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
}

}  // namespace outrider::http
