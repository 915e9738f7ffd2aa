// How every file begins: magic, format version and feature flags (docs/format.md#header-of-every-
// file). All functions are pure and thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "format/bytes.h"
#include "format/result.h"

namespace ramet {

inline constexpr uint32_t kFormatVersion = 1;

// Three sets of bits, as ext4 has them. A program that does not know a bit of a set ...
struct FeatureFlags {
  uint64_t compatible = 0;            // ... may read and write all the same
  uint64_t read_only_compatible = 0;  // ... may read, must not write
  uint64_t incompatible = 0;          // ... must not even read
  friend bool operator==(const FeatureFlags&, const FeatureFlags&) = default;
};

// The bits that version 1 knows: none. A new feature takes the lowest free bit of its set, gets a
// named constant here, and a line in docs/format.md; a bit is never used for a second meaning.
inline constexpr FeatureFlags kKnownFeatures{
    .compatible = 0,            // bit 0 is the first to be given out
    .read_only_compatible = 0,  // bit 0 is the first to be given out
    .incompatible = 0,          // bit 0 is the first to be given out
};

// What a file is.
enum class FileKind : uint8_t { kSuperblock, kSegment, kIndexRun, kScrub, kStatCache };

// The eight bytes a file of that kind begins with: "RAMETSB1", "RAMETSG1", "RAMETIX1",
// "RAMETSC1", "RAMETFC1".
std::string_view file_magic(FileKind kind);

// The first 40 bytes of every file, as they are on disk. Guards against reading a file of another
// kind, program or time as if it were ours.
struct FileHeader {
  std::array<char, 8> magic{};
  uint32_t format_version = kFormatVersion;
  uint32_t header_bytes = 0;  // length of the whole header, this struct included
  uint64_t compatible = 0;
  uint64_t read_only_compatible = 0;
  uint64_t incompatible = 0;

  FeatureFlags features() const { return {compatible, read_only_compatible, incompatible}; }
  friend bool operator==(const FileHeader&, const FileHeader&) = default;
};
static_assert(sizeof(FileHeader) == 40 && std::is_trivially_copyable_v<FileHeader>);
static_assert(offsetof(FileHeader, format_version) == 8);
static_assert(offsetof(FileHeader, header_bytes) == 12);
static_assert(offsetof(FileHeader, compatible) == 16);
static_assert(offsetof(FileHeader, read_only_compatible) == 24);
static_assert(offsetof(FileHeader, incompatible) == 32);

// The header of a new file of this kind.
FileHeader make_file_header(FileKind kind, uint32_t header_bytes, const FeatureFlags& features);

// Fails when a bit is set that this program must know to read (kUnsupported), or, with
// `for_writing`, to write. `name` says what carries the flags ("superblock.0"), for the message.
Status check_features(const FeatureFlags& features, bool for_writing, std::string_view name);

// Reads the first 40 bytes and decides whether this program may read the file. kCorruption:
// fewer than 40 bytes, not this kind's magic, or a header of another length than `header_bytes`.
// kUnsupported: a version or incompatible feature that came later. Call it when the checksum
// that covers the bytes has matched (its place never changes), so that a flipped bit is reported
// as damage and not as a newer version.
Result<FileHeader> decode_file_header(ByteView bytes, FileKind kind, uint32_t header_bytes);

}  // namespace ramet
