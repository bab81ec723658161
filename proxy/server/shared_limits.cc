#include "server/shared_limits.h"

#include <algorithm>
#include <deque>
#include <map>
#include <string>

#include "base/log.h"
#include "filter/shared.h"
#include "server/redis_link.h"
#include "stats/names.h"

namespace outrider::server {

namespace {

constexpr size_t kAtOnce = 256;     // keys a command: Redis does nothing else meanwhile
constexpr size_t kATelling = 4096;  // keys of a limit, with the rest the next time
constexpr seconds kBetweenWarnings{60};

// A key's value is when its bucket will be full again, by the clock of Redis, in microseconds; it goes when that has come. Needs
// Redis 5, where a script may write what it has computed from the time.
constexpr std::string_view kScript = R"(local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local owed = {}
for i, key in ipairs(KEYS) do
  local full = math.max(tonumber(redis.call('GET', key) or '') or 0, now) + tonumber(ARGV[2 * i - 1])
  full = math.min(full, now + tonumber(ARGV[2 * i]))
  redis.call('SET', key, string.format('%.0f', full), 'PX', string.format('%.0f', math.ceil((full - now) / 1000)))
  owed[i] = full - now
end
return owed)";

}  // namespace

// The limits of one store.
class SharedLimits::Group final : RedisEvents {
 public:
  Group(SharedLimits& all, const filter::Store& store) : all_(all), store_(store), link_(all.control_, store_, *this) {}
  const filter::Store& store() const { return store_; }
  bool has(const std::shared_ptr<filter::Feed>& feed) const {
    return std::find(feeds_.begin(), feeds_.end(), feed) != feeds_.end();
  }
  void serve(std::vector<std::shared_ptr<filter::Feed>> feeds) {
    feeds_ = std::move(feeds);
    if (link_.ready()) set_answering(true);
  }
  void start() { link_.connect(); }
  void tell();

 private:
  struct Told {
    std::shared_ptr<filter::Feed> of;  // its limit, which the configuration may have no more when the answer comes
    std::vector<filter::Spending> what;
  };
  bool tell_of(const std::shared_ptr<filter::Feed>& feed);
  void ask(std::vector<filter::Spending> what, const std::shared_ptr<filter::Feed>& feed);
  void on_ready() override;
  void on_answer(const std::vector<int64_t>& numbers) override;
  void on_gone(const char* reason, std::string_view why) override;
  void set_answering(bool yes) {
    for (const auto& feed : feeds_) feed->shared()->set_answering(yes);
  }

  SharedLimits& all_;
  const filter::Store store_;
  std::vector<std::shared_ptr<filter::Feed>> feeds_;
  RedisLink link_;
  std::deque<Told> told_;  // has no answer yet
  TimePoint asked_{}, next_warning_{};
  bool warned_ = false;
  net::BoundTimer<Group, &Group::tell> next_{*this};
};

// At the end of each pause, and when somebody has spent while there was nothing to tell.
void SharedLimits::Group::tell() {
  if (!link_.ready() || !told_.empty() || next_.armed()) return;
  asked_ = net::Loop::clock();
  bool any = false;
  for (const auto& feed : feeds_) any |= tell_of(feed);
  if (!any)
    for (const auto& feed : feeds_) any |= !feed->shared()->rest();
  if (!any) return;
  all_.control_.arm(next_, store_.sync);
  link_.flush();
}

bool SharedLimits::Group::tell_of(const std::shared_ptr<filter::Feed>& feed) {
  std::vector<filter::Spending> all;
  feed->shared()->collect(all, kATelling);
  for (auto from = all.begin(); from != all.end();) {
    const auto to = from + ptrdiff_t(std::min(kAtOnce, size_t(all.end() - from)));
    ask({std::make_move_iterator(from), std::make_move_iterator(to)}, feed);
    from = to;
  }
  return !all.empty();
}

void SharedLimits::Group::ask(std::vector<filter::Spending> what, const std::shared_ptr<filter::Feed>& feed) {
  std::vector<std::string> numbers{std::to_string(what.size())};
  for (const auto& each : what) {
    numbers.push_back(std::to_string(each.microseconds));
    numbers.push_back(std::to_string(each.most));
  }
  std::vector<std::string_view> words{"EVAL", kScript, numbers.front()};
  for (const auto& each : what) words.push_back(each.key);
  words.insert(words.end(), numbers.begin() + 1, numbers.end());
  link_.ask(words, what.size());
  told_.push_back({feed, std::move(what)});
}

void SharedLimits::Group::on_ready() {
  if (std::exchange(warned_, false)) log::info("rate limits are shared again", {{"redis", store_.address}});
  set_answering(true);
  tell();
}

void SharedLimits::Group::on_answer(const std::vector<int64_t>& numbers) {
  const Told told = std::move(told_.front());
  told_.pop_front();
  for (size_t i = 0; i < numbers.size(); ++i)
    told.of->shared()->settle(told.what[i], asked_, std::min(uint64_t(std::max<int64_t>(0, numbers[i])), told.what[i].most));
  tell();
}

// What it was told of and has not answered is told no more: it may have counted it.
void SharedLimits::Group::on_gone(const char* reason, std::string_view why) {
  told_.clear();
  next_.cancel();
  set_answering(false);
  all_.shard_.add(all_.catalog_.slot(stats::names::kStoreFailures, {{"store", store_.address}, {"reason", reason}}));
  const TimePoint now = all_.control_.now();
  if (now < next_warning_) return;
  next_warning_ = now + kBetweenWarnings;
  warned_ = true;
  log::warn("rate limits of scope mesh are each proxy's own until Redis answers again",
            {{"redis", store_.address}, {"reason", reason}, {"why", why}});
}

SharedLimits::SharedLimits(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard)
    : control_(control), catalog_(catalog), shard_(shard) {}

SharedLimits::~SharedLimits() = default;

void SharedLimits::keep(const std::vector<std::shared_ptr<filter::Feed>>& feeds) {
  std::map<Group*, std::vector<std::shared_ptr<filter::Feed>>> members;
  std::vector<std::shared_ptr<Group>> fresh;
  for (const auto& feed : feeds) {
    if (!feed->shared()) continue;
    const filter::Store& store = feed->shared()->store();
    auto found = std::find_if(groups_.begin(), groups_.end(), [&](const auto& group) { return group->store() == store; });
    if (found == groups_.end()) {
      found = groups_.insert(groups_.end(), std::make_shared<Group>(*this, store));
      fresh.push_back(*found);
    }
    members[found->get()].push_back(feed);
    if ((*found)->has(feed)) continue;
    // A worker may still spend when this is gone.
    feed->shared()->on_spending([&control = control_, weak = std::weak_ptr<Group>(*found)] {
      control.post([weak] {
        if (const auto group = weak.lock()) group->tell();
      });
    });
  }
  std::erase_if(groups_, [&](const auto& group) { return !members.count(group.get()); });
  for (const auto& group : groups_) group->serve(std::move(members[group.get()]));
  for (const auto& group : fresh) group->start();
}

}  // namespace outrider::server
