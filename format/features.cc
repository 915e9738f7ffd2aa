#include "format/features.h"

#include <cstring>

#include <fmt/format.h>

namespace ramet {

std::string_view file_magic(FileKind kind) {
  switch (kind) {
    case FileKind::kSuperblock: return "RAMETSB1";
    case FileKind::kSegment: return "RAMETSG1";
    case FileKind::kIndexRun: return "RAMETIX1";
    case FileKind::kScrub: return "RAMETSC1";
    case FileKind::kStatCache: return "RAMETFC1";
  }
  return "";
}

FileHeader make_file_header(FileKind kind, uint32_t header_bytes, const FeatureFlags& features) {
  FileHeader header;
  const std::string_view magic = file_magic(kind);
  RAMET_CHECK(magic.size() == header.magic.size(), "a file kind without a magic");
  std::memcpy(header.magic.data(), magic.data(), magic.size());
  header.header_bytes = header_bytes;
  header.compatible = features.compatible;
  header.read_only_compatible = features.read_only_compatible;
  header.incompatible = features.incompatible;
  return header;
}

Status check_features(const FeatureFlags& features, bool for_writing, std::string_view name) {
  const uint64_t unreadable = features.incompatible & ~kKnownFeatures.incompatible;
  if (unreadable != 0) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("{}: uses features that this program does not know "
                             "(incompatible bits {:#x}); use a newer one",
                             name, unreadable));
  }
  const uint64_t unwritable = features.read_only_compatible & ~kKnownFeatures.read_only_compatible;
  if (for_writing && unwritable != 0) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("{}: uses features that this program can only read beside "
                             "(read-only compatible bits {:#x}); open it read-only or use a "
                             "newer one",
                             name, unwritable));
  }
  return ok();
}

Result<FileHeader> decode_file_header(ByteView bytes, FileKind kind, uint32_t header_bytes) {
  const std::string_view magic = file_magic(kind);
  if (bytes.size() < sizeof(FileHeader)) {
    return Error(ErrorCode::kCorruption, fmt::format("file header is cut off after {} bytes",
                                                     bytes.size()));
  }
  const auto header = load<FileHeader>(bytes.data());
  if (bytes.substr(0, header.magic.size()) != magic) {
    return Error(ErrorCode::kCorruption, fmt::format("does not begin with {}", magic));
  }
  if (header.format_version == 0) {
    return Error(ErrorCode::kCorruption, "format version 0 was never written");
  }
  if (header.format_version > kFormatVersion) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("format version {} is newer than this program's {}",
                             header.format_version, kFormatVersion));
  }
  RAMET_TRY(check_features(header.features(), false, magic));
  if (header.header_bytes != header_bytes) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("header of {} bytes, expected {}", header.header_bytes,
                             header_bytes));
  }
  return header;
}

}  // namespace ramet
