#include "http/header_map.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/text.h"

namespace outrider::http {
namespace {

std::string text_of(const HeaderMap& map) {
  std::string text;
  for (const Field& field : map.fields()) text += std::string(field.name) + "=" + std::string(field.value) + ";";
  return text;
}

TEST(HeaderNames, EveryNameIsFoundInAnyCaseAndNothingElse) {
  for (size_t i = 1; i < size_t(HeaderId::Count); ++i) {
    const auto id = HeaderId(i);
    const std::string name(header_name(id));
    ASSERT_FALSE(name.empty());
    EXPECT_EQ(header_id(name), id) << name;
    EXPECT_EQ(header_id(to_lower(name)), id) << name;
    std::string upper = name;
    for (char& c : upper)
      if (is_alpha(c)) c = char(c & ~32);
    EXPECT_EQ(header_id(upper), id) << name;
    EXPECT_EQ(header_id(name + "x"), HeaderId::Other);
    EXPECT_EQ(header_id(name.substr(1)), HeaderId::Other);
  }
  EXPECT_EQ(header_id(""), HeaderId::Other);
  EXPECT_EQ(header_id("X"), HeaderId::Other);
  EXPECT_EQ(header_name(HeaderId::Other), "");
  EXPECT_EQ(header_name(HeaderId::Count), "");
}

TEST(HeaderNames, HopByHopIsWhatConcernsOneConnection) {
  for (const char* name : {"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Transfer-Encoding", "Upgrade"})
    EXPECT_TRUE(is_hop_by_hop(header_id(name))) << name;
  for (const char* name : {"Host", "Content-Length", "Trailer", "Date", "Cookie", "X-Other", "Expect", "Via"})
    EXPECT_FALSE(is_hop_by_hop(header_id(name))) << name;
}

TEST(HeaderMap, KeepsOrderCaseAndRepetition) {
  Arena arena;
  HeaderMap map(arena);
  map.add("X-b", "1");
  map.add("Set-Cookie", "a=1");
  map.add("SET-cookie", "b=2");
  map.add("x-B", "2");
  EXPECT_EQ(text_of(map), "X-b=1;Set-Cookie=a=1;SET-cookie=b=2;x-B=2;");
  EXPECT_EQ(map.value(HeaderId::SetCookie), "a=1");
  EXPECT_EQ(map.find("X-B")->value, "1");
  EXPECT_EQ(map.find("x-c"), nullptr);
  EXPECT_EQ(map.value(HeaderId::Host), "");
  EXPECT_EQ(map.bytes(), 3 + 1 + 10 + 3 + 10 + 3 + 3 + 1 + 4 * 4u);
}

TEST(HeaderMap, CopiesWhatItIsGiven) {
  Arena arena;
  HeaderMap map(arena);
  std::string name = "X-Name", value = "value";
  map.add(name, value);
  map.set("X-Set", value);
  name = "??????";
  value = "!!!!!";
  EXPECT_EQ(text_of(map), "X-Name=value;X-Set=value;");
}

TEST(HeaderMap, SetReplacesEveryFieldOfItsNameInTheFirstOnesPlace) {
  Arena arena;
  HeaderMap map(arena);
  for (const char* name : {"A", "X-Y", "B", "x-y", "C", "X-y"}) map.add(name, "old");
  map.set("x-Y", "new");
  EXPECT_EQ(text_of(map), "A=old;X-Y=new;B=old;C=old;");
  map.set("D", "new");
  map.set(HeaderId::Host, "h");
  map.set(HeaderId::Host, "i");
  EXPECT_EQ(text_of(map), "A=old;X-Y=new;B=old;C=old;D=new;Host=i;");
}

TEST(HeaderMap, RemoveSaysHowMany) {
  Arena arena;
  HeaderMap map(arena);
  for (const char* name : {"Host", "X", "host", "x", "Y"}) map.add(name, "1");
  EXPECT_EQ(map.remove("X"), 2u);
  EXPECT_EQ(map.remove(HeaderId::Host), 2u);
  EXPECT_EQ(map.remove(HeaderId::Host), 0u);
  EXPECT_EQ(map.remove(HeaderId::Other), 0u);
  EXPECT_EQ(map.remove("Z"), 0u);
  EXPECT_EQ(text_of(map), "Y=1;");
}

TEST(HeaderMap, MayBeAskedToRemoveANameOfItsOwn) {
  Arena arena;
  HeaderMap map(arena);
  for (const char* name : {"X", "A", "X", "B"}) map.add(name, "1");
  map.remove(map.fields()[0].name);
  EXPECT_EQ(text_of(map), "A=1;B=1;");
}

TEST(HeaderMap, GrowsBeyondWhatFitsInside) {
  Arena arena;
  HeaderMap map(arena);
  for (int i = 0; i < 500; ++i) map.add("X-" + std::to_string(i), std::to_string(i * i));
  ASSERT_EQ(map.fields().size(), 500u);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(map.find("x-" + std::to_string(i))->value, std::to_string(i * i));
  map.clear();
  EXPECT_TRUE(map.fields().empty());
  arena.reset();
  map.add("X", "again");
  EXPECT_EQ(text_of(map), "X=again;");
}

TEST(HeaderMap, MarksSecrets) {
  Arena arena;
  HeaderMap map(arena);
  for (const char* name : {"Authorization", "cookie", "Set-Cookie", "Proxy-Authorization"}) map.add(name, "s");
  map.add("Accept", "x");
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(map.fields()[i].never_index) << i;
  EXPECT_FALSE(map.fields()[4].never_index);
}

}  // namespace
}  // namespace outrider::http
