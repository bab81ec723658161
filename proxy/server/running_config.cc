#include "server/running_config.h"

#include <algorithm>
#include <memory>

#include "base/text.h"

namespace outrider::server {

namespace {

// "  level: debug      # environment OUTRIDER_TELEMETRY__LOG__LEVEL": the value, and where it came from.
struct Line {
  std::string key, value, from;
};

std::string flow_of(const config::Node& value) {
  if (value.is_scalar()) return value.text();
  std::string out;
  for (const config::Node& item : value.items()) out += (out.empty() ? "" : ",") + item.text();
  return out;
}

std::optional<Line> read(std::string_view line) {
  static const auto kShown = std::make_shared<const config::Origin>(config::Origin{config::Origin::Kind::File, "/config"});
  const size_t mark = line.rfind(" # ");
  if (mark == line.npos) return {};
  Line out{"", "", std::string(line.substr(mark + 3))};
  const auto parsed = config::parse(trim(line.substr(0, mark)), kShown);
  if (!parsed.root.is_map() || parsed.root.size() != 1) return out;
  out.key = parsed.root.entries().front().key;
  out.value = flow_of(parsed.root.entries().front().value);
  return out;
}

template <class T>
void add_once(std::vector<T>& all, T one) {
  if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(std::move(one));
}

// OUTRIDER_A__B_C is about the key b_c; a map in one variable has other keys below it, and is not read back.
bool is_about(const std::string& variable, const std::string& key) {
  if (!variable.starts_with("OUTRIDER_") || variable == "OUTRIDER_ZONE") return true;
  const size_t last = variable.rfind("__");
  std::string name = to_lower(key);
  std::replace(name.begin(), name.end(), '-', '_');
  return to_lower(variable.substr(last == std::string::npos ? 9 : last + 2)) == name;
}

void add_flag(RunningConfig& running, const std::string& from) {
  const auto argument = [&](std::string_view flag) -> std::optional<std::string> {
    return from.starts_with(flag) ? std::optional(from.substr(flag.size())) : std::nullopt;
  };
  if (auto set = argument("--set ")) return add_once(running.set, std::move(*set));
  const auto add = [&](const std::vector<config::Setting>& settings) {
    for (const auto& setting : settings)
      if (setting.origin == from &&
          std::none_of(running.flags.begin(), running.flags.end(), [&](const auto& each) { return each.path == setting.path; }))
        running.flags.push_back(setting);
  };
  if (const auto service = argument("--service ")) add(config::service_flag(*service));
  if (const auto nodes = argument("--bootstrap ")) add(config::bootstrap_flag(*nodes));
  if (const auto listen = argument("--listen ")) add(config::listen_flags(*listen, ""));
  if (const auto to = argument("--to ")) add(config::listen_flags("", *to));
}

// Of the one who asks: what is in force there has been decided.
bool decides(const std::string& variable) {
  return variable == "OUTRIDER_MODE" || (variable.starts_with("OUTRIDER_") && variable.find("__") != variable.npos);
}

}  // namespace

RunningConfig running_config(const std::string& text, const config::Sources& base) {
  RunningConfig running;
  running.sources = base;
  running.sources.file = "running";
  running.sources.text = text;
  running.sources.set.clear();
  running.sources.flags.clear();
  std::erase_if(running.sources.environment, [](const auto& variable) { return decides(variable.first); });
  for (const std::string_view line : split(text, '\n')) {
    const auto read_line = read(line);
    if (!read_line) continue;
    constexpr std::string_view kEnvironment = "environment ";
    if (!read_line->from.starts_with(kEnvironment)) {
      add_flag(running, read_line->from);
      continue;
    }
    const std::string name = read_line->from.substr(kEnvironment.size());
    if (is_about(name, read_line->key)) add_once(running.environment, {name, read_line->value});
  }
  return running;
}

void RunningConfig::add_to(config::Sources& other) const {
  std::erase_if(other.environment, [&](const auto& variable) {
    return decides(variable.first) ||
           std::any_of(environment.begin(), environment.end(), [&](const auto& own) { return own.first == variable.first; });
  });
  other.environment.insert(other.environment.end(), environment.begin(), environment.end());
  other.set.insert(other.set.begin(), set.begin(), set.end());  // what is given now has the last word
  other.flags.insert(other.flags.begin(), flags.begin(), flags.end());
}

}  // namespace outrider::server
