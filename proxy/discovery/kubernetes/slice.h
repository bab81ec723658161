#pragma once
// EndpointSlices of discovery.k8s.io/v1, and what lists and watches of them look like. Sans-I/O.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outrider::discovery {

struct SlicePort {  // of TCP alone
  std::string name, app_protocol;
  uint16_t port = 0;
};

struct SliceEndpoint {
  enum class State : uint8_t { Ready, Draining, Out };  // Draining: it ends, and serves meanwhile
  std::string address;                                  // the first one: the others are the same endpoint
  State state = State::Ready;
  std::string node, zone, pod, uid;  // empty: not said
  std::vector<std::string> for_zones;
};

struct Slice {
  enum class Family : uint8_t { V4, V6, Other } family = Family::Other;
  std::string name, version;  // resourceVersion
  std::string tls;            // its label kTlsLabel, which is the Service's
  std::vector<SlicePort> ports;
  std::vector<SliceEndpoint> endpoints;
};

// Labels of a Service are those of its EndpointSlices, too. "identity": who is behind it takes mutual TLS; "clear": clear text.
inline constexpr std::string_view kTlsLabel = "outrider.dev/tls";

struct SlicePage {  // of a list
  std::vector<Slice> slices;
  std::string version;  // of the whole list
  std::string next;     // `continue`; empty: this was the last page
};

struct SliceEvent {  // a line of a watch
  enum class Kind : uint8_t { Added, Modified, Deleted, Bookmark, Error } kind = Kind::Error;
  Slice slice;          // Deleted: its name alone counts
  std::string version;  // from where a watch may go on
  int code = 0;         // Error: as HTTP has it
  std::string message;  // Error
};
const char* name_of(SliceEvent::Kind kind);  // as the metric's label has it

// No value: it is something else, or one thing in it is.
std::optional<SlicePage> read_page(std::string_view text);
std::optional<SliceEvent> read_event(std::string_view line);
std::string read_message(std::string_view text);  // of a Status; empty: it is none

}  // namespace outrider::discovery
