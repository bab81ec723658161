#pragma once
// How often a thread calls malloc or takes a lock. For programs that link outrider_counted_calls.

namespace outrider::test {

inline thread_local bool counting = false;  // what follows on this thread counts
inline thread_local int allocations = 0, locks = 0;

// False where a sanitizer has put its own malloc in place: nothing is counted.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kCountsCalls = false;
#else
inline constexpr bool kCountsCalls = true;
#endif

}  // namespace outrider::test
