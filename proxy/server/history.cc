#include "server/history.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "config/node.h"
#include "identity/files.h"

namespace outrider::server {

namespace {

// Of a version's file: a line of what it took in is four bytes longer here, and may be empty.
constexpr size_t kMost = config::kMaxText + 5 * config::kMostIncluded + (1 << 20);
constexpr const char* kFirstLine = "# outrider: a configuration that was served";

// One line of a comment, whatever is in it.
std::string one_line(std::string text) {
  for (char& c : text)
    if (uint8_t(c) < 0x20 || c == 0x7f) c = ' ';
  return text;
}

// Behind the text: "#| " and a line, for each line of what it took in.
constexpr std::string_view kTakenIn = "#| ";

std::string commented(const std::string& text) {
  std::string out;
  for (size_t from = 0;;) {
    const size_t end = std::min(text.find('\n', from), text.size());
    out.append(kTakenIn).append(text, from, end - from) += '\n';
    if (end == text.size()) return out;
    from = end + 1;
  }
}

// The next of them, which is so long; none: there is less.
std::optional<std::string> next_taken_in(std::string_view& rest, size_t length) {
  std::string text;
  for (bool first = true; first || text.size() < length; first = false) {
    if (!rest.starts_with(kTakenIn)) return {};
    if (!first) text += '\n';
    text += next_part(rest, '\n').substr(kTakenIn.size());
  }
  return text.size() == length ? std::optional(text) : std::nullopt;
}

std::optional<uint32_t> number_of(const std::filesystem::path& file) {
  if (file.extension() != ".yaml") return {};
  const auto number = parse_number(file.stem().string());
  return number && *number <= UINT32_MAX ? std::optional(uint32_t(*number)) : std::nullopt;
}

}  // namespace

History::History(std::string folder, uint32_t keep) : folder_(std::move(folder)), keep_(keep) {}

History::~History() {
  if (lock_ >= 0) ::close(lock_);
}

std::string History::folder_of(const std::string& dir, const std::string& node, const std::string& file) {
  std::error_code ignored;
  const auto path = std::filesystem::weakly_canonical(std::filesystem::absolute(file, ignored), ignored);
  char digest[17];
  std::snprintf(digest, sizeof digest, "%016llx", static_cast<unsigned long long>(hash(path.string())));
  std::string name = node.empty() ? "node" : node;
  std::replace(name.begin(), name.end(), '/', '_');
  if (name.starts_with('.')) name[0] = '_';
  return dir + "/" + name + "/" + digest;
}

std::string History::as_file(const Version& v) {
  std::string head = kFirstLine;
  head += '\n';
  const auto line = [&](const char* key, const std::string& value) {
    head += std::string("# ") + key + ": " + one_line(value) + "\n";
  };
  line("version", std::to_string(v.number));
  line("time", std::to_string(to_ms(v.time)));
  line("author", v.author);
  line("source", v.source);
  line("digest", v.digest);
  line("verdict", v.verdict);
  if (!v.included.empty()) line("text", std::to_string(v.text.size()));
  for (const auto& each : v.included) line("took in", std::to_string(each.text.size()) + " " + each.file);
  return head + "\n" + body_of(v);
}

std::string History::body_of(const Version& v) {
  std::string body = v.text;
  for (const auto& each : v.included) body += "\n# took in " + one_line(each.file) + ":\n" + commented(each.text);
  return body;
}

identity::Outcome<Version> History::parse(const std::string& text) {
  std::string_view rest = text;
  if (next_part(rest, '\n') != kFirstLine) return identity::Failure{"it does not begin as a version does"};
  Version v;
  size_t length = std::string_view::npos;
  std::vector<std::string> took_in;  // "BYTES FILE"
  for (;;) {
    std::string_view line = next_part(rest, '\n');
    if (line.empty()) break;
    const size_t colon = line.find(": ");
    if (!line.starts_with("# ") || (colon == line.npos && !line.ends_with(':'))) return identity::Failure{"its head is broken"};
    const std::string_view key = line.substr(2, (colon == line.npos ? line.size() - 1 : colon) - 2);
    const std::string value(colon == line.npos ? "" : line.substr(colon + 2));
    const auto number = parse_number(value);
    if (key == "version" && number && *number <= UINT32_MAX) v.number = uint32_t(*number);
    else if (key == "time" && number && *number <= uint64_t(INT64_MAX) / 1'000'000) v.time = from_ms(int64_t(*number));
    else if (key == "author") v.author = value;
    else if (key == "source") v.source = value;
    else if (key == "digest") v.digest = value;
    else if (key == "verdict") v.verdict = value;
    else if (key == "text" && number) length = *number;
    else if (key == "took in") took_in.push_back(value);
  }
  if (v.number == 0) return identity::Failure{"it has no number"};
  v.text = std::string(rest.substr(0, length));
  rest.remove_prefix(v.text.size());
  for (std::string_view each : took_in) {
    const auto bytes = parse_number(next_part(each, ' '));
    next_part(rest, '\n');
    next_part(rest, '\n');
    auto text = bytes ? next_taken_in(rest, *bytes) : std::nullopt;
    if (!text) return identity::Failure{"what it took in is broken"};
    v.included.push_back({std::string(each), std::move(*text)});
  }
  return v;
}

std::deque<Version> History::read(const std::string& folder) {
  std::deque<Version> all;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const auto number = number_of(entry.path());
    if (!number) continue;
    const auto text = identity::read_file(entry.path().string(), kMost);
    auto version = text ? parse(*text) : text.failure();
    if (version && version->number == *number) all.push_back(std::move(*version));
    else log::warn("a version of the configuration cannot be read", {{"file", entry.path().string()}, {"why", version.why()}});
  }
  std::sort(all.begin(), all.end(), [](const Version& a, const Version& b) { return a.number < b.number; });
  return all;
}

std::string History::open() {
  if (folder_.empty()) return {};
  const auto refuse = [this](std::string why) {
    if (lock_ >= 0) ::close(std::exchange(lock_, -1));
    wanted_ = std::exchange(folder_, {});
    return why;
  };
  if (const auto made = identity::make_folder(folder_); !made) return refuse(made.why());
  lock_ = ::open((folder_ + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) return refuse(folder_ + ": " + std::strerror(errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) return refuse(folder_ + ": another proxy of the same node and file has it");
  all_ = read(folder_);
  for (auto& each : all_)
    if (each.verdict == "watched") judge(each.number, "not judged");  // its process has ended
  return {};
}

std::string History::path_of(uint32_t number) const {
  char name[32];
  std::snprintf(name, sizeof name, "/%06u.yaml", number);
  return folder_ + name;
}

void History::write(const Version& version) {
  if (folder_.empty()) return;
  const auto done = identity::write_file(path_of(version.number), as_file(version), 0600);
  if (done) told_ = false;
  else if (!std::exchange(told_, true)) log::warn("a version of the configuration cannot be kept on disk", {{"why", done.why()}});
}

const Version& History::add(Version version) {
  if (folder_.empty() && !wanted_.empty()) {
    folder_ = std::exchange(wanted_, {});
    auto in_memory = std::exchange(all_, {});
    if (!open().empty()) all_ = std::move(in_memory);
  }
  version.number = all_.empty() ? 1 : all_.back().number + 1;
  all_.push_back(std::move(version));
  write(all_.back());
  keep(keep_);
  return all_.back();
}

void History::judge(uint32_t number, std::string verdict) {
  for (auto& each : all_)
    if (each.number == number && each.verdict != verdict) {
      each.verdict = std::move(verdict);
      return write(each);
    }
}

void History::keep(uint32_t most) {
  keep_ = most;
  while (all_.size() > keep_) {
    if (!folder_.empty()) ::unlink(path_of(all_.front().number).c_str());
    all_.pop_front();
  }
}

const Version* History::find(uint32_t number) const {
  for (const auto& each : all_)
    if (each.number == number) return &each;
  return nullptr;
}

}  // namespace outrider::server
