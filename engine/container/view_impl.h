// View over one container root. Thread-safe (see View).
#pragma once

#include "engine/container/catalog.h"
#include "engine/container/reader.h"
#include "engine/container/record_reader.h"
#include "engine/space/pins.h"
#include "engine/view.h"

namespace ramet::engine {

class StoreImpl;

class ViewImpl : public View {
 public:
  ViewImpl(StoreImpl& store, std::unique_ptr<Pins::Reader> hold, const ContainerEntry& entry,
           const Root& root, Sequence sequence);

  ContainerId container() const override { return container_; }
  Sequence sequence() const override { return sequence_; }
  const Summary& summary() const override { return reader_.root().summary; }
  Result<Entry> lookup(std::string_view path) const override;
  Result<Entry> lookup(FolderId folder, std::string_view name) const override;
  Status list(FolderId folder, std::string_view after,
              const std::function<bool(const Entry&)>& visit) const override;
  bool flat() const override { return reader_.flat(); }
  Status list_from(FolderId folder, std::string_view prefix, std::string_view from,
                   const std::function<bool(const Entry&)>& visit) const override;
  Status list_removed(FolderId folder, std::string_view prefix, std::string_view from,
                      const std::function<bool(const Entry&)>& visit) const override;
  Result<ObjectInfo> object(ObjectId id, VersionNumber version) const override;
  Status versions(ObjectId id,
                  const std::function<bool(const VersionInfo&)>& visit) const override;
  Result<std::string> document(std::string_view name) const override;
  Result<std::string> object_document(ObjectId id, std::string_view name) const override;
  Result<RecordInfo> record(TypeNumber type, ObjectId id) const override {
    return records_.record(type, id);
  }
  Result<bool> has_record(TypeNumber type, ObjectId id) const override {
    return records_.has_record(type, id);
  }
  Result<RecordInfo> record_version(TypeNumber type, ObjectId id,
                                    ObjectId version) const override {
    return records_.version(type, id, version);
  }
  Status record_versions(TypeNumber type, ObjectId id,
                         const std::function<bool(const RecordInfo&)>& visit) const override {
    return records_.versions(type, id, visit);
  }
  Status records(TypeNumber type, ObjectId after,
                 const std::function<bool(const RecordInfo&)>& visit) const override {
    return records_.records(type, after, visit);
  }
  Status record_types(const std::function<bool(TypeNumber, uint64_t)>& visit) const override {
    return records_.types(visit);
  }
  Result<uint64_t> count_records(TypeNumber type) const override { return records_.count(type); }
  Status find_records(
      const RecordQuery& query,
      const std::function<bool(ByteView, const ObjectId&)>& visit) const override {
    return records_.find(query, visit);
  }
  Result<std::string> record_secret(TypeNumber type, ObjectId id) const override {
    return records_.secret(type, id);
  }
  Result<FolderInfo> folder(FolderId id) const override;
  Result<Summary> folder_summary(FolderId folder) const override;
  Result<std::string> path_of(ObjectId id) const override;
  Result<std::string> path_of(FolderId id) const override;
  Status objects(const std::function<bool(const ObjectInfo&)>& visit) const override;
  Status folders(const std::function<bool(const FolderInfo&)>& visit) const override;
  Result<size_t> read(ObjectId id, uint64_t offset, std::span<char> into,
                      VersionNumber version) const override;
  Result<std::vector<SharedBytes>> read_shared(ObjectId id, uint64_t offset, uint64_t length,
                                               VersionNumber version) const override;
  Status pieces(ObjectId id, uint64_t offset, uint64_t length,
                const std::function<bool(const ContentPiece&)>& visit,
                VersionNumber version) const override;
  Result<Bytes> read_block(const BlockRef& block) const override;
  Status stream(ObjectId id, const std::function<Status(uint64_t, ByteView)>& sink,
                VersionNumber version) const override;
  Status verify(ObjectId id, VersionNumber version) const override;

  // The content id as the record says it; for one-block objects the slot table does.
  Result<ContentHash> content_id(const ObjectRecord& record) const;
  // By the id that is shown; what it returns has the inner one. kNotFound for a deletion.
  Result<ObjectRecord> find_record(const ObjectId& id, VersionNumber version) const;
  uint64_t pin_epoch() const { return hold_->epoch(); }
  const Reader& reader() const { return reader_; }

 private:
  ObjectId inner(const ObjectId& id) const { return space_ ? space_->inner(id) : id; }
  std::string describe(const ObjectRecord& record) const;
  Status stream_record(const ObjectRecord& record,
                       const std::function<Status(uint64_t, ByteView)>& sink) const;
  StoreImpl& store_;
  const std::unique_ptr<Pins::Reader> hold_;
  const ContainerId container_;
  const Sequence sequence_;
  Reader reader_;
  const std::shared_ptr<const RecordSpace> space_;  // null: it holds no records
  const RecordReader records_;
};

}  // namespace ramet::engine
