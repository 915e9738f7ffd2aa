// XXH3-64 for inputs that are worth a call into a library. Thread-safe.
#pragma once

#include "format/bytes.h"

namespace ramet {

// Of any length; equal to xxh3_seeded().
uint64_t xxh3_long(ByteView bytes, uint64_t seed);

}  // namespace ramet
