// Merging runs: which, and how.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/index/index_notes.h"
#include "engine/index/index_run.h"

namespace ramet::engine {

// Of several entries of one prefix a merge keeps the newest ones, no more than these: blocks that
// are found again are not inserted again, so more than one means that older places were refused.
inline constexpr size_t kEntriesPerPrefixMax = 4;

// How many of the newest runs should become one, given the entries of each, newest first; 0 for
// none. As many as possible such that each is at most twice as large as all newer ones together:
// so n entries flushed m at a time stand in about log3(n / m) runs, and each is rewritten about
// 2 log3(n / m) times. Only merges of at most `entries_max` entries are chosen, but more than
// `runs_max` runs are brought down whatever it costs. Pure.
size_t choose_merge(std::span<const uint64_t> entries, uint64_t entries_max, size_t runs_max);

// Adds all entries of the runs (the newest first) to the writer, in order, but for those of
// forgotten segments (ascending). Damaged windows are left out, with a note. Memory: 256 KiB a
// run. An error is the device's.
Status merge_runs(const RunList& runs, std::span<const SegmentNo> forgotten, RunWriter& writer,
                  IndexNotes& notes);

}  // namespace ramet::engine
