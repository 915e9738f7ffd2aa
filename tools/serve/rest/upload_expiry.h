// Uploads that nobody went on with.
#pragma once

#include <cstdint>

#include "engine/store.h"

namespace ramet::serve::rest {

// Removes uploads that were made, and last appended to, before `before` (nanoseconds since 1970);
// returns how many. One that is used meanwhile stays. Waits for the disk; the first error ends it,
// with what was removed so far gone.
Result<uint64_t> remove_resting_uploads(Store& store, int64_t before);

}  // namespace ramet::serve::rest
