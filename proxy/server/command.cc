// The command line: which verb is meant, and help where there is none.

#include <algorithm>
#include <cstdio>
#include <string>

#include "base/text.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

void print_overview(std::FILE* out) {
  std::fputs(
      "outrider: a sidecar and edge proxy whose services find each other without a control plane\n\n"
      "usage: outrider VERB [...]       outrider VERB --help for each\n\n",
      out);
  for (const Verb& verb : all_verbs())
    std::fprintf(out, "  %-18s %s\n", std::string(verb.name).c_str(), std::string(verb.summary).c_str());
  std::fputs(
      "\n  outrider run --listen :8080 --to 127.0.0.1:9001,127.0.0.1:9002\n"
      "  outrider run --service web:8080 --bootstrap seed.mesh:4222\n",
      out);
}

int print_help(const Verb& verb) {
  std::printf("usage: outrider %s %s\n\n%s\n\n%s", std::string(verb.name).c_str(), std::string(verb.arguments).c_str(),
              std::string(verb.summary).c_str(), std::string(verb.help).c_str());
  if (!verb.flags.empty()) std::printf("\noptions:\n");
  for (const Flag& flag : verb.flags) {
    std::string left(flag.name);
    if (!flag.shorthand.empty()) left = std::string(flag.shorthand) + ", " + left;
    if (!flag.value.empty()) left.append(1, ' ').append(flag.value);
    std::printf("  %-28s %s\n", left.c_str(), std::string(flag.about).c_str());
  }
  return kOk;
}

// The longest verb whose words come first; `taken` says how many.
const Verb* find_verb(const std::vector<std::string>& words, size_t& taken) {
  for (taken = 2; taken >= 1; --taken) {
    if (words.size() < taken) continue;
    const std::string name = taken == 2 ? words[0] + " " + words[1] : words[0];
    for (const Verb& verb : all_verbs())
      if (verb.name == name) return &verb;
  }
  return nullptr;
}

// `outrider config`: what there is under it. Empty: it is no group.
std::string group_of(const std::string& word) {
  std::string group;
  for (const Verb& verb : all_verbs())
    if (verb.name.starts_with(word + " "))
      group += "  outrider " + std::string(verb.name) + " " + std::string(verb.arguments) + "\n";
  return group;
}

int unknown_verb(const std::vector<std::string>& words) {
  if (words[0].starts_with('-')) {
    std::fprintf(stderr, "outrider: a verb comes first: outrider run %s ...\n`outrider --help` lists them\n", words[0].c_str());
    return kUsage;
  }
  const std::string group = group_of(words[0]);
  const bool second = !group.empty() && words.size() > 1 && !words[1].starts_with('-');
  const std::string given = second ? words[0] + " " + words[1] : words[0];
  const Verb* nearest = nullptr;
  size_t distance = 3;
  for (const Verb& verb : all_verbs())
    if (const size_t d = edit_distance(verb.name, given, distance - 1); d < distance) nearest = &verb, distance = d;
  if (group.empty() || second)
    std::fprintf(stderr, "outrider: unknown verb \"%s\"%s\n", given.c_str(),
                 nearest ? (" (did you mean \"" + std::string(nearest->name) + "\"?)").c_str() : "");
  std::fputs(group.empty() ? "`outrider --help` lists them\n" : ("usage:\n" + group).c_str(), stderr);
  return kUsage;
}

// `help`, `help run`, `help config`, `run --help`, `config --help`.
int help(const std::vector<std::string>& words) {
  if (words.empty()) return print_overview(stdout), kOk;
  size_t taken = 0;
  if (const Verb* verb = find_verb(words, taken)) return print_help(*verb);
  const std::string group = group_of(words[0]);
  if (group.empty() || words.size() > 1) return unknown_verb(words);
  return std::printf("usage:\n%s", group.c_str()), kOk;
}

bool asks_for_help(const std::string& word) { return word == "--help" || word == "-h"; }

}  // namespace

int usage_error(std::string_view verb, std::string_view text) {
  std::fprintf(stderr, "outrider %s: %s\n", std::string(verb).c_str(), std::string(text).c_str());
  for (const Verb& one : all_verbs())
    if (one.name == verb)
      std::fprintf(stderr, "usage: outrider %s %s\n", std::string(verb).c_str(), std::string(one.arguments).c_str());
  return kUsage;
}

int run_command(std::vector<std::string> words) {
  if (words.empty()) return print_overview(stderr), kUsage;
  if (words[0] == "help" || asks_for_help(words[0])) return help({words.begin() + 1, words.end()});
  if (words[0] == "--version") words[0] = "version";
  if (words.size() == 2 && asks_for_help(words[1])) return help({words[0]});
  size_t taken = 0;
  const Verb* verb = find_verb(words, taken);
  if (!verb) return unknown_verb(words);
  words.erase(words.begin(), words.begin() + ptrdiff_t(taken));
  const auto own_end = std::find(words.begin(), words.end(), "--");
  if (std::any_of(words.begin(), own_end, asks_for_help)) return print_help(*verb);
  std::string error;
  const Arguments arguments = Arguments::parse(words, verb->flags, error);
  if (!error.empty()) return usage_error(verb->name, error);
  const bool takes_command = verb->run == run_proxy, takes_words = takes_command || verb->run == show_completion;
  if (arguments.words().size() > verb->words)
    return usage_error(verb->name, "\"" + arguments.words()[verb->words] + "\" is not expected here" +
                                       (takes_command ? " (a command goes behind --)" : ""));
  if (own_end != words.end() && !takes_words) return usage_error(verb->name, "\"--\" is not expected here");
  return verb->run(arguments);
}

}  // namespace outrider::server
