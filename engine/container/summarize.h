// What entries add to the summaries of the trees that hold them.
#pragma once

#include "format/bytes.h"
#include "format/summary.h"

namespace ramet::engine {

// What one leaf entry adds to summaries (docs/format.md#trees): catalog entries add what their
// trees hold, container entries by their key space.
Summary summarize_entry(ByteView key, ByteView value);

}  // namespace ramet::engine
