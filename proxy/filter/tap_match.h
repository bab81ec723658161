#pragma once
// Which exchanges somebody wants to see: one language for `outrider tap`, the page /tap and the filter `tap`.

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/pace.h"
#include "http/header_map.h"

namespace outrider::filter {

// All that is asked for must hold. Filled by add(), then constant; shared by all workers.
class TapMatch {
 public:
  struct Asked {  // all empty: a TCP connection
    std::string_view method, host, path;
    std::span<const http::Field> fields;
  };
  struct Ended {
    uint16_t status = 0;  // 0: there was none
    std::optional<uint32_t> grpc_status;
    std::string_view listener, route, cluster, flag;
    std::string_view client, endpoint;  // identities that TLS has shown
    std::chrono::microseconds duration{0};
  };
  // One more thing to ask for. What is given with commas, or again, are alternatives; each header must be there. Empty, or
  // what is wrong with it.
  //   method=GET,POST  host=shop.test,*.shop.test  prefix=/cart  path=/  header=x-tap:1  header=x-tap
  //   status=5xx,404,400-403  grpc_status=14  cluster=shop/cart (or cart)  route=edge-0  listener=edge  flag=request_timeout
  //   peer=shop/web (shop/*, a whole SPIFFE ID: of whoever asked, or was asked)  slower=100ms
  std::string add(std::string_view key, std::string_view value);
  static const char* keys();  // "method, host, ..."
  bool of_request(const Asked& asked) const;
  bool of_end(const Ended& ended) const;

 private:
  struct Range {
    uint32_t first, last;
  };
  struct Named {
    std::string name;
    std::optional<std::string> value;  // none: whatever it is
  };
  using Texts = std::vector<std::string>;
  std::string add_header(std::string_view value);
  std::string add_slower(std::string_view value);
  std::string add_one(std::string_view key, std::string value);
  Texts methods_, hosts_, prefixes_, paths_, clusters_, routes_, listeners_, flags_, peers_;
  std::vector<Named> headers_;
  std::vector<Range> statuses_, grpc_statuses_;
  std::chrono::microseconds slower_{0};
};

// What a filter `tap` picks. Belongs to its filter, and lives as long.
struct Tapping {
  TapMatch match;
  uint32_t max = 100;  // a second, of all workers
  mutable Pace pace;
};

}  // namespace outrider::filter
