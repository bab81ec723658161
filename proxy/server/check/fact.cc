#include "server/check/fact.h"

#include <algorithm>

#include "admin/json.h"

namespace outrider::server {

namespace {

using State = Fact::State;

const char* mark_of(State state, bool unicode) {
  switch (state) {
    case State::Fine: return unicode ? "√" : "ok  ";
    case State::Warning: return unicode ? "‼" : "warn";
    case State::Wrong: return unicode ? "×" : "FAIL";
    case State::Skipped: break;
  }
  return unicode ? "-" : "-   ";
}

size_t count(const std::vector<Fact>& facts, State state) {
  return size_t(std::count_if(facts.begin(), facts.end(), [&](const Fact& fact) { return fact.state == state; }));
}

std::string padded(std::string text, size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

}  // namespace

const char* name_of(State state) {
  switch (state) {
    case State::Fine: return "ok";
    case State::Warning: return "warning";
    case State::Wrong: return "failed";
    case State::Skipped: break;
  }
  return "skipped";
}

bool any_wrong(const std::vector<Fact>& facts) { return count(facts, State::Wrong) > 0; }

std::string text_of(const std::vector<Fact>& facts, bool unicode) {
  size_t width = 0;
  for (const Fact& fact : facts) width = std::max(width, fact.name.size());
  const size_t indent = 3 + (unicode ? 1 : 4) + 1 + width + 2;
  std::string out;
  size_t number = 0;
  for (const Fact& fact : facts) {
    const std::string digits = std::to_string(++number);
    out += std::string(digits.size() < 2 ? 1 : 0, ' ') + digits + " " + mark_of(fact.state, unicode) + " " +
           padded(fact.name, width + 2);
    out += fact.text + "\n";
    if (!fact.fix.empty()) out += std::string(indent, ' ') + (unicode ? "→ " : "> ") + fact.fix + "\n";
  }
  out += "\n" + std::to_string(count(facts, State::Fine)) + " fine, " + std::to_string(count(facts, State::Warning)) +
         " to look at, " + std::to_string(count(facts, State::Wrong)) + " wrong, " +
         std::to_string(count(facts, State::Skipped)) + " skipped\n";
  return out;
}

std::string json_of(const std::vector<Fact>& facts) {
  admin::Json json;
  json.object().field("ok", !any_wrong(facts)).key("checks").array();
  size_t number = 0;
  for (const Fact& fact : facts)
    json.object(admin::Json::Shape::OneLine)
        .field("number", ++number)
        .field("name", fact.name)
        .field("state", name_of(fact.state))
        .field("text", fact.text)
        .field("fix", fact.fix)
        .close();
  json.close().close();
  return json.take();
}

}  // namespace outrider::server
