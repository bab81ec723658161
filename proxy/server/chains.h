#pragma once
// Filters and chains of one configuration.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "config/document.h"
#include "exchange/snapshot.h"
#include "filter/chain.h"

namespace outrider::server {

// Rules with the same filters share one chain, however many they are; each place in the configuration has one filter, in however
// many chains it stands. Lives for one compile(); control thread.
class Chains {
 public:
  using Made = std::map<std::string, exchange::MadeFilter>;  // by place
  // `home`: "shop/cart", as far as filters share with others. `before`: filters of the configuration in force, which go on where
  // they are the same.
  explicit Chains(std::string home = {}, const Made* before = nullptr) : home_(std::move(home)), before_(before) {}
  std::shared_ptr<const filter::Chain> of(const config::Chain& uses);
  std::vector<std::shared_ptr<const filter::IpRules>> ip_rules(const config::Chain& uses);
  const std::string& problem() const { return problem_; }  // with what filters need; empty: none
  Made take() { return std::move(made_); }

 private:
  std::shared_ptr<const filter::Filter> make(const config::FilterUse& use);
  const exchange::MadeFilter* kept(const std::string& path, const exchange::MadeFilter& wanted);
  const std::string home_;
  const Made* const before_;
  std::string problem_;
  std::set<std::string> taken_;  // of before_
  Made made_;
  std::map<std::string, std::shared_ptr<const filter::Chain>> chains_;
};

}  // namespace outrider::server
