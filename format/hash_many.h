// BLAKE3 of several inputs at once. A single input keeps all vector lanes busy only for each full
// 16 KiB of it; what is left over of several is hashed side by side here.
#pragma once

#include <span>

#include "format/hash.h"

namespace ramet {

// names[i] = blake3(inputs[i]). Thread-safe. Memory: 32 bytes for each KiB of input, twice.
// Requires: as many names as inputs.
void blake3_many(std::span<const ByteView> inputs, std::span<ContentHash> names);

}  // namespace ramet
