#include "format/chunker.h"

#include <algorithm>
#include <cstring>

#include "format/check.h"
#include "format/chunk_scan.h"

namespace ramet {
namespace {

// The first of `count` positions, whose windows begin at window, window+1, ..., whose hash has
// only zeros under the mask; `count` if none has. Reads ChunkScan::kBefore bytes before `window`,
// and count + 31 bytes from it on.
size_t find_cut(const ChunkScan& scan, const char* window, size_t count, uint32_t mask) {
  constexpr size_t kBlock = ChunkScan::kBlock;
  constexpr size_t kBefore = ChunkScan::kBefore;
  const size_t whole = count / kBlock * kBlock;
  const size_t found = scan.find(window, count / kBlock, mask);
  if (found < whole || whole == count) return found;
  // The same for the rest, but not behind the end of the input.
  char rest[kBefore + kBlock + ChunkScan::kWindow] = {};
  std::memcpy(rest, window + whole - kBefore,
              kBefore + count - whole + ChunkScan::kWindow - 1);
  return whole + std::min(scan.find(rest + kBefore, 1, mask), count - whole);
}

constexpr uint32_t mask_of(int bits) { return ((1u << bits) - 1) << (27 - bits); }

}  // namespace

size_t next_cut_by(const ChunkScan& scan, ByteView data, bool last, const ChunkerParams& params) {
  RAMET_CHECK(params.is_valid(), "chunker with an impossible average");
  static_assert(ChunkerParams::kAverageMin / 4 >= ChunkScan::kWindow + ChunkScan::kBefore);
  const size_t end = std::min(data.size(), params.max());
  const int log2_average = std::countr_zero(params.average);

  // Cuts that the mask allows, for chunks of `from` bytes up to below `to`.
  const auto cut_between = [&](size_t from, size_t to, int mask_bits) -> size_t {
    to = std::min(to, end + 1);
    if (from >= to) return 0;
    const size_t found = find_cut(scan, data.data() + from - ChunkScan::kWindow, to - from,
                                  mask_of(mask_bits));
    return found == to - from ? 0 : from + found;
  };
  size_t cut = cut_between(params.min(), params.average, log2_average + 1);
  if (cut == 0) cut = cut_between(params.average, params.max(), log2_average - 1);
  if (cut != 0) return cut;
  return end == params.max() || last ? end : 0;
}

size_t next_cut(ByteView data, bool last, const ChunkerParams& params) {
  return next_cut_by(chunk_scans().front(), data, last, params);
}

}  // namespace ramet
