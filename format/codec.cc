#include "format/codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <zstd.h>

#include "format/planted.h"

namespace ramet {
namespace {

constexpr size_t kTooSmallToCompress = 64;
// The quick test: pieces from all over the input, together as one.
constexpr size_t kTestPieces = 4;
constexpr size_t kTestPieceBytes = 1u << 10;
constexpr size_t kSampleBytes = kTestPieces * kTestPieceBytes;
constexpr size_t kSampledFrom = kSampleBytes / 2;      // for frequencies and repetitions
constexpr size_t kCompressedFrom = 2 * kSampleBytes;   // for how well it compresses

struct ContextDeleter {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// Contexts hold tables of up to a megabyte that are costly to set up for every block.
ZSTD_CCtx* compressor() {
  thread_local const std::unique_ptr<ZSTD_CCtx, ContextDeleter> context(ZSTD_createCCtx());
  RAMET_CHECK(context != nullptr, "no memory for zstd");
  return context.get();
}

ZSTD_DCtx* decompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, ContextDeleter> context(ZSTD_createDCtx());
  RAMET_CHECK(context != nullptr, "no memory for zstd");
  return context.get();
}

Error decode_error(Codec codec, std::string_view what) {
  return Error(ErrorCode::kCorruption, fmt::format("{} payload: {}", codec_name(codec), what));
}

// zstd itself would take several frames, frames that only skip, and no frame at all.
bool is_one_frame(ByteView stored) {
  return stored.size() >= sizeof(uint32_t) &&
         load<uint32_t>(stored.data()) == ZSTD_MAGICNUMBER &&
         ZSTD_findFrameCompressedSize(stored.data(), stored.size()) == stored.size();
}

Result<Bytes> decompress_zstd(ByteView stored, uint32_t raw_len) {
  if (!is_one_frame(stored)) return decode_error(Codec::kZstd, "not one frame of zstd");
  Bytes raw(raw_len, '\0');
  const size_t got =
      ZSTD_decompressDCtx(decompressor(), raw.data(), raw.size(), stored.data(), stored.size());
  if (ZSTD_isError(got) != 0) return decode_error(Codec::kZstd, ZSTD_getErrorName(got));
  if (got != raw_len && !planted(DecoderBug::kShortPayload)) {
    return decode_error(Codec::kZstd,
                        fmt::format("decodes to {} bytes instead of {}", got, raw_len));
  }
  return raw;
}

// Whether the bytes are all about equally frequent, so that shorter codes save nothing. Looks at
// every other word of 8 bytes. Requires: at least a thousand bytes.
bool is_flat(ByteView sample) {
  constexpr size_t kStep = 2 * sizeof(uint64_t);
  std::array<std::array<uint16_t, 256>, 4> counts{};  // increments that don't wait for each other
  uint64_t looked_at = 0;
  for (size_t i = 0; i + kStep <= sample.size(); i += kStep) {
    auto word = load<uint64_t>(sample.data() + i);
    for (size_t j = 0; j < sizeof word; ++j, word >>= 8) ++counts[j % counts.size()][word & 0xFF];
    looked_at += sizeof word;
  }
  uint64_t squares = 0;
  for (size_t byte = 0; byte < 256; ++byte) {
    const uint32_t count = counts[0][byte] + counts[1][byte] + counts[2][byte] + counts[3][byte];
    squares += count * count;
  }
  // Pairs of equal bytes, against those of random ones (Renyi's entropy of order 2, which is at
  // most Shannon's): within an eighth there are 7.83 bits in a byte, and 2.1 % to save at most.
  // Chance alone stays within 5 % of 2 KiB.
  return (squares - looked_at) * 256 * 8 <= looked_at * looked_at * 9;
}

// Whether some eight bytes come twice, looked for behind one byte of 64, as they say themselves, so
// that a repetition is found wherever it stands.
bool has_repeats(ByteView sample) {
  constexpr uint64_t kEach = 0x0101010101010101;
  constexpr uint64_t kMark = 0x3F * kEach;
  std::array<uint64_t, 256> seen{};
  for (size_t i = 0; i + 2 * sizeof(uint64_t) <= sample.size(); i += sizeof(uint64_t)) {
    // The high bit of each byte whose low six are zero (and of some behind such a byte).
    const uint64_t low = load<uint64_t>(sample.data() + i) & kMark;
    uint64_t marks = (low - kEach) & ~low & (0x80 * kEach);
    for (; marks != 0; marks &= marks - 1) {
      const size_t at = i + static_cast<size_t>(std::countr_zero(marks)) / 8;
      const auto value = load<uint64_t>(sample.data() + at);
      uint64_t& entry = seen[(value * 0x9E3779B97F4A7C15) >> 56];
      if (entry == value && value != 0) return true;
      entry = value;
    }
  }
  return false;
}

// Whether there is anything to save, judged by a part: media and archives are most of what does
// not compress, and look the same all over.
bool may_pay(ByteView raw) {
  if (raw.size() < kSampledFrom) return true;
  std::array<char, kSampleBytes> memory;
  ByteView sample = raw;
  if (raw.size() > kSampleBytes) {
    for (size_t i = 0; i < kTestPieces; ++i) {
      const size_t at = (raw.size() - kTestPieceBytes) / (kTestPieces - 1) * i;
      std::memcpy(memory.data() + i * kTestPieceBytes, raw.data() + at, kTestPieceBytes);
    }
    sample = ByteView(memory.data(), memory.size());
  }
  if (is_flat(sample) && !has_repeats(sample)) return false;  // a tenth of zstd's time
  if (raw.size() < kCompressedFrom) return true;
  std::array<char, kSampleBytes - kSampleBytes / 32> stored;
  const size_t got = ZSTD_compressCCtx(compressor(), stored.data(), stored.size(), sample.data(),
                                       sample.size(), 1);
  return ZSTD_isError(got) == 0;
}

}  // namespace

Result<std::optional<Bytes>> compress_if_it_pays(ByteView raw, int level) {
  RAMET_CHECK(raw.size() <= kBlockBytesMax, "a block that is too long");
  if (raw.size() < kTooSmallToCompress || !may_pay(raw)) return std::optional<Bytes>();
  level = std::clamp(level, ZSTD_minCLevel(), ZSTD_maxCLevel());
  // No room for more than what pays: zstd stops when it runs out.
  Bytes stored(raw.size() - raw.size() / 16, '\0');
  const size_t got = ZSTD_compressCCtx(compressor(), stored.data(), stored.size(), raw.data(),
                                       raw.size(), level);
  if (ZSTD_isError(got) != 0) return std::optional<Bytes>();
  stored.resize(got);
  const auto decoded = decompress_zstd(stored, static_cast<uint32_t>(raw.size()));
  if (!decoded.ok() || *decoded != raw) {
    return Error(ErrorCode::kIoError,
                 "[INV-12] compressed bytes do not decode to what was compressed: memory or "
                 "processor may be faulty");
  }
  return std::optional<Bytes>(std::move(stored));
}

Result<Bytes> decode_payload(Codec codec, ByteView stored, uint32_t raw_len) {
  switch (codec) {
    case Codec::kNone:
      if (stored.size() != raw_len) {
        return decode_error(codec, fmt::format("{} bytes instead of {}", stored.size(), raw_len));
      }
      return Bytes(stored);
    case Codec::kZstd:
      if (raw_len > kBlockBytesMax) {
        return decode_error(codec, fmt::format("a raw length of {} bytes", raw_len));
      }
      return decompress_zstd(stored, raw_len);
  }
  return Error(ErrorCode::kUnsupported,
               fmt::format("payload with unknown codec {}", static_cast<int>(codec)));
}

}  // namespace ramet
