#pragma once
// What the registry says of the services that are asked for by name.

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "base/intrusive_list.h"
#include "discovery/registry.h"
#include "net/loop.h"

namespace outrider::dns {

// Watches a service from the first question for it until nobody has asked for `idle`; one that is not there, until its "no" has
// been forgotten by whoever asked. Bounded: of those that nobody waits for the one that was asked for least recently goes first.
// So whoever asks for names that he makes up has the registry look for `most` of them at a time, and no more. Owned by the
// server; control loop.
class Directory final : discovery::Watcher {
 public:
  using Known = discovery::Known;
  class Waiter : public ListHook<Waiter> {
   public:
    virtual void on_known() = 0;  // once, when something is known of what it waits for

   protected:
    ~Waiter() = default;
  };
  struct Entry {
    Known known = Known::NotYet;
    std::vector<std::shared_ptr<const discovery::Instance>> all;
    TimePoint used{};
    IntrusiveList<Waiter> waiting;
  };
  Directory(net::Loop& loop, size_t most, milliseconds idle) : loop_(loop), most_(most), idle_(idle) {}
  ~Directory();
  void ask(discovery::Registry* registry) { registry_ = registry; }  // whom; null: there is none, and nothing is ever known
  Entry* find(const std::string& service);                           // null: there is no room, all of it is being waited for
  bool has_registry() const { return registry_ != nullptr; }
  size_t size() const { return entries_.size(); }

 private:
  void on_instances(const std::string& service, Known known,
                    std::vector<std::shared_ptr<const discovery::Instance>> all) override;
  bool make_room();
  void on_sweep();
  net::Loop& loop_;
  const size_t most_;
  const milliseconds idle_;
  discovery::Registry* registry_ = nullptr;
  std::unordered_map<std::string, std::unique_ptr<Entry>, StringHash, std::equal_to<>> entries_;
  net::BoundTimer<Directory, &Directory::on_sweep> sweep_{*this};
};

}  // namespace outrider::dns
