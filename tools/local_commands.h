// Commands that other processes hand over to a daemon: the program's own, on the store that the
// daemon has open.
#pragma once

#include <memory>
#include <string>

#include "engine/store.h"
#include "format/result.h"
#include "tools/serve/local_door.h"

namespace ramet::tools {

// Runs commands on `store` from now on, until the door is stopped: before the store is closed, and
// before it is destroyed. `path` is the store's directory as it was opened, absolute, since threads
// of commands have working directories of their own (kInvalidArgument). Errors as
// LocalDoor::open(); `options` may leave out what is known here.
Result<std::unique_ptr<serve::LocalDoor>> open_local_door(Store& store, const std::string& path,
                                                          serve::LocalDoor::Options options = {});

}  // namespace ramet::tools
