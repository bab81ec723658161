#pragma once
// Whether a file is another than it was.

#include <sys/stat.h>

#include <cstdint>
#include <string>

#include "base/time.h"

namespace outrider::identity {

// Files are asked for instead of watched: what mounts secrets (links that are swapped, network file systems) does not always
// notify.
constexpr milliseconds kFileLook{1000};

struct FileMark {
  int64_t changed_ns = 0;
  uint64_t inode = 0, size = 0;  // all 0: there is none
  bool operator==(const FileMark&) const = default;
  static FileMark of(const std::string& path) {
    struct stat file {};
    if (::stat(path.c_str(), &file) != 0) return {};
    return {int64_t(file.st_mtim.tv_sec) * 1'000'000'000 + file.st_mtim.tv_nsec, file.st_ino, uint64_t(file.st_size)};
  }
};

}  // namespace outrider::identity
