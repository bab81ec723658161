#pragma once
// Kubernetes' API server, as far as EndpointSlices go, and everything that it may do wrong.

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/origin.h"
#include "tests/support/tls.h"

namespace outrider::test {

struct TestSlice {
  std::string name, service;
  std::vector<std::string> endpoints;  // of endpoint()
  uint16_t port = 0;
  std::string port_name = "http", family = "IPv4", label = {};  // label: "\"outrider.dev/tls\": \"clear\""
  std::string json(const std::string& space, uint64_t version, bool typed) const;
};
// As JSON; `more` are further members of it: "\"zone\": \"a\"".
std::string endpoint(const std::string& address, const std::string& conditions = "\"ready\": true", const std::string& more = {});

// Lists and watches of one namespace, by TLS (or in clear text, without certificates) to whoever shows the token. Any thread.
class ApiServer {
 public:
  explicit ApiServer(const Certificates* certificates, std::string space = "shop");
  ~ApiServer();
  std::string url() const { return (tls_ ? "https://" : "http://") + origin_->text(); }
  void put(const TestSlice& slice);  // and watches are told
  void erase(const std::string& name);
  void bookmark();                      // to all watches, of a version that no slice has
  void send(const std::string& bytes);  // to all watches, as they are
  void end_watches();                   // as their time had come
  void cut_watches();                   // RST
  void compact(bool as_event);          // older versions than the newest are forgotten: 410, or 200 and an event of it
  void expect_token(const std::string& token);
  void refuse(int status, const std::string& fields = {});  // everything; 0: no more
  void list_as(const std::string& body);                    // what is listed; empty: what there is
  void be_away(bool away);                                  // whoever is connected, or connects, is reset
  void be_mute(bool mute);                                  // requests are read, and not answered
  void cut_lists(bool cut);                                 // RST in the middle
  std::vector<std::string> asked() const;                   // paths, in their order
  int lists() const, watches() const;                       // that were begun
  int open_watches() const;
  uint64_t version() const;

 private:
  struct Watch {
    std::vector<std::string> lines;
    bool ended = false, cut = false;
  };
  void serve(Stream& connection);
  bool answer(Stream& connection, const Message& request);
  bool list(Stream& connection, const std::string& query);
  bool watch(Stream& connection, const std::string& query);
  void tell(const std::string& type, const std::string& service, const std::string& object);
  const std::string space_;
  std::unique_ptr<TlsServer> tls_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, TestSlice> slices_;
  std::map<std::string, uint64_t> versions_;
  struct Past {
    uint64_t version;
    std::string service, line;
  };
  std::vector<Past> past_;
  uint64_t version_ = 100, forgotten_ = 0;
  bool gone_as_event_ = false, away_ = false, mute_ = false, cut_lists_ = false, stopped_ = false;
  std::string token_, list_, refusal_fields_;
  int refusal_ = 0, lists_ = 0, watches_ = 0;
  std::vector<std::string> asked_;
  std::vector<std::pair<std::string, std::shared_ptr<Watch>>> open_;  // by service
  std::unique_ptr<Origin> origin_;
};

}  // namespace outrider::test
