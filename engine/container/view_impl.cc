#include "engine/container/view_impl.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/content/content_hasher.h"
#include "engine/store_impl.h"
#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {

ViewImpl::ViewImpl(StoreImpl& store, ContainerId container, const Root& root, Sequence sequence)
    : store_(store),
      container_(container),
      sequence_(sequence),
      reader_(store.context(), root) {}

Result<Entry> ViewImpl::lookup(std::string_view path) const { return reader_.lookup(path); }

Result<Entry> ViewImpl::lookup(FolderId folder, std::string_view name) const {
  RAMET_ASSIGN(auto found, reader_.find(folder, name));
  if (found) return std::move(*found);
  return Error(ErrorCode::kNotFound, fmt::format("there is no '{}'", printable(name)));
}

Status ViewImpl::list(FolderId folder, std::string_view after,
                      const std::function<bool(const Entry&)>& visit) const {
  return reader_.list(folder, after, visit);
}

Result<ContentHash> ViewImpl::content_id(const ObjectRecord& record) const {
  if (record.form != ContentForm::kOneBlock) return record.info.content_id;
  const BlockRef& block = record.extents.front().block;
  auto slot = store_.blocks().slot(block.segment, block.slot);
  if (!slot.ok()) return std::move(slot).error().with_context(describe(record));
  return slot->hash;
}

Result<ObjectInfo> ViewImpl::object(ObjectId id) const {
  RAMET_ASSIGN(ObjectRecord record, reader_.object(id));
  RAMET_ASSIGN(record.info.content_id, content_id(record));
  return std::move(record.info);
}

Result<FolderInfo> ViewImpl::folder(FolderId id) const { return reader_.folder(id); }

Result<Summary> ViewImpl::folder_summary(FolderId folder) const {
  const KeyRange range = folder_range(folder);
  return summarize(store_.context(), reader_.root(), range.from, range.to);
}

Result<std::string> ViewImpl::path_of(ObjectId id) const {
  RAMET_ASSIGN(const ObjectRecord record, reader_.object(id));
  return reader_.path_of(record);
}

Result<std::string> ViewImpl::path_of(FolderId id) const { return reader_.path_of(id); }

Status ViewImpl::objects(const std::function<bool(const ObjectInfo&)>& visit) const {
  const KeyRange range = space_range(ContainerSpace::kObject);
  Cursor cursor(store_.context(), reader_.root());
  RAMET_TRY(cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_ASSIGN(const ObjectKey key, decode_object_key(cursor.key()));
    RAMET_ASSIGN(ObjectRecord record,
                 decode_object(key.id, key.type, cursor.value(), cursor.refs()));
    RAMET_ASSIGN(record.info.content_id, content_id(record));
    if (!visit(record.info)) break;
    RAMET_TRY(cursor.next());
  }
  return ok();
}

std::string ViewImpl::describe(const ObjectRecord& record) const {
  const auto path = reader_.path_of(record);
  return fmt::format("object {} ('{}')", to_uuid(record.info.id),
                     printable(path.ok() ? *path : record.info.name));
}

Result<size_t> ViewImpl::read(ObjectId id, uint64_t offset, std::span<char> into) const {
  RAMET_ASSIGN(const ObjectRecord record, reader_.object(id));
  if (offset >= record.info.size) return size_t{0};
  const uint64_t length = std::min<uint64_t>(into.size(), record.info.size - offset);
  std::fill_n(into.begin(), length, '\0');
  Status status = ok();
  RAMET_TRY(reader_.extents(record, offset, offset + length, [&](const Extent& extent) {
    auto block = store_.blocks().read(extent.block);
    if (!block.ok()) {
      status = std::move(block).error().with_context(describe(record));
      return false;
    }
    const uint64_t from = std::max(offset, extent.offset);
    const uint64_t to = std::min(offset + length, extent.end());
    const uint64_t at = extent.offset_in_block + (from - extent.offset);
    if (at + (to - from) > block->size()) {
      status = Error(ErrorCode::kCorruption,
                     describe(record) + ": an extent ends behind its block");
      return false;
    }
    std::copy_n(block->data() + at, to - from, into.data() + (from - offset));
    return true;
  }));
  if (!status.ok()) return std::move(status).error();
  return static_cast<size_t>(length);
}

Status ViewImpl::pieces(ObjectId id, uint64_t offset, uint64_t length,
                        const std::function<bool(const ContentPiece&)>& visit) const {
  RAMET_ASSIGN(const ObjectRecord record, reader_.object(id));
  const uint64_t to = length > record.info.size - std::min(offset, record.info.size)
                          ? record.info.size
                          : offset + length;
  return reader_.extents(record, offset, to, [&](const Extent& extent) {
    return visit({extent.offset, extent.length, extent.block, extent.offset_in_block});
  });
}

Result<Bytes> ViewImpl::read_block(const BlockRef& block) const {
  return store_.blocks().read(block);
}

Status ViewImpl::stream(ObjectId id,
                        const std::function<Status(uint64_t, ByteView)>& sink) const {
  RAMET_ASSIGN(const ObjectRecord record, reader_.object(id));
  return stream_record(record, sink);
}

Status ViewImpl::verify(ObjectId id) const {
  RAMET_ASSIGN(const ObjectRecord record, reader_.object(id));
  return stream_record(record, [](uint64_t, ByteView) { return ok(); });
}

Status ViewImpl::stream_record(const ObjectRecord& record,
                               const std::function<Status(uint64_t, ByteView)>& sink) const {
  ContentHasher hasher;
  uint64_t at = 0;
  uint64_t last_block = 0;
  Status status = ok();
  RAMET_TRY(reader_.extents(record, 0, record.info.size, [&](const Extent& extent) {
    auto block = store_.blocks().read(extent.block);
    if (!block.ok()) {
      status = std::move(block).error().with_context(describe(record));
      return false;
    }
    if (extent.offset < at || uint64_t{extent.offset_in_block} + extent.length > block->size()) {
      status = Error(ErrorCode::kCorruption, describe(record) + ": its extents do not fit");
      return false;
    }
    hasher.add_hole(extent.offset - at);
    hasher.add_block(blake3(*block), extent.offset_in_block, extent.length);
    at = extent.end();
    last_block = block->size();
    status = sink(extent.offset,
                  ByteView(*block).substr(extent.offset_in_block, extent.length));
    return status.ok();
  }));
  if (!status.ok()) return status;
  if (at > record.info.size) {
    return Error(ErrorCode::kCorruption, describe(record) + ": more content than its size");
  }
  hasher.add_hole(record.info.size - at);
  RAMET_ASSIGN(const ContentHash expected, content_id(record));
  if (hasher.finish(record.info.size, last_block) != expected) {
    return Error(ErrorCode::kCorruption,
                 describe(record) + ": the content is not what was written (content id differs)");
  }
  return ok();
}

}  // namespace ramet::engine
