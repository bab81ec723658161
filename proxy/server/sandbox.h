#pragma once
// What this process may still do once it runs: no capability it has no need of, no way to gain one, no core dump of its keys,
// and no system call but those a proxy makes.

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "config/document.h"

namespace outrider::server {

// Not with a sanitizer, which looks into its own process as a debugger would.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kConfines = false;
#else
constexpr bool kConfines = true;
#endif

bool holds_keys(const config::Document& document);
std::vector<std::string> files_of(const config::Document& document);  // that are read again while it runs

bool binds_low_port(const config::Document& document);            // once listeners and pages are open
bool takes_others_connections(const config::Document& document);  // by TPROXY, and asks the app in their name

// The files named here can only be read with the capabilities of root: that one is kept. `signals`: so is the one that
// reaches an app which has become another user. `low_port`: one port below 1024 may yet be bound, by net::bind_at().
// `transparent`: sockets may have addresses of others (net/transparent.h). Of the calling thread, and of those it starts from
// then on. Empty, or why not.
std::string drop_capabilities(const std::vector<std::string>& files, bool signals, bool low_port, bool transparent = false);

// No core dumps, and no other process of this user that reads our memory.
void keep_memory_private();

// Every thread, for good: privileges cannot be gained by exec, and a system call that is not on the list fails with EPERM.
// `app`: whom signals may be sent to; 0: nobody. Empty, or why not; the process then goes on as it was.
std::string confine(pid_t app);

// System calls that have been refused. The first is said in the log, by whoever calls this next; control loop.
uint64_t refused_calls();

}  // namespace outrider::server
