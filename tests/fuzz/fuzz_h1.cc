// HTTP/1 from strangers, both roles. The first byte chooses role and limits, the second where the bytes are cut, the
// third the method that a response answers; the rest is what came. Whatever it is: it comes to the same however it was
// cut, and what was taken for a message and is written again is the same message for us, and one message for llhttp.

#include <llhttp.h>

#include <cstdlib>
#include <deque>

#include "base/random.h"
#include "tests/unit/http/rig.h"

namespace {

using namespace outrider;
using namespace outrider::http;

void must(bool held) {
  if (!held) std::abort();
}

using Pieces = std::vector<std::string_view>;

Pieces cut(std::string_view bytes, uint64_t seed) {
  Random random(seed);
  Pieces pieces;
  const auto longest = uint32_t(seed % 4 == 0 ? 1 : seed % 4 == 1 ? 8 : 64);
  while (!bytes.empty()) {
    pieces.push_back(bytes.substr(0, 1 + random.below(longest)));
    bytes.remove_prefix(pieces.back().size());
  }
  return pieces;
}

// What was read from a connection, message by message; the codec and its pool go with it.
struct Reading {
  Reading(Role role, const CodecLimits& limits) : rig(role, limits) {}
  std::deque<RecordingStream> streams;
  Rig rig;
};

void read_requests(Reading& in, const Pieces& pieces, bool fin) {
  in.rig.serve = [&in](StreamId id) {
    auto& stream = in.streams.emplace_back(in.rig, id);
    const auto answer = [&in, id](uint16_t status) {
      Arena arena;
      ResponseHead head(arena);
      head.status = status;
      in.rig.codec->send_response(id, head, true);
    };
    stream.on_ended = [answer] { answer(200); };
    stream.on_refused = [answer](const Error& why) {
      if (why.status) answer(why.status);
    };
    return &stream;
  };
  for (const auto piece : pieces) in.rig.read(piece);
  if (fin) in.rig.finish();
}

void read_response(Reading& in, const Pieces& pieces, bool fin, std::string_view method) {
  auto& stream = in.streams.emplace_back(in.rig, 0);
  stream.id = in.rig.codec->open(stream);
  Arena arena;
  RequestHead head(arena);
  head.method_text = method;
  head.method = method_of(method);
  head.path = "/";
  in.rig.codec->send_request(stream.id, head, {}, true);
  in.rig.take_output();
  in.rig.written.clear();
  for (const auto piece : pieces) in.rig.read(piece);
  if (fin) in.rig.finish();
}

// Bytes behind a response are noticed with its end or after it, by how they came; the connection is over either way.
Transcript told(Reading& in) {
  Transcript all = in.rig.transcript();
  for (const std::string_view late : {"fatal bytes_without_request\n", "fatal upstream_closed\n"})
    if (all.events.ends_with(std::string("end\n").append(late))) all.events.resize(all.events.size() - late.size());
  return all;
}

bool is_framing(HeaderId id) { return is_hop_by_hop(id) || id == HeaderId::ContentLength; }

std::vector<std::pair<std::string, std::string>> lasting(const HeaderMap& headers) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (const Field& field : headers.fields())
    if (!is_framing(field.id)) fields.emplace_back(field.name, field.value);
  return fields;
}

void must_be_the_same(const RecordingStream& a, const RecordingStream& b) {
  must(a.body == b.body);
  must((a.trailers != nullptr) == (b.trailers != nullptr));
  if (a.trailers) must(lasting(*a.trailers) == lasting(*b.trailers));
}

void send_rest(Codec& codec, StreamId id, const RecordingStream& message, Rig& rig) {
  Buffer data(rig.pool);
  data.append(message.body);
  do {
    codec.send_body(id, data, !message.trailers);
    rig.take_output();
  } while (!data.empty());
  if (message.trailers) codec.send_trailers(id, *message.trailers);
  rig.take_output();
}

// One whole message and nothing else, for a parser that was never told of ours.
void must_be_one_message(const std::string& bytes, llhttp_type_t type, const std::string& body) {
  struct Seen {
    std::string body;
    int messages = 0;
  } seen;
  llhttp_settings_t settings;
  llhttp_settings_init(&settings);
  settings.on_body = [](llhttp_t* p, const char* at, size_t n) { return static_cast<Seen*>(p->data)->body.append(at, n), 0; };
  settings.on_message_complete = [](llhttp_t* p) { return ++static_cast<Seen*>(p->data)->messages, 0; };
  llhttp_t parser;
  llhttp_init(&parser, type, &settings);
  parser.data = &seen;
  must(llhttp_execute(&parser, bytes.data(), bytes.size()) == HPE_OK);
  must(seen.messages == 1 && seen.body == body);
}

void repeat_request(RecordingStream& message) {
  RequestHead& head = message.request;
  if (!head.headers.find(HeaderId::Host)) head.headers.add("Host", "h");  // as HTTP/1.0 may do without, and we may not
  Rig out(Role::Client, {});
  RecordingStream nobody(out, 0);
  const StreamId id = out.codec->open(nobody);
  const bool end = message.body.empty() && !message.trailers;
  out.codec->send_request(id, head, {}, end);
  out.take_output();
  if (!end) send_rest(*out.codec, id, message, out);
  must(!out.codec->broken());
  Reading again(Role::Server, {.max_header_bytes = 256 * 1024, .max_headers = 1000});
  read_requests(again, {out.written}, false);
  must(again.streams.size() == 1 && again.streams[0].whole && again.rig.input.empty());
  const RequestHead& read = again.streams[0].request;
  must(read.method_text == head.method_text && read.path == head.path);
  must(lasting(read.headers) == lasting(head.headers));
  must_be_the_same(message, again.streams[0]);
  if (head.method != Method::Connect) must_be_one_message(out.written, HTTP_REQUEST, message.body);
}

void repeat_response(RecordingStream& message, std::string_view method) {
  Reading out(Role::Server, {});
  out.rig.serve = [&](StreamId id) { return &out.streams.emplace_back(out.rig, id); };
  out.rig.read(std::string(method) + " / HTTP/1.1\r\nHost: h\r\n\r\n");
  must(out.streams.size() == 1 && out.streams[0].whole);
  const ResponseHead& head = message.response;
  const bool end = message.body.empty() && !message.trailers;
  out.rig.codec->send_response(1, head, end);
  out.rig.take_output();
  if (!end) send_rest(*out.rig.codec, 1, message, out.rig);
  must(!out.rig.codec->broken());
  Reading again(Role::Client, {.max_header_bytes = 256 * 1024, .max_headers = 1000});
  read_response(again, {out.rig.written}, false, method);
  must(again.streams[0].whole && again.rig.input.empty());
  const ResponseHead& read = again.streams[0].response;
  must(read.status == head.status && (head.reason.empty() || read.reason == head.reason));
  must(lasting(read.headers) == lasting(head.headers));
  must_be_the_same(message, again.streams[0]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const uint8_t how = data[0];
  const std::string_view bytes(reinterpret_cast<const char*>(data + 3), size - 3);
  static constexpr std::string_view kMethods[] = {"GET", "HEAD", "POST", "OPTIONS"};
  const auto method = kMethods[data[2] % 4];
  const bool client = how & 1, fin = how & 2;
  CodecLimits limits;
  limits.strict = !(how & 4);
  limits.http10 = !(how & 8);
  if (how & 16) limits.max_header_bytes = 128;
  if (how & 32) limits.max_headers = 4;

  const auto read = [&](Reading& in, const Pieces& pieces) {
    client ? read_response(in, pieces, fin, method) : read_requests(in, pieces, fin);
  };
  const Role role = client ? Role::Client : Role::Server;
  Reading whole(role, limits), parts(role, limits);
  read(whole, {bytes});
  read(parts, cut(bytes, data[1]));
  must(told(whole) == told(parts));

  for (RecordingStream& message : whole.streams) {
    if (!message.whole) continue;
    client ? repeat_response(message, method) : repeat_request(message);
  }
  return 0;
}
