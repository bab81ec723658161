// Sets, adds and removes header fields of requests and responses.
//   headers: {request: {set: {x-team: shop}, add: {via: outrider}, remove: [x-debug]}, response: {remove: [server]}}

#include "base/text.h"
#include "config/node.h"
#include "filter/options.h"
#include "http/grammar.h"

namespace outrider::filters {

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Removal first, so that a name may be removed and added in one go.
struct Changes {
  Pairs set, add;
  std::vector<std::string> remove;
  bool empty() const { return set.empty() && add.empty() && remove.empty(); }
  void apply(http::HeaderMap& headers) const {
    for (const auto& name : remove) headers.remove(name);
    for (const auto& [name, value] : set) headers.set(name, value);
    for (const auto& [name, value] : add) headers.add(name, value);
  }
};

// Owned by the chains that use it; const, any worker.
class Headers final : public filter::Filter {
 public:
  Headers(Changes request, Changes response) : request_(std::move(request)), response_(std::move(response)) {}
  filter::Hook hooks() const override {
    filter::Hook hooks{};
    if (!request_.empty()) hooks = hooks | filter::Hook::RequestHead;
    if (!response_.empty()) hooks = hooks | filter::Hook::ResponseHead;
    return hooks;
  }
  filter::Verdict on_request(filter::Call& call) const override {
    request_.apply(call.request().headers);
    return filter::Verdict::Continue;
  }
  filter::Verdict on_response(filter::Call& call) const override {
    response_.apply(call.response().headers);
    return filter::Verdict::Continue;
  }

 private:
  const Changes request_, response_;
};

// Reads one side's changes; false with a complaint.
class Reader {
 public:
  explicit Reader(filter::Complaint& complaint) : complaint_(complaint) {}

  bool side(const config::Node& options, const char* name, Changes& changes) {
    const config::Node* side = options.find(name);
    if (!side || side->is_null()) return true;
    if (!side->is_map()) return fail(name, "expected a map with set, add or remove");
    const std::string path = name;
    for (const auto& entry : side->entries()) {
      const std::string at = path + "." + entry.key;
      if (entry.key == "set") {
        if (!pairs(entry.value, at, changes.set)) return false;
      } else if (entry.key == "add") {
        if (!pairs(entry.value, at, changes.add)) return false;
      } else if (entry.key == "remove") {
        for (const config::Node* item : entry.value.as_list()) {
          if (!item->is_scalar() || !name_ok(item->text())) return fail(at, "expected names of headers that can be removed");
          changes.remove.push_back(item->text());
        }
      } else {
        return fail(at, "unknown key; expected set, add or remove");
      }
    }
    return true;
  }

  bool fail(std::string path, std::string message) {
    complaint_ = {std::move(path), std::move(message)};
    return false;
  }

 private:
  static bool name_ok(std::string_view name) { return http::is_token(name) && !filter::is_reserved(name); }

  bool pairs(const config::Node& node, const std::string& path, Pairs& out) {
    if (node.is_null()) return true;
    if (!node.is_map()) return fail(path, "expected a map of header names and values");
    for (const auto& entry : node.entries()) {
      if (!http::is_token(entry.key)) return fail(path, "\"" + entry.key + "\" is no name of a header");
      if (filter::is_reserved(entry.key)) return fail(path, "\"" + entry.key + "\" is the proxy's own business");
      if (!entry.value.is_scalar()) return fail(path + "." + entry.key, "expected a text");
      if (entry.value.text().find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
        return fail(path + "." + entry.key, "a header's value is one line");
      out.emplace_back(entry.key, trim(entry.value.text()));
    }
    return true;
  }

  filter::Complaint& complaint_;
};

}  // namespace

std::unique_ptr<const filter::Filter> make_headers(const config::Node& options, filter::Complaint& complaint) {
  Reader reader(complaint);
  Changes request, response;
  for (const auto& entry : options.entries())
    if (entry.key != "request" && entry.key != "response") {
      reader.fail(entry.key, "unknown key; expected request or response");
      return nullptr;
    }
  if (!reader.side(options, "request", request) || !reader.side(options, "response", response)) return nullptr;
  if (request.empty() && response.empty()) {
    reader.fail("", "nothing to do: give request or response something to set, add or remove");
    return nullptr;
  }
  return std::make_unique<Headers>(std::move(request), std::move(response));
}

}  // namespace outrider::filters
