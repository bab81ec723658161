// RFC 9113 by section: what a client must make of what a server says.

#include <gtest/gtest.h>

#include <deque>

#include "tests/unit/http/frames.h"
#include "tests/unit/http/three_ways.h"

// clang-format off
namespace outrider::http {
namespace {

// Stream 1 waits for its answer, stream 3 is half way through one; the request of stream 5 has not come to its end.
class Asked {
 public:
  explicit Asked(CodecLimits limits = {}, bool greeted = true) : rig(Role::Client, limits, Wire::Http2) {
    for (int i = 0; i < 3; ++i) ask(i < 2);
    if (greeted) rig.read(frame(NGHTTP2_SETTINGS, 0, 0) + frame(NGHTTP2_SETTINGS, kAck, 0));
    if (greeted) rig.read(headers(3, {{":status", "200"}}, kEndHeaders));
    said();
    rig.events.clear();
  }
  RecordingStream& ask(bool end) {
    auto& stream = streams.emplace_back(rig, 0);
    stream.id = rig.codec->open(stream);
    RequestHead& head = stream.request;
    head.method_text = end ? "GET" : "POST";
    head.method = method_of(head.method_text);
    head.path = "/";
    head.authority = "web";
    rig.codec->send_request(stream.id, head, {}, end);
    rig.take_output();
    return stream;
  }
  std::string said() {
    rig.take_output();
    return reader.read(std::exchange(rig.written, {}));
  }
  Rig rig;
  std::deque<RecordingStream> streams;
  FrameReader reader;
};

struct Row {
  const char* what;
  std::string bytes;
  const char* says;   // all of it, without the words of a GOAWAY; empty: nothing
  const char* hears;  // what its streams and its owner are told
};

class H2ClientRfc9113 : public testing::TestWithParam<Row> {};

TEST_P(H2ClientRfc9113, IsFollowed) {
  const Row& row = GetParam();
  Asked client;
  client.rig.read(row.bytes);
  std::string said = client.said();
  if (const auto goaway = said.find("GOAWAY "); goaway != std::string::npos) {
    said.resize(said.find('\n', goaway));
    for (int space = 0, at = int(goaway); at < int(said.size()); ++at)
      if (said[size_t(at)] == ' ' && ++space == 3) said.resize(size_t(at));
    said += '\n';
  }
  EXPECT_EQ(said, row.says);
  EXPECT_EQ(client.rig.fatal, said.find("GOAWAY ") != std::string::npos);
  const std::string& heard = client.rig.events;
  const size_t behind = client.rig.fatal ? heard.find('\n') + 1 : 0;  // "fatal", and why
  EXPECT_TRUE(heard.substr(behind).starts_with(row.hears)) << heard;
  if (client.rig.fatal || !client.rig.codec->can_open()) return;
  client.rig.events.clear();
  client.rig.read(headers(client.ask(true).id - 1, {{":status", "204"}}));  // the codec's own numbers are even
  EXPECT_EQ(client.rig.events, "head 204 \nend\n") << "it goes on";
}

std::string setting(uint16_t id, uint32_t value) { return frame(NGHTTP2_SETTINGS, 0, 0, number(id, 2) + number(value)); }
std::string credit(uint32_t stream, uint32_t n) { return frame(NGHTTP2_WINDOW_UPDATE, 0, stream, number(n)); }
std::string answer(Fields more, uint8_t flags = kEndHeaders | kEndStream) {
  more.insert(more.begin(), {":status", "200"});
  return headers(1, more, flags);
}
std::string reset(uint32_t stream, uint32_t code) { return frame(NGHTTP2_RST_STREAM, 0, stream, number(code)); }
const char* const kBroken = "GOAWAY 0 PROTOCOL_ERROR\n";
const char* const kMalformed = "RST_STREAM 1 PROTOCOL_ERROR\n";

const std::vector<Row> kRows{
    {"4.1 a type nobody knows", frame(0x16, 0, 0, "12345678"), "", ""},
    {"4.1 a flag nobody knows", frame(NGHTTP2_PING, 0x16, 0, "12345678"), "PING ack\n", ""},
    {"4.2 data longer than may be", data(3, std::string(16385, 'x')), "GOAWAY 0 FRAME_SIZE_ERROR\n", "reset "},
    {"4.3 a block that cannot be read", frame(NGHTTP2_HEADERS, kEndHeaders, 1, "\xff\xff\xff\xff\xff\xff"), "GOAWAY 0 COMPRESSION_ERROR\n", "reset "},
    {"4.3 another frame inside a block", headers(1, {{":status", "200"}}, 0) + frame(NGHTTP2_PING, 0, 0, "12345678"), kBroken, "reset "},
    {"5.1 data on an idle stream", data(7, "x"), kBroken, "reset "},
    {"5.1 a reset of an idle stream", reset(7, 8), kBroken, "reset "},
    {"5.1 credit for an idle stream", credit(7, 1), kBroken, "reset "},
    {"5.1 credit behind an answer", answer({}) + credit(1, 1), "", "head 200 \nend\n"},
    {"5.1.1 an answer nobody asked for", headers(7, {{":status", "200"}}), kBroken, "reset "},
    {"5.1.1 a stream of the server's own", headers(2, {{":status", "200"}}), kBroken, "reset "},
    {"5.4.2 a reset is not answered with one", reset(1, 8), "", "reset stream_reset\n"},
    {"6.1 data on stream 0", data(0, "x"), kBroken, "reset "},
    {"6.1 more padding than payload", frame(NGHTTP2_DATA, kPadded, 3, "\x7fx"), kBroken, "reset "},
    {"6.1 padding", frame(NGHTTP2_DATA, kPadded | kEndStream, 3, std::string("\3abc", 4) + std::string(3, '\0')), "", "body abc\nend\n"},
    {"6.2 an answer on stream 0", headers(0, {{":status", "200"}}), kBroken, "reset "},
    {"6.4 a reset on stream 0", reset(0, 8), kBroken, "reset "},
    {"6.4 a reset of wrong size", frame(NGHTTP2_RST_STREAM, 0, 1, "abc"), "GOAWAY 0 FRAME_SIZE_ERROR\n", "reset "},
    {"6.5 settings on a stream", frame(NGHTTP2_SETTINGS, 0, 1), kBroken, "reset "},
    {"6.5 an acknowledgment with settings", frame(NGHTTP2_SETTINGS, kAck, 0, number(3, 2) + number(1)), "GOAWAY 0 FRAME_SIZE_ERROR\n", "reset "},
    {"6.5.2 a server that would push", setting(NGHTTP2_SETTINGS_ENABLE_PUSH, 1), kBroken, "reset "},
    {"6.5.2 a server that would not", setting(NGHTTP2_SETTINGS_ENABLE_PUSH, 0), "", ""},
    {"6.5.2 a window above the limit", setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0x80000000u), "GOAWAY 0 FLOW_CONTROL_ERROR\n", "reset "},
    {"6.5.2 frames below the least size", setting(NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 16383), kBroken, "reset "},
    {"6.5.2 extended CONNECT taken back", setting(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1) + setting(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 0), kBroken, "reset "},
    {"6.6 a push though none is allowed", frame(NGHTTP2_PUSH_PROMISE, kEndHeaders, 1, number(2) + block(request_fields())), kBroken, "reset "},
    {"6.7 a ping", frame(NGHTTP2_PING, 0, 0, "12345678"), "PING ack\n", ""},
    {"6.7 a ping on a stream", frame(NGHTTP2_PING, 0, 1, "12345678"), kBroken, "reset "},
    {"6.7 a ping of wrong size", frame(NGHTTP2_PING, 0, 0, "abc"), "GOAWAY 0 FRAME_SIZE_ERROR\n", "reset "},
    {"6.8 a goodbye on a stream", frame(NGHTTP2_GOAWAY, 0, 1, number(0) + number(0)), kBroken, "reset "},
    {"6.8 streams behind the last one are nobody's", frame(NGHTTP2_GOAWAY, 0, 0, number(3) + number(0)), "", "goaway\nreset stream_refused again\n"},
    {"6.9 no credit for the connection", credit(0, 0), kBroken, "reset "},
    {"6.9.1 the connection's credit above the limit", credit(0, 0x7fffffff), "GOAWAY 0 FLOW_CONTROL_ERROR\n", "reset "},
    {"6.10 a continuation of nothing", frame(NGHTTP2_CONTINUATION, kEndHeaders, 1, block({{"a", "b"}})), kBroken, "reset "},
    {"6.10 an answer in pieces", frame(NGHTTP2_HEADERS, kEndStream, 1, block({{":status", "200"}})) + frame(NGHTTP2_CONTINUATION, kEndHeaders, 1, block({{"a", "b"}})), "", "head 200  [a: b]\nend\n"},
    {"7 a reset for a reason nobody knows", reset(1, 0xff), "", "reset stream_reset\n"},
    {"8.1 data before an answer", data(1, "x"), kBroken, "reset "},
    {"8.1 an interim answer, and one that counts", headers(1, {{":status", "103"}}, kEndHeaders) + answer({}), "", "interim 103\nhead 200 \nend\n"},
    {"8.1 an interim answer that is the end", headers(1, {{":status", "103"}}), kMalformed, "reset malformed\n"},
    {"8.1 trailers", headers(3, {{"a", "b"}}), "", "trailers [a: b]\nend\n"},
    {"8.1 trailers without an end", headers(3, {{"a", "b"}}, kEndHeaders), "RST_STREAM 3 PROTOCOL_ERROR\n", "reset malformed\n"},
    {"8.1 a pseudo-field in trailers", headers(3, {{":status", "200"}}), "RST_STREAM 3 PROTOCOL_ERROR\n", "reset malformed\n"},
    {"8.1 an answer before the end of its request", headers(5, {{":status", "413"}}) + reset(5, 0), "", "head 413 \nend\n"},
    {"8.1.1 a length and no body", answer({{"content-length", "5"}}), kMalformed, "reset malformed\n"},
    {"8.1.1 more than the length", answer({{"content-length", "1"}}, kEndHeaders) + data(1, "ab", true), kMalformed, "reset malformed\n"},
    {"8.1.1 less than the length", answer({{"content-length", "3"}}, kEndHeaders) + data(1, "ab", true), kMalformed, "reset malformed\n"},
    {"8.2.1 upper case in a name", answer({{"Server", "x"}}), kMalformed, "reset malformed\n"},
    {"8.2.1 a space in a name", answer({{"a b", "c"}}), kMalformed, "reset malformed\n"},
    {"8.2.1 CR in a value", answer({{"a", "b\rc"}}), kMalformed, "reset malformed\n"},
    {"8.2.1 LF in a value", answer({{"a", "b\nset-cookie: evil"}}), kMalformed, "reset malformed\n"},
    {"8.2.1 NUL in a value", answer({{"a", std::string("b\0c", 3)}}), kMalformed, "reset malformed\n"},
    {"8.2.2 Connection", answer({{"connection", "close"}}), kMalformed, "reset malformed\n"},
    {"8.2.2 Keep-Alive", answer({{"keep-alive", "timeout=5"}}), kMalformed, "reset malformed\n"},
    {"8.2.2 Transfer-Encoding", answer({{"transfer-encoding", "chunked"}}), kMalformed, "reset malformed\n"},
    {"8.2.2 Upgrade", answer({{"upgrade", "h2c"}}), kMalformed, "reset malformed\n"},
    {"8.3 a pseudo-field behind a field", headers(1, {{"a", "b"}, {":status", "200"}}), kMalformed, "reset malformed\n"},
    {"8.3 an unknown pseudo-field", answer({{":reason", "fine"}}), kMalformed, "reset malformed\n"},
    {"8.3 a request's pseudo-field", answer({{":path", "/"}}), kMalformed, "reset malformed\n"},
    {"8.3.2 no status", headers(1, {{"a", "b"}}), kMalformed, "reset malformed\n"},
    {"8.3.2 a status twice", answer({{":status", "200"}}), kMalformed, "reset malformed\n"},
    {"8.3.2 a status that is none", headers(1, {{":status", "2xx"}}), kMalformed, "reset malformed\n"},
    {"8.6 a switch of protocols", headers(1, {{":status", "101"}}), kMalformed, "reset malformed\n"},
};

INSTANTIATE_TEST_SUITE_P(Sections, H2ClientRfc9113, testing::ValuesIn(kRows), [](const auto& of) {
  std::string name(of.param.what);
  for (char& c : name) if (!isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});
// clang-format on

TEST(H2Client, BeginsWithThePrefaceAndItsSettings) {
  Rig rig(Role::Client, {}, Wire::Http2);
  rig.take_output();
  EXPECT_TRUE(rig.written.starts_with(kPreface));
  FrameReader reader(true);
  EXPECT_TRUE(reader.read(rig.written).starts_with("SETTINGS\n"));
}

TEST(H2Client, AServerThatDoesNotBeginWithSettingsIsNone) {
  Asked client({}, false);
  client.rig.read(frame(NGHTTP2_PING, 0, 0, "12345678"));
  EXPECT_TRUE(client.rig.fatal);
  EXPECT_TRUE(client.said().starts_with("GOAWAY 0 PROTOCOL_ERROR"));
}

TEST(H2Client, SettingsAreAcknowledgedOnceEach) {
  Asked client;
  client.rig.read(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 70000) + setting(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0));
  FrameReader reader(true);
  EXPECT_EQ(reader.read(std::exchange(client.rig.written, {})), "SETTINGS ack\nSETTINGS ack\n");
}

// RFC 7541 4.2, 9113 4.3.1: the first block behind the acknowledgment says that the table has shrunk.
TEST(H2Client, ASmallerTableIsSaidInTheNextBlock) {
  Asked client;
  client.rig.read(setting(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0));
  client.rig.written.clear();
  client.ask(true);
  ASSERT_GT(client.rig.written.size(), 9u);
  EXPECT_EQ(uint8_t(client.rig.written[3]), NGHTTP2_HEADERS);
  EXPECT_EQ(uint8_t(client.rig.written[9]), 0x20);
}

TEST(H2Client, DataBeyondTheCreditOfItsStreamEndsTheConnection) {
  const CodecLimits limits{.buffer = 65535};
  Asked client(limits);
  client.streams[1].takes = false;
  for (int i = 0; i < 4; ++i) client.rig.read(data(3, std::string(16000, 'x')));
  EXPECT_FALSE(client.rig.fatal);
  client.rig.read(data(3, std::string(2000, 'x')));
  const auto said = client.said();
  EXPECT_NE(said.find("FLOW_CONTROL_ERROR"), std::string::npos) << said;
}

// What is padding is credit, too, and nobody takes it.
TEST(H2Client, CreditForPaddingIsGivenBack) {
  const CodecLimits limits{.buffer = 65535};
  Asked client(limits);
  for (int i = 0; i < 2000 && !client.rig.fatal; ++i)
    client.rig.read(frame(NGHTTP2_DATA, kPadded, 3, std::string(1, '\xff') + "x" + std::string(255, '\0')));
  EXPECT_FALSE(client.rig.fatal) << client.said();
  EXPECT_EQ(client.streams[1].body, std::string(2000, 'x'));
}

}  // namespace
}  // namespace outrider::http
