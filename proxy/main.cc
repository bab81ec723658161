#include <csignal>

#include "net/tls_memory.h"
#include "server/verb.h"

int main(int count, char** words) {
  outrider::net::keep_record_buffers();
  std::signal(SIGPIPE, SIG_IGN);  // a peer that left is an error of write(2), not the end of the process
  return outrider::server::run_command({words + 1, words + count});
}
