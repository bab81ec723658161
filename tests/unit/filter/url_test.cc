// Addresses of the web, as far as anything is fetched from them.

#include "filter/url.h"

#include <gtest/gtest.h>

namespace outrider::filter {
namespace {

std::string read(std::string_view text) {
  const auto url = parse_url(text);
  if (!url) return "none";
  return std::string(url->https ? "tls " : "plain ") + url->host + " " + std::to_string(url->port) + " " + url->path + " " +
         url->authority;
}

TEST(Urls, HaveHostPortAndPath) {
  EXPECT_EQ(read("https://id.example.com/jwks"), "tls id.example.com 443 /jwks id.example.com");
  EXPECT_EQ(read("http://id.example.com"), "plain id.example.com 80 / id.example.com");
  EXPECT_EQ(read("http://10.0.0.1:8080/a/b?c=d&e"), "plain 10.0.0.1 8080 /a/b?c=d&e 10.0.0.1:8080");
  EXPECT_EQ(read("https://id?x=1"), "tls id 443 /?x=1 id");
  EXPECT_EQ(read("https://[::1]:8443/k"), "tls ::1 8443 /k [::1]:8443");
  EXPECT_EQ(read("https://[::1]/k"), "tls ::1 443 /k [::1]");
}

TEST(Urls, OfOtherKindsAreNone) {
  for (const char* text : {"", "id.example.com", "ftp://id/x", "http://", "https:///x", "http://:80/x", "http://a b/",
                           "http://a/b c", "http://user@id/x", "http://id/x#y", "http://id:0/", "http://id:65536/",
                           "http://id:x/", "HTTPS//id", "http://id\r\n/x", "http://[::1/x"})
    EXPECT_EQ(read(text), "none") << text;
}

}  // namespace
}  // namespace outrider::filter
