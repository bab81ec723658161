#include "admin/browser_page.h"

#include "base/text.h"

namespace outrider::admin {

namespace {

constexpr std::string_view kIndex = "index.html";

// Nothing but what this server has itself, no code but its files, and no text that becomes markup. It only reads: what changes
// something (POST) is refused to any web page, this one as well.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

std::string type_of(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  return "image/svg+xml";
}

// A browser asks each time whether it still has the right one: a newer program is never shown with an older one's files.
Reply reply_of(const PageFile& file, const Ask& ask) {
  Reply reply{.type = type_of(file.name), .cache = "no-cache"};
  const std::string tag = "\"" + std::string(file.digest.substr(0, 32)) + "\"";
  reply.fields = {{"etag", tag},
                  {"content-security-policy", std::string(kPolicy)},
                  {"referrer-policy", "no-referrer"},
                  {"cross-origin-opener-policy", "same-origin"}};
  if (file.name == kIndex) reply.fields.emplace_back("vary", "accept");
  if (list_contains(ask.if_none_match, tag) || list_contains(ask.if_none_match, "W/" + tag)) reply.status = 304;
  else reply.body = std::string(file.bytes);
  return reply;
}

// How much one of a list of Accept is worth, by its q.
double worth(std::string_view parameters) {
  while (!parameters.empty()) {
    std::string_view value = trim(next_part(parameters, ';'));
    const std::string name = to_lower(trim(next_part(value, '=')));
    if (name == "q") return parse_decimal(trim(value)).value_or(0);
  }
  return 1;
}

// By the most exact of the list that fits; one that nothing fits is worth nothing.
double worth_of(std::string_view accept, std::string_view type) {
  const std::string any = std::string(type.substr(0, type.find('/'))) + "/*";
  double found = 0;
  int exactness = 0;
  for (std::string_view each : split(accept, ',')) {
    const std::string range = to_lower(trim(next_part(each, ';')));
    const int exact = range == type ? 3 : range == any ? 2 : range == "*/*" ? 1 : 0;
    if (exact <= exactness) continue;
    exactness = exact;
    found = worth(each);
  }
  return found;
}

}  // namespace

bool prefers_html(std::string_view accept) { return worth_of(accept, "text/html") > worth_of(accept, "text/plain"); }

void add_browser_page(AdminServer& server, AdminServer::Make text) {
  for (const PageFile& file : page_files()) {
    if (file.name != kIndex)
      server.page("/page/" + std::string(file.name), [&file](const Ask& ask) { return reply_of(file, ask); });
    else
      server.page("/", [&file, text](const Ask& ask) {
        if (prefers_html(ask.accept)) return reply_of(file, ask);
        Reply reply = text(ask);
        reply.fields.emplace_back("vary", "accept");
        return reply;
      });
  }
}

}  // namespace outrider::admin
