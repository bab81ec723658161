// Commands that repeat requests, run through a real shell with a curl that tells what it was given.

#include "server/curl.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "base/random.h"
#include "base/text.h"

namespace outrider::server {
namespace {

class Curl : public testing::Test {
 protected:
  Curl() {
    char name[] = "/tmp/outrider-curl-XXXXXX";
    folder_ = mkdtemp(name);
    std::ofstream(folder_ + "/curl") << "#!/bin/sh\nprintf '%s\\0' \"$@\"\n";
    ::chmod((folder_ + "/curl").c_str(), 0755);
  }
  ~Curl() override { std::system(("rm -rf " + folder_).c_str()); }

  // What curl is given by each shell there is. The command goes through a file, as a paste would, and must leave no other trace.
  std::vector<std::string> given(const std::string& command, const char* shell) {
    std::ofstream(folder_ + "/command") << command;
    const std::string run = "cd " + folder_ + " && PATH=" + folder_ + ":$PATH " + shell + " command 2>&1";
    std::FILE* const out = ::popen(run.c_str(), "r");
    std::string text;
    for (int c; (c = std::fgetc(out)) != EOF;) text += char(c);
    EXPECT_EQ(::pclose(out), 0) << command << text;
    std::vector<std::string> words;
    for (std::string_view rest = text; !rest.empty();) words.emplace_back(next_part(rest, '\0'));
    EXPECT_EQ(std::system(("test \"$(ls " + folder_ + " | wc -l)\" = 2").c_str()), 0) << "it left something: " << command;
    return words;
  }
  static std::vector<const char*> shells() {
    std::vector<const char*> all{"sh"};
    if (std::system("command -v bash >/dev/null") == 0) all.push_back("bash");
    return all;
  }
  std::vector<std::string> words_of(const std::string& json) {
    const std::string command = command_of(json);
    const auto words = given(command, "sh");
    for (const char* shell : shells()) EXPECT_EQ(given(command, shell), words) << shell;
    return words;
  }
  static std::string command_of(const std::string& json) {
    rapidjson::Document document;
    document.Parse(json.c_str());
    EXPECT_FALSE(document.HasParseError()) << json;
    const std::string command = curl_of(document);
    for (const char c : command) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f)) << "a terminal would act on " << int(c);
    return command;
  }
  std::string folder_;
};

std::string seen(const std::string& more, const std::string& fields = "") {
  return R"({"method":"GET","host":"shop","path":"/a?b=c","scheme":"http","protocol":"HTTP/1.1","local":"127.0.0.1:8080")" +
         more + R"(,"request_headers":[["accept","*/*"],["user-agent","test"])" + fields + "]}";
}

TEST_F(Curl, RepeatsWhatWasAsked) {
  EXPECT_EQ(command_of(seen("", R"(,["x-a","b"])")),
            "curl --http1.1 --globoff --path-as-is --connect-to ::127.0.0.1:8080 'http://shop/a?b=c' -H 'accept: */*' "
            "-H 'user-agent: test' -H 'x-a: b'\n");
  using Words = std::vector<std::string>;
  EXPECT_EQ(words_of(R"({"method":"POST","host":"shop:81","path":"/a","scheme":"https","protocol":"HTTP/2",)"
                     R"("local":"[::1]:8080","request_bytes":5})"),
            (Words{"--http2", "-X", "POST", "--globoff", "--path-as-is", "--connect-to", "::[::1]:8080", "https://shop:81/a",
                   "-H", "Accept:", "-H", "User-Agent:"}));
  EXPECT_EQ(words_of(R"({"method":"HEAD","host":"a","path":"/","local":"unix:/run/x y"})"),
            (Words{"--http1.1", "--head", "--globoff", "--path-as-is", "--unix-socket", "/run/x y", "http://a/", "-H",
                   "Accept:", "-H", "User-Agent:"}));
}

TEST_F(Curl, SaysWhatIsMissing) {
  const auto command =
      command_of(seen(R"(,"request_bytes":7,"left_out":2,"upgrade":"websocket")",
                      R"(,["authorization","[hidden]"],["Cookie","[hidden]"],["referer","https://a/?token=[hidden]"])"));
  for (const char* note :
       {"# its body of 7 bytes is not kept: --data-binary @FILE would send one\n",
        "# left out because they are hidden: authorization, Cookie\n", "# something in referer is hidden\n",
        "# it asked for an upgrade to websocket, which is not repeated\n", "# 2 of its parts were too long to be shown\n"})
    EXPECT_NE(command.find(note), command.npos) << note << command;
  EXPECT_EQ(command.find("authorization:"), command.npos);
  EXPECT_EQ(command_of(R"({"protocol":"tcp"})"), "# a connection without HTTP: nothing that curl could repeat\n");
  EXPECT_EQ(command_of(R"({"method":"CONNECT","host":"a:1"})"), "# a tunnel by CONNECT: nothing that curl could repeat\n");
}

TEST_F(Curl, WhatConcernsAConnectionOrCameFromProxiesIsLeftOut) {
  const auto words = words_of(
      seen("", R"(,["Connection","close"],["TE","x"],["Transfer-Encoding","chunked"],["content-length","5"],["Host","shop"],)"
               R"(["X-Forwarded-For","1.2.3.4"],["x-request-id","1"],["upgrade","x"],["x-mine","1"])"));
  EXPECT_EQ(std::count(words.begin(), words.end(), "-H"), 3);
  EXPECT_EQ(words.back(), "x-mine: 1");
}

TEST_F(Curl, HostileTextIsOneWordAndNothingElse) {
  const std::string values[] = {"'",
                                "a'b''c",
                                "$(touch pwned)",
                                "`touch pwned`",
                                "'; touch pwned; '",
                                "\"; touch pwned; \"",
                                "\\",
                                "\\'; touch pwned; #",
                                "${IFS}touch${IFS}pwned",
                                "a\tb",
                                "\t",
                                "\x1b[2J\x1b]0;title\x07",
                                "\xc3\xa4",
                                "! ~ * ? [a] {b,c} < > | & ;",
                                "-o /tmp/x",
                                "%s%n\\033",
                                "@/etc/passwd"};
  for (const std::string& value : values) {
    std::string escaped;
    append_json(escaped, value);
    const auto words = words_of(seen("", ",[\"x-a\"," + escaped + "]"));
    ASSERT_FALSE(words.empty());
    EXPECT_EQ(words.back(), "x-a: " + value);
    std::string path;
    append_json(path, "/" + value);
    const auto of_path = words_of(R"({"method":"GET","host":"shop","path":)" + path + R"(,"local":"127.0.0.1:1"})");
    ASSERT_GT(of_path.size(), 5u);
    EXPECT_TRUE(of_path[5].starts_with("http://shop/")) << of_path[5];
  }
}

// A page that is not ours could say anything.
TEST_F(Curl, LineEndsAndNamesThatAreNoneDoNotMakeFieldsOrCommands) {
  auto words = words_of(seen("", R"(,["x-a","b\r\nX-Evil: 1\n"])"));
  EXPECT_EQ(words.back(), "x-a: bX-Evil: 1");
  words = words_of(seen("", R"(,["x-a: 1\nx-b","c"],["@file","d"],["","e"])"));
  EXPECT_EQ(words.back(), "user-agent: test");
  words = words_of(R"({"method":"GET","host":"a/b@c\n touch pwned","path":"/","local":"127.0.0.1:1"})");
  EXPECT_NE(std::find(words.begin(), words.end(), "Host: a/b@c touch pwned"), words.end());
  EXPECT_NE(std::find(words.begin(), words.end(), "http://127.0.0.1:1/"), words.end());
  words = words_of(
      R"({"method":"GET\ntouch pwned","host":"a","path":"/","upgrade":"x\ntouch pwned","request_headers":[["a b\n touch pwned","[hidden]"]]})");
  EXPECT_EQ(words[2], "GET\ntouch pwned");
  EXPECT_EQ(words_of(seen("", R"(,["x-empty",""])")).back(), "x-empty;");
}

// Every byte but NUL, in any order.
TEST_F(Curl, AnyBytesComeThroughTheShellAsTheyAre) {
  const uint64_t seed = random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  std::vector<std::string> texts{""};
  std::string all;
  for (int c = 1; c < 256; ++c) all += char(c);
  texts.push_back(all);
  for (int i = 0; i < 200; ++i) {
    std::string text;
    const bool wild = i % 2;
    for (uint64_t n = random.next() % 30; n > 0; --n) {
      static constexpr std::string_view kHard = "'\"\\$`\n\t !#&*;|<>(){}[]~\x1b\x7f\xff";
      text += wild ? char(random.next() % 255 + 1) : kHard[random.next() % kHard.size()];
    }
    texts.push_back(std::move(text));
  }
  std::string command = "curl";
  for (const auto& text : texts) command += " " + in_shell(text);
  for (const char c : command) ASSERT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f));
  for (const char* shell : shells()) EXPECT_EQ(given(command + "\n", shell), texts) << shell;
}

TEST(Printable, WhatATerminalActsOnIsSpelledOut) {
  EXPECT_EQ(printable("a b\x1b[31m\r\n\x7f\xc2\x9b"), "a b\\x1b[31m\\x0d\\x0a\\x7f\\xc2\\x9b");
}

}  // namespace
}  // namespace outrider::server
