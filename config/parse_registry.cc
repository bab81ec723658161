// `registry`: how services find each other, and who may speak for them.

#include "base/text.h"
#include "config/name_server.h"
#include "config/parse.h"

namespace outrider::config {

namespace {

std::string check_host_port(std::string& text) {
  return check_address(text, {.names = true, .wildcard = false, .unix_path = false, .port_zero = false});
}

bool is_service(std::string_view name) {
  const size_t slash = name.find('/');
  return slash != name.npos && is_label(name.substr(0, slash)) && is_label(name.substr(slash + 1));
}

void read_owners(Fields& fields, std::vector<Registry::Owner>& owners) {
  const Node* value = fields.hand("owners", "map of identities, by service", "{}");
  fields.keep("owners", value ? *value : Node::map());
  if (!value) return;
  if (!value->is_map()) return fields.error("owners", *value, "expected a map of identities, by service, got " + kind_of(*value));
  Reading& reading = fields.reading();
  for (const auto& entry : value->entries()) {
    const std::string path = join_path(fields.path("owners"), entry.key);
    if (!is_service(entry.key))
      reading.complain(Severity::Error, entry.value, entry.key_mark, path,
                       "expected namespace/service (lower-case letters, digits and -), got \"" + entry.key + "\"");
    Registry::Owner owner{entry.key, {}, where_of(entry.value, entry.key_mark)};
    if (entry.value.is_map()) reading.error(entry.value, path, "expected identities, got a map");
    else if (items_of(entry.value).empty()) reading.error(entry.value, path, "who may speak for it? [\"*\"] is every identity");
    else
      for (const Node& item : items_of(entry.value)) {
        std::string pattern = item.text();
        const std::string wrong = item.is_scalar() ? check_identity(pattern) : "expected a text, got " + kind_of(item);
        if (!wrong.empty()) reading.error(item, path, wrong);
        owner.identities.push_back(std::move(pattern));
      }
    owners.push_back(std::move(owner));
  }
}

}  // namespace

void read_registry(Fields& top, Registry& r) {
  Fields fields = top.map("registry");
  fields.choice("kind", r.kind,
                {{"dht", Registry::Kind::Dht}, {"kubernetes", Registry::Kind::Kubernetes}, {"none", Registry::Kind::None}},
                {"consul"});
  if (const Node* kind = fields.given("kind"); !OUTRIDER_DHT && kind && r.kind == Registry::Kind::Dht)
    fields.error("kind", *kind, std::string(kNoDht) + "; expected kubernetes or none");
  fields.address("bind", r.bind, {.unix_path = false});
  fields.texts("bootstrap", r.bootstrap, "host:port", check_host_port);
  fields.text("key", r.key, "file");
  fields.number("network", r.network);
  fields.duration("lease", r.lease, seconds(20), seconds(600));
  fields.duration("valid", r.valid, seconds(60), seconds(900));
  fields.choice("sign", r.sign,
                {{"auto", Registry::Sign::Auto},
                 {"required", Registry::Sign::Required},
                 {"preferred", Registry::Sign::Preferred},
                 {"off", Registry::Sign::Off}});
  fields.choice(
      "node_ids", r.node_ids,
      {{"bound", Registry::NodeIds::Bound}, {"offered", Registry::NodeIds::Offered}, {"free", Registry::NodeIds::Free}});
  read_owners(fields, r.owners);
  fields.number_or_auto("shards", r.shards, 1, 256);
  fields.duration("idle_timeout", r.idle_timeout, seconds(1));
  if (!fields.off("snapshot", false)) fields.text("snapshot", r.snapshot, "folder or off");
  else r.snapshot.clear();
  {
    Fields stale = fields.map("stale");
    stale.duration("serve", r.stale_serve);
  }
  if (!fields.off("dns", false)) {
    Fields dns = fields.map("dns");
    dns.text("domain", r.domain, "domain", check_trust_domain);
    read_name_server(dns);
  }
  const Node* kubernetes = fields.given("kubernetes");
  read_kubernetes(fields, r.kubernetes);
  if (kubernetes && kubernetes->size() > 0 && r.kind != Registry::Kind::Kubernetes)
    fields.reading().warn(*kubernetes, fields.path("kubernetes"), "has no effect: registry.kind is not kubernetes");
  if (const Node* lease = fields.given("lease"); lease && r.valid <= r.lease)
    fields.error("lease", *lease, "registry.valid (" + duration_text(r.valid) + ") must be longer than the lease");
}

}  // namespace outrider::config
