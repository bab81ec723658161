// Responses are compressed for clients that can read it.
//   compress: {types: [text/*, application/json], min: 1KiB, algorithms: [zstd, br, gzip], max_streams: 64}

#include <algorithm>
#include <string>

#include "base/tally.h"
#include "base/text.h"
#include "filter/options.h"
#include "filters/compress/accepted.h"
#include "http/grammar.h"

namespace outrider::filters {

namespace {

using filter::Verdict;
using http::HeaderId;

constexpr const char* kName = "compress";
constexpr size_t kPiece = 64 * 1024;  // what is made of it is held at once

struct CompressSettings {
  std::vector<std::string> types{"text/*", "application/json", "application/javascript", "application/xml", "image/svg+xml"};
  size_t min = 1024;
  std::vector<Coding> algorithms{std::begin(kCodings), std::end(kCodings)};
  uint64_t max_streams = 64;
};

// What is kept of one call. The encoder is the filter's, and gone with on_complete().
struct Job {
  Encoder* encoder = nullptr;
};

// A transformation would make them wrong, or they say that there is to be none.
bool may_not_change(const http::HeaderMap& headers) {
  for (const http::Field& field : headers.fields()) {
    if (equals_ignore_case(field.name, "cache-control") && list_contains(field.value, "no-transform")) return true;
    for (const char* name : {"content-range", "content-digest", "repr-digest", "digest", "content-md5"})
      if (equals_ignore_case(field.name, name)) return true;
  }
  return headers.find(HeaderId::ContentEncoding) != nullptr;
}

// Owned by the chains that use it; const but for how many bodies are under way, of all workers.
class Compress final : public filter::Filter {
 public:
  explicit Compress(CompressSettings settings) : settings_(std::move(settings)), streams_(std::make_unique<Tally>()) {}
  filter::Hook hooks() const override { return filter::Hook::ResponseHead | filter::Hook::ResponseBody | filter::Hook::Complete; }
  size_t piece(http::Way) const override { return kPiece; }

  Verdict on_response(filter::Call& call) const override {
    Job& job = call.state<Job>(*this);
    end(job);  // of an answer that another one has replaced
    const http::ResponseHead& response = call.response();
    if (!is_suitable(call.request(), response)) return Verdict::Continue;
    add_vary(call);
    const auto coding = accepted_coding(call.request().headers, settings_.algorithms);
    if (coding && call.request().method != http::Method::Head) begin(call, job, *coding);
    return Verdict::Continue;
  }

  Verdict on_response_body(filter::Call& call, Buffer& data, bool end) const override {
    Encoder* const encoder = call.state<Job>(*this).encoder;
    if (!encoder || (data.empty() && !end) || encoder->encode(data, end)) return Verdict::Continue;
    call.reset("compress_failed");
    return Verdict::Answered;
  }

  void on_complete(filter::Call& call) const override { end(call.state<Job>(*this)); }

 private:
  bool is_suitable(const http::RequestHead& request, const http::ResponseHead& response) const {
    const uint16_t status = response.status;
    if (status < 200 || status == 204 || status == 206 || status == 304 || request.method == http::Method::Connect) return false;
    const auto length = parse_number(response.headers.value(HeaderId::ContentLength));
    return (!length || *length >= std::max<uint64_t>(settings_.min, 1)) &&
           is_listed(response.headers.value(HeaderId::ContentType)) && !may_not_change(response.headers);
  }

  // A stream of events is text, too, but one that nobody should sit on: it has to be named.
  bool is_listed(std::string_view type) const {
    type = trim(type.substr(0, type.find(';')));
    const auto& types = settings_.types;
    const auto is = [&](std::string_view listed) { return equals_ignore_case(type, listed); };
    if (std::any_of(types.begin(), types.end(), is)) return true;
    if (equals_ignore_case(type, "text/event-stream")) return false;
    return std::any_of(types.begin(), types.end(), [&](std::string_view listed) {
      return listed.ends_with("/*") && equals_ignore_case(type.substr(0, listed.size() - 1), listed.substr(0, listed.size() - 1));
    });
  }

  static void add_vary(filter::Call& call) {
    http::HeaderMap& headers = call.response().headers;
    for (const http::Field& field : headers.fields())
      if (equals_ignore_case(field.name, "vary") && (trim(field.value) == "*" || list_contains(field.value, "accept-encoding")))
        return;
    headers.add("Vary", "Accept-Encoding");
  }

  void begin(filter::Call& call, Job& job, Coding coding) const {
    if (!streams_->enter(uint32_t(settings_.max_streams))) return call.note(kName, "over_limit");
    job.encoder = Encoder::make(coding).release();
    if (!job.encoder) return streams_->leave();
    http::HeaderMap& headers = call.response().headers;
    headers.remove(HeaderId::ContentLength);
    headers.remove("accept-ranges");
    headers.set(HeaderId::ContentEncoding, name_of(coding));
    if (const auto tag = headers.value("etag"); !tag.empty() && !tag.starts_with("W/"))
      headers.set("ETag", call.arena().concat("W/", tag));
    call.note(kName, name_of(coding));
  }

  void end(Job& job) const {
    if (!job.encoder) return;
    delete std::exchange(job.encoder, nullptr);
    streams_->leave();
  }

  const CompressSettings settings_;
  const std::unique_ptr<Tally> streams_;
};

bool read_types(filter::Options& options, std::vector<std::string>& types) {
  if (options.find("types")) types.clear();
  if (!options.texts("types", types)) return false;
  for (const std::string& type : types) {
    const size_t slash = type.find('/');
    const bool fine =
        slash != type.npos && http::is_token(type.substr(0, slash)) && type[0] != '*' && http::is_token(type.substr(slash + 1));
    if (!fine) return options.fail("types", "expected types like text/html or text/*, got \"" + type + "\"");
  }
  return !types.empty() || options.fail("types", "expected types like text/html or text/*");
}

bool read_algorithms(filter::Options& options, std::vector<Coding>& algorithms) {
  std::vector<std::string> names;
  if (!options.texts("algorithms", names)) return false;
  if (!options.find("algorithms")) return true;
  algorithms.clear();
  for (const std::string& name : names) {
    const auto coding = coding_of(name);
    if (!coding || name != name_of(*coding))
      return options.fail("algorithms", "expected zstd, br and gzip, got \"" + name + "\"");
    if (std::find(algorithms.begin(), algorithms.end(), *coding) != algorithms.end())
      return options.fail("algorithms", "\"" + name + "\" is there twice");
    algorithms.push_back(*coding);
  }
  return !algorithms.empty() || options.fail("algorithms", "expected zstd, br and gzip, or some of them");
}

}  // namespace

std::unique_ptr<const filter::Filter> make_compress(const config::Node& node, filter::Complaint& complaint) {
  filter::Options options(node, complaint);
  CompressSettings settings;
  if (!options.only({"types", "min", "algorithms", "max_streams"}) || !read_types(options, settings.types) ||
      !options.size("min", settings.min, size_t(1) << 30) || !read_algorithms(options, settings.algorithms) ||
      !options.number("max_streams", settings.max_streams, 1, 100'000))
    return nullptr;
  return std::make_unique<Compress>(std::move(settings));
}

}  // namespace outrider::filters
