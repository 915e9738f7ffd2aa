#include "format/chunk_scan.h"

#include <algorithm>
#include <array>
#include <bit>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ramet {
namespace {

// The hash of a position x covers the bytes x-31 .. x. It is built of the hashes of 8 bytes at x,
// x-8, x-16 and x-24, each of which is computed once for all positions that use it. These steps
// are multiples of 4, so positions are worked on in four phases: phase p has every fourth position
// from p on, which makes all its loads contiguous words. "8 bytes before" is then two lanes before,
// "16 bytes before" four.
constexpr size_t kPhases = 4;
constexpr size_t kBlock = ChunkScan::kBlock;

constexpr uint32_t kAdd = 0x5BD1E995;
constexpr int32_t kFactor[4] = {0x6D2B, static_cast<int16_t>(0xB4A5), 0x59C7,
                                static_cast<int16_t>(0xD13D)};
constexpr int kTurn8 = 11;   // of the hash of the 8 bytes before
constexpr int kTurn16 = 19;  // of the hash of the 16 bytes before

#define RAMET_INLINE [[gnu::always_inline]] inline

// --- anywhere ------------------------------------------------------------------------------------

// Both halves of a word, as signed numbers, times their factors. A product is at most 2^30 and
// can't overflow; the sum wraps.
RAMET_INLINE uint32_t products(const char* word, int32_t low_factor, int32_t high_factor) {
  const auto both = load<int32_t>(word);
  const int32_t low = static_cast<int16_t>(both);
  const int32_t high = both >> 16;
  return static_cast<uint32_t>(low * low_factor) + static_cast<uint32_t>(high * high_factor);
}

// Loops that compilers make vectors of.
size_t find_anywhere(const char* window, size_t blocks, uint32_t mask) {
  constexpr size_t kLanes = kBlock / kPhases;
  for (size_t block = 0; block < blocks; ++block, window += kBlock) {
    uint32_t hashes[kPhases][kLanes];
    uint32_t any = 0;
    for (size_t phase = 0; phase < kPhases; ++phase) {
      const char* const at = window + phase;
      uint32_t of8[kLanes + 6];
      uint32_t of16[kLanes + 4];
      for (size_t i = 0; i < kLanes + 6; ++i) {
        of8[i] = kAdd + products(at + 4 * i, kFactor[0], kFactor[1]) +
                 products(at + 4 * i + 4, kFactor[2], kFactor[3]);
      }
      for (size_t i = 0; i < kLanes + 4; ++i) of16[i] = of8[i + 2] + std::rotl(of8[i], kTurn8);
      for (size_t i = 0; i < kLanes; ++i) {
        hashes[phase][i] = of16[i + 4] + std::rotl(of16[i], kTurn16);
        any |= static_cast<uint32_t>((hashes[phase][i] & mask) == 0);
      }
    }
    if (any == 0) continue;
    size_t first = 0;
    while ((hashes[first % kPhases][first / kPhases] & mask) != 0) ++first;
    return block * kBlock + first;
  }
  return blocks * kBlock;
}

#if defined(__x86_64__)

// The first position that one of the phases has a hit at: bit i of found[p] stands for position
// kPhases * i + p.
RAMET_INLINE size_t first_of(const uint32_t* found) {
  size_t first = kBlock;
  for (size_t phase = 0; phase < kPhases; ++phase) {
    if (found[phase] == 0) continue;
    const auto lane = static_cast<size_t>(std::countr_zero(found[phase]));
    first = std::min(first, kPhases * lane + phase);
  }
  return first;
}

constexpr int pair_of(int32_t low, int32_t high) {
  return static_cast<int>(static_cast<uint16_t>(low) | static_cast<uint32_t>(high) << 16);
}
constexpr int kFactors01 = pair_of(kFactor[0], kFactor[1]);
constexpr int kFactors23 = pair_of(kFactor[2], kFactor[3]);

// Where the word stands that ends at a position, from the position's window on.
constexpr int kLastWord = 28;

// GCC 12 takes its own _mm512_undefined_epi32() for a mistake (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

// --- AVX-512 -------------------------------------------------------------------------------------

#define RAMET_AVX512 [[gnu::target("avx512f,avx512bw")]]
#define RAMET_VNNI [[gnu::target("avx512f,avx512bw,avx512vnni")]]

RAMET_AVX512 RAMET_INLINE __m512i add_products(__m512i sum, __m512i words, __m512i factors) {
  return _mm512_add_epi32(sum, _mm512_madd_epi16(words, factors));
}
RAMET_VNNI RAMET_INLINE __m512i add_products_vnni(__m512i sum, __m512i words, __m512i factors) {
  return _mm512_dpwssd_epi32(sum, words, factors);
}

// GCC 12 knows no templates of target attributes: the two functions are one text.
#define RAMET_FIND_AVX512(name, target, add_products)                                            \
  target size_t name(const char* window, size_t blocks, uint32_t mask) {                         \
    const __m512i factors01 = _mm512_set1_epi32(kFactors01);                                     \
    const __m512i factors23 = _mm512_set1_epi32(kFactors23);                                     \
    const __m512i add = _mm512_set1_epi32(static_cast<int>(kAdd));                               \
    const __m512i masks = _mm512_set1_epi32(static_cast<int>(mask));                             \
    /* Of the 64 positions before: lanes from 6 on have windows that are there. */               \
    __m512i last8[kPhases];                                                                      \
    __m512i last16[kPhases];                                                                     \
    for (size_t phase = 0; phase < kPhases; ++phase) {                                           \
      const char* const at = window + phase + kLastWord - kBlock;                                \
      const __m512i low = _mm512_maskz_loadu_epi32(0xFFC0, at - 4);                              \
      const __m512i high = _mm512_maskz_loadu_epi32(0xFFC0, at);                                 \
      last8[phase] = add_products(add_products(add, low, factors01), high, factors23);           \
      last16[phase] = _mm512_add_epi32(                                                          \
          last8[phase],                                                                          \
          _mm512_rol_epi32(_mm512_alignr_epi32(last8[phase], last8[phase], 14), kTurn8));        \
    }                                                                                            \
    for (size_t block = 0; block < blocks; ++block) {                                            \
      const char* const at = window + block * kBlock + kLastWord;                                \
      uint32_t found[kPhases];                                                                   \
      _Pragma("GCC unroll 4") for (size_t phase = 0; phase < kPhases; ++phase) {                 \
        const __m512i low = _mm512_loadu_si512(at + phase - 4);                                  \
        const __m512i high = _mm512_loadu_si512(at + phase);                                     \
        const __m512i of8 =                                                                      \
            add_products(add_products(add, low, factors01), high, factors23);                    \
        const __m512i of16 = _mm512_add_epi32(                                                   \
            of8, _mm512_rol_epi32(_mm512_alignr_epi32(of8, last8[phase], 14), kTurn8));          \
        const __m512i of32 = _mm512_add_epi32(                                                   \
            of16, _mm512_rol_epi32(_mm512_alignr_epi32(of16, last16[phase], 12), kTurn16));      \
        last8[phase] = of8;                                                                      \
        last16[phase] = of16;                                                                    \
        found[phase] = _mm512_testn_epi32_mask(of32, masks);                                     \
      }                                                                                          \
      if (__builtin_expect((found[0] | found[1] | found[2] | found[3]) != 0, 0)) {               \
        return block * kBlock + first_of(found);                                                 \
      }                                                                                          \
    }                                                                                            \
    return blocks * kBlock;                                                                      \
  }

RAMET_FIND_AVX512(find_avx512, RAMET_AVX512, add_products)
RAMET_FIND_AVX512(find_avx512_vnni, RAMET_VNNI, add_products_vnni)

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

// --- AVX2 ----------------------------------------------------------------------------------------

#define RAMET_AVX2 [[gnu::target("avx2")]]

RAMET_AVX2 RAMET_INLINE __m256i turned(__m256i words, int by) {
  return _mm256_or_si256(_mm256_slli_epi32(words, by), _mm256_srli_epi32(words, 32 - by));
}

// The hashes of 8 bytes of eight positions of a phase, four bytes apart; the last word of the first
// ends at at+3.
RAMET_AVX2 RAMET_INLINE __m256i hashes8(const char* at) {
  const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at - 4));
  const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  return _mm256_add_epi32(
      _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(kAdd)),
                       _mm256_madd_epi16(low, _mm256_set1_epi32(kFactors01))),
      _mm256_madd_epi16(high, _mm256_set1_epi32(kFactors23)));
}

RAMET_AVX2 RAMET_INLINE __m256i hashes16(__m256i of8, __m256i last8) {
  // Lanes from two before on: each half from the half before it and itself.
  const __m256i halves = _mm256_permute2x128_si256(last8, of8, 0x21);
  return _mm256_add_epi32(of8, turned(_mm256_alignr_epi8(of8, halves, 8), kTurn8));
}

RAMET_AVX2 size_t find_avx2(const char* window, size_t blocks, uint32_t mask) {
  constexpr size_t kStep = 32;  // positions
  constexpr size_t kLanes = kStep / kPhases;
  const __m256i masks = _mm256_set1_epi32(static_cast<int>(mask));
  __m256i last8[kPhases];
  __m256i last16[kPhases];
  for (size_t phase = 0; phase < kPhases; ++phase) {
    // (What lies before the first window only gets into lanes that nothing uses.)
    last8[phase] = hashes8(window + phase + kLastWord - kStep);
    last16[phase] = hashes16(last8[phase], last8[phase]);
  }
  for (size_t block = 0; block < blocks; ++block) {
    uint32_t found[kPhases] = {};
    for (size_t step = 0; step < kBlock / kStep; ++step) {
      const char* const at = window + block * kBlock + step * kStep + kLastWord;
      for (size_t phase = 0; phase < kPhases; ++phase) {
        const __m256i of8 = hashes8(at + phase);
        const __m256i of16 = hashes16(of8, last8[phase]);
        const __m256i before = _mm256_permute2x128_si256(last16[phase], of16, 0x21);
        const __m256i of32 = _mm256_add_epi32(of16, turned(before, kTurn16));
        last8[phase] = of8;
        last16[phase] = of16;
        const __m256i hits =
            _mm256_cmpeq_epi32(_mm256_and_si256(of32, masks), _mm256_setzero_si256());
        found[phase] |= static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(hits)))
                        << (step * kLanes);
      }
    }
    if (__builtin_expect((found[0] | found[1] | found[2] | found[3]) != 0, 0)) {
      return block * kBlock + first_of(found);
    }
  }
  return blocks * kBlock;
}

#endif

struct Runnable {
  std::array<ChunkScan, 4> scans{};
  size_t count = 0;
  void add(const char* name, decltype(ChunkScan::find) find) { scans[count++] = {name, find}; }
};

Runnable find_runnable() {
  Runnable out;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) {
    if (__builtin_cpu_supports("avx512vnni")) out.add("avx512-vnni", find_avx512_vnni);
    out.add("avx512", find_avx512);
  }
  if (__builtin_cpu_supports("avx2")) out.add("avx2", find_avx2);
#endif
  out.add("any", find_anywhere);
  return out;
}

}  // namespace

std::span<const ChunkScan> chunk_scans() {
  static const Runnable runnable = find_runnable();
  return {runnable.scans.data(), runnable.count};
}

}  // namespace ramet
