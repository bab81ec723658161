#include "server/mesh.h"

#include "base/log.h"
#include "server/kubernetes_mesh.h"
#include "stats/names.h"

namespace outrider::server {

namespace names = stats::names;

namespace {

uint64_t microseconds(milliseconds took) { return uint64_t(std::max<int64_t>(0, took.count())) * 1000; }

discovery::Sign sign_of(config::Registry::Sign sign) {
  switch (sign) {
    case config::Registry::Sign::Required: return discovery::Sign::Required;
    case config::Registry::Sign::Preferred: return discovery::Sign::Preferred;
    case config::Registry::Sign::Off: return discovery::Sign::Off;
    case config::Registry::Sign::Auto: break;
  }
  return discovery::Sign::Auto;
}

discovery::NodeIds node_ids_of(config::Registry::NodeIds node_ids) {
  switch (node_ids) {
    case config::Registry::NodeIds::Offered: return discovery::NodeIds::Offered;
    case config::Registry::NodeIds::Free: return discovery::NodeIds::Free;
    case config::Registry::NodeIds::Bound: break;
  }
  return discovery::NodeIds::Bound;
}

discovery::DhtOptions options_of(const config::Document& document, const std::optional<identity::Identity>& identity) {
  const config::Registry& from = document.registry;
  discovery::DhtOptions options;
  options.address = document.node.address;
  options.bootstrap = from.bootstrap;
  options.network = from.network;
  if (identity) options.identity = std::make_shared<const identity::Identity>(*identity);
  options.sign = sign_of(from.sign);
  options.node_ids = node_ids_of(from.node_ids);
  options.trust_domain = document.identity.trust_domain;
  options.lease = from.lease;
  options.valid = from.valid;
  options.stale_serve = from.stale_serve;
  options.shards = uint16_t(from.shards);
  if (!from.snapshot.empty()) options.folder = from.snapshot + "/" + document.node.id;
  return options;
}

}  // namespace

Mesh::Mesh(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard)
    : control_(control), catalog_(catalog), shard_(shard), lookup_(catalog.slot(names::kRegistryLookupDuration)),
      propagation_(catalog.slot(names::kRegistryPropagation)),
      published_(catalog.slot(names::kRegistryPublishes, {{"result", "success"}})),
      unpublished_(catalog.slot(names::kRegistryPublishes, {{"result", "failure"}})) {}

Mesh::~Mesh() { stop(); }

std::string Mesh::start(const config::Document& document, const std::optional<identity::Identity>& identity, int socket,
                        milliseconds file_look) {
  if (document.registry.kind == config::Registry::Kind::None) return {};
  if (document.registry.kind == config::Registry::Kind::Kubernetes) {
    auto made = std::make_unique<KubernetesMesh>(control_, catalog_, shard_);
    if (auto problem = made->start(document, file_look); !problem.empty()) return problem;
    kubernetes_ = std::move(made);
    return {};
  }
  auto options = options_of(document, identity);
  options.socket = socket;
  const auto bind = net::Address::parse(document.registry.bind);
  if (!bind) return "registry.bind: \"" + document.registry.bind + "\" is no address";
  options.bind = *bind;
  for (const auto& [service, patterns, where] : document.registry.owners) {
    for (const std::string& pattern : patterns)
      if (!identity::valid_pattern(pattern))
        return where.file + (where.line ? ":" + std::to_string(where.line) : "") + ": registry.owners." + service + ": \"" +
               pattern + "\" is no identity";
    options.owners.by_service[service] = patterns;
  }
  if (!document.registry.key.empty()) {
    auto keys = identity::load_mesh_keys(document.registry.key);
    if (!keys) return "registry.key: " + keys.why();
    options.mesh_keys = std::move(*keys);
  }
  std::string why;
  dht_ = discovery::make_dht_registry(control_, std::move(options), *this, why);
  if (!dht_) return "registry.kind: " + why;
  if (auto problem = dht_->start(); !problem.empty()) {
    dht_.reset();
    return "registry.bind: " + problem;
  }
  return {};
}

void Mesh::renew(const identity::Identity& identity) {
  if (dht_) dht_->set_identity(std::make_shared<const identity::Identity>(identity));
}

void Mesh::stop() {
  if (dht_) dht_->stop();
  dht_.reset();
  kubernetes_.reset();
}

discovery::Registry* Mesh::names() const {
  return kubernetes_ ? static_cast<discovery::Registry*>(&kubernetes_->registry()) : dht_.get();
}

admin::RegistryView Mesh::view() const {
  if (kubernetes_) return kubernetes_->view();
  admin::RegistryView view;
  view.kind = "none";
  if (!dht_) return view;
  const auto facts = dht_->facts();
  view.kind = "dht";
  view.ready = facts.answering;
  view.sealed = facts.sealed;
  view.signed_records = facts.signs;
  view.detail =
      facts.answering ? std::to_string(facts.peers) + (facts.peers == 1 ? " peer answers" : " peers answer") : "nobody answers";
  if (!facts.detail.empty()) view.detail += "; " + facts.detail;
  for (const auto& each : dht_->services())
    if (each.known == discovery::Known::Absent) view.detail += "; nothing is found of " + each.service;
  view.node_id = facts.node_id;
  view.address = facts.address;
  view.peers = facts.peers;
  for (const auto& seed : facts.seeds) view.seeds.push_back({seed.address, seed.state});
  for (const auto& own : facts.announced) view.announced.push_back({own.service, own.address, own.sequence, own.lease_left_s});
  return view;
}

std::vector<Mesh::Watched> Mesh::watched() const {
  std::vector<Watched> all;
  const auto add = [&](const auto& each) {
    Watched one{each.service, discovery::name_of(each.known), each.instances, each.draining, {}};
    if (each.age) one.age_s = double(each.age->count()) / 1000;
    all.push_back(std::move(one));
  };
  if (dht_)
    for (const auto& each : dht_->services()) add(each);
  if (kubernetes_)
    for (const auto& each : kubernetes_->registry().watched()) add(each);
  return all;
}

Mesh::Names Mesh::listed() const {
  if (!dht_) return {};
  dht_->list();
  const auto facts = dht_->facts();
  Names names{{}, facts.listed_completely};
  for (const auto& each : facts.listed) names.services.push_back(each.service);
  return names;
}

std::optional<milliseconds> Mesh::longest_turn() const {
  if (!dht_) return {};
  return milliseconds(dht_->stats().longest_turn_ms.load(std::memory_order_relaxed));
}

void Mesh::add_samples(stats::Samples& samples) const {
  if (kubernetes_) kubernetes_->add_samples(samples);
  if (!dht_) return;
  const auto& stats = dht_->stats();
  const auto facts = dht_->facts();
  const auto counts = dht_->records();
  samples.add(names::kRegistryInfo, 1, {{"sealed", facts.sealed ? "true" : "false"}, {"signed", facts.signs ? "true" : "false"}});
  samples.add(names::kMemory, double(stats.stored_bytes.load(std::memory_order_relaxed)), {{"subsystem", "registry"}});
  samples.add(names::kRegistryPeers, stats.peers.load(std::memory_order_relaxed));
  samples.add(names::kRegistryServices, double(dht_->services().size()));
  samples.add(names::kRegistryRecords, counts.valid, {{"state", "valid"}});
  samples.add(names::kRegistryRecords, counts.stale, {{"state", "stale"}});
  samples.add(names::kRegistryRecords, counts.tombstones, {{"state", "tombstone"}});
  samples.add(names::kRegistryBytes, double(stats.bytes_in.load(std::memory_order_relaxed)), {{"way", "in"}});
  samples.add(names::kRegistryBytes, double(stats.bytes_out.load(std::memory_order_relaxed)), {{"way", "out"}});
  for (size_t i = 1; i < stats.rejected.size(); ++i)
    samples.add(names::kRegistryRejected, double(stats.rejected[i].load(std::memory_order_relaxed)),
                {{"reason", discovery::reason(discovery::RecordVerdict(i))}});
  samples.add(names::kRegistryUnlisted, double(stats.unlisted.load(std::memory_order_relaxed)));
  samples.add(names::kRegistryWithheld, double(stats.withheld.load(std::memory_order_relaxed)));
  for (const auto& each : dht_->services())
    if (each.age && each.known != discovery::Known::Absent)
      samples.add(names::kRegistryStaleness, double(each.age->count()) / 1000, {{"cluster", each.service}});
}

void Mesh::on_registry_answering(bool yes) {
  yes ? log::info("the registry answers") : log::warn("nobody in the registry answers: what was known goes on being used");
}

void Mesh::on_lookup(milliseconds took) { shard_.observe(lookup_, microseconds(took)); }

void Mesh::on_seen(milliseconds took) { shard_.observe(propagation_, microseconds(took)); }

void Mesh::on_published(const std::string& service, bool acknowledged) {
  shard_.add(acknowledged ? published_ : unpublished_);
  if (!acknowledged) log::warn("a registration was not acknowledged; it is repeated", {{"service", service}});
}

void Mesh::on_withdrawn(const std::string& service, bool acknowledged) {
  shard_.add(acknowledged ? published_ : unpublished_);
  log::info("withdrawn", {{"service", service}, {"acknowledged", acknowledged ? "yes" : "no"}});
}

}  // namespace outrider::server
