// What the headers filter does to a head, and what it refuses to be told.

#include <gtest/gtest.h>

#include "base/text.h"
#include "config/load.h"
#include "filters/all.h"

namespace outrider::filters {
namespace {

// A request and its response that are nowhere.
class Seat final : public filter::Call {
 public:
  void respond(uint16_t, const char*, std::string_view) override { ADD_FAILURE() << "an answer of its own"; }
  void fetch(const filter::Filter&, filter::Subrequest&) override { ADD_FAILURE() << "a request of its own"; }
  void resume(http::Way) override { ADD_FAILURE() << "nothing was paused"; }
  const http::HeaderMap* take_trailers() override { return nullptr; }
};

config::Node options_of(const std::string& text) { return config::parse(text, std::make_shared<const config::Origin>()).root; }

std::unique_ptr<const filter::Filter> made(const std::string& options) {
  filter::Complaint complaint;
  auto filter = find("headers")->make(options_of(options), complaint);
  EXPECT_TRUE(filter) << complaint.path << ": " << complaint.message;
  return filter;
}

std::string said(const std::string& options) {
  std::string path, message;
  return check("headers", options_of(options), path, message) ? "" : path + ": " + message;
}

std::string listed(const http::HeaderMap& headers) {
  std::string out;
  for (const http::Field& field : headers.fields()) out.append(field.name).append("=").append(field.value).append(" ");
  return out;
}

TEST(HeadersFilter, SetReplacesEveryFieldOfTheNameAndAddKeepsThem) {
  Seat seat;
  for (const char* value : {"1", "2"}) {
    seat.request().headers.add("X-A", value);
    seat.request().headers.add("X-B", value);
  }
  const auto filter = made("{request: {set: {x-a: new, x-c: fresh}, add: {x-b: \"3\"}}}");
  EXPECT_EQ(filter->on_request(seat), filter::Verdict::Continue);
  std::vector<std::string> b;
  size_t a = 0;
  for (const http::Field& field : seat.request().headers.fields()) {
    if (equals_ignore_case(field.name, "x-b")) b.emplace_back(field.value);
    if (equals_ignore_case(field.name, "x-a")) ++a;
  }
  EXPECT_EQ(a, 1u);
  EXPECT_EQ(seat.request().headers.find("x-a")->value, "new");
  EXPECT_EQ(seat.request().headers.find("x-c")->value, "fresh");
  EXPECT_EQ(b, (std::vector<std::string>{"1", "2", "3"}));
}

TEST(HeadersFilter, RemovalComesFirstWhateverItsCase) {
  Seat seat;
  seat.response().headers.add("Server", "secret");
  seat.response().headers.add("Via", "1.1 x");
  const auto filter = made("{response: {add: {server: outrider}, remove: [SERVER, absent]}}");
  EXPECT_EQ(filter->on_response(seat), filter::Verdict::Continue);
  EXPECT_EQ(listed(seat.response().headers), "Via=1.1 x server=outrider ");
}

TEST(HeadersFilter, IsCalledOnlyForTheSideItChanges) {
  EXPECT_EQ(made("{request: {set: {a: b}}}")->hooks(), filter::Hook::RequestHead);
  EXPECT_EQ(made("{response: {remove: a}}")->hooks(), filter::Hook::ResponseHead);
  EXPECT_EQ(made("{request: {set: {a: b}}, response: {remove: a}}")->hooks(),
            filter::Hook::RequestHead | filter::Hook::ResponseHead);
}

TEST(HeadersFilter, WhatFramesOrRoutesAMessageCannotBeTouched) {
  for (const char* name :
       {"Host", "content-length", "Transfer-Encoding", "connection", "TE", "Upgrade", "keep-alive", "Trailer", "Expect"}) {
    const std::string text = name;
    EXPECT_EQ(said("{request: {set: {" + text + ": x}}}"), "request.set: \"" + text + "\" is the proxy's own business");
    EXPECT_EQ(said("{response: {remove: " + text + "}}"), "response.remove: expected names of headers that can be removed");
  }
}

TEST(HeadersFilter, WhatIsNoHeaderIsRefused) {
  EXPECT_EQ(said("{request: {set: {\"a b\": x}}}"), "request.set: \"a b\" is no name of a header");
  EXPECT_EQ(said("{request: {set: {\"\": x}}}"), "request.set: \"\" is no name of a header");
  EXPECT_EQ(said("{request: {set: {a: \"x\\r\\nb: y\"}}}"), "request.set.a: a header's value is one line");
  EXPECT_EQ(said("{request: {set: {a: [x]}}}"), "request.set.a: expected a text");
  EXPECT_EQ(said("{request: {set: [a]}}"), "request.set: expected a map of header names and values");
  EXPECT_EQ(said("{request: [a]}"), "request: expected a map with set, add or remove");
  EXPECT_EQ(said("{request: {drop: a}}"), "request.drop: unknown key; expected set, add or remove");
  EXPECT_EQ(said("{requests: {}}"), "requests: unknown key; expected request or response");
  EXPECT_EQ(said("{}"), ": nothing to do: give request or response something to set, add or remove");
}

// The loader puts file, line and column before what a filter says.
TEST(HeadersFilter, AMistakeIsReportedWithItsPlaceInTheFile) {
  config::Sources sources;
  sources.file = "test.yaml";
  sources.text =
      "version: 1\nlisteners: {e: {address: \":0\"}}\nroutes: {e: [{respond: {}}]}\nfilters:\n  e:\n    - headers: {request: {set: {Host: x}}}\n";
  sources.filters = names();
  sources.check_filter = check;
  EXPECT_EQ(print(load(sources).complaints),
            "test.yaml:6:32: error: filters.e[0].headers.request.set: \"Host\" is the proxy's own business\n");
  sources.text = "version: 1\nlisteners: {e: {address: \":0\"}}\nroutes: {e: [{respond: {}}]}\nfilters: {e: [{haeders: {}}]}\n";
  EXPECT_EQ(print(load(sources).complaints),
            "test.yaml:4:15: error: filters.e[0].haeders: unknown filter (did you mean \"headers\"?)\n");
}

}  // namespace
}  // namespace outrider::filters
