#include "server/check/checks.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <future>
#include <memory>
#include <set>
#include <thread>

#include "base/text.h"
#include "config/values.h"
#include "identity/identity.h"
#include "net/address.h"
#include "net/loop.h"
#include "server/build.h"
#include "server/check/machine.h"
#include "server/compile.h"
#include "server/json_fields.h"

namespace outrider::server {

namespace {

constexpr seconds kPatience{3};

std::string joined(const std::vector<std::string>& items) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : ", ") + item;
  return out;
}

std::string plural(size_t count, const std::string& what) { return std::to_string(count) + " " + what + (count == 1 ? "" : "s"); }

bool is_number(const std::string& host) {
  const bool bare = host.find(':') != host.npos && !host.starts_with('[');
  return bool(net::Address::parse((bare ? "[" + host + "]" : host) + ":1"));
}

std::string host_of(const std::string& address) { return address.substr(0, address.rfind(':')); }

rapidjson::Document parsed(const std::string& json) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(json.c_str());
  if (document.HasParseError() || !document.IsObject()) document.SetObject();
  return document;
}

// Whether a file, or a folder with what is in it, could be made there: empty, or why not. The nearest folder that is there
// decides.
std::string cannot_write(std::string path) {
  std::error_code failed;
  bool itself = true;
  for (; !path.empty() && path != "/" && !std::filesystem::exists(path, failed); itself = false)
    path = std::filesystem::path(path).parent_path();
  if (path.empty()) path = ".";
  if (!itself && !std::filesystem::is_directory(path, failed)) return path + " is no folder";
  return access(path.c_str(), W_OK) == 0 ? std::string() : std::strerror(errno);
}

std::string time_left(WallTime now, WallTime until) {
  const auto left = std::chrono::duration_cast<std::chrono::hours>(until - now).count();
  return left >= 48 ? plural(size_t(left / 24), "day") : left >= 1 ? plural(size_t(left), "hour") : "less than an hour";
}

}  // namespace

std::string resolve_by_system(const std::string& host) {
  auto answer = std::make_shared<std::promise<std::string>>();
  auto waiting = answer->get_future();
  // Because getaddrinfo cannot be interrupted: the thread ends with the program.
  std::thread([host, answer] {
    addrinfo wanted{}, *list = nullptr;
    wanted.ai_socktype = SOCK_STREAM;
    const int status = getaddrinfo(host.c_str(), nullptr, &wanted, &list);
    if (list) freeaddrinfo(list);
    answer->set_value(status == 0 ? "" : gai_strerror(status));
  }).detach();
  if (waiting.wait_for(kPatience) != std::future_status::ready)
    return "no answer within " + std::to_string(kPatience.count()) + " s";
  return waiting.get();
}

Fact check_configuration(const std::string& file, const config::Outcome& outcome) {
  const std::string name = "configuration";
  std::vector<config::Complaint> errors, warnings;
  for (const auto& each : outcome.complaints) (each.severity == config::Severity::Error ? errors : warnings).push_back(each);
  const auto first = [](const std::vector<config::Complaint>& all) {
    std::string text = config::print({all.front()});
    text.pop_back();
    return text + (all.size() > 1 ? " (and " + std::to_string(all.size() - 1) + " more)" : std::string());
  };
  const std::string fix = "outrider config validate " + (file == "running" ? std::string("FILE") : file) + " says all of it";
  if (!errors.empty()) return wrong(name, first(errors), fix);
  if (!warnings.empty()) return warning(name, first(warnings), fix);
  return fine(name, (file == "running" ? std::string("that of the proxy that runs") : file) + " is valid");
}

Fact check_proxy(const RunningProxy& proxy) {
  const std::string name = "proxy";
  if (proxy) return fine(name, "answers at " + proxy.admin);
  if (proxy.wanted) return wrong(name, proxy.error, "start it, or give another --admin");
  return skipped(name, "none runs at " + proxy.admin + ": what only a running one knows is left out (--admin says where it is)");
}

Fact check_version(const RunningProxy& proxy) {
  const std::string name = "version";
  const admin::Build ours = this_build();
  const std::string own = ours.version + " (" + ours.revision + ")";
  if (!proxy) return fine(name, own);
  const std::string theirs = proxy.version + " (" + proxy.revision + ")";
  if (theirs != own)
    return warning(name, "the proxy that runs is " + theirs + ", this program is " + own,
                   "restart the proxy to have it run what is installed");
  return fine(name, own + ", as the proxy that runs");
}

Fact check_readiness(const RunningProxy& proxy) {
  const std::string name = "readiness";
  if (!proxy || proxy.ready.empty()) return skipped(name, "asked of a running proxy");
  const auto answer = parsed(proxy.ready);
  std::vector<std::string> bad, odd, good;
  if (answer.HasMember("parts") && answer["parts"].IsArray())
    for (const auto& part : answer["parts"].GetArray()) {
      const bool ok = part.HasMember("ok") && part["ok"].IsTrue(), warns = part.HasMember("warning") && part["warning"].IsTrue();
      const std::string text = text_of(part, "name") + ": " + text_of(part, "detail");
      (!ok ? bad : warns ? odd : good).push_back(ok && !warns ? text_of(part, "name") : text);
    }
  if (!bad.empty()) return wrong(name, joined(bad), "no traffic is sent here while /ready says so; the proxy's log says why");
  if (!odd.empty()) return warning(name, "ready, with " + joined(odd), "see the lines below");
  return fine(name, joined(good));
}

Fact check_identity(const config::Document& document, WallTime now) {
  const std::string name = "identity";
  const config::Identity& own = document.identity;
  if (!own.workload_api.empty()) {
    const Door door = look_at_door("identity.workload_api", own.workload_api, false);
    if (door.state == Door::State::Taken) return fine(name, "an agent listens at " + own.workload_api);
    return wrong(name, "no agent listens at " + own.workload_api, "start the agent (SPIRE's), or mount its socket there");
  }
  if (own.dir.empty()) {
    if (document.mode == config::Mode::Edge) return skipped(name, "none is configured: a gateway needs none to serve strangers");
    return warning(name, "none: traffic between sidecars is clear text, and registrations are unsigned",
                   "identity.dir: a folder with tls.crt, tls.key and ca.crt (outrider identity dev-ca and issue make some)");
  }
  const auto found = identity::describe(own.dir, now);
  if (!found)
    return wrong(name, found.why(),
                 "identity.dir: " + own.dir + " needs tls.crt, its key tls.key, and ca.crt with the authority");
  if (!found->problem.empty())
    return wrong(name, own.dir + "/" + found->problem, "a new certificate there; it is used within a second");
  const std::string domain = "spiffe://" + own.trust_domain + "/";
  if (!found->id.starts_with(domain))
    return wrong(name, found->id + " is not of the trust domain " + own.trust_domain,
                 "a certificate for " + domain + "..., or identity.trust_domain");
  if (found->key_open)
    return wrong(name, own.dir + "/tls.key can be read by others than its owner",
                 "chmod 600 " + own.dir + "/tls.key, and another key: this one may be known");
  std::string who = found->id + ", for " + time_left(now, found->not_after) + " yet";
  if (!own.spiffe_id.empty() && document.service && found->id != own.spiffe_id)
    return warning(name, found->id + " is shown, and identity.spiffe_id is " + own.spiffe_id,
                   "a certificate for that, or identity.spiffe_id: " + found->id);
  const auto loaded = identity::Identity::load(own.dir);
  if (const std::string soon = loaded ? loaded->warning(now, own.warn_before) : ""; !soon.empty())
    return warning(name, who + "; " + soon, "renew it; whoever issues it should long have");
  return fine(name, who);
}

Fact check_files(const config::Document& document) {
  const std::string name = "files";
  TlsFiles files;
  std::optional<WorkloadTls> workload;
  if (document.identity.mtls != config::Identity::Mtls::Off) {
    auto own = document.identity.dir.empty() ? identity::Outcome<identity::Identity>(identity::Failure{"no folder"})
                                             : identity::Identity::load(document.identity.dir);
    if (!own) return skipped(name, "without an identity they are not read");
    workload.emplace(std::move(*own), terms_of(document.identity.tls));
  }
  config::Document looked_at = document;
  looked_at.access_log.format = config::AccessLog::Format::Off;  // nothing is to be written
  AccessLogs logs;
  const auto made = compile(looked_at, workload ? &*workload : nullptr, files, logs);
  if (!made) return wrong(name, made.why(), "the proxy would not start like this");
  return fine(name, "certificates, keys and authorities of listeners and clusters fit, and what filters need is there");
}

// What only the running proxy knows: whether the API server answers and what it allows.
Fact check_kubernetes(const config::Kubernetes& own, const RunningProxy& proxy) {
  const std::string name = "registry";
  for (const auto& [key, file] : {std::pair{"token_file", own.token_file}, std::pair{"ca", own.ca}})
    if (!file.empty() && !own.server.starts_with("http://") && access(file.c_str(), R_OK) != 0)
      return wrong(name, file + " cannot be read: " + std::strerror(errno), std::string("registry.kubernetes.") + key);
  if (!proxy || proxy.registry.empty())
    return fine(name, "Kubernetes' EndpointSlices; whether the API server answers, the running proxy would know");
  const auto answer = parsed(proxy.registry);
  const std::string detail = text_of(answer, "detail");
  const bool ready = answer.HasMember("ready") && answer["ready"].IsTrue();
  if (ready) return fine(name, detail);
  return wrong(name, detail, "the ServiceAccount needs get, list and watch of endpointslices (discovery.k8s.io)");
}

Fact check_registry(const config::Document& document, const RunningProxy& proxy, const Resolve& resolve) {
  const std::string name = "registry";
  const config::Registry& own = document.registry;
  if (own.kind == config::Registry::Kind::None) return skipped(name, "none is configured");
  if (own.kind == config::Registry::Kind::Kubernetes) return check_kubernetes(own.kubernetes, proxy);
  std::vector<std::string> bad, odd, good, fixes;
  if (own.bootstrap.empty())
    odd.push_back("there are no seeds: it finds others only once they come to it"),
        fixes.push_back("registry.bootstrap: [HOST:4222]");
  size_t resolved = 0;
  for (const std::string& seed : own.bootstrap) {
    const std::string host = host_of(seed), why = is_number(host) ? "" : resolve(host);
    if (why.empty()) ++resolved;
    else odd.push_back("seed " + seed + ": " + why), fixes.push_back("a name that DNS has, of `outrider dht` or another sidecar");
  }
  if (!own.bootstrap.empty() && resolved == 0) bad.push_back("no seed can be found"), fixes.push_back("registry.bootstrap");
  if (own.key.empty())
    odd.push_back("packets are not sealed"), fixes.push_back("registry.key: a file of `outrider identity mesh-key`");
  else if (access(own.key.c_str(), R_OK) != 0)
    bad.push_back("the mesh key " + own.key + " cannot be read: " + std::strerror(errno)), fixes.push_back("registry.key");
  if (!document.identity && document.service && document.service.do_register)
    odd.push_back("records are not signed"), fixes.push_back("identity.dir");
  if (proxy && !proxy.registry.empty()) {
    const auto answer = parsed(proxy.registry);
    std::vector<std::string> silent;
    size_t answering = 0;
    if (answer.HasMember("seeds") && answer["seeds"].IsArray())
      for (const auto& seed : answer["seeds"].GetArray())
        text_of(seed, "state") == "answers" ? void(++answering) : silent.push_back(text_of(seed, "address"));
    const uint64_t peers = count_of(answer, "peers");
    if (!own.bootstrap.empty() && answering == 0 && peers == 0)
      bad.push_back("no seed answers (" + joined(silent) + ")"),
          fixes.push_back("UDP between here and there, the same registry.key and registry.network on both");
    else if (!silent.empty())
      odd.push_back("not all seeds answer: " + joined(silent)),
          fixes.push_back("start them, or take them out of registry.bootstrap");
    if (peers == 0 && bad.empty())
      odd.push_back("no peers yet"), fixes.push_back("wait a moment; or others do not come to " + own.bind + " (UDP)");
    good.push_back(plural(peers, "peer"));
    if (answering) good.push_back(plural(answering, "seed") + (answering == 1 ? " answers" : " answer"));
  } else {
    good.push_back(plural(own.bootstrap.size(), "seed") + ", of which the running proxy would know whether they answer");
  }
  if (!own.key.empty() && bad.empty()) good.push_back("sealed");
  std::string fix;
  std::set<std::string> said;
  for (const auto& each : fixes)
    if (said.insert(each).second) fix += (fix.empty() ? "" : "; ") + each;
  if (!bad.empty()) return wrong(name, joined(bad), fix);
  if (!odd.empty()) return warning(name, joined(odd), fix);
  return fine(name, joined(good));
}

Fact check_names(const config::Document& document, const Resolve& resolve) {
  const std::string name = "DNS";
  std::set<std::string> hosts;
  for (const config::Cluster& cluster : document.clusters) {
    if (cluster.discovery == config::Cluster::Discovery::Dns && cluster.dns.type != config::Dns::Type::Srv &&
        cluster.dns.servers.empty())
      hosts.insert(cluster.dns.name.empty() ? cluster.name : cluster.dns.name);
    for (const config::Endpoint& endpoint : cluster.endpoints)
      if (!endpoint.address.starts_with("unix:") && !is_number(host_of(endpoint.address)))
        hosts.insert(host_of(endpoint.address));
  }
  if (hosts.empty()) return skipped(name, "no cluster has a name to be looked up");
  std::vector<std::string> bad;
  for (const std::string& host : hosts)
    if (const std::string why = resolve(host); !why.empty()) bad.push_back(host + ": " + why);
  if (bad.empty()) return fine(name, plural(hosts.size(), "name") + " of clusters found");
  return bad.size() == hosts.size() ? wrong(name, joined(bad), "the names, and the servers in /etc/resolv.conf")
                                    : warning(name, joined(bad), "these names: the others are found");
}

Fact check_app(const config::Document& document) {
  const std::string name = "application";
  const config::Service& service = document.service;
  if (!service || service.ports.empty()) return skipped(name, "there is no service beside this proxy");
  const std::string host = service.address.find(':') == std::string::npos ? service.address : "[" + service.address + "]";
  const std::string where = host + ":" + std::to_string(service.ports.front().port);
  const auto at = net::Address::parse(where);
  if (!at) return wrong(name, where + " is no address", "service.address");
  const int fd = ::socket(at->family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{kPatience.count(), 0};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const bool there = ::connect(fd, at->raw(), at->length()) == 0;
  const int why = errno;
  if (fd >= 0) ::close(fd);
  if (there) return fine(name, service.name + " answers at " + where);
  return wrong(name, service.name + " does not answer at " + where + ": " + std::strerror(why == EINPROGRESS ? ETIMEDOUT : why),
               "start it, or say where it listens: service.port, service.address");
}

Fact check_folders(const config::Document& document) {
  const std::string name = "folders";
  struct Wanted {
    std::string key, path;
  };
  std::vector<Wanted> wanted;
  if (document.registry.kind == config::Registry::Kind::Dht && !document.registry.snapshot.empty())
    wanted.push_back({"registry.snapshot", document.registry.snapshot});
  // The standard one is used where there is something to put it into.
  const auto& upkeep = document.upkeep;
  std::error_code ignored;
  const std::filesystem::path history = upkeep.history_dir;
  if (!history.empty() && (upkeep.history_named || std::filesystem::exists(history.parent_path(), ignored)))
    wanted.push_back({"config.history.dir", upkeep.history_dir});
  const config::AccessLog& log = document.access_log;
  const bool to_file = log.format != config::AccessLog::Format::Off && log.to != "stdout" && log.to != "stderr";
  if (to_file) wanted.push_back({"telemetry.access_log.to", log.to});
  if (wanted.empty()) return skipped(name, "nothing is kept on disk");
  std::vector<std::string> bad, good;
  for (const Wanted& each : wanted) {
    const std::string why = cannot_write(each.path);
    why.empty() ? good.push_back(each.path) : bad.push_back(each.key + " (" + each.path + "): " + why);
  }
  const std::string fix =
      "a folder that user " + std::to_string(geteuid()) + " may write to, or `off` where nothing is to be kept";
  if (bad.empty()) return fine(name, joined(good) + " can be written to");
  const std::string text = "cannot be written to: " + joined(bad);  // without its access log no proxy starts
  return to_file && !cannot_write(log.to).empty() ? wrong(name, text, fix) : warning(name, text, fix);
}

namespace {

// Port 0 is whichever is free, and says nothing.
std::vector<Door> doors_of(const config::Document& d) {
  std::vector<Door> doors;
  const auto look = [&](const std::string& key, const std::string& address, bool datagrams) {
    if (!address.empty() && !address.ends_with(":0")) doors.push_back(look_at_door(key, address, datagrams));
  };
  for (const config::Listener& listener : d.listeners)
    for (const std::string& address : listener.addresses) look("listeners." + listener.name + ".address", address, false);
  look("admin.address", d.admin.address, false);
  look("admin.health", d.admin.health, false);
  look("telemetry.metrics.address", d.metrics.address, false);
  if (d.registry.kind == config::Registry::Kind::Dht) look("registry.bind", d.registry.bind, true);
  return doors;
}

std::vector<std::string> addresses_of(const config::Document& d) {
  std::vector<std::string> out{d.admin.address, d.admin.health, d.metrics.address, d.registry.bind};
  for (const config::Listener& listener : d.listeners)
    out.insert(out.end(), listener.addresses.begin(), listener.addresses.end());
  return out;
}

Redirected redirected(const config::Document& d) {
  Redirected out;
  for (const config::Listener& listener : d.listeners) {
    if (!listener.transparent || listener.addresses.empty()) continue;
    const auto at = net::Address::parse(listener.addresses.front());
    if (at && at->port()) (listener.direction == config::Direction::Inbound ? out.inbound : out.outbound) = at->port();
    out.by_tproxy |= listener.tproxy;
  }
  return out;
}

// Who the proxy runs as: whoever holds its port; else we, who may start it.
uint32_t user_of(const config::Document& d) {
  const auto admin = net::Address::parse(d.admin.address);
  return admin && admin->port() ? user_listening(admin->port()).value_or(geteuid()) : geteuid();
}

}  // namespace

std::vector<Fact> check_all(const std::string& file, const std::optional<config::Outcome>& outcome, const RunningProxy& proxy) {
  std::vector<Fact> facts;
  if (outcome) facts.push_back(check_configuration(file, *outcome));
  else facts.push_back(skipped("configuration", "none is given (-c FILE), and no proxy runs whose it could be"));
  facts.push_back(check_proxy(proxy));
  facts.push_back(check_version(proxy));
  facts.push_back(check_readiness(proxy));
  static const config::Document kNone;
  const config::Document* const d = outcome && outcome->document ? &*outcome->document : nullptr;
  const bool ipv6 =
      d && std::any_of(d->listeners.begin(), d->listeners.end(), [](const config::Listener& l) {
        return std::any_of(l.addresses.begin(), l.addresses.end(), [](const std::string& at) { return at.starts_with("["); });
      });
  facts.push_back(judge(look_at_kernel(), ipv6));
  facts.push_back(judge(look_at_open_files(d ? d->overload.connections : kNone.overload.connections)));
  facts.push_back(judge_memory(CgroupMemory::own().read(), d ? d->overload.memory : kNone.overload.memory));
  facts.push_back(judge(look_at_cpus(d ? d->overload.threads : 0)));
  Clock clock = look_at_clock();
  clock.refused_peers = proxy.refused_for_time;
  facts.push_back(judge(clock));
  if (!d) return facts;
  facts.push_back(judge_doors(doors_of(*d), proxy ? addresses_of(*d) : std::vector<std::string>()));
  const Redirected wanted = redirected(*d);
  facts.push_back(judge(wanted.outbound || wanted.inbound ? look_at_rules(user_of(*d)) : Rules(), wanted));
  facts.push_back(check_identity(*d, net::Loop::wall()));
  facts.push_back(check_files(*d));
  facts.push_back(check_registry(*d, proxy, resolve_by_system));
  facts.push_back(check_names(*d, resolve_by_system));
  facts.push_back(check_name_server(config::name_server_of(*d), d->registry.domain, proxy));
  facts.push_back(check_app(*d));
  facts.push_back(check_folders(*d));
  return facts;
}

}  // namespace outrider::server
