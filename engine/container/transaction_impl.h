// TransactionImpl: a working copy of one container's tree, and the operations that made it.
//
// Small transactions commit their operations. A big one *spills*: it writes its working tree to
// the node stream as it grows and commits by grafting that tree, so that memory stays bounded.
// Conflicts are found at commit by comparing what others changed since the base with what this
// transaction changed (conflicts.h). Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/container/commit_queue.h"
#include "engine/container/reader.h"
#include "engine/container/record_reader.h"
#include "engine/content/ingest.h"
#include "engine/space/pins.h"
#include "engine/store.h"
#include "engine/transaction.h"
#include "engine/tree/tree.h"
#include "format/keys.h"

namespace ramet::engine {

class StoreImpl;
class ContentWriterImpl;

// What a container's record says of how its tree is changed.
struct ContainerPolicy {
  enum class Versioning : uint8_t { kOff, kOn, kSuspended };
  bool flat = false;
  std::shared_ptr<const RecordSpace> records;  // null: of another form
  Versioning versioning = Versioning::kOff;
  bool locks = false;
  Compression compression;
};
ContainerPolicy policy_of(const ContainerRecord& record, Compression compression,
                          IdCiphers& ciphers);

// kInvalidArgument: extended attributes that are too long, and the like.
Status check_attributes(const Attributes& attributes, std::string_view name);

class TransactionImpl : public Transaction {
 public:
  TransactionImpl(StoreImpl& store, std::unique_ptr<Pins::Writer> hold, ContainerId container,
                  const Root& base, Sequence sequence, const ContainerPolicy& policy);
  ~TransactionImpl() override;

  Result<Entry> lookup(std::string_view path) const override;
  Result<Entry> lookup(FolderId folder, std::string_view name) const override;
  Result<ObjectInfo> object(ObjectId id) const override;
  Result<FolderInfo> folder(FolderId id) const override;
  Status list(FolderId folder, std::string_view after,
              const std::function<bool(const Entry&)>& visit) const override;
  Result<FolderId> create_folder(FolderId parent, std::string_view name,
                                 const Attributes& attributes) override;
  Result<FolderId> create_folders(std::string_view path) override;
  Result<std::unique_ptr<ContentWriter>> write_content() override;
  Result<ObjectId> put_object(FolderId folder, std::string_view name,
                              const Attributes& attributes,
                              std::unique_ptr<ContentWriter> content) override;
  Result<ObjectId> put_object(FolderId folder, std::string_view name, const ObjectInit& init,
                              std::unique_ptr<ContentWriter> content) override;
  Status set_metadata(ObjectId object, const Metadata& metadata, VersionNumber version) override;
  Status set_lock(ObjectId object, const ObjectLock& lock, VersionNumber version,
                  bool bypass_governance) override;
  Status remove_version(ObjectId object, VersionNumber version, bool bypass_governance) override;
  Status set_document(std::string_view name, std::optional<std::string_view> text) override;
  Status set_object_document(ObjectId object, std::string_view name,
                             std::optional<std::string_view> text) override;
  Result<ObjectId> put_symlink(FolderId folder, std::string_view name, std::string_view target,
                               const Attributes& attributes) override;
  Status link(ObjectId object, FolderId folder, std::string_view name) override;
  Result<ObjectId> add_object(FolderId folder, std::string_view title, const ObjectInit& init,
                              std::unique_ptr<ContentWriter> content) override;
  Status place_object(ObjectId object, FolderId folder, std::string_view title) override;
  Status make_way(FolderId folder, std::string_view name) override;
  Status set_standing(ObjectId object, const Standing& standing) override;
  Status set_content(ObjectId object, std::unique_ptr<ContentWriter> content) override;
  Status set_attributes(ObjectId object, const Attributes& attributes) override;
  Status set_attributes(FolderId folder, const Attributes& attributes) override;
  Status remove(FolderId folder, std::string_view name) override;
  Status remove_tree(FolderId folder, std::string_view name) override;
  Status rename(FolderId from_folder, std::string_view from_name, FolderId to_folder,
                std::string_view to_name, bool replace) override;
  Result<RecordInfo> record(TypeNumber type, ObjectId id) const override {
    return records_now().record(type, id);
  }
  Result<bool> has_record(TypeNumber type, ObjectId id) const override {
    return records_now().has_record(type, id);
  }
  Result<RecordInfo> record_version(TypeNumber type, ObjectId id,
                                    ObjectId version) const override {
    return records_now().version(type, id, version);
  }
  Status record_versions(TypeNumber type, ObjectId id,
                         const std::function<bool(const RecordInfo&)>& visit) const override {
    return records_now().versions(type, id, visit);
  }
  Status records(TypeNumber type, ObjectId after,
                 const std::function<bool(const RecordInfo&)>& visit) const override {
    return records_now().records(type, after, visit);
  }
  Status record_types(const std::function<bool(TypeNumber, uint64_t)>& visit) const override {
    return records_now().types(visit);
  }
  Result<uint64_t> count_records(TypeNumber type) const override {
    return records_now().count(type);
  }
  Status find_records(
      const RecordQuery& query,
      const std::function<bool(ByteView, const ObjectId&)>& visit) const override {
    return records_now().find(query, visit);
  }
  Result<std::string> record_secret(TypeNumber type, ObjectId id) const override {
    return records_now().secret(type, id);
  }
  ObjectId new_record_id() override;
  Status write_record(const RecordPut& put, std::unique_ptr<ContentWriter> content) override;
  Status remove_record(TypeNumber type, ObjectId id, ObjectId version) override;
  Status expunge_record(TypeNumber type, ObjectId id) override;
  IngestStats ingest_stats() const override { return ingest_.stats(); }
  bool waits_to_commit() const override;
  void expect_unchanged(Sequence changed) { expected_ = changed; }  // engine/expect.h
  Result<Sequence> commit() override;
  // Store::commit_async(). `self` is all that holds this transaction: it may be gone on return.
  void commit_async(std::shared_ptr<TransactionImpl> self, Store::CommitHandler handler);

  // --- for the engine's own parts (content writers, clones, imports) --------------------------
  StoreImpl& store() { return store_; }
  Ingest& ingest() { return ingest_; }
  Reader reader() const { return Reader(context_, work_->share(), policy_.flat); }
  Summary summary_now() const { return work_->summary(); }
  Root root_now() const { return work_->share(); }
  // Of the working copy as it is now.
  RecordReader records_now() const;
  // Takes a record, which is found by these fields, out of the container as if it had never come
  // along: `died` is the depth at which it lived last. transaction_records.cc
  Status leave_record_out(const ObjectRecord& record, const std::vector<BodyField>& fields,
                          uint32_t died);
  // The fields that a record is found by, where they were erased.
  Status put_fields(const ObjectRecord& record, const std::vector<BodyField>& fields);
  // Makes the container's tree, as this transaction has it, that of a new container: the entry of
  // `source_key` shares its tree with what this transaction began from. kBusy if that changed
  // meanwhile: all is to be done again. `whole`: the tree is written out first, and nothing else
  // matters.
  Result<Sequence> commit_as_new(const ContainerRecord& record, Bytes source_key, bool whole);
  Status put(Bytes key, Bytes value, std::vector<BlockRef> refs = {});
  Status erase(Bytes key);
  Status erase_range(const KeyRange& range);
  // Puts what another container's tree has in the range into it, which must be empty here: nodes
  // are shared, O(log n). The commit then takes the whole working tree along, as after a spill. The
  // hold must be older than the source's state.
  Status graft(const KeyRange& range, const Root& source);
  // Makes `name` in `folder` lead to this record, whose id is new to the container.
  Status put_new_object(const ObjectRecord& record);
  Status put_record(const ObjectRecord& record);
  // put_object() for content that a writer finished already.
  Result<ObjectId> put_prepared(FolderId folder, std::string_view name, ObjectRecord record);
  // Takes back what a finished writer left in the working copy.
  Status discard_content(const ObjectRecord& record);
  // Requires that the name is free: kAlreadyExists otherwise.
  Status check_free(const FolderId& folder, std::string_view name) const;
  const ContainerPolicy& policy() const { return policy_; }
  uint64_t pin_epoch() const { return hold_->epoch(); }
  // Gives the record `to`, which has its id, the content that `from` has in another tree: the same
  // references. The hold must be older than the source's state.
  Status share_extents(const Root& source, const ObjectRecord& from, ObjectRecord& to);
  // The same for a tree of extents alone.
  Status share_tree(const WrittenRoot& tree);
  // The name for an object that people call `title`, by what is in the folder now; sets its title
  // where that is another one. `except`: an object whose own name does not count. Requires: a title
  // that is one.
  Status give_name(const FolderId& folder, std::string_view title, ObjectInfo& info,
                   const ObjectId& except);
  // The commit needs this block to be durable.
  void lean_on(const BlockRef& ref);
  // The state that the transaction began from.
  const Root& base() const { return base_; }
  void writer_opened() { ++open_writers_; }
  void writer_closed() { --open_writers_; }

 private:
  struct Name {
    FolderId folder;
    std::string name;
  };
  // transaction_names.cc
  Status check_parent(const FolderId& folder) const;
  Result<std::vector<Name>> names_of(const ObjectRecord& record) const;
  Status put_dirents(const ObjectRecord& record);
  Status put_dirent(const Name& name, const ObjectRecord& record);
  Status erase_object(const ObjectRecord& record);
  Status unlink(const Name& name, const ObjectId& id);
  Status remove_entry(const FolderId& folder, const Entry& entry);
  Status rename_object(const Name& from, const Name& to, const ObjectId& id);
  Status rename_folder(const Name& from, const Name& to, const FolderId& id);
  Status replace_target(const Entry& moved, const Name& to, bool replace, bool* same);
  Status move_extents(const ObjectId& from, const ObjectId& to);

  // By the container's policy: a name, or a whole key.
  Status check_entry_name(const FolderId& folder, std::string_view name) const;

  // transaction_versions.cc
  using Versioning = ContainerPolicy::Versioning;
  // kPermissionDenied: its lock keeps it.
  Status check_unlocked(const ObjectRecord& record, bool bypass_governance) const;
  Result<VersionNumber> newest_version(const ObjectId& id) const;
  // Makes the object as it is an earlier version.
  Status keep_version(const ObjectRecord& record);
  // Where versions are not kept any more: the one earlier version that was made so goes.
  Status drop_unversioned(const ObjectId& id);
  // Before `record` takes the place of `was`: keeps that, or lets go of it; gives the new version
  // its number.
  Status replace_version(const ObjectRecord& was, ObjectRecord& record);
  // A new object: leads on from what had this name before, or gets an id.
  Status begin_versions(ObjectRecord& record);
  // Its last name goes: it becomes an earlier version behind a deletion, or goes itself.
  Status remove_object(const ObjectRecord& record);
  // The newest earlier version becomes what the object is.
  Status restore_newest(const ObjectRecord& gone);
  Status put_version(const ObjectRecord& record);
  Status move_entries(const KeyRange& range, const std::function<Bytes(uint64_t end)>& key_of);

  // transaction_records.cc
  Status check_record_put(const RecordPut& put) const;
  Status write_record(const RecordPut& put, ObjectRecord content, bool has_content);
  Result<BodyLink> resolve_link(const RecordReader& now, const BodyLink& candidate,
                                const ObjectId& own);
  Status set_body(ObjectRecord& record, RecordBody body);
  Status change_fields(const ObjectRecord& record, const std::vector<BodyField>& was,
                       const std::vector<BodyField>& is);
  Status await_records(const RecordBody& body);
  Status link_awaiting(TypeNumber type, const ObjectId& shown);
  Status keep_record(const ObjectRecord& was, bool content_stays);
  Status check_version_order(TypeNumber type, const ObjectId& id, const ObjectId& version) const;
  Bytes marker();

  // transaction_impl.cc
  Status prepare_new(const HeadState& head, const ContainerRecord& record, const Bytes& source_key,
                     CommitRequest& request);
  Status grown(size_t bytes);
  Status spill();
  Status resolve_working_copy();
  static void drop_unchanged(const std::set<Bytes>& theirs, std::vector<Operation>& operations);
  Status make_request(CommitRequest& request);
  Status write_long_content();
  void committed(Sequence sequence, const std::vector<PendingBlock>& blocks);
  Status prepare(const HeadState& head, CommitRequest& request);
  Status prepare_spilled(const Root& head, CommitRequest& request);
  // Requires: the request's operations.
  Status check_growth(const HeadState& head, const ContainerRecord& record, const Root& before,
                      const CommitRequest& request);
  Result<Root> rebased(const Root& head);

  StoreImpl& store_;
  const std::unique_ptr<Pins::Writer> hold_;
  TreeContext& context_;
  const ContainerId container_;
  const ContainerPolicy policy_;
  const Root base_;
  const Sequence sequence_;  // births of the working copy until it is committed
  // Always there; replaced when it spills, gone once commit_async() has its place in the order.
  std::optional<Tree> work_;
  std::vector<Operation> operations_;  // empty once spilled
  size_t operation_bytes_ = 0;         // since the last spill
  size_t extent_bytes_ = 0;            // of these, about: extents
  bool spilled_ = false;
  bool grafted_ = false;  // operations_ do not tell all: must spill
  bool changed_ = false;
  bool only_removes_ = true;
  bool moved_folders_ = false;
  bool done_ = false;
  std::optional<Sequence> expected_;
  std::set<ObjectId> minted_;  // shown ids of new_record_id() that became no record yet
  std::set<std::pair<TypeNumber, ObjectId>> awaited_;  // of these, those that documents name
  std::map<BlockRef, Bytes> waiting_bodies_;  // of records, by pending references
  int open_writers_ = 0;
  Ingest ingest_;
};

}  // namespace ramet::engine
