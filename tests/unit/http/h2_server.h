#pragma once
// A server of HTTP/2 without sockets: frames in, what its streams heard and what it wrote out.

#include "tests/unit/http/frames.h"
#include "tests/unit/http/three_ways.h"

namespace outrider::http {

struct Heard {
  std::string events;  // of streams and connection
  std::string frames;  // written, without SETTINGS and WINDOW_UPDATE
  bool operator==(const Heard&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Heard& h) {
  return out << "--- events\n" << h.events << "--- frames\n" << h.frames;
}

// A connection of a server that answers each whole request with 200 and "yes", and refusals that have one with their
// status.
class Server {
 public:
  explicit Server(CodecLimits limits = {}) : rig(Role::Server, limits, Wire::Http2) {
    rig.serve = [this](StreamId id) -> StreamEvents* {
      if (refuses) return nullptr;
      auto& stream = streams.emplace_back(rig, id);
      stream.on_ended = [this, &stream] {
        if (answers) answer(stream, 200, "yes");
      };
      stream.on_refused = [this, &stream](const Error& why) {
        if (why.status) answer(stream, why.status, "");
      };
      return &stream;
    };
    rig.read(kPreface + frame(NGHTTP2_SETTINGS, 0, 0));
  }
  void answer(RecordingStream& stream, uint16_t status, std::string_view body) {
    Arena arena;
    ResponseHead head(arena);
    head.status = status;
    rig.codec->send_response(stream.id, head, body.empty());
    if (body.empty()) return rig.codec->detach(stream.id);
    Buffer bytes(rig.pool);
    bytes.append(body);
    rig.codec->send_body(stream.id, bytes, true);
  }
  Heard heard() {
    rig.take_output();
    return {rig.events, frames()};
  }
  std::string frames() {
    rig.take_output();
    return reader.read(std::exchange(rig.written, {}));
  }

  Rig rig;
  std::deque<RecordingStream> streams;
  FrameReader reader;
  bool answers = true, refuses = false;
};

// The same whole, in halves at every offset and byte by byte.
inline Heard to_server(const std::string& bytes, CodecLimits limits = {}) {
  Heard all;
  three_ways(bytes, [&](const std::vector<std::string_view>& pieces) {
    Server server(limits);
    for (const auto piece : pieces) server.rig.read(piece);
    all = server.heard();
    return Transcript{all.events, all.frames, server.rig.codec->reusable()};
  });
  return all;
}

// The name of a case, of the sentence that says what it is.
inline std::string case_name(std::string_view what) {
  std::string name(what);
  for (char& c : name)
    if (!isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

inline const std::string kOk = "HEADERS 1 [:status: 200]\nDATA 1 end yes\n";

}  // namespace outrider::http
