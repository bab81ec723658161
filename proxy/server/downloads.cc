#include "server/downloads.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/log.h"
#include "exchange/fetch.h"
#include "net/lookup.h"
#include "stats/names.h"

namespace outrider::server {

namespace {

constexpr milliseconds kLook{1000};  // between two looks whether somebody wants a new one

std::shared_ptr<const upstream::ClusterPlan> plan_of(const filter::Download& from, TlsFiles::Slot tls) {
  auto plan = std::make_shared<upstream::ClusterPlan>();
  plan->name = from.url.authority;
  plan->protocol = from.url.https ? upstream::Protocol::Either : upstream::Protocol::Http1;
  plan->tls.files = std::move(tls);
  plan->tls.name = from.url.host;
  plan->pool.connect_timeout = from.timeout;
  return plan;
}

}  // namespace

// One feed's: looks its host up, asks, hands over, and waits for the next time.
class Downloads::Task final : net::LookupEvents, exchange::FetchEvents {
 public:
  Task(Downloads& all, std::shared_ptr<filter::Feed> feed, TlsFiles::Slot tls)
      : all_(all), feed_(std::move(feed)), from_(*feed_->download()),
        cluster_(new upstream::Cluster({all.control_, all.catalog_, all.shard_}, plan_of(from_, std::move(tls)),
                                       std::make_shared<upstream::Limits>())) {}
  void start() { fetch(); }
  const std::shared_ptr<filter::Feed>& feed() const { return feed_; }

 private:
  void on_look();
  void fetch();
  void on_looked_up(const std::vector<net::Address>& found, const std::string& trouble) override;
  void ask(const std::vector<net::Address>& at);
  void on_fetched() override;
  void over(const char* result, const std::string& why);
  void look_in(milliseconds wait) { all_.control_.arm(look_, std::max(milliseconds(1), std::min({wait, kLook, from_.retry}))); }

  Downloads& all_;
  const std::shared_ptr<filter::Feed> feed_;
  const filter::Download& from_;  // the feed's
  Ref<upstream::Cluster> cluster_;
  std::shared_ptr<const upstream::EndpointSet> set_;
  Arena arena_;
  std::optional<filter::Subrequest> question_;
  TimePoint began_{}, due_{};
  bool good_ = false;  // the last one was
  net::Lookup lookup_{all_.control_, *this};
  exchange::Fetch fetch_{all_.control_, all_.attempts_, *this};
  net::BoundTimer<Task, &Task::on_look> look_{*this};
};

void Downloads::Task::on_look() {
  const TimePoint now = all_.control_.now();
  const bool rested = now >= began_ + from_.retry;
  if (now >= due_ || (rested && feed_->wanted())) return fetch();
  look_in(std::chrono::ceil<milliseconds>(due_ - now));
}

void Downloads::Task::fetch() {
  began_ = all_.control_.now();
  const bool v6 = from_.url.host.find(':') != std::string::npos;
  const auto literal =
      net::Address::parse((v6 ? "[" + from_.url.host + "]" : from_.url.host) + ":" + std::to_string(from_.url.port));
  if (literal) ask({*literal});
  else lookup_.start(from_.url.host, from_.url.port);
}

void Downloads::Task::on_looked_up(const std::vector<net::Address>& found, const std::string& trouble) {
  if (found.empty()) return over("lookup", trouble);
  ask(found);
}

void Downloads::Task::ask(const std::vector<net::Address>& at) {
  std::vector<std::shared_ptr<const discovery::Instance>> endpoints;
  for (const net::Address& address : at) {
    auto endpoint = std::make_shared<discovery::Instance>();
    endpoint->address = address.text();
    endpoints.push_back(std::move(endpoint));
  }
  if (auto next = upstream::next_set(set_, upstream::Known::Yes, endpoints)) cluster_->adopt(set_ = std::move(next));
  arena_.reset();
  http::RequestHead& head = question_.emplace(arena_).head;
  head.method = http::Method::Get;
  head.method_text = "GET";
  head.scheme = from_.url.https ? "https" : "http";
  head.authority = from_.url.authority;
  head.path = from_.url.path;
  head.headers.add("Host", from_.url.authority);
  head.headers.add("Accept", "application/json");
  head.headers.add("User-Agent", "outrider");
  question_->timeout = from_.timeout;
  question_->most = from_.max_size;
  fetch_.start(cluster_, *question_);
}

void Downloads::Task::on_fetched() {
  const filter::Subrequest& answer = *question_;
  if (answer.error) {
    const bool late = std::string_view(answer.error) == "timeout";
    return over(late ? "timeout" : "connection", answer.error);
  }
  if (answer.status != 200) return over("status", "it was answered with " + std::to_string(answer.status));
  if (answer.cut) return over("too_large", "there is more than " + std::to_string(from_.max_size) + " bytes of it");
  if (!answer.whole) return over("connection", "it was cut short");
  const std::string problem = feed_->take(answer.body);
  over(problem.empty() ? "success" : "malformed", problem);
}

void Downloads::Task::over(const char* result, const std::string& why) {
  const bool good = std::string_view(result) == "success";
  all_.shard_.add(all_.catalog_.slot(stats::names::kDownloads, {{"source", from_.url.authority}, {"result", result}}));
  if (!good)
    log::warn("could not be fetched, what was there before stays", {{"url", from_.text}, {"reason", result}, {"why", why}});
  else if (!good_) log::info("fetched", {{"url", from_.text}});
  good_ = good;
  const milliseconds wait = good ? from_.refresh : from_.retry;
  due_ = all_.control_.now() + wait;
  look_in(wait);
}

Downloads::Downloads(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard)
    : control_(control), catalog_(catalog), shard_(shard), attempts_(control) {}

Downloads::~Downloads() = default;

std::string Downloads::begin(const std::vector<std::shared_ptr<filter::Feed>>& feeds, TlsFiles& files) {
  next_.clear();
  for (const auto& feed : feeds) {
    if (!feed->download()) continue;
    const filter::Download& from = *feed->download();
    TlsFiles::Slot tls;
    if (from.url.https) {
      auto made = files.client(from.text, {.ca = from.ca});
      if (!made) return from.text + ": " + made.why();
      tls = *made;
    }
    const auto same = std::find_if(tasks_.begin(), tasks_.end(), [&](const auto& task) { return task->feed() == feed; });
    next_.push_back(same != tasks_.end() ? *same : std::make_shared<Task>(*this, feed, std::move(tls)));
  }
  return {};
}

void Downloads::keep() {
  const auto before = std::exchange(tasks_, std::exchange(next_, {}));
  for (const auto& task : tasks_)
    if (std::find(before.begin(), before.end(), task) == before.end()) task->start();
}

}  // namespace outrider::server
