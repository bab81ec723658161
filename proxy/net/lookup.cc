#include "net/lookup.h"

#include <netdb.h>

#include <mutex>
#include <thread>

namespace outrider::net {

namespace {

constexpr size_t kMostAddresses = 16;

struct Answer {
  std::vector<Address> found;
  std::string trouble;
};

Answer resolve(const std::string& host, uint16_t port) {
  addrinfo wanted{}, *list = nullptr;
  wanted.ai_socktype = SOCK_STREAM;
  if (const int status = getaddrinfo(host.c_str(), nullptr, &wanted, &list); status != 0) return {{}, gai_strerror(status)};
  Answer answer;
  for (addrinfo* at = list; at && answer.found.size() < kMostAddresses; at = at->ai_next)
    answer.found.emplace_back(at->ai_addr, at->ai_addrlen).set_port(port);
  freeaddrinfo(list);
  return answer;
}

}  // namespace

// Where the answer is left. `to` is null once there is nobody to tell.
struct Lookup::Mailbox {
  std::mutex mutex;
  Lookup* to;
};

Lookup::Lookup(Loop& loop, LookupEvents& events) : loop_(loop), events_(events), mailbox_(std::make_shared<Mailbox>()) {
  mailbox_->to = this;
}

Lookup::~Lookup() {
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->to = nullptr;
}

void Lookup::start(const std::string& host, uint16_t port) {
  std::thread([mailbox = mailbox_, host, port] {
    Answer answer = resolve(host, port);
    const std::lock_guard lock(mailbox->mutex);
    if (!mailbox->to) return;
    mailbox->to->loop_.post([mailbox, answer = std::move(answer)] {
      if (mailbox->to) mailbox->to->events_.on_looked_up(answer.found, answer.trouble);
    });
  }).detach();
}

}  // namespace outrider::net
