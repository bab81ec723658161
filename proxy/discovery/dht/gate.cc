#include "discovery/dht/gate.h"

#include <msgpack.hpp>
#include <optional>

namespace outrider::discovery {

namespace {

using msgpack::object;
using Type = msgpack::type::object_type;

constexpr size_t kMostKeys = 16;            // of a map
constexpr size_t kMostNodes = 16;           // named in one packet; OpenDHT names 8
constexpr size_t kNode4 = 26, kNode6 = 38;  // bytes of one
constexpr size_t kMostFields = 5;           // of a value that can be asked for
constexpr size_t kAround = 64;              // bytes about a record in its value
constexpr unsigned kFieldId = 1;

std::string_view text_of(const object& one) {
  return one.type == Type::STR ? std::string_view(one.via.str.ptr, one.via.str.size) : std::string_view();
}

std::string_view bytes_of(const object& one) {
  return one.type == Type::BIN ? std::string_view(one.via.bin.ptr, one.via.bin.size) : std::string_view();
}

bool is_map(const object* one) { return one && one->type == Type::MAP; }
bool is_array(const object* one) { return one && one->type == Type::ARRAY; }
bool is_number(const object* one) { return one && one->type == Type::POSITIVE_INTEGER; }

const object* find(const object& map, std::string_view key) {
  for (uint32_t i = 0; i < map.via.map.size; ++i)
    if (text_of(map.via.map.ptr[i].key) == key) return &map.via.map.ptr[i].val;
  return nullptr;
}

// Texts, each once: whoever reads the first and whoever reads the last must read the same.
bool sound_keys(const object& map) {
  if (map.via.map.size > kMostKeys) return false;
  for (uint32_t i = 0; i < map.via.map.size; ++i) {
    const std::string_view key = text_of(map.via.map.ptr[i].key);
    if (key.empty() || find(map, key) != &map.via.map.ptr[i].val) return false;
  }
  return true;
}

std::optional<object> read(std::string_view bytes, msgpack::zone& zone, bool whole) {
  static const msgpack::unpack_limit limits(3 * Gate::kMostValues, kMostKeys, 4096, 65536, 0, 16);
  try {
    size_t at = 0;
    bool referenced = false;
    const auto refer = [](msgpack::type::object_type, size_t, void*) { return true; };
    object one = msgpack::unpack(zone, bytes.data(), bytes.size(), at, referenced, refer, nullptr, limits);
    if (!whole || at == bytes.size()) return one;
  } catch (const std::exception&) {}
  return {};
}

// One value: {id, dat: {body: {type, data}}}, perhaps with the part it belongs to (utype) and its priority p.
RecordVerdict judge(const object& value) {
  if (!is_map(&value) || value.via.map.size < 2 || value.via.map.size > 3 || !sound_keys(value)) return RecordVerdict::Malformed;
  const object *id = find(value, "id"), *outer = find(value, "dat"), *priority = find(value, "p");
  if (!is_number(id) || !is_map(outer) || outer->via.map.size != 1 || (value.via.map.size == 3 && !is_number(priority)))
    return RecordVerdict::Malformed;
  const object* body = find(*outer, "body");
  if (!is_map(body) || body->via.map.size < 2 || body->via.map.size > 3 || !sound_keys(*body)) return RecordVerdict::Malformed;
  const object *kind = find(*body, "type"), *data = find(*body, "data");
  const bool listing = is_number(kind) && kind->via.u64 == kListingType;
  if (!is_number(kind) || (kind->via.u64 != kRecordType && !listing) || !data || data->type != Type::BIN)
    return RecordVerdict::Malformed;
  const object* part = find(*body, "utype");
  if (body->via.map.size == 3 && (!part || !(listing ? is_part(text_of(*part)) : text_of(*part) == part_of(id->via.u64))))
    return RecordVerdict::Malformed;
  if (bytes_of(*data).size() > kMaxRecord) return RecordVerdict::Oversized;
  return id->via.u64 == value_id(bytes_of(*data)) ? RecordVerdict::Ok : RecordVerdict::Replayed;
}

// Fields of values: which, and theirs one after another.
bool sound_fields(const object& fields) {
  if (!is_map(&fields) || !sound_keys(fields)) return false;
  const object *names = find(fields, "f"), *values = find(fields, "v");
  if (!is_array(names) || names->via.array.size == 0 || names->via.array.size > kMostFields || !is_array(values)) return false;
  for (uint32_t i = 0; i < names->via.array.size; ++i) {
    const object& name = names->via.array.ptr[i];
    if (!is_number(&name) || name.via.u64 < kFieldId || name.via.u64 > kMostFields) return false;
    for (uint32_t before = 0; before < i; ++before)
      if (names->via.array.ptr[before].via.u64 == name.via.u64) return false;
  }
  return values->via.array.size % names->via.array.size == 0;
}

bool sound_nodes(const object* nodes, size_t one) {
  if (!nodes) return true;
  const size_t size = bytes_of(*nodes).size();
  return nodes->type == Type::BIN && size % one == 0 && size <= one * kMostNodes;
}

}  // namespace

// A packet, its body ("a" of a question, "r" of an answer, "u" of an update) and what is looked at in it.
struct Gate::Reading {
  msgpack::zone zone;
  object top;
  const object *body = nullptr, *values = nullptr, *parts = nullptr;
  std::string_view body_name;
  uint64_t transaction = 0;

  bool of(std::string_view packet) {
    const auto read_top = read(packet, zone, false);
    if (!read_top || !is_map(&*read_top) || !sound_keys(*read_top)) return false;
    top = *read_top;
    if (const object* number = find(top, "t")) {
      if (is_number(number)) transaction = number->via.u64;
      else if (bytes_of(*number).size() != 4) return false;
    }
    if (const object* error = find(top, "e"); error && (!is_array(error) || error->via.array.size == 0)) return false;
    parts = find(top, "p");
    size_t bodies = 0;
    for (const std::string_view name : {"a", "r", "u"})
      if (const object* one = find(top, name)) body = one, body_name = name, ++bodies;
    if (parts) return bodies == 0 && is_map(parts);
    if (bodies != 1 || !is_map(body) || !sound_keys(*body)) return false;
    if (!sound_nodes(find(*body, "n4"), kNode4) || !sound_nodes(find(*body, "n6"), kNode6)) return false;
    if (const object* fields = find(*body, "fileds"); fields && !sound_fields(*fields)) return false;
    values = find(*body, "values");
    return !values || (is_array(values) && values->via.array.size <= kMostValues);
  }
};

Gate::Admitted Gate::admit(std::string_view packet, const net::Address& from, TimePoint now, std::string_view node_id) {
  Reading reading;
  if (!reading.of(packet)) return {};
  if (!node_id.empty() && reading.body) {  // parts belong to a packet that bears one
    const object* id = find(*reading.body, "id");
    if (!id || bytes_of(*id) != node_id) return {RecordVerdict::WrongIdentity, {}};
  }
  if (reading.parts) return admit_part(reading, from, now);
  if (!reading.values) return {RecordVerdict::Ok, packet};
  size_t sizes = 0;
  for (uint32_t i = 0; i < reading.values->via.array.size; ++i) {
    const object& value = reading.values->via.array.ptr[i];
    if (is_number(&value)) ++sizes;
    else if (const auto verdict = judge(value); verdict != RecordVerdict::Ok) return {verdict, {}};
  }
  if (sizes == 0) return {RecordVerdict::Ok, packet};
  if (sizes != reading.values->via.array.size) return {};
  return open(reading, packet, from, now);
}

Gate::Admitted Gate::open(const Reading& packet, std::string_view bytes, const net::Address& from, TimePoint now) {
  Open fresh;
  fresh.since = now;
  size_t sum = bytes.size();
  for (uint32_t i = 0; i < packet.values->via.array.size; ++i) {
    const uint64_t size = packet.values->via.array.ptr[i].via.u64;
    if (size > kMaxRecord + kAround) return {RecordVerdict::Oversized, {}};
    if (size == 0) return {};
    fresh.sizes.push_back(size);
    sum += size;
  }
  if (sum > kMostBytes) return {RecordVerdict::Oversized, {}};
  fresh.head = bytes;
  fresh.bytes = bytes.size();
  fresh.missing = fresh.sizes.size();
  fresh.values.resize(fresh.sizes.size());
  const Key key{from.text(), packet.transaction};
  const auto it = open_.find(key);
  if (it != open_.end() && now - it->second.since <= kPatience) return {RecordVerdict::Ok, {}};  // what was lost comes again
  if (it != open_.end()) drop(it);
  make_room(now);
  open_bytes_ += fresh.bytes;
  open_.emplace(key, std::move(fresh));
  return {RecordVerdict::Ok, {}};
}

Gate::Admitted Gate::admit_part(const Reading& packet, const net::Address& from, TimePoint now) {
  const auto it = open_.find({from.text(), packet.transaction});
  if (it == open_.end() || now - it->second.since > kPatience) return {RecordVerdict::Ok, {}};  // it comes too late
  Open& open = it->second;
  for (uint32_t i = 0; i < packet.parts->via.map.size; ++i) {
    const auto& [index, part] = packet.parts->via.map.ptr[i];
    if (!is_number(&index) || index.via.u64 >= open.sizes.size() || !is_map(&part)) return {};
    const object *at = find(part, "o"), *data = find(part, "d");
    if (!is_number(at) || !data || data->type != Type::BIN) return {};
    std::string& value = open.values[index.via.u64];
    const size_t size = open.sizes[index.via.u64];
    const std::string_view more = bytes_of(*data);
    if (at->via.u64 != value.size() || value.size() == size) continue;
    if (more.empty() || more.size() > size - value.size()) return {};
    value += more;
    open.bytes += more.size();
    open_bytes_ += more.size();
    if (value.size() == size) --open.missing;
  }
  if (open.missing > 0) return {RecordVerdict::Ok, {}};
  const Admitted admitted = whole(open);
  drop(it);
  return admitted;
}

// The packet as it would have come, were it allowed to be as long.
Gate::Admitted Gate::whole(const Open& open) {
  for (const auto& value : open.values) {
    msgpack::zone zone;
    const auto one = read(value, zone, true);
    if (!one) return {};
    if (const auto verdict = judge(*one); verdict != RecordVerdict::Ok) return {verdict, {}};
  }
  Reading packet;
  if (!packet.of(open.head)) return {};
  msgpack::sbuffer buffer(open.bytes + 64);
  msgpack::packer<msgpack::sbuffer> out(&buffer);
  out.pack_map(packet.top.via.map.size);
  for (uint32_t i = 0; i < packet.top.via.map.size; ++i) {
    const auto& [name, one] = packet.top.via.map.ptr[i];
    out.pack(name);
    if (text_of(name) != packet.body_name) {
      out.pack(one);
      continue;
    }
    out.pack_map(one.via.map.size);
    for (uint32_t field = 0; field < one.via.map.size; ++field) {
      const auto& [key, value] = one.via.map.ptr[field];
      out.pack(key);
      if (text_of(key) != "values") {
        out.pack(value);
        continue;
      }
      out.pack_array(uint32_t(open.values.size()));
      for (const auto& each : open.values) out.pack_bin_body(each.data(), uint32_t(each.size()));  // packed already
    }
  }
  whole_.assign(buffer.data(), buffer.size());
  return {RecordVerdict::Ok, whole_};
}

void Gate::drop(std::map<Key, Open>::iterator it) {
  open_bytes_ -= it->second.bytes;
  open_.erase(it);
}

void Gate::make_room(TimePoint now) {
  if (open_.size() < kMostOpen && open_bytes_ < kMostOpenBytes) return;
  for (auto it = open_.begin(); it != open_.end();) {
    const auto next = std::next(it);
    if (now - it->second.since > kPatience) drop(it);
    it = next;
  }
  while (open_.size() >= kMostOpen || open_bytes_ >= kMostOpenBytes) {
    auto oldest = open_.begin();
    for (auto it = open_.begin(); it != open_.end(); ++it)
      if (it->second.since < oldest->second.since) oldest = it;
    drop(oldest);
  }
}

}  // namespace outrider::discovery
