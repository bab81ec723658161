#pragma once
// A codec without sockets: bytes in, what it said and wrote out, as text.

#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/codec.h"

namespace outrider::http {

struct Transcript {
  std::string events;  // one line an event; body bytes that come in a row are one line
  std::string written;
  bool reusable = false;
  bool operator==(const Transcript&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Transcript& t) {
  return out << "--- events\n" << t.events << "--- written\n" << t.written << "\n--- reusable " << t.reusable << '\n';
}

inline std::string text_of(const HeaderMap& headers) {
  std::string text;
  for (const Field& field : headers.fields()) text += " [" + std::string(field.name) + ": " + std::string(field.value) + "]";
  return text;
}

inline const char* name_of(Form form) {
  static constexpr const char* kNames[] = {"", " absolute", " authority", " asterisk"};
  return kNames[size_t(form)];
}

// A codec's owner and its input, as a connection would keep it.
class Rig : public CodecEvents {
 public:
  Rig(Role role, const CodecLimits& limits, Wire wire = Wire::Http1)
      : input(pool), codec(make_codec(wire, role, *this, pool, limits)) {}

  // As if these bytes had been read, and the turn had ended.
  void read(std::string_view bytes) {
    if (fatal) return;
    input.append(bytes);
    turn();
  }
  void turn() {
    do {
      hungry = false;
      if (const auto ok = codec->feed(input); !ok) return die("fatal", ok.error());
      take_output();
    } while (hungry);
  }
  void finish() {
    if (fatal) return;
    if (const auto ok = codec->end_of_input(); !ok) return die("fatal", ok.error());
    take_output();
  }
  void take_output() {
    while (!codec->output().empty()) {
      written += codec->output().text();
      codec->output().clear();
      codec->written();
    }
  }
  void note(std::string line) {
    in_body_ = false;
    events += line + "\n";
  }
  void note_body(const std::string& bytes) {
    if (bytes.empty()) return;
    if (in_body_) events.pop_back();
    else events += "body ";
    events += bytes + "\n";
    in_body_ = true;
  }
  Transcript transcript() {
    take_output();
    if (codec->broken()) note("broken");
    return {events, written, codec->reusable()};
  }

  StreamEvents* on_stream(StreamId id) override { return serve ? serve(id) : nullptr; }
  void on_goaway() override { note("goaway"); }
  void on_output() override { ++outputs; }
  void on_hungry() override { hungry = true; }
  void on_enough() override { hungry = enough = true; }
  void on_idle() override { ++idles; }
  void on_alive() override { note("alive"); }
  void on_partial() override { ++partials; }

  BlockPool pool;
  Buffer input;
  std::string events, written;
  std::function<StreamEvents*(StreamId)> serve;
  int outputs = 0, idles = 0, partials = 0;
  bool hungry = false, enough = false, fatal = false;
  std::unique_ptr<Codec> codec;

 private:
  void die(const char* how, const Error& why) {
    fatal = true;
    take_output();
    note(std::string(how) + " " + why.what);
    codec->lost(why);
  }
  bool in_body_ = false;
};

// Writes down what it hears, takes every byte at once, and answers at the end of its request when told to.
class RecordingStream final : public StreamEvents {
 public:
  RecordingStream(Rig& rig, StreamId stream) : id(stream), rig_(rig) {}
  RequestHead* request_head() override { return &request; }
  ResponseHead* response_head() override { return &response; }
  void on_interim() override { rig_.note("interim " + std::to_string(response.status) + text_of(response.headers)); }
  void on_head(bool end) override {
    rig_.note(response.status ? status_line() : request_line());
    if (end) ended();
    else if (request.tunnel() && on_tunnel) on_tunnel();
  }
  void on_body(Buffer&& data, bool end) override {
    rig_.note_body(data.text());
    body += data.text();
    if (takes) rig_.codec->consumed(id, data.size());
    if (end) ended();
  }
  void on_trailers(HeaderMap& map) override {
    rig_.note("trailers" + text_of(map));
    trailers = &map;
    ended();
  }
  void on_sendable() override { ++sendables; }
  void on_reset(const Error& why) override {
    rig_.note("reset " + std::string(why.what) + (why.status ? " " + std::to_string(why.status) : "") +
              (why.retry == Retry::IfReused ? " if-reused"
               : why.retry == Retry::Yes    ? " again"
                                            : ""));
    if (on_refused) on_refused(why);
  }

  Arena arena;
  RequestHead request{arena};
  ResponseHead response{arena};
  std::function<void()> on_ended, on_tunnel;
  std::function<void(const Error&)> on_refused;
  StreamId id;
  std::string body;
  const HeaderMap* trailers = nullptr;
  bool whole = false;  // its end has come
  int sendables = 0;
  bool takes = true;

 private:
  std::string request_line() {
    std::string line = "head " + std::string(request.method_text) + " " + std::string(request.path) + name_of(request.form);
    if (request.version == Version::Http10) line += " 1.0";
    if (!request.protocol.empty()) line += " upgrade=" + std::string(request.protocol);
    return line + " @" + std::string(request.authority) + text_of(request.headers);
  }
  std::string status_line() {
    return "head " + std::to_string(response.status) + " " + std::string(response.reason) + text_of(response.headers);
  }
  void ended() {
    rig_.note("end");
    whole = true;
    if (on_ended) on_ended();
  }
  Rig& rig_;
};

}  // namespace outrider::http
