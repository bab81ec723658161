#pragma once
// What an injected object keeps of its text (annotation outrider.dev/restore), so that the injection can be taken out byte for
// byte.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inject/edits.h"

namespace outrider::inject {

inline constexpr std::string_view kToCome = "outrider-restore-to-come";  // in place of the annotation, until its edits are known

// "v1 HASH LENGTH BEGIN+INSERTED[-BASE64]...": a hash of the object's bytes before and after (without the annotation's value),
// how many they were before, and of each edit where it begins in them, how many bytes it put there, and what it took away. "*"
// behind INSERTED: that text has the annotation, whose own bytes (as they are written) come on top. `edits` are those of one
// object, which `text` had from `begin` to `end`; one of them has kToCome in it.
std::string note_of(std::string_view text, size_t begin, size_t end, const std::vector<Edit>& edits);
// Puts the annotation's value, as it is written, in place of kToCome, if that is in the text.
void fill_in(std::string& text, const std::string& value);
struct Span {
  size_t begin = 0, end = 0;
};
// The edits that take it out of `text` again, in which the object begins at `begin`. `own`: where the annotation's value is.
// Nothing: the text is no longer what it was.
std::optional<std::vector<Edit>> undo(std::string_view text, size_t begin, std::string_view note, Span own);

}  // namespace outrider::inject
