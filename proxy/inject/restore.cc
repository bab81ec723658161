#include "inject/restore.h"

#include "base/base64.h"
#include "base/hash.h"
#include "base/text.h"

namespace outrider::inject {

namespace {

constexpr std::string_view kVersion = "v1";

std::string hash_of(std::string_view before, std::string_view after) {
  char out[17];
  std::snprintf(out, sizeof out, "%016llx", static_cast<unsigned long long>(hash(before, hash(after))));
  return out;
}

// One edit, the other way round, by places within the object. False: it is none.
bool undo_one(std::string_view word, size_t own, long& shift, std::vector<Edit>& edits) {
  const std::string_view at = next_part(word, '+'), size = next_part(word, '-');
  const bool annotation = size.ends_with('*');
  const auto from = parse_number(at), inserted = parse_number(annotation ? size.substr(0, size.size() - 1) : size);
  const auto was = decode_base64(word, Base64::Url);
  if (!from || !inserted || !was || *from > 1 << 30 || *inserted > 1 << 30) return false;
  const size_t length = size_t(*inserted) + (annotation ? own : 0);
  const long start = long(*from) + shift;
  if (start < 0 || (!edits.empty() && size_t(start) < edits.back().end)) return false;
  edits.push_back({size_t(start), size_t(start) + length, *was});
  shift += long(length) - long(was->size());
  return true;
}

// kToCome with the quotes it may have.
Span to_come(std::string_view text) {
  const size_t at = text.find(kToCome);
  if (at == text.npos) return {};
  const bool quoted = at > 0 && text[at - 1] == '"';
  return {at - quoted, at + kToCome.size() + quoted};
}

}  // namespace

void fill_in(std::string& text, const std::string& value) {
  const Span span = to_come(text);
  if (span.end) text.replace(span.begin, span.end - span.begin, value);
}

std::string note_of(std::string_view text, size_t begin, size_t end, const std::vector<Edit>& edits) {
  std::vector<Edit> bare = edits;
  for (Edit& edit : bare) {
    fill_in(edit.text, "");
    edit.begin -= begin;
    edit.end -= begin;
  }
  const std::string_view before = text.substr(begin, end - begin);
  std::string out = std::string(kVersion) + " " + hash_of(before, edited(before, bare)) + " " + std::to_string(before.size());
  for (const Edit& edit : edits) {
    const Span annotation = to_come(edit.text);
    const size_t inserted = edit.text.size() - (annotation.end - annotation.begin);
    out += " " + std::to_string(edit.begin - begin) + "+" + std::to_string(inserted) + (annotation.end ? "*" : "");
    if (edit.end > edit.begin) out += "-" + encode_base64(text.substr(edit.begin, edit.end - edit.begin), Base64::Url);
  }
  return out;
}

std::optional<std::vector<Edit>> undo(std::string_view text, size_t begin, std::string_view note, Span own) {
  if (next_part(note, ' ') != kVersion) return {};
  const std::string_view digest = next_part(note, ' ');
  const auto length = parse_number(next_part(note, ' '));
  if (!length || *length > text.size()) return {};
  std::vector<Edit> edits;
  long shift = 0;
  while (!note.empty())
    if (!undo_one(next_part(note, ' '), own.end - own.begin, shift, edits)) return {};
  const long size = long(*length) + shift;
  if (edits.empty() || size < long(edits.back().end) || begin + size_t(size) > text.size()) return {};
  const std::string_view now = text.substr(begin, size_t(size));
  if (own.begin < begin || own.end > begin + now.size()) return {};
  const std::string without = std::string(now.substr(0, own.begin - begin)) + std::string(now.substr(own.end - begin));
  if (hash_of(edited(now, edits), without) != digest) return {};
  for (Edit& edit : edits) {
    edit.begin += begin;
    edit.end += begin;
  }
  return edits;
}

}  // namespace outrider::inject
