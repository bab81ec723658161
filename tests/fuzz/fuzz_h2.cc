// HTTP/2 from strangers, both roles. The first byte chooses role and limits, the second where the bytes are cut; the
// rest is what came behind the preface. Whatever it is: nothing is read that could break out of its line on another
// wire, every stream hears one end and nothing after it, and at the end nothing is held.

#include <cstdlib>
#include <deque>

#include "base/random.h"
#include "http/grammar.h"
#include "tests/unit/http/frames.h"

namespace {

using namespace outrider;
using namespace outrider::http;

void must(bool held) {
  if (!held) std::abort();
}

void must_be_clean(const HeaderMap& headers) {
  for (const Field& field : headers.fields()) must(is_token(field.name) && is_field_value(field.value) && field.clean);
}

class Stream final : public StreamEvents {
 public:
  Stream(Rig& rig, StreamId stream, uint8_t how) : id(stream), rig_(rig), how_(how) {}
  RequestHead* request_head() override { return &request_; }
  ResponseHead* response_head() override { return &response_; }
  void on_interim() override {
    must(!ended_ && !headed_);
    must_be_clean(response_.headers);
  }
  void on_head(bool end) override {
    must(!ended_ && !std::exchange(headed_, true));
    must_be_clean(request_.headers);
    must_be_clean(response_.headers);
    if (rig_.serve) must(request_.form == Form::Authority || is_target(request_.path));
    note_end(end);
  }
  void on_body(Buffer&& data, bool end) override {
    must(!ended_ && headed_);
    if (how_ & 4) rig_.codec->consumed(id, data.size());
    note_end(end);
  }
  void on_trailers(HeaderMap& trailers) override {
    must(headed_);
    must_be_clean(trailers);
    note_end(true);
  }
  void on_sendable() override { send(); }
  void on_reset(const Error&) override {
    must(!std::exchange(reset_, true));
    ended_ = true;
  }
  StreamId id;

 private:
  void note_end(bool end) {
    if (!end) return;
    must(!std::exchange(ended_, true));
    if (!rig_.serve) return;
    if (how_ & 8) return rig_.codec->reset(id, Reset::Cancelled);
    Arena arena;
    ResponseHead head(arena);
    head.status = 200;
    rig_.codec->send_response(id, head, false);
    left_.append(std::string(how_ & 16 ? 100000 : 10, 'x'));
    send();
  }
  void send() {
    rig_.codec->send_body(id, left_, true);
    if (left_.empty()) rig_.codec->detach(id);
  }
  Rig& rig_;
  uint8_t how_;
  Arena arena_;
  RequestHead request_{arena_};
  ResponseHead response_{arena_};
  Buffer left_{rig_.pool};
  bool headed_ = false, ended_ = false, reset_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const uint8_t how = data[0];
  Random random(data[1]);
  std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  CodecLimits limits;
  if (how & 32) limits.max_header_bytes = 128;
  if (how & 64) limits.max_streams = 2;
  const bool client = how & 1;
  Rig rig(client ? Role::Client : Role::Server, limits, Wire::Http2);
  std::deque<Stream> streams;
  if (client) {
    for (int i = 0; i < 3; ++i) {
      Stream& stream = streams.emplace_back(rig, 0, how);
      stream.id = rig.codec->open(stream);
      Arena arena;
      RequestHead head(arena);
      head.method_text = i == 1 ? "HEAD" : "GET";
      head.method = method_of(head.method_text);
      head.path = "/";
      head.authority = "a";
      rig.codec->send_request(stream.id, head, {}, true);
    }
    rig.take_output();
  } else {
    rig.serve = [&](StreamId id) -> StreamEvents* { return &streams.emplace_back(rig, id, how); };
    rig.read(kPreface + frame(NGHTTP2_SETTINGS, 0, 0));
  }
  while (!bytes.empty()) {
    const auto piece = bytes.substr(0, how & 2 ? 1 + random.below(40) : bytes.size());
    rig.read(piece);
    bytes.remove_prefix(piece.size());
  }
  rig.finish();
  if (!rig.fatal) rig.codec->lost({Code::Closed, Side::Local, Retry::No, 0, "closed"});
  return 0;
}
