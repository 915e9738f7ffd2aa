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

class View {
 public:
  virtual ~View() = default;

  virtual ContainerId container() const = 0;
  virtual Sequence sequence() const = 0;  // the newest commit that can be seen
  virtual const Summary& summary() const = 0;

  // "/a/b/c", "a/b/c" and "/a/b/c/" name the same; "" and "/" name the root folder, which comes
  // back as an Entry with an empty name. Symbolic links are not followed. kNotFound names the
  // part that is missing.
  virtual Result<Entry> lookup(std::string_view path) const = 0;
  virtual Result<Entry> lookup(FolderId folder, std::string_view name) const = 0;

  // Calls `visit` for each name of the folder in key order (byte order; a folder sorts as if its
  // name ended in '/'), starting behind `after` (a name as listed; empty: from the start) until
  // it returns false. Damaged parts: the rest is still visited, then kCorruption is returned.
  virtual Status list(FolderId folder, std::string_view after,
                      const std::function<bool(const Entry&)>& visit) const = 0;

  virtual Result<ObjectInfo> object(ObjectId id) const = 0;
  virtual Result<FolderInfo> folder(FolderId id) const = 0;
  // Entries and bytes directly inside one folder (not below), from summaries: O(log n).
  virtual Result<Summary> folder_summary(FolderId folder) const = 0;
  // "/a/b/c": the path of the first name of an object, or of a folder.
  virtual Result<std::string> path_of(ObjectId id) const = 0;
  virtual Result<std::string> path_of(FolderId id) const = 0;
  // Every object of the container in (type, id) order, until `visit` returns false.
  virtual Status objects(const std::function<bool(const ObjectInfo&)>& visit) const = 0;

  // Reads into all of `into`, less only at the end of the content. Holes read as zeros.
  virtual Result<size_t> read(ObjectId id, uint64_t offset, std::span<char> into) const = 0;
  // The pieces of [offset, offset+length) in order, until `visit` returns false. A piece may
  // begin before and end behind the range.
  virtual Status pieces(ObjectId id, uint64_t offset, uint64_t length,
                        const std::function<bool(const ContentPiece&)>& visit) const = 0;
  // The raw bytes of one whole block, verified.
  virtual Result<Bytes> read_block(const BlockRef& block) const = 0;
  // Hands out all content in order, hole-free pieces of at most 16 MiB, and compares the content
  // id at the end: kCorruption then means that what was handed out is not what was written. An
  // error from `sink` ends it and is returned.
  virtual Status stream(ObjectId id,
                        const std::function<Status(uint64_t offset, ByteView bytes)>& sink)
      const = 0;
  // Reads all content, compares with the content id (and every checksum on the way): kCorruption
  // if it is not what was written.
  virtual Status verify(ObjectId id) const = 0;
};

}  // namespace ramet
