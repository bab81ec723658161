#include "server/downloads.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/log.h"
#include "server/url_client.h"
#include "stats/names.h"

namespace outrider::server {

namespace {

constexpr milliseconds kLook{1000};  // between two looks whether somebody wants a new one

}  // namespace

// One feed's: asks, hands over, and waits for the next time.
class Downloads::Task final : UrlEvents {
 public:
  Task(Downloads& all, std::shared_ptr<filter::Feed> feed, TlsFiles::Slot tls)
      : all_(all), feed_(std::move(feed)), from_(*feed_->download()),
        client_({all.control_, all.catalog_, all.shard_}, all.attempts_, from_.url, std::move(tls), from_.timeout, *this) {}
  void start() { fetch(); }
  const std::shared_ptr<filter::Feed>& feed() const { return feed_; }

 private:
  void on_look();
  void fetch();
  void on_answered(const char* failure, const std::string& why) override;
  void over(const char* result, const std::string& why);
  void look_in(milliseconds wait) { all_.control_.arm(look_, std::max(milliseconds(1), std::min({wait, kLook, from_.retry}))); }

  Downloads& all_;
  const std::shared_ptr<filter::Feed> feed_;
  const filter::Download& from_;  // the feed's
  Arena arena_;
  std::optional<filter::Subrequest> question_;
  TimePoint began_{}, due_{};
  bool good_ = false;  // the last one was
  UrlClient client_;
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
  arena_.reset();
  http::RequestHead& head = question_.emplace(arena_).head;
  head.method = http::Method::Get;
  head.method_text = "GET";
  head.headers.add("Accept", "application/json");
  question_->timeout = from_.timeout;
  question_->most = from_.max_size;
  client_.ask(*question_);
}

void Downloads::Task::on_answered(const char* failure, const std::string& trouble) {
  if (failure) return over(failure, trouble);
  const filter::Subrequest& answer = *question_;
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
    auto tls = tls_for(from.url, from.text, from.ca, files);
    if (!tls) return from.text + ": " + tls.why();
    const auto same = std::find_if(tasks_.begin(), tasks_.end(), [&](const auto& task) { return task->feed() == feed; });
    next_.push_back(same != tasks_.end() ? *same : std::make_shared<Task>(*this, feed, *tls));
  }
  return {};
}

void Downloads::keep() {
  const auto before = std::exchange(tasks_, std::exchange(next_, {}));
  for (const auto& task : tasks_)
    if (std::find(before.begin(), before.end(), task) == before.end()) task->start();
}

}  // namespace outrider::server
