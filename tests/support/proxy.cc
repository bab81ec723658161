#include "tests/support/proxy.h"

#include <gtest/gtest.h>

#include <csignal>
#include <future>
#include <sstream>

#include "base/log.h"
#include "config/load.h"
#include "filters/all.h"

namespace outrider::test {

Proxy::Proxy(const std::string& yaml, std::vector<std::string> set) {
  std::signal(SIGPIPE, SIG_IGN);  // as main() does: splice(2) has no flag against it
  config::Sources sources;
  sources.text = yaml;
  sources.file = "test.yaml";
  sources.filters = filters::names();
  sources.check_filter = filters::check;
  sources.set = std::move(set);
  sources.set.insert(sources.set.begin(), "config.history=off");
  for (const char* port :
       {"admin.address=127.0.0.1:0", "admin.health=off", "telemetry.metrics.address=127.0.0.1:0", "lifecycle.drain.delay=0",
        "lifecycle.outbound_until=drain", "telemetry.log.level=error", "registry.dns.listen=off"})
    sources.set.insert(sources.set.begin(), port);
  auto outcome = config::load(sources);
  EXPECT_TRUE(outcome.document) << config::print(outcome.complaints);
  if (!outcome.document) std::abort();  // nothing below can go on
  std::promise<std::string> started;
  auto future = started.get_future();
  thread_ = std::thread([&started, this, sources, document = std::move(*outcome.document)]() mutable {
    supervisor_ = std::make_unique<server::Supervisor>(server::Settings{
        .document = std::move(document), .signals = false, .file_look = file_look, .cgroup = cgroup, .sources = sources});
    auto* supervisor = supervisor_.get();
    const std::string problem = supervisor->start();
    started.set_value(problem);
    if (problem.empty()) code_ = supervisor->run();
  });
  const std::string problem = future.get();
  EXPECT_EQ(problem, "");
  if (!problem.empty()) std::abort();
}

Proxy::~Proxy() { end(); }

int Proxy::end() {
  if (thread_.joinable()) {
    supervisor_->end();
    thread_.join();
    supervisor_.reset();
  }
  return code_;
}

std::string Proxy::edge(const std::vector<std::string>& endpoints, const std::string& cluster, const std::string& listener) {
  std::string text = "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"" +
                     (listener.empty() ? "" : ", " + listener) +
                     "}}\nroutes: {edge: [{cluster: web}]}\nclusters: {web: {endpoints: [";
  for (size_t i = 0; i < endpoints.size(); ++i) text += (i ? ", \"" : "\"") + endpoints[i] + "\"";
  return text + "]" + (cluster.empty() ? "" : ", " + cluster) + "}}\n";
}

Message Proxy::get(const std::string& path, std::string_view port) {
  return request(address(port), "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
}

// On one kept connection: a wait for a value must not use up the machine's ports.
std::string Proxy::scrape() {
  for (int i = 0; i < 2; ++i) {
    if (!scraper_) scraper_.emplace(connect("metrics"));
    scraper_->send("GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
    if (auto page = scraper_->read_message()) return page->body;
    scraper_.reset();  // it was idle for too long
  }
  ADD_FAILURE() << "no metrics";
  return {};
}

double Proxy::metric(std::string_view name, std::string_view labels) {
  std::istringstream lines(scrape());
  double sum = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name) || line.find(labels) == std::string::npos) continue;
    if (line.size() > name.size() && line[name.size()] != '{' && line[name.size()] != ' ') continue;
    sum += std::stod(line.substr(line.rfind(' ')));
  }
  return sum;
}

void Proxy::expect_metric(double value, std::string_view name, std::string_view labels) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  double found = 0;
  do {
    found = metric(name, labels);
    if (found == value) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // between looks, not instead of one
  } while (std::chrono::steady_clock::now() < limit);
  ADD_FAILURE() << name << "{" << labels << "} is " << found << ", not " << value;
}

Message request(const net::Address& to, const std::string& bytes, bool head_only) {
  Stream stream = Stream::connect(to);
  stream.send(bytes);
  auto message = stream.read_message(head_only);
  EXPECT_TRUE(message) << "no answer to " << bytes.substr(0, 80);
  return message ? *message : Message{};
}

}  // namespace outrider::test
