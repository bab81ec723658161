#pragma once
// The configuration's life: read again when it changes, kept, judged, and taken back.

#include <optional>
#include <string>
#include <vector>

#include "config/diff.h"
#include "config/load.h"
#include "net/loop.h"
#include "server/config_marks.h"
#include "server/guard.h"
#include "server/history.h"
#include "stats/stats.h"

namespace outrider::server {

class ReloadTarget {
 public:
  virtual std::string apply(config::Document next) = 0;  // all or nothing; empty, or why not
  virtual const config::Document& document() const = 0;  // in force

 protected:
  ~ReloadTarget() = default;
};

// Looks at the file, and at those that it takes in (`routes_from`), about once a second (config.watch), and takes what is there
// once two looks have seen the same: a file that is being written is nothing yet. All of them are one version. Owned by the
// supervisor; control loop.
class Reloader final : GuardEvents {
 public:
  struct Settings {
    config::Sources sources;  // with `text`: what is served at first
    milliseconds look{1000};
    std::string trouble;  // what is served at first is not what the file says: why
  };
  enum class Result : uint8_t { Applied, Unchanged, Refused };
  struct Asked {
    std::string source, author;                                  // an empty author: whoever owns the file
    std::optional<std::string> text = {};                        // in place of the file's
    std::optional<std::vector<config::Included>> included = {};  // in place of what the text takes in
  };
  struct Done {
    Result result = Result::Refused;
    uint32_t number = 0;                             // in the history, of what is served now
    std::string why;                                 // it was refused, for people; a line at least
    std::vector<config::Complaint> complaints = {};  // warnings too
    std::vector<config::Difference> changes = {};    // what it does to traffic; of very large configurations none
  };
  Reloader(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard, Settings settings, ReloadTarget& target);
  ~Reloader();
  void start();  // what is served is the first version
  Done reload(Asked asked);
  Done roll_back(std::optional<uint32_t> to, const std::string& author);  // none: the one before
  const History& history() const { return history_; }
  uint32_t current() const { return current_; }
  const std::string& trouble() const { return trouble_; }  // what a person should know of it; empty: nothing

  // The document that a start begins with: the file's, or where that cannot be used, or was taken back by the guard, the last
  // good version, of which `settings` then says why. Null: there is none, and `complaints` says what is wrong.
  static std::optional<config::Document> first(config::Sources sources, Settings& settings,
                                               std::vector<config::Complaint>& complaints);

 private:
  void on_worse(const std::string& why) override;
  void on_passed(bool judged) override;
  void on_look();
  Done serve(const std::string& text, Asked asked);
  Done refuse(const Asked& asked, std::string why, std::vector<config::Complaint> complaints);
  void record(const std::string& text, const Asked& asked);
  const Version* good_before() const;
  net::Loop& control_;
  stats::Shard& shard_;
  Settings settings_;
  ReloadTarget& target_;
  History history_;
  Guard guard_;
  const stats::Slot applied_, refused_, unchanged_, last_, rollbacks_;
  uint32_t current_ = 0;
  std::string trouble_;
  ConfigMarks marks() const { return ConfigMarks::of(*settings_.sources.file, takes_in_); }
  std::vector<std::string> takes_in_;  // by the file
  ConfigMarks seen_, served_;          // at the last look; of what was read last
  net::BoundTimer<Reloader, &Reloader::on_look> look_{*this};
};

}  // namespace outrider::server
