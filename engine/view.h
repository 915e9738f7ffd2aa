// View: one immutable state of one container (its durable head, or a snapshot), for reading.
// Pinned: what it shows stays readable until it is destroyed, whatever is changed or dropped
// meanwhile [INV-3] [INV-6]. Thread-safe: any number of threads may use one View.
// Every read verifies checksums; damage gives kCorruption naming segment, slot and object [INV-4].
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/object.h"
#include "engine/record.h"
#include "format/result.h"

namespace ramet {

// A piece of an object's content. Pieces do not overlap and come in order; what lies between
// them is a hole and reads as zeros.
struct ContentPiece {
  uint64_t offset = 0;  // in the object
  uint64_t length = 0;
  BlockRef block;
  uint32_t offset_in_block = 0;
};

// Bytes, and what keeps them.
struct SharedBytes {
  std::shared_ptr<const void> owner;
  ByteView bytes;
};

class View : public RecordView {
 public:
  virtual ContainerId container() const = 0;
  virtual Sequence sequence() const = 0;  // the newest commit that can be seen
  virtual const Summary& summary() const = 0;

  // Whether names are whole keys in the root folder, and '/' means nothing (ContainerForm::kFlat).
  virtual bool flat() const = 0;

  // "/a/b/c", "a/b/c" and "/a/b/c/" name the same; "" and "/" name the root folder, which comes
  // back as an Entry with an empty name. Symbolic links are not followed. kNotFound names the
  // part that is missing. In a flat container all behind one leading '/' is the name.
  virtual Result<Entry> lookup(std::string_view path) const = 0;
  virtual Result<Entry> lookup(FolderId folder, std::string_view name) const = 0;

  // Calls `visit` for each name of the folder in key order (byte order; a folder sorts as if its
  // name ended in '/'), starting behind `after` (a name as listed; empty: from the start) until
  // it returns false. Damaged parts: the rest is still visited, then kCorruption is returned.
  virtual Status list(FolderId folder, std::string_view after,
                      const std::function<bool(const Entry&)>& visit) const = 0;

  // The same for names that begin with `prefix`, from the first that is not less than `from` on
  // (empty: all). Names compare as in list(). O(log n) to the first, whatever lies before.
  virtual Status list_from(FolderId folder, std::string_view prefix, std::string_view from,
                           const std::function<bool(const Entry&)>& visit) const = 0;
  // Names that were removed where versions are kept, and were not made again since: as list_from().
  // Entry::object still leads to the versions.
  virtual Status list_removed(FolderId folder, std::string_view prefix, std::string_view from,
                              const std::function<bool(const Entry&)>& visit) const = 0;

  virtual Result<ObjectInfo> object(ObjectId id, VersionNumber version) const = 0;
  Result<ObjectInfo> object(ObjectId id) const { return object(id, kCurrentVersion); }
  // All versions, newest first, until `visit` returns false; the current one alone where versions
  // were never kept. kNotFound: there are none.
  virtual Status versions(ObjectId id,
                          const std::function<bool(const VersionInfo&)>& visit) const = 0;
  // A document that belongs to the container (Transaction::set_document()). kNotFound.
  virtual Result<std::string> document(std::string_view name) const = 0;
  // A document of an object (Transaction::set_object_document()). kNotFound.
  virtual Result<std::string> object_document(ObjectId id, std::string_view name) const = 0;
  virtual Result<FolderInfo> folder(FolderId id) const = 0;
  // Entries and bytes directly inside one folder (not below), from summaries: O(log n).
  virtual Result<Summary> folder_summary(FolderId folder) const = 0;
  // "/a/b/c": the path of the first name of an object, or of a folder.
  virtual Result<std::string> path_of(ObjectId id) const = 0;
  virtual Result<std::string> path_of(FolderId id) const = 0;
  // Every object of the container in (type, id) order, until `visit` returns false.
  virtual Status objects(const std::function<bool(const ObjectInfo&)>& visit) const = 0;

  // Every folder of the container but the root, in no order that means anything, until `visit`
  // returns false. Costs by folders, whatever is in them.
  virtual Status folders(const std::function<bool(const FolderInfo&)>& visit) const = 0;

  // Reads into all of `into`, less only at the end of the content. Holes read as zeros.
  virtual Result<size_t> read(ObjectId id, uint64_t offset, std::span<char> into,
                              VersionNumber version = kCurrentVersion) const = 0;
  // The content from `offset` on, in order, as memory that may be shared with the cache: some
  // 1 MiB at a time, at most `length` bytes; nothing at the end.
  virtual Result<std::vector<SharedBytes>> read_shared(
      ObjectId id, uint64_t offset, uint64_t length,
      VersionNumber version = kCurrentVersion) const = 0;
  // The pieces of [offset, offset+length) in order, until `visit` returns false. A piece may
  // begin before and end behind the range.
  virtual Status pieces(ObjectId id, uint64_t offset, uint64_t length,
                        const std::function<bool(const ContentPiece&)>& visit,
                        VersionNumber version = kCurrentVersion) const = 0;
  // The raw bytes of one whole block, verified.
  virtual Result<Bytes> read_block(const BlockRef& block) const = 0;
  // Hands out all content in order, hole-free pieces of at most 16 MiB, and compares the content
  // id at the end: kCorruption then means that what was handed out is not what was written. An
  // error from `sink` ends it and is returned.
  virtual Status stream(ObjectId id,
                        const std::function<Status(uint64_t offset, ByteView bytes)>& sink,
                        VersionNumber version = kCurrentVersion) const = 0;
  // Reads all content, compares with the content id (and every checksum on the way): kCorruption
  // if it is not what was written.
  virtual Status verify(ObjectId id, VersionNumber version = kCurrentVersion) const = 0;
};

}  // namespace ramet
