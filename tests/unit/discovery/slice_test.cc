// What Kubernetes' API server says, read: pages of lists, lines of watches, and what is none of these.

#include "discovery/kubernetes/slice.h"

#include <gtest/gtest.h>

#include "discovery/kubernetes/lines.h"

namespace outrider::discovery {
namespace {

using State = SliceEndpoint::State;
using Kind = SliceEvent::Kind;

const std::string kSlice =
    R"({"metadata": {"name": "cart-x7", "resourceVersion": "41", "labels": {"kubernetes.io/service-name": "cart"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "protocol": "TCP", "port": 8080, "appProtocol": "kubernetes.io/h2c"},
                  {"name": "dns", "protocol": "UDP", "port": 53}, {"name": "any", "port": null}],
        "endpoints": [
          {"addresses": ["10.0.0.1", "10.0.0.9"], "conditions": {"ready": true, "serving": true, "terminating": false},
           "nodeName": "n1", "zone": "a", "targetRef": {"kind": "Pod", "name": "cart-1", "uid": "u1", "namespace": "shop"},
           "hints": {"forZones": [{"name": "a"}, {"name": "b"}]}},
          {"addresses": ["10.0.0.2"]}]})";

std::string page(const std::string& items, const std::string& metadata = R"("resourceVersion": "42")") {
  return R"({"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1", "metadata": {)" + metadata + R"(}, "items": )" +
         items + "}";
}

State state(const std::string& conditions) {
  const auto read = read_page(
      page(R"([{"metadata": {"name": "x"}, "endpoints": [{"addresses": ["10.0.0.1"], "conditions": )" + conditions + "}]}]"));
  EXPECT_TRUE(read) << conditions;
  return read ? read->slices[0].endpoints[0].state : State::Out;
}

TEST(Slice, IsReadAsItIs) {
  const auto read = read_page(page("[" + kSlice + "]", R"("resourceVersion": "42", "continue": "next/page=")"));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->version, "42");
  EXPECT_EQ(read->next, "next/page=");
  ASSERT_EQ(read->slices.size(), 1u);
  const Slice& slice = read->slices[0];
  EXPECT_EQ(slice.name, "cart-x7");
  EXPECT_EQ(slice.version, "41");
  EXPECT_EQ(slice.family, Slice::Family::V4);
  ASSERT_EQ(slice.ports.size(), 1u) << "TCP alone, and with a number";
  EXPECT_EQ(slice.ports[0].port, 8080);
  EXPECT_EQ(slice.ports[0].app_protocol, "kubernetes.io/h2c");
  ASSERT_EQ(slice.endpoints.size(), 2u);
  const SliceEndpoint& first = slice.endpoints[0];
  EXPECT_EQ(first.address, "10.0.0.1");
  EXPECT_EQ(first.node + " " + first.zone + " " + first.pod + " " + first.uid, "n1 a cart-1 u1");
  EXPECT_EQ(first.for_zones, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(slice.endpoints[1].state, State::Ready) << "what is not said is so";
}

TEST(Slice, OfAPageWithoutItemsThereAreNone) {
  for (const char* items : {"[]", "null"}) {
    const auto read = read_page(page(items));
    ASSERT_TRUE(read) << items;
    EXPECT_TRUE(read->slices.empty());
  }
}

TEST(Slice, ConditionsSayWhetherAnEndpointIsCalled) {
  EXPECT_EQ(state("null"), State::Ready);
  EXPECT_EQ(state("{}"), State::Ready);
  EXPECT_EQ(state(R"({"ready": null})"), State::Ready);
  EXPECT_EQ(state(R"({"ready": true})"), State::Ready);
  EXPECT_EQ(state(R"({"ready": true, "serving": true, "terminating": true})"), State::Ready) << "publishNotReadyAddresses";
  EXPECT_EQ(state(R"({"ready": false})"), State::Out);
  EXPECT_EQ(state(R"({"ready": false, "serving": false, "terminating": true})"), State::Out);
  EXPECT_EQ(state(R"({"ready": false, "serving": true})"), State::Out);
  EXPECT_EQ(state(R"({"ready": false, "serving": true, "terminating": true})"), State::Draining);
}

TEST(Slice, LabelsOfTheServiceSayHowItIsSpokenTo) {
  const auto read = read_page(page(R"([{"metadata": {"name": "x", "labels": {"outrider.dev/tls": "clear"}}}])"));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->slices[0].tls, "clear");
}

TEST(Slice, EventsAreReadAsTheyCome) {
  const std::string object = kSlice.substr(0, 1) + R"("kind": "EndpointSlice", )" + kSlice.substr(1);
  for (const auto& [type, kind] : {std::pair{"ADDED", Kind::Added}, {"MODIFIED", Kind::Modified}, {"DELETED", Kind::Deleted}}) {
    const auto event = read_event(std::string(R"({"type": ")") + type + R"(", "object": )" + object + "}");
    ASSERT_TRUE(event) << type;
    EXPECT_EQ(event->kind, kind);
    EXPECT_EQ(event->slice.name, "cart-x7");
    EXPECT_EQ(event->version, "41");
  }
  const auto bookmark =
      read_event(R"({"type": "BOOKMARK", "object": {"kind": "EndpointSlice", "metadata": {"resourceVersion": "77"}}})");
  ASSERT_TRUE(bookmark);
  EXPECT_EQ(bookmark->kind, Kind::Bookmark);
  EXPECT_EQ(bookmark->version, "77");
  const auto error = read_event(R"({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old\nreally"}})");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, Kind::Error);
  EXPECT_EQ(error->code, 410);
  EXPECT_EQ(error->message, "too old really");
}

TEST(Slice, WhatIsSomethingElseIsNone) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("{}"), page("[]", ""), page("{}"), page("[1]"),
        page("[{}]"), page(R"([{"metadata": {"name": 1}}])"), page(R"([{"metadata": {"name": "x"}, "endpoints": [{}]}])"),
        page(R"([{"metadata": {"name": "x"}, "endpoints": [{"addresses": []}]}])"),
        page(R"([{"metadata": {"name": "x"}, "endpoints": [{"addresses": ["a"], "conditions": {"ready": "yes"}}]}])"),
        page(R"([{"metadata": {"name": "x"}, "ports": [{"port": 0}]}])"),
        page(R"([{"metadata": {"name": "x"}, "ports": [{"port": 65536}]}])"),
        page(R"([{"metadata": {"name": "x"}, "ports": [{"port": "http"}]}])"),
        std::string(R"({"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": []})"), page("[]") + "}"})
    EXPECT_FALSE(read_page(text)) << text;
  for (const char* text :
       {"", "{", "[]", "{}", R"({"type": "ADDED"})", R"({"type": "ADDED", "object": {"metadata": {"name": "x"}}})",
        R"({"type": "ADDED", "object": {"kind": "EndpointSlice", "metadata": {"name": "x"}}})",
        R"({"type": "BOOKMARK", "object": {"metadata": {}}})", R"({"type": "NEW", "object": {}})",
        R"({"type": 1, "object": {}})"})
    EXPECT_FALSE(read_event(text)) << text;
  EXPECT_FALSE(read_event(std::string(200000, '['))) << "depth costs no stack";
}

TEST(Slice, RefusalsHaveAMessage) {
  EXPECT_EQ(read_message(R"({"kind": "Status", "message": "no \"list\" for you"})"), "no \"list\" for you");
  EXPECT_EQ(read_message("<html>"), "");
  EXPECT_EQ(read_message(R"({"message": ")" + std::string(5000, 'x') + "\"}").size(), 300u);
}

TEST(Lines, AreTheSameHoweverTheyCome) {
  const std::string bytes = "one\ntwo\r\n\nthree\nfou";
  for (size_t size = 1; size <= bytes.size(); ++size) {
    Lines lines(100);
    std::vector<std::string> got;
    for (size_t at = 0; at < bytes.size(); at += size)
      EXPECT_EQ(lines.feed(std::string_view(bytes).substr(at, size),
                           [&](std::string_view line) { return got.emplace_back(line), true; }),
                Lines::Fed::All);
    EXPECT_EQ(got, (std::vector<std::string>{"one", "two", "three"})) << size;
    EXPECT_TRUE(lines.halfway());
  }
}

TEST(Lines, AreNoLongerThanTheyMayBe) {
  const auto any = [](std::string_view) { return true; };
  Lines lines(5);
  EXPECT_EQ(lines.feed("12345\n", any), Lines::Fed::All);
  EXPECT_EQ(lines.feed("123", any), Lines::Fed::All);
  EXPECT_EQ(lines.feed("456", any), Lines::Fed::TooLong);
  lines.clear();
  EXPECT_EQ(lines.feed("123456\n", any), Lines::Fed::TooLong) << "in one piece, too";
}

TEST(Lines, StopWhereTheyAreTold) {
  Lines lines(100);
  int seen = 0;
  EXPECT_EQ(lines.feed("a\nb\nc\n", [&](std::string_view) { return ++seen < 2; }), Lines::Fed::Stopped);
  EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace outrider::discovery
