#pragma once
// Who we are: from identity.dir, read at start and whenever a file of it is another, or from an agent, which says so itself.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/document.h"
#include "identity/file_mark.h"
#include "identity/files.h"
#include "identity/identity.h"
#include "net/loop.h"
#include "server/workload_api.h"
#include "server/workload_tls.h"
#include "stats/stats.h"

namespace outrider::server {

// What cannot be used changes nothing: the identity there was stays, and the log says why. Owned by the supervisor;
// control loop.
class Credentials final : WorkloadApiEvents {
 public:
  // `renewed` is called after start() only, with what identity() is from then on.
  Credentials(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard, const config::Document& document,
              milliseconds look, std::function<void(const identity::Identity&)> renewed);
  // Empty, or what is wrong with the folder, or why the agent gave nothing for `identity.wait`.
  std::string start();
  const std::optional<identity::Identity>& identity() const { return identity_; }
  WorkloadTls* workload() { return workload_ ? &*workload_ : nullptr; }  // null: nobody speaks mutual TLS

 private:
  using Marks = std::vector<identity::FileMark>;
  void on_svids(std::string_view message) override;
  void on_agent_trouble(const std::string& why) override;
  std::string ask_agent();
  identity::Outcome<identity::Identity> read() const;
  std::string fit(identity::Identity& fresh) const;  // with identity.trust; empty, or why it cannot be used
  std::string take(identity::Outcome<identity::Identity> fresh);
  void renew(identity::Outcome<identity::Identity> fresh);
  Marks marks() const;
  void look();
  void warn();
  net::Loop& control_;
  stats::Shard& shard_;
  const stats::Slot renewals_, failures_;
  const milliseconds look_;
  const config::Identity& settings_;
  const std::function<void(const identity::Identity&)> renewed_;
  std::optional<identity::Identity> identity_;
  std::optional<WorkloadTls> workload_;
  std::unique_ptr<WorkloadApi> agent_;
  std::optional<identity::Identity> given_;  // by the agent, as it came
  std::string trouble_;                      // with the agent, as the log has it
  Marks seen_;
  std::string warned_;  // what the log has said last
  TimePoint warn_due_{};
  bool started_ = false;
  net::BoundTimer<Credentials, &Credentials::look> again_{*this};
};

}  // namespace outrider::server
