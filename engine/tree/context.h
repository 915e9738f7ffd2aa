// TreeContext: what every operation on the trees of one store needs.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/tree/node_cache.h"
#include "engine/tree/node_store.h"
#include "format/bytes.h"
#include "format/summary.h"

namespace ramet::engine {

// What one leaf entry adds to the summaries above it. Pure: the same bytes give the same answer,
// in every program that ever opens the store, for hostile bytes too. Null: nothing.
using SummaryFunction = Summary (*)(ByteView key, ByteView value);

// Node visits, for tests and statistics. Relaxed atomics; reads by get() and cursors count only
// what had to be loaded.
struct TreeCounters {
  std::atomic<uint64_t> loaded{0};   // nodes read from the NodeStore
  std::atomic<uint64_t> visited{0};  // nodes opened by range operations, queries and diffs
  std::atomic<uint64_t> copied{0};   // dirty nodes copied because they were shared
  std::atomic<uint64_t> decoded{0};  // clean nodes turned into dirty ones
  std::atomic<uint64_t> written{0};  // nodes handed to the NodeStore
};

// Shared by all trees, cursors and roots of a store; must outlive every one of them, and every
// NodePtr. Thread-safe. Set it up before use; the pointers are borrowed and never change.
struct TreeContext {
  NodeStore* store = nullptr;
  NodeCache* cache = nullptr;
  SummaryFunction summarize = nullptr;
  uint32_t node_bytes = 8 << 10;        // target of encoded nodes: 256 to 32768
  std::atomic<int64_t> dirty_bytes{0};  // memory that dirty nodes take, persisted ones included
                                        // until replace_persisted() lets go of them
  TreeCounters counters;

  Summary contribution(ByteView key, ByteView value) const {
    return summarize == nullptr ? Summary{} : summarize(key, value);
  }
};

inline void count(std::atomic<uint64_t>& counter, uint64_t n = 1) {
  counter.fetch_add(n, std::memory_order_relaxed);
}

}  // namespace ramet::engine
