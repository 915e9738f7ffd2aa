// The command line's end of the door to a daemon (tools/serve/local_door.h): while one holds the
// store, commands run there.
#pragma once

#include <optional>
#include <string>

#include "format/result.h"
#include "tools/commands.h"
#include "tools/serve/utc_offsets.h"

namespace ramet::tools {

// Hands this process's command (Context::arguments) to the daemon that holds the store, and waits
// for its end: its exit code, after which nothing is left to print; kExitReaderGone: as if SIGPIPE
// had ended it. Nothing: no daemon does. A signal that asks this process for an end is passed on.
// kCancelled: before anything was begun; kPermissionDenied: the daemon is another user's;
// kUnsupported: it is another version; kBusy: it runs too many already; kIoError: it ended before
// the command did.
Result<std::optional<int>> hand_over(Context& context, const std::string& store);

// kBusy with a hint, naming the process, if a daemon holds the store: for commands that need the
// store for themselves.
Status require_no_daemon(Context& context, const std::string& store);

// This process's time zone (localtime_r()) from 1900 to 2200.
serve::UtcOffsets offsets_of_this_zone();

}  // namespace ramet::tools
