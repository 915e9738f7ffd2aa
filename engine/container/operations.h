// Operations: what a commit does to the trees, as values; their encoding in the log; and their
// application to a state. Live commits and recovery go through the same apply_operations(), so
// the same history gives the same trees [INV-9].
#pragma once

#include <optional>
#include <vector>

#include "engine/block/block_store.h"
#include "engine/tree/tree.h"
#include "format/block_ref.h"
#include "format/bytes.h"
#include "format/result.h"

namespace ramet::engine {

// References to blocks that get their slot only when the commit is placed in the log have this
// segment, and the index among the commit's pending blocks as slot.
inline constexpr SegmentNo kPendingSegment = 0xFFFFFFFF;

// Values are on disk (format/commit.fbs).
enum class OperationKind : uint8_t {
  kPut = 0,
  kPutRooted = 1,
  kErase = 2,
  kEraseRange = 3,
  kKeepRange = 4,
  kGraft = 5,
};

// A tree that was written before, as a commit names it.
struct WrittenRoot {
  BlockRef ref;  // null: the empty tree
  uint8_t level = 0;
  Sequence birth = 0;
  Summary summary;
};

// Requires: a clean root (persisted).
WrittenRoot written_root(const Root& root);
Root root_from(const WrittenRoot& written);

struct Operation {
  OperationKind kind = OperationKind::kPut;
  Bytes key;
  Bytes value;
  std::vector<BlockRef> refs;
  Bytes to;       // ranges: exclusive end; empty: to the end
  Bytes root_of;  // kPutRooted: catalog key whose current tree is shared; may be `key` itself
  std::optional<WrittenRoot> root;

  static Operation put(Bytes key, Bytes value, std::vector<BlockRef> refs = {});
  static Operation erase(Bytes key);
  static Operation erase_range(Bytes from, Bytes to);
  static Operation graft(Bytes from, Bytes to, const WrittenRoot& root);
  // A catalog entry with a tree: the one that `root_of` has at this place in the log; empty
  // `root_of`: the empty tree.
  static Operation put_rooted(Bytes key, Bytes value, Bytes root_of);
};

// Operations on one tree, in order. `tree` is its catalog key; empty: the catalog itself.
struct TreeOperations {
  Bytes tree;
  std::vector<Operation> operations;
};

struct CommitRecord {
  Sequence sequence = 0;
  Epoch epoch = 0;
  int64_t time = 0;
  uint64_t previous_chain = 0;
  Sequence synced_through = 0;
  uint64_t id_sequence = 0;
  std::vector<SlotBound> leans_on;
  std::vector<TreeOperations> trees;
};

Bytes encode_commit(const CommitRecord& record);
// kCorruption for anything malformed; never crashes on any bytes [INV-8].
Result<CommitRecord> decode_commit(ByteView payload);

// The catalog after the operations. The trees before stay as they are, also on failure.
Result<Root> apply_operations(TreeContext& context, const Root& catalog,
                              const std::vector<TreeOperations>& trees, Sequence sequence);

// Replaces pending references by the places the blocks got.
void resolve_pending(std::vector<TreeOperations>& trees, const std::vector<BlockRef>& placed);

}  // namespace ramet::engine
