// The section `config`: how the configuration itself is looked after.

#include <cstdlib>

#include "config/parse.h"

namespace outrider::config {

namespace {

// "+2%": so much more than before.
std::string check_delta(std::string& text) {
  const auto share = text.starts_with('+') ? share_of(std::string_view(text).substr(1)) : std::nullopt;
  return share
             ? ""
             : "expected a difference, +2%, got \"" + text + "\"" + (share_of(text) ? " (did you mean \"+" + text + "\"?)" : "");
}

std::optional<double> times_of(std::string_view text) {
  const bool digits = text.find_first_not_of("0123456789.") == text.npos && !text.empty();
  if (!digits || text.size() > 10) return {};
  const double times = std::atof(std::string(text).c_str());
  return times >= 1 ? std::optional(times) : std::nullopt;
}

// "x1.5": so many times what it was before.
std::string check_ratio(std::string& text) {
  if (text.starts_with('x') && times_of(std::string_view(text).substr(1))) return "";
  return "expected a ratio of at least x1, got \"" + text + "\"" + (times_of(text) ? " (did you mean \"x" + text + "\"?)" : "");
}

void read_guard(Fields& parent, Upkeep::Guard& guard) {
  if (parent.off("guard", false)) {
    guard.on = false;
    return;
  }
  Fields fields = parent.map("guard");
  fields.duration("for", guard.window, milliseconds(100), std::chrono::hours(24));
  std::string error_rate = "+2%", p99 = "x1.5";
  fields.text("error_rate", error_rate, "difference", check_delta);
  fields.text("p99", p99, "ratio", check_ratio);
  if (const auto share = share_of(error_rate.substr(1))) guard.error_rate = *share;
  if (const auto times = times_of(p99.substr(1))) guard.p99 = *times;
  fields.choice("on_fail", guard.rollback, {{"rollback", true}, {"warn", false}});
}

}  // namespace

void read_upkeep(Fields& top, Upkeep& upkeep) {
  Fields fields = top.map("config");
  fields.flag("watch", upkeep.watch);
  if (fields.off("history", false)) {
    upkeep.history_dir.clear();
  } else {
    Fields history = fields.map("history");
    upkeep.history_named = history.given("dir");
    history.text("dir", upkeep.history_dir, "folder");
    history.number("keep", upkeep.keep, 1, 1000);
  }
  read_guard(fields, upkeep.guard);
}

}  // namespace outrider::config
