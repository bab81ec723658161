#include "identity/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/random.h"

namespace outrider::identity {

namespace {

Failure because(const std::string& path, const std::string& what, int error) {
  return {path + ": " + what + std::strerror(error)};
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes.remove_prefix(size_t(n));
  }
  return true;
}

// Best effort: without it a crash of the machine may lose the new name, never half a file.
void flush_folder(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  Descriptor folder(::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) ::fsync(folder.get());
}

}  // namespace

Outcome<std::string> read_file(const std::string& path, size_t most) {
  // Not to hang on a pipe somebody put there.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat what {};
  if (file.get() < 0 || ::fstat(file.get(), &what) != 0) return because(path, "", errno);
  if (!S_ISREG(what.st_mode)) return Failure{path + ": not a file"};
  std::string bytes;
  char part[4096];
  for (;;) {
    const ssize_t n = ::read(file.get(), part, sizeof part);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return because(path, "", errno);
    if (n == 0) return bytes;
    bytes.append(part, size_t(n));
    if (bytes.size() > most) return Failure{path + ": larger than " + std::to_string(most >> 20) + " MiB"};
  }
}

Outcome<Done> write_file(const std::string& path, std::string_view bytes, unsigned mode, Existing existing) {
  const std::string beside = path + "." + std::to_string(random_seed()) + ".new";
  {
    Descriptor file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.get() < 0) return because(path, "cannot be written: ", errno);
    // fchmod, because the umask may have taken bits away.
    if (!write_all(file.get(), bytes) || ::fchmod(file.get(), mode) != 0 || ::fsync(file.get()) != 0) {
      const int error = errno;
      ::unlink(beside.c_str());
      return because(path, "cannot be written: ", error);
    }
  }
  int status = -1;
  if (existing == Existing::Keep) {
    status = ::renameat2(AT_FDCWD, beside.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE);
    if (status != 0 && errno == EINVAL) {  // a file system without that flag
      struct stat what {};
      if (::lstat(path.c_str(), &what) == 0) errno = EEXIST;
      else status = ::rename(beside.c_str(), path.c_str());
    }
  } else {
    status = ::rename(beside.c_str(), path.c_str());
  }
  if (status != 0) {
    const int error = errno;
    ::unlink(beside.c_str());
    if (error == EEXIST) return Failure{path + ": is there already; move it away first"};
    return because(path, "cannot be written: ", error);
  }
  flush_folder(path);
  return Done{};
}

Outcome<Done> make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return Failure{path + ": " + error.message()};
  if (!std::filesystem::is_directory(path, error)) return Failure{path + ": not a folder"};
  return Done{};
}

}  // namespace outrider::identity
