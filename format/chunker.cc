#include "format/chunker.h"

#include <algorithm>
#include <cstring>

#include "format/check.h"

namespace ramet {
namespace {

// The hash of a position x covers the bytes x-31 .. x. It is built of the hashes of 8 bytes at x,
// x-8, x-16 and x-24, each of which is computed once for all positions that use it. These steps
// are multiples of 4, so positions are worked on in four phases: phase p has every fourth position
// from p on, which makes all its loads contiguous words and compilers make vectors of its loops.
constexpr size_t kWindow = 32;
constexpr size_t kPhases = 4;
constexpr size_t kLanes = 64;  // positions of a phase at a time; all that is in between stays in
constexpr size_t kBlock = kPhases * kLanes;  // the first-level cache

constexpr uint32_t kAdd = 0x5BD1E995;
constexpr int32_t kFactor[4] = {0x6D2B, static_cast<int16_t>(0xB4A5), 0x59C7,
                                static_cast<int16_t>(0xD13D)};

#define RAMET_INLINE [[gnu::always_inline]] inline

// Both halves of a word, as signed numbers, times their factors. A product is at most 2^30 and
// can't overflow; the sum wraps.
RAMET_INLINE uint32_t products(const char* word, int32_t low_factor, int32_t high_factor) {
  const auto both = load<int32_t>(word);
  const int32_t low = static_cast<int16_t>(both);
  const int32_t high = both >> 16;
  return static_cast<uint32_t>(low * low_factor) + static_cast<uint32_t>(high * high_factor);
}

// The hashes of kLanes positions whose windows begin at window, window+4, ...
// Reads 4 * kLanes + 28 bytes.
RAMET_INLINE void hash_phase(const char* window, uint32_t* hashes) {
  uint32_t of8[kLanes + 6];
  uint32_t of16[kLanes + 4];
  for (size_t i = 0; i < kLanes + 6; ++i) {
    of8[i] = kAdd + products(window + 4 * i, kFactor[0], kFactor[1]) +
             products(window + 4 * i + 4, kFactor[2], kFactor[3]);
  }
  for (size_t i = 0; i < kLanes + 4; ++i) of16[i] = of8[i + 2] + std::rotl(of8[i], 11);
  for (size_t i = 0; i < kLanes; ++i) hashes[i] = of16[i + 4] + std::rotl(of16[i], 19);
}

// The first of kBlock positions whose hash has only zeros under the mask; kBlock if none has.
// Reads kBlock + 31 bytes.
RAMET_INLINE size_t find_in_block(const char* window, uint32_t mask) {
  uint32_t hashes[kPhases][kLanes];
  for (size_t phase = 0; phase < kPhases; ++phase) hash_phase(window + phase, hashes[phase]);
  uint32_t any = 0;
  for (size_t i = 0; i < kLanes; ++i) {
    any |= static_cast<uint32_t>((hashes[0][i] & mask) == 0) |
           static_cast<uint32_t>((hashes[1][i] & mask) == 0) |
           static_cast<uint32_t>((hashes[2][i] & mask) == 0) |
           static_cast<uint32_t>((hashes[3][i] & mask) == 0);
  }
  if (any == 0) return kBlock;
  size_t first = 0;
  while ((hashes[first % kPhases][first / kPhases] & mask) != 0) ++first;
  return first;
}

// The first of `count` positions, whose windows begin at window, window+1, ..., whose hash has
// only zeros under the mask; `count` if none has. Reads count + 31 bytes.
RAMET_INLINE size_t find_cut_inline(const char* window, size_t count, uint32_t mask) {
  size_t done = 0;
  for (; count - done >= kBlock; done += kBlock) {
    const size_t found = find_in_block(window + done, mask);
    if (found < kBlock) return done + found;
  }
  if (done == count) return count;
  char rest[kBlock + kWindow] = {};  // the same loops, but not behind the end of the input
  std::memcpy(rest, window + done, count - done + kWindow - 1);
  return done + std::min(find_in_block(rest, mask), count - done);
}

// The same code for each level of vector instructions; they give the same numbers.
using FindCut = size_t (*)(const char* window, size_t count, uint32_t mask);

size_t find_cut_plain(const char* window, size_t count, uint32_t mask) {
  return find_cut_inline(window, count, mask);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) size_t find_cut_avx2(const char* window, size_t count,
                                                     uint32_t mask) {
  return find_cut_inline(window, count, mask);
}

FindCut choose_find_cut() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") ? find_cut_avx2 : find_cut_plain;
}
#else
FindCut choose_find_cut() { return find_cut_plain; }
#endif

size_t find_cut(const char* window, size_t count, uint32_t mask) {
  static const FindCut chosen = choose_find_cut();
  return chosen(window, count, mask);
}

constexpr uint32_t mask_of(int bits) { return ((1u << bits) - 1) << (27 - bits); }

}  // namespace

size_t next_cut(ByteView data, bool last, const ChunkerParams& params) {
  RAMET_CHECK(params.is_valid(), "chunker with an impossible average");
  const size_t end = std::min(data.size(), params.max());
  const int log2_average = std::countr_zero(params.average);

  // Cuts that the mask allows, for chunks of `from` bytes up to below `to`.
  const auto cut_between = [&](size_t from, size_t to, int mask_bits) -> size_t {
    to = std::min(to, end + 1);
    if (from >= to) return 0;
    const size_t found = find_cut(data.data() + from - kWindow, to - from, mask_of(mask_bits));
    return found == to - from ? 0 : from + found;
  };
  size_t cut = cut_between(params.min(), params.average, log2_average + 1);
  if (cut == 0) cut = cut_between(params.average, params.max(), log2_average - 1);
  if (cut != 0) return cut;
  return end == params.max() || last ? end : 0;
}

}  // namespace ramet
