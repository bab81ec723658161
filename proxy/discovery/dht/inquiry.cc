#include "discovery/dht/inquiry.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <msgpack.hpp>
#include <set>

namespace outrider::discovery {

namespace {

using Packer = msgpack::packer<msgpack::sbuffer>;

void text(Packer& out, std::string_view text) {
  out.pack_str(uint32_t(text.size()));
  out.pack_str_body(text.data(), uint32_t(text.size()));
}

void bytes(Packer& out, std::string_view bytes) {
  out.pack_bin(uint32_t(bytes.size()));
  out.pack_bin_body(bytes.data(), uint32_t(bytes.size()));
}

const msgpack::object* find(const msgpack::object* map, std::string_view key) {
  if (!map || map->type != msgpack::type::MAP) return nullptr;
  for (uint32_t i = 0; i < map->via.map.size; ++i) {
    const auto& name = map->via.map.ptr[i].key;
    if (name.type == msgpack::type::STR && std::string_view(name.via.str.ptr, name.via.str.size) == key)
      return &map->via.map.ptr[i].val;
  }
  return nullptr;
}

std::string_view bytes_in(const msgpack::object* one) {
  return one && one->type == msgpack::type::BIN ? std::string_view(one->via.bin.ptr, one->via.bin.size) : std::string_view();
}

struct Named {
  std::string id;
  net::Address address;
};

constexpr size_t kId = 20;

// As OpenDHT reads them: a loopback address is the answering host's own.
std::vector<Named> nodes_in(const msgpack::object* body, const net::Address& from) {
  std::vector<Named> nodes;
  for (std::string_view rest = bytes_in(find(body, "n4")); rest.size() >= kId + 6; rest.remove_prefix(kId + 6)) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    std::memcpy(&v4.sin_addr, rest.data() + kId, 4);
    std::memcpy(&v4.sin_port, rest.data() + kId + 4, 2);
    net::Address address(reinterpret_cast<sockaddr*>(&v4), sizeof v4);
    if (address.is_loopback() && from.family() == AF_INET) {
      const uint16_t port = address.port();
      address = from;
      address.set_port(port);
    }
    nodes.push_back({std::string(rest.substr(0, kId)), address});
  }
  for (std::string_view rest = bytes_in(find(body, "n6")); rest.size() >= kId + 18; rest.remove_prefix(kId + 18)) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    std::memcpy(&v6.sin6_addr, rest.data() + kId, 16);
    std::memcpy(&v6.sin6_port, rest.data() + kId + 16, 2);
    nodes.push_back({std::string(rest.substr(0, kId)), net::Address(reinterpret_cast<sockaddr*>(&v6), sizeof v6)});
  }
  return nodes;
}

Values values_in(const msgpack::object* body) {
  Values values;
  const auto* list = find(body, "values");
  if (!list || list->type != msgpack::type::ARRAY) return values;
  for (uint32_t i = 0; i < list->via.array.size; ++i)
    if (const auto data = bytes_in(find(find(find(&list->via.array.ptr[i], "dat"), "body"), "data")); !data.empty())
      values.emplace_back(data);
  return values;
}

std::string distance(std::string a, const std::string& b) {
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) a[i] = char(a[i] ^ b[i]);
  return a;
}

}  // namespace

struct Inquiry::Way {
  std::map<std::string, net::Address> next;  // by distance to the key
  size_t steps = 0;
};

struct Inquiry::Search {
  std::string hash;
  size_t steps;
  Found found;
  std::function<void()> done;
  std::vector<Way> ways;
  std::set<std::string> asked;  // addresses, by all ways
  size_t going = 0;
};

struct Inquiry::Question {
  Question(Inquiry& inquiry, uint32_t transaction, std::shared_ptr<Search> search, size_t way, net::Address to)
      : inquiry(inquiry), transaction(transaction), search(std::move(search)), way(way), to(to) {}
  void on_silence() {
    const auto self = std::move(inquiry.open_.extract(transaction).mapped());
    self->inquiry.step(self->search, self->way);
  }
  Inquiry& inquiry;
  const uint32_t transaction;
  const std::shared_ptr<Search> search;
  const size_t way;
  const net::Address to;
  net::BoundTimer<Question, &Question::on_silence> silence{*this};
};

Inquiry::Inquiry(net::Loop& loop, InquirySocket& socket, std::string node_id, uint32_t network)
    : loop_(loop), socket_(socket), node_id_(std::move(node_id)), network_(network) {}

Inquiry::~Inquiry() = default;

void Inquiry::ask(const std::string& hash, const std::vector<net::Address>& begin, size_t steps, Found found,
                  std::function<void()> done) {
  auto search = std::make_shared<Search>(Search{hash, steps, std::move(found), std::move(done), {}, {}, 0});
  for (const auto& address : begin) {
    if (search->ways.size() >= kWays) break;
    search->ways.push_back({{{std::string(), address}}, 0});
  }
  search->going = search->ways.size();
  if (search->going == 0) return loop_.post([search] { search->done(); });
  for (size_t way = 0; way < search->ways.size(); ++way) step(search, way);
}

void Inquiry::step(const std::shared_ptr<Search>& search, size_t way) {
  Way& here = search->ways[way];
  net::Address to;
  while (!to.valid() && !here.next.empty() && here.steps < search->steps) {
    const auto nearest = here.next.extract(here.next.begin()).mapped();
    if (search->asked.insert(nearest.text()).second) to = nearest;
  }
  if (!to.valid()) {
    if (--search->going == 0) loop_.post([search] { search->done(); });
    return;
  }
  ++here.steps;
  uint32_t transaction = 0;
  do transaction = loop_.random().below(UINT32_MAX);
  while (open_.contains(transaction));
  auto& question = open_[transaction] = std::make_unique<Question>(*this, transaction, search, way, to);
  loop_.arm(question->silence, kPatience);
  msgpack::sbuffer buffer;
  Packer out(&buffer);
  out.pack_map(5);
  text(out, "a");
  out.pack_map(2);
  text(out, "id");
  bytes(out, node_id_);
  text(out, "h");
  bytes(out, search->hash);
  text(out, "q");
  text(out, "get");
  text(out, "t");
  out.pack(transaction);
  text(out, "y");
  text(out, "q");
  text(out, "n");
  out.pack(network_);
  socket_.send_question({buffer.data(), buffer.size()}, to);
}

bool Inquiry::take(std::string_view packet, const net::Address& from) {
  if (open_.empty()) return false;
  const auto page = msgpack::unpack(packet.data(), packet.size());
  const msgpack::object& top = page.get();
  const auto* number = find(&top, "t");
  const auto* body = find(&top, "r");
  if (!body || !number || number->type != msgpack::type::POSITIVE_INTEGER || number->via.u64 > UINT32_MAX) return false;
  const auto it = open_.find(uint32_t(number->via.u64));
  if (it == open_.end() || it->second->to != from) return false;
  const auto question = std::move(open_.extract(it).mapped());
  const auto search = question->search;
  Way& way = search->ways[question->way];
  for (auto& [id, address] : nodes_in(body, from))
    if (id != node_id_ && address.port() != 0) way.next[distance(id, search->hash)] = address;
  if (const Values values = values_in(body); !values.empty()) search->found(values, from);
  step(search, question->way);
  return true;
}

}  // namespace outrider::discovery
