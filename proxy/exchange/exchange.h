#pragma once
// One request, its response, and all that happens between; a tunnel is the same with bytes for bodies, and a TCP connection
// is a tunnel with a CONNECT head.

#include <array>
#include <optional>
#include <span>

#include "exchange/fetch.h"
#include "exchange/shadow.h"
#include "exchange/site.h"
#include "exchange/time_limit.h"
#include "exchange/trace.h"
#include "exchange/waits.h"
#include "filter/chain.h"
#include "http/grpc.h"
#include "http/pipe.h"
#include "net/loop.h"
#include "upstream/attempt.h"
#include "wire/relay.h"

namespace outrider::exchange {

class HttpSession;
struct Decision;
struct Trail;

inline constexpr char kStreamIdle[] = "stream_idle", kTunnelIdle[] = "tunnel_idle";  // as the keys of the limits

// Every event handler does two things: it writes down what happened, and it calls advance(). advance() is the life of a
// request, top to bottom, in one switch (step). Recycled by its Site; ends itself in Phase::Dead. One worker.
class Exchange final : public filter::Call,
                       public net::Retired,
                       upstream::AttemptOwner,
                       wire::RelayEvents,
                       FetchEvents,
                       WaitEvents {
 public:
  explicit Exchange(Site& site);
  http::StreamEvents& begin(HttpSession& session, http::StreamId stream);  // from a session; events follow
  void reset_for_reuse();
  const http::TraceContext* trace() const;  // with the span of what came in; null: it is not traced

 private:
  friend struct Site;
  using Way = http::Way;
  enum class Phase : uint8_t {
    Head,
    Route,
    RequestFilters,
    Admit,
    Discover,
    Backoff,
    Pick,
    AwaitResponse,
    ResponseFilters,
    Relay,
    Doubt,  // a tunnel that was presumed of a silent client, and is refused: what is said of that may be meant for nobody
    Finish,
    Dead
  };
  enum class Choice : uint8_t { Wait, Again, Commit, GiveUp };
  struct Own {  // fields of one try: grpc-timeout or x-outrider-timeout-ms, x-outrider-attempt, x-outrider-load, five of a trace
    std::array<http::Field, 8> fields;
    size_t count = 0;
    void add(const http::Field& field) { fields[count++] = field; }
  };

  void advance();
  bool step();                        // one phase; false: wait for the next event
  bool authorize(uint16_t port);      // false: denied, and told so. 0: our own port
  void count_doubted_denial();        // of a tunnel that was presumed, and was one
  bool route();                       // finds the rule and what hangs on it; false: nobody serves this
  bool goes_onward(uint32_t chosen);  // onward.cc: to where it was meant for, in place of a cluster
  bool goes_onward_after_all() const;
  bool goes_by_address() const;
  bool may_go_onward();
  Ref<upstream::Cluster> called_service();
  uint16_t other_port() const;       // that was called, where it is not our service's; else 0
  std::string_view asked_service();  // that the Host names; empty: it is no name of one
  void lead_to(Ref<upstream::Cluster> cluster, const upstream::TryPlan* tries = nullptr);  // null: the cluster's own
  void rewrite();  // what the endpoint is asked, where the rule says so
  void act();      // redirect and direct response
  bool collect();  // calls.cc: the body to a filter that wants it before the head goes on; false: more has to come
  bool check_body_limit();
  TimeLimit limit() const;          // of the whole exchange
  milliseconds idle_limit() const;  // of silence; 0: none
  void watch_idleness();
  upstream::Protocol protocol(const upstream::ClusterPlan& plan) const;  // to an endpoint
  bool pump(Way way);  // pump.cc: body bytes on; true: all of it, the end included
  bool pump_request();
  bool pump_response();
  bool push_request(upstream::Attempt& to);  // what is through the filters
  bool push_response(http::Pipe& pipe);
  void pass_to_shadows(const Buffer& part, bool end);
  bool try_relay();  // pump.cc: sockets joined; true: the relay has taken over
  bool start_try();  // at the next endpoint; false: there is none
  Choice choose();   // failure.cc: before anything is committed
  bool is_to_be_repeated(upstream::Attempt& answered);
  std::optional<http::GrpcStatus> status_to_retry(upstream::Attempt& last);
  const upstream::HedgePlan& hedging() const { return trying_->hedge; }  // hedge.cc, and the next
  bool may_hedge() const;
  void plan_hedge();
  void hedge();
  void race();
  upstream::Attempt* stop_racing(upstream::Attempt& left);
  void end_hedge();
  void tell_hedge(const char* result);  // and counts it
  void commit();                        // response_ and the response pipe are the attempt's
  void settle_upgrade();                // upgrade.cc: whether what has answered opens the tunnel
  const char* finish_handshake();       // upgrade.cc: why not, else null
  void fail(const Error& why);          // failure.cc: answer or reset
  void answer(uint16_t status, const char* reason, std::string_view body, const char* type = "text/plain; charset=utf-8");
  std::string_view explain(const Error& why);  // answer.cc: the sentence a person reads
  const char* read_hello();                    // pass_through.cc: why it is not passed through, else null
  void refuse_bytes(const Error& why);         // pass_through.cc
  void note_grpc();                            // grpc.cc
  bool is_native_grpc() const;                 // to the endpoint
  void answer_grpc(uint16_t status, std::string_view message);
  bool end_grpc(http::GrpcStatus status);
  bool too_large(Buffer& arrived, uint64_t limit);  // of gRPC one message, else all of the request's body so far
  upstream::Priority priority() const;              // admit.cc, and the next
  void shed(const char* reason);
  bool shed_by_pressure();
  bool admit();
  void note_service_answer();
  void note_service_outcome();
  void ask_for_load();
  void tell_load();
  void pass_deadline_on(bool to_sidecar);
  void count_tries_out();  // failure.cc: to those behind us
  bool others_retry() const { return request_.headers.has_any(http::set_of(http::HeaderId::XOutriderAttempt)); }
  std::optional<http::GrpcStatus> grpc_status();  // what the client was told or makes of it; null: not gRPC
  void finish();                                  // filters' on_complete, access log, stats, give back
  RequestCounters& find_counters();
  void note_activity() { active_at_ = site_.loop.now(); }
  void count_in();  // to requests in flight, once the label of its cluster is known
  std::string_view other_end() const;
  void count(TimePoint now);
  void count_retry(const char* result);
  uint64_t own_time(TimePoint now) const;  // in microseconds: what was spent in the proxy itself
  bool begin_wait();                       // for somebody else, before an endpoint is asked; false, as a step says it
  void end_wait();
  bool spend();  // of the budget of retries
  bool spend_budget(const char* reason);
  bool may_wait(const http::ResponseHead* answer);
  milliseconds backoff();
  uint16_t status() const;
  AccessEntry entry(TimePoint now);  // of the access log, and of whoever watches
  void log(TimePoint now);
  void show(TimePoint now);  // to those who watch
  Trail& trail();            // remember.cc, and the next: why it ended so, for those who ask
  bool is_noteworthy(TimePoint now);
  void remember(TimePoint now);
  void note_filters(Decision& decision);
  void note_tries(Decision& decision);
  void note_answerer();
  const char* why_not_again(bool answered) const;
  void begin_trace(const TracePlan& plan);  // trace.cc, and the next
  void trace_try();
  void tell_trace(const http::TraceContext& context, Own& to);
  void trace_shadows();
  void end_traced(const upstream::Attempt* of, TimePoint now = net::Loop::clock());
  bool is_exported();
  void report_trace(TimePoint now);
  std::string span_of(const Trace::Try& one, uint32_t count, std::string_view name, WallTime began, WallTime ended);
  const filter::Chain& chain() const { return *chain_; }
  upstream::Attempt* attempt() { return tries_ ? attempts_[tries_ - 1].get() : nullptr; }
  Own& own() { return own_[(tries_ - 1) % 2]; }                       // of attempt()
  upstream::Attempt* rival() { return attempts_[tries_ - 2].get(); }  // of attempt(), while they race
  std::span<const upstream::Seat* const> tried();
  bool repeatable() const;
  http::Pipe& response_pipe() { return committed_ ? attempt()->body : answer_pipe_; }
  http::Codec& downstream();

  struct Down final : http::StreamEvents {  // the client's half
    explicit Down(Exchange& e) : x(e) {}
    http::RequestHead* request_head() override { return &x.request_; }
    void on_head(bool end) override;
    void on_body(Buffer&& data, bool end) override;
    void on_trailers(http::HeaderMap& trailers) override;
    void on_sendable() override { x.advance(); }
    void on_reset(const Error& why) override;
    Exchange& x;
  } down_{*this};
  upstream::Sending sending(upstream::Attempt& of) override {
    const Own& own = own_[(racing_ && &of == rival() ? tries_ : tries_ - 1) % 2];
    return {request_, {own.fields.data(), own.count}, request_pipe_};
  }
  struct Turn final : upstream::Applicant {  // to be let in to the application beside us
    explicit Turn(Exchange& e) : x(e) {}
    void on_turn() override { x.advance(); }
    Exchange& x;
  } turn_{*this};
  void on_attempt(upstream::Attempt& attempt) override;
  void on_interim(upstream::Attempt& attempt, const http::ResponseHead& head) override;
  upstream::Caller* caller() override;
  void on_relay_over() override;
  void respond(uint16_t status, const char* reason, std::string_view body) override;
  void serve(uint16_t status, std::string_view body) override;
  void deny(uint16_t status, const char* filter, const char* reason, std::string_view body) override;
  void let_in(const char* filter, const char* reason) override;
  void fetch(const filter::Filter& owner, filter::Subrequest& what) override;
  void on_fetched() override;
  void mirror(const filter::Filter& owner, const filter::Mirroring& how) override;
  void resume(Way way) override;
  void wait(const filter::Filter& owner, Way way, std::chrono::microseconds time) override;
  void on_waited(Way way, const filter::Filter& owner) override;
  void reset(const char* reason) override;
  void note(const char* filter, const char* action) override;
  void limited(const char* scope) override;
  bool watched() const override { return site_.taps.watched(); }
  void tap(const filter::Tapping& how) override;
  const http::HeaderMap* take_trailers() override;
  void on_place() { advance(); }
  void on_deadline();
  void on_wait_limit();
  void on_idle_check();
  void on_hedge_limit();
  void on_retired() override;

  static const filter::Chain kNoFilters;
  static constexpr size_t kMaxTries = 12;  // the first, at most 10 retries, and a hedge
  Site& site_;
  HttpSession* session_ = nullptr;  // null once the client is gone
  http::StreamId stream_ = 0;
  Phase phase_ = Phase::Head;
  bool advancing_ = false, again_ = false, committed_ = false, response_sent_ = false;
  bool raw_ = false, upgrading_ = false, tunnel_ = false;  // no HTTP at all; asked for a tunnel; bytes both ways
  bool grpc_ = false, grpc_web_ = false;                   // of either; by gRPC-Web from the client
  bool client_gone_ = false, timed_out_ = false, waited_out_ = false, relaying_ = false, counted_in_ = false, let_in_ = false;
  bool load_asked_ = false;  // by a sidecar: how busy the application is
  bool by_address_ = false;  // led by the virtual address of a service
  bool response_ended_ = false, relay_over_ = false;
  bool unsaid_ = false;       // a tunnel that was presumed of a silent client, which then spoke HTTP: neither counted nor logged
  bool tls_ = false;          // raw, and a hello has said to whom; that name is the request's authority
  std::string_view offered_;  // by ALPN: "h2,http/1.1"
  std::optional<Error> doubted_;  // why the tunnel is refused, in Phase::Doubt
  std::optional<Error> refused_;  // what the codec or a limit said of the request
  Flag flag_ = Flag::None;
  const char* reason_ = "";
  Ref<Serving> serving_;
  const Route* route_ = nullptr;
  const filter::Chain* chain_;  // the route's; before there is one, without filters
  Ref<upstream::Cluster> cluster_;
  const upstream::TryPlan* trying_ = nullptr;  // the rule's, or the cluster's; null without one
  upstream::Admission* admission_ = nullptr;   // of cluster_; null: there is none, or it is not for this
  std::string_view cluster_name_;              // in the arena or the plan
  std::string_view asked_path_, asked_host_;   // before a rule rewrote them
  std::array<char, net::Address::kMaxIpText> peer_text_;
  RequestCounters* counters_ = nullptr;
  std::array<Ref<upstream::Attempt>, kMaxTries> attempts_;
  std::array<const upstream::Seat*, kMaxTries> tried_{};
  uint32_t tries_ = 0;
  Error last_error_{};
  const char* retry_reason_ = nullptr;
  bool seen_ = false, spent_ = false;         // by the endpoint that failed; of the budget of retries
  milliseconds asked_to_wait_{0};             // by its answer
  bool dropped_ = false;                      // a fresh connection closed over this request
  bool go_on_said_ = false;                   // by 100, while a filter collects
  bool request_gone_ = false;                 // to the endpoint now asked, all of it: nothing is left to pump
  TimePoint waits_since_{};                   // for somebody else than the endpoint
  TimePoint::duration waited_{0};             // likewise, in all
  bool hedge_due_ = false, racing_ = false;   // two tries are under way: the last two
  const upstream::Attempt* hedge_ = nullptr;  // the later of them, whatever has become of it
  const char* hedge_result_ = nullptr;        // null: there is none
  http::Pipe request_pipe_, answer_pipe_;
  std::optional<http::GrpcStatus> grpc_answer_;  // instead of what an HTTP status says
  http::HeaderMap* own_trailers_ = nullptr;      // behind a response that we had to end
  http::GrpcFrames request_frames_;
  std::array<Own, 2> own_;                    // of the last two tries: own()
  std::unique_ptr<Fetch> fetch_;              // made when a filter needs one, and kept
  std::unique_ptr<Waits> waits_;              // likewise
  IntrusiveList<Shadow> shadows_;             // of this request, which has not gone on as a whole
  const filter::Tapping* tapping_ = nullptr;  // by whom it was picked
  std::span<const http::Field> tapped_;       // the request's fields at that moment, in the arena
  Trail* trail_ = nullptr;                    // in the arena; null: it went straight on
  Trace* trace_ = nullptr;                    // in the arena; null: tracing is off
  const filter::Filter* fetcher_ = nullptr;
  filter::Subrequest* fetched_ = nullptr;  // in the arena
  std::optional<wire::Relay> relay_;
  uint64_t request_bytes_ = 0, response_bytes_ = 0;
  TimePoint active_at_{};                           // the loop's time when bytes last moved
  TimePoint due_{};                                 // of deadline_, while that is armed
  TimePoint started_{}, first_byte_{}, sent_at_{};  // sent_at_: all of the request, where there is an admission
  BoundPlace<Exchange, &Exchange::on_place> place_{*this};
  net::BoundTimer<Exchange, &Exchange::on_deadline> deadline_{*this};
  net::BoundTimer<Exchange, &Exchange::on_wait_limit> wait_limit_{*this};
  net::BoundTimer<Exchange, &Exchange::on_idle_check> idle_check_{*this};
  net::BoundTimer<Exchange, &Exchange::on_hedge_limit> hedge_limit_{*this};
};

}  // namespace outrider::exchange
