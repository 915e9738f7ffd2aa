#include "format/codec.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <zstd.h>

#include "format/planted.h"

namespace ramet {
namespace {

constexpr size_t kTooSmallToCompress = 64;
// The quick test: pieces from all over the input, together as one.
constexpr size_t kTestedFrom = 8u << 10;
constexpr size_t kTestPieces = 4;
constexpr size_t kTestPieceBytes = 1u << 10;

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

// Whether there is anything to save, judged by a part: media and archives are most of what does
// not compress, and look the same all over.
bool may_pay(ByteView raw) {
  if (raw.size() < kTestedFrom) return true;
  std::array<char, kTestPieces * kTestPieceBytes> sample;
  for (size_t i = 0; i < kTestPieces; ++i) {
    const size_t at = (raw.size() - kTestPieceBytes) / (kTestPieces - 1) * i;
    std::memcpy(sample.data() + i * kTestPieceBytes, raw.data() + at, kTestPieceBytes);
  }
  std::array<char, sample.size() - sample.size() / 32> stored;
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
