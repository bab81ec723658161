#include "base/text.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "tests/support/json.h"
#include "tests/support/seed.h"

namespace outrider {
namespace {

using test::is_json;
using test::seeded_random;

TEST(Text, ComparesWithoutCaseInAsciiOnly) {
  EXPECT_TRUE(equals_ignore_case("Content-Length", "cONTENT-lENGTH"));
  EXPECT_FALSE(equals_ignore_case("a", "ab"));
  EXPECT_FALSE(equals_ignore_case("@", "`")) << "neither is a letter";
  EXPECT_FALSE(equals_ignore_case("\xC4", "\xE4"));
  EXPECT_EQ(to_lower("ABC[\\]^_xyz\xC4"), "abc[\\]^_xyz\xC4");
  for (int c = -128; c < 128; ++c) {
    EXPECT_EQ(is_alpha(char(c)), (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) << c;
    EXPECT_EQ(is_digit(char(c)), c >= '0' && c <= '9') << c;
  }
}

TEST(Text, TrimsSpacesAndTabs) {
  EXPECT_EQ(trim(" \t a b\t "), "a b");
  EXPECT_EQ(trim(" \t "), "");
  EXPECT_EQ(trim("\na\n"), "\na\n");
}

TEST(Text, SplitsAndKeepsEmptyParts) {
  EXPECT_EQ(split("a, b ,,c", ','), (std::vector<std::string_view>{"a", "b", "", "c"}));
  EXPECT_EQ(split("", ','), (std::vector<std::string_view>{""}));
  EXPECT_EQ(split("a,", ','), (std::vector<std::string_view>{"a", ""}));
}

TEST(Text, TakesPartsFromTheFront) {
  std::string_view rest = "a/b//c";
  std::vector<std::string_view> parts;
  while (!rest.empty()) parts.push_back(next_part(rest, '/'));
  EXPECT_EQ(parts, (std::vector<std::string_view>{"a", "b", "", "c"}));
  EXPECT_EQ(next_part(rest, '/'), "");
}

TEST(Text, ReadsWholeNumbersAndNothingElse) {
  EXPECT_EQ(parse_number("0"), 0u);
  EXPECT_EQ(parse_number("007"), 7u);
  EXPECT_EQ(parse_number("18446744073709551615"), UINT64_MAX);
  for (const auto* bad : {"", "18446744073709551616", "99999999999999999999999", "-1", "+1", " 1", "1 ", "0x1", "1.0", "١"})
    EXPECT_EQ(parse_number(bad), std::nullopt) << bad;
}

TEST(Text, ReadsDecimals) {
  EXPECT_EQ(parse_decimal("3"), 3.0);
  EXPECT_NEAR(*parse_decimal("0.125"), 0.125, 1e-12);
  EXPECT_NEAR(*parse_decimal("10.05"), 10.05, 1e-12);
  for (const auto* bad : {"", ".", ".5", "5.", "1.2.3", "1e3", "-1.0", "1,5"}) EXPECT_EQ(parse_decimal(bad), std::nullopt) << bad;
}

TEST(Text, FindsATokenInAList) {
  EXPECT_TRUE(list_contains("gzip, Chunked", "chunked"));
  EXPECT_TRUE(list_contains(",, close ,", "close"));
  EXPECT_FALSE(list_contains("not-chunked", "chunked"));
  EXPECT_FALSE(list_contains("chunked;q=1", "chunked"));
  EXPECT_FALSE(list_contains("", "chunked"));
}

TEST(Text, WritesAndReadsHex) {
  Random random = seeded_random();
  for (int i = 0; i < 100; ++i) {
    const auto bytes = test::random_bytes(random, random.below(40));
    ASSERT_EQ(from_hex(to_hex(bytes)), bytes);
  }
  EXPECT_EQ(to_hex(std::string("\x00\xAB\xff", 3)), "00abff");
  EXPECT_EQ(from_hex("00ABff"), std::string("\x00\xAB\xff", 3));
  for (const auto* bad : {"0", "0g", "@0", "`0", " 00", "0x"}) EXPECT_EQ(from_hex(bad), std::nullopt) << bad;
}

std::string json_of(std::string_view text) {
  std::string out;
  append_json(out, text);
  return out;
}

TEST(Text, EscapesJson) {
  EXPECT_EQ(json_of("a\"b\\c\n\r\t\x01\x1f/"), R"("a\"b\\c\n\r\t\u0001\u001f/")");
  EXPECT_EQ(json_of(std::string_view("\0", 1)), R"("\u0000")");
  EXPECT_EQ(json_of("é€😀"), "\"é€😀\"");
}

TEST(Text, ReplacesWhatIsNotUtf8) {
  const std::string bad = "\xEF\xBF\xBD";
  for (const auto* text : {"\x80", "\xC0", "\xC1", "\xFE", "\xFF", "\xF5", "\xE2", "\xC3"})
    EXPECT_EQ(json_of(text), "\"" + bad + "\"");
  EXPECT_EQ(json_of("\xC0\x80"), "\"" + bad + bad + "\"") << "overlong";
  EXPECT_EQ(json_of("\xE0\x80\x80"), "\"" + bad + bad + bad + "\"") << "overlong";
  EXPECT_EQ(json_of("\xED\xA0\x80"), "\"" + bad + bad + bad + "\"") << "a surrogate";
  EXPECT_EQ(json_of("\xF4\x90\x80\x80"), "\"" + bad + bad + bad + bad + "\"") << "beyond U+10FFFF";
  EXPECT_EQ(json_of("\xE2\x82"
                    "a"),
            "\"" + bad + bad + "a\"");
  EXPECT_EQ(json_of("\xF4\x8F\xBF\xBF"), "\"\xF4\x8F\xBF\xBF\"");
}

TEST(Text, JsonOfAnyBytesIsJson) {
  Random random = seeded_random();
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(is_json(json_of(test::random_bytes(random, random.below(30)))));
  EXPECT_FALSE(is_json("\"a\nb\"")) << "the check itself";
}

size_t plain_distance(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return a.size() + b.size();
  return std::min({plain_distance(a.substr(1), b) + 1, plain_distance(a, b.substr(1)) + 1,
                   plain_distance(a.substr(1), b.substr(1)) + (a[0] != b[0])});
}

TEST(Text, CountsEdits) {
  EXPECT_EQ(edit_distance("kitten", "sitting", 10), 3u);
  EXPECT_EQ(edit_distance("", "abc", 10), 3u);
  EXPECT_EQ(edit_distance("abc", "abc", 0), 0u);
  EXPECT_EQ(edit_distance("abc", "abd", 0), 1u);
  EXPECT_EQ(edit_distance("abcdefgh", "x", 3), 4u);
  Random random = seeded_random();
  for (int i = 0; i < 200; ++i) {
    std::string a, b;
    for (uint32_t n = random.below(6); n > 0; --n) a += char('a' + random.below(3));
    for (uint32_t n = random.below(6); n > 0; --n) b += char('a' + random.below(3));
    const size_t limit = random.below(7);
    ASSERT_EQ(edit_distance(a, b, limit), std::min(plain_distance(a, b), limit + 1)) << a << " " << b;
  }
}

// --- hash, random -------------------------------------------------------------------------------------------------

TEST(Hash, DiffersByTextAndSeed) {
  EXPECT_EQ(hash("abc"), hash("abc"));
  EXPECT_NE(hash("abc"), hash("abd"));
  EXPECT_NE(hash("abc", 1), hash("abc", 2));
  EXPECT_NE(hash(""), hash(std::string_view("\0", 1)));
}

TEST(Random, RepeatsFromItsSeed) {
  Random a(7), b(7), c(8);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(a.next(), b.next());
  EXPECT_NE(a.next(), c.next());
  EXPECT_NE(random_seed(), random_seed());
}

TEST(Random, IsUniformBelowABound) {
  Random random = seeded_random();
  std::array<uint32_t, 10> counts{};
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const uint32_t n = random.below(10);
    ASSERT_LT(n, 10u);
    ++counts[n];
    const double unit = random.unit();
    ASSERT_GE(unit, 0.0);
    ASSERT_LT(unit, 1.0);
  }
  double chi = 0;
  for (const uint32_t n : counts) chi += std::pow(n - kDraws / 10.0, 2) / (kDraws / 10.0);
  EXPECT_LT(chi, 50) << "9 degrees of freedom: p < 1e-7";
  EXPECT_EQ(random.below(1), 0u);
  EXPECT_EQ(random.below(0), 0u);
}

// --- log ----------------------------------------------------------------------------------------------------------

// What was written between its making and text().
class Captured {
 public:
  explicit Captured(log::Level level, log::Format format) {
    EXPECT_EQ(pipe2(fds_, O_CLOEXEC), 0);
    log::configure(level, format);
    log::redirect(fds_[1]);
  }
  ~Captured() {
    log::redirect(-1);
    log::configure(log::Level::Info, log::Format::Text);
    close(fds_[0]);
    if (fds_[1] >= 0) close(fds_[1]);
  }
  std::vector<std::string> lines() {
    log::redirect(-1);
    close(fds_[1]);
    fds_[1] = -1;
    std::string text;
    char part[4096];
    for (ssize_t n; (n = read(fds_[0], part, sizeof part)) > 0;) text.append(part, size_t(n));
    std::vector<std::string> out;
    for (std::string_view rest = text; !rest.empty();) out.emplace_back(next_part(rest, '\n'));
    return out;
  }

 private:
  int fds_[2] = {-1, -1};
};

TEST(Log, WritesOneJsonObjectALine) {
  Captured captured(log::Level::Debug, log::Format::Json);
  log::debug("plain");
  log::info("with \"quotes\" and\nnewline",
            {{"text", "a\tb\x01\xff"}, {"number", 42}, {"share", 0.5}, {"string", std::string("s")}});
  log::error("last", {{"", ""}});
  const auto lines = captured.lines();
  ASSERT_EQ(lines.size(), 3u);
  for (const auto& line : lines) EXPECT_TRUE(is_json(line)) << line;
  EXPECT_NE(lines[0].find(R"("level":"debug","message":"plain"})"), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find(R"("message":"with \"quotes\" and\nnewline")"), std::string::npos) << lines[1];
  EXPECT_NE(lines[1].find("\"number\":\"42\""), std::string::npos) << lines[1];
  EXPECT_TRUE(lines[0].starts_with("{\"time\":\"20")) << lines[0];
}

TEST(Log, TextIsOneLineWhateverItSays) {
  Captured captured(log::Level::Info, log::Format::Text);
  log::info("hello", {{"a", "b"},
                      {"empty", ""},
                      {"spaced", "b c"},
                      {"control", "x\r\x1b[31m\x7f"},
                      {"equals", "a=b"},
                      {"quote", "\""},
                      {"back", "a\\b"}});
  log::warn("two\nlines\x1b");
  const auto lines = captured.lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_NE(lines[0].find(R"( info hello a=b empty="" spaced="b c" )"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find(R"( equals="a=b" quote="\"" )"), std::string::npos) << lines[0];
  for (const auto& line : lines)
    for (const char c : line) EXPECT_TRUE(uint8_t(c) >= 0x20 && c != 0x7f) << line;
}

TEST(Log, LeavesOutWhatIsBelowItsLevel) {
  Captured captured(log::Level::Warn, log::Format::Text);
  EXPECT_FALSE(log::enabled(log::Level::Info));
  EXPECT_TRUE(log::enabled(log::Level::Error));
  log::debug("no");
  log::info("no");
  log::warn("yes");
  log::write(log::Level::Off, "no");
  EXPECT_EQ(captured.lines().size(), 1u);
}

TEST(Log, LinesOfSeveralThreadsStayWhole) {
  Captured captured(log::Level::Info, log::Format::Json);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      for (int i = 0; i < 50; ++i) log::info("a message of some length", {{"thread", t}, {"i", i}});
    });
  for (auto& thread : threads) thread.join();
  const auto lines = captured.lines();
  EXPECT_EQ(lines.size(), 200u);
  for (const auto& line : lines) ASSERT_TRUE(is_json(line)) << line;
}

TEST(Text, Utf8PrefixEndsAtTheFirstByteThatIsNotUtf8) {
  EXPECT_EQ(utf8_prefix(""), 0u);
  EXPECT_EQ(utf8_prefix("ab\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80"), 11u);
  EXPECT_EQ(utf8_prefix("ab\xFC"
                        "c"),
            2u);
  EXPECT_EQ(utf8_prefix("ab\xE2\x82"), 2u);
  EXPECT_EQ(utf8_prefix("\xED\xA0\x80"), 0u);
}

}  // namespace
}  // namespace outrider
