// What experiments are about, and what is wrong with some.

#include "loading.h"

namespace outrider::config {
namespace {

constexpr const char* kFault = "for: 15m, fault: {abort: {status: 503}}";

// How many filters each rule of the listener has.
std::string filters_of(const Document& document) {
  std::string text;
  for (const Route& route : document.listeners.at(0).routes) {
    text += route.name + ":";
    for (const FilterUse& use : route.filters) text += " " + use.path;
    text += "\n";
  }
  return text;
}

std::string two_rules(const std::string& experiment) {
  return "version: 1\nmode: edge\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
         "routes: {edge: [{match: {prefix: /a}, split: {web: 1, other: 1}, filters: [{headers: {}}]}, {name: rest, cluster: other}]}\n"
         "clusters: {web: {endpoints: [\"127.0.0.1:9001\"]}, other: {endpoints: [\"127.0.0.1:9002\"]}}\n"
         "experiments: {sick: {" +
         experiment + "}}\n";
}

TEST(Experiments, StandBehindTheOtherFiltersOfTheRulesThatLeadThere) {
  const auto rules = [](const std::string& about) { return filters_of(must_load({two_rules(about + ", " + kFault)})); };
  EXPECT_EQ(rules("cluster: web"), "edge-0: routes.edge[0].filters[0].headers experiments.sick.fault\nrest:\n");
  EXPECT_EQ(rules("cluster: other"),
            "edge-0: routes.edge[0].filters[0].headers experiments.sick.fault\nrest: experiments.sick.fault\n");
  EXPECT_EQ(rules("route: edge/rest"), "edge-0: routes.edge[0].filters[0].headers\nrest: experiments.sick.fault\n");
}

TEST(Experiments, TheLimitsAreTheFiltersToo) {
  const Document document = must_load({two_rules("cluster: web, for: 15m, seed: 42, blast_radius: 10%, fault: {reset: 1%}")});
  const Node& options = document.experiments.at(0).fault.options;
  for (const auto& [key, value] :
       {std::pair("for", "15m"), {"seed", "42"}, {"blast_radius", "10%"}, {"reset", "1%"}, {"name", "sick"}})
    EXPECT_EQ(options.find(key) ? options.find(key)->text() : "none", value) << key;
}

TEST(Experiments, WhatIsWrongIsSaid) {
  const std::pair<std::string, const char*> table[] = {
      {"cluster: web, fault: {reset: 1%}", "experiments.sick.for: missing: when it ends by itself"},
      {"cluster: web, for: 0, fault: {reset: 1%}", "experiments.sick.for: "},
      {"cluster: web, for: 15m", "experiments.sick.fault: missing: what is to be done"},
      {kFault, "experiments.sick: an experiment is about one of cluster and route"},
      {std::string("cluster: web, route: edge/rest, ") + kFault,
       "experiments.sick: an experiment is about one of cluster and route"},
      {std::string("cluster: nobody, ") + kFault, "experiments.sick.cluster: no rule leads to a cluster \"nobody\""},
      {std::string("route: edge/first, ") + kFault, "experiments.sick.route: there is no rule \"edge/first\""},
      {"cluster: web, for: 15m, fault: {reset: 1%, seed: 3}", "experiments.sick.fault.seed: belongs beside fault, not in it"},
      {std::string("cluster: web, match: {method: GET}, ") + kFault, "experiments.sick.match: not supported yet in this version"},
      {std::string("cluster: web, canary: {to: \"web@v2\"}, ") + kFault,
       "experiments.sick.canary: not supported yet in this version"},
      {std::string("cluster: web, colour: red, ") + kFault, "experiments.sick.colour: unknown key"},
  };
  for (const auto& [text, wanted] : table) {
    const Given given{two_rules(text)};
    EXPECT_TRUE(has_error(load(given))) << text;
    EXPECT_NE(said(given).find(wanted), std::string::npos) << text << "\n" << said(given);
  }
}

}  // namespace
}  // namespace outrider::config
