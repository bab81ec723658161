// What nobody who looks on is shown.

#include "http/secrets.h"

#include <gtest/gtest.h>

namespace outrider::http {
namespace {

bool hides(std::string_view name, std::string_view value = "abc") {
  Field field;
  field.name = name;
  field.value = value;
  return is_secret(field);
}

TEST(Secrets, FieldsThatLetSomebodyInAreHidden) {
  for (const char* name : {"Authorization",
                           "proxy-authorization",
                           "Cookie",
                           "SET-COOKIE",
                           "x-api-key",
                           "X-Auth-Token",
                           "x-amz-security-token",
                           "PRIVATE-TOKEN",
                           "x-goog-api-key",
                           "apikey",
                           "x-csrf-token",
                           "x-jwt-payload",
                           "x-client-key",
                           "X-Vault-Token",
                           "x-session-id",
                           "client-secret",
                           "x-password",
                           "x-forwarded-access-token",
                           "dpop-signature",
                           "cookie2"})
    EXPECT_TRUE(hides(name)) << name;
  EXPECT_TRUE(hides("x-any", "Bearer abc"));
  EXPECT_TRUE(hides("sec-websocket-protocol", "base64url.bearer.authorization.k8s.io.abc"));
  EXPECT_TRUE(hides("x-any", "eyJhbGciOiJub25lIn0.e30."));
  Field field;
  field.name = "x-any";
  field.never_index = true;
  EXPECT_TRUE(is_secret(field)) << "its sender said so";
}

TEST(Secrets, OthersAreNot) {
  for (const char* name : {"Host", "Accept", "User-Agent", "Content-Type", "x-monkey", "x-author", "Keep-Alive", "x-request-id",
                           "traceparent", "idempotency-key", "www-authenticate", "x-forwarded-client-cert", ":authority"})
    EXPECT_FALSE(hides(name)) << name;
}

TEST(Secrets, QueriesFragmentsAndPasswordsInUrlsAreHidden) {
  const std::pair<const char*, const char*> table[] = {
      {"/", "/"},
      {"", ""},
      {"*", "*"},
      {"/a?x=1&token=abc&y=2", "/a?x=1&token=[hidden]&y=2"},
      {"/a?access_token=abc", "/a?access_token=[hidden]"},
      {"/a?api%5Fkey=abc&api_key", "/a?api%5Fkey=[hidden]&api_key"},
      {"/a?token=", "/a?token="},
      {"/a?q=tokens&n=2;password=x", "/a?q=tokens&n=2;password=[hidden]"},
      {"/a?user[password]=x", "/a?user[password]=[hidden]"},
      {"/callback?code=abc&state=1", "/callback?code=[hidden]&state=1"},
      {"/a?X-Amz-Signature=ab&X-Amz-Date=1", "/a?X-Amz-Signature=[hidden]&X-Amz-Date=1"},
      {"/a?b=eyJhbGci", "/a?b=[hidden]"},
      {"/a?b=1?token=c", "/a?b=1?token=[hidden]"},
      {"https://user:pw@host/p?x=1", "https://[hidden]@host/p?x=1"},
      {"https://host/p@q", "https://host/p@q"},
      {"https://host#access_token=a&b=c", "https://host#access_token=[hidden]&b=c"},
      {"max-age=3; key=1", "max-age=3; key=1"},
  };
  for (const auto& [given, shown] : table) EXPECT_EQ(without_secrets(given), shown);
}

}  // namespace
}  // namespace outrider::http
