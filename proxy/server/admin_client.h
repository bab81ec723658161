#pragma once
// One question to the admin port of a running proxy, for the read verbs. Blocking; the command line's thread.

#include <optional>
#include <string>
#include <string_view>

namespace outrider::server {

struct AdminAnswer {
  int status = 0;
  std::string body;
};

// `admin`: "127.0.0.1:15000" or "unix:/path". Null with `error` set when nobody answers within 5 s.
std::optional<AdminAnswer> ask_admin(const std::string& admin, const std::string& path, std::string& error);

std::string escaped(std::string_view text);  // for a query parameter

// --admin, else OUTRIDER_ADMIN__ADDRESS, else the standard address.
std::string admin_address(const std::string& given);

}  // namespace outrider::server
