#pragma once
// Files and pipes that access logs go to.

#include <map>
#include <memory>
#include <string>

#include "config/document.h"
#include "exchange/access_log.h"
#include "identity/outcome.h"

namespace outrider::server {

// One writer for each name, from the first configuration that names it to the end of the process. Owned by the supervisor;
// control loop.
class AccessLogs {
 public:
  using Plan = std::shared_ptr<const exchange::AccessLogPlan>;
  identity::Outcome<Plan> plan_of(const config::AccessLog& log);  // null: off. The reason: what cannot be written to
  void start();   // the writers' threads: of those there are, and of those to come
  void reopen();  // files, by their names
  uint64_t dropped_lines() const;
  size_t queued_bytes() const;

 private:
  std::map<std::string, std::unique_ptr<exchange::AccessLogWriter>> writers_;
  bool started_ = false;
};

}  // namespace outrider::server
