#include "base/random.h"

#include <sys/random.h>

#include <ctime>

namespace outrider {

uint64_t random_seed() {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != ssize_t(sizeof seed)) seed = uint64_t(time(nullptr));
  return seed;
}

}  // namespace outrider
