#include "tests/support/attacker.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <msgpack.hpp>

#include "base/hash.h"
#include "base/text.h"
#include "discovery/dht/node_proof.h"
#include "discovery/dht/record.h"
#include "identity/key_pair.h"
#include "opendht/infohash.h"

namespace outrider::test {

namespace {

using Packer = msgpack::packer<msgpack::sbuffer>;
constexpr size_t kMtu = 1280, kInline = 600, kMostInline = 50;
constexpr int kField = 1;  // of a value: its id
constexpr auto kPatience = std::chrono::seconds(10);

std::string hash_of(const std::string& key) {
  const auto hash = dht::InfoHash::get(key);
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

void text(Packer& out, std::string_view text) {
  out.pack_str(uint32_t(text.size()));
  out.pack_str_body(text.data(), uint32_t(text.size()));
}

void bytes(Packer& out, std::string_view bytes) {
  out.pack_bin(uint32_t(bytes.size()));
  out.pack_bin_body(bytes.data(), uint32_t(bytes.size()));
}

uint64_t id_of(const Attacker::Value& value) { return value.id ? value.id : discovery::value_id(value.bytes); }

std::string packed(const Attacker::Value& value) {
  msgpack::sbuffer buffer;
  Packer out(&buffer);
  out.pack_map(2);
  text(out, "id");
  out.pack(id_of(value));
  text(out, "dat");
  out.pack_map(1);
  text(out, "body");
  out.pack_map(2);
  text(out, "type");
  out.pack(value.type);
  text(out, "data");
  bytes(out, value.bytes);
  return {buffer.data(), buffer.size()};
}

const msgpack::object* find(const msgpack::object* map, std::string_view key) {
  if (!map || map->type != msgpack::type::MAP) return nullptr;
  for (uint32_t i = 0; i < map->via.map.size; ++i) {
    const auto& [name, value] = map->via.map.ptr[i];
    if (name.type == msgpack::type::STR && std::string_view(name.via.str.ptr, name.via.str.size) == key) return &value;
  }
  return nullptr;
}

std::string bytes_in(const msgpack::object* object) {
  if (!object || object->type != msgpack::type::BIN) return {};
  return {object->via.bin.ptr, object->via.bin.size};
}

std::string_view text_in(const msgpack::object* object) {
  if (!object || object->type != msgpack::type::STR) return {};
  return {object->via.str.ptr, object->via.str.size};
}

uint64_t number_in(const msgpack::object* object) {
  return object && object->type == msgpack::type::POSITIVE_INTEGER ? object->via.u64 : 0;
}

// Everything around "a" or "r": kind says which, and the query's name where it is one.
std::string message(std::string_view kind, uint32_t transaction, std::string_view query,
                    const std::function<void(Packer&)>& body) {
  msgpack::sbuffer buffer;
  Packer out(&buffer);
  out.pack_map(query.empty() ? 4 : 5);
  text(out, kind);
  body(out);
  if (!query.empty()) {
    text(out, "q");
    text(out, query);
  }
  text(out, "t");
  out.pack(transaction);
  text(out, "y");
  text(out, query.empty() ? "r" : "q");
  text(out, "n");
  out.pack(1);
  return {buffer.data(), buffer.size()};
}

// As OpenDHT does: values that are small come along, of others only their sizes, and parts follow.
bool comes_along(const std::vector<std::string>& values) {
  size_t sum = 0;
  for (const auto& value : values) sum += value.size();
  return values.size() < kMostInline && sum < kInline;
}

void pack_values(Packer& out, const std::vector<std::string>& values) {
  text(out, "values");
  out.pack_array(uint32_t(values.size()));
  for (const auto& value : values)
    if (comes_along(values)) out.pack_bin_body(value.data(), uint32_t(value.size()));  // as it is
    else out.pack(value.size());
}

}  // namespace

std::vector<Attacker::Value> junk(std::string bytes, size_t count) {
  std::vector<Attacker::Value> values;
  for (size_t i = 0; i < count; ++i) {
    for (size_t byte = 0; byte < sizeof i; ++byte) bytes[bytes.size() - 1 - byte] = char(i >> (8 * byte));
    values.push_back({bytes});
  }
  return values;
}

Attacker::Attacker(const identity::MeshKeys& keys, const std::string& near, unsigned nth,
                   std::shared_ptr<const identity::Identity> member)
    : member_(std::move(member)) {
  id_ = near.empty() ? identity::random_bytes(20) : from_hex(near).value_or(hash_of(near));
  if (!near.empty()) id_.back() = char(id_.back() ^ char(nth + 1));
  if (!keys.keys.empty()) seal_ = std::make_unique<identity::Seal>(keys);
  fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto any = net::Address::loopback(0);
  EXPECT_EQ(::bind(fd_, any.raw(), any.length()), 0);
  const int room = 4 << 20;
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  address_ = net::Address::local_of(fd_);
  if (member_) {
    proven_id_ = discovery::node_id_of(member_->id, address_);
    if (near.empty()) id_ = proven_id_;
    else if (nth % 2) proven_id_ = id_;
  }
  thread_ = std::thread([this] { run(); });
}

Attacker::~Attacker() {
  ended_ = true;
  thread_.join();
  ::close(fd_);
}

void Attacker::send(const net::Address& node, std::string_view plain) {
  std::lock_guard lock(mutex_);
  const std::string_view sealed = seal_ ? seal_->seal(plain) : plain;
  ::sendto(fd_, sealed.data(), sealed.size(), 0, node.raw(), node.length());
}

void Attacker::send_values(std::string_view head, const std::vector<std::string>& values, uint32_t transaction,
                           const net::Address& to) {
  send(to, head);
  if (comes_along(values)) return;
  for (size_t i = 0; i < values.size(); ++i)
    for (size_t at = 0; at < values[i].size(); at += kMtu) {
      msgpack::sbuffer buffer;
      Packer out(&buffer);
      out.pack_map(4);
      text(out, "n");
      out.pack(1);
      text(out, "y");
      text(out, "p");
      text(out, "t");
      out.pack(transaction);
      text(out, "p");
      out.pack_map(1);
      out.pack(i);
      out.pack_map(2);
      text(out, "o");
      out.pack(at);
      text(out, "d");
      bytes(out, std::string_view(values[i]).substr(at, kMtu));
      send(to, {buffer.data(), buffer.size()});
    }
}

std::string Attacker::wait_for(uint32_t transaction) {
  std::unique_lock lock(mutex_);
  if (!arrived_.wait_for(lock, kPatience, [&] { return replies_.contains(transaction); })) return {};
  return replies_.extract(transaction).mapped();
}

bool Attacker::ping(const net::Address& node) { return !wait_for(knock(node)).empty(); }

uint32_t Attacker::knock(const net::Address& node) {
  const uint32_t transaction = next();
  send(node, message("a", transaction, "ping", [&](Packer& out) {
         out.pack_map(1);
         text(out, "id");
         bytes(out, id_);
       }));
  return transaction;
}

bool Attacker::put(const net::Address& node, const std::string& key, const std::vector<Value>& values) {
  const uint32_t asking = next();
  send(node, message("a", asking, "get", [&](Packer& out) {
         out.pack_map(3);
         text(out, "id");
         bytes(out, id_);
         text(out, "h");
         bytes(out, hash_of(key));
         text(out, "q");  // of no value: those there are do not matter
         out.pack_map(2);
         text(out, "s");
         out.pack_array(1);
         out.pack(kField);
         text(out, "w");
         out.pack_array(1);
         out.pack_map(2);
         text(out, "f");
         out.pack(kField);
         text(out, "v");
         out.pack(uint64_t(1));
       }));
  const std::string answer = wait_for(asking);
  if (answer.empty()) return false;
  const auto page = msgpack::unpack(answer.data(), answer.size());
  const std::string token = bytes_in(find(find(&page.get(), "r"), "token"));
  for (const auto& value : values) {
    const uint32_t putting = next();
    const std::vector<std::string> one{packed(value)};
    send_values(message("a", putting, "put",
                        [&](Packer& out) {
                          out.pack_map(4);
                          text(out, "id");
                          bytes(out, id_);
                          text(out, "h");
                          bytes(out, hash_of(key));
                          pack_values(out, one);
                          text(out, "token");
                          bytes(out, token);
                        }),
                one, putting, node);
  }
  return true;
}

void Attacker::lay(const std::string& key, std::vector<Value> values) {
  std::lock_guard lock(mutex_);
  laid_[hash_of(key)] = std::move(values);
}

void Attacker::name(const std::vector<const Attacker*>& neighbours) {
  std::string all;
  for (const auto* one : neighbours) {
    const auto& v4 = *reinterpret_cast<const sockaddr_in*>(one->address_.raw());
    all += one->id_;
    all.append(reinterpret_cast<const char*>(&v4.sin_addr), 4).append(reinterpret_cast<const char*>(&v4.sin_port), 2);
  }
  std::lock_guard lock(mutex_);
  neighbours_ = std::move(all);
}

void Attacker::run() {
  std::vector<char> room(65536);
  while (!ended_) {
    pollfd ready{fd_, POLLIN, 0};
    if (::poll(&ready, 1, 20) <= 0) continue;
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const ssize_t size = ::recvfrom(fd_, room.data(), room.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (size <= 0) continue;
    std::string plain(room.data(), size_t(size));
    if (seal_) {
      std::lock_guard lock(mutex_);
      const auto opened = seal_->unseal({room.data(), size_t(size)});
      if (opened.verdict != identity::SealVerdict::Ok) continue;
      plain.assign(opened.plain.data(), opened.plain.size());
    }
    try {
      handle(plain, net::Address(reinterpret_cast<sockaddr*>(&from), length));
    } catch (const std::exception&) {  // no packet of the network
    }
  }
}

void Attacker::handle(std::string_view plain, const net::Address& from) {
  if (discovery::is_introduction(plain)) {
    auto question = discovery::read_question(plain);
    if (const auto proof = discovery::read_proof(plain)) question = proof->back;
    if (question && member_) send(from, discovery::write_proof(question->nonce, proven_id_, address_, {}, *member_));
    return;
  }
  const auto page = msgpack::unpack(plain.data(), plain.size());
  const msgpack::object& top = page.get();
  const auto transaction = uint32_t(number_in(find(&top, "t")));
  if (find(&top, "r") || find(&top, "e")) {
    std::lock_guard lock(mutex_);
    replies_[transaction] = plain;
    return arrived_.notify_all();
  }
  const auto* ask = find(&top, "a");
  if (!ask) return;
  const std::string_view query = text_in(find(&top, "q"));
  const std::string key = bytes_in(find(ask, "h"));
  std::string neighbours;
  std::vector<Value> laid;
  {
    std::lock_guard lock(mutex_);
    neighbours = neighbours_;
    if (const auto it = laid_.find(key); it != laid_.end()) laid = it->second;
  }
  asked_ += query == "get" || query == "listen" || query == "put";
  // A get for one value names it; one for ids alone says what it selects.
  const auto* selects = find(find(ask, "q"), "s");
  const auto* wanted = find(find(ask, "q"), "w");
  const bool ids = selects && selects->type == msgpack::type::ARRAY && selects->via.array.size > 0;
  if (wanted && wanted->type == msgpack::type::ARRAY && wanted->via.array.size > 0)
    std::erase_if(laid, [&](const Value& value) { return id_of(value) != number_in(find(&wanted->via.array.ptr[0], "v")); });
  if (query != "get") laid.resize(query == "listen" ? laid.size() : 0);
  std::vector<std::string> values;
  for (const auto& value : laid) values.push_back(packed(value));
  const bool answers_values = query == "get" && !ids && !values.empty();
  const bool answers_ids = query == "get" && ids && !laid.empty();
  const bool names = !neighbours.empty() && (query == "get" || query == "find");
  const auto reply = message("r", transaction, {}, [&](Packer& out) {
    out.pack_map(uint32_t(2 + (query == "put" || query == "refresh") + names + (answers_values || answers_ids)));
    text(out, "id");
    bytes(out, id_);
    text(out, "token");
    bytes(out, "anything");
    if (query == "put" || query == "refresh") {
      text(out, "vid");
      const auto* given = find(ask, "vid");
      out.pack(given ? number_in(given) : uint64_t(1));
    }
    if (names) {
      text(out, "n4");
      bytes(out, neighbours);
    }
    if (answers_values) pack_values(out, values);
    if (answers_ids) {
      text(out, "fileds");
      out.pack_map(2);
      text(out, "f");
      out.pack_array(1);
      out.pack(kField);
      text(out, "v");
      out.pack_array(uint32_t(laid.size()));
      for (const auto& value : laid) out.pack(id_of(value));
    }
  });
  if (answers_values) send_values(reply, values, transaction, from);
  else send(from, reply);
  if (query != "listen" || values.empty()) return;
  const uint32_t pushing = next();
  send_values(message("a", pushing, "update",
                      [&](Packer& out) {
                        out.pack_map(6);
                        text(out, "id");
                        bytes(out, id_);
                        text(out, "ve");
                        out.pack(1);
                        text(out, "h");
                        bytes(out, key);
                        text(out, "sid");
                        out.pack(number_in(find(ask, "sid")));
                        pack_values(out, values);
                        text(out, "token");
                        bytes(out, "anything");
                      }),
              values, pushing, from);
}

}  // namespace outrider::test
