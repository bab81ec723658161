#pragma once
// The page for browsers: the files of admin/page/, which the build puts into the program as they are.

#include <span>
#include <string_view>

#include "admin/admin_server.h"

namespace outrider::admin {

struct PageFile {
  std::string_view name, bytes, digest;  // "page.css"; SHA-256 in hex
};
std::span<const PageFile> page_files();  // generated (proxy/cmake/embed.cmake); never changes

// "/" is index.html for who would rather have HTML than text, and `text` for everybody else; the other files are /page/NAME.
void add_browser_page(AdminServer& server, AdminServer::Make text);

bool prefers_html(std::string_view accept);  // RFC 9110 12.5.1; who takes anything as well does not

}  // namespace outrider::admin
