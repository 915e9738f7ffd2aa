// Superblocks and the headers of files.
//
// Proves: what is accepted encodes to bytes that decode to the same (all of them the same, but for
// what lies where version 1 has zeros), and that of two superblocks a valid one is picked.
#include "format/superblock.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/seal.h"

namespace ramet::fuzz {
namespace {

void look_at(ByteView bytes) {
  const auto decoded = decode_superblock(bytes);
  if (decoded.ok()) {
    const Bytes again = encode_superblock(*decoded);
    const auto second = decode_superblock(again);
    RAMET_CHECK(second.ok() && *second == *decoded, "a superblock that changes when written");
    RAMET_CHECK(ByteView(again).substr(0, 232) == bytes.substr(0, 232), "other bytes in front");
  }
  const auto picked = pick_newest(decoded, decode_superblock(ByteView()));
  const bool is_later = !decoded.ok() && decoded.error().code() == ErrorCode::kUnsupported;
  RAMET_CHECK(picked.ok() == decoded.ok() && (!picked.ok() || *picked == 0), "the wrong one");
  RAMET_CHECK(!is_later || picked.error().code() == ErrorCode::kUnsupported, "a later version");
}

}  // namespace

RAMET_FUZZ_TARGET(superblock) {
  look_at(input);
  Bytes sealed(input.substr(0, kSuperblockBytes));
  sealed.resize(kSuperblockBytes, '\0');
  seal_tail(sealed);
  look_at(sealed);
  // Once more with the header right, so that mutations get behind it.
  store(sealed.data(), make_file_header(FileKind::kSuperblock, kSuperblockBytes, {}));
  seal_tail(sealed);
  look_at(sealed);
  for (const FileKind kind : {FileKind::kSuperblock, FileKind::kSegment, FileKind::kIndexRun}) {
    const auto header = decode_file_header(input, kind, 4096);
    if (!header.ok()) continue;
    RAMET_CHECK(*header == make_file_header(kind, 4096, header->features()), "a header");
    RAMET_CHECK(header->incompatible == 0, "unknown features were let through");
  }
}

}  // namespace ramet::fuzz
