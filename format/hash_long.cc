// XXH3 of what is longer than a few words, with the widest vectors that the processor has: the
// library chooses when it runs (Debian builds it with its dispatcher on x86-64).
#include "format/hash_long.h"

#ifdef RAMET_XXHASH_DISPATCH
#include <xxh_x86dispatch.h>
#else
#define XXH_INLINE_ALL
#include <xxhash.h>
#endif

namespace ramet {

uint64_t xxh3_long(ByteView bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace ramet
