#pragma once
// One name in DNS and what it stands for, asked for anew as soon as that holds no longer.

#include <string>
#include <vector>

#include "config/document.h"
#include "net/resolver.h"

namespace outrider::discovery {

// Owned by a service of the DnsRegistry; control loop. Its end takes back what is under way. What a server says there is none of
// after it was there must be said twice: half-started servers say so, too.
class DnsName final : net::DnsQuestion {
 public:
  struct Events {
    virtual void on_dns_result(net::DnsAnswer::Result result) = 0;  // of each question
    virtual void on_name_changed() = 0;                             // records, state or trouble

   protected:
    ~Events() = default;
  };
  // Asking: nothing has come yet. None: there is decidedly nothing. Failing: nobody says; there may be records from before.
  enum class State : uint8_t { Asking, Found, None, Failing };
  // `types`: one is asked for after the other until there is something of it.
  DnsName(net::Loop& loop, net::Resolver& resolver, std::string name, std::vector<net::DnsType> types, const config::Dns& options,
          Events& events);
  State state() const { return state_; }
  const std::vector<net::DnsRecord>& records() const { return records_; }  // sorted
  const std::string& trouble() const { return trouble_; }  // what was asked of whom and came back; empty: all is well
  std::string question() const;                            // "A of web.example.com"

 private:
  void ask();
  void on_dns_answer(const net::DnsAnswer& answer) override;
  void on_found(const net::DnsAnswer& answer);
  void on_none(const net::DnsAnswer& answer);
  void on_failure(const net::DnsAnswer& answer);
  std::string explain(net::DnsAnswer::Result result) const;
  void set(State state, std::string trouble, milliseconds wait);
  net::Loop& loop_;
  net::Resolver& resolver_;
  const std::string name_;
  const std::vector<net::DnsType> types_;
  const config::Dns options_;
  Events& events_;
  size_t at_ = 0;  // of types_
  State state_ = State::Asking;
  std::string trouble_;
  std::vector<net::DnsRecord> records_;
  uint32_t failures_ = 0, nones_ = 0;  // in a row
  net::BoundTimer<DnsName, &DnsName::ask> again_{*this};
};

}  // namespace outrider::discovery
