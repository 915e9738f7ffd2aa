// Cloning folders and objects into an existing container: new entries that share every block.
#pragma once

#include "engine/clone.h"
#include "format/result.h"

namespace ramet::engine {

class StoreImpl;

// Requires: a checked spec with a target. Atomic: one commit or nothing. Cost by what is selected.
Result<CloneResult> clone_part(StoreImpl& store, const CloneSpec& spec);

}  // namespace ramet::engine
