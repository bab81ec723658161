#pragma once
// Every script of a codec runs three ways (whole, halves at every offset, byte by byte) and must come out the same.

#include <gtest/gtest.h>

#include <deque>

#include "tests/unit/http/rig.h"

namespace outrider::http {

// `drive` feeds one set of pieces to a codec of its own and says what came of it.
inline Transcript three_ways(std::string_view bytes,
                             const std::function<Transcript(const std::vector<std::string_view>&)>& drive) {
  const Transcript whole = drive({bytes});
  for (size_t at = 1; at < bytes.size(); ++at) {
    const Transcript halves = drive({bytes.substr(0, at), bytes.substr(at)});
    EXPECT_EQ(whole, halves) << "in halves, cut at " << at << " of\n" << bytes;
    if (!(whole == halves)) return whole;
  }
  std::vector<std::string_view> each;
  for (size_t at = 0; at < bytes.size(); ++at) each.push_back(bytes.substr(at, 1));
  const Transcript bytewise = drive(each);
  EXPECT_EQ(whole, bytewise) << "byte by byte:\n" << bytes;
  return whole;
}

inline void respond(Rig& rig, const RecordingStream& stream, uint16_t status, bool end) {
  Arena arena;
  ResponseHead head(arena);
  head.status = status;
  rig.codec->send_response(stream.id, head, end);
}

// What a server makes of requests. Each is answered at its end with "200" and its number, malformed ones with their status.
struct ServerScript {
  CodecLimits limits{};
  bool fin = false;                                     // behind the bytes
  std::function<void(Rig&, RecordingStream&)> on_head;  // of a tunnel
  std::function<void(Rig&, RecordingStream&)> answer = [](Rig& rig, RecordingStream& stream) {
    Arena arena;
    ResponseHead head(arena);
    head.status = 200;
    head.headers.add("N", std::to_string(stream.id));
    rig.codec->send_response(stream.id, head, true);
  };
};

inline Transcript requests(std::string_view bytes, const ServerScript& script = {}) {
  return three_ways(bytes, [&](const std::vector<std::string_view>& pieces) {
    Rig rig(Role::Server, script.limits);
    std::deque<RecordingStream> streams;
    rig.serve = [&](StreamId id) {
      auto& stream = streams.emplace_back(rig, id);
      stream.on_ended = [&] { script.answer(rig, stream); };
      stream.on_refused = [&](const Error& why) {
        if (why.status) respond(rig, stream, why.status, true);
      };
      stream.on_tunnel = [&] {
        if (script.on_head) script.on_head(rig, stream);
      };
      return &stream;
    };
    for (const auto piece : pieces) rig.read(piece);
    if (script.fin) rig.finish();
    return rig.transcript();
  });
}

// What a client makes of the responses to requests of these methods, one after another.
struct ClientScript {
  std::vector<std::string_view> methods{"GET"};
  CodecLimits limits{};
  bool fin = false;
};

inline Transcript responses(std::string_view bytes, const ClientScript& script = {}) {
  return three_ways(bytes, [&](const std::vector<std::string_view>& pieces) {
    Rig rig(Role::Client, script.limits);
    std::deque<RecordingStream> streams;
    const auto ask = [&] {
      if (streams.size() == script.methods.size() || !rig.codec->can_open()) return;
      auto& stream = streams.emplace_back(rig, 0);
      stream.id = rig.codec->open(stream);
      Arena arena;
      RequestHead head(arena);
      head.method_text = script.methods[streams.size() - 1];
      head.method = method_of(head.method_text);
      head.path = "/";
      rig.codec->send_request(stream.id, head, {}, true);
      rig.take_output();
    };
    ask();
    for (const auto piece : pieces) {
      rig.read(piece);
      ask();
    }
    if (script.fin) rig.finish();
    Transcript all = rig.transcript();
    all.written.clear();
    return all;
  });
}

// The events of one well-formed message, and of one that is refused: "reset REASON STATUS".
inline std::string lines(std::initializer_list<std::string_view> all) {
  std::string text;
  for (const auto line : all) text.append(line).append("\n");
  return text;
}

// What requests() answers the first, the second, ..., and what the codec itself answers when it is the end.
inline std::string answered(int number) {
  return "HTTP/1.1 200 OK\r\nN: " + std::to_string(number) + "\r\nContent-Length: 0\r\n\r\n";
}

inline std::string closing(int status, const char* phrase) {
  return "HTTP/1.1 " + std::to_string(status) + " " + phrase + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
}

}  // namespace outrider::http
