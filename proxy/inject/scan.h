#pragma once
// Where things end in YAML: the parser's events say only where they begin.

#include <optional>
#include <string_view>

namespace outrider::inject {

constexpr size_t kNowhere = std::string_view::npos;

size_t line_start(std::string_view text, size_t at);
size_t next_line(std::string_view text, size_t at);  // behind the newline; the end of the text where there is none
bool line_ends(std::string_view text, size_t at);    // whether a newline comes at all
size_t column_of(std::string_view text, size_t at);  // in bytes, from 0

size_t skip_blank(std::string_view text, size_t at);       // spaces, tabs, newlines and comments
size_t skip_spaces(std::string_view text, size_t at);      // of this line
size_t skip_properties(std::string_view text, size_t at);  // &anchor and !tag

size_t text_end(std::string_view text, size_t at);  // behind the quote that closes the one at `at`
// Behind a scalar that begins at `at` (behind its properties). `value` is what the parser made of it. `parent`: the column its
// parent is indented by, -1 at the top. Nowhere: it is not there.
size_t scalar_end(std::string_view text, size_t at, std::string_view value, long parent);
size_t behind_colon(std::string_view text, size_t key_end);  // nowhere: there is none ({a, b})
// Behind the bracket that closes a flow collection, whose last value ends at `at`.
size_t bracket_end(std::string_view text, size_t at, char bracket);

}  // namespace outrider::inject
