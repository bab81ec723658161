#include "server/decision_page.h"

#include <algorithm>
#include <cmath>

#include "admin/json.h"
#include "base/text.h"
#include "exchange/decisions.h"
#include "http/secrets.h"
#include "server/story.h"

namespace outrider::server {

namespace {

using exchange::Decision;

constexpr milliseconds kForWorkers{5'000};
constexpr uint64_t kUsually = 100, kMost = 10'000;

double milliseconds_of(int64_t us) { return double(us) / 1000; }

void write(admin::Json& json, const Decision& decision, const KeyPlaces& keys) {
  const auto when = std::chrono::duration_cast<std::chrono::milliseconds>(decision.start.time_since_epoch()).count();
  const auto endpoint = decision.attempts.empty() ? std::string() : decision.attempts.back().endpoint->address;
  json.object()
      .field("id", decision.id)
      .field("when", double(when) / 1000)
      .field("listener", decision.listener)
      .field("route", decision.route)
      .field("cluster", decision.cluster)
      .field("endpoint", endpoint)
      .field("client", decision.client)
      .field("method", decision.raw ? decision.protocol : decision.method)
      .field("host", decision.host)
      .field("path", http::without_secrets(decision.path))
      .field("status", decision.status);
  if (decision.grpc_status) json.field("grpc_status", uint32_t(*decision.grpc_status));
  json.field("flag", name_of(decision.flag))
      .field("reason", decision.reason)
      .field("duration_ms", milliseconds_of(decision.duration))
      .field("tries", decision.tried)
      .key("sentences")
      .array();
  for (const std::string& sentence : story_of(decision, keys)) json.value(sentence);
  json.close().close();
}

// One visitor, until all workers have told, or it is too late. Whoever is told then finds nobody.
struct Inquiry {
  admin::Visit* visit = nullptr;  // null: it is over
  std::string id;
  size_t most = kUsually, awaited = 0;
  std::vector<Decision> found;
};

class DecisionPage final : public admin::Page {
 public:
  DecisionPage(net::Loop& control, const std::vector<std::unique_ptr<Worker>>& workers, const State& state)
      : control_(control), workers_(workers), state_(state) {}
  ~DecisionPage() override {
    for (const auto& each : open_) each->visit = nullptr;
  }

  void on_visit(admin::Visit& visit) override {
    if (state_.document->admin.explain.keep == 0)
      return visit.reply({.status = 404, .body = "Nothing is kept here: admin.explain is off.\n"});
    auto inquiry = std::make_shared<Inquiry>();
    inquiry->visit = &visit;
    inquiry->id = visit.ask().value("id");
    if (visit.ask().has("limit")) {
      const auto limit = parse_number(visit.ask().value("limit"));
      if (!limit || *limit == 0)
        return visit.reply({.status = 400, .body = "limit: expected a number, got \"" + visit.ask().value("limit") + "\"\n"});
      inquiry->most = size_t(std::min(*limit, kMost));
    }
    inquiry->awaited = workers_.size();
    open_.push_back(inquiry);
    if (!late_.armed()) control_.arm(late_, kForWorkers);
    for (const auto& worker : workers_)
      worker->ask([this, inquiry, id = inquiry->id, most = inquiry->most, &control = control_](exchange::Site& site) {
        auto found = site.decisions ? site.decisions->find(id, most) : std::vector<Decision>();
        control.post([this, inquiry, found = std::move(found)]() mutable {
          if (inquiry->visit) take(inquiry, std::move(found));
        });
      });
  }
  void on_gone(admin::Visit& visit) override {
    std::erase_if(open_, [&](const auto& each) { return each->visit == &visit && ((each->visit = nullptr), true); });
  }

 private:
  void take(const std::shared_ptr<Inquiry>& inquiry, std::vector<Decision> found) {
    std::move(found.begin(), found.end(), std::back_inserter(inquiry->found));
    if (--inquiry->awaited == 0) answer(inquiry);
  }

  void on_late() {
    while (!open_.empty()) answer(open_.front());
  }

  void answer(std::shared_ptr<Inquiry> inquiry) {
    std::erase(open_, inquiry);
    if (open_.empty()) late_.cancel();
    admin::Visit& visit = *std::exchange(inquiry->visit, nullptr);
    auto& found = inquiry->found;
    std::stable_sort(found.begin(), found.end(), [](const Decision& a, const Decision& b) {
      return a.start + std::chrono::microseconds(a.duration) > b.start + std::chrono::microseconds(b.duration);
    });
    if (found.size() > inquiry->most) found.resize(inquiry->most);
    if (found.empty() && !inquiry->id.empty()) return visit.reply({.status = 404, .body = not_kept(inquiry->id)});
    const KeyPlaces keys(*state_.document);
    admin::Json json;
    json.object().key("decisions").array();
    for (const Decision& each : found) write(json, each, keys);
    json.close().field("complete", inquiry->awaited == 0).close();
    visit.reply({.type = "application/json", .body = json.take()});
  }

  std::string not_kept(const std::string& id) const {
    const auto& explain = state_.document->admin.explain;
    const std::string few =
        id.size() < exchange::Decisions::kLeastOfAnId
            ? " Of an id at least " + std::to_string(exchange::Decisions::kLeastOfAnId) + " characters are needed, or all of it."
            : std::string();
    return "Nothing is kept of " + id + "." + few + " Kept are the newest " + std::to_string(explain.keep) +
           " that failed, were refused, were tried more than once, or took longer than " +
           std::to_string(explain.slower.count()) + "ms (admin.explain).\n";
  }

  net::Loop& control_;
  const std::vector<std::unique_ptr<Worker>>& workers_;
  const State& state_;
  std::vector<std::shared_ptr<Inquiry>> open_;
  net::BoundTimer<DecisionPage, &DecisionPage::on_late> late_{*this};
};

}  // namespace

std::unique_ptr<admin::Page> decision_page(net::Loop& control, const std::vector<std::unique_ptr<Worker>>& workers,
                                           const State& state) {
  return std::make_unique<DecisionPage>(control, workers, state);
}

}  // namespace outrider::server
