// What a store begins with: its superblocks, and the two copies of the checkpoint that the newer
// of them names.
#pragma once

#include <memory>
#include <string>

#include "engine/check/check_run.h"
#include "engine/recovered_store.h"

namespace ramet::engine {

// False: neither superblock can be read, and there is nothing to go on from. Another process may
// write meanwhile: what looks wrong is believed when two readings in a row are the same bytes, for
// then both files stood so at one moment (double collect: Afek, Attiya, Dolev, Gafni, Merritt,
// Shavit, "Atomic Snapshots of Shared Memory", JACM 1993). kNotFound (no such directory),
// kFailedPrecondition (not a store), kBusy (they never stood still).
Result<bool> check_superblocks(io::Env& env, const std::string& path, CheckRun& run);

// Requires: the store was recovered. kIoError only.
Status check_checkpoint_copies(RecoveredStore& store, CheckRun& run);

// Whether there is a newer superblock than that generation by now: what was read of an older
// checkpoint may have been replaced.
bool is_outdated(const std::shared_ptr<io::Env>& env, const std::string& path,
                 uint64_t generation);

}  // namespace ramet::engine
