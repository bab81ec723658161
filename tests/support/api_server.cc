#include "tests/support/api_server.h"

#include <algorithm>

namespace outrider::test {

namespace {

const std::string kGone = "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\",\"message\":\"too old resource version\"}";

std::string value_of(const std::string& query, const std::string& key) {  // of a query; empty: it is not there
  size_t from = query.find("&" + key + "=");
  if (from == query.npos) return {};
  from += key.size() + 2;
  return query.substr(from, query.find('&', from) - from);
}

std::string chunk(const std::string& bytes) {
  char size[16];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return size + bytes + "\r\n";
}

}  // namespace

std::string endpoint(const std::string& address, const std::string& conditions, const std::string& more) {
  return "{\"addresses\": [\"" + address + "\"], \"conditions\": {" + conditions + "}" + (more.empty() ? "" : ", " + more) + "}";
}

std::string TestSlice::json(const std::string& space, uint64_t version, bool typed) const {
  std::string text = "{" + std::string(typed ? "\"kind\": \"EndpointSlice\", \"apiVersion\": \"discovery.k8s.io/v1\", " : "");
  text += "\"metadata\": {\"name\": \"" + name + "\", \"namespace\": \"" + space + "\", \"resourceVersion\": \"" +
          std::to_string(version) + "\", \"labels\": {\"kubernetes.io/service-name\": \"" + service + "\"" +
          (label.empty() ? "" : ", " + label) + "}}, \"addressType\": \"" + family + "\", \"endpoints\": [";
  for (const auto& each : endpoints) text += (&each == &endpoints.front() ? "" : ", ") + each;
  return text + "], \"ports\": [{\"name\": \"" + port_name + "\", \"protocol\": \"TCP\", \"port\": " + std::to_string(port) +
         "}]}";
}

ApiServer::ApiServer(const Certificates* certificates, std::string space) : space_(std::move(space)) {
  Origin::Serve serve = [this](Stream& connection) { this->serve(connection); };
  if (certificates) {
    tls_ = std::make_unique<TlsServer>(*certificates);
    serve = tls_->behind(std::move(serve));
  }
  origin_ = std::make_unique<Origin>([this, serve = std::move(serve)](Stream& connection) {
    {
      const std::lock_guard lock(mutex_);
      if (away_) return connection.abort();
    }
    serve(connection);
  });
}

ApiServer::~ApiServer() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  origin_.reset();
}

void ApiServer::tell(const std::string& type, const std::string& service, const std::string& object) {
  const std::string line = "{\"type\": \"" + type + "\", \"object\": " + object + "}\n";
  past_.push_back({version_, service, line});
  for (auto& [of, watch] : open_)
    if (of == service) watch->lines.push_back(line);
  changed_.notify_all();
}

void ApiServer::put(const TestSlice& slice) {
  const std::lock_guard lock(mutex_);
  const bool fresh = slices_.count(slice.name) == 0;
  slices_[slice.name] = slice;
  versions_[slice.name] = ++version_;
  tell(fresh ? "ADDED" : "MODIFIED", slice.service, slice.json(space_, version_, true));
}

void ApiServer::erase(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const TestSlice slice = slices_.at(name);
  slices_.erase(name);
  ++version_;
  tell("DELETED", slice.service, slice.json(space_, version_, true));
}

void ApiServer::bookmark() {
  const std::lock_guard lock(mutex_);
  ++version_;
  for (auto& [of, watch] : open_)
    watch->lines.push_back(
        "{\"type\": \"BOOKMARK\", \"object\": {\"kind\": \"EndpointSlice\", \"metadata\": {\"resourceVersion\": \"" +
        std::to_string(version_) + "\"}}}\n");
  changed_.notify_all();
}

void ApiServer::send(const std::string& bytes) {
  const std::lock_guard lock(mutex_);
  for (auto& [of, watch] : open_) watch->lines.push_back(bytes);
  changed_.notify_all();
}

void ApiServer::end_watches() {
  const std::lock_guard lock(mutex_);
  for (auto& [of, watch] : open_) watch->ended = true;
  changed_.notify_all();
}

void ApiServer::cut_watches() {
  const std::lock_guard lock(mutex_);
  for (auto& [of, watch] : open_) watch->cut = true;
  changed_.notify_all();
}

void ApiServer::compact(bool as_event) {
  const std::lock_guard lock(mutex_);
  forgotten_ = version_;
  past_.clear();
  gone_as_event_ = as_event;
}

void ApiServer::expect_token(const std::string& token) {
  const std::lock_guard lock(mutex_);
  token_ = token;
}

void ApiServer::refuse(int status, const std::string& fields) {
  const std::lock_guard lock(mutex_);
  refusal_ = status;
  refusal_fields_ = fields;
}

void ApiServer::list_as(const std::string& body) {
  const std::lock_guard lock(mutex_);
  list_ = body;
}

void ApiServer::be_away(bool away) {
  {
    const std::lock_guard lock(mutex_);
    away_ = away;
  }
  if (away) cut_watches();
}

void ApiServer::be_mute(bool mute) {
  {
    const std::lock_guard lock(mutex_);
    mute_ = mute;
  }
  changed_.notify_all();
}

void ApiServer::cut_lists(bool cut) {
  const std::lock_guard lock(mutex_);
  cut_lists_ = cut;
}

std::vector<std::string> ApiServer::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

int ApiServer::lists() const {
  const std::lock_guard lock(mutex_);
  return lists_;
}

int ApiServer::watches() const {
  const std::lock_guard lock(mutex_);
  return watches_;
}

int ApiServer::open_watches() const {
  const std::lock_guard lock(mutex_);
  return int(open_.size());
}

uint64_t ApiServer::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

void ApiServer::serve(Stream& connection) {
  for (;;) {
    while (!connection.await(20)) {  // for a request: who is away answers none, not even on a connection that is kept
      const std::lock_guard lock(mutex_);
      if (away_) return connection.abort();
      if (stopped_) return;
    }
    const auto request = connection.read_message();
    if (!request || !answer(connection, *request)) return;
  }
}

bool ApiServer::answer(Stream& connection, const Message& request) {
  const std::string path = request.start.substr(4, request.start.rfind(' ') - 4);
  const size_t mark = path.find('?');
  const std::string query = "&" + (mark == path.npos ? "" : path.substr(mark + 1));
  const auto say = [&](int status, const std::string& body, const std::string& fields = {}) {
    return connection.send("HTTP/1.1 " + std::to_string(status) + " Reason\r\nContent-Type: application/json\r\n" + fields +
                           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  };
  {
    std::unique_lock lock(mutex_);
    asked_.push_back(path);
    changed_.wait(lock, [this] { return !mute_ || stopped_ || away_; });
    if (stopped_ || away_) return connection.abort(), false;
    const int status = !token_.empty() && request.field("authorization") != "Bearer " + token_ ? 401 : refusal_;
    const std::string fields = refusal_fields_;
    lock.unlock();
    if (status)
      return say(
          status,
          "{\"kind\": \"Status\", \"code\": " + std::to_string(status) + ", \"message\": \"no: " + std::to_string(status) + "\"}",
          fields);
  }
  if (path.substr(0, mark) != "/apis/discovery.k8s.io/v1/namespaces/" + space_ + "/endpointslices") return say(404, "{}");
  return value_of(query, "watch") == "1" ? watch(connection, query) : list(connection, query);
}

// Pages are of what there is when each of them is asked for: good enough for tests that change nothing meanwhile.
bool ApiServer::list(Stream& connection, const std::string& query) {
  std::string body;
  bool cut = false;
  {
    const std::lock_guard lock(mutex_);
    ++lists_;
    cut = cut_lists_;
    const std::string selector = value_of(query, "labelSelector"), limit = value_of(query, "limit");
    const size_t from = size_t(std::atoi(value_of(query, "continue").c_str())),
                 most = size_t(std::max(1, std::atoi(limit.c_str())));
    std::vector<std::string> all;
    for (const auto& [name, slice] : slices_)
      if (selector.empty() || selector == "kubernetes.io%2Fservice-name%3D" + slice.service)
        all.push_back(slice.json(space_, versions_[name], false));
    std::string items;
    size_t at = from;
    for (; at < std::min(all.size(), from + most); ++at) items += (at == from ? "" : ", ") + all[at];
    body = "{\"kind\": \"EndpointSliceList\", \"metadata\": {\"resourceVersion\": \"" + std::to_string(version_) + "\"" +
           (at < all.size() ? ", \"continue\": \"" + std::to_string(at) + "\"" : "") + "}, \"items\": [" + items + "]}\n";
    if (!list_.empty()) body = list_;
  }
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  if (!cut) return connection.send(head + body);
  connection.send(head + body.substr(0, body.size() / 2));
  connection.abort();
  return false;
}

bool ApiServer::watch(Stream& connection, const std::string& query) {
  const auto own = std::make_shared<Watch>();
  std::string service = value_of(query, "labelSelector");
  service = service.substr(service.rfind("%3D") + 3);
  bool gone = false, as_event = false;
  {
    const std::lock_guard lock(mutex_);
    ++watches_;
    const uint64_t from = std::strtoull(value_of(query, "resourceVersion").c_str(), nullptr, 10);
    gone = from < forgotten_;
    as_event = gone_as_event_;
    if (!gone) {
      for (const auto& past : past_)
        if (past.version > from && past.service == service) own->lines.push_back(past.line);
      open_.emplace_back(service, own);
    }
  }
  if (gone && !as_event)
    return connection.send("HTTP/1.1 410 Gone\r\nContent-Length: " + std::to_string(kGone.size()) + "\r\n\r\n" + kGone);
  connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
  if (gone) return connection.send(chunk("{\"type\": \"ERROR\", \"object\": " + kGone + "}\n") + "0\r\n\r\n");

  bool open = true;
  while (open) {
    std::vector<std::string> lines;
    bool ended = false, cut = false;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, milliseconds(20), [&] { return !own->lines.empty() || own->ended || own->cut || stopped_; });
      lines.swap(own->lines);
      ended = own->ended;
      cut = own->cut || stopped_;
    }
    if (cut) open = false, connection.abort();
    for (const auto& line : lines) open = open && connection.send(chunk(line));
    if (open && ended) {
      connection.send("0\r\n\r\n");
      break;
    }
    if (open && connection.await(0)) open = false;  // the other side asks nothing while it watches: it has gone
  }
  const std::lock_guard lock(mutex_);
  std::erase_if(open_, [&](const auto& each) { return each.second == own; });
  return open;
}

}  // namespace outrider::test
