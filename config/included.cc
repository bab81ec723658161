#include "config/included.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace outrider::config {

std::vector<std::string> files_at(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return {path};
  std::vector<std::string> files;
  for (std::filesystem::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    const bool fits = name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
    std::error_code ignored;
    if (fits && !name.starts_with('.') && !at->is_directory(ignored)) files.push_back(at->path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string slurp(const std::string& path, std::string& text, size_t most) {
  const int fd = path == "-" ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::strerror(errno);
  struct stat about {};
  std::string why;
  if (fstat(fd, &about) != 0) why = std::strerror(errno);
  else if (S_ISDIR(about.st_mode)) why = "is a folder";
  char part[16384];
  while (why.empty() && text.size() <= most) {
    const ssize_t n = read(fd, part, sizeof part);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) why = std::strerror(errno);
    if (n <= 0) break;
    text.append(part, size_t(n));
  }
  close(fd);
  return why;
}

}  // namespace outrider::config
