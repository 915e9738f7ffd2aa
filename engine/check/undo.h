// What a repair leaves so that it can be taken back: copies of both superblock files, and the list
// of the segment files that were there (docs/format.md#repair).
#pragma once

#include <set>
#include <string>

#include "format/superblock.h"
#include "io/env.h"

namespace ramet::engine {

inline constexpr const char* kUndoListName = "undo.list";
inline constexpr const char* kUndoSuperblockNames[2] = {"undo.superblock.0", "undo.superblock.1"};

struct UndoRecord {
  Epoch epoch = 0;       // of the repair's own life
  Sequence sequence = 0; // of its state
  bool had_superblock[2] = {false, false};
  uint64_t superblock_hash[2] = {0, 0};  // XXH3-64 of the copy
  std::set<std::string> segment_files;
};

// The bytes of `undo.list`. What decode_undo() accepts it gives again, byte for byte; it refuses
// all else with kCorruption and takes memory within a small multiple of its input [INV-8]. Pure.
Bytes encode_undo(const UndoRecord& record);
Result<UndoRecord> decode_undo(ByteView bytes);

// Saves what there is now; durable when it returns. The list comes last, and what an attempt that
// never came to its end has left of one goes first.
Status save_undo(io::Env& env, const std::string& path, Epoch epoch, Sequence sequence);
// kNotFound: there is none. kCorruption: it cannot be read.
Result<UndoRecord> load_undo(io::Env& env, const std::string& path);
// Whether an undo was cut short (or a repair, before its superblocks). So it is if every superblock
// that can be read is as it was saved, one of those that could be read then is among them (if any
// could), and nobody has used the store since: no segment is of a later life than the repair's.
// Where that cannot be told, it is not.
Result<bool> is_undo_begun(io::Env& env, const std::string& path, const UndoRecord& record);
// kCorruption: the copies are not those of the list; nothing was changed.
// Superblocks first, one after the other, valid ones before others, then the files that the repair
// made. May be cut short and called again.
Status restore_undo(io::Env& env, const std::string& path, const UndoRecord& record);
// Removes the list, then the copies: without it they mean nothing.
Status remove_undo(io::Env& env, const std::string& path);

}  // namespace ramet::engine
