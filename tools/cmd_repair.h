// What fsck, scrub and scavenge share: which store they work on, how a place in it is written, how
// failures end, and running a repair and saying what it does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "format/ids.h"
#include "tools/commands.h"

namespace ramet::tools {

// Of fsck(8), unlike those of other commands.
enum FsckExit : int {
  kFsckSound = 0,
  kFsckMended = 1,
  kFsckErrorsLeft = 4,
  kFsckFailed = 8,
  kFsckCancelled = 32,
};

// Of --threads; more are as good as this many.
inline constexpr uint64_t kThreadsMax = 64;

struct RepairCommand {
  bool plan = false;
  bool apply = false;
  bool undo = false;
  bool accept = false;
  bool discard_commits = false;
  bool data = false;
  bool scavenge = false;
  uint64_t threads = 0;
  bool any() const { return plan || apply || undo || accept; }
};

// The directory as it was given, else as every command finds its store (tools/session.h).
Result<std::string> store_of(Context& context, const std::string& directory);

// What kept it from its end; returns the exit code.
int report_failure(Context& context, const Error& error);

// " prod@monday:/a/b", with the id where there is no path; empty without a container.
std::string place_text(const std::string& container, const std::string& snapshot,
                       const std::string& path, const std::optional<IdBytes>& id);

// Returns the exit code.
Result<int> run_repair(Context& context, const std::string& path, const RepairCommand& command);

}  // namespace ramet::tools
