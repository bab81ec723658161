#include "dns/job.h"

#include <utility>

namespace outrider::dns {

namespace {
constexpr uint16_t kNotReady = 14, kNobodyReached = 22;  // RFC 8914
}

Job::Job(Server& server, net::DnsQuery query, const From& from) : server_(server), query_(std::move(query)), from_(from) {
  if (!from.peer) return;
  peer_ = *from.peer;
  from_.peer = &peer_;
}

void Job::wait_for(Directory::Entry& entry, const ZoneName& name) {
  name_ = name;
  entry_ = &entry;
  entry.waiting.push_back(*this);
  server_.loop().arm(limit_, server_.settings().wait);
}

// The entry stays as long as somebody waits for it; it calls us from its end of the wait alone.
void Job::on_known() {
  const auto answer = server_.answer(query_, from_, *entry_, name_);
  this->answer(answer.text, answer.result);
}

void Job::on_limit() {
  Directory::Waiter::unlink();
  net::DnsReply reply(query_, net::DnsCode::Failure, false);
  reply.explain(kNotReady, "the registry did not say in time who is registered (registry.dns.wait)");
  answer(reply.text(Server::room_for(query_, from_)), Told::NotReady);
}

void Job::forward(std::string_view message) {
  forward_ = std::make_unique<Forward>(server_.loop(), server_.upstreams(), message, query_, from_.stream != nullptr,
                                       static_cast<ForwardEvents&>(*this));
  if (!forward_->start()) on_forwarded({});
}

void Job::on_forwarded(std::string whole) {
  if (!whole.empty()) {
    const size_t most = Server::room_for(query_, from_);
    if (whole.size() > most) whole = net::DnsReply(query_, net::DnsCode::Fine, false).cut();
    return answer(whole, Told::Forwarded);
  }
  const std::string whom = server_.upstreams().text();
  const bool loop = server_.upstreams().only_ourselves();
  net::DnsReply reply(query_, net::DnsCode::Failure, false);
  reply.explain(kNobodyReached, loop ? whom : "nobody has answered who was asked: " + whom);
  server_.warn(loop ? "DNS: there is nobody to ask but ourselves" : "DNS: nobody answers who was asked", whom);
  answer(reply.text(Server::room_for(query_, from_)), loop ? Told::Loop : Told::Unanswered);
}

void Job::answer(std::string_view message, Told result) {
  server_.counters().count(result);
  server_.send(from_, message);
  end();
}

void Job::end() {
  if (std::exchange(over_, true)) return;
  limit_.cancel();
  if (forward_) forward_->stop();
  Directory::Waiter::unlink();
  ListHook<Job>::unlink();
  --server_.job_count_;
  server_.loop().retire(*this);
}

}  // namespace outrider::dns
