#pragma once
// Why one request, or one connection, went where it went and ended as it did: facts, of which sentences are made when somebody
// asks.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "exchange/counters.h"
#include "exchange/time_limit.h"
#include "filter/chain.h"
#include "http/grpc.h"
#include "upstream/cluster_plan.h"
#include "upstream/endpoint.h"

namespace outrider::exchange {

// A plain value, made by a worker as the exchange ends. It holds on to what is constant and small (plans, endpoints), and to no
// snapshot.
struct Decision {
  using Microseconds = int64_t;  // since it began; less than 0: that never was
  // How an endpoint of the cluster came into question, or why not.
  enum class Standing : uint8_t { Considered, Draining, Ejected, HalfOpen, Unhealthy, NotChecked, OtherTier, OtherSubset };
  static constexpr size_t kStandings = 8;
  struct Candidate {
    upstream::Member member;
    Standing standing = Standing::Considered;
    upstream::Ejected ejected_for = upstream::Ejected::Nothing;
    int64_t since_ms = 0;  // wall clock; 0: nobody noted it
  };
  struct Try {
    std::shared_ptr<const upstream::Endpoint> endpoint;
    Microseconds began = -1, opened = -1, headed = -1, failed = -1;
    bool reused = false, sent = false, hedge = false;
    uint16_t status = 0;
    std::optional<http::GrpcStatus> grpc_status;
    Error error{};                // of one that failed
    std::string trouble;          // what a person should know of it beyond the reason
    const char* again = nullptr;  // a literal: why another followed it
    milliseconds waited{0};       // before that
  };
  struct Held {  // by a filter, before the request went on
    filter::Written by;
    Microseconds length = -1;
  };
  static constexpr size_t kMostTries = 8, kMostCandidates = 8, kMostNotes = 4;

  std::string id;
  uint64_t snapshot = 0;  // its number, and the digest of its text
  std::string digest;
  WallTime start{};
  Microseconds duration = 0, first_byte = -1;

  std::string listener, direction, protocol, client, identity, meant_for;
  bool encrypted = false, raw = false, passed_tls = false, grpc = false, tunnel = false;
  std::string method, host, path;  // as asked; empty where it is no HTTP

  std::string route, file;  // empty: no rule
  uint32_t line = 0;
  enum class Action : uint8_t { None, Cluster, Redirect, Respond } action = Action::None;

  std::vector<filter::Written> filters;        // of its chain, in their order
  std::optional<filter::Written> answered_by;  // the filter that answered, or denied
  Held held, asked;                            // by one that let time pass; by one that asked somebody
  struct Note {
    std::string filter, action;
  };
  std::vector<Note> notes;

  Microseconds queued = -1, looked_up = -1;  // for the application; until anything was known of the cluster
  std::string cluster;
  std::shared_ptr<const upstream::ClusterPlan> plan;  // null: there was none
  upstream::TryPlan tries;
  bool own_tries = false;  // they are the rule's, not the cluster's
  upstream::Known known = upstream::Known::NotYet;
  std::string trouble;  // why nobody is known or confirmed
  int64_t known_since_ms = 0;
  bool panicking = false, connections_used_up = false;
  std::vector<Candidate> candidates;
  std::array<uint32_t, kStandings> standings{};  // how many there were of each, those that are not listed included
  uint32_t excluded = 0;                         // that lack the version or the labels

  uint32_t tried = 0;  // all; the last of them are listed
  std::vector<Try> attempts;
  const char* not_again = nullptr;  // a literal: why there was no further try
  const char* hedge = nullptr;      // a literal: what came of the second try; null: there was none to be

  TimeLimit limit;             // of the whole
  bool authorization = false;  // which denied it
  bool client_gone = false, answered = false, response_begun = false, request_ended = false;
  Flag flag = Flag::None;
  std::string reason;
  uint16_t status = 0;
  std::optional<http::GrpcStatus> grpc_status;
  uint64_t request_bytes = 0, response_bytes = 0;
};

}  // namespace outrider::exchange
