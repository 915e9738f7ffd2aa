// fsck: checks a store from its files alone, changes nothing, and says what it found, what that
// means and what to do. It opens what Store::open() refuses, as far as it can be read, and it may
// run while another process has the store open: then it looks at the last checkpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/object.h"
#include "format/result.h"
#include "io/env.h"

namespace ramet {

struct CopyProgress;  // engine/import.h

enum class Severity : uint8_t {
  kLost,     // something that was stored cannot be read, or is not what it was
  kDamage,   // nothing is lost, but a copy, a count or a structure is not as it must be
  kHint,     // what is made anew by itself: the index, leftover files
};
std::string_view severity_name(Severity severity);  // "lost", "damage", "hint"

// What can be found. Codes are stable: scripts may rely on them.
struct FindingKind {
  std::string_view code;  // "node-unreadable"
  Severity severity = Severity::kDamage;
  std::string_view meaning;  // one or two sentences
  std::string_view action;   // what to do
};
// By code, ascending. docs/fsck.md has the same list.
std::span<const FindingKind> finding_kinds();
// Requires: a code of the list.
const FindingKind& finding_kind(std::string_view code);

struct Finding {
  const FindingKind* kind = nullptr;
  // Where, as far as that says something.
  std::string file;
  uint64_t offset = 0;      // in the file
  SegmentNo segment = 0;
  std::optional<Slot> slot;
  std::string container;    // name; of a catalog entry, what stands there
  std::string snapshot;
  std::string path;         // of the object or folder, if its name can be read
  std::optional<IdBytes> id;
  std::string message;      // what exactly is wrong
};

struct FsckOptions {
  std::shared_ptr<io::Env> env;  // null: the default
  bool data = false;             // reads every block, too; else only what describes them
  unsigned threads = 0;          // 0: one for each processor
  uint64_t node_cache_bytes = 64u << 20;
  // Bytes of metadata (and data) to read, known before the first tree is read, and read so far;
  // from 0 again when the check begins again. Its `cancel` ends it with kCancelled.
  CopyProgress* progress = nullptr;
};

struct FsckReport {
  uint64_t lost = 0, damage = 0, hints = 0;  // findings
  uint64_t sequence = 0;       // the last commit that was looked at
  uint64_t segments = 0;
  uint64_t nodes = 0;          // tree nodes, each once
  uint64_t roots = 0;          // containers, snapshots, and dropped ones
  uint64_t objects = 0;        // of all roots
  uint64_t slots = 0;          // whose counts were compared
  uint64_t bytes_read = 0;     // as they are stored
  uint64_t peak_nodes = 0;     // that were remembered
  bool open_elsewhere = false;
  // How often the check began again with a newer checkpoint, since what it read of an older one had
  // been replaced meanwhile. Only if open_elsewhere.
  uint64_t restarts = 0;
  bool is_sound() const { return lost == 0 && damage == 0; }
};

// Calls `report` for each finding (from one thread at a time): as it is made or, if the store is
// open elsewhere, in the end, since what reclaim replaces meanwhile is no finding. kNotFound,
// kFailedPrecondition (no store), kCancelled, kIoError, kBusy (checkpoints of the other process
// follow each other faster than one can be checked); damage is no error, but a finding.
Result<FsckReport> fsck(const std::string& path, const FsckOptions& options,
                        const std::function<void(const Finding&)>& report);

}  // namespace ramet
