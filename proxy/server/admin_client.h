#pragma once
// One question to the admin port of a running proxy, for the read verbs. Blocking; the command line's thread.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace outrider::server {

struct AdminAnswer {
  int status = 0;
  std::string body;
};

// `admin`: "127.0.0.1:15000" or "unix:/path". Null with `error` set when nobody answers within `limit_seconds`.
constexpr int kAdminSeconds = 5;
std::optional<AdminAnswer> ask_admin(const std::string& admin, const std::string& path, std::string& error,
                                     int limit_seconds = kAdminSeconds);

// The same for what changes something: POST, with a body that may be empty.
constexpr int kChangeSeconds = 30;
std::optional<AdminAnswer> tell_admin(const std::string& admin, const std::string& path, const std::string& body,
                                      std::string& error, int limit_seconds = kChangeSeconds);

// The same for a page that goes on: each line as it comes, without its end, until `on_line` says false or there are no more;
// `body` stays empty then. Any other answer than 200 is as above. Null: no answer began within 15 s.
std::optional<AdminAnswer> follow_admin(const std::string& admin, const std::string& path,
                                        const std::function<bool(std::string_view line)>& on_line, std::string& error);

std::string escaped(std::string_view text);  // for a query parameter

// --admin, else OUTRIDER_ADMIN__ADDRESS, else the standard address.
std::string admin_address(const std::string& given);

}  // namespace outrider::server
