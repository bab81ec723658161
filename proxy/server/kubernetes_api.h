#pragma once
// The API server of Kubernetes, as discovery/kubernetes asks it.

#include <memory>
#include <string>
#include <vector>

#include "base/arena.h"
#include "discovery/kubernetes/api.h"
#include "identity/file_mark.h"
#include "identity/outcome.h"
#include "server/url_host.h"

namespace outrider::server {

// Asks with the bearer token of a file, which is read anew whenever it is another: kubelet renews it long before it expires. By
// HTTP/1.1, a connection for each question under way, so that one that is silent is cut alone. Owned by KubernetesMesh; control
// loop.
class KubernetesApi final : public discovery::Api, UrlHostEvents {
 public:
  struct Settings {
    filter::Url server;
    TlsFiles::Slot tls;  // null: http://
    milliseconds connect{10000};
    std::string token_file;  // empty: nobody asks for one
    uint32_t connections = 1000;
  };
  KubernetesApi(const upstream::Context& context, Settings settings);
  ~KubernetesApi();
  std::unique_ptr<discovery::ApiCall> get(const std::string& path, discovery::ApiEvents& events) override;
  bool has_other_token() override;
  uint64_t bytes_in() const { return bytes_in_; }    // of bodies
  uint64_t bytes_out() const { return bytes_out_; }  // of paths

 private:
  class Call;
  void on_host(const char* failure, const std::string& why) override;
  identity::Outcome<std::string> token();
  net::Loop& loop_;
  const std::string token_file_;
  upstream::AttemptPool attempts_;
  UrlHost host_;
  std::vector<Call*> waiting_;  // for the host's addresses
  identity::FileMark mark_;     // of the token that was last shown
  std::string token_;
  uint64_t bytes_in_ = 0, bytes_out_ = 0;
};

}  // namespace outrider::server
