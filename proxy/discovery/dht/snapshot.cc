#include "discovery/dht/snapshot.h"

#include <unistd.h>

#include "base/text.h"
#include "identity/files.h"
#include "identity/key_pair.h"

namespace outrider::discovery {

namespace {
constexpr std::string_view kMagic = "outrider-records-1\n";
constexpr size_t kDigest = 32;
constexpr size_t kMostBytes = 16 << 20;  // 10,000 endpoints and more
constexpr size_t kMostNodes = 64;
}  // namespace

std::string write_snapshot(const Values& records) {
  std::string out(kMagic);
  for (const auto& record : records) {
    if (out.size() + 4 + record.size() + kDigest > kMostBytes) break;
    for (int shift = 24; shift >= 0; shift -= 8) out += char(record.size() >> shift);
    out += record;
  }
  return out + identity::sha256(out);
}

identity::Outcome<Values> read_snapshot(const std::string& bytes) {
  std::string_view rest = bytes;
  if (!rest.starts_with(kMagic) || rest.size() < kMagic.size() + kDigest)
    return identity::Failure{"not a snapshot of the registry"};
  if (identity::sha256(rest.substr(0, rest.size() - kDigest)) != rest.substr(rest.size() - kDigest))
    return identity::Failure{"damaged: its digest does not fit"};
  rest = rest.substr(kMagic.size(), rest.size() - kMagic.size() - kDigest);
  Values records;
  while (!rest.empty()) {
    size_t length = 0;
    if (rest.size() < 4) return identity::Failure{"damaged: it ends within a record"};
    for (int i = 0; i < 4; ++i) length = length << 8 | uint8_t(rest[size_t(i)]);
    rest.remove_prefix(4);
    if (length > rest.size()) return identity::Failure{"damaged: it ends within a record"};
    records.emplace_back(rest.substr(0, length));
    rest.remove_prefix(length);
  }
  return records;
}

std::string write_nodes(const std::vector<net::Address>& nodes) {
  std::string out;
  for (size_t i = 0; i < nodes.size() && i < kMostNodes; ++i) out += nodes[i].text() + '\n';
  return out;
}

std::vector<net::Address> read_nodes(std::string_view text) {
  std::vector<net::Address> nodes;
  while (!text.empty() && nodes.size() < kMostNodes) {
    const auto address = net::Address::parse(trim(next_part(text, '\n')));
    if (address && !address->is_unix() && address->port() != 0) nodes.push_back(*address);
  }
  return nodes;
}

std::string Shelf::open() const {
  if (none()) return {};
  if (auto made = identity::make_folder(folder_); !made) return made.why();
  if (::access(folder_.c_str(), W_OK) != 0) return folder_ + ": not writable";
  return {};
}

Values Shelf::records(std::string& why) const {
  const std::string path = folder_ + "/records";
  if (none() || ::access(path.c_str(), F_OK) != 0) return {};
  const auto bytes = identity::read_file(path, kMostBytes);
  if (!bytes) {
    why = bytes.why();
    return {};
  }
  auto records = read_snapshot(*bytes);
  if (records) return std::move(*records);
  why = path + ": " + records.why();
  return {};
}

std::vector<net::Address> Shelf::nodes() const {
  if (none()) return {};
  const auto text = identity::read_file(folder_ + "/nodes");
  return text ? read_nodes(*text) : std::vector<net::Address>{};
}

std::string Shelf::save(const Values& records, const std::vector<net::Address>& nodes) const {
  if (none()) return {};
  if (auto wrote = identity::write_file(folder_ + "/records", write_snapshot(records), 0600); !wrote) return wrote.why();
  if (nodes.empty()) return {};  // nobody answers: those we knew are better than none
  if (auto wrote = identity::write_file(folder_ + "/nodes", write_nodes(nodes), 0600); !wrote) return wrote.why();
  return {};
}

}  // namespace outrider::discovery
