#include "tests/support/counted_calls.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

#include <dlfcn.h>
#include <pthread.h>

#include <cstddef>

using outrider::test::allocations;
using outrider::test::counting;
using outrider::test::locks;

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);

void* malloc(size_t n) {
  allocations += counting;
  return __libc_malloc(n);
}
void* calloc(size_t n, size_t size) {
  allocations += counting;
  return __libc_calloc(n, size);
}
void* realloc(void* at, size_t n) {
  allocations += counting;
  return __libc_realloc(at, n);
}
int pthread_mutex_lock(pthread_mutex_t* mutex) {
  using Lock = int (*)(pthread_mutex_t*);
  static Lock real = nullptr;
  if (!real) real = reinterpret_cast<Lock>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  locks += counting;
  return real(mutex);
}
}

#endif
