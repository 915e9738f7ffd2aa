// SubtreeShare: a folder with all that is below it, put into another container by sharing whole
// ranges of the source's tree.
//
// How it works: objects and folders that were made together have neighbouring ids, so their entries
// are neighbours, too. All names below the folder are walked; then each run of ids of which the
// source holds nothing else, and the target nothing at all (both known from summaries), is grafted,
// nodes and all: O(log n) for each run, whatever it holds [INV-5]. Shorter runs are copied entry by
// entry. All keep their ids, folders as well.
//
// What has to look different in the target is left to the caller: objects with several names (some
// may stay behind), objects and folders that the target has already, objects that are not files.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/container/reader.h"
#include "engine/container/transaction_impl.h"

namespace ramet::engine {

// Not thread-safe. Memory: 16 MiB for names that are looked at together, 24 bytes for each folder.
class SubtreeShare {
 public:
  // Runs of less than `graft_min` entries are copied. `target` is of another container than
  // `source`, and was begun before the source was looked at.
  SubtreeShare(const Reader& source, TransactionImpl& target, uint64_t graft_min)
      : source_(source), target_(target), graft_min_(graft_min) {}

  // Whether there is enough below the folder for run() to be cheaper than entry after entry.
  static Result<bool> pays(const Reader& source, const FolderId& folder, uint64_t graft_min);

  // A name in a shared folder that does not stand in the target yet.
  struct Left {
    FolderId folder;
    Entry entry;
  };

  // Puts all below `folder`, and its own FOLDER entry, into the target, but not its name.
  // Requires: the target does not have it. Once only. After a failure the transaction is of no use.
  Status run(const FolderId& folder);

  const std::vector<Left>& left() const { return left_; }
  uint64_t objects() const { return objects_shared_; }
  uint64_t folders() const { return folders_.size(); }
  uint64_t content_bytes() const { return content_bytes_; }

 private:
  struct Folder {
    FolderId id;
    uint64_t entries = 0;  // names in it
  };

  Status walk(const FolderId& top);
  Status share_objects();
  Status set_aside(ContainerSpace space);
  Status share_run(std::span<const ObjectId> ids);
  Status copy_objects(std::span<const ObjectId> ids);
  Status share_folders(std::span<const Folder> folders);
  Status copy_range(const KeyRange& range);
  Status take_out_left();
  Result<Summary> of_source(const KeyRange& range) const;
  Result<Summary> of_target(const KeyRange& range) const;
  bool is_shared(const FolderId& folder) const;

  const Reader& source_;
  TransactionImpl& target_;
  const uint64_t graft_min_;
  std::vector<Folder> folders_;    // by id, once all are walked
  std::vector<ObjectId> objects_;  // not looked at yet
  std::vector<ObjectId> objects_left_;
  std::vector<Left> left_;
  uint64_t objects_shared_ = 0;
  uint64_t content_bytes_ = 0;
};

}  // namespace ramet::engine
