#include "net/tls_memory.h"

#include <malloc.h>
#include <openssl/crypto.h>

#include <array>
#include <cstdlib>

namespace outrider::net {

namespace {

constexpr size_t kLeast = 16 * 1024, kRecord = 17 * 1024;  // a record's buffer: its 16 KiB, its head and seal, and alignment

// The last ones given back. Trivial, because OpenSSL frees at the ends of threads, too, behind every destructor: eight of
// them are all that a thread can leave behind.
struct Spare {
  std::array<void*, 8> blocks;
  size_t count;
};
thread_local Spare spare;

void* take(size_t n, const char*, int) {
  if (n < kLeast || n > kRecord) return std::malloc(n);
  return spare.count > 0 ? spare.blocks[--spare.count] : std::malloc(kRecord);
}

void* resize(void* block, size_t n, const char*, int) { return std::realloc(block, n); }

// Whatever is as large as a record's buffer will do as one.
void give(void* block, const char*, int) {
  const size_t size = block ? malloc_usable_size(block) : 0;
  if (size < kRecord || size > kRecord + 64 || spare.count == spare.blocks.size()) return std::free(block);
  spare.blocks[spare.count++] = block;
}

}  // namespace

void keep_record_buffers() {
  // Where memory is watched for misuse, each block is to be freed.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  CRYPTO_set_mem_functions(take, resize, give);
#endif
}

}  // namespace outrider::net
