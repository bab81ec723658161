// HTTPRoutes from strangers. Reading them never ends the process, every complaint has its place and is one line, and what is
// shown of the configuration that takes them in is, without them, the same configuration.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

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

constexpr char kConfig[] =
    "version: 1\nmode: edge\nregistry: {kind: none}\n"
    "listeners: {http: {address: \":8080\"}, https: {address: \":8443\"}, mesh: {address: \"127.0.0.1:15001\", direction: outbound}}\n"
    "routes: {mesh: [{cluster: web}]}\n"
    "clusters: {web: {endpoints: [\"127.0.0.1:9001\"]}, shop/cart: {endpoints: [\"127.0.0.1:9003\"]}}\n"
    "routes_from: [{gateway_api: routes.yaml}]\n";

config::Sources sources_of(const std::string& text) {
  config::Sources sources;
  sources.file = "edge.yaml";
  sources.text = text;
  sources.filters = filters::names();
  sources.check_filter = filters::check;
  sources.identity_dir.clear();
  sources.included.emplace();
  return sources;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  config::Sources sources = sources_of(kConfig);
  sources.included->push_back({"routes.yaml", std::string(reinterpret_cast<const char*>(data), size)});
  const auto outcome = config::load(sources);
  const std::string said = config::print(outcome.complaints);
  must(size_t(std::count(said.begin(), said.end(), '\n')) == outcome.complaints.size(), "more lines than complaints", said);
  bool error = false;
  for (const config::Complaint& each : outcome.complaints) {
    error |= each.severity == config::Severity::Error;
    must((each.file == "routes.yaml" || each.file == "edge.yaml") && each.line > 0 && !each.message.empty(),
         "a complaint without a place", said);
  }
  must(error != outcome.document.has_value(), "a document or an error, not both", said);
  if (!outcome.document) return 0;
  const std::string shown = config::show(*outcome.document);
  const auto again = config::load(sources_of(shown));
  must(again.document.has_value(), "what is shown is refused", shown + config::print(again.complaints));
  must(again.document->digest == outcome.document->digest, "what is shown is another configuration", shown);
  return 0;
}
