#include "server/handover.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include <cstdlib>

#include "base/text.h"
#include "net/address.h"
#include "net/messenger.h"

namespace outrider::server {

namespace {

constexpr char kFirst = 'H', kVersion = 1;

void put(std::string& to, uint64_t number, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) to.push_back(char(number >> (8 * i)));
}

void put(std::string& to, std::string_view text) {
  put(to, text.size(), 2);
  to += text;
}

std::optional<uint64_t> take_number(std::string_view& from, size_t bytes) {
  if (from.size() < bytes) return {};
  uint64_t number = 0;
  for (size_t i = 0; i < bytes; ++i) number = number << 8 | uint8_t(from[i]);
  from.remove_prefix(bytes);
  return number;
}

bool take_text(std::string_view& from, std::string& to) {
  const auto size = take_number(from, 2);
  if (!size || from.size() < *size) return false;
  to = from.substr(0, size_t(*size));
  from.remove_prefix(size_t(*size));
  return true;
}

}  // namespace

// "H", 1, kind, number 8, more 8, then name and text, each behind its length 2 (big endian).
std::string write_handed(const Handed& message) {
  std::string bytes{kFirst, kVersion, char(message.kind)};
  put(bytes, message.number, 8);
  put(bytes, message.more, 8);
  put(bytes, std::string_view(message.name).substr(0, 4096));
  put(bytes, std::string_view(message.text).substr(0, 8192));
  return bytes;
}

std::optional<Handed> read_handed(std::string_view bytes) {
  if (bytes.size() < 3 || bytes[0] != kFirst || bytes[1] != kVersion) return {};
  const auto kind = uint8_t(bytes[2]);
  if (kind < uint8_t(Handed::Kind::Greeting) || kind > uint8_t(Handed::Kind::Connection)) return {};
  bytes.remove_prefix(3);
  Handed message;
  message.kind = Handed::Kind(kind);
  const auto number = take_number(bytes, 8), more = take_number(bytes, 8);
  if (!number || !more || !take_text(bytes, message.name) || !take_text(bytes, message.text)) return {};
  message.number = *number;
  message.more = *more;
  return message;
}

std::string key_of_socket(std::string_view name, std::string_view address) {
  const auto at = net::Address::parse(address);
  const std::string text = at ? at->text() : std::string(address);
  const bool any_port = at && !at->is_unix() && at->port() == 0;
  return any_port ? std::string(name) + " " + text : text;
}

Inheritance::~Inheritance() {
  drop_rest();
  for (auto& [listener, keys] : tickets_) OPENSSL_cleanse(keys.data(), keys.size());
  if (channel_ >= 0) ::close(channel_);
  if (keeper_ >= 0) ::close(keeper_);
}

std::unique_ptr<Inheritance> Inheritance::from_environment() {
  const char* const word = std::getenv(kWord);
  if (!word) return nullptr;
  std::string_view rest = word;
  const auto channel = parse_number(next_part(rest, ',')), keeper = parse_number(rest);
  ::unsetenv(kWord);
  if (!channel || !keeper) return nullptr;
  for (const uint64_t fd : {*channel, *keeper})
    if (::fcntl(int(fd), F_SETFD, FD_CLOEXEC) != 0) return nullptr;
  return std::unique_ptr<Inheritance>(new Inheritance(int(*channel), int(*keeper)));
}

std::string Inheritance::receive(milliseconds limit) {
  const TimePoint until = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const auto left = std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now());
    auto received = net::await_message(channel_, std::max(left, milliseconds(0)));
    if (received.what == net::Received::What::End) return "the process that is to be replaced has hung up";
    if (received.what == net::Received::What::Nothing) return "the process that is to be replaced says nothing";
    auto message = read_handed(received.bytes);
    OPENSSL_cleanse(received.bytes.data(), received.bytes.size());
    if (!message) {
      if (received.fd >= 0) ::close(received.fd);
      continue;
    }
    using Kind = Handed::Kind;
    const bool socket = (message->kind == Kind::Listener || message->kind == Kind::Page) && received.fd >= 0;
    if (!socket && received.fd >= 0) ::close(received.fd);
    if (socket) {
      auto& of = (message->kind == Kind::Listener ? listeners_ : pages_)[key_of_socket(message->name, message->text)];
      const auto [it, fresh] = of.emplace(message->number, received.fd);
      if (!fresh) ::close(received.fd);
    }
    if (message->kind == Kind::Tickets) tickets_[message->name] = std::move(message->text);
    if (message->kind == Kind::Greeting) {
      instance_ = message->text;
      announced_as_ = message->name;
      times_ = message->number;
    }
    if (message->kind == Kind::Everything) return {};
  }
}

std::vector<int> Inheritance::take(Sockets& from, std::string_view name, std::string_view address) {
  std::vector<int> taken;
  const auto found = from.find(key_of_socket(name, address));
  if (found == from.end()) return taken;
  for (const auto& [worker, fd] : found->second) taken.push_back(fd);
  from.erase(found);
  return taken;
}

std::vector<int> Inheritance::listeners(std::string_view name, std::string_view address) {
  return take(listeners_, name, address);
}

std::vector<int> Inheritance::page(std::string_view name, std::string_view address) { return take(pages_, name, address); }

std::string Inheritance::tickets(std::string_view listener) const {
  const auto found = tickets_.find(listener);
  return found == tickets_.end() ? std::string() : found->second;
}

int Inheritance::registry(std::string_view bind, milliseconds limit) {
  if (channel_ < 0) return -1;
  Handed question{Handed::Kind::RegistryAsked, std::string(bind), {}};
  if (!net::send_message(channel_, write_handed(question))) return -1;
  const auto received = net::await_message(channel_, limit);
  const auto message = read_handed(received.bytes);
  if (message && message->kind == Handed::Kind::Registry) return received.fd;
  if (received.fd >= 0) ::close(received.fd);
  return -1;
}

void Inheritance::tell_failed(std::string_view why) {
  if (channel_ >= 0) (void)net::send_message(channel_, write_handed({Handed::Kind::Failed, {}, std::string(why)}));
}

void Inheritance::drop_rest() {
  for (auto* sockets : {&listeners_, &pages_}) {
    for (const auto& [key, workers] : *sockets)
      for (const auto& [worker, fd] : workers) ::close(fd);
    sockets->clear();
  }
}

}  // namespace outrider::server
