#pragma once
// One maker a balancer, for the table in all.cc.

#include "upstream/balancer.h"

namespace outrider::upstream::balance {

std::unique_ptr<Balancer> make_round_robin(const ClusterPlan& plan, Random& random);
std::unique_ptr<Balancer> make_random(const ClusterPlan& plan, Random& random);
std::unique_ptr<Balancer> make_least_request(const ClusterPlan& plan, Random& random);
std::unique_ptr<Balancer> make_ewma(const ClusterPlan& plan, Random& random);
std::unique_ptr<Balancer> make_ring_hash(const ClusterPlan& plan, Random& random);
std::unique_ptr<Balancer> make_adaptive(const ClusterPlan& plan, Random& random);
std::unique_ptr<Balancer> make_maglev(const ClusterPlan& plan, Random& random);

}  // namespace outrider::upstream::balance
