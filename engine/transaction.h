// Transaction: collects changes to one container and becomes one commit: all of it or nothing.
// Sees its own changes on top of the state it began from. Not thread-safe. Destroying it
// uncommitted drops it (content blocks that were already written become garbage).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "engine/object.h"
#include "engine/view.h"
#include "format/result.h"

namespace ramet {

// The content of one object while it is written, from offset 0 to the end. Memory is bounded
// whatever the size. Must be finished or destroyed before its transaction commits.
class ContentWriter {
 public:
  virtual ~ContentWriter() = default;
  virtual Status append(ByteView bytes) = 0;
  virtual Status hole(uint64_t length) = 0;  // reads as zeros, takes no space
  // Content of another object, whose blocks are shared: [offset, offset + length), or less at its
  // end. Costs by its blocks, reads none; all of an object as the only content: constant time,
  // however long it is. The transaction must have begun before the view was taken
  // (kFailedPrecondition).
  virtual Status append_from(const View& source, ObjectId id, uint64_t offset, uint64_t length,
                             VersionNumber version = kCurrentVersion) = 0;
  virtual uint64_t size() const = 0;
};

// What an object gets beside its content.
struct ObjectInit {
  Attributes attributes;
  Metadata metadata;
  ObjectLock lock;  // only where versions are kept
  Standing standing;             // `title` is the call's own
  TypeNumber type = kFileType;   // of a new object; others than files have no content
};

// Counts of what a transaction's content did to the store.
struct IngestStats {
  uint64_t content_bytes = 0;   // appended, holes left out
  uint64_t blocks = 0;          // chunks cut
  uint64_t new_blocks = 0;      // of these, stored because the store did not hold them
  uint64_t new_block_bytes = 0;   // raw
  uint64_t new_stored_bytes = 0;  // the same as stored: compressed where that pays
};

class Transaction : public RecordView {
 public:
  // The state with this transaction's changes so far. Valid until the next change or commit.
  virtual Result<Entry> lookup(std::string_view path) const = 0;
  virtual Result<Entry> lookup(FolderId folder, std::string_view name) const = 0;
  virtual Result<ObjectInfo> object(ObjectId id) const = 0;
  virtual Result<FolderInfo> folder(FolderId id) const = 0;
  virtual Status list(FolderId folder, std::string_view after,
                      const std::function<bool(const Entry&)>& visit) const = 0;

  // Names are 1 to 255 bytes, any but '/' and NUL, not "." or ".." (kInvalidArgument).
  // kAlreadyExists if the name is taken, kNotFound if the parent is missing.
  virtual Result<FolderId> create_folder(FolderId parent, std::string_view name,
                                         const Attributes& attributes) = 0;
  // Creates the missing folders of a path; returns the last one. kAlreadyExists if a part of it
  // is not a folder.
  virtual Result<FolderId> create_folders(std::string_view path) = 0;

  // Begins content for a new object or a new version of one; hand the writer to put_object().
  virtual Result<std::unique_ptr<ContentWriter>> write_content() = 0;
  // Makes `name` in `folder` lead to an object with this content (null: empty): a new object,
  // or, if the name leads to an object that is not a folder, that object with its content and
  // attributes replaced (same id, all its names see it). kAlreadyExists if the name is a folder.
  virtual Result<ObjectId> put_object(FolderId folder, std::string_view name,
                                      const Attributes& attributes,
                                      std::unique_ptr<ContentWriter> content) = 0;
  // The same with metadata; without, there is none. Where the container keeps versions
  // (kVersioningSetting), what was there becomes an earlier version; a name that was removed leads
  // to its object again. kPermissionDenied: a lock keeps what would be replaced.
  virtual Result<ObjectId> put_object(FolderId folder, std::string_view name,
                                      const ObjectInit& init,
                                      std::unique_ptr<ContentWriter> content) = 0;
  // The same for a symbolic link (any target of 1 to 4095 bytes).
  virtual Result<ObjectId> put_symlink(FolderId folder, std::string_view name,
                                       std::string_view target, const Attributes& attributes) = 0;
  // One more name for an object (a hard link). kAlreadyExists if taken.
  virtual Status link(ObjectId object, FolderId folder, std::string_view name) = 0;

  // --- objects that are told apart by their ids: their titles may repeat in a folder, and be what
  // names may not. Where a title is a name that is free, it is the object's name; else the name is
  // made of it and of the id (docs/architecture.md#titles), and the title stands in the object.
  // kInvalidArgument for a title that is empty, not UTF-8 or longer than kObjectTitleBytesMax.

  // A new object, whatever there is already; also one without content (null) that is open. The name
  // is free for certain afterwards: what was there keeps its own.
  virtual Result<ObjectId> add_object(FolderId folder, std::string_view title,
                                      const ObjectInit& init,
                                      std::unique_ptr<ContentWriter> content) = 0;
  // Moves an object with one name to a folder, and calls it so from now on. kNotFound;
  // kFailedPrecondition: it has several names.
  virtual Status place_object(ObjectId object, FolderId folder, std::string_view title) = 0;
  // A folder of this name is about to come: an object in its way gets another name, its title
  // stays.
  virtual Status make_way(FolderId folder, std::string_view name) = 0;
  // What it is to clones; the title stays. kNotFound, kInvalidArgument.
  virtual Status set_standing(ObjectId object, const Standing& standing) = 0;
  // Replaces all of its content (null: none); what is said of the former one (kContentProperty)
  // goes. kInvalidArgument: not a file.
  virtual Status set_content(ObjectId object, std::unique_ptr<ContentWriter> content) = 0;

  virtual Status set_attributes(ObjectId object, const Attributes& attributes) = 0;
  virtual Status set_attributes(FolderId folder, const Attributes& attributes) = 0;
  // Of one version; kNotFound. kInvalidArgument: too long, or properties out of order.
  virtual Status set_metadata(ObjectId object, const Metadata& metadata,
                              VersionNumber version = kCurrentVersion) = 0;
  // Keeps, replaces or (without text) removes a document of an object. kNotFound: there is no such
  // object; kInvalidArgument: the name or the text is too long or empty, or there are too many.
  virtual Status set_object_document(ObjectId object, std::string_view name,
                                     std::optional<std::string_view> text) = 0;
  // A retention can be made longer, not shorter or weaker; with `bypass_governance` any that is not
  // kCompliance can be changed (kPermissionDenied). kFailedPrecondition: no versions are kept.
  virtual Status set_lock(ObjectId object, const ObjectLock& lock, VersionNumber version,
                          bool bypass_governance) = 0;
  // Removes one version for good, or a deletion; the one before it becomes the current one if it
  // was that. kNotFound; kPermissionDenied: its lock keeps it.
  virtual Status remove_version(ObjectId object, VersionNumber version,
                                bool bypass_governance) = 0;
  // Keeps, replaces or (without text) removes a document of the container: at most 64 KiB under a
  // name of 1 to 64 bytes. Clones leave documents out.
  virtual Status set_document(std::string_view name, std::optional<std::string_view> text) = 0;

  // Removes one name; the object goes with its last name, or where versions are kept becomes an
  // earlier version behind a deletion. A folder must be empty (kFailedPrecondition).
  virtual Status remove(FolderId folder, std::string_view name) = 0;
  // Removes a folder with everything below it, or one name of an object.
  virtual Status remove_tree(FolderId folder, std::string_view name) = 0;
  // Moves a name; replaces an existing object (not a folder) at the target when `replace`.
  // kInvalidArgument when a folder would be moved below itself.
  virtual Status rename(FolderId from_folder, std::string_view from_name, FolderId to_folder,
                        std::string_view to_name, bool replace = false) = 0;

  // --- records (engine/record.h). kFailedPrecondition: the container is of another form.

  // For a new record or version. Never given twice, in any container of the store.
  virtual ObjectId new_record_id() = 0;
  // Creates a record, or makes this its newest version; the one before stays as an earlier one.
  // With `content` (kFileType alone; null: it stays as it is). kInvalidArgument names what is wrong
  // with the links, fields or sizes.
  virtual Status write_record(const RecordPut& put,
                              std::unique_ptr<ContentWriter> content = nullptr) = 0;
  // Removes it, with what it is found by; its versions stay, behind a deletion that is `version`.
  // kNotFound.
  virtual Status remove_record(TypeNumber type, ObjectId id, ObjectId version) = 0;
  // Removes it, or what was left of it, with all versions. kNotFound.
  virtual Status expunge_record(TypeNumber type, ObjectId id) = 0;

  virtual IngestStats ingest_stats() const = 0;

  // Whether Store::commit_async() would have to wait for the disk all the same now: what only
  // removes (it may need the reserve of a full disk), a working tree that is written first, or a
  // checkpoint that is far behind.
  virtual bool waits_to_commit() const = 0;

  // Returns the commit's number once every byte that it needs is durable [INV-1]. Fails with
  // kBusy (the container was changed in the same places meanwhile: begin again), kQuotaExceeded
  // (it would grow beyond its quota: nothing happened), kOutOfSpace
  // (nothing happened, the store stays usable) or kIoError (the store turns read-only when a
  // sync failed). Without changes: the number of the last commit, nothing is written.
  virtual Result<Sequence> commit() = 0;
};

}  // namespace ramet
