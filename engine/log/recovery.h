// Recovery of the commit stream: walks the groups behind a position and tells the torn tail, which
// may be dropped, from damage, which must be reported.
//
// Invariants:
//   [LOG-4] a bad group is damage if a later valid commit's synced_through covers it, or a synced
//           mark does, or a footer stands behind it, or it lies before the recorded durable end,
//           or the segment that follows holds a frame; else it is a torn tail. Guards:
//           acknowledged commits dropped as a tail; crashes reported as damage. Held by:
//           is_damage(), has_successor(). Parent: INV-7.
//   [LOG-5] a group counts only if all of it is valid, so no commit is believed whose blocks are
//           torn. Held by: read_group(). Parent: INV-1.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/block/block_store.h"
#include "format/superblock.h"

namespace ramet::engine {

struct LogWalk {
  LogPosition end;              // behind the last good group
  uint64_t commits = 0;
  uint64_t bytes = 0;
  std::vector<SegmentNo> segments;  // in order; registered with the block store as far as `end`
  std::optional<Error> damage;      // why the walk ended early; absent: at the end or a torn tail
};

// A commit as it stands in the log.
struct LoggedCommit {
  Sequence sequence = 0;
  uint64_t previous_chain = 0;
  Bytes payload;
};

// Every whole group of a commit segment that holds commits, in file order; what cannot be read
// between them is passed over. For who looks for what can still be had: nothing here says which of
// them count. `visit` gets where the group begins; an error it returns ends the walk.
Status each_group(io::File& file, uint64_t seed,
                  const std::function<Status(uint64_t offset, std::span<const LoggedCommit>)>&
                      visit);

// Walks from `from`. `apply` gets each commit's payload in order, its chain and sequence already
// checked; an error it returns ends the walk and is returned, except kCorruption, which becomes
// `damage`. `durable_end` is the superblock's. Reads only.
Result<LogWalk> walk_log(BlockStore& blocks, const LogPosition& from,
                         const LogPosition& durable_end,
                         const std::function<Status(Sequence, ByteView)>& apply);

}  // namespace ramet::engine
