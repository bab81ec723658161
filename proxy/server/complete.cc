#include "server/complete.h"

#include <rapidjson/document.h>

#include <algorithm>

#include "base/text.h"
#include "server/admin_client.h"
#include "server/json_fields.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

constexpr int kPatienceSeconds = 1;
constexpr const char *kFiles = ":files", *kFolders = ":folders", *kCommands = ":commands";

// One complete().
class Completion {
 public:
  explicit Completion(const std::vector<std::string>& words) : words_(words), last_(words.empty() ? "" : words.back()) {}

  std::string run() {
    if (words_.size() <= 1) return offer_verbs({}), take();
    const Verb* const verb = find_verb();
    if (!verb) return offer_group(), take();
    const auto behind = std::find(words_.begin(), words_.end() - 1, "--");
    if (behind != words_.end() - 1) {
      if (verb->run == run_proxy) behind + 2 == words_.end() ? add(kCommands) : add(kFiles);
      return take();
    }
    if (const Flag* flag = flag_before(*verb)) return offer_value(flag->value, ""), take();
    const size_t equals = last_.starts_with("--") ? last_.find('=') : last_.npos;
    if (equals != last_.npos) {
      if (const Flag* flag = find_flag(*verb, last_.substr(0, equals))) offer_value(flag->value, last_.substr(0, equals + 1));
      return take();
    }
    if (last_.starts_with('-')) return offer_flags(*verb), take();
    offer_word(*verb);
    return take();
  }

 private:
  std::string take() {
    std::string out;
    for (const std::string& line : offered_) out += line + "\n";
    return out;
  }

  void add(std::string word, std::string_view about = {}) {
    const bool order = word.starts_with(':') && (word == kFiles || word == kFolders || word == kCommands);
    if (!order && !word.starts_with(last_)) return;
    if (!about.empty()) word.append("\t").append(about);
    if (std::find(offered_.begin(), offered_.end(), word) == offered_.end()) offered_.push_back(std::move(word));
  }

  // First words; of a verb of two the group, once.
  void offer_verbs(const std::string& group) {
    for (const Verb& verb : all_verbs()) {
      const size_t space = verb.name.find(' ');
      if (group.empty()) {
        if (space == verb.name.npos) add(std::string(verb.name), verb.summary);
        else add(std::string(verb.name.substr(0, space)));
      } else if (verb.name.starts_with(group + " ")) {
        add(std::string(verb.name.substr(group.size() + 1)), verb.summary);
      }
    }
    if (group.empty()) add("help", "what there is, and help for each verb");
  }

  void offer_group() {
    if (words_[0] == "help") {
      if (words_.size() == 2) offer_verbs({});
      if (words_.size() == 3) offer_verbs(words_[1]);
      return;
    }
    if (words_.size() == 2) offer_verbs(words_[0]);
  }

  // The verb that is written in full, with words behind it.
  const Verb* find_verb() {
    for (taken_ = 2; taken_ >= 1; --taken_) {
      if (words_.size() <= taken_) continue;
      const std::string name = taken_ == 2 ? words_[0] + " " + words_[1] : words_[0];
      for (const Verb& verb : all_verbs())
        if (verb.name == name) return &verb;
    }
    return nullptr;
  }

  static const Flag* find_flag(const Verb& verb, std::string_view name) {
    for (const Flag& flag : verb.flags)
      if (flag.name == name || (!flag.shorthand.empty() && flag.shorthand == name)) return &flag;
    return nullptr;
  }

  // The flag whose value is being written.
  const Flag* flag_before(const Verb& verb) const {
    if (words_.size() < taken_ + 2) return nullptr;
    const Flag* const flag = find_flag(verb, words_[words_.size() - 2]);
    return flag && !flag->value.empty() ? flag : nullptr;
  }

  void offer_flags(const Verb& verb) {
    for (const Flag& flag : verb.flags) add(std::string(flag.name), flag.about);
    add("--help", "how it is used, with examples");
  }

  // Which of the plain words it is, by the names the help gives them: "OLD [NEW] [--json]", "SERVICE".
  void offer_word(const Verb& verb) {
    size_t at = 0;
    for (size_t i = taken_; i + 1 < words_.size(); ++i) {
      const Flag* const flag = words_[i].starts_with('-') && words_[i].size() > 1 ? find_flag(verb, words_[i]) : nullptr;
      if (flag) i += !flag->value.empty();
      else ++at;
    }
    if (at >= verb.words) return;
    const auto names = plain_words(verb.arguments);
    if (at < names.size()) offer_value(names[at], "");
  }

  static std::vector<std::string_view> plain_words(std::string_view arguments) {
    std::vector<std::string_view> out;
    while (!arguments.empty()) {
      const bool group = arguments.starts_with('[');
      std::string_view part = next_part(arguments, group ? ']' : ' ');
      if (group) part.remove_prefix(1);
      const bool flag = part.starts_with('-');
      if (flag && !group) next_part(arguments, ' ');  // and its value
      while (!flag && !part.empty())
        if (const auto word = next_part(part, ' '); !word.empty() && word != "...") out.push_back(word);
    }
    return out;
  }

  // `before`: what of the word is the flag's: "--config=".
  void offer_value(std::string_view kind, const std::string& before) {
    const auto give = [&](const std::string& value, std::string_view about = {}) { add(before + value, about); };
    if (kind == "FILE" || kind == "OLD" || kind == "NEW") add(kFiles);
    else if (kind == "DIR") add(kFolders);
    else if (kind == "SERVICE" || kind == "TO") offer_names(before);
    else if (kind == "METHOD")
      for (const char* method : {"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"}) give(method);
    else if (kind == "SHELL")
      for (const char* shell : {"bash", "zsh", "fish"}) give(shell);
    if (kind.find('|') != kind.npos && kind.find(':') == kind.npos)  // "true|false"
      for (const std::string_view word : split(kind, '|')) give(std::string(word));
    if (kind == "OLD") give("running", "the proxy at --admin");
  }

  std::string admin() const {
    std::string given;
    for (size_t i = 0; i + 1 < words_.size(); ++i) {
      if (words_[i] == "--admin" && i + 2 < words_.size()) given = words_[i + 1];
      if (words_[i].starts_with("--admin=")) given = words_[i].substr(8);
    }
    return admin_address(given);
  }

  void offer_names(const std::string& before) {
    for (const auto& [page, list] : {std::pair{"/clusters", "clusters"}, {"/services", "services"}}) {
      std::string error;
      const auto answer = ask_admin(admin(), page, error, kPatienceSeconds);
      if (!answer) return;
      rapidjson::Document document;
      document.Parse<rapidjson::kParseIterativeFlag>(answer->body.c_str());
      if (answer->status != 200 || document.HasParseError() || !document.IsObject() || !document.HasMember(list) ||
          !document[list].IsArray())
        continue;
      for (const auto& each : document[list].GetArray())
        if (const std::string name = text_of(each, "name"); !name.empty()) add(before + name);
    }
  }

  const std::vector<std::string>& words_;
  const std::string last_;
  std::vector<std::string> offered_;
  size_t taken_ = 0;
};

}  // namespace

std::string complete(const std::vector<std::string>& words) { return Completion(words).run(); }

}  // namespace outrider::server
