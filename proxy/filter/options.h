#pragma once
// What the options of filters have in common.

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/time.h"
#include "config/node.h"
#include "filter/filter.h"

namespace outrider::filter {

// Fields that say how long a message is, or that concern one connection, or that route it: the proxy's own business.
bool is_reserved(std::string_view name);

// Reads one map of options; the first thing that is wrong with it is the complaint. Lives for one make().
class Options {
 public:
  Options(const config::Node& node, Complaint& complaint) : node_(node), complaint_(complaint) {}
  bool only(std::initializer_list<std::string_view> keys);                // no others
  bool text(const char* key, std::string& out, bool required = false);    // one line
  bool file(const char* key, std::string& out);                           // "file:/path"; required
  bool header(const char* key, std::string& out, bool required = false);  // a name the proxy has no business of its own with
  bool texts(const char* key, std::vector<std::string>& out);
  bool flag(const char* key, bool& out);
  bool duration(const char* key, milliseconds& out, milliseconds least, milliseconds most);
  bool size(const char* key, size_t& out, size_t most);  // in bytes
  bool share(const char* key, double& out);              // "5%"
  bool number(const char* key, uint64_t& out, uint64_t least, uint64_t most);
  bool fail(std::string path, std::string message);
  // The map below that key, read by `inner` with options of its own; not there: true.
  template <class Inner>
  bool map(const char* key, Inner inner) {
    const config::Node* node = node_.find(key);
    if (!node || node->is_null()) return true;
    Options below(*node, complaint_);
    if (inner(below)) return true;
    complaint_.path = complaint_.path.empty() ? key : std::string(key) + "." + complaint_.path;
    return false;
  }
  const config::Node* find(const char* key) const { return node_.find(key); }

 private:
  const config::Node& node_;
  Complaint& complaint_;
};

}  // namespace outrider::filter
