#include "server/kubernetes_api.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "identity/files.h"

namespace outrider::server {

using upstream::Attempt;

namespace {

constexpr size_t kLongestToken = 16 * 1024;  // a request's head has room for it

std::shared_ptr<const upstream::ClusterPlan> plan_for(const KubernetesApi::Settings& settings) {
  auto plan = plan_of(settings.server, settings.tls, settings.connect);
  plan->protocol = upstream::Protocol::Http1;
  plan->outliers.on = false;  // there is no other, and pauses are made by whoever asks
  plan->max_connections = plan->max_pending = plan->max_requests = settings.connections;
  return plan;
}

}  // namespace

// One question: events come at the end of a turn, and any of them may end it.
class KubernetesApi::Call final : public discovery::ApiCall, upstream::AttemptOwner, net::EndOfTurn {
 public:
  Call(KubernetesApi& api, discovery::ApiEvents& events) : api_(api), events_(events), head_(arena_), sent_(api.loop_.blocks()) {}
  ~Call() {
    if (gone_) *gone_ = true;
    std::erase(api_.waiting_, this);
    end();
  }

  void prepare(const std::string& path, const std::string& token) {
    const filter::Url& url = api_.host_.url();
    head_.method = http::Method::Get;
    head_.method_text = "GET";
    head_.scheme = url.https ? "https" : "http";
    head_.authority = url.authority;
    head_.path = arena_.copy(path);
    head_.headers.add("Host", url.authority);
    head_.headers.add("User-Agent", "outrider");
    head_.headers.add("Accept", "application/json");
    if (!token.empty()) head_.headers.add("Authorization", "Bearer " + token);
  }
  void begin() {
    const auto& cluster = api_.host_.cluster();
    auto seat = cluster->pick({.now = api_.loop_.now()});
    if (!seat) return give_up("connection", "it has no address");
    sent_.clear();
    sent_.ended = true;
    ++tries_;
    attempt_ = api_.attempts_.take();
    attempt_->start(*this, *cluster, std::move(seat), cluster->plan().protocol, milliseconds(0));
  }
  void give_up(const char* failure, std::string why) {
    failure_ = failure;
    why_ = std::move(why);
    api_.loop_.at_end_of_turn(*this);
  }

 private:
  upstream::Sending sending(Attempt&) override { return {head_, {}, sent_}; }
  void on_attempt(Attempt& attempt) override {
    if (attempt.state() == Attempt::State::Open) attempt.pump();
    api_.loop_.at_end_of_turn(*this);
  }

  void on_end_of_turn() override {
    bool gone = false;
    gone_ = &gone;
    if (failure_) return over(failure_, std::string(why_));
    if (!attempt_) return void(gone_ = nullptr);
    if (attempt_->headed() && !std::exchange(told_, true)) {
      events_.on_head(attempt_->response().status, retry_after());
      if (gone) return;
    }
    if (const size_t size = attempt_->body.held.size(); size > 0) {
      Buffer come = attempt_->body.held.take(size);
      if (attempt_->state() == Attempt::State::Headed) attempt_->codec().consumed(attempt_->stream(), size);
      api_.bytes_in_ += size;
      while (!come.empty()) {
        const std::string_view piece = come.front();
        events_.on_body(piece);
        if (gone) return;
        come.drop(piece.size());
      }
    }
    if (attempt_->state() == Attempt::State::Ended) {
      end();
      return over(nullptr, {});
    }
    gone_ = nullptr;
    if (attempt_->state() == Attempt::State::Failed) failed();
  }

  void over(const char* failure, const std::string& why) {
    gone_ = nullptr;
    events_.on_over(failure, why);
  }

  // Of a connection that had been closed before the question came nobody needs to know.
  void failed() {
    const Error error = attempt_->error();
    const bool unseen = error.retry == Retry::Yes || (error.retry == Retry::IfReused && attempt_->reused());
    const std::string trouble = attempt_->seat() ? api_.host_.cluster()->pool(*attempt_->seat()).trouble() : std::string();
    const bool again = unseen && !told_ && attempt_->reused() && tries_ < 2;
    end();
    if (again) return begin();
    api_.host_.forget();
    give_up(error.code == Code::Tls ? "tls" : "connection", error.what + (trouble.empty() ? "" : ": " + trouble));
  }

  milliseconds retry_after() const {
    const auto said = parse_number(attempt_->response().headers.value("retry-after"));
    return said ? milliseconds(seconds(std::min<uint64_t>(*said, 3600))) : milliseconds(0);
  }

  void end() {
    if (!attempt_) return;
    attempt_->state() == Attempt::State::Ended ? attempt_->finish() : attempt_->cancel();
    attempt_ = {};
  }

  KubernetesApi& api_;
  discovery::ApiEvents& events_;
  Arena arena_;
  http::RequestHead head_;
  http::Pipe sent_;
  Ref<Attempt> attempt_;
  const char* failure_ = nullptr;
  std::string why_;
  uint32_t tries_ = 0;
  bool told_ = false;     // the head
  bool* gone_ = nullptr;  // while it tells: whether it is still there
};

KubernetesApi::KubernetesApi(const upstream::Context& context, Settings settings)
    : loop_(context.loop), token_file_(settings.token_file), attempts_(loop_),
      host_(context, settings.server, plan_for(settings), *this) {}

KubernetesApi::~KubernetesApi() = default;

std::unique_ptr<discovery::ApiCall> KubernetesApi::get(const std::string& path, discovery::ApiEvents& events) {
  auto call = std::make_unique<Call>(*this, events);
  const auto shown = token();
  if (!shown) {
    call->give_up("token", shown.why());
    return call;
  }
  bytes_out_ += path.size();
  call->prepare(path, *shown);
  waiting_.push_back(call.get());
  host_.find();
  return call;
}

void KubernetesApi::on_host(const char* failure, const std::string& why) {
  for (Call* call : std::exchange(waiting_, {})) failure ? call->give_up(failure, why) : call->begin();
}

bool KubernetesApi::has_other_token() { return !token_file_.empty() && !(identity::FileMark::of(token_file_) == mark_); }

// The mark first: what is written in between is seen the next time.
identity::Outcome<std::string> KubernetesApi::token() {
  if (token_file_.empty() || (!token_.empty() && !has_other_token())) return token_;
  mark_ = identity::FileMark::of(token_file_);
  token_.clear();
  const auto text = identity::read_file(token_file_, kLongestToken);
  if (!text) return text.failure();
  std::string_view read = *text;
  while (!read.empty() && static_cast<unsigned char>(read.back()) <= ' ') read.remove_suffix(1);
  const bool clean = !read.empty() && std::all_of(read.begin(), read.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (!clean) return identity::Failure{token_file_ + ": is no token"};
  return token_ = std::string(read);
}

}  // namespace outrider::server
