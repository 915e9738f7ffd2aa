#include "format/superblock.h"

#include <cstring>

#include <fmt/format.h>

#include "format/hash.h"

namespace ramet {
namespace {

constexpr size_t kCheckAt = kSuperblockBytes - sizeof(uint64_t);

// As it is on disk, up to the zeros.
struct DiskSuperblock {
  FileHeader header;
  StoreId store_id;
  Secret secret{};
  uint64_t generation = 0;
  uint64_t epoch = 0;
  uint32_t state = 0;
  uint32_t next_segment = 0;
  BlockRef checkpoint;
  BlockRef checkpoint_copy;
  LogPosition replay;
  LogPosition durable_end;
  BlockRef undo;
  int64_t written_at = 0;
};
static_assert(sizeof(DiskSuperblock) == 232 && std::is_trivially_copyable_v<DiskSuperblock>);
static_assert(offsetof(DiskSuperblock, store_id) == 40);
static_assert(offsetof(DiskSuperblock, secret) == 56);
static_assert(offsetof(DiskSuperblock, generation) == 88);
static_assert(offsetof(DiskSuperblock, epoch) == 96);
static_assert(offsetof(DiskSuperblock, state) == 104);
static_assert(offsetof(DiskSuperblock, next_segment) == 108);
static_assert(offsetof(DiskSuperblock, checkpoint) == 112);
static_assert(offsetof(DiskSuperblock, checkpoint_copy) == 128);
static_assert(offsetof(DiskSuperblock, replay) == 144);
static_assert(offsetof(DiskSuperblock, durable_end) == 176);
static_assert(offsetof(DiskSuperblock, undo) == 208);
static_assert(offsetof(DiskSuperblock, written_at) == 224);

Status check_position(const LogPosition& position, const char* name) {
  if (position.offset % kGroupBytes == 0) return ok();
  return Error(ErrorCode::kCorruption, fmt::format("superblock: {} does not lie on a boundary of "
                                                   "4 KiB",
                                                   name));
}

}  // namespace

Bytes encode_superblock(const Superblock& superblock) {
  RAMET_CHECK(superblock.replay.offset % kGroupBytes == 0 &&
                  superblock.durable_end.offset % kGroupBytes == 0,
              "log positions lie on group boundaries");
  DiskSuperblock disk;
  disk.header = make_file_header(FileKind::kSuperblock, kSuperblockBytes, superblock.features);
  disk.store_id = superblock.store_id;
  disk.secret = superblock.secret;
  disk.generation = superblock.generation;
  disk.epoch = superblock.epoch;
  disk.state = static_cast<uint32_t>(superblock.state);
  disk.next_segment = superblock.next_segment;
  disk.checkpoint = superblock.checkpoint;
  disk.checkpoint_copy = superblock.checkpoint_copy;
  disk.replay = superblock.replay;
  disk.durable_end = superblock.durable_end;
  disk.undo = superblock.undo;
  disk.written_at = superblock.written_at;
  Bytes out(kSuperblockBytes, '\0');
  store(out.data(), disk);
  store(out.data() + kCheckAt, xxh3(ByteView(out).substr(0, kCheckAt)));
  return out;
}

Result<Superblock> decode_superblock(ByteView bytes) {
  if (bytes.size() != kSuperblockBytes) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("superblock has {} bytes instead of {}", bytes.size(),
                             kSuperblockBytes));
  }
  if (load<uint64_t>(bytes.data() + kCheckAt) != xxh3(bytes.substr(0, kCheckAt))) {
    return Error(ErrorCode::kCorruption, "superblock does not match its check");
  }
  RAMET_ASSIGN(const FileHeader header,
               decode_file_header(bytes, FileKind::kSuperblock, kSuperblockBytes));
  const auto disk = load<DiskSuperblock>(bytes.data());
  if (disk.state > static_cast<uint32_t>(StoreState::kInUse)) {
    return Error(ErrorCode::kCorruption, fmt::format("superblock has state {}", disk.state));
  }
  RAMET_TRY(check_position(disk.replay, "the replay position"));
  RAMET_TRY(check_position(disk.durable_end, "the durable end"));
  Superblock out;
  out.features = header.features();
  out.store_id = disk.store_id;
  out.secret = disk.secret;
  out.generation = disk.generation;
  out.epoch = disk.epoch;
  out.state = static_cast<StoreState>(disk.state);
  out.next_segment = disk.next_segment;
  out.checkpoint = disk.checkpoint;
  out.checkpoint_copy = disk.checkpoint_copy;
  out.replay = disk.replay;
  out.durable_end = disk.durable_end;
  out.undo = disk.undo;
  out.written_at = disk.written_at;
  return out;
}

Result<size_t> pick_newest(const Result<Superblock>& first, const Result<Superblock>& second) {
  const Result<Superblock>* both[2] = {&first, &second};
  for (size_t i = 0; i < 2; ++i) {
    if (!both[i]->ok() && both[i]->error().code() == ErrorCode::kUnsupported) {
      return Error(both[i]->error()).with_context(kSuperblockFileNames[i]);
    }
  }
  if (first.ok() && second.ok()) {
    return second->generation > first->generation ? size_t{1} : size_t{0};
  }
  if (first.ok()) return size_t{0};
  if (second.ok()) return size_t{1};
  ErrorCode code = ErrorCode::kCorruption;
  if (first.error().code() == second.error().code()) {
    code = first.error().code();
  } else if (first.error().code() == ErrorCode::kIoError ||
             second.error().code() == ErrorCode::kIoError) {
    code = ErrorCode::kIoError;
  }
  return Error(code, fmt::format("no valid superblock ({}: {}; {}: {})", kSuperblockFileNames[0],
                                 first.error().message(), kSuperblockFileNames[1],
                                 second.error().message()));
}

}  // namespace ramet
