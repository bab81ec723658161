#pragma once
// Pages on ports of our own, served by the control loop with the same HttpConnection as everything else: /metrics on
// the metrics address, /live and /ready on the health address, the rest on the admin address.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "net/listener.h"
#include "wire/http_connection.h"

namespace outrider::admin {

struct Reply {
  uint16_t status = 200;
  std::string type = "text/plain; charset=utf-8", body;
  std::string allow;                                             // with 405
  std::string coding;                                            // of the body: gzip; empty: as it is
  std::string cache = "no-store";                                // its Cache-Control
  std::vector<std::pair<std::string_view, std::string>> fields;  // further ones
};

struct Ask {                                // one request to a page, as far as pages care; valid until it is answered
  http::Method method = http::Method::Get;  // Get or Post; HEAD is asked as Get and its body left out
  std::string path, query, body;
  std::string accept, accept_encoding;
  bool local = false;                              // from this machine: a loopback address or a unix socket
  std::string if_none_match;                       // that field
  std::string value(std::string_view name) const;  // of a query parameter, percent-decoded; "" without or without value
  bool has(std::string_view name) const;
  std::vector<std::pair<std::string, std::string>> parameters() const;  // all, in order and decoded
};

class Visit {  // somebody who waits for an answer
 public:
  virtual const Ask& ask() const = 0;
  virtual void reply(Reply whole) = 0;  // once; the visit is over
  // Instead, what has no end yet: its head, pieces as they come, and the end, with which the visit is over. A visitor who ends
  // his own side, or takes nothing for 120 s, has left.
  virtual bool begin(Reply head) = 0;             // false: the head was all he wanted, and the visit is over
  virtual bool send(std::string_view piece) = 0;  // false: not all of it could go; the page hears on_room() when it has gone
  virtual void end() = 0;

 protected:
  ~Visit() = default;
};

// Owned by a server. On its loop.
class Page {
 public:
  virtual ~Page() = default;
  virtual void on_visit(Visit& visit) = 0;  // replies now or later
  virtual void on_gone(Visit&) {}           // it left before the reply or its end: forget it
  virtual void on_room(Visit&) {}           // everything sent so far has gone
};

// Who may visit: Local refuses with 403 what does not come from this machine, and what a browser sent for a web page.
enum class From : uint8_t { Anywhere, Local };

// One server may listen on several addresses, all with the same pages. Owned by the supervisor, on the control loop;
// destroying it closes everything at once. Bounded: 128 connections, 64 KiB of body unless told otherwise, 10 s for a request to
// arrive, 30 s for a reply to leave, 120 s between requests.
class AdminServer : net::ListenerEvents {
 public:
  using Make = std::function<Reply(const Ask&)>;
  explicit AdminServer(net::Loop& loop);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;
  Result<Done> listen(const net::Address& at);  // Config/os_error as open_listener says it
  void only_owner() { only_owner_ = true; }     // on a unix socket: the user this process runs as, and root
  void take_bodies(size_t most) { most_body_ = most; }
  size_t most_body() const { return most_body_; }
  // A web page whose name was made to stand for this machine's address reads nothing here (DNS rebinding): on a port, whoever
  // asks must have called it localhost or by an address.
  void only_local_names() { only_local_names_ = true; }
  void listen(int fd);  // a listening descriptor that was opened elsewhere; owned from now on
  void hold();          // nobody is let in for now
  void let_in();
  void leave(const std::function<void(int fd)>& heir);  // to another process: the sockets, and connections that wait
  bool left() const { return left_; }
  void take_over(int fd);  // such a connection
  const net::Address& local(size_t which = 0) const { return listeners_[which]->local(); }
  void page(std::string path, http::Method method, std::unique_ptr<Page> page, From from = From::Anywhere);
  void page(std::string path, Make make);    // the short form: GET from anywhere
  void action(std::string path, Make make);  // POST, only from this machine
  // Of what is asked by GET only these are answered, whatever is added later; the others are 403, because of `reason`.
  void only(std::set<std::string, std::less<>> paths, std::string reason);
  net::Loop& loop() { return loop_; }
  std::vector<std::string> paths() const;
  size_t connections() const { return sessions_.size(); }

 private:
  friend class Session;
  struct Entry {
    std::unique_ptr<Page> page;
    From from = From::Anywhere;
  };
  using Methods = std::map<http::Method, Entry>;
  void on_accept(int fd, const net::Address& peer) override;
  void visit(class Session& session);  // finds the page, or answers 403, 404, 405
  Reply not_found() const;
  bool closed(std::string_view path, http::Method method) const;
  void ended(class Session& session);
  net::Loop& loop_;
  bool only_owner_ = false, only_local_names_ = false, told_of_stranger_ = false, left_ = false;
  size_t most_body_ = 64 * 1024;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::map<std::string, Methods, std::less<>> pages_;
  std::set<std::string, std::less<>> only_;
  std::string closed_because_;  // empty: all pages are open
  std::unordered_map<const void*, std::unique_ptr<class Session>> sessions_;
};

}  // namespace outrider::admin
