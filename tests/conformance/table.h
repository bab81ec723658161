#pragma once
// Rows of bytes and what the whole proxy makes of them: what the client is told, whether its connection stays, and what
// an origin that reads with llhttp alone understood of it.

#include <gtest/gtest.h>
#include <llhttp.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/origin.h"
#include "tests/support/proxy.h"

namespace outrider::test {

enum class After : uint8_t { Kept, Closed };  // the client's connection, behind the last answer

struct Row {
  const char* name;  // a sentence
  const char* rfc;   // where it is written; of RFC 9112 unless it says otherwise
  std::string send;
  const char* answers;  // statuses in order, and the reason of the last where it is ours
  After after;
  const char* arrives = "";  // at the origin: "GET /a; POST /b (body)"
};

// Reads every connection with llhttp, strict, whole streams as they come, and answers each message 200 "fine". What it
// could not read is written down as "garbage": nothing of the kind may ever reach an origin.
class LlhttpOrigin {
 public:
  std::string text() const { return origin_.text(); }
  std::string take() {  // what arrived since the last take()
    std::lock_guard lock(mutex_);
    return std::exchange(arrived_, {});
  }

 private:
  struct Reader {
    explicit Reader(LlhttpOrigin& o) : origin(o) {
      llhttp_settings_init(&settings);
      settings.on_url = [](llhttp_t* p, const char* at, size_t n) { return self(p).url.append(at, n), 0; };
      settings.on_body = [](llhttp_t* p, const char* at, size_t n) { return self(p).body.append(at, n), 0; };
      settings.on_message_complete = [](llhttp_t* p) { return self(p).complete(), 0; };
      llhttp_init(&parser, HTTP_REQUEST, &settings);
      parser.data = this;
    }
    static Reader& self(llhttp_t* p) { return *static_cast<Reader*>(p->data); }
    void complete() {
      ++complete_now;
      origin.note(llhttp_method_name(llhttp_method_t(parser.method)) + std::string(" ") + url +
                  (body.empty() ? "" : " (" + body + ")"));
      url.clear();
      body.clear();
    }
    LlhttpOrigin& origin;
    llhttp_settings_t settings;
    llhttp_t parser;
    std::string url, body;
    int complete_now = 0;
  };
  void note(const std::string& what) {
    std::lock_guard lock(mutex_);
    arrived_ += (arrived_.empty() ? "" : "; ") + what;
  }
  std::mutex mutex_;
  std::string arrived_;
  Origin origin_{[this](Stream& connection) {
    Reader reader(*this);
    for (std::string bytes; !(bytes = connection.read_some(65536)).empty();) {
      reader.complete_now = 0;
      auto read = llhttp_execute(&reader.parser, bytes.data(), bytes.size());
      while (read == HPE_PAUSED_UPGRADE) {  // not taken up: what follows would be requests
        llhttp_resume_after_upgrade(&reader.parser);
        const char* const rest = llhttp_get_error_pos(&reader.parser);
        read = llhttp_execute(&reader.parser, rest, size_t(bytes.data() + bytes.size() - rest));
      }
      if (read != HPE_OK) return note("garbage");
      for (int i = 0; i < reader.complete_now; ++i) connection.send(ok("fine"));
    }
  }};
};

// Sends a row on a connection of its own and holds the proxy to it. A marker sent afterwards proves that nothing more
// was on its way to the origin.
inline void check(const Row& row, Proxy& proxy, LlhttpOrigin& origin) {
  SCOPED_TRACE(std::string(row.name) + " (" + row.rfc + ")");
  Stream client = proxy.connect();
  ASSERT_TRUE(client.send(row.send));
  std::string_view expected = row.answers;
  std::string answers, reason;
  for (size_t spaces = 0; spaces <= size_t(std::count(expected.begin(), expected.end(), ' ')); ++spaces) {
    if (spaces > 0 && !reason.empty()) break;
    const auto answer = client.read_message(row.send.starts_with("HEAD "));
    if (!answer) break;
    EXPECT_TRUE(answer->whole);
    answers += (answers.empty() ? "" : " ") + std::to_string(answer->status());
    reason = answer->field("x-outrider-reason");
  }
  if (!reason.empty()) answers += " " + reason;
  EXPECT_EQ(answers, expected);
  if (row.after == After::Closed) {
    EXPECT_TRUE(client.at_end()) << "not closed";
    EXPECT_FALSE(client.ended_by_reset());
  } else {
    client.send("GET /kept HTTP/1.1\r\nHost: web\r\n\r\n");
    const auto kept = client.read_message();
    EXPECT_TRUE(kept && kept->status() == 200) << "not kept";
  }
  EXPECT_EQ(request(proxy.address(), "GET /marker HTTP/1.1\r\nHost: web\r\n\r\n").status(), 200);
  std::string arrives = row.arrives;
  if (row.after == After::Kept) arrives += arrives.empty() ? "GET /kept" : "; GET /kept";
  EXPECT_EQ(origin.take(), arrives + (arrives.empty() ? "GET /marker" : "; GET /marker"));
}

// A proxy before an endpoint that speaks HTTP/1; `bridged`: with another in between, and HTTP/2 from the one to the other.
class Path {
 public:
  Path(const std::string& endpoint, bool bridged, const std::string& cluster = {}, const std::string& listener = {})
      : last_(bridged ? std::make_unique<Proxy>(Proxy::edge({endpoint}, cluster)) : nullptr),
        proxy(bridged
                  ? Proxy::edge({last_->address().text()}, "protocol: http2" + (cluster.empty() ? "" : ", " + cluster), listener)
                  : Proxy::edge({endpoint}, cluster, listener)) {}

 private:
  std::unique_ptr<Proxy> last_;

 public:
  Proxy proxy;
};

// An answer that is cut short by a reset of its stream is none at all where nothing of it has gone on by then.
inline std::string settled(const std::string& seen, std::string_view expected) {
  return expected.ends_with('!') && seen.starts_with("502 ") ? std::string(expected) : seen;
}

inline void check_over(bool bridged, const std::vector<Row>& rows, const std::string& listener = {}) {
  SCOPED_TRACE(bridged ? "over HTTP/2" : "over HTTP/1");
  LlhttpOrigin origin;
  Path path(origin.text(), bridged, {}, listener);
  for (const Row& row : rows) check(row, path.proxy, origin);
}

inline void check_all(const std::vector<Row>& rows, const std::string& listener = {}) {
  for (const bool bridged : {false, true}) check_over(bridged, rows, listener);
}

}  // namespace outrider::test
