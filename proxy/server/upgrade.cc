#include "server/upgrade.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"

namespace outrider::server {

namespace {
constexpr milliseconds kLook{20};
constexpr milliseconds kWhy{1000};  // from the end of a process until it is known how it has ended
}  // namespace

// Those who have asked wait for the one upgrade there is.
class UpgradePage final : public admin::Page {
 public:
  explicit UpgradePage(Upgrade& upgrade) : upgrade_(upgrade), waiting_(std::make_shared<admin::Visit*>(nullptr)) {}
  ~UpgradePage() { *waiting_ = nullptr; }
  void on_visit(admin::Visit& visit) override {
    if (*waiting_) return visit.reply({.status = 409, .body = "An upgrade is under way.\n"});
    *waiting_ = &visit;
    upgrade_.begin(visit.ask().value("binary"), [waiting = waiting_](const std::string& why_not, pid_t successor) {
      admin::Visit* const visit = std::exchange(*waiting, nullptr);
      if (!visit) return;
      if (!why_not.empty()) return visit->reply({.status = 409, .body = why_not + "\n"});
      visit->reply(
          {.body = "process " + std::to_string(successor) + " serves, process " + std::to_string(::getpid()) + " drains\n"});
    });
  }
  void on_gone(admin::Visit& visit) override {
    if (*waiting_ == &visit) *waiting_ = nullptr;
  }

 private:
  Upgrade& upgrade_;
  const std::shared_ptr<admin::Visit*> waiting_;
};

Upgrade::Upgrade(net::Loop& control, UpgradeEvents& events, int keeper, milliseconds limit)
    : control_(control), events_(events), keeper_(control, static_cast<KeeperEvents&>(*this), keeper), limit_(limit) {}

Upgrade::~Upgrade() { timer_.cancel(); }

std::unique_ptr<admin::Page> Upgrade::page() { return std::make_unique<UpgradePage>(*this); }

void Upgrade::begin(const std::string& binary, Told told) {
  std::string why = state_ == State::Idle ? events_.why_not() : "an upgrade is under way";
  if (why.empty() && !keeper_.there()) why = "the keeper, which could start a process, is gone";
  const auto [ours, theirs] = why.empty() ? net::messenger_pair() : std::pair(-1, -1);
  if (why.empty() && ours < 0) why = std::strerror(errno);
  if (!why.empty()) {
    log::warn("no upgrade", {{"reason", why}});
    return told(why, 0);
  }
  log::info("upgrade: another process is started", {{"binary", binary.empty() ? "the one in place" : binary}});
  state_ = State::Waiting;
  told_ = std::move(told);
  successor_ = 0;
  registry_silent_ = false;
  why_.clear();
  how_.clear();
  net::MessengerEvents& self = *this;
  channel_ = std::make_unique<net::Messenger>(control_, self, ours);
  control_.arm(timer_, limit_);
  for (auto& [message, fd] : events_.bequest().all) {
    channel_->send(write_handed(message), fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (message.kind == Handed::Kind::Tickets) OPENSSL_cleanse(message.text.data(), message.text.size());
  }
  channel_->send(write_handed({Handed::Kind::Everything, {}, {}}));
  keeper_.start(binary, theirs);
}

void Upgrade::on_message(std::string_view bytes, int fd) {
  if (fd >= 0) ::close(fd);
  const auto message = read_handed(bytes);
  if (!message || state_ != State::Waiting) return;
  switch (message->kind) {
    case Handed::Kind::RegistryAsked: {
      const int socket = events_.silence_registry(message->name);
      registry_silent_ = true;
      return channel_->send(write_handed({Handed::Kind::Registry, {}, {}}), socket);
    }
    case Handed::Kind::Failed: why_ = message->text; return;
    case Handed::Kind::Ready:
      timer_.cancel();
      state_ = State::Passed;
      keeper_.say_current(successor_);
      channel_->send(write_handed({Handed::Kind::Go, {}, {}}));
      log::info("upgrade: the new process is ready, and this one drains", {{"process", int64_t(successor_)}});
      events_.on_successor();
      return tell({});
    default: return;
  }
}

// How it has ended the keeper says, and why it said itself before: whichever comes last tells.
void Upgrade::on_hung_up() {
  channel_.reset();
  if (state_ == State::Passed) return log::error("upgrade: the new process has ended", {{"process", int64_t(successor_)}});
  if (!how_.empty()) return fail("the new process " + how_);
  how_ = "has hung up";
  control_.arm(timer_, kWhy);
}

void Upgrade::on_not_started(const std::string& why) {
  if (state_ == State::Waiting) fail("cannot start another process: " + why);
}

void Upgrade::on_ended(pid_t process, const std::string& how) {
  if (state_ != State::Waiting || process != successor_) return;
  how_ = how;
  if (!channel_) return fail("the new process " + how_);
  control_.arm(timer_, kWhy);
}

void Upgrade::on_limit() {
  if (!how_.empty()) return fail("the new process " + how_);
  fail("the new process was not ready within " + std::to_string(limit_.count()) + " ms (lifecycle.upgrade.timeout)");
}

void Upgrade::fail(std::string why) {
  if (!why_.empty()) why += ": " + why_;
  timer_.cancel();
  channel_.reset();
  state_ = State::Idle;
  if (successor_ > 0) keeper_.kill(successor_);
  log::error("the upgrade has failed, and all is as it was", {{"reason", why}});
  events_.on_failed_upgrade(std::exchange(registry_silent_, false));
  tell(why);
}

void Upgrade::tell(const std::string& why_not) {
  if (const auto told = std::exchange(told_, nullptr)) told(why_not, successor_);
}

void Upgrade::pass(const Handed& connection, int fd) {
  if (channel_) channel_->send(write_handed(connection), fd);
  else ::close(fd);
}

void Upgrade::give_up(const std::string& why) {
  if (state_ == State::Waiting) fail(why);
}

Succession::Succession(net::Loop& control, SuccessionEvents& events, int channel) : control_(control), events_(events) {
  net::MessengerEvents& self = *this;
  channel_ = std::make_unique<net::Messenger>(control, self, channel);
  control_.arm(look_, milliseconds(0));
}

void Succession::on_look() {
  if (!events_.ready()) return control_.arm(look_, kLook);
  channel_->send(write_handed({Handed::Kind::Ready, {}, {}}));
}

void Succession::on_message(std::string_view bytes, int fd) {
  const auto message = read_handed(bytes);
  if (message && message->kind == Handed::Kind::Go && !std::exchange(came_, true)) events_.on_turn_come();
  if (message && message->kind == Handed::Kind::Connection && fd >= 0) {
    ++connections_;
    return events_.on_inherited(*message, fd);
  }
  if (fd >= 0) ::close(fd);
}

void Succession::on_hung_up() {
  look_.cancel();
  channel_.reset();
  came_ ? events_.on_all_inherited(connections_) : events_.on_left_alone();
}

}  // namespace outrider::server
