#include "config/secret.h"

#include <openssl/evp.h>

#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

#include "base/text.h"

namespace outrider::config {

namespace {

constexpr std::string_view kFile = "file:", kOpen = "<file:";
constexpr size_t kMost = 1 << 20, kShown = 2;

// Empty: it cannot be read. Not of devices and pipes, which might never end.
std::string digest_of_file(const std::string& path) {
  std::error_code failed;
  if (!std::filesystem::is_regular_file(path, failed)) return {};
  std::ifstream file(path, std::ios::binary);
  std::vector<char> content(kMost);
  if (!file || !file.read(content.data(), kMost).eof()) return {};
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (EVP_Digest(content.data(), size_t(file.gcount()), digest, &length, EVP_sha256(), nullptr) != 1) return {};
  return to_hex({reinterpret_cast<const char*>(digest), kShown});
}

}  // namespace

bool is_secret(std::string_view text) { return text.starts_with(kFile) && text.size() > kFile.size(); }

std::string shown_secret(std::string_view text) {
  const std::string digest = digest_of_file(std::string(text.substr(kFile.size())));
  return "<" + std::string(text) + (digest.empty() ? " unreadable>" : " sha256:" + digest + ">");
}

std::string_view written_secret(std::string_view text) {
  if (!text.starts_with(kOpen) || !text.ends_with('>')) return text;
  const size_t space = text.rfind(' ');
  return space == text.npos ? text : text.substr(1, space - 1);
}

}  // namespace outrider::config
