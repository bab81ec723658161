// The schema for editors is made of the keys that are read; tests/schema/check_schema.py asks a validator what it says.

#include "config/schema.h"

#include <algorithm>

#include "base/text.h"
#include "config/key_docs.h"
#include "config/parse.h"
#include "config/schema_types.h"
#include "loading.h"

namespace outrider::config {
namespace {

// A key whose type nobody has put into JSON would be valid whatever it is.
TEST(Schema, EveryTypeOfTheLanguageIsKnown) {
  for (const Key& key : all_forms()) {
    if (!key.supported) continue;
    const bool built = key.type == "list" || key.type == "list of rules" || key.type == "ports or maps" ||
                       key.type == "addresses or maps" || key.type.starts_with("keys of `");
    EXPECT_TRUE(built || schema_of(key)) << key.path << " is of type \"" << key.type << "\"";
  }
  EXPECT_FALSE(schema_of({"", "some new type", ""}));
}

TEST(Schema, EveryKeyIsDescribedAsTheReadmeDoes) {
  const std::string text = schema({"headers"});
  for (const Key& key : all_keys()) {
    if (!key.supported) continue;
    const KeyDoc doc = doc_of(key.path);
    EXPECT_FALSE(doc.example.empty()) << key.path;
    std::string about;
    append_json(about, doc.about);
    EXPECT_TRUE(doc.about.empty() || text.find(about.substr(0, about.size() - 1)) != text.npos) << key.path;
  }
}

TEST(Schema, NumbersHaveTheirRange) {
  const auto keys = all_keys();
  const auto key =
      std::find_if(keys.begin(), keys.end(), [](const Key& k) { return k.path == "clusters.<name>.retry.attempts"; });
  ASSERT_NE(key, keys.end());
  const auto made = schema_of(*key);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->find("minimum")->text(), "0");
  EXPECT_EQ(made->find("maximum")->text(), "10");
}

}  // namespace
}  // namespace outrider::config
