#pragma once
// What `outrider check` says, line by line.

#include <string>
#include <vector>

namespace outrider::server {

struct Fact {
  enum class State : uint8_t { Fine, Warning, Wrong, Skipped };
  State state = State::Fine;
  std::string name;  // "open files": one thing of this machine, or of the configuration
  std::string text;  // what was found
  std::string fix;   // what to do about it; empty where nothing has to be done
};
const char* name_of(Fact::State state);  // "ok", "warning", "failed", "skipped"

inline Fact fine(std::string name, std::string text) { return {Fact::State::Fine, std::move(name), std::move(text), {}}; }
inline Fact warning(std::string name, std::string text, std::string fix) {
  return {Fact::State::Warning, std::move(name), std::move(text), std::move(fix)};
}
inline Fact wrong(std::string name, std::string text, std::string fix) {
  return {Fact::State::Wrong, std::move(name), std::move(text), std::move(fix)};
}
inline Fact skipped(std::string name, std::string why) { return {Fact::State::Skipped, std::move(name), std::move(why), {}}; }

// Numbered, with √, ‼ and ×, or in ASCII; a summary behind them.
std::string text_of(const std::vector<Fact>& facts, bool unicode);
std::string json_of(const std::vector<Fact>& facts);
bool any_wrong(const std::vector<Fact>& facts);

}  // namespace outrider::server
