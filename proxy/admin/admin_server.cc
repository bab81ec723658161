#include "admin/admin_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "admin/session.h"
#include "base/log.h"
#include "base/text.h"

namespace outrider::admin {

namespace {

constexpr size_t kMostConnections = 128;

class MadePage final : public Page {
 public:
  explicit MadePage(AdminServer::Make make) : make_(std::move(make)) {}
  void on_visit(Visit& visit) override { visit.reply(make_(visit.ask())); }

 private:
  AdminServer::Make make_;
};

const char* text_of(http::Method method) { return method == http::Method::Post ? "POST" : "GET"; }

std::string decoded(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      if (auto byte = from_hex(text.substr(i + 1, 2))) {
        result += *byte;
        i += 2;
        continue;
      }
    }
    result.push_back(text[i] == '+' ? ' ' : text[i]);
  }
  return result;
}

// The parameter's text after its name: "=value", or "" when it stands alone; null when it is not there.
std::optional<std::string_view> parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    std::string_view one = next_part(query, '&');
    if (one.starts_with(name) && (one.size() == name.size() || one[name.size()] == '=')) return one.substr(name.size());
  }
  return std::nullopt;
}

// What a web page cannot have for its own name. No host at all is what HTTP/1.0 has, and no browser.
bool is_local_name(std::string_view authority) {
  if (authority.empty() || authority.starts_with('[')) return true;
  const std::string name = to_lower(next_part(authority, ':'));
  return name == "localhost" || name.ends_with(".localhost") || net::Address::parse(name + ":1");
}

// Whose process is at the other end of a unix socket; nothing when the kernel does not say.
std::optional<uid_t> user_of(int fd) {
  ucred who{};
  socklen_t length = sizeof who;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) != 0) return std::nullopt;
  return who.uid;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> Ask::parameters() const {
  std::vector<std::pair<std::string, std::string>> all;
  for (std::string_view rest = query; !rest.empty();) {
    std::string_view value = next_part(rest, '&');
    const std::string_view name = next_part(value, '=');
    if (!name.empty()) all.emplace_back(decoded(name), decoded(value));
  }
  return all;
}

std::string Ask::value(std::string_view name) const {
  auto found = parameter(query, name);
  return found && !found->empty() ? decoded(found->substr(1)) : std::string();
}

bool Ask::has(std::string_view name) const { return parameter(query, name).has_value(); }

AdminServer::AdminServer(net::Loop& loop) : loop_(loop) {}

// Sessions go first: they tell their pages so.
AdminServer::~AdminServer() { sessions_.clear(); }

Result<Done> AdminServer::listen(const net::Address& at) {
  auto fd = net::open_listener(at);
  if (!fd) return fd.error();
  listen(*fd);
  return Done{};
}

void AdminServer::listen(int fd) {
  net::ListenerEvents& self = *this;
  listeners_.push_back(std::make_unique<net::Listener>(loop_, self, fd));
}

void AdminServer::hold() {
  for (auto& listener : listeners_) listener->pause();
}

void AdminServer::let_in() {
  for (auto& listener : listeners_) listener->resume();
}

void AdminServer::leave(const std::function<void(int fd)>& heir) {
  left_ = true;
  for (auto& listener : listeners_) listener->leave();
  std::vector<Session*> all;
  for (auto& [key, session] : sessions_) all.push_back(session.get());
  for (Session* session : all)
    if (const int fd = session->release(); fd >= 0) heir(fd);
}

void AdminServer::take_over(int fd) {
  sockaddr_storage from{};
  socklen_t length = sizeof from;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&from), &length) != 0) return void(::close(fd));
  on_accept(fd, net::Address(reinterpret_cast<sockaddr*>(&from), length));
}

void AdminServer::page(std::string path, http::Method method, std::unique_ptr<Page> page, From from) {
  pages_[std::move(path)][method] = Entry{std::move(page), from};
}

void AdminServer::page(std::string path, Make make) {
  page(std::move(path), http::Method::Get, std::make_unique<MadePage>(std::move(make)));
}

void AdminServer::action(std::string path, Make make) {
  page(std::move(path), http::Method::Post, std::make_unique<MadePage>(std::move(make)), From::Local);
}

void AdminServer::only(std::set<std::string, std::less<>> paths, std::string reason) {
  only_ = std::move(paths);
  closed_because_ = std::move(reason);
}

bool AdminServer::closed(std::string_view path, http::Method method) const {
  return !closed_because_.empty() && method != http::Method::Post && !only_.contains(path);
}

// Full: the connection that has been idle longest makes room, so that connections nobody uses cannot keep a probe out.
void AdminServer::on_accept(int fd, const net::Address& peer) {
  if (sessions_.size() >= kMostConnections) {
    Session* longest = nullptr;
    for (auto& [key, session] : sessions_)
      if (session->idle() && (!longest || session->since() < longest->since())) longest = session.get();
    if (!longest) {
      ::close(fd);
      return;
    }
    longest->close();
  }
  // A client on a unix socket is mostly unbound: its address says nothing but the family.
  const bool by_path = peer.family() == AF_UNIX || peer.family() == AF_UNSPEC;
  bool stranger = false;
  if (by_path && only_owner_) {
    const auto user = user_of(fd);
    stranger = !user || (*user != 0 && *user != geteuid());
    if (stranger && !std::exchange(told_of_stranger_, true))
      log::warn("admin: another user was refused", {{"uid", user ? int64_t(*user) : int64_t(-1)}});
  }
  auto session = std::make_unique<Session>(*this, fd, Session::Visitor{by_path || peer.is_loopback(), by_path, stranger});
  const void* key = session.get();
  sessions_.emplace(key, std::move(session));
}

void AdminServer::ended(Session& session) {
  auto found = sessions_.find(&session);
  if (found == sessions_.end()) return;
  Session* gone = found->second.release();  // it may be on the stack
  sessions_.erase(found);
  loop_.retire(*gone);
}

std::vector<std::string> AdminServer::paths() const {
  std::vector<std::string> all;
  for (const auto& [path, unused] : pages_) all.push_back(path);
  return all;
}

Reply AdminServer::not_found() const {
  Reply reply{.status = 404, .body = "There is no such page here. There are:\n"};
  for (const auto& [path, methods] : pages_) {
    for (const auto& [method, entry] : methods) {
      if (closed(path, method)) continue;
      std::string verb = text_of(method);
      verb.resize(5, ' ');
      reply.body += "  " + verb + path + "\n";
    }
  }
  return reply;
}

void AdminServer::visit(Session& session) {
  if (session.visitor().stranger)
    return session.reply({.status = 403, .body = "This socket answers the user that the proxy runs as, and root.\n"});
  if (only_local_names_ && !session.visitor().by_path && !is_local_name(session.host()))
    return session.reply(
        {.status = 421, .body = "These pages answer by localhost or an address, not as " + session.host() + ".\n"});
  const Ask& ask = session.ask();
  const auto found = pages_.find(ask.path);
  if (found == pages_.end()) return session.reply(not_found());
  const auto entry = found->second.find(ask.method);
  if (entry == found->second.end()) {
    Reply reply{.status = 405};
    for (const auto& [method, unused] : found->second) {
      if (!reply.allow.empty()) reply.allow += ", ";
      reply.allow += method == http::Method::Get ? "GET, HEAD" : text_of(method);
    }
    reply.body = ask.path + " answers " + reply.allow + ".\n";
    return session.reply(std::move(reply));
  }
  if (closed(ask.path, ask.method))
    return session.reply({.status = 403, .body = ask.path + " is not shown here: " + closed_because_ + "\n"});
  if (entry->second.from == From::Local && (!ask.local || session.passed_on()))
    return session.reply({.status = 403, .body = ask.path + " answers this machine only, and nothing that is passed on.\n"});
  session.wait_for(*entry->second.page);
  entry->second.page->on_visit(session);
}

}  // namespace outrider::admin
