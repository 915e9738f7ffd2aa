// How what inspect finds is printed: as JSON, or as text for people. Both write while things come,
// so that lists may be longer than memory. Not thread-safe.
#pragma once

#include <memory>

#include "engine/inspect.h"
#include "tools/commands.h"

namespace ramet::tools {

// An output for --json, or for people. Its document is complete when it is destroyed, also after an
// error. The context must outlive it.
std::unique_ptr<InspectOutput> make_inspect_output(Context& context);

}  // namespace ramet::tools
