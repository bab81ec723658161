#include "filters/inject/wire_json.h"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <string>
#include <vector>

namespace outrider::filters {

namespace {

using inject::Node;

// What rapidjson calls as it reads. False ends it.
class Builder {
 public:
  explicit Builder(const WireLimits& limits) : limits_(limits) {}
  bool Null() { return add(Node()); }
  bool Bool(bool value) { return add(Node::boolean(value)); }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    return add(Node::scalar(Node::Kind::Number, std::string(text, size)));
  }
  bool String(const char* text, rapidjson::SizeType size, bool) { return add(Node::text(std::string(text, size))); }
  // Never called: numbers come raw.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(int64_t) { return false; }
  bool Uint64(uint64_t) { return false; }
  bool Double(double) { return false; }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    open_.back().key.assign(text, size);
    return true;
  }
  bool StartObject() { return begin(Node::map()); }
  bool StartArray() { return begin(Node::list()); }
  bool EndArray(rapidjson::SizeType) { return end(); }
  bool EndObject(rapidjson::SizeType) {
    std::vector<std::string_view> keys;
    for (const auto& entry : open_.back().node.entries()) keys.push_back(entry.key);
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice != keys.end()) return fail("the key \"" + std::string(twice->substr(0, 64)) + "\" is there twice");
    return end();
  }
  const std::string& why() const { return why_; }
  Node take() { return std::move(root_); }

 private:
  struct Open {
    Node node;
    std::string key;  // of a map: of the value that comes next
  };

  bool fail(std::string why) {
    why_ = std::move(why);
    return false;
  }

  bool add(Node node) {
    if (++values_ > limits_.values) return fail("more than " + std::to_string(limits_.values) + " values");
    if (open_.empty()) root_ = std::move(node);
    else if (Open& in = open_.back(); in.node.is_map()) in.node.entries().push_back({std::move(in.key), std::move(node), {}});
    else in.node.append(std::move(node));
    return true;
  }

  bool begin(Node node) {
    if (open_.size() >= limits_.depth) return fail("more than " + std::to_string(limits_.depth) + " levels deep");
    open_.push_back({std::move(node), {}});
    return true;
  }

  bool end() {
    Node done = std::move(open_.back().node);
    open_.pop_back();
    return add(std::move(done));
  }

  const WireLimits limits_;
  std::vector<Open> open_;
  Node root_;
  size_t values_ = 0;
  std::string why_;
};

}  // namespace

identity::Outcome<Node> read_wire_json(std::string_view text, const WireLimits& limits) {
  constexpr unsigned kStrict =
      rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag | rapidjson::kParseNumbersAsStringsFlag;
  Builder builder(limits);
  rapidjson::MemoryStream bytes(text.data(), text.size());
  rapidjson::Reader reader;
  const rapidjson::ParseResult result = reader.Parse<kStrict>(bytes, builder);
  if (result) return builder.take();
  const std::string what = builder.why().empty() ? rapidjson::GetParseError_En(result.Code()) : builder.why();
  return identity::Failure{"byte " + std::to_string(result.Offset()) + ": " + what};
}

}  // namespace outrider::filters
