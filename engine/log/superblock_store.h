// The two superblock files of a store directory. Not thread-safe.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "format/superblock.h"
#include "io/env.h"

namespace ramet::engine {

class SuperblockStore {
 public:
  SuperblockStore(std::shared_ptr<io::Env> env, std::string directory)
      : env_(std::move(env)), directory_(std::move(directory)) {}

  // What the name of a superblock ends with while a store is being made.
  static constexpr const char* kUnfinishedSuffix = ".new";

  // Makes both files for a new store, synced, the directory too.
  Status create(Superblock first);
  // Reads both. kFailedPrecondition: no superblock file here. kCorruption: neither is valid.
  // `newest` first, then the other if it is valid (a fallback when the newest's checkpoint
  // cannot be read).
  Result<std::array<std::optional<Superblock>, 2>> load();
  // The newest one's checkpoint cannot be read: go on from the other; write() will replace the
  // bad one first. Requires: other().
  void fall_back();
  // Goes on from this one, whatever the files say: for a repair. Its generation becomes greater
  // than any that load() found; nothing is written before write().
  void assume(Superblock superblock);
  // Writes the newest once more where it is, the same bytes, synced: when a sync of an earlier
  // process has failed it may stand in the page cache only, and the other be all that the device
  // has. To be called before the first write() of a process.
  Status write_again();
  // Writes over the older of the two, with the next generation, synced. The other stays as it is.
  Status write(Superblock superblock);
  // A sync failed once: what the device holds in the older slot cannot be known.
  bool sync_failed() const { return sync_failed_; }

  const Superblock& newest() const { return newest_; }
  // The one that write() would replace last: recovery may have to start from it.
  const std::optional<Superblock>& other() const { return other_; }

 private:
  std::string path_of(size_t slot) const;
  Status sync(io::File& file);

  std::shared_ptr<io::Env> env_;
  std::string directory_;
  size_t newest_slot_ = 0;
  bool sync_failed_ = false;
  Superblock newest_;
  std::optional<Superblock> other_;
};

}  // namespace ramet::engine
