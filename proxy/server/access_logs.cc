#include "server/access_logs.h"

#include <cerrno>
#include <cstring>

#include "config/values.h"
#include "filter/tap_options.h"

namespace outrider::server {

using exchange::AccessLogPlan;

namespace {

AccessLogPlan::Field field_of(const std::string& name, const std::string& from) {
  using From = AccessLogPlan::Field::From;
  const size_t dot = from.find('.');
  if (from.starts_with('=')) return {From::Text, name, from.substr(1)};
  return {from.starts_with("response_header.") ? From::Response : From::Request, name, from.substr(dot + 1)};
}

}  // namespace

identity::Outcome<AccessLogs::Plan> AccessLogs::plan_of(const config::AccessLog& log) {
  if (log.format == config::AccessLog::Format::Off) return Plan();
  auto plan = std::make_shared<AccessLogPlan>();
  plan->format = log.format == config::AccessLog::Format::Json ? AccessLogPlan::Format::Json : AccessLogPlan::Format::Text;
  plan->sample = log.sample;
  plan->sample_errors = log.sample_errors;
  for (const auto& [name, from] : log.fields) {
    if (config::is_off(from)) plan->without.push_back(name);
    else plan->fields.push_back(field_of(name, from));
  }
  if (log.when.is_map()) {
    config::Node options = config::Node::map();
    options.put("match", log.when);
    filter::Complaint complaint;
    filter::Options reading(options, complaint);
    if (!filter::read_match(reading, plan->when.emplace())) return identity::Failure{"when: " + complaint.message};
  }
  auto& writer = writers_[log.to];
  if (!writer) writer = std::make_unique<exchange::AccessLogWriter>(log.to);
  if (!writer->opened()) {
    const std::string why = "to: cannot write to " + log.to + ": " + std::strerror(errno);
    writers_.erase(log.to);
    return identity::Failure{why};
  }
  if (started_) writer->start();
  plan->writer = writer.get();
  return Plan(std::move(plan));
}

void AccessLogs::start() {
  started_ = true;
  for (auto& [to, writer] : writers_) writer->start();
}

void AccessLogs::reopen() {
  for (auto& [to, writer] : writers_) writer->reopen();
}

uint64_t AccessLogs::dropped_lines() const {
  uint64_t all = 0;
  for (const auto& [to, writer] : writers_) all += writer->dropped_lines();
  return all;
}

size_t AccessLogs::queued_bytes() const {
  size_t all = 0;
  for (const auto& [to, writer] : writers_) all += writer->queued_bytes();
  return all;
}

}  // namespace outrider::server
