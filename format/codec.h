// Codecs of stored payloads: none and zstd. Thread-safe (contexts are kept for each thread).
#pragma once

#include <cstdint>
#include <optional>

#include "format/bytes.h"
#include "format/frame.h"
#include "format/result.h"

namespace ramet {

// bench/results/2026-11-21-compression.md says why.
inline constexpr int kZstdLevelDefault = 4;

// Compresses with zstd when it pays: nullopt when less than 1/16 would be saved, for inputs below
// 64 bytes, and when a quick test of parts of it finds nothing to save. What is
// returned was decoded again and compared [INV-12]; a difference is kIoError (faulty memory or
// processor). A function of its arguments and the version of zstd alone [INV-9]. The level is
// clamped to what zstd has. Requires: raw.size() <= kBlockBytesMax.
Result<std::optional<Bytes>> compress_if_it_pays(ByteView raw, int level = kZstdLevelDefault);

// The raw bytes of a stored payload, exactly `raw_len`. Never allocates or writes more than
// raw_len, nor more than kBlockBytesMax with a codec [INV-8]. kCorruption: the bytes do not decode
// to exactly raw_len. kUnsupported: a codec of a later version.
Result<Bytes> decode_payload(Codec codec, ByteView stored, uint32_t raw_len);

}  // namespace ramet
