// What the tests of the dedupe index share.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/index/dedupe_index.h"
#include "engine/index/index_run.h"
#include "io/env_sim.h"
#include "io/sim_random.h"

namespace ramet::engine {

// By value, for messages of gtest.
inline void PrintTo(const IndexEntry& entry, std::ostream* out) {
  *out << std::hex << entry.prefix << std::dec << "->" << entry.segment << ":" << entry.slot;
}

using Place = std::pair<SegmentNo, Slot>;

inline std::vector<Place> places_of(DedupeIndex& index, uint64_t prefix) {
  std::vector<Place> places;
  index.lookup(prefix, [&](SegmentNo segment, Slot slot) {
    places.emplace_back(segment, slot);
    return true;
  });
  return places;
}

// `count` entries with uniform prefixes, ascending; segment 1 and up, slot i.
inline std::vector<IndexEntry> uniform_entries(uint64_t seed, size_t count) {
  io::SimRandom random(seed);
  std::set<uint64_t> prefixes;
  while (prefixes.size() < count) prefixes.insert(random.next());
  std::vector<IndexEntry> entries;
  for (const uint64_t prefix : prefixes) {
    const auto i = static_cast<uint32_t>(entries.size());
    entries.push_back({prefix, 1 + i / 1000, i});
  }
  return entries;
}

// A run on a simulated disk.
inline std::shared_ptr<IndexRun> make_run(io::Env& env, uint64_t number,
                                          const std::vector<IndexEntry>& entries,
                                          uint64_t entries_max = 0) {
  const std::string path = run_name(number);
  auto writer = RunWriter::create(env, path, number, number * 77,
                                  entries_max != 0 ? entries_max : entries.size());
  EXPECT_TRUE(writer.ok());
  for (const IndexEntry& entry : entries) EXPECT_TRUE((*writer)->add(entry).ok());
  const auto identity = (*writer)->finish();
  EXPECT_TRUE(identity.ok());
  auto run = IndexRun::open(env, path, *identity);
  EXPECT_TRUE(run.ok()) << run.error().to_string();
  return *std::move(run);
}

// Small enough that tests fill it.
inline IndexOptions small_index() {
  IndexOptions options;
  options.memory_bytes = 1 << 20;
  return options;
}

}  // namespace ramet::engine
