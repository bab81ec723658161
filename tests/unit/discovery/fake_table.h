#pragma once
// For tests: a table that is a map, in which a test plays everybody else.

#include <algorithm>
#include <map>

#include "discovery/dht/record.h"
#include "discovery/dht/table.h"
#include "net/loop.h"

namespace outrider::discovery {

struct FakeTable final : Table {
  explicit FakeTable(net::Loop& loop) : loop(loop) {}
  void put(const std::string& key, const std::string& value, std::function<void(bool)> done) override {
    puts.emplace_back(key, value);
    mine[key].push_back(value);
    if (reachable) come(key, {value});
    answer([this, done] { done(reachable); });
  }
  void put_listing(const std::string& key, const std::string& value, const std::string&) override {
    listings.emplace_back(key, value);
    mine[key].push_back(value);
    if (reachable) come(key, {value});
  }
  void drop(const std::string& key, const std::string& value) override {
    drops.emplace_back(key, value);
    std::erase(mine[key], value);
  }
  uint64_t listen(const std::string& key, std::function<void(const Values&, bool)> told) override {
    listeners[++last] = {key, std::move(told)};
    if (reachable && !values[key].empty()) tell(key, values[key], false);
    return last;
  }
  void unlisten(const std::string&, uint64_t token) override { listeners.erase(token); }
  void get(const std::string& key, std::function<void(const Values&)> found, std::function<void(bool)> done) override {
    ++gets[key];
    answer([this, key, found, done] {
      if (reachable && !values[key].empty()) found(values[key]);
      done(reachable);
    });
  }
  void sample(const std::string& key, const std::string&, std::function<void(const Values&)> found,
              std::function<void(bool)> done) override {
    ++samples[key];
    answer([this, key, found, done] {
      Values some;
      const size_t step = key.find("/catalog#") == key.npos ? kParts : 1;  // listings of a service are all of one part
      for (size_t i = 0; i < values[key].size(); i += step) some.push_back(values[key][i]);
      if (reachable && !some.empty()) found(some);
      done(reachable);
    });
  }
  void touch(const std::string& key) override { ++touches[key]; }
  void ping(const net::Address& node, std::function<void(bool)> done) override {
    ++pings[node.text()];
    answer([this, node, done] { done(reachable && !dead.count(node.text())); });
  }
  std::vector<net::Address> some_peers(size_t most) override {
    return {peers.begin(), peers.begin() + ptrdiff_t(std::min(most, peers.size()))};
  }

  void note_way_in(const net::Address& node, bool answers) override {
    std::erase(ways_in, node);
    if (answers) ways_in.push_back(node);
  }

  // What others do: a value comes, a value goes.
  void come(const std::string& key, const Values& news) {
    values[key].insert(values[key].end(), news.begin(), news.end());
    tell(key, news, false);
  }
  void go(const std::string& key, const std::string& value) {
    std::erase(values[key], value);
    tell(key, {value}, true);
  }
  void tell(const std::string& key, const Values& news, bool expired) {
    answer([this, key, news, expired] {
      for (const auto& [token, listener] : std::map(listeners))
        if (listener.first == key) listener.second(news, expired);
    });
  }
  // Never from inside the call that asked.
  void answer(std::function<void()> call) { loop.post(std::move(call)); }

  net::Loop& loop;
  bool reachable = true;
  std::vector<net::Address> peers{*net::Address::parse("10.9.9.1:4222"), *net::Address::parse("10.9.9.2:4222")};
  std::vector<net::Address> ways_in;
  std::map<std::string, int> dead;             // that do not answer pings
  std::map<std::string, Values> values, mine;  // by key: what lies there; what is refreshed by us
  std::vector<std::pair<std::string, std::string>> puts, drops, listings;
  std::map<uint64_t, std::pair<std::string, std::function<void(const Values&, bool)>>> listeners;
  std::map<std::string, int> gets, samples, touches, pings;
  uint64_t last = 0;
};

}  // namespace outrider::discovery
