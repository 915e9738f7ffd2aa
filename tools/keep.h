// What commands share that make and keep snapshots and containers for a time.
#pragma once

#include <cstdint>
#include <string>

#include "tools/commands.h"
#include "tools/path_spec.h"

namespace ramet::tools {

// container@snapshot, nothing else. kInvalidArgument with a hint.
Result<PathSpec> snapshot_name(Context& context, const std::string& text);

// When something expires that has this time to live from now on, as `--ttl` gives it; 0 for an
// empty text. kInvalidArgument.
Result<int64_t> expiry_of(const std::string& ttl);

}  // namespace ramet::tools
