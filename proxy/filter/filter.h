#pragma once
// What a filter is.

#include <memory>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "filter/call.h"

namespace outrider::config {
class Node;
}

namespace outrider::filter {

class Feed;
class IpRules;

enum class Verdict : uint8_t {
  Continue,  // next filter
  Pause,     // nothing more until call.resume(way); bytes that arrive meanwhile are held, with back-pressure
  Collect,   // from on_request() alone: the head waits here, and the request's body comes to on_collect()
  Answered,  // call.respond() was used; the request goes no further
};

enum class Hook : uint8_t { RequestHead = 1, RequestBody = 2, ResponseHead = 4, ResponseBody = 8, Complete = 16 };
constexpr Hook operator|(Hook a, Hook b) { return Hook(uint8_t(a) | uint8_t(b)); }
constexpr bool has(Hook set, Hook one) { return (uint8_t(set) & uint8_t(one)) != 0; }

// Built once per filter list when a configuration is compiled, then const and shared by all workers.
class Filter {
 public:
  virtual ~Filter() = default;
  virtual Hook hooks() const = 0;  // a hook not named here is never called
  virtual Verdict on_request(Call&) const { return Verdict::Continue; }
  // Behind Verdict::Collect, now and whenever more has come: what it takes out of `arrived` is done with, what it leaves there
  // is held with back-pressure. Collect: more; Continue: on to the next filter, and whoever is asked gets what it has left.
  virtual Verdict on_collect(Call&, Buffer& /*arrived*/, bool /*end*/) const { return Verdict::Continue; }
  // Sees every body byte once, in order, and once more with `end`, if need be with no bytes.
  virtual Verdict on_request_body(Call&, Buffer&, bool /*end*/) const { return Verdict::Continue; }
  virtual Verdict on_response(Call&) const { return Verdict::Continue; }
  virtual Verdict on_response_body(Call&, Buffer&, bool /*end*/) const { return Verdict::Continue; }
  virtual std::string_view cluster() const { return {}; }  // whom it asks; one of the configuration's
  virtual Verdict on_fetched(Call&, const Subrequest&) const { return Verdict::Continue; }  // Continue or Answered
  virtual Verdict on_waited(Call&, http::Way) const { return Verdict::Continue; }           // any of them
  virtual size_t piece(http::Way) const { return SIZE_MAX; }      // it wants of a body at a time, at most; more than 0
  virtual const IpRules* ip_rules() const { return nullptr; }     // who may connect, where it is in a listener's chain
  virtual std::shared_ptr<Feed> feed() const { return nullptr; }  // what it knows that changes
  virtual void on_complete(Call&) const {}                        // always, exactly once, also after a reset
};

// What went wrong with a filter's options, for the person who wrote them. Empty text: nothing.
struct Complaint {
  std::string path, message;
};

// One row of the table in filters/all.cc. `make` gives null and a complaint when the options are wrong.
struct Entry {
  std::string_view name;
  std::unique_ptr<const Filter> (*make)(const config::Node& options, Complaint& complaint);
};

}  // namespace outrider::filter
