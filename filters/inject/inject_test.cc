#include <gtest/gtest.h>

#include <algorithm>

#include "base/base64.h"
#include "filters/inject/review.h"
#include "filters/inject/settings.h"
#include "inject/json.h"
#include "tests/support/seat.h"

namespace outrider::filters {
namespace {

using filter::Verdict;

const std::string kPod =
    R"({"kind":"Pod","apiVersion":"v1","metadata":{"generateName":"web-"},"spec":{"containers":[{"name":"web","image":"web"}]}})";

std::string review_of(const std::string& object, const std::string& more = {}, const std::string& version = "v1") {
  return R"({"kind":"AdmissionReview","apiVersion":"admission.k8s.io/)" + version +
         R"(","request":{"uid":"u-1","kind":{"group":"","version":"v1","kind":"Pod"},"operation":"CREATE","namespace":"shop",)" +
         more + R"("object":)" + object + "}}";
}

// --- JSON from the wire ----------------------------------------------------------------------------------------------

std::string again(const std::string& text) {
  const auto read = read_wire_json(text);
  if (!read) return "error: " + read.why();
  std::string out;
  inject::append_json(out, *read);
  return out;
}

TEST(WireJson, IsWhatItWas) {
  for (const char* text : {R"({"a":["1",1,1.0,1e300,-0,9007199254740993,"true",true,null,""],"":{},"b":[[]]})", "[]",
                           "\"\\u0000\"", "18446744073709551616", R"(["\ud83d\ude00","ü"])"}) {
    const std::string once = again(text);
    EXPECT_EQ(again(once), once);
    EXPECT_FALSE(once.starts_with("error")) << text << ": " << once;
  }
  EXPECT_EQ(again(R"({"n":9007199254740993,"f":1.10,"s":"1.10"})"), R"({"n":9007199254740993,"f":1.10,"s":"1.10"})");
}

TEST(WireJson, WhatIsNoneOrCouldBeReadInTwoWaysIsRefused) {
  for (const char* text : {"", " ", "{", "[1,]", "{} {}", "{'a':1}", "01", "nul", "[\"\xff\"]", "[\"\x01\"]",
                           "{\"a\":1,\"b\":{\"c\":1,\"c\":2}}", "\"\\ud800\"", "NaN", "1e400", "// a\n1"})
    EXPECT_TRUE(again(text).starts_with("error: byte ")) << text << ": " << again(text);
  EXPECT_NE(again(R"({"a":1,"a":2})").find("the key \"a\" is there twice"), std::string::npos);
}

TEST(WireJson, HasLimits) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(read_wire_json(nested(8), {.depth = 8}));
  EXPECT_NE(read_wire_json(nested(9), {.depth = 8}).why().find("more than 8 levels deep"), std::string::npos);
  EXPECT_FALSE(read_wire_json(std::string(1'000'000, '[')));
  EXPECT_TRUE(read_wire_json("[1,2,3]", {.values = 4}));
  EXPECT_NE(read_wire_json("[1,2,3,4]", {.values = 4}).why().find("more than 4 values"), std::string::npos);
}

// --- reviews ---------------------------------------------------------------------------------------------------------

TEST(Reviews, SayWhatIsAsked) {
  const auto review = read_review(review_of(kPod, R"("dryRun":true,)", "v1beta1"));
  ASSERT_TRUE(review) << review.why();
  EXPECT_EQ(review->api_version, "admission.k8s.io/v1beta1");
  EXPECT_EQ(review->uid, "u-1");
  EXPECT_EQ(review->name_space, "shop");
  EXPECT_EQ(review->name, "web-*");
  EXPECT_TRUE(review->dry_run);
  EXPECT_TRUE(review->is_new_pod());
  EXPECT_EQ(read_review(review_of(kPod, R"("name":"web-1",)"))->name, "web-1");
  EXPECT_FALSE(read_review(review_of(kPod, R"("subResource":"binding",)"))->is_new_pod());
  EXPECT_FALSE(read_review(review_of("null")));
}

TEST(Reviews, WarningsAreWhatAHeaderCarries) {
  std::string umlauts;
  for (int i = 0; i < 300; ++i) umlauts += "ü";
  const auto shown = presentable({"a\nb\x01", umlauts, "", "bad \xff byte"});
  ASSERT_EQ(shown.size(), 3u);
  EXPECT_EQ(shown[0], "a b ");
  EXPECT_EQ(shown[1], umlauts.substr(0, 2 * 253) + "...");
  EXPECT_EQ(shown[2], "bad ");
  const auto many = presentable(std::vector<std::string>(100, std::string(200, 'x')));
  EXPECT_EQ(many.size(), 20u);  // 4096 of all
}

TEST(Reviews, AreAnsweredInTheirOwnVersion) {
  const auto review = *read_review(review_of(kPod, "", "v1beta1"));
  EXPECT_EQ(
      answer_to(review, {}),
      "{\"apiVersion\":\"admission.k8s.io/v1beta1\",\"kind\":\"AdmissionReview\",\"response\":{\"uid\":\"u-1\",\"allowed\":true}}\n");
  EXPECT_EQ(
      answer_to(review, {.patch = "[]", .warnings = {"w"}}),
      "{\"apiVersion\":\"admission.k8s.io/v1beta1\",\"kind\":\"AdmissionReview\",\"response\":{\"uid\":\"u-1\",\"allowed\":true,"
      "\"warnings\":[\"w\"],\"patchType\":\"JSONPatch\",\"patch\":\"W10=\"}}\n");
  EXPECT_EQ(
      answer_to(review, {.allowed = false, .patch = "[]", .message = "no \"way\""}),
      "{\"apiVersion\":\"admission.k8s.io/v1beta1\",\"kind\":\"AdmissionReview\",\"response\":{\"uid\":\"u-1\",\"allowed\":false,"
      "\"status\":{\"status\":\"Failure\",\"reason\":\"Forbidden\",\"code\":403,\"message\":\"no \\\"way\\\"\"}}}\n");
}

// --- the filter ------------------------------------------------------------------------------------------------------

struct Server : test::Seat {
  void serve(uint16_t status, std::string_view body) override { said = std::to_string(status) + " " + std::string(body); }
};

struct Asked {
  explicit Asked(const std::string& options = "{version: \"1\"}") : filter(test::made("inject", options)) {
    seat.request().method = http::Method::Post;
    seat.request().headers.set(http::HeaderId::ContentType, "application/json; charset=utf-8");
  }
  Verdict comes(std::string_view bytes, bool end) {
    Buffer data(blocks);
    data.append(bytes);
    const Verdict verdict = filter->on_collect(seat, data, end);
    EXPECT_TRUE(verdict != Verdict::Collect || data.empty()) << "what it left is held twice";
    return verdict;
  }
  BlockPool blocks;
  Server seat;
  std::unique_ptr<const filter::Filter> filter;
};

TEST(InjectFilter, CollectsAReviewAndAnswersIt) {
  Asked asked;
  EXPECT_EQ(asked.filter->on_request(asked.seat), Verdict::Collect);
  const std::string text = review_of(kPod);
  for (const char byte : text.substr(0, text.size() - 1)) ASSERT_EQ(asked.comes({&byte, 1}, false), Verdict::Collect);
  EXPECT_EQ(asked.comes("}", true), Verdict::Answered);
  EXPECT_TRUE(asked.seat.said.starts_with("200 {")) << asked.seat.said;
  EXPECT_NE(asked.seat.said.find("\"patch\":\""), std::string::npos);
  EXPECT_EQ(asked.seat.noted, "inject patched\n");
  EXPECT_EQ(asked.seat.response().headers.value(http::HeaderId::ContentType), "application/json");
  asked.filter->on_complete(asked.seat);
}

TEST(InjectFilter, APodThatDoesNotSayWhatItIsIsOneAllTheSame) {
  Asked asked;
  EXPECT_EQ(asked.comes(review_of(R"({"metadata":{},"spec":{"containers":[{"name":"web"}]}})"), true), Verdict::Answered);
  EXPECT_EQ(asked.seat.noted, "inject patched\n");
  asked.filter->on_complete(asked.seat);
}

TEST(InjectFilter, RefusesWhatIsNoReview) {
  struct Case {
    http::Method method;
    const char *type, *coding, *length, *said;
  };
  for (const Case& each : {Case{http::Method::Get, "application/json", "", "", "405 inject method_not_allowed"},
                           {http::Method::Post, "text/json", "", "", "415 inject content_type"},
                           {http::Method::Post, "application/json", "gzip", "", "415 inject content_encoding"},
                           {http::Method::Post, "application/json", "", "3145729", "413 inject body_too_large"}}) {
    Asked asked;
    asked.seat.request().method = each.method;
    asked.seat.request().headers.set(http::HeaderId::ContentType, each.type);
    if (*each.coding) asked.seat.request().headers.set(http::HeaderId::ContentEncoding, each.coding);
    if (*each.length) asked.seat.request().headers.set(http::HeaderId::ContentLength, each.length);
    EXPECT_EQ(asked.filter->on_request(asked.seat), Verdict::Answered);
    EXPECT_EQ(asked.seat.said, each.said);
    asked.filter->on_complete(asked.seat);
  }
  Asked asked;
  EXPECT_EQ(asked.comes("{}", true), Verdict::Answered);
  EXPECT_EQ(asked.seat.said, "400 inject review_malformed");
  asked.filter->on_complete(asked.seat);
}

TEST(InjectFilter, HoldsNoMoreThanItMayAndGivesItBack) {
  const auto filter = test::made("inject", "{version: \"1\", max_body: 100B, max_held: 150B}");
  BlockPool blocks;
  const auto comes = [&](test::Seat& seat, size_t size) {
    Buffer data(blocks);
    data.append(std::string(size, ' '));
    return filter->on_collect(seat, data, false);
  };
  Server first, second, third;
  EXPECT_EQ(comes(first, 100), Verdict::Collect);
  EXPECT_EQ(comes(second, 100), Verdict::Answered);
  EXPECT_EQ(second.said, "503 inject too_many_reviews");
  EXPECT_EQ(second.response().headers.value("retry-after"), "1");
  EXPECT_EQ(comes(first, 1), Verdict::Answered);
  EXPECT_EQ(first.said, "413 inject body_too_large");
  filter->on_complete(first);
  filter->on_complete(second);
  EXPECT_EQ(comes(third, 100), Verdict::Collect);
  filter->on_complete(third);  // its client has left in the middle
}

TEST(InjectFilter, OnlyNewPodsAreTouched) {
  for (const char* request :
       {R"("operation":"UPDATE","object":{})", R"("operation":"CREATE","subResource":"binding","object":{})"}) {
    Asked asked;
    const std::string text =
        std::string(
            R"({"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","kind":{"kind":"Pod","group":""},)") +
        request + "}}";
    EXPECT_EQ(asked.comes(text, true), Verdict::Answered);
    EXPECT_NE(asked.seat.said.find("{\"uid\":\"u\",\"allowed\":true}"), std::string::npos) << asked.seat.said;
    EXPECT_EQ(asked.seat.noted, "inject untouched\n");
    asked.filter->on_complete(asked.seat);
  }
}

TEST(InjectFilter, WhatCannotBeInjectedIsLetInOrNotAsThePolicyHasIt) {
  std::string host = kPod;
  host.insert(host.find("\"containers\""), "\"hostNetwork\":true,");
  Asked ignoring;
  EXPECT_EQ(ignoring.comes(review_of(host), true), Verdict::Answered);
  EXPECT_NE(ignoring.seat.said.find("\"allowed\":true,\"warnings\":[\"outrider: not injected: /spec/hostNetwork"),
            std::string::npos)
      << ignoring.seat.said;
  EXPECT_EQ(ignoring.seat.noted, "inject refused\n");
  Asked failing("{version: \"1\", failure: fail}");
  EXPECT_EQ(failing.comes(review_of(host), true), Verdict::Answered);
  EXPECT_NE(failing.seat.said.find("\"allowed\":false,\"status\":{"), std::string::npos) << failing.seat.said;
  EXPECT_EQ(failing.seat.noted, "inject denied\n");
  ignoring.filter->on_complete(ignoring.seat);
  failing.filter->on_complete(failing.seat);
}

// What the command line was told comes to the plan by way of a configuration.
TEST(InjectFilter, SettingsAreTheSameOnTheOtherSideOfAConfiguration) {
  inject::Settings settings;
  settings.version = "1.0 \"x\"";
  settings.image = "registry:5000/outrider@sha256:ab";
  settings.bootstrap = "a:1,b:2";
  settings.registry_key_secret = "mesh-key";
  settings.identity_secret = "id";
  settings.trust_domain = "corp.example";
  settings.capture = "tproxy";
  settings.native_sidecar = settings.inject_unless_told = false;
  settings.set = {{"telemetry.log.level", "debug"}, {"clusters.\"a.b\".lb", "{x: 'y'}"}};
  const config::Node node = test::options_of("{" + options_text(settings) + "}");
  filter::Complaint complaint;
  filter::Options options(node, complaint);
  inject::Settings read;
  ASSERT_TRUE(read_settings(options, read)) << complaint.path << ": " << complaint.message;
  EXPECT_EQ(options_text(read), options_text(settings));
  EXPECT_EQ(read.set, settings.set);
  EXPECT_EQ(read.image, settings.image);
  EXPECT_FALSE(read.native_sidecar);
}

TEST(InjectFilter, ComplainsAboutWhatItDoesNotUnderstand) {
  EXPECT_EQ(test::complaint_of("inject", "{version: \"1\"}"), "");
  EXPECT_EQ(test::complaint_of("inject", "{}"), "version: missing");
  EXPECT_EQ(test::complaint_of("inject", "{version: \"1\", failure: maybe}"), "failure: expected ignore or fail, got \"maybe\"");
  EXPECT_EQ(test::complaint_of("inject", "{version: \"1\", capture: all}"),
            "capture: expected redirect, tproxy or none, got \"all\"");
  EXPECT_EQ(test::complaint_of("inject", "{version: \"1\", set: {a: [1]}}"), "set.a: expected a value, as --set has it");
  EXPECT_EQ(test::complaint_of("inject", "{version: \"1\", max_body: 1GiB}"), "max_body: expected a size of at most 64MiB");
  EXPECT_NE(test::complaint_of("inject", "{version: \"1\", maxbody: 1MiB}").find("maxbody: unknown key"), std::string::npos);
}

}  // namespace
}  // namespace outrider::filters
