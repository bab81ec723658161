// Manifests from strangers. Whatever they are: values have places within the text, and within those they are in; an injection is
// refused, or it leaves the text so that a second one changes nothing and uninject gives it back byte for byte.

#include <cstdint>
#include <string>

#include "altered.h"
#include "inject/scan.h"
#include "inject/stream.h"

namespace {

using namespace outrider;
using fuzz::must;

void check_places(const inject::Node& node, const inject::Place& within) {
  if (node.place.aliased) return;
  must(node.place.begin <= node.place.end && node.place.begin >= within.begin && node.place.end <= within.end);
  for (const inject::Node& item : node.items()) check_places(item, node.place);
  for (const inject::Node::Entry& entry : node.entries()) {
    if (entry.key_place.aliased) continue;
    must(entry.key_place.begin <= entry.key_place.end && entry.key_place.end <= node.place.end);
    check_places(entry.value, node.place);
  }
}

void check_stream(const std::string& text) {
  std::string together;
  for (const std::string_view piece : inject::documents_of(text)) {
    together += piece;
    const inject::Parsed parsed = inject::read_yaml(piece);
    must(parsed.error.empty() || parsed.root.is_null());
    inject::Place whole;
    whole.end = piece.size();
    check_places(parsed.root, whole);
  }
  must(together == text);
  inject::Settings settings;
  settings.version = "0.1.0";
  const auto done = inject::inject_stream(text, settings);
  must(done.error.empty() || done.text.empty());
  inject::uninject_stream(text);
  if (!done.error.empty() || text.find("outrider") != text.npos) return;
  const auto again = inject::inject_stream(done.text, settings);
  must(again.error.empty() && again.text == done.text);
  const auto back = inject::uninject_stream(done.text);
  must(back.error.empty() && back.text == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  check_stream({reinterpret_cast<const char*>(data), size});
  return 0;
}
