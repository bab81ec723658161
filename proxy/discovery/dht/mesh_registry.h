#pragma once
// A registry that is a network: what the server and its pages ask of it, whether or not this build has one.

#include "discovery/catalog.h"
#include "discovery/dht/options.h"
#include "discovery/registry.h"

namespace outrider::discovery {

// Implemented by DhtRegistry. Owned by the supervisor; control loop.
class MeshRegistry : public Registry {
 public:
  virtual std::string start() = 0;  // empty, or why it cannot: "0.0.0.0:4222: address already in use"
  virtual void stop() = 0;          // withdraws what is announced; blocks up to `farewell`
  virtual void set_identity(std::shared_ptr<const identity::Identity> identity) = 0;  // rotated: records are signed anew

  // Another process takes our place: its socket, and from here on we neither hear nor say anything. Then either all is as it was
  // before, and what was announced is said again; or stop() says nothing to anybody, for it is still there.
  virtual int fall_silent() = 0;  // a descriptor for that process; -1: there is none
  virtual void speak_again() = 0;
  virtual void leave_silently() = 0;

  virtual net::Address local() const = 0;  // after start()
  virtual bool answering() const = 0;      // somebody in the network does
  virtual DhtFacts facts() const = 0;      // a second old at most
  virtual void list() = 0;                 // services are listed by name: facts() will say which, for a minute
  virtual const DhtStats& stats() const = 0;
  virtual std::vector<Catalog::Summary> services() const = 0;                     // watched ones
  virtual std::vector<Catalog::Held> held(const std::string& service) const = 0;  // each record, also unused ones
  virtual Catalog::Counts records() const = 0;
};

}  // namespace outrider::discovery
