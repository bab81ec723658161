#pragma once
// The server of DNS in a sidecar: names of the mesh are answered, all others are somebody else's, who is asked.
//
// On the control loop, where the registry is: nobody's request waits for it, and what it may cost there is bounded by a rate, by
// questions under way, and by how many datagrams are read in one turn. No cache: the answers of the mesh are in memory already,
// and whoever is asked for others has one, with a better idea of how long they hold.
//
// It listens at addresses of its own alone, never at all of them: the kernel sends an answer from the address that it goes out
// by, and undoes a redirection (nft: redirect to :15053) only for the one it was redirected to.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/pace.h"
#include "dns/directory.h"
#include "dns/stream.h"
#include "dns/upstreams.h"
#include "dns/zone.h"
#include "net/datagram.h"
#include "net/listener.h"

namespace outrider::dns {

class Job;

struct Settings {
  Zone::Settings zone;
  Upstreams::Settings upstreams;
  milliseconds wait{3000};    // for the registry's first word of a service
  milliseconds idle{10'000};  // of a connection
  milliseconds watched{600'000};
  size_t most_names = 1000, most_queries = 512, most_connections = 64;
  uint32_t rate = 2000;
};

// Where a question came from, and its answer goes.
class Socket;
struct From {
  Stream* stream = nullptr;  // null: a datagram
  Socket* socket = nullptr;
  const net::Address* peer = nullptr;
  uint16_t port = 0;  // of the client
};

// Owned by the supervisor, which opens it before there are threads and lets it serve once there is a registry, or it is its turn
// to. Control loop.
class Server final {
 public:
  // `addresses`: null: endpoints are answered. It outlives this.
  Server(net::Loop& loop, Settings settings, net::VirtualAddresses* addresses, Counters counters);
  ~Server();
  struct Sockets {
    int datagrams = -1, stream = -1;
  };
  // Bound and listening, and nothing is read yet. `inherited`: the sockets of the process before us, which are ours then; -1:
  // none.
  Result<Sockets> listen(const net::Address& at, Sockets inherited = {-1, -1});
  void serve(discovery::Registry* registry);  // from now on, by this registry; null: there is none
  void leave();                               // another process answers; what is under way here is still answered
  // Called, a moment later, when another address was given.
  void on_given(std::function<void()> saved) { on_given_ = std::move(saved); }
  const std::vector<net::Address>& local() const { return local_; }
  std::string forwards_to() { return upstreams_.text(); }

  // For streams, sockets and jobs.
  void on_message(std::string_view message, const From& from);
  void forget(const Stream& stream);
  net::Loop& loop() { return loop_; }
  const Settings& settings() const { return settings_; }
  Counters& counters() { return counters_; }
  Upstreams& upstreams() { return upstreams_; }
  void warn(const char* what, const std::string& why);  // in the log, seldom

 private:
  friend class Job;
  class Door;
  Job* begin(net::DnsQuery query, const From& from);
  void drop(const From& from);
  Zone::Answer answer(const net::DnsQuery& query, const From& from, const Directory::Entry& entry, const ZoneName& name);
  void refuse(const net::DnsQuery& query, const From& from, net::DnsCode code, Told result, uint16_t more, const char* why);
  void send(const From& from, std::string_view message);
  void on_save();
  static size_t room_for(const net::DnsQuery& query, const From& from);
  net::Loop& loop_;
  const Settings settings_;
  net::VirtualAddresses* const addresses_;
  Counters counters_;
  Upstreams upstreams_;
  Directory directory_;
  Zone zone_;
  Pace pace_;
  std::vector<std::unique_ptr<Socket>> sockets_;
  std::vector<std::unique_ptr<Door>> doors_;
  std::vector<net::Address> local_;
  IntrusiveList<Stream> streams_;
  IntrusiveList<Job> jobs_;
  size_t stream_count_ = 0, job_count_ = 0, given_ = 0;
  TimePoint quiet_until_{};
  uint64_t unsaid_ = 0;
  std::function<void()> on_given_;
  net::BoundTimer<Server, &Server::on_save> save_{*this};
};

}  // namespace outrider::dns
