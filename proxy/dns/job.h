#pragma once
// A question that cannot be answered at once.

#include <memory>
#include <string>

#include "dns/forward.h"
#include "dns/server.h"

namespace outrider::dns {

// It waits for the registry, or for another server; its client may leave before. Owned by the server's list; ends with its
// answer, at its limit or with the server, and retires. Control loop.
class Job final : public ListHook<Job>, public net::Retired, Directory::Waiter, ForwardEvents {
 public:
  Job(Server& server, net::DnsQuery query, const From& from);
  void wait_for(Directory::Entry& entry, const ZoneName& name);
  void forward(std::string_view message);
  bool is_of(const Stream& stream) const { return from_.stream == &stream; }
  void lose_client() { from_ = {}; }
  void end();  // unanswered

 private:
  void on_known() override;
  void on_forwarded(std::string answer) override;
  void on_forward_failure(const char* why) override { server_.counters().fail_forward(why); }
  void on_limit();
  void on_retired() override { delete this; }
  void answer(std::string_view message, Told result);
  Server& server_;
  const net::DnsQuery query_;
  From from_;
  net::Address peer_;  // that from_ points to
  ZoneName name_;
  Directory::Entry* entry_ = nullptr;
  std::unique_ptr<Forward> forward_;
  bool over_ = false;
  net::BoundTimer<Job, &Job::on_limit> limit_{*this};
};

}  // namespace outrider::dns
