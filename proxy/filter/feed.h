#pragma once
// What a filter knows that changes while it is used: lists of users, keys.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/time.h"
#include "filter/url.h"
#include "identity/file_mark.h"
#include "identity/files.h"

namespace outrider::filter {

// What is fetched from elsewhere, and how. Constant.
struct Download {
  std::string text;  // the URL as it was written
  Url url;
  std::string ca;  // file of authorities; empty: the system's
  milliseconds refresh{300'000},
      retry{10'000};           // from one to the next; the least of that: after a failure, or when one is wanted
  milliseconds timeout{5000};  // of one, behind the look-up of its host
  size_t max_size = 256 * 1024;
};

class Shared;

// Owned by its filter and by the snapshot the filter is part of. Control thread.
class Feed {
 public:
  virtual ~Feed() = default;
  virtual void stands_at(const std::string& /*place*/) {}       // in whose configuration, and where; before load()
  virtual std::string load() = 0;                               // before the first request; empty, or why not
  virtual void look() = 0;                                      // about once a second: has it changed?
  virtual const Download* download() const { return nullptr; }  // what is to be fetched for it; null: nothing
  virtual std::string take(std::string_view) { return {}; }     // that has been fetched; empty, or why it cannot be used
  virtual Shared* shared() { return nullptr; }                  // what it counts together with others; null: nothing
  virtual bool wanted() { return false; }                       // has somebody asked for a new one since this was called last?
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

// A feed of values of one kind.
template <class T>
class FeedOf : public Feed {
 public:
  using Read = identity::Outcome<std::shared_ptr<const T>> (*)(std::string_view text);
  explicit FeedOf(Read read) : read_(read) {}
  std::shared_ptr<const T> get() const { return newest_.get(); }  // any thread; null: nothing has come yet
  void want() {                                                   // any thread: what there is will not do
    if (!wanted_.load(std::memory_order_relaxed)) wanted_.store(true, std::memory_order_relaxed);
  }
  std::string take(std::string_view text) override {
    auto value = read_(text);
    if (!value) return value.why();
    newest_.set(std::move(*value));
    return {};
  }
  bool wanted() override { return wanted_.exchange(false, std::memory_order_relaxed); }

 private:
  const Read read_;
  Newest<T> newest_;
  std::atomic<bool> wanted_{false};
};

// One file, read again whenever it is another. What cannot be used changes nothing, and the log says why.
template <class T>
class FileFeed final : public FeedOf<T> {
 public:
  FileFeed(std::string path, typename FeedOf<T>::Read read) : FeedOf<T>(read), path_(std::move(path)) {}
  std::string load() override {
    seen_ = identity::FileMark::of(path_);
    auto text = identity::read_file(path_);
    if (!text) return text.why();
    const std::string problem = this->take(*text);
    return problem.empty() ? problem : path_ + ": " + problem;
  }
  void look() override {
    if (identity::FileMark::of(path_) == seen_) return;
    if (const std::string problem = load(); !problem.empty())
      log::warn("a changed file cannot be used, what it said before stays", {{"why", problem}});
    else log::info("read again", {{"file", path_}});
  }

 private:
  const std::string path_;
  identity::FileMark seen_;
};

// What a URL answers with. Until it has answered once there is nothing.
template <class T>
class UrlFeed final : public FeedOf<T> {
 public:
  UrlFeed(Download from, typename FeedOf<T>::Read read) : FeedOf<T>(read), from_(std::move(from)) {}
  std::string load() override { return {}; }
  void look() override {}
  const Download* download() const override { return &from_; }

 private:
  const Download from_;
};

}  // namespace outrider::filter
