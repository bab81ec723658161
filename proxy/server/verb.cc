#include "server/verb.h"

#include <cstdio>
#include <string>

#include "base/text.h"

namespace outrider::server {

namespace {

constexpr Flag kConfig{"--config", "FILE", "-c"}, kSet{"--set", "PATH=VALUE"}, kJson{"--json", ""};
constexpr Flag kAdmin{"--admin", "HOST:PORT|unix:PATH"};
constexpr Flag kRun[] = {kConfig, kSet, {"--service", "NAME:PORT"}, {"--bootstrap", "HOST:PORT,..."},
                         {"--listen", "ADDRESS"}, {"--to", "ADDRESS,..."}};
constexpr Flag kDht[] = {kConfig, kSet, {"--bootstrap", "HOST:PORT,..."}};
constexpr Flag kValidate[] = {kConfig, kSet, kJson};
constexpr Flag kShow[] = {kConfig, kSet, {"--service", "NAME:PORT"}, {"--bootstrap", "HOST:PORT,..."},
                          {"--listen", "ADDRESS"}, {"--to", "ADDRESS,..."}, {"--origin", ""}, {"--defaults", ""}, kJson};
constexpr Flag kRead[] = {kAdmin, kJson};
constexpr Flag kHealth[] = {kAdmin};
constexpr Flag kIssue[] = {{"--ca", "DIR"}, {"--id", "SPIFFE_ID"}, {"--out", "DIR"}, {"--dns", "NAME"}, {"--ip", "ADDRESS"},
                           {"--for", "DURATION"}};
constexpr Flag kDevCa[] = {{"--trust-domain", "NAME"}, {"--for", "DURATION"}};
constexpr Flag kJsonOnly[] = {kJson};

constexpr Verb kVerbs[] = {
    {"run", "[-c FILE] [--set PATH=VALUE]... [--service NAME:PORT] [--bootstrap HOST:PORT,...] [--listen ADDRESS --to ADDRESS,...] [-- CMD...]",
     "run the proxy, and the app beside it",
     "With CMD the app is started beside the proxy, gets its signals, and its exit code is passed on.\n"
     "Every key can also come from the environment: OUTRIDER_SERVICE__NAME=web is service.name.\n\n"
     "  outrider run --listen :8080 --to 127.0.0.1:9001,127.0.0.1:9002     a reverse proxy in one line\n"
     "  outrider run --service web:8080 --bootstrap seed.mesh:4222         a sidecar that registers \"web\"\n"
     "  outrider run -c sidecar.yaml -- python3 app.py                     both from one command\n"
     "  outrider run -c edge.yaml --set defaults.cluster.lb=random         any key, for this run\n",
     kRun, run_proxy},
    {"dht", "[-c FILE] [--set PATH=VALUE]... [--bootstrap HOST:PORT,...]", "run a registry node alone, for others to start from",
     "No listeners but admin, health and metrics; the keys under `registry` and `identity` are a sidecar's.\n\n"
     "  outrider dht --set registry.bind=0.0.0.0:4222 --set registry.key=/run/mesh/key\n",
     kDht, run_dht},
    {"services", "[--json] [--admin ADDRESS]", "services this proxy announces and watches",
     "  outrider services\n  outrider services --json --admin 127.0.0.1:15000\n", kRead, show_services},
    {"endpoints", "SERVICE [--json] [--admin ADDRESS]", "endpoints of a service, and why one is not used",
     "SERVICE is a cluster's name or namespace/name.\n\n  outrider endpoints web\n  outrider endpoints shop/cart --json\n",
     kRead, show_endpoints},
    {"stat", "[SERVICE] [--json] [--admin ADDRESS]", "requests, success, latency and retries since the start",
     "  outrider stat\n  outrider stat web --json\n", kRead, show_stat},
    {"health", "[--admin ADDRESS]", "exit 0 when live and ready, for health checks",
     "  outrider health\n  outrider health --admin unix:/run/outrider.sock\n", kHealth, check_health},
    {"config validate", "FILE [--set PATH=VALUE]... [--json]", "check a configuration; prints nothing when it is good",
     "  outrider config validate sidecar.yaml\n", kValidate, config_validate},
    {"config show", "[-c FILE] [--set PATH=VALUE]... [--origin] [--defaults] [--json]", "the configuration as it takes effect",
     "  outrider config show -c sidecar.yaml --origin        where each value came from\n"
     "  outrider config show --defaults                      every key with its default\n",
     kShow, config_show},
    {"identity dev-ca", "DIR [--for DURATION]", "a throw-away certificate authority, for trying and for tests",
     "Writes ca.crt and ca.key (0600).\n\n  outrider identity dev-ca ./ca\n", kDevCa, identity_dev_ca},
    {"identity issue", "--ca DIR --id SPIFFE_ID --out DIR [--dns NAME]... [--ip ADDRESS]... [--for DURATION]",
     "a workload's certificate from that authority",
     "Writes tls.crt, tls.key (0600) and ca.crt, as identity.dir wants them.\n\n"
     "  outrider identity issue --ca ./ca --id spiffe://mesh.local/ns/default/sa/web --out ./web\n",
     kIssue, identity_issue},
    {"identity mesh-key", "FILE", "a fresh key that seals the registry's packets",
     "  outrider identity mesh-key ./mesh.key        # then registry.key: ./mesh.key on every node\n", {}, identity_mesh_key},
    {"identity show", "DIR [--json]", "what an identity directory holds",
     "  outrider identity show /run/identity\n", kJsonOnly, identity_show},
    {"version", "[--json]", "version and licence", "  outrider version\n", kJsonOnly, show_version},
};

void print_overview(std::FILE* out) {
  std::fputs("outrider: a sidecar and edge proxy whose services find each other without a control plane\n\n"
             "usage: outrider VERB [...]       outrider VERB --help for each\n\n", out);
  for (const Verb& verb : kVerbs)
    std::fprintf(out, "  %-18s %s\n", std::string(verb.name).c_str(), std::string(verb.summary).c_str());
  std::fputs("\n  outrider run --listen :8080 --to 127.0.0.1:9001,127.0.0.1:9002\n"
             "  outrider run --service web:8080 --bootstrap seed.mesh:4222\n", out);
}

int print_help(const Verb& verb) {
  std::printf("usage: outrider %s %s\n\n%s\n\n%s", std::string(verb.name).c_str(), std::string(verb.arguments).c_str(),
              std::string(verb.summary).c_str(), std::string(verb.help).c_str());
  if (!verb.flags.empty()) std::printf("\noptions:\n");
  for (const Flag& flag : verb.flags) {
    std::string left(flag.name);
    if (!flag.shorthand.empty()) left = std::string(flag.shorthand) + ", " + left;
    if (!flag.value.empty()) left.append(1, ' ').append(flag.value);
    std::printf("  %s\n", left.c_str());
  }
  return kOk;
}

// The longest verb whose words come first; `taken` says how many.
const Verb* find_verb(const std::vector<std::string>& words, size_t& taken) {
  for (taken = 2; taken >= 1; --taken) {
    if (words.size() < taken) continue;
    const std::string name = taken == 2 ? words[0] + " " + words[1] : words[0];
    for (const Verb& verb : kVerbs)
      if (verb.name == name) return &verb;
  }
  return nullptr;
}

int unknown_verb(const std::vector<std::string>& words) {
  std::string group;                 // `outrider config`: say what there is under it
  for (const Verb& verb : kVerbs)
    if (verb.name.starts_with(words[0] + " ")) group += "  outrider " + std::string(verb.name) + " " + std::string(verb.arguments) + "\n";
  if (!group.empty()) {
    const bool asked = words.size() > 1 && (words[1] == "--help" || words[1] == "-h");
    std::fputs(("usage:\n" + group).c_str(), asked ? stdout : stderr);
    return asked ? kOk : kUsage;
  }
  std::string text = "outrider: unknown verb \"" + words[0] + "\"";
  for (const Verb& verb : kVerbs)
    if (edit_distance(verb.name, words[0], 2) <= 2) {
      text += " (did you mean \"" + std::string(verb.name) + "\"?)";
      break;
    }
  std::fprintf(stderr, "%s\n`outrider --help` lists them\n", text.c_str());
  return kUsage;
}

}  // namespace

std::span<const Verb> all_verbs() { return kVerbs; }

int usage_error(std::string_view verb, std::string_view text) {
  std::fprintf(stderr, "outrider %s: %s\n", std::string(verb).c_str(), std::string(text).c_str());
  for (const Verb& one : kVerbs)
    if (one.name == verb)
      std::fprintf(stderr, "usage: outrider %s %s\n", std::string(verb).c_str(), std::string(one.arguments).c_str());
  return kUsage;
}

int run_command(std::vector<std::string> words) {
  if (words.empty() || words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    print_overview(stdout);
    return words.empty() ? kUsage : kOk;
  }
  if (words[0] == "--version") words[0] = "version";
  size_t taken = 0;
  const Verb* verb = find_verb(words, taken);
  if (!verb) return unknown_verb(words);
  words.erase(words.begin(), words.begin() + ptrdiff_t(taken));
  for (const std::string& word : words) {
    if (word == "--") break;
    if (word == "--help" || word == "-h") return print_help(*verb);
  }
  std::string error;
  const Arguments arguments = Arguments::parse(words, verb->flags, error);
  if (!error.empty()) return usage_error(verb->name, error);
  return verb->run(arguments);
}

}  // namespace outrider::server
