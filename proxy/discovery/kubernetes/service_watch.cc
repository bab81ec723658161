#include "discovery/kubernetes/service_watch.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace outrider::discovery {

namespace {

constexpr size_t kMostOfRefusal = 4096;  // bytes of an answer that says no
constexpr milliseconds kShort{1000};     // a watch that says nothing and ends within that is a failure

std::string escaped(std::string_view text) {  // of a query (RFC 3986 2.3)
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string to;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                       c == '_' || c == '~';
    if (plain) to += c;
    else (((to += '%') += kHex[uint8_t(c) >> 4]) += kHex[uint8_t(c) & 15]);
  }
  return to;
}

}  // namespace

ServiceWatch::ServiceWatch(net::Loop& loop, Api& api, KubernetesEvents& events, const KubernetesOptions& options, std::string key,
                           Name name, Owner& owner)
    : loop_(loop), api_(api), events_(events), options_(options), key_(std::move(key)), name_(std::move(name)), owner_(owner),
      lines_(options.max_size) {}

void ServiceWatch::start() {
  began_ = loop_.now();
  loop_.arm(patience_, options_.patience);
  list();
}

void ServiceWatch::stop() {
  call_.reset();
  for (net::Timer* timer : std::initializer_list<net::Timer*>{&limit_, &again_, &too_old_, &patience_, &publish_})
    timer->cancel();
}

std::optional<milliseconds> ServiceWatch::age() const {
  if (!listed_) return {};
  return std::chrono::duration_cast<milliseconds>(loop_.now() - confirmed_);
}

// --- asking ---------------------------------------------------------------------------------------------------------

std::string ServiceWatch::base() const {
  std::string path = "/apis/discovery.k8s.io/v1/namespaces/" + name_.space + "/endpointslices?";
  if (!name_.service.empty()) path += "labelSelector=kubernetes.io%2Fservice-name%3D" + name_.service + "&";
  return path;
}

void ServiceWatch::ask(std::string path) {
  again_.cancel();
  body_.clear();
  lines_.clear();
  status_ = 0;
  retry_after_ = {};
  heard_ = false;
  loop_.arm(limit_, options_.timeout);
  call_ = api_.get(path, *this);
}

// The first list may come from the server's memory (version 0), which costs it little; later ones must not be older than what is
// known already, and behind a 410 nothing but the newest will do. Of a page that continues another the server knows all that.
void ServiceWatch::list() {
  doing_ = Doing::Listing;
  const bool whole = !name_.service.empty();
  std::string path = base() + "limit=" + std::to_string(whole ? options_.page : 1);
  if (!next_.empty()) {
    path += "&continue=" + escaped(next_);
  } else {
    gathered_.clear();
    gathered_endpoints_ = 0;
    if (!forgotten_) path += "&resourceVersion=" + (version_.empty() ? "0" : escaped(version_));
  }
  ask(std::move(path));
}

// Ends by itself at another time than those of all other proxies.
void ServiceWatch::watch() {
  doing_ = Doing::Watching;
  const auto least = std::max<int64_t>(1, std::chrono::ceil<seconds>(options_.watch).count());
  const int64_t limit = least + int64_t(loop_.random().unit() * double(least));
  ask(base() + "watch=1&allowWatchBookmarks=true&resourceVersion=" + escaped(version_) +
      "&timeoutSeconds=" + std::to_string(limit));
}

// --- what the API server says ---------------------------------------------------------------------------------------

void ServiceWatch::on_head(uint16_t status, milliseconds retry_after) {
  status_ = status;
  retry_after_ = retry_after;
  if (doing_ != Doing::Watching || status != 200) return;
  opened_ = loop_.now();
  loop_.arm(limit_, options_.silence);
  confirm();
}

void ServiceWatch::on_body(std::string_view bytes) {
  if (status_ != 200) return void(body_.append(bytes.substr(0, kMostOfRefusal - std::min(kMostOfRefusal, body_.size()))));
  if (doing_ == Doing::Listing) {
    if (body_.size() + bytes.size() > options_.max_size) return too_long("a page of the list");
    return void(body_.append(bytes));
  }
  const auto fed = lines_.feed(bytes, [this](std::string_view line) { return take_line(line); });
  if (fed == Lines::Fed::TooLong) too_long("a line of the watch");
}

void ServiceWatch::too_long(const std::string& what) {
  events_.on_not_believed("oversized");
  fail("oversized", what + " is longer than " + std::to_string(options_.max_size) + " bytes (registry.kubernetes.max_size)");
}

void ServiceWatch::on_over(const char* failure, const std::string& why) {
  if (failure) return fail(failure, why);
  if (status_ != 200) return refused();
  if (doing_ == Doing::Listing) return take_page();
  if (lines_.halfway()) return fail("cut", "the watch ended in the middle of a line");
  if (!heard_ && loop_.now() - *opened_ < kShort) return fail("cut", "the watch ended at once");
  opened_.reset();
  failures_ = 0;
  watch();
}

void ServiceWatch::refused() {
  const char* reason = "status";
  if (status_ == 401) reason = "unauthorized";
  else if (status_ == 403) reason = "forbidden";
  else if (status_ == 410) reason = "expired";
  else if (status_ == 429) reason = "throttled";
  const std::string message = read_message(body_);
  fail(reason, "it answers " + std::to_string(status_) + (message.empty() ? "" : ": " + message));
}

void ServiceWatch::take_page() {
  auto page = read_page(body_);
  std::string().swap(body_);
  if (!page) {
    events_.on_not_believed("malformed");
    return fail("malformed", "what it answers is no list of EndpointSlices");
  }
  for (Slice& slice : page->slices) {
    gathered_endpoints_ += slice.endpoints.size();
    gathered_.push_back(std::move(slice));
  }
  const bool more = !page->next.empty() && !name_.service.empty();
  if (more && page->slices.empty()) return fail("malformed", "a page of the list is empty and not the last one");
  next_ = more && gathered_endpoints_ <= options_.max_endpoints ? std::move(page->next) : std::string();
  if (!next_.empty()) return list();

  call_.reset();
  limit_.cancel();
  version_ = std::move(page->version);
  forgotten_ = false;
  if (!std::exchange(listed_, true) && !name_.service.empty())
    events_.on_lookup(std::chrono::duration_cast<milliseconds>(loop_.now() - began_));
  slices_.replace(std::exchange(gathered_, {}));
  patience_.cancel();
  confirm();
  if (name_.service.empty()) {
    doing_ = Doing::Resting;
    return publish();
  }
  resume_ = true;
  watch();
  publish();
}

bool ServiceWatch::take_line(std::string_view line) {
  auto event = read_event(line);
  if (!event) {
    events_.on_not_believed("malformed");
    fail("malformed", "a line of the watch is no event of an EndpointSlice");
    return false;
  }
  using Kind = SliceEvent::Kind;
  events_.on_event(name_of(event->kind));
  if (event->kind == Kind::Error) {
    fail(event->code == 410 ? "expired" : "status",
         "it ends the watch with " + std::to_string(event->code) + ": " + event->message);
    return false;
  }
  heard_ = true;
  failures_ = 0;
  confirmed_ = loop_.now();
  loop_.arm(limit_, options_.silence);
  version_ = std::move(event->version);
  if (event->kind == Kind::Bookmark) return true;
  if (event->kind == Kind::Deleted) slices_.erase(event->slice.name);
  else slices_.put(std::move(event->slice));
  if (slices_.endpoints() > 2 * options_.max_endpoints) {  // what is listed anew is cut
    events_.on_not_believed("oversized");
    fail("oversized",
         "it has far more than " + std::to_string(options_.max_endpoints) + " endpoints (registry.kubernetes.max_endpoints)");
    return false;
  }
  publish_soon();
  return call_ != nullptr;  // who was told may have stopped it
}

// --- when it does not -----------------------------------------------------------------------------------------------

void ServiceWatch::on_late() {
  if (opened_) return fail("silent", "the watch has said nothing for " + std::to_string(options_.silence.count()) + " ms");
  fail("timeout", "no whole answer in " + std::to_string(options_.timeout.count()) + " ms");
}

void ServiceWatch::fail(const char* reason, std::string why) {
  const std::string_view what = reason;
  call_.reset();
  limit_.cancel();
  if (opened_ && loop_.now() - *opened_ >= options_.timeout) failures_ = 0;
  opened_.reset();
  ++failures_;
  events_.on_failure(reason);
  trouble_ = "the API server (" + options_.server + "): " + std::move(why);
  // A watch goes on where it was, unless what it was told makes no sense, or the server does not know that place: any more (410),
  // or yet (504), as after its data were restored.
  const bool lost = what == "expired" || (what == "status" && status_ == 504);
  forgotten_ |= lost;
  const bool nonsense = what == "malformed" || what == "oversized" || (what == "status" && status_ >= 400 && status_ < 500);
  resume_ = resume_ && doing_ == Doing::Watching && !lost && !nonsense;
  next_.clear();
  std::string().swap(body_);
  lines_.clear();
  gathered_.clear();
  doing_ = Doing::Resting;

  token_refused_ = what == "unauthorized" || what == "token";
  const auto most =
      std::min<int64_t>(options_.backoff_max.count(), options_.backoff_base.count() << std::min(failures_ - 1, 20u));
  const auto pause = milliseconds(int64_t(loop_.random().unit() * double(most)));
  due_ = loop_.now() + std::max(pause, std::min(retry_after_, options_.backoff_max));
  if (token_refused_ && failures_ == 1 && api_.has_other_token()) due_ = loop_.now();
  rest();
  if (!listed_ && failures_ == 1) log::warn("nothing is known yet", {{"service", key_}, {"why", trouble_}});
  // One failure is what ends a watch; two are somebody who does not answer.
  if (listed_ && failures_ >= 2) go_stale();
  else if (!listed_ && known_ != Known::NotYet) publish();  // the reason may be another
}

void ServiceWatch::rest() {
  const auto left = std::max(milliseconds(1), std::chrono::ceil<milliseconds>(due_ - loop_.now()));
  loop_.arm(again_, token_refused_ ? std::min(left, options_.token_look) : left);
}

void ServiceWatch::on_again() {
  if (loop_.now() < due_ && !(token_refused_ && api_.has_other_token())) return rest();
  resume_ ? watch() : list();
}

void ServiceWatch::go_stale() {
  if (!std::exchange(stale_, true)) {
    log::warn("endpoints are not confirmed any more, those that are known go on being used",
              {{"service", key_}, {"why", trouble_}});
    const auto left = confirmed_ + options_.stale_serve - loop_.now();
    loop_.arm(too_old_, std::max(milliseconds(1), std::chrono::ceil<milliseconds>(left)));
  }
  publish();
}

void ServiceWatch::confirm() {
  confirmed_ = loop_.now();
  too_old_.cancel();
  if (!std::exchange(stale_, false)) return;
  dropped_ = false;
  log::info("endpoints are confirmed again", {{"service", key_}});
  if (doing_ == Doing::Watching) publish();
}

void ServiceWatch::on_too_old() {
  dropped_ = true;
  log::warn("endpoints were not confirmed for too long, they are not used any more (registry.stale.serve)", {{"service", key_}});
  publish();
}

void ServiceWatch::on_patience() { publish(); }

// --- what is known ---------------------------------------------------------------------------------------------------

void ServiceWatch::publish_soon() {
  if (publish_.armed()) return;
  const TimePoint may = published_at_ + options_.hold_down;
  if (loop_.now() >= may) return publish();
  loop_.arm(publish_, std::chrono::ceil<milliseconds>(may - loop_.now()));
}

void ServiceWatch::publish() {
  publish_.cancel();
  published_at_ = loop_.now();
  endpoints_ = {};
  if (listed_ && !dropped_)
    endpoints_ = slices_.endpoints({.space = name_.space,
                                    .port = name_.port,
                                    .zone = options_.zone,
                                    .v6_first = options_.v6_first,
                                    .tls = options_.tls,
                                    .tls_expected = options_.tls_expected,
                                    .identified = options_.identified,
                                    .most = options_.max_endpoints});
  known_ = !listed_          ? Known::Stale
           : dropped_        ? Known::Absent
           : stale_          ? Known::Stale
           : slices_.empty() ? Known::Absent
                             : Known::Yes;
  if (!listed_ && trouble_.empty()) endpoints_.trouble = "the API server (" + options_.server + ") has not answered yet";
  else if (!listed_ || stale_) endpoints_.trouble = trouble_;
  else if (slices_.empty())
    endpoints_.trouble =
        "there is no Service " + name_.service + " in the namespace " + name_.space + ", or it has no EndpointSlices";
  owner_.on_known(*this);
}

}  // namespace outrider::discovery
