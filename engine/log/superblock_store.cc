#include "engine/log/superblock_store.h"

#include <algorithm>

namespace ramet::engine {

std::string SuperblockStore::path_of(size_t slot) const {
  return directory_ + "/" + kSuperblockFileNames[slot];
}

Status SuperblockStore::create(Superblock first) {
  for (size_t slot = 0; slot < 2; ++slot) {
    // Under its name only when it is whole: an attempt that is cut short makes no store.
    const std::string made = path_of(slot) + kUnfinishedSuffix;
    RAMET_ASSIGN(const bool left_over, env_->exists(made));
    if (left_over) RAMET_TRY(env_->remove(made));
    RAMET_ASSIGN(auto file, env_->open(made, io::OpenMode::kCreateExclusive));
    first.generation = slot + 1;
    RAMET_TRY(file->write(0, encode_superblock(first)));
    RAMET_TRY(file->sync_data());
    RAMET_ASSIGN(const bool taken, env_->exists(path_of(slot)));
    if (taken) return Error(ErrorCode::kAlreadyExists, path_of(slot) + " is there already");
    RAMET_TRY(env_->rename(made, path_of(slot)));
  }
  return env_->sync_directory(directory_);
}

Result<std::array<std::optional<Superblock>, 2>> SuperblockStore::load() {
  const auto read = [this](size_t slot) -> Result<Superblock> {
    RAMET_ASSIGN(const Bytes bytes, io::read_file(*env_, path_of(slot), kSuperblockBytes));
    return with_context(decode_superblock(bytes), path_of(slot));
  };
  Result<Superblock> slots[2] = {read(0), read(1)};
  const auto absent = [](const Result<Superblock>& slot) {
    return !slot.ok() && slot.error().code() == ErrorCode::kNotFound;
  };
  if (absent(slots[0]) && absent(slots[1])) {
    return Error(ErrorCode::kFailedPrecondition,
                 directory_ + " is not a Ramet store (it has no superblock)");
  }
  RAMET_ASSIGN(newest_slot_, pick_newest(slots[0], slots[1]));
  newest_ = *slots[newest_slot_];
  const Result<Superblock>& other = slots[1 - newest_slot_];
  other_.reset();
  if (other.ok() && other->store_id == newest_.store_id) other_ = *other;
  return std::array<std::optional<Superblock>, 2>{newest_, other_};
}

void SuperblockStore::fall_back() {
  const uint64_t generation = newest_.generation;
  newest_ = *other_;
  newest_.generation = generation;
  newest_slot_ = 1 - newest_slot_;
  other_.reset();
}

void SuperblockStore::assume(Superblock superblock) {
  superblock.generation = std::max(superblock.generation, newest_.generation);
  newest_ = superblock;
  other_.reset();
}

Status SuperblockStore::sync(io::File& file) {
  const Status synced = file.sync_data();
  if (synced.ok()) return ok();
  sync_failed_ = true;
  // Never kOutOfSpace: it must not be taken for a write that can be tried again.
  return Error(ErrorCode::kIoError, synced.error().message());
}

Status SuperblockStore::write_again() {
  // If there is no other, that one was being written when the newest had long been synced.
  if (!other_) return ok();
  const std::string path = path_of(newest_slot_);
  RAMET_ASSIGN(const Bytes bytes, io::read_file(*env_, path, kSuperblockBytes));
  RAMET_TRY(decode_superblock(bytes));
  RAMET_ASSIGN(auto file, env_->open(path, io::OpenMode::kReadWrite));
  RAMET_TRY(file->write(0, bytes));
  return sync(*file);
}

Status SuperblockStore::write(Superblock superblock) {
  superblock.generation = newest_.generation + 1;
  superblock.written_at = env_->now();
  const size_t slot = 1 - newest_slot_;
  const std::string path = path_of(slot);
  auto file = env_->open(path, io::OpenMode::kReadWrite);
  if (!file.ok() && file.error().code() == ErrorCode::kNotFound) {
    file = env_->open(path, io::OpenMode::kCreateExclusive);
    if (file.ok()) RAMET_TRY(env_->sync_directory(directory_));
  }
  if (!file.ok()) return std::move(file).error();
  RAMET_TRY((*file)->write(0, encode_superblock(superblock)));
  RAMET_TRY(sync(**file));
  other_ = newest_;
  newest_ = superblock;
  newest_slot_ = slot;
  return ok();
}

}  // namespace ramet::engine
