#include "admin/browser_page.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "ground.h"

namespace outrider::admin {
namespace {

const std::filesystem::path kSources = std::filesystem::path(OUTRIDER_SOURCE_DIR) / "proxy/admin/page";
constexpr const char* kChromium =
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3";

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string sha256(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_sha256(), nullptr);
  return to_hex({reinterpret_cast<const char*>(digest), length});
}

TEST(PageFiles, AreTheSourcesByteForByteAndNoneIsLeftOut) {
  std::set<std::string> names;
  for (const PageFile& file : page_files()) {
    names.insert(std::string(file.name));
    EXPECT_TRUE(file.bytes == read(kSources / file.name)) << file.name;
    EXPECT_EQ(file.digest, sha256(file.bytes)) << file.name;
  }
  for (const auto& entry : std::filesystem::directory_iterator(kSources))
    if (const auto type = entry.path().extension(); type != ".md" && type != ".png")
      EXPECT_TRUE(names.contains(entry.path().filename())) << entry.path();
  EXPECT_TRUE(names.contains("index.html"));
}

TEST(PageFiles, AskNobodyElseAndMakeNoMarkupOfText) {
  for (const PageFile& file : page_files()) {
    for (const char* never : {"https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("})
      EXPECT_EQ(file.bytes.find(never), file.bytes.npos) << file.name << ": " << never;
    for (size_t at = file.bytes.find("http://"); at != file.bytes.npos; at = file.bytes.find("http://", at + 1))
      EXPECT_TRUE(file.bytes.substr(at).starts_with("http://www.w3.org/2000/svg")) << file.name;  // a name, not an address
    if (file.name.ends_with(".html")) {
      EXPECT_EQ(file.bytes.find("<style"), file.bytes.npos) << "the policy would refuse it";
      EXPECT_EQ(file.bytes.find(" style="), file.bytes.npos) << "the policy would refuse it";
    }
  }
}

TEST(PrefersHtml, IsWhatABrowserDoesAndCurlDoesNot) {
  for (const char* accept :
       {kChromium, "text/html", "TEXT/HTML;q=0.5, */*;q=0.1", "text/plain;q=0.2, text/*;q=0.9", "text/html;level=1"})
    EXPECT_TRUE(prefers_html(accept)) << accept;
  for (const char* accept :
       {"", "*/*", "text/plain", "application/json", "text/*", "text/html;q=0", "text/html;q=0.3, text/plain;q=0.3",
        "text/html;q=0.1, */*;q=0.5", "text/html;q=nonsense", ",;,=", "text/htmlx"})
    EXPECT_FALSE(prefers_html(accept)) << accept;
}

class BrowserPage : public AdminServerTest {
 protected:
  BrowserPage() {
    add_browser_page(*server, [](const Ask&) { return Reply{.body = "for curl\n"}; });
  }
  static Answer ask(Client& client, const std::string& path, const std::string& fields = {}) {
    client.send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n");
    return client.read();
  }
  static bool has(const Answer& answer, const std::string& line) { return answer.head.find(line + "\r\n") != std::string::npos; }
};

TEST_F(BrowserPage, IsForBrowsersAndTextIsForOthers) {
  run([&] {
    Client client(at());
    const Answer page = ask(client, "/", std::string("Accept: ") + kChromium + "\r\n");
    EXPECT_EQ(page.status, 200);
    EXPECT_TRUE(page.body.starts_with("<!doctype html>"));
    EXPECT_TRUE(has(page, "content-type: text/html; charset=utf-8"));
    for (const char* accept : {"", "Accept: */*\r\n"}) {
      const Answer text = ask(client, "/", accept);
      EXPECT_EQ(text.body, "for curl\n");
      EXPECT_TRUE(has(text, "content-type: text/plain; charset=utf-8"));
      EXPECT_TRUE(has(text, "vary: accept"));
    }
  });
}

TEST_F(BrowserPage, EveryFileHasItsTypeAndThePolicyThatAllowsNothingElse) {
  const std::map<std::string, std::string> types{{".html", "text/html; charset=utf-8"},
                                                 {".css", "text/css; charset=utf-8"},
                                                 {".js", "text/javascript; charset=utf-8"},
                                                 {".svg", "image/svg+xml"}};
  run([&] {
    Client client(at());
    for (const PageFile& file : page_files()) {
      const bool index = file.name == "index.html";
      const std::string path = index ? "/" : "/page/" + std::string(file.name);
      const Answer answer = ask(client, path, index ? "Accept: text/html\r\n" : "");
      EXPECT_TRUE(answer.body == file.bytes) << path;
      EXPECT_TRUE(has(answer, "content-type: " + types.at(std::filesystem::path(file.name).extension()))) << answer.head;
      EXPECT_TRUE(has(answer, "cache-control: no-cache")) << path;
      EXPECT_TRUE(has(answer, "x-content-type-options: nosniff")) << path;
      EXPECT_TRUE(has(answer, "cross-origin-resource-policy: same-origin")) << path;
      for (const char* part : {"content-security-policy: default-src 'none';", "script-src 'self';", "connect-src 'self';",
                               "frame-ancestors 'none'", "require-trusted-types-for 'script'"})
        EXPECT_NE(answer.head.find(part), std::string::npos) << path << ": " << part;
      for (const char* never : {"unsafe", "http:", "*"})
        EXPECT_EQ(answer.head.substr(answer.head.find("content-security")).find(never), std::string::npos)
            << path << ": " << never;
    }
  });
}

TEST_F(BrowserPage, WhoHasAFileAlreadyIsToldSoAndTheConnectionServesOn) {
  run([&] {
    Client client(at());
    const Answer whole = ask(client, "/page/page.css");
    const size_t at = whole.head.find("etag: ") + 6;
    const std::string tag = whole.head.substr(at, whole.head.find('\r', at) - at);
    EXPECT_EQ(tag.size(), 34u);
    for (const std::string& known : {tag, "W/" + tag, "\"other\", " + tag}) {
      const Answer again = ask(client, "/page/page.css", "If-None-Match: " + known + "\r\n");
      EXPECT_EQ(again.status, 304) << known;
      EXPECT_EQ(again.head.find("content-length"), std::string::npos);
      EXPECT_TRUE(has(again, "etag: " + tag));
    }
    EXPECT_EQ(ask(client, "/page/page.css", "If-None-Match: \"other\"\r\n").body, whole.body);
  });
}

}  // namespace
}  // namespace outrider::admin
