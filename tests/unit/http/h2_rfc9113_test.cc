// RFC 9113 (and RFC 7541, HPACK) by section: what a server must make of frames that break a rule, and of those that look
// as if they did. Malformed heads are in h2_server_test.cc.

#include "tests/unit/http/h2_server.h"

// clang-format off
namespace outrider::http {
namespace {

// Stream 1 is open, with its request half sent; stream 3 has been answered; stream 5 was taken back by the client.
struct Row {
  const char* what;
  std::string bytes;
  const char* says;  // all of it; empty: nothing
};

std::string setting(uint16_t id, uint32_t value) { return frame(NGHTTP2_SETTINGS, 0, 0, number(id, 2) + number(value)); }

class H2Rfc9113 : public testing::TestWithParam<Row> {};

TEST_P(H2Rfc9113, IsFollowed) {
  const Row& row = GetParam();
  Server server;
  server.rig.read(headers(1, request_fields({}, "POST"), kEndHeaders) + headers(3, request_fields()) +
                  headers(5, request_fields({}, "POST"), kEndHeaders) + frame(NGHTTP2_RST_STREAM, 0, 5, number(NGHTTP2_CANCEL)));
  EXPECT_EQ(server.frames(), "HEADERS 3 [:status: 200]\nDATA 3 end yes\n");
  server.rig.read(row.bytes);
  std::string said = server.frames();
  if (const auto goaway = said.find("GOAWAY "); goaway != std::string::npos) {  // of which the words are nghttp2's
    said.resize(said.find('\n', goaway));
    for (int space = 0, at = int(goaway); at < int(said.size()); ++at)
      if (said[size_t(at)] == ' ' && ++space == 3) said.resize(size_t(at));
    said += '\n';
  }
  EXPECT_EQ(said, row.says);
  EXPECT_EQ(server.rig.fatal, said.find("GOAWAY ") != std::string::npos);
  if (server.rig.fatal) {
    EXPECT_NE(server.rig.events.find("reset "), std::string::npos) << "streams hear of it: " << server.rig.events;
    return;
  }
  server.rig.read(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535));
  server.frames();
  server.rig.read(headers(99, request_fields()));
  EXPECT_EQ(server.frames(), "HEADERS 99 [:status: 200]\nDATA 99 end yes\n") << "it goes on";
}

constexpr uint8_t kPriority = 0x20;
const std::string kHead = block(request_fields());
const std::string kPost = block(request_fields({}, "POST"));
std::string head_of(uint32_t stream, std::string_view bytes, uint8_t flags = kEndHeaders | kEndStream) { return frame(NGHTTP2_HEADERS, flags, stream, bytes); }
std::string credit(uint32_t stream, uint32_t n) { return frame(NGHTTP2_WINDOW_UPDATE, 0, stream, number(n)); }
const std::string kServed7 = "HEADERS 7 [:status: 200]\nDATA 7 end yes\n";

const std::vector<Row> kRows{
    {"4.1 a type nobody knows", frame(0x16, 0, 0, "12345678"), ""},
    {"4.1 a flag nobody knows", frame(NGHTTP2_PING, 0x16, 0, "12345678"), "PING ack\n"},
    {"4.1 the reserved bit", frame(NGHTTP2_PING, 0, 0x80000000u, "12345678"), "PING ack\n"},
    {"4.2 data as long as may be", data(1, std::string(16384, 'x'), true), "HEADERS 1 [:status: 200]\nDATA 1 end yes\n"},
    {"4.2 data longer than may be", data(1, std::string(16385, 'x')), "GOAWAY 5 FRAME_SIZE_ERROR\n"},
    {"4.2 a head longer than may be", head_of(7, kHead + block({{"x", std::string(16385, 'x')}})), "GOAWAY 5 FRAME_SIZE_ERROR\n"},
    {"4.3 a block that cannot be read", head_of(7, "\xff\xff\xff\xff\xff\xff"), "GOAWAY 7 COMPRESSION_ERROR\n"},
    {"4.3 a priority inside a block", head_of(7, kHead.substr(0, 9), kEndStream) + frame(NGHTTP2_PRIORITY, 0, 7, number(0) + "x"), "GOAWAY 7 PROTOCOL_ERROR\n"},
    {"4.3 another head inside a block", head_of(7, kHead.substr(0, 9), kEndStream) + headers(9, request_fields()), "GOAWAY 7 PROTOCOL_ERROR\n"},
    {"5.1 data on an idle stream", data(7, "x"), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"5.1 a reset of an idle stream", frame(NGHTTP2_RST_STREAM, 0, 7, number(8)), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"5.1 credit for an idle stream", credit(7, 1), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"5.1 a continuation of an idle stream", frame(NGHTTP2_CONTINUATION, kEndHeaders, 7, kHead), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"5.1 a priority of an idle stream", frame(NGHTTP2_PRIORITY, 0, 7, number(0) + "x"), ""},
    {"5.1 data behind the end", head_of(7, kHead) + data(7, "x"), "GOAWAY 7 STREAM_CLOSED\n"},
    {"5.1 a head behind the end", head_of(7, kHead) + head_of(7, kHead), "GOAWAY 7 STREAM_CLOSED\n"},
    {"5.1 a continuation behind the end", head_of(7, kHead) + frame(NGHTTP2_CONTINUATION, kEndHeaders, 7, kHead), "GOAWAY 7 PROTOCOL_ERROR\n"},
    {"5.1 credit behind the end", head_of(7, kHead) + credit(7, 1), kServed7.c_str()},
    {"5.1 a reset behind the end", head_of(7, kHead) + frame(NGHTTP2_RST_STREAM, 0, 7, number(8)), ""},
    {"5.1 data behind an answer", data(3, "x"), "GOAWAY 5 STREAM_CLOSED\n"},
    {"5.1 data behind a reset", data(5, "x"), "GOAWAY 5 STREAM_CLOSED\n"},
    {"5.1 a head behind an answer", head_of(3, kHead), "GOAWAY 5 STREAM_CLOSED\n"},
    {"5.1 credit behind an answer", credit(3, 1), ""},
    {"5.1 a reset behind an answer", frame(NGHTTP2_RST_STREAM, 0, 3, number(8)), ""},
    {"5.1 a priority behind an answer", frame(NGHTTP2_PRIORITY, 0, 3, number(0) + "x"), ""},
    {"5.1 a head behind a reset", head_of(5, kHead), "GOAWAY 5 STREAM_CLOSED\n"},
    {"5.1.1 an even stream", headers(8, request_fields()), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"5.1.1 a stream below another", headers(9, request_fields({}, "POST"), kEndHeaders) + headers(7, request_fields()), "GOAWAY 9 PROTOCOL_ERROR\n"},
    {"5.3 a head that depends on itself", head_of(7, number(7) + "x" + kHead, kEndHeaders | kEndStream | kPriority), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"5.3 a priority that depends on itself", frame(NGHTTP2_PRIORITY, 0, 1, number(1) + "x"), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"5.3 a head with a priority", head_of(7, number(1) + "x" + kHead, kEndHeaders | kEndStream | kPriority), kServed7.c_str()},
    {"5.5 a type nobody knows inside a block", head_of(7, kHead, kEndStream) + frame(0x16, 0, 0, "12345678"), "GOAWAY 7 PROTOCOL_ERROR\n"},
    {"6.1 data on stream 0", data(0, "x"), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"6.1 more padding than payload", frame(NGHTTP2_DATA, kPadded, 1, "\x7fx"), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"6.1 padding alone", frame(NGHTTP2_DATA, kPadded | kEndStream, 1, std::string("\2\0\0", 3)), "HEADERS 1 [:status: 200]\nDATA 1 end yes\n"},
    {"6.2 a head on stream 0", headers(0, request_fields()), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"6.2 a head with more padding than payload", head_of(7, "\x7f" + kHead.substr(0, 20), kEndHeaders | kEndStream | kPadded), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"6.2 a head with padding", head_of(7, "\3" + kHead + std::string(3, '\0'), kEndHeaders | kEndStream | kPadded), kServed7.c_str()},
    {"6.3 a priority on stream 0", frame(NGHTTP2_PRIORITY, 0, 0, number(0) + "x"), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"6.3 a priority of wrong size", frame(NGHTTP2_PRIORITY, 0, 1, "abc"), "GOAWAY 5 FRAME_SIZE_ERROR\n"},
    {"6.4 a reset on stream 0", frame(NGHTTP2_RST_STREAM, 0, 0, number(8)), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"6.4 a reset of wrong size", frame(NGHTTP2_RST_STREAM, 0, 1, "abc"), "GOAWAY 5 FRAME_SIZE_ERROR\n"},
    {"6.5 an acknowledgment with settings", frame(NGHTTP2_SETTINGS, kAck, 0, number(3, 2) + number(1)), "GOAWAY 5 FRAME_SIZE_ERROR\n"},
    {"6.5 settings on a stream", frame(NGHTTP2_SETTINGS, 0, 1), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"6.5 settings of wrong size", frame(NGHTTP2_SETTINGS, 0, 0, "abc"), "GOAWAY 5 FRAME_SIZE_ERROR\n"},
    {"6.5.2 push that is neither on nor off", setting(NGHTTP2_SETTINGS_ENABLE_PUSH, 2), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"6.5.2 a window above the limit", setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0x80000000u), "GOAWAY 5 FLOW_CONTROL_ERROR\n"},
    {"6.5.2 frames below the least size", setting(NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 16383), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"6.5.2 frames above the largest size", setting(NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 1 << 24), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"6.5.2 extended CONNECT that is neither on nor off", setting(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 2), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"6.5.2 a setting nobody knows", setting(0xfafa, 1), ""},
    {"6.5.3 the last of several values counts", frame(NGHTTP2_SETTINGS, 0, 0, number(4, 2) + number(100) + number(4, 2) + number(1)) + head_of(7, kHead), "HEADERS 7 [:status: 200]\nDATA 7 y\n"},
    {"6.6 a push from a client", frame(NGHTTP2_PUSH_PROMISE, kEndHeaders, 1, number(2) + kHead), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"6.7 a ping", frame(NGHTTP2_PING, 0, 0, "12345678"), "PING ack\n"},
    {"6.7 an answer nobody waits for", frame(NGHTTP2_PING, kAck, 0, "12345678"), ""},
    {"6.7 a ping on a stream", frame(NGHTTP2_PING, 0, 1, "12345678"), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"6.7 a ping of wrong size", frame(NGHTTP2_PING, 0, 0, "abc"), "GOAWAY 5 FRAME_SIZE_ERROR\n"},
    {"6.8 a goodbye on a stream", frame(NGHTTP2_GOAWAY, 0, 1, number(0) + number(0)), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"6.8 a goodbye of wrong size", frame(NGHTTP2_GOAWAY, 0, 0, "abc"), "GOAWAY 5 FRAME_SIZE_ERROR\n"},
    {"6.9 no credit for the connection", credit(0, 0), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"6.9 no credit for a stream", credit(1, 0), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"6.9 credit of wrong size", frame(NGHTTP2_WINDOW_UPDATE, 0, 1, "abc"), "GOAWAY 5 FRAME_SIZE_ERROR\n"},
    {"6.9.1 the connection's credit above the limit", credit(0, 0x7fffffff), "GOAWAY 5 FLOW_CONTROL_ERROR\n"},
    {"6.9.1 a stream's credit above the limit", credit(1, 0x7fffffff), "RST_STREAM 1 FLOW_CONTROL_ERROR\nGOAWAY 5 FLOW_CONTROL_ERROR\n"},
    {"6.9.1 no more than the credit", setting(4, 1) + head_of(7, kHead), "HEADERS 7 [:status: 200]\nDATA 7 y\n"},
    {"6.9.2 credit that grows with its setting", setting(4, 0) + head_of(7, kHead) + setting(4, 1), "HEADERS 7 [:status: 200]\nDATA 7 y\n"},
    {"6.9.2 credit that shrinks with its setting", setting(4, 2) + head_of(7, kHead) + setting(4, 0) + credit(7, 1), "HEADERS 7 [:status: 200]\nDATA 7 y\n"},
    {"6.9.2 a setting that takes a stream's credit above the limit", credit(1, 0x7fffffff - 65535) + setting(4, 65536), "RST_STREAM 1 FLOW_CONTROL_ERROR\nGOAWAY 5 FLOW_CONTROL_ERROR\n"},
    {"6.10 several continuations", head_of(7, kHead.substr(0, 5), kEndStream) + frame(NGHTTP2_CONTINUATION, 0, 7, kHead.substr(5, 5)) + frame(NGHTTP2_CONTINUATION, kEndHeaders, 7, kHead.substr(10)), kServed7.c_str()},
    {"6.10 data inside a block", head_of(7, kHead, 0) + data(7, "x"), "GOAWAY 7 PROTOCOL_ERROR\n"},
    {"6.10 a continuation on stream 0", head_of(7, kHead, 0) + frame(NGHTTP2_CONTINUATION, kEndHeaders, 0, ""), "GOAWAY 7 PROTOCOL_ERROR\n"},
    {"6.10 a continuation behind the end of its block", head_of(7, kPost, kEndHeaders) + frame(NGHTTP2_CONTINUATION, kEndHeaders, 7, block({{"a", "b"}})), "GOAWAY 7 PROTOCOL_ERROR\n"},
    {"6.10 a continuation behind data", data(1, "x") + frame(NGHTTP2_CONTINUATION, kEndHeaders, 1, block({{"a", "b"}})), "GOAWAY 5 PROTOCOL_ERROR\n"},
    {"7 a goodbye for a reason nobody knows", frame(NGHTTP2_GOAWAY, 0, 0, number(0) + number(0xff)), ""},
    {"7 a reset for a reason nobody knows", frame(NGHTTP2_RST_STREAM, 0, 1, number(0xff)), ""},
    {"8.1 trailers without an end", headers(1, {{"a", "b"}}, kEndHeaders), "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"8.1 a pseudo-field in trailers", headers(1, {{":method", "GET"}}), "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"8.1 trailers behind trailers", headers(1, {{"a", "b"}}) + headers(1, {{"a", "b"}}), "GOAWAY 5 STREAM_CLOSED\n"},
    {"HPACK 2.3.3 an index beyond the tables", head_of(7, kHead + "\xc6"), "GOAWAY 7 COMPRESSION_ERROR\n"},
    {"HPACK 2.3.3 a name beyond the tables", head_of(7, kHead + std::string("\x7f\x07\1x")), "GOAWAY 7 COMPRESSION_ERROR\n"},
    {"HPACK 4.2 a new size at the end of a block", head_of(7, kHead + "\x20"), "GOAWAY 7 COMPRESSION_ERROR\n"},
    {"HPACK 4.2 new sizes at its start", head_of(7, std::string("\x20\x3f\xe1\x1f") + kHead), kServed7.c_str()},
    {"HPACK 5.1 a number without an end", head_of(7, kHead + std::string(20, '\xff')), "GOAWAY 7 COMPRESSION_ERROR\n"},
    {"HPACK 5.2 Huffman with a byte of padding", head_of(7, kHead + std::string("\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff", 12)), "GOAWAY 7 COMPRESSION_ERROR\n"},
    {"HPACK 5.2 Huffman padded with zeros", head_of(7, kHead + std::string("\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90", 11)), "GOAWAY 7 COMPRESSION_ERROR\n"},
    {"HPACK 5.2 Huffman with its end inside", head_of(7, kHead + std::string("\x00\x85\xf2\xb2\x4a\x84\xff\x87\x49\x51\xff\xff\xff\xfa\x7f", 15)), "GOAWAY 7 COMPRESSION_ERROR\n"},
    {"HPACK 5.2 a string longer than its block", head_of(7, kHead + std::string("\x00\x7f\x7f", 3)), "GOAWAY 7 COMPRESSION_ERROR\n"},
    {"HPACK 6.1 index 0", head_of(7, kHead + "\x80"), "GOAWAY 7 COMPRESSION_ERROR\n"},
    {"HPACK 6.3 a size above the setting", head_of(7, "\x3f\xe2\x1f" + kHead), "GOAWAY 7 COMPRESSION_ERROR\n"},
};

INSTANTIATE_TEST_SUITE_P(Sections, H2Rfc9113, testing::ValuesIn(kRows), [](const auto& of) { return case_name(of.param.what); });
// clang-format on

// What has a beginning, or a course, that a row has not.

std::string all_frames(Rig& rig) {
  rig.take_output();
  FrameReader reader(true);
  return reader.read(std::exchange(rig.written, {}));
}

TEST(H2Rfc9113Courses, AServerBeginsWithSettings) {  // 3.4
  Rig rig(Role::Server, {}, Wire::Http2);
  EXPECT_TRUE(all_frames(rig).starts_with("SETTINGS\n"));
}

TEST(H2Rfc9113Courses, APrefaceHasSettingsBehindItsFirstLine) {  // 3.4
  Rig rig(Role::Server, {}, Wire::Http2);
  rig.read(kPreface + frame(NGHTTP2_PING, 0, 0, "12345678"));
  EXPECT_TRUE(rig.fatal);
  EXPECT_NE(all_frames(rig).find("GOAWAY 0 PROTOCOL_ERROR"), std::string::npos);
}

TEST(H2Rfc9113Courses, ASmallerTableIsSaidInTheNextBlock) {  // 4.3.1
  Server server;
  server.rig.read(setting(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0));
  server.rig.written.clear();
  server.rig.read(headers(1, request_fields()));
  ASSERT_GT(server.rig.written.size(), 9u);
  EXPECT_EQ(uint8_t(server.rig.written[3]), NGHTTP2_HEADERS);
  EXPECT_EQ(uint8_t(server.rig.written[9]), 0x20);
}

TEST(H2Rfc9113Courses, PaddingIsCreditToo) {  // 6.1
  Server server({.buffer = 65535});
  server.rig.read(headers(1, request_fields({}, "POST"), kEndHeaders));
  for (int i = 0; i < 2000; ++i)
    server.rig.read(frame(NGHTTP2_DATA, kPadded, 1, std::string(1, '\xff') + "x" + std::string(255, '\0')));
  EXPECT_FALSE(server.rig.fatal) << server.frames();
  EXPECT_EQ(server.streams[0].body, std::string(2000, 'x'));
}

TEST(H2Rfc9113Courses, SettingsAreAcknowledgedOnceEach) {  // 6.5.3
  Server server;
  server.rig.written.clear();
  server.rig.read(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 70000) + setting(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0));
  EXPECT_EQ(all_frames(server.rig), "SETTINGS ack\nSETTINGS ack\n");
}

TEST(H2Rfc9113Courses, DataBeyondTheCreditOfItsStreamIsAnError) {  // 6.9.1
  Server server({.buffer = 65535});
  server.rig.read(headers(1, request_fields({}, "POST"), kEndHeaders));
  server.streams[0].takes = false;
  for (int i = 0; i < 4; ++i) server.rig.read(data(1, std::string(16000, 'x')));
  EXPECT_EQ(server.frames(), "");
  server.rig.read(data(1, std::string(2000, 'x')));
  EXPECT_NE(server.frames().find("FLOW_CONTROL_ERROR"), std::string::npos);
}

TEST(H2Rfc9113Courses, ATunnelCarriesDataAndNoTrailers) {  // 8.5
  Server server;
  server.answers = false;
  server.rig.read(headers(1, {{":method", "CONNECT"}, {":authority", "db:5432"}}, kEndHeaders));
  Arena arena;
  ResponseHead head(arena);
  head.status = 200;
  server.rig.codec->send_response(1, head, false);
  server.frames();
  server.rig.read(data(1, "x") + headers(1, {{"a", "b"}}));
  EXPECT_EQ(server.frames(), "RST_STREAM 1 PROTOCOL_ERROR\n");
  EXPECT_FALSE(server.rig.fatal);
}

}  // namespace
}  // namespace outrider::http
