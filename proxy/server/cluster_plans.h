#pragma once
// From clusters as they are written to what is served.

#include <string>

#include "config/document.h"
#include "upstream/cluster_plan.h"

namespace outrider::server {

// `zone` is our own.
upstream::ClusterPlan plan_of(const config::Cluster& cluster, upstream::TlsPlan tls, const std::string& zone);
upstream::TryPlan plan_of(const config::Tries& tries);
uint32_t slots_of(const config::Service& service);  // requests the application works on at a time; 0: nobody says
// Of the application beside us. A limit that is learnt may come to as many as the cluster takes.
upstream::AdmissionPlan admission_of(const config::Service& service, const config::Cluster& local);

}  // namespace outrider::server
