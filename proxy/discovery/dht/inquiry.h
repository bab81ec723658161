#pragma once
// Looks for a key past OpenDHT: on several ways that share no step.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "discovery/dht/table.h"
#include "net/loop.h"

namespace outrider::discovery {

class InquirySocket {
 public:
  virtual void send_question(const std::string& packet, const net::Address& to) = 0;

 protected:
  ~InquirySocket() = default;
};

// OpenDHT asks the nodes whose ids are nearest to a key, and ids are chosen by whoever has one: a few bad members beside a
// key hide what lies under it. So others are asked as well: each way begins at a node of its own and follows the nodes it
// is named, nearest first and none that another way has asked, so that one honest beginning is enough. Nodes keep what they
// have put themselves: of a service's own nodes each answers for itself. Owned by the registry's node; its thread.
class Inquiry {
 public:
  static constexpr size_t kWays = 16, kSteps = 4;  // at most, and questions on each
  static constexpr milliseconds kPatience{1500};   // with one answer
  Inquiry(net::Loop& loop, InquirySocket& socket, std::string node_id, uint32_t network);
  ~Inquiry();

  using Found = std::function<void(const Values&, const net::Address& from)>;
  // `found` any number of times, then `done`, never from inside this call; neither once the loop has ended. `steps`: on each way.
  void ask(const std::string& hash, const std::vector<net::Address>& begin, size_t steps, Found found,
           std::function<void()> done);
  // An answer to us? Then it is not for OpenDHT. `packet` is sound: Gate has admitted it.
  bool take(std::string_view packet, const net::Address& from);

 private:
  struct Way;
  struct Search;
  struct Question;
  void step(const std::shared_ptr<Search>& search, size_t way);
  net::Loop& loop_;
  InquirySocket& socket_;
  const std::string node_id_;
  const uint32_t network_;
  std::map<uint32_t, std::unique_ptr<Question>> open_;  // by transaction
};

}  // namespace outrider::discovery
