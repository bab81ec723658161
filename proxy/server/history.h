#pragma once
// Configurations that were served here.

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/time.h"
#include "config/included.h"
#include "identity/outcome.h"

namespace outrider::server {

struct Version {
  uint32_t number = 0;
  WallTime time{};
  std::string author;                           // a user's name, or "guard"
  std::string source;                           // "start", "file", "SIGHUP", "POST /config", "rollback to 3"
  std::string digest;                           // of the document
  std::string verdict;                          // "watched", "good", "rolled back: ...", "replaced", "not judged"
  std::string text;                             // as it was written: variables by their names
  std::vector<config::Included> included = {};  // what it took in, as it was then
  bool failed() const { return verdict.starts_with("rolled back"); }
};

// The last `keep` of them, each a file with a head of comments, which reads as the configuration it is: FOLDER/000012.yaml, 0600.
// Files that it took in stand behind it, as comments.
// Where nothing can be written they are kept in memory alone. One process has a folder at a time. Owned by the reloader; control
// loop, before it the thread that starts.
class History {
 public:
  History(std::string folder, uint32_t keep);  // empty folder: in memory
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;
  // Makes the folder, takes it and reads what is there. Empty, or why nothing is written.
  std::string open();
  const Version& add(Version version);  // gives it its number
  void judge(uint32_t number, std::string verdict);
  void keep(uint32_t most);
  const std::deque<Version>& all() const { return all_; }  // the oldest first
  const Version* find(uint32_t number) const;
  const std::string& folder() const { return folder_; }  // empty: in memory

  // Without taking it: the newest version in a folder that has not failed; none: there is none, or it cannot be read.
  static std::deque<Version> read(const std::string& folder);
  // Where the versions of one file are: DIR/NODE/hash of its path.
  static std::string folder_of(const std::string& dir, const std::string& node, const std::string& file);
  static std::string as_file(const Version& version);
  static std::string body_of(const Version& version);  // the same without its head
  static identity::Outcome<Version> parse(const std::string& text);

 private:
  void write(const Version& version);
  std::string path_of(uint32_t number) const;
  std::string folder_;
  std::string wanted_;  // somebody else had it: the process whose place we have taken may be gone by now
  uint32_t keep_;
  std::deque<Version> all_;
  int lock_ = -1;
  bool told_ = false;  // that it cannot be written
};

}  // namespace outrider::server
