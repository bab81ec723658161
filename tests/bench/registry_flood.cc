// Junk under one service's key, put at given nodes by members gone bad whose ids are the nearest to it: registry.py measures
// what that costs the others. Half of it are records with a signature that does not hold, half bytes that are no record.
//
//   outrider_registry_flood --mesh-key FILE --identity FOLDER --service NAME --count N --senders N --node ADDRESS...
//
// One line of JSON when all is sent; then it goes on showing junk to whoever asks, until stdin ends.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "discovery/dht/record.h"
#include "tests/support/attacker.h"

namespace outrider::test {
namespace {

constexpr size_t kShown = 500;

struct Asked {
  std::string mesh_key, identity, service;
  size_t count = 10000, senders = 4;
  std::vector<net::Address> nodes;
};

Asked parse(int count, char** words) {
  Asked asked;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string option = words[i], value = words[i + 1];
    if (option == "--mesh-key") asked.mesh_key = value;
    else if (option == "--identity") asked.identity = value;
    else if (option == "--service") asked.service = value;
    else if (option == "--count") asked.count = size_t(std::atoi(words[i + 1]));
    else if (option == "--senders") asked.senders = size_t(std::atoi(words[i + 1]));
    else if (option == "--node") asked.nodes.push_back(*net::Address::parse(value));
  }
  return asked;
}

std::string record(const Asked& asked, const identity::Identity& signer) {
  discovery::Announcement what;
  what.trust_domain = "mesh.local";
  what.service = asked.service;
  what.instance = discovery::new_instance_id();
  what.issued = what.not_before = from_ms(to_ms(std::chrono::system_clock::now()));
  what.not_after = what.issued + std::chrono::minutes(10);
  what.sequence = uint64_t(to_ms(what.issued));
  what.address = *net::Address::parse("10.66.66.66:80");
  return *discovery::write_record(what, &signer);
}

int run(const Asked& asked) {
  const auto keys = identity::load_mesh_keys(asked.mesh_key);
  const auto signer = identity::Identity::load(asked.identity);
  if (!keys || !signer || asked.nodes.empty() || asked.senders == 0) {
    std::fprintf(stderr, "%s %s\n", keys ? "" : keys.why().c_str(), signer ? "" : signer.why().c_str());
    return 2;
  }
  const std::string key = discovery::key_name("mesh.local", asked.service, 0);
  const std::string forged = record(asked, *signer);
  const auto member = std::make_shared<const identity::Identity>(*signer);
  std::vector<std::unique_ptr<Attacker>> senders;
  std::atomic<size_t> silent{0};
  for (size_t i = 0; i < asked.senders; ++i) {
    senders.push_back(std::make_unique<Attacker>(*keys, "", 0, member));  // beside the key nobody would listen to it
    senders[i]->lay(key, junk(forged, kShown));
    for (const auto& node : asked.nodes) senders[i]->ping(node);
  }
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (size_t i = 0; i < asked.senders; ++i)
    threads.emplace_back([&, i] {
      const auto values = junk(i % 2 ? forged : std::string(discovery::kMaxRecord, 'x'), asked.count / asked.senders);
      for (const auto& node : asked.nodes) silent += !senders[i]->put(node, key, values);
    });
  for (auto& thread : threads) thread.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  int asks = 0;
  for (const auto& one : senders) asks += one->asked();
  std::printf("{\"values\": %zu, \"nodes\": %zu, \"silent\": %zu, \"asked\": %d, \"seconds\": %.3f}\n", asked.count,
              asked.nodes.size(), silent.load(), asks, took.count());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {}
  return 0;
}

}  // namespace
}  // namespace outrider::test

int main(int count, char** words) { return outrider::test::run(outrider::test::parse(count, words)); }
