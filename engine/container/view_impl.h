// View over one container root. Thread-safe (see View).
#pragma once

#include "engine/container/reader.h"
#include "engine/space/pins.h"
#include "engine/view.h"

namespace ramet::engine {

class StoreImpl;

class ViewImpl : public View {
 public:
  ViewImpl(StoreImpl& store, std::unique_ptr<Pins::Reader> hold, ContainerId container,
           const Root& root, Sequence sequence, bool flat);

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
  // kNotFound for a deletion.
  Result<ObjectRecord> record(const ObjectId& id, VersionNumber version) const;
  uint64_t pin_epoch() const { return hold_->epoch(); }
  const Reader& reader() const { return reader_; }

 private:
  std::string describe(const ObjectRecord& record) const;
  Status stream_record(const ObjectRecord& record,
                       const std::function<Status(uint64_t, ByteView)>& sink) const;
  StoreImpl& store_;
  const std::unique_ptr<Pins::Reader> hold_;
  const ContainerId container_;
  const Sequence sequence_;
  Reader reader_;
};

}  // namespace ramet::engine
