#include "engine/container/view_impl.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "engine/content/content_stream.h"
#include "engine/content/extent_hasher.h"
#include "engine/store_impl.h"
#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

// Extents whose blocks are read together, a few at a time so that memory stays small.
constexpr size_t kReadAtOnce = 16;
constexpr uint64_t kReadBytesAtOnce = 1u << 20;

}  // namespace

ViewImpl::ViewImpl(StoreImpl& store, std::unique_ptr<Pins::Reader> hold,
                   const ContainerEntry& entry, const Root& root, Sequence sequence)
    : store_(store),
      hold_(std::move(hold)),
      container_(entry.id),
      sequence_(sequence),
      reader_(store.context(), root, !entry.record.has_folders()),
      space_(record_space_of(entry.record, store.ciphers())),
      records_(store.context(), root, space_,
               [&store](const BlockRef& ref) { return store.blocks().read(ref); }) {}

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

Status ViewImpl::list_from(FolderId folder, std::string_view prefix, std::string_view from,
                           const std::function<bool(const Entry&)>& visit) const {
  return reader_.list_from(folder, prefix, from, visit);
}

Status ViewImpl::list_removed(FolderId folder, std::string_view prefix, std::string_view from,
                              const std::function<bool(const Entry&)>& visit) const {
  return reader_.list_removed(folder, prefix, from, visit);
}

Result<ObjectRecord> ViewImpl::find_record(const ObjectId& id, VersionNumber version) const {
  RAMET_ASSIGN(ObjectRecord found, reader_.object(inner(id), version));
  if (!found.deletion) return found;
  return Error(ErrorCode::kNotFound,
               fmt::format("version {} of object {} is a deletion", version, to_uuid(id)));
}

Status ViewImpl::versions(ObjectId id,
                          const std::function<bool(const VersionInfo&)>& visit) const {
  auto current = reader_.object(inner(id));
  if (!current.ok() && current.error().code() != ErrorCode::kNotFound) {
    return std::move(current).error();
  }
  bool any = false;
  bool more = true;
  Status status = ok();
  const auto show = [&](ObjectRecord& record) {
    auto content = record.deletion ? Result<ContentHash>(ContentHash{}) : content_id(record);
    if (!content.ok()) {
      status = std::move(content).error();
      return false;
    }
    record.info.content_id = *content;
    record.info.id = id;
    more = visit({record.info, !any, record.deletion});
    any = true;
    return more;
  };
  if (current.ok()) show(*current);
  if (!more || !status.ok()) return status;
  RAMET_TRY(reader_.earlier_versions(inner(id), show));
  RAMET_TRY(status);
  if (any) return ok();
  return Error(ErrorCode::kNotFound, fmt::format("there is no object {}", to_uuid(id)));
}

Result<std::string> ViewImpl::document(std::string_view name) const {
  const KeyRange range = document_range(name);
  Cursor cursor(store_.context(), reader_.root());
  RAMET_TRY(cursor.seek(range.from));
  std::string text;
  bool found = false;
  while (cursor.valid() && range.contains(cursor.key())) {
    found = true;
    text += cursor.value();
    RAMET_TRY(cursor.next());
  }
  if (found) return text;
  return Error(ErrorCode::kNotFound, fmt::format("there is no document '{}'", printable(name)));
}

Result<ObjectInfo> ViewImpl::object(ObjectId id, VersionNumber version) const {
  RAMET_ASSIGN(ObjectRecord record, find_record(id, version));
  RAMET_ASSIGN(record.info.content_id, content_id(record));
  record.info.id = id;
  return std::move(record.info);
}

Result<std::string> ViewImpl::object_document(ObjectId id, std::string_view name) const {
  RAMET_ASSIGN(const ObjectRecord record, find_record(id, kCurrentVersion));
  for (const ObjectDocument& document : record.info.documents) {
    if (document.name != name) continue;
    auto text = store_.blocks().read(document.block);
    if (text.ok() && text->size() == document.size) return text;
    Error error = text.ok() ? Error(ErrorCode::kCorruption, "it has another length than its record")
                            : std::move(text).error();
    return std::move(error).with_context(
        fmt::format("document '{}' of {}", printable(name), describe(record)));
  }
  return Error(ErrorCode::kNotFound, fmt::format("object {} has no document '{}'", to_uuid(id),
                                                 printable(name)));
}

Result<FolderInfo> ViewImpl::folder(FolderId id) const { return reader_.folder(id); }

Result<Summary> ViewImpl::folder_summary(FolderId folder) const {
  const KeyRange range = folder_range(folder);
  return summarize(store_.context(), reader_.root(), range.from, range.to);
}

Result<std::string> ViewImpl::path_of(ObjectId id) const {
  RAMET_ASSIGN(const ObjectRecord record, reader_.object(inner(id)));
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
    if (space_ != nullptr) record.info.id = space_->shown(key.id);
    if (!visit(record.info)) break;
    RAMET_TRY(cursor.next());
  }
  return ok();
}

Status ViewImpl::folders(const std::function<bool(const FolderInfo&)>& visit) const {
  const KeyRange range = space_range(ContainerSpace::kFolder);
  Cursor cursor(store_.context(), reader_.root());
  RAMET_TRY(cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_ASSIGN(const FolderId id, decode_folder_key(cursor.key()));
    RAMET_ASSIGN(const FolderInfo info, decode_folder(id, cursor.value()));
    if (id != kRootFolder && !visit(info)) break;
    RAMET_TRY(cursor.next());
  }
  return ok();
}

std::string ViewImpl::describe(const ObjectRecord& record) const {
  const auto path = reader_.path_of(record);
  return fmt::format("object {} ('{}')", to_uuid(record.info.id),
                     printable(path.ok() ? *path : record.info.name));
}

Result<size_t> ViewImpl::read(ObjectId id, uint64_t offset, std::span<char> into,
                              VersionNumber version) const {
  RAMET_ASSIGN(const ObjectRecord record, find_record(id, version));
  if (offset >= record.info.size) return size_t{0};
  const uint64_t length = std::min<uint64_t>(into.size(), record.info.size - offset);
  // Reads of the same thread use the same memory again: kReadBytesAtOnce and one block.
  thread_local BlockMemory memory;
  std::vector<Extent> extents;
  uint64_t bytes = 0;  // of their blocks, at least
  uint64_t filled = offset;  // up to here `into` is
  const auto copy = [&]() -> Status {
    std::vector<std::shared_ptr<const CachedBlock>> cached;
    std::vector<BlockRef> missing;
    for (const Extent& extent : extents) {
      cached.push_back(store_.block_cache().find(extent.block));
      if (cached.back() == nullptr) missing.push_back(extent.block);
    }
    const Status status = store_.blocks().read_many(missing, memory);
    if (!status.ok()) return Error(status.error()).with_context(describe(record));
    size_t read = 0;
    for (size_t i = 0; i < extents.size(); ++i) {
      const Extent& extent = extents[i];
      const ByteView block = cached[i] != nullptr ? cached[i]->raw() : memory.blocks()[read++];
      if (cached[i] == nullptr) store_.block_cache().offer(extent.block, block);
      const uint64_t from = std::max(filled, extent.offset);
      const uint64_t to = std::min(offset + length, extent.end());
      const uint64_t at = extent.offset_in_block + (from - extent.offset);
      if (to < from || at + (to - from) > block.size()) {
        return Error(ErrorCode::kCorruption,
                     describe(record) + ": an extent ends behind its block");
      }
      std::fill_n(into.data() + (filled - offset), from - filled, '\0');
      std::copy_n(block.data() + at, to - from, into.data() + (from - offset));
      filled = to;
    }
    extents.clear();
    bytes = 0;
    return ok();
  };
  Status status = ok();
  RAMET_TRY(reader_.extents(record, offset, offset + length, [&](const Extent& extent) {
    extents.push_back(extent);
    bytes += extent.offset_in_block + extent.length;
    if (extents.size() == kReadAtOnce || bytes >= kReadBytesAtOnce) status = copy();
    return status.ok();
  }));
  RAMET_TRY(status);
  RAMET_TRY(copy());
  std::fill_n(into.data() + (filled - offset), offset + length - filled, '\0');
  return static_cast<size_t>(length);
}

Result<std::vector<SharedBytes>> ViewImpl::read_shared(ObjectId id, uint64_t offset,
                                                       uint64_t length,
                                                       VersionNumber version) const {
  RAMET_ASSIGN(const ObjectRecord record, find_record(id, version));
  std::vector<SharedBytes> out;
  if (offset >= record.info.size) return out;
  const uint64_t to = offset + std::min({length, record.info.size - offset, kReadBytesAtOnce});
  std::vector<Extent> extents;
  RAMET_TRY(reader_.extents(record, offset, to, [&](const Extent& extent) {
    extents.push_back(extent);
    return true;
  }));
  std::vector<std::shared_ptr<const CachedBlock>> cached;
  std::vector<BlockRef> missing;
  for (const Extent& extent : extents) {
    cached.push_back(store_.block_cache().find(extent.block));
    if (cached.back() == nullptr) missing.push_back(extent.block);
  }
  std::shared_ptr<BlockMemory> memory;
  if (!missing.empty()) {
    memory = std::make_shared<BlockMemory>();
    const Status status = store_.blocks().read_many(missing, *memory);
    if (!status.ok()) {
      if (status.error().code() == ErrorCode::kWouldWait) return status.error();
      return Error(status.error()).with_context(describe(record));
    }
  }
  const auto hole = [&](uint64_t bytes) {
    static constexpr std::array<char, 64u << 10> kZeros{};
    for (; bytes > 0; bytes -= std::min<uint64_t>(bytes, kZeros.size())) {
      out.push_back({nullptr, {kZeros.data(), std::min<uint64_t>(bytes, kZeros.size())}});
    }
  };
  uint64_t filled = offset;
  size_t read = 0;
  for (size_t i = 0; i < extents.size(); ++i) {
    const Extent& extent = extents[i];
    const bool hit = cached[i] != nullptr;
    const ByteView block = hit ? cached[i]->raw() : memory->blocks()[read++];
    if (!hit) store_.block_cache().offer(extent.block, block);
    const uint64_t from = std::max(filled, extent.offset);
    const uint64_t end = std::min(to, extent.end());
    const uint64_t at = extent.offset_in_block + (from - extent.offset);
    if (end < from || at + (end - from) > block.size()) {
      return Error(ErrorCode::kCorruption, describe(record) + ": an extent ends behind its block");
    }
    hole(from - filled);
    std::shared_ptr<const void> owner = memory;
    if (hit) owner = cached[i];
    out.push_back({std::move(owner), block.substr(at, end - from)});
    filled = end;
  }
  hole(to - filled);
  return out;
}

Status ViewImpl::pieces(ObjectId id, uint64_t offset, uint64_t length,
                        const std::function<bool(const ContentPiece&)>& visit,
                        VersionNumber version) const {
  RAMET_ASSIGN(const ObjectRecord record, find_record(id, version));
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
                        const std::function<Status(uint64_t, ByteView)>& sink,
                        VersionNumber version) const {
  RAMET_ASSIGN(const ObjectRecord record, find_record(id, version));
  return stream_record(record, sink);
}

Status ViewImpl::verify(ObjectId id, VersionNumber version) const {
  RAMET_ASSIGN(const ObjectRecord record, find_record(id, version));
  return stream_record(record, [](uint64_t, ByteView) { return ok(); });
}

Status ViewImpl::stream_record(const ObjectRecord& record,
                               const std::function<Status(uint64_t, ByteView)>& sink) const {
  ExtentHasher hasher;
  uint64_t last_block = 0;
  const auto use = [&](const Extent& extent,
                       const Result<ContentStream::Block>& block) -> Status {
    if (!block.ok()) return Error(block.error()).with_context(describe(record));
    const bool fits = uint64_t{extent.offset_in_block} + extent.length <= block->raw.size();
    if (!fits || !hasher.add(extent, block->name)) {
      return Error(ErrorCode::kCorruption, describe(record) + ": its extents do not fit");
    }
    last_block = block->raw.size();
    return sink(extent.offset, block->raw.substr(extent.offset_in_block, extent.length));
  };
  ContentStream content(store_.blocks(), store_.stream_helpers());
  Status status = ok();
  const Status walked =
      reader_.extents(record, 0, record.info.size, [&](const Extent& extent) {
        status = content.add(extent, use);
        return status.ok();
      });
  RAMET_TRY(status);
  RAMET_TRY(content.finish(use));
  RAMET_TRY(walked);
  if (hasher.end() > record.info.size) {
    return Error(ErrorCode::kCorruption, describe(record) + ": more content than its size");
  }
  RAMET_ASSIGN(const ContentHash expected, content_id(record));
  if (hasher.finish(record.info.size, last_block) != expected) {
    return Error(ErrorCode::kCorruption,
                 describe(record) + ": the content is not what was written (content id differs)");
  }
  return ok();
}

}  // namespace ramet::engine
