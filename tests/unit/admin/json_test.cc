#include "admin/json.h"

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <limits>
#include <random>

namespace outrider::admin {
namespace {

TEST(Json, IndentsByTwoAndKeepsSmallObjectsOnOneLine) {
  Json json;
  json.object().field("name", "web").key("list").array();
  json.object(Json::Shape::OneLine).field("a", 1).field("b", true).key("c").array().value(1).value(2).close().close();
  json.object(Json::Shape::OneLine).close();
  json.close().key("none").array().close().key("nothing").null().close();
  EXPECT_EQ(json.take(),
            "{\n"
            "  \"name\": \"web\",\n"
            "  \"list\": [\n"
            "    {\"a\": 1, \"b\": true, \"c\": [1, 2]},\n"
            "    {}\n"
            "  ],\n"
            "  \"none\": [],\n"
            "  \"nothing\": null\n"
            "}\n");
}

TEST(Json, NumbersReadBackTheSame) {
  const std::vector<double> doubles = {0, 0.1, -2.5, 1e300, 1e-300, 123456789.125};
  Json json;
  json.array().value(std::numeric_limits<uint64_t>::max()).value(std::numeric_limits<int64_t>::min());
  json.value(uint8_t(7)).value(std::numeric_limits<double>::quiet_NaN()).value(std::numeric_limits<double>::infinity());
  for (double number : doubles) json.value(number);
  json.close();
  rapidjson::Document read;
  ASSERT_FALSE(read.Parse<rapidjson::kParseFullPrecisionFlag>(json.text().c_str()).HasParseError()) << json.text();
  EXPECT_EQ(read[0].GetUint64(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(read[1].GetInt64(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(read[2].GetUint(), 7u);
  EXPECT_TRUE(read[3].IsNull() && read[4].IsNull());
  for (size_t i = 0; i < doubles.size(); ++i) EXPECT_EQ(read[rapidjson::SizeType(5 + i)].GetDouble(), doubles[i]);
}

TEST(Json, AnyBytesAsKeysAndValuesGiveValidJson) {
  const uint32_t seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 12, ' ');
    const bool ascii = round % 2;
    for (char& c : text) c = char(random() % (ascii ? 128 : 256));
    Json json;
    json.object().field(text, text).close();
    rapidjson::Document read;
    ASSERT_FALSE(read.Parse<rapidjson::kParseValidateEncodingFlag>(json.text().data(), json.text().size()).HasParseError())
        << json.text();
    if (!ascii) continue;
    const auto& value = read.MemberBegin()->value;
    EXPECT_EQ(std::string(value.GetString(), value.GetStringLength()), text);
  }
}

}  // namespace
}  // namespace outrider::admin
