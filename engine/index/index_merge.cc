#include "engine/index/index_merge.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <fmt/format.h>

namespace ramet::engine {
namespace {

// A run in the merge, with its next entry.
struct Source {
  std::unique_ptr<RunScanner> scanner;
  IndexEntry entry;
  size_t age = 0;  // 0: the newest
};

// For a heap whose top is the least prefix, the newest run first.
bool comes_later(const Source& a, const Source& b) {
  return a.entry.prefix != b.entry.prefix ? a.entry.prefix > b.entry.prefix : a.age > b.age;
}

}  // namespace

size_t choose_merge(std::span<const uint64_t> entries, uint64_t entries_max, size_t runs_max) {
  size_t chosen = 0;
  uint64_t newer = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const bool fits = newer <= entries_max && entries[i] <= entries_max - newer;
    if (i > 0 && fits && entries[i] / 2 <= newer) chosen = i + 1;
    newer += entries[i];
  }
  if (entries.size() > runs_max) chosen = std::max(chosen, entries.size() - runs_max + 1);
  return chosen;
}

Status merge_runs(const RunList& runs, std::span<const SegmentNo> forgotten, RunWriter& writer,
                  IndexNotes& notes) {
  std::vector<Source> heap;
  for (size_t age = 0; age < runs.size(); ++age) {
    Source source{std::make_unique<RunScanner>(runs[age]), {}, age};
    RAMET_ASSIGN(const bool has_entry, source.scanner->next(&source.entry));
    if (has_entry) heap.push_back(std::move(source));
  }
  std::make_heap(heap.begin(), heap.end(), comes_later);

  uint64_t prefix = 0;
  std::vector<IndexEntry> kept;  // of that prefix
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), comes_later);
    Source& source = heap.back();
    const IndexEntry entry = source.entry;
    if (entry.prefix != prefix) kept.clear();
    prefix = entry.prefix;
    if (kept.size() < kEntriesPerPrefixMax &&
        std::find(kept.begin(), kept.end(), entry) == kept.end() &&
        !std::binary_search(forgotten.begin(), forgotten.end(), entry.segment)) {
      kept.push_back(entry);
      RAMET_TRY(writer.add(entry));
    }
    RAMET_ASSIGN(const bool has_entry, source.scanner->next(&source.entry));
    if (has_entry) {
      std::push_heap(heap.begin(), heap.end(), comes_later);
      continue;
    }
    if (source.scanner->damaged_windows() > 0) {
      notes.add(Error(
          ErrorCode::kCorruption,
          fmt::format("{}: {} damaged windows left out of a merge",
                      run_name(runs[source.age]->number()), source.scanner->damaged_windows())));
    }
    heap.pop_back();
  }
  return ok();
}

}  // namespace ramet::engine
