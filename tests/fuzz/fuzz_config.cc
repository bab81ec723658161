// Configurations from strangers. The input is a file; behind each byte 0x1f stands one more `--set`. Loading never ends
// the process, every error has its place and is one line, what is shown loads to the same thing again, and nothing differs from
// itself.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/text.h"
#include "config/diff.h"
#include "config/load.h"
#include "config/show.h"
#include "filters/all.h"

namespace {

using namespace outrider;

void must(bool held, const char* what, const std::string& text) {
  if (held) return;
  std::fprintf(stderr, "%s:\n%s\n", what, text.c_str());
  std::abort();
}

config::Sources sources_of(const std::string& text) {
  config::Sources sources;
  sources.file = "fuzz.yaml";
  sources.text = text;
  sources.environment = {{"HOSTNAME", "host"}, {"A", "a"}, {"EMPTY", ""}};
  sources.filters = filters::names();
  sources.check_filter = filters::check;
  sources.identity_dir.clear();
  sources.included.emplace();  // nothing of the disk
  return sources;
}

void check_complaints(const config::Outcome& outcome) {
  const std::string text = config::print(outcome.complaints);
  must(size_t(std::count(text.begin(), text.end(), '\n')) == outcome.complaints.size(), "more lines than complaints", text);
  bool error = false;
  for (const config::Complaint& each : outcome.complaints) {
    error |= each.severity == config::Severity::Error;
    const bool placed = each.file == "fuzz.yaml" ? each.line > 0 : each.file.starts_with("--set ");
    must(placed && !each.message.empty(), "a complaint without a place", text);
  }
  must(error != outcome.document.has_value(), "a document or an error, not both", text);
  must(!config::print_json(outcome.complaints).empty(), "no JSON", text);
}

void check_shown(const config::Document& document, config::ShowOptions options) {
  const std::string text = config::show(document, options);
  const auto again = config::load(sources_of(text));
  must(again.document.has_value(), "what is shown is refused", text + config::print(again.complaints));
  must(again.document->digest == document.digest, "what is shown is another configuration",
       text + config::show(*again.document, {.defaults = true}));
}

// Never of the same; of the one before it whatever it is, each with its key and as one line.
void check_diff(const config::Document& document) {
  static std::optional<config::Document> before;
  must(config::diff(document, document).empty(), "a difference from itself", config::show(document));
  if (before)
    for (const auto& each : config::diff(*before, document))
      must(!each.path.empty() && !each.sentence.empty() && each.sentence.find('\n') == each.sentence.npos,
           "a difference without a sentence", config::show(document));
  before = document;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  std::string_view rest = input;
  config::Sources sources = sources_of(std::string(next_part(rest, '\x1f')));
  while (!rest.empty()) sources.set.emplace_back(next_part(rest, '\x1f'));
  const auto outcome = config::load(sources);
  check_complaints(outcome);
  if (!outcome.document) return 0;
  check_diff(*outcome.document);
  check_shown(*outcome.document, {});
  check_shown(*outcome.document, {.origin = true});
  check_shown(*outcome.document, {.defaults = true});
  return 0;
}
