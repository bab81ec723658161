#include "exchange/exchange.h"

#include "base/text.h"
#include "exchange/http_session.h"
#include "exchange/sanitize.h"
#include "exchange/trail.h"

namespace outrider::exchange {

using filter::Verdict;
using upstream::Attempt;
using upstream::Known;

namespace {
constexpr Error kNoEndpoint{Code::NoEndpoint, Side::Upstream, Retry::No, 0, "no_endpoint"};
constexpr Error kTooManyDestinations{Code::Overload, Side::Local, Retry::No, 0, "circuit_breaker_destinations"};
}  // namespace

const filter::Chain Exchange::kNoFilters{{}};

Exchange::Exchange(Site& site)
    : site_(site), chain_(&kNoFilters), request_pipe_(site.loop.blocks()), answer_pipe_(site.loop.blocks()) {
  shard_ = &site.shard;
}

http::StreamEvents& Exchange::begin(HttpSession& session, http::StreamId stream) {
  session_ = &session;
  stream_ = stream;
  serving_ = site_.serving;
  peer_ = session.peer(peer_text_);
  if (!peer_.identity.empty()) peer_.identity = arena_.copy(peer_.identity);  // the connection may go first
  started_ = net::Loop::clock();
  return down_;
}

bool Exchange::authorize(uint16_t port) {
  const filter::Authorization& rules = *session_->plan().authorization;
  const auto path = raw_ ? std::string_view{} : std::string_view(request_.path).substr(0, request_.path.find('?'));
  const auto verdict =
      rules.judge(peer_.identity, raw_ ? std::string_view{} : std::string_view(request_.method_text), path, port);
  const bool denied = !verdict.allowed && rules.enforced;
  if (!denied || !raw_ || !session_->presumed())  // else finish() does, where this was no request
    site_.shard.add(site_.authorizations.verdict(verdict.allowed, verdict.rule, rules.enforced));
  if (!denied) return true;
  trail().authorization = true;
  // A rule's name lives as long as its plan, and so do we.
  fail({Code::Denied, Side::Local, Retry::No, 0, verdict.rule == "default" ? "not_allowed" : verdict.rule.data(), 403});
  return false;
}

void Exchange::count_doubted_denial() {
  if (!trail_ || !trail_->authorization) return;  // it was refused for something else
  const std::string_view what = doubted_->what;
  site_.shard.add(site_.authorizations.verdict(false, what == "not_allowed" ? "default" : what, true));
}

void Exchange::advance() {
  if (advancing_) {  // an event from inside a step: the loop below sees its effect
    again_ = true;
    return;
  }
  advancing_ = true;
  do {
    again_ = false;
    while (step()) {}
  } while (again_ && phase_ != Phase::Dead);
  advancing_ = false;
}

bool Exchange::step() {
  if (phase_ < Phase::Finish && client_gone_) phase_ = Phase::Finish;
  // Refused by a limit or the codec while nothing has been answered yet: that is the answer, whatever was under way.
  if (refused_ && phase_ < Phase::ResponseFilters) return fail(*std::exchange(refused_, std::nullopt)), true;
  if (timed_out_ && phase_ < Phase::ResponseFilters) {
    timed_out_ = false;
    if (racing_ && !grpc_) rival()->time_out();
    if (attempt() && !grpc_) attempt()->time_out();  // a deadline of gRPC is the client's, and may be any
    const Side late = request_pipe_.collecting ? Side::Downstream : Side::Upstream;
    return fail({Code::Timeout, late, Retry::No, 0, "request_timeout"}), true;
  }
  if (phase_ >= Phase::AwaitResponse && phase_ < Phase::Doubt) pump(Way::Request);  // whatever the response side waits for

  switch (phase_) {
    case Phase::Head:
      serving_ = site_.serving;  // what the session's plan is of, should another have come since begin()
      if (raw_) {
        if (const char* why = read_hello()) return fail({Code::Protocol, Side::Downstream, Retry::No, 0, why}), true;
      } else {
        if (request_.authority.empty() && !request_.headers.find(http::HeaderId::Host))  // HTTP/1.0 may do without
          request_.authority = session_->local(arena_);
        load_asked_ = session_->plan().inbound && session_->plan().mutual_tls && !peer_.identity.empty() &&
                      request_.headers.has_any(http::set_of(http::HeaderId::XOutriderLoad));
        if (auto ok = sanitize_request(request_, session_->plan(), peer_, site_.loop.random()); !ok) {
          if (ok.error().code == Code::Protocol) session_->note_malformed(ok.error().what);
          return fail(ok.error()), true;
        }
        if (const TracePlan* plan = session_->plan().trace.get()) begin_trace(*plan);
      }
      note_grpc();
      if (session_->plan().authorization && !authorize(other_port())) return true;
      phase_ = Phase::Route;
      return true;

    case Phase::Route:
      if (!route()) {
        const char* why = tls_ && request_.authority.empty() ? "no_server_name" : "no_route";
        return fail({Code::NoRoute, Side::Local, Retry::No, 0, why}), true;
      }
      if (cluster_ && cluster_->plan().by_destination) {
        if (!may_go_onward()) return true;
      } else if (session_->plan().authorization && other_port() && !authorize(0)) {  // for whom it is led to
        return true;
      }
      if (!check_body_limit()) return true;
      if (site_.pressure->level() != Pressure::Level::Calm && shed_by_pressure()) return true;
      phase_ = Phase::RequestFilters;
      return true;

    case Phase::RequestFilters:
      switch (chain().run_head(*this, Way::Request, request_pipe_)) {
        case Verdict::Pause: return begin_wait();  // resume() brings us back here
        case Verdict::Collect: return collect();   // and so does what comes
        case Verdict::Answered: return true;       // respond() has moved the phase on
        case Verdict::Continue: break;
      }
      if (route_->action != Route::Action::Cluster) return act(), true;
      if (!raw_ && route_->rewrites()) rewrite();
      phase_ = admission_ ? Phase::Admit : Phase::Discover;
      return true;

    case Phase::Admit: return admit() || begin_wait();

    case Phase::Discover:  // first look-up of a name nobody called before
      if (cluster_->known() == Known::NotYet) {
        if (!waited_out_) {
          cluster_->await_set(place_);
          if (trail().look_up == TimePoint{}) trail().look_up = site_.loop.now();
          const int patience = route_->onward && session_->meant_for() && !by_address_ ? 1 : 5;  // there is another way
          if (!wait_limit_.armed()) site_.loop.arm(wait_limit_, cluster_->plan().pool.connect_timeout * patience);
          return begin_wait();
        }
        if (!goes_onward_after_all()) return fail({Code::NoEndpoint, Side::Upstream, Retry::No, 0, "discovery_timeout"}), true;
      }
      wait_limit_.cancel();
      if (trail_ && trail_->look_up != TimePoint{}) trail_->looked_up = site_.loop.now();
      if (goes_onward_after_all()) {
        place_.unlink();
        waited_out_ = false;
        if (auto called = called_service()) return lead_to(std::move(called)), true;  // and once more from here
        lead_to(serving_->clusters[*route_->onward]);
        if (!may_go_onward()) return true;
      }
      if (!counters_) count_in();
      phase_ = Phase::Pick;
      return true;

    case Phase::Backoff:
      if (!std::exchange(waited_out_, false)) return false;
      phase_ = Phase::Pick;
      return true;

    case Phase::Pick:  // never waits
      if (waits_since_ != TimePoint{}) end_wait();
      if (!start_try()) return fail(tries_ ? last_error_ : goes_by_address() ? kTooManyDestinations : kNoEndpoint), true;
      phase_ = Phase::AwaitResponse;
      if (hedging().on) plan_hedge();
      return true;

    case Phase::AwaitResponse:  // also the way back from a retry
      switch (choose()) {
        case Choice::Wait:
          if (hedge_due_) hedge();
          return false;  // on_attempt() or a timer brings us back
        case Choice::Again: {
          const milliseconds wait = backoff();
          trail().waited[tries_ - 1] = wait;
          phase_ = wait.count() ? Phase::Backoff : Phase::Pick;
          if (wait.count()) site_.loop.arm(wait_limit_, wait);
          return true;
        }
        case Choice::Commit:
          phase_ = Phase::ResponseFilters;
          commit();
          return true;
        case Choice::GiveUp: return fail(last_error_), true;
      }
      return false;

    case Phase::ResponseFilters: {
      // To CONNECT this would say that there is a tunnel.
      if (request_.method == http::Method::Connect && !tunnel_ && response().status / 100 == 2)
        return fail({Code::Protocol, Side::Upstream, Retry::No, 0, "upgrade_ignored"}), true;
      switch (chain().run_head(*this, Way::Response, response_pipe())) {
        case Verdict::Pause:
        case Verdict::Collect: return false;
        case Verdict::Answered: return true;  // ours now; the filters left still see it
        case Verdict::Continue: break;
      }
      const http::Pipe& pipe = response_pipe();
      response_sent_ = true;
      if (load_asked_ && admission_) tell_load();
      downstream().send_response(stream_, response(),
                                 pipe.ended && pipe.held.empty() && !pipe.trailers && !chain().wants_body(Way::Response));
      phase_ = Phase::Relay;
      return true;
    }

    case Phase::Relay:
      if (relaying_ && attempt()->state() == Attempt::State::Failed) return fail(attempt()->error()), true;
      if (relaying_ || try_relay()) return false;  // on_relay_over() or a reset
      if (!pump(Way::Response)) return !relaying_ && !tunnel_ && try_relay();
      if (phase_ != Phase::Relay) return true;           // it failed in the middle
      if (tunnel_ && !pump(Way::Request)) return false;  // its ends are half-closes: both must come
      phase_ = Phase::Finish;                            // else a response may end before its request
      return true;

    case Phase::Doubt:
      if (!waited_out_ && session_->presumed()) return begin_wait();
      return fail(*doubted_), true;

    case Phase::Finish:
      finish();
      phase_ = Phase::Dead;
      return false;

    case Phase::Dead: return false;
  }
  return false;
}

bool Exchange::begin_wait() {
  if (waits_since_ == TimePoint{}) waits_since_ = net::Loop::clock();
  return false;
}

void Exchange::end_wait() { waited_ += net::Loop::clock() - std::exchange(waits_since_, {}); }

bool Exchange::start_try() {
  const auto key = cluster_->plan().hash_by.of(request_, asker_of(peer_));
  const upstream::ClusterPlan& plan = cluster_->plan();
  const bool by_load = plan.reads_load;
  const auto urgency = by_load ? priority() : upstream::Priority::Normal;
  auto seat = goes_by_address()
                  ? cluster_->seat_at(*session_->meant_for(), session_->keeps_source() ? &session_->remote() : nullptr)
                  : cluster_->pick({.tried = tried(), .now = site_.loop.now(), .key = key, .priority = urgency});
  if (!seat) return false;
  tried_[tries_] = seat.get();
  attempts_[tries_++] = site_.attempts.take();
  own().count = 0;
  if (trace_) trace_try();
  request_gone_ = false;
  if (deadline_.armed()) pass_deadline_on(seat->member.endpoint->mutual_tls);
  if (trying_->retries_answers() || hedging().on) count_tries_out();
  if (by_load && !raw_ && seat->member.endpoint->mutual_tls) ask_for_load();
  attempt()->start(*this, *cluster_, std::move(seat), protocol(cluster_->plan()),
                   tunnel_ ? milliseconds(0) : trying_->per_try_timeout);
  return true;
}

bool Exchange::route() {
  const ListenerPlan& plan = session_->plan();
  const Asked asked{request_, peer_, site_.loop.random().next(), session_->called()};
  if (!raw_) route_ = plan.router->match(http::without_port(request_.authority), asked);
  else route_ = tls_ ? plan.router->match_tls(request_.authority, asked) : plan.router->match_bytes(asked);
  if (!route_) return false;
  chain_ = route_->chain.get();
  if (route_->action == Route::Action::Cluster) {
    Route::Goal goal{route_->cluster, route_->tries.get()};
    if (!route_->split.empty())
      goal = route_->choose(http::draw(route_->sticky.of(request_, asker_of(peer_)).value_or(site_.loop.random().next())));
    if (route_->onward && goes_onward(goal.cluster)) goal = {*route_->onward, nullptr};
    Ref<upstream::Cluster> cluster;
    if (goal.cluster < kNobody) {
      cluster = serving_->clusters[goal.cluster];
      if (cluster->plan().by_destination)
        if (auto called = called_service()) cluster = std::move(called);
    } else if (raw_ || goal.cluster == kNobody) {  // the rule is for what was redirected
      route_ = nullptr;
      chain_ = &kNoFilters;
    } else if (const auto service = asked_service(); !service.empty()) {
      cluster = site_.by_name.find(service);
    }
    if (!cluster) return false;
    lead_to(std::move(cluster), goal.tries);
    if (plan.inbound && !raw_) admission_ = load_asked_ ? cluster_->counted_admission() : cluster_->admission();
  }
  if (!cluster_ || !cluster_->plan().found) count_in();
  if (const milliseconds within = limit().within; within.count()) {
    site_.loop.arm(deadline_, within);
    due_ = site_.loop.now() + within;
  }
  watch_idleness();
  return true;
}

// For the endpoint alone: filters and the log see what was asked.
void Exchange::rewrite() {
  asked_path_ = request_.path;
  asked_host_ = request_.authority;
  request_.path = route_->rewrite.target(request_.path, arena_);
  if (route_->rewrite_host.empty()) return;
  request_.authority = route_->rewrite_host;
  if (request_.headers.find(http::HeaderId::Host)) request_.headers.set(http::HeaderId::Host, route_->rewrite_host);
}

// Streams may go on for days: what nobody has asked for by name does not end them.
TimeLimit Exchange::limit() const {
  using Of = TimeLimit::Of;
  if (tunnel_) return {};
  TimeLimit limit{route_->timeout, Of::Rule};
  const auto else_by = [&](milliseconds within, Of of) {
    if (!limit.within.count()) limit = {within, of};
  };
  const auto at_most = [&](milliseconds asked) {
    return !limit.within.count() || asked < limit.within ? TimeLimit{asked, Of::Caller} : limit;
  };
  if (grpc_) {
    if (cluster_) else_by(cluster_->plan().stream_timeout, Of::Cluster);
    const auto asked = http::parse_grpc_timeout(request_.headers.value(http::HeaderId::GrpcTimeout));
    return asked ? at_most(*asked) : limit;
  }
  else_by(session_->plan().request, Of::Listener);
  if (cluster_) else_by(cluster_->plan().timeout, Of::Cluster);
  if (!request_.headers.has_any(http::set_of(http::HeaderId::XOutriderTimeout))) return limit;
  constexpr uint64_t kMost = uint64_t(milliseconds(std::chrono::hours(24)).count());  // more is as good as none
  const auto asked = parse_number(request_.headers.value(http::HeaderId::XOutriderTimeout));
  return asked && *asked <= kMost ? at_most(milliseconds(std::max<int64_t>(int64_t(*asked), 1))) : limit;
}

// To sidecars, which do not begin what nobody waits for any more; to others where the caller says it, too.
void Exchange::pass_deadline_on(bool to_sidecar) {
  const auto left = std::chrono::ceil<milliseconds>(due_ - site_.loop.now());
  if (grpc_)
    return own().add({.id = http::HeaderId::GrpcTimeout,
                      .clean = true,
                      .name = "grpc-timeout",
                      .value = http::write_grpc_timeout(left, arena_)});
  if (!to_sidecar && !request_.headers.has_any(http::set_of(http::HeaderId::XOutriderTimeout))) return;
  own().add({.id = http::HeaderId::XOutriderTimeout,
             .clean = true,
             .name = "x-outrider-timeout-ms",
             .value = arena_.copy(std::to_string(std::max<int64_t>(left.count(), 1)))});
}

milliseconds Exchange::idle_limit() const {
  if (raw_ || grpc_) return milliseconds(0);
  return tunnel_ ? session_->plan().tunnel_idle : session_->plan().stream_idle;
}

void Exchange::watch_idleness() {
  note_activity();
  if (const milliseconds limit = idle_limit(); limit.count()) site_.loop.arm_within(idle_check_, limit);
}

// What is written with prior knowledge on one side is understood so on the other, unless the cluster says what it speaks.
upstream::Protocol Exchange::protocol(const upstream::ClusterPlan& plan) const {
  if (tunnel_) return upstream::Protocol::Raw;
  if (plan.by_destination)
    return request_.version == http::Version::Http2 ? upstream::Protocol::Http2 : upstream::Protocol::Http1;
  if (upgrading_) return plan.upgrade_protocol;
  return is_native_grpc() ? plan.grpc_protocol : plan.protocol;
}

bool Exchange::check_body_limit() {
  const uint64_t limit = session_->plan().max_body;
  const auto length = parse_number(request_.headers.value(http::HeaderId::ContentLength));
  if (!limit || !length || *length <= limit) return true;
  fail({Code::TooLarge, Side::Downstream, Retry::No, 0, "body_too_large", 413});
  return false;
}

std::span<const upstream::Seat* const> Exchange::tried() { return {tried_.data(), tries_}; }

http::Codec& Exchange::downstream() { return session_->codec(); }

void Exchange::commit() {
  committed_ = true;
  end_hedge();
  attempt()->lift_limit();
  first_byte_ = attempt()->headed_at();
  session_->connection().transport().settle();
  response_ = &attempt()->response();
  if (raw_) return;
  if (upgrading_) settle_upgrade();
  if (admission_) note_service_answer();
  sanitize_response(*response_);
}

// --- events: written down, then advance() -----------------------------------------------------------------------

void Exchange::Down::on_head(bool end) {
  x.raw_ = x.tunnel_ = x.session_->connection().wire() == http::Wire::Raw;
  x.upgrading_ = !x.raw_ && x.request_.tunnel();
  x.request_pipe_.ended = end;
  x.advance();
}

void Exchange::Down::on_body(Buffer&& data, bool end) {
  x.request_bytes_ += data.size();
  x.note_activity();
  const uint64_t limit = x.session_->plan().max_body;
  if (limit && !x.tunnel_ && !x.refused_ && x.too_large(data, limit)) {
    x.refused_ = Error{Code::TooLarge, Side::Downstream, Retry::No, 0, "body_too_large", 413};
    if (x.committed_ && x.response_sent_) x.fail(*x.refused_);  // too late to say so
  }
  x.request_pipe_.held.append(std::move(data));
  x.request_pipe_.ended |= end;
  x.advance();
}

void Exchange::Down::on_trailers(http::HeaderMap& trailers) {
  x.request_pipe_.trailers = &trailers;
  x.request_pipe_.ended = true;
  x.advance();
}

void Exchange::Down::on_reset(const Error& why) {
  const bool answerable =
      why.side == Side::Downstream && (why.code == Code::Protocol || why.code == Code::TooLarge || why.status != 0);
  if (answerable) {
    if (why.code != Code::Timeout) x.session_->note_malformed(why.what);
    if (!x.response_sent_) x.refused_ = why;
    else x.fail(why);
  } else {
    x.client_gone_ = true;
    x.unsaid_ = why.what == http::kPresumedWrongly;
    if (x.phase_ != Phase::Doubt || x.unsaid_) {
      x.flag_ = why.code == Code::Canceled ? Flag::Draining : Flag::DownstreamGone;
      x.reason_ = why.what;
    }
  }
  x.advance();
}

void Exchange::on_attempt(Attempt&) {
  note_activity();
  advance();
}

// An HTTP/1.0 client would take an interim response for the final one (RFC 9110 15.2).
void Exchange::on_interim(Attempt&, const http::ResponseHead& head) {
  if (session_ && !response_sent_ && !racing_ && request_.version != http::Version::Http10)
    downstream().send_interim(stream_, head);
}

void Exchange::on_deadline() {
  timed_out_ = true;
  if (response_sent_)  // too late for an answer: the client must see that it was cut
    fail({Code::Timeout, Side::Upstream, Retry::No, 0, "request_timeout"});
  advance();
}

void Exchange::on_wait_limit() {
  waited_out_ = true;
  advance();
}

// Armed once for many requests of a recycled exchange: the timer may belong to one that is long over.
void Exchange::on_idle_check() {
  const milliseconds limit = session_ ? idle_limit() : milliseconds(0);
  if (!limit.count()) return;
  if (relaying_) active_at_ = std::max(active_at_, relay_->moved_at());
  const auto left = active_at_ + limit - site_.loop.now();
  if (left.count() > 0) return site_.loop.arm(idle_check_, std::chrono::ceil<milliseconds>(left));
  const bool clients_turn = !request_pipe_.ended && request_pipe_.held.empty() && !response_sent_;
  fail({Code::Timeout, clients_turn ? Side::Downstream : Side::Upstream, Retry::No, 0, tunnel_ ? kTunnelIdle : kStreamIdle});
  advance();
}

}  // namespace outrider::exchange
