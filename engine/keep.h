// Keeping and letting go: how things are dropped, taken back, rolled back and when they expire.
// Plain values; times are nanoseconds since 1970.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/object.h"
#include "engine/retention.h"
#include "format/ids.h"
#include "format/summary.h"

namespace ramet {

struct DropOptions {
  // Its space may be given back at once, and it can't be taken back. Else it can for the store's
  // drop grace at least, unless the disk gets nearly full.
  bool now = false;
};

// Names what one drop dropped. Numbers grow with time and are never used twice.
using DropNumber = uint64_t;
// A number is the commit's, times this, plus that of the thing among those that it dropped.
inline constexpr DropNumber kDropPartsMax = DropNumber{1} << 24;

// A dropped container or snapshot that can be taken back.
struct DroppedInfo {
  DropNumber number = 0;
  ContainerId container;
  std::string name;        // of the container when it (or its snapshot) was dropped
  std::string snapshot;    // empty: the container itself, with its snapshots
  int64_t dropped = 0;
  int64_t kept_until = 0;  // may be released from then on, or earlier on a nearly full disk
  uint64_t snapshots = 0;  // that come back with the container
  Summary summary;         // of its content, its snapshots left out
};

struct UndeleteResult {
  ContainerId container;
  std::string name;        // of the container
  std::string snapshot;    // empty: the container itself came back
  uint64_t snapshots = 0;  // that came back with it
  Sequence sequence = 0;   // of the commit
};

struct RollbackResult {
  std::string kept;       // the snapshot that holds the former head
  Sequence sequence = 0;  // of the commit
};

struct PruneOptions {
  RetentionPolicy policy;       // empty: the container's setting "keep"
  bool only_automatic = false;  // leaves what people named alone; always so with that setting
  bool dry_run = false;         // only say what would be done now
};

struct PrunedSnapshot {
  SnapshotInfo info;
  uint8_t kept_by = 0;  // retained(): bits of the rules; 0: dropped
};

struct PruneReport {
  RetentionPolicy policy;
  std::vector<PrunedSnapshot> snapshots;  // that the rules look at, newest first
  uint64_t dropped = 0;
};

struct SnapshotOptions {
  std::string note;
  int64_t expires = 0;     // dropped from then on; 0: never
  // The container's setting "keep" applies to it and to other automatic ones: what the rules do
  // not keep beside the new one is dropped in the same commit.
  bool automatic = false;
};

}  // namespace ramet
