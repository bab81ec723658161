// What Kubernetes' API server says: lines of a watch in pieces of any size, and pages of a list; and what they come to together.

#include <vector>

#include "discovery/kubernetes/lines.h"
#include "discovery/kubernetes/slice_set.h"

using namespace outrider::discovery;

namespace {

std::vector<std::string> lines_of(std::string_view bytes, size_t piece, bool& too_long) {
  std::vector<std::string> all;
  Lines lines(4096);
  too_long = false;
  for (size_t at = 0; at < bytes.size() && !too_long; at += piece)
    too_long = lines.feed(bytes.substr(at, piece), [&](std::string_view line) {
      all.emplace_back(line);
      return true;
    }) == Lines::Fed::TooLong;
  return all;
}

}  // namespace

// The first byte is the size of the pieces.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  bool whole_too_long = false, too_long = false;
  const auto lines = lines_of(bytes, std::max<size_t>(1, bytes.size()), whole_too_long);
  const auto again = lines_of(bytes, size_t(data[0] & 31) + 1, too_long);
  if (whole_too_long != too_long || lines != again) __builtin_trap();

  SliceSet set;
  if (auto page = read_page(bytes)) set.replace(std::move(page->slices));
  for (const std::string& line : lines) {
    auto event = read_event(line);
    if (!event) continue;
    if (event->kind != SliceEvent::Kind::Error && event->version.empty()) __builtin_trap();
    if (event->kind == SliceEvent::Kind::Added || event->kind == SliceEvent::Kind::Modified) set.put(std::move(event->slice));
    else if (event->kind == SliceEvent::Kind::Deleted) set.erase(event->slice.name);
  }
  (void)read_message(bytes);
  for (const bool v6_first : {false, true}) {
    const auto endpoints = set.endpoints({.space = "shop", .port = {}, .zone = "a", .v6_first = v6_first, .most = 100});
    if (endpoints.all.size() > std::min<size_t>(100, set.endpoints())) __builtin_trap();
    for (size_t i = 1; i < endpoints.all.size(); ++i)
      if (endpoints.all[i - 1]->address >= endpoints.all[i]->address) __builtin_trap();  // each once
  }
  return 0;
}
