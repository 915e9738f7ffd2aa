// The pages that index run files are made of (docs/format.md#dedupe-index): 4080 bytes of payload
// and a trailer that says what they are, checked on every read [INV-4]. Pure and thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "format/block_ref.h"
#include "format/bytes.h"
#include "format/result.h"

namespace ramet::engine {

// Where a block may be whose BLAKE3 name begins with `prefix`. As it is on disk.
struct IndexEntry {
  uint64_t prefix = 0;
  SegmentNo segment = 0;
  Slot slot = 0;
  friend bool operator==(const IndexEntry&, const IndexEntry&) = default;
};
static_assert(sizeof(IndexEntry) == 16 && std::is_trivially_copyable_v<IndexEntry>);
static_assert(offsetof(IndexEntry, segment) == 8 && offsetof(IndexEntry, slot) == 12);

inline constexpr size_t kIndexPageBytes = 4096;
inline constexpr size_t kPagePayloadBytes = 4080;

// What a page holds. Values are on disk (as part of the check's seed) and never change.
enum class PageKind : uint32_t {
  kWindow = 1,   // IndexEntry[count], by ascending prefix; equal prefixes: the newest first
  kSamples = 2,  // u64[count]: the first prefix of each window
  kFilter = 3,   // FilterBlock[count]
};

// How many things fit: 255 entries, 510 samples, 63 filter blocks.
uint32_t page_capacity(PageKind kind);

struct alignas(64) IndexPage {
  std::array<char, kIndexPageBytes> bytes{};

  uint32_t count() const { return load<uint32_t>(bytes.data() + 4080); }
  uint32_t number() const { return load<uint32_t>(bytes.data() + 4084); }
  uint64_t check() const { return load<uint64_t>(bytes.data() + 4088); }
  // Requires: i < count() of a window, of a page of samples.
  IndexEntry entry(size_t i) const {
    return load<IndexEntry>(bytes.data() + i * sizeof(IndexEntry));
  }
  uint64_t prefix(size_t i) const { return load<uint64_t>(bytes.data() + i * sizeof(IndexEntry)); }
  uint64_t sample(size_t i) const { return load<uint64_t>(bytes.data() + i * sizeof(uint64_t)); }
};
static_assert(sizeof(IndexPage) == kIndexPageBytes);

// Writes the trailer. `salt` is the run's, so that a page of another run never passes; `number`
// counts the pages of this kind from 0, so that a misdirected page doesn't either.
void seal_page(IndexPage& page, PageKind kind, uint64_t salt, uint32_t number, uint32_t count);

// kCorruption: another check, number, or more than a page holds.
Status check_page(const IndexPage& page, PageKind kind, uint64_t salt, uint32_t number);

}  // namespace ramet::engine
