#pragma once
// What a filter knows that changes while it is used: lists of users, keys.

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/log.h"
#include "identity/file_mark.h"
#include "identity/files.h"

namespace outrider::filter {

// Owned by its filter and by the snapshot the filter is part of. Control thread.
class Feed {
 public:
  virtual ~Feed() = default;
  virtual std::string load() = 0;  // before the first request; empty, or why not
  virtual void look() = 0;         // about once a second: has it changed?
};

// The newest value of something: set by one thread, asked by workers for each request. Any thread.
template <class T>
class Newest {
 public:
  std::shared_ptr<const T> get() const {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  void set(std::shared_ptr<const T> next) {
    const std::lock_guard lock(mutex_);
    now_.swap(next);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> now_;
};

// One file, read again whenever it is another. What cannot be used changes nothing, and the log says why.
template <class T>
class FileFeed final : public Feed {
 public:
  using Read = identity::Outcome<std::shared_ptr<const T>> (*)(std::string_view text);
  FileFeed(std::string path, Read read) : path_(std::move(path)), read_(read) {}
  std::string load() override {
    seen_ = identity::FileMark::of(path_);
    auto text = identity::read_file(path_);
    if (!text) return text.why();
    auto value = read_(*text);
    if (!value) return path_ + ": " + value.why();
    newest_.set(std::move(*value));
    return {};
  }
  void look() override {
    if (identity::FileMark::of(path_) == seen_) return;
    if (const std::string problem = load(); !problem.empty())
      log::warn("a changed file cannot be used, what it said before stays", {{"why", problem}});
    else log::info("read again", {{"file", path_}});
  }
  std::shared_ptr<const T> get() const { return newest_.get(); }  // any thread

 private:
  const std::string path_;
  const Read read_;
  identity::FileMark seen_;
  Newest<T> newest_;
};

}  // namespace outrider::filter
