#include "inject/wishes.h"

#include <algorithm>
#include <optional>

#include "base/network.h"
#include "base/ports.h"
#include "base/text.h"
#include "inject/plan.h"
#include "inject/pointer.h"

namespace outrider::inject {

namespace {

// Why a value is none; empty: it is fine, and has been kept.
using Wrong = std::string;

bool is_name(std::string_view text, size_t most = 63, std::string_view more = "-") {
  if (text.empty() || text.size() > most) return false;
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || is_digit(c); };
  return plain(text.front()) && plain(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return plain(c) || more.find(c) != more.npos; });
}

Wrong flag(std::string_view text, bool& into) {
  if (text != "true" && text != "false") return "expected \"true\" or \"false\"";
  into = text == "true";
  return {};
}

Wrong one_of(std::string_view text, std::initializer_list<std::string_view> words, std::string& into) {
  std::string all;
  for (const std::string_view word : words) {
    if (text == word) return into = word, Wrong();
    all += (all.empty() ? "" : ", ") + std::string(word);
  }
  return "expected one of " + all;
}

Wrong object_name(std::string_view text, std::string& into) {
  if (!is_name(text, 253, "-.")) return "expected the name of an object: a-z, 0-9, - and .";
  into = text;
  return {};
}

// "outrider-identity-{account}" of the service account that the pod runs as.
std::string of_account(std::string_view text, const Workload& workload) {
  constexpr std::string_view kAccount = "{account}";
  std::string out(text);
  const std::string& account = workload.spec->text_of("serviceAccountName");
  if (const size_t at = out.find(kAccount); at != out.npos)
    out.replace(at, kAccount.size(), account.empty() ? "default" : account);
  return out;
}

Wrong number(std::string_view text, uint64_t least, uint64_t most, uint64_t& into) {
  const auto given = parse_number(text);
  if (!given || *given < least || *given > most)
    return "expected a number from " + std::to_string(least) + " to " + std::to_string(most);
  into = *given;
  return {};
}

// "25, 3306" in parts; "9100-9200" is one where ranges are taken.
Wrong ports(std::string_view text, bool ranges, std::vector<std::string>& into) {
  if (trim(text).empty()) return {};
  for (const std::string_view part : split(text, ',')) {
    const bool range = part.find('-') != part.npos;
    const auto given = range && !ranges ? std::nullopt : PortRange::parse(part);
    if (!given || given->last < given->first)
      return "\"" + std::string(part) + "\" is no port: expected numbers from 1 to 65535" +
             (ranges ? ", or ranges (9100-9200)," : "") + " with commas between";
    const std::string written = std::to_string(given->first) + (range ? "-" + std::to_string(given->last) : "");
    if (std::find(into.begin(), into.end(), written) == into.end()) into.push_back(written);
  }
  return {};
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ",") + part;
  return out;
}

Wrong port_ranges(std::string_view text, std::string& into) {
  std::vector<std::string> all;
  const Wrong wrong = ports(text, true, all);
  into = joined(all);
  return wrong;
}

Wrong networks(std::string_view text, std::string& into) {
  std::vector<std::string> all;
  for (const std::string_view part : split(text, ',')) {
    if (part.empty() && trim(text).empty()) break;
    if (!Network::parse(part)) return "\"" + std::string(part) + "\" is no network: expected as in 10.0.0.0/8,fd00::/8";
    all.emplace_back(part);
  }
  into = joined(all);
  return {};
}

// As the API server takes them: 250m, 0.5, 128Mi.
Wrong quantity(std::string_view text, std::initializer_list<std::string_view> units, std::string& into) {
  size_t digits = 0, dots = 0, i = 0;
  for (; i < text.size() && (is_digit(text[i]) || text[i] == '.'); ++i) (text[i] == '.' ? dots : digits)++;
  const std::string_view unit = text.substr(i);
  if (!digits || dots > 1 || std::find(units.begin(), units.end(), unit) == units.end())
    return "expected a quantity, as \"" + std::string(units.size() > 2 ? "128Mi" : "250m") + "\"";
  into = text;
  return {};
}

Wrong cpu(std::string_view text, std::string& into) { return quantity(text, {"", "m"}, into); }

Wrong memory(std::string_view text, std::string& into) {
  return quantity(text, {"", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"}, into);
}

// A number, or the name of a port of one of the containers.
Wrong port_of(std::string_view text, const Node& spec, uint16_t& into) {
  if (const auto port = parse_port(text)) return into = *port, Wrong();
  for (const Node& container : spec.find("containers")->items())
    if (const Node* list = container.find("ports"))
      for (const Node& port : list->items())
        if (port.text_of("name") == text)
          if (const auto given = parse_port(port.text_of("containerPort"))) return into = *given, Wrong();
  return "expected a port's number, or the name of one of the containers' ports";
}

Wrong image_name(std::string_view text, std::string& into) {
  if (text.empty() || text.find_first_of(" \t\r\n") != text.npos)
    return "expected an image, as \"registry.example.com/outrider:0.1.0\"";
  into = text;
  return {};
}

struct Row {
  std::string_view name, values, about;
  Wrong (*read)(std::string_view text, const Workload& workload, Wishes& wishes);
};

constexpr Row kRows[] = {
    {"inject", "true, false", "a label, so that selectors see it; the pod's comes before its namespace's",
     [](std::string_view text, const Workload&, Wishes& w) {
       bool yes = false;
       Wrong wrong = flag(text, yes);
       if (wrong.empty()) w.inject = yes ? Wishes::Inject::Yes : Wishes::Inject::No;
       return wrong;
     }},
    {"service", "name", "what it is registered as; else the label app.kubernetes.io/name, app, or the workload's name",
     [](std::string_view text, const Workload&, Wishes& w) -> Wrong {
       if (!is_name(text)) return "expected a-z, 0-9 and -, up to 63";
       w.service = text;
       w.service_said = true;
       return {};
     }},
    {"port", "number or name", "where the app listens; else the first containerPort of TCP",
     [](std::string_view text, const Workload& of, Wishes& w) { return port_of(text, *of.spec, w.port); }},
    {"protocol", "auto, http, http1, http2, grpc, tcp", "what the app speaks at that port",
     [](std::string_view text, const Workload&, Wishes& w) {
       return one_of(text, {"auto", "http", "http1", "http2", "grpc", "tcp"}, w.protocol);
     }},
    {"version", "text", "makes it `service@version` to routes; else the label `version`",
     [](std::string_view text, const Workload&, Wishes& w) -> Wrong {
       const bool fine = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
         return is_alpha(c) || is_digit(c) || c == '.' || c == '_' || c == '-';
       });
       if (!fine) return "expected letters, digits, . _ and -";
       w.version = text;
       return {};
     }},
    {"weight", "0 to 10000", "its share of requests beside its siblings' 100",
     [](std::string_view text, const Workload&, Wishes& w) {
       uint64_t weight = 0;
       Wrong wrong = number(text, 0, 10000, weight);
       w.weight = std::to_string(weight);
       return wrong;
     }},
    {"priority", "high, normal, low", "of its requests, where not all can be served",
     [](std::string_view text, const Workload&, Wishes& w) {
       return one_of(text, {"high", "normal", "low"}, w.priority);
     }},
    {"skip-inbound-ports", "9000,9100-9200", "not captured on the way in",
     [](std::string_view text, const Workload&, Wishes& w) { return port_ranges(text, w.skip_inbound_ports); }},
    {"skip-outbound-ports", "25,3306", "not captured on the way out",
     [](std::string_view text, const Workload&, Wishes& w) { return port_ranges(text, w.skip_outbound_ports); }},
    {"skip-outbound-cidrs", "169.254.169.254/32", "networks that are not captured on the way out",
     [](std::string_view text, const Workload&, Wishes& w) { return networks(text, w.skip_outbound_cidrs); }},
    {"opaque-ports", "25,3306", "captured, and relayed at once without a look at the first bytes",
     [](std::string_view text, const Workload&, Wishes& w) { return ports(text, false, w.opaque_ports); }},
    {"capture", "redirect, tproxy, none", "how connections come to the sidecar; none: only who calls it does",
     [](std::string_view text, const Workload&, Wishes& w) {
       return one_of(text, {"redirect", "tproxy", "none"}, w.capture);
     }},
    {"dns-capture", "true, false", "whether the sidecar answers the pod's DNS",
     [](std::string_view text, const Workload&, Wishes& w) { return flag(text, w.dns_capture); }},
    {"rewrite-probes", "true, false", "whether the kubelet asks the sidecar, which asks the app",
     [](std::string_view text, const Workload&, Wishes& w) { return flag(text, w.rewrite_probes); }},
    {"native-sidecar", "true, false", "an init container that goes on running (Kubernetes 1.29); false: the first container",
     [](std::string_view text, const Workload&, Wishes& w) { return flag(text, w.native_sidecar); }},
    {"drain-seconds", "1 to 3600", "how long what is open has to end",
     [](std::string_view text, const Workload&, Wishes& w) {
       uint64_t seconds = 0;
       Wrong wrong = number(text, 1, 3600, seconds);
       w.drain_seconds = unsigned(seconds);
       return wrong;
     }},
    {"cpu-request", "10m", "of the sidecar",
     [](std::string_view text, const Workload&, Wishes& w) { return cpu(text, w.cpu_request); }},
    {"cpu-limit", "500m", "of the sidecar; none unless said",
     [](std::string_view text, const Workload&, Wishes& w) { return cpu(text, w.cpu_limit); }},
    {"memory-request", "32Mi", "of the sidecar",
     [](std::string_view text, const Workload&, Wishes& w) { return memory(text, w.memory_request); }},
    {"memory-limit", "128Mi", "of the sidecar",
     [](std::string_view text, const Workload&, Wishes& w) { return memory(text, w.memory_limit); }},
    {"log-level", "debug, info, warn, error, off", "of the sidecar",
     [](std::string_view text, const Workload&, Wishes& w) {
       return one_of(text, {"debug", "info", "warn", "error", "off"}, w.log_level);
     }},
    {"admin-port", "15000", "of its admin pages, on loopback",
     [](std::string_view text, const Workload&, Wishes& w) -> Wrong {
       const auto port = parse_port(text);
       if (!port) return "expected a port, 1 to 65535";
       w.admin_port = *port;
       return {};
     }},
    {"config-map", "name", "a ConfigMap with outrider.yaml; what is said here as well comes before it",
     [](std::string_view text, const Workload&, Wishes& w) { return object_name(text, w.config_map); }},
    {"image", "image", "of the sidecar",
     [](std::string_view text, const Workload&, Wishes& w) { return image_name(text, w.image); }},
    {"identity-secret", "name",
     "a Secret with tls.crt, tls.key and ca.crt, {account} being the service account; else outrider-identity, where there is one",
     [](std::string_view text, const Workload& of, Wishes& w) { return object_name(of_account(text, of), w.identity_secret); }},
    {"identity-csi", "driver", "a CSI driver that mounts them instead, as spiffe.csi.cert-manager.io",
     [](std::string_view text, const Workload&, Wishes& w) { return object_name(text, w.identity_csi); }},
};

const Row* row_of(std::string_view name) {
  for (const Row& row : kRows)
    if (row.name == name) return &row;
  return nullptr;
}

std::string nearest(std::string_view name) {
  const Row* best = nullptr;
  size_t distance = 4;
  for (const Row& row : kRows)
    if (const size_t d = edit_distance(row.name, name, distance - 1); d < distance) best = &row, distance = d;
  return best ? " (did you mean " + std::string(kPrefix) + std::string(best->name) + "?)" : "";
}

// One wishes_of().
class Reading {
 public:
  Reading(const Workload& workload, Wishes& wishes) : workload_(workload), wishes_(wishes) {}

  // Labels come first: of `inject` the annotation is what people write, too.
  void read(std::string_view section) {
    const Node* const map = workload_.metadata ? workload_.metadata->find(section) : nullptr;
    if (!map) return;
    const std::string at = workload_.pod + "/metadata/" + std::string(section) + "/";
    for (const Node::Entry& entry : map->entries()) {
      if (!entry.key.starts_with(kPrefix)) continue;
      const std::string_view name = std::string_view(entry.key).substr(kPrefix.size());
      if (name == "injected" || name == "restore") continue;
      const Row* const row = row_of(name);
      const bool label = section == "labels";
      if (!row || (label && name != "inject")) {
        wishes_.warnings.push_back(at + pointer_part(entry.key) +
                                   (row ? ": is read as an annotation, not as a label" : ": nothing reads this" + nearest(name)));
        continue;
      }
      if (!label && name == "inject" && wishes_.inject != Wishes::Inject::Unsaid) continue;
      const Wrong wrong = row->read(trim(entry.value.text()), workload_, wishes_);
      if (!wrong.empty() && wishes_.refusal.empty())
        wishes_.refusal = at + pointer_part(entry.key) + ": " + wrong + ", got \"" + entry.value.text() + "\"";
    }
  }

 private:
  const Workload& workload_;
  Wishes& wishes_;
};

std::string service_name(const Node& object, const Workload& workload) {
  for (const char* label : {"app.kubernetes.io/name", "app"})
    if (const Node* value = workload.label(label); value && is_name(value->text())) return value->text();
  std::string name = owner_of(object);
  std::replace(name.begin(), name.end(), '.', '-');
  return is_name(name) ? name : "";
}

uint16_t first_port(const Node& spec) {
  for (const Node& container : spec.find("containers")->items())
    if (const Node* list = container.find("ports"))
      for (const Node& port : list->items()) {
        const std::string& protocol = port.text_of("protocol");
        if (!protocol.empty() && protocol != "TCP") continue;
        if (const auto given = parse_port(port.text_of("containerPort"))) return *given;
      }
  return 0;
}

// What somebody meant for the pods stands beside them.
void look_beside(const Node& object, const Workload& workload, Wishes& wishes) {
  if (workload.pod.empty()) return;
  for (const std::string_view section : {"labels", "annotations"}) {
    const Node* const map = object.find({"metadata", section});
    if (!map) continue;
    for (const Node::Entry& entry : map->entries()) {
      if (!entry.key.starts_with(kPrefix)) continue;
      const std::string at = "/metadata/" + std::string(section) + "/" + pointer_part(entry.key);
      bool yes = true;
      if (entry.key == "outrider.dev/inject" && wishes.inject == Wishes::Inject::Unsaid && flag(entry.value.text(), yes).empty())
        wishes.inject = yes ? Wishes::Inject::Yes : Wishes::Inject::No;
      else if (entry.key != "outrider.dev/inject")
        wishes.warnings.push_back(at + ": is read in " + workload.pod + "/metadata/annotations, where the pods have it");
    }
  }
}

}  // namespace

std::vector<Annotation> all_annotations() {
  std::vector<Annotation> all;
  for (const Row& row : kRows) all.push_back({row.name, row.values, row.about});
  return all;
}

Wishes wishes_of(const Node& object, const Workload& workload, const Settings& settings) {
  Wishes wishes;
  wishes.image = settings.image.empty() ? "outrider:" + settings.version : settings.image;
  wishes.capture = settings.capture;
  wishes.dns_capture = settings.dns_capture;
  wishes.rewrite_probes = settings.rewrite_probes;
  wishes.native_sidecar = settings.native_sidecar;
  wishes.identity_secret = of_account(settings.identity_secret, workload);
  Reading reading(workload, wishes);
  reading.read("labels");
  reading.read("annotations");
  look_beside(object, workload, wishes);
  if (!wishes.port) wishes.port = first_port(*workload.spec);
  if (wishes.version.empty())
    if (const Node* label = workload.label("version")) row_of("version")->read(label->text(), workload, wishes);
  const std::string at = workload.pod + "/metadata/annotations/outrider.dev~1";
  if (!wishes.port) {
    if (wishes.service_said && wishes.refusal.empty())
      wishes.refusal = at + "service: its containers name no port; say outrider.dev/port";
    wishes.service.clear();
  } else if (wishes.service.empty()) {
    wishes.service = service_name(object, workload);
    if (wishes.service.empty() && wishes.refusal.empty())
      wishes.refusal = at + "service: neither its labels nor its name are a service's name (a-z, 0-9, -); say it here";
  }
  return wishes;
}

}  // namespace outrider::inject
