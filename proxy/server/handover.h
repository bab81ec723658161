#pragma once
// What a process says to the one that takes its place, and that one to it.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

namespace outrider::server {

// One message, with the descriptor it speaks of beside it. Old and new version may differ: what is unknown is passed over, and
// what is behind the fields that are known is left alone.
struct Handed {
  enum class Kind : uint8_t {
    Greeting = 1,   // old: text = our instance in the registry, name = the service it is announced as, or "";
                    //      number = how often this has been done
    Listener,       // old: name, text = the address as configured, number = of which worker; with its socket
    Page,           // old: likewise: admin, health, metrics
    Tickets,        // old: name = listener, text = the keys of its session tickets
    Everything,     // old: these were all sockets
    RegistryAsked,  // new: name = the address it is to bind
    Registry,       // old: its answer, with the socket where that is the same address; it is silent from here on
    Failed,         // new: text = why it cannot; it ends
    Ready,          // new: it could serve
    Go,             // old: it is its turn, and the old one lets nobody in any more
    Connection,     // old: name = listener, or page with text = "page"; number = requests there were, more = its age in ms; with
                    //      the client's socket. There are no more once it hangs up
  };
  Kind kind = Kind::Greeting;
  std::string name, text;
  uint64_t number = 0, more = 0;
};
std::string write_handed(const Handed& message);
std::optional<Handed> read_handed(std::string_view bytes);  // none: it is no such message, or of a kind we do not know

// How a listening socket is found again: by the address as configured; where that says any port, by who listens, too.
std::string key_of_socket(std::string_view name, std::string_view address);

// What the process before us has left, from the start until it is our turn. Made by from_environment() where we were started for
// that; owned by the supervisor's settings. The thread that starts everything; blocks.
class Inheritance {
 public:
  ~Inheritance();
  Inheritance(const Inheritance&) = delete;
  Inheritance& operator=(const Inheritance&) = delete;
  // Null: a person started us. Takes the word out of the environment, so that no child of ours takes it for its own.
  static std::unique_ptr<Inheritance> from_environment();
  static constexpr const char* kWord = "_OUTRIDER_INHERITS";  // "CHANNEL,KEEPER": descriptors

  std::string receive(milliseconds limit);  // Greeting to Everything; empty, or why not
  // Taken, in the order of workers: the caller owns them. None: there were none, or they have been taken.
  std::vector<int> listeners(std::string_view name, std::string_view address);
  std::vector<int> page(std::string_view name, std::string_view address);
  std::string tickets(std::string_view listener) const;     // empty: none
  int registry(std::string_view bind, milliseconds limit);  // its socket, or -1; the one before has fallen silent
  void tell_failed(std::string_view why);
  const std::string& instance() const { return instance_; }  // empty: there was none
  const std::string& announced_as() const { return announced_as_; }
  uint64_t times() const { return times_; }
  int take_channel() { return std::exchange(channel_, -1); }  // once started: the loop goes on with it
  int take_keeper() { return std::exchange(keeper_, -1); }
  void drop_rest();  // sockets nobody asked for

 private:
  Inheritance(int channel, int keeper) : channel_(channel), keeper_(keeper) {}
  using Sockets = std::map<std::string, std::map<uint64_t, int>, std::less<>>;  // by key, by worker
  static std::vector<int> take(Sockets& from, std::string_view name, std::string_view address);
  int channel_, keeper_;
  Sockets listeners_, pages_;
  std::map<std::string, std::string, std::less<>> tickets_;
  std::string instance_, announced_as_;
  uint64_t times_ = 0;
};

}  // namespace outrider::server
