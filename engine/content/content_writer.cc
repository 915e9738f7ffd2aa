#include "engine/content/content_writer.h"

#include <fmt/format.h>

#include "engine/container/transaction_impl.h"
#include "engine/container/view_impl.h"
#include "engine/store_impl.h"
#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

// When this many have gathered, full runs are written.
constexpr size_t kGatheredExtents = 128;

}  // namespace

ContentWriterImpl::ContentWriterImpl(TransactionImpl& transaction, const ObjectId& id)
    : transaction_(transaction), id_(id), params_{transaction.store().options().chunk_average},
      preparer_(*transaction.store().index(), transaction.ingest().compression(),
                transaction.store().encoders()) {
  transaction_.writer_opened();
}

ContentWriterImpl::~ContentWriterImpl() {
  if (finished_) return;
  transaction_.writer_closed();
  if (!in_entries_) return;
  // Given up: its runs must not stay in the working copy.
  ignore_error(transaction_.erase_range(extent_range(kFileType, id_, 0)),
               "entries of no object cost a little space, no more");
}

Status ContentWriterImpl::append(ByteView bytes) {
  RAMET_TRY(unpack_adopted());
  if (size() + bytes.size() >= kContentBytesMax) {
    return Error(ErrorCode::kInvalidArgument, "content is limited to 2^63 - 1 bytes");
  }
  if (!buffer_.empty()) {
    // Enough for one greatest chunk is enough to cut; the rest is cut in place.
    const size_t take = std::min(bytes.size(), params_.max() + params_.max() - buffer_.size());
    buffer_.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    RAMET_ASSIGN(const size_t cut_bytes, cut(buffer_, false));
    buffer_.erase(0, cut_bytes);
    if (bytes.empty()) return ok();
    // What is left of the buffer is shorter than a chunk; join it with the rest.
    buffer_.append(bytes);
    RAMET_ASSIGN(const size_t more, cut(buffer_, false));
    buffer_.erase(0, more);
    return ok();
  }
  RAMET_ASSIGN(const size_t cut_bytes, cut(bytes, false));
  buffer_.assign(bytes.substr(cut_bytes));
  return ok();
}

Result<size_t> ContentWriterImpl::cut(ByteView bytes, bool last) {
  std::vector<ByteView> chunks;
  size_t done = 0;
  while (done < bytes.size()) {
    const size_t length = next_cut(bytes.substr(done), last, params_);
    if (length == 0) break;
    chunks.push_back(bytes.substr(done, length));
    done += length;
  }
  RAMET_TRY(put_chunks(chunks));
  return done;
}

Status ContentWriterImpl::put_chunks(const std::vector<ByteView>& chunks) {
  const PreparedBlocks prepared = preparer_.blocks_of(chunks);
  for (size_t i = 0; i < chunks.size(); ++i) {
    RAMET_TRY(put_chunk(chunks[i], prepared.empty() ? nullptr : &prepared[i]));
  }
  return ok();
}

Status ContentWriterImpl::put_chunk(ByteView chunk, const PreparedBlock* prepared) {
  RAMET_ASSIGN(const StoredBlock block, transaction_.ingest().put(chunk, prepared));
  if (extents_.empty() && !in_entries_) first_block_bytes_ = chunk.size();
  extents_.push_back(Extent{size_, chunk.size(), block.ref, 0});
  hasher_.add_block(block.name, 0, chunk.size());
  size_ += chunk.size();
  if (extents_.size() >= kGatheredExtents) return put_full_runs(false);
  return ok();
}

Status ContentWriterImpl::put_full_runs(bool all) {
  for (Extent& extent : extents_) extent.block = transaction_.ingest().resolved(extent.block);
  const auto runs = pack_extents(extents_);
  size_t used = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    // The last run may not be full yet.
    if (!all && i + 1 == runs.size()) break;
    RAMET_TRY(transaction_.put(extent_key(kFileType, id_, 0, runs[i].end), runs[i].value,
                               runs[i].refs));
    used += runs[i].refs.size();
    in_entries_ = true;
  }
  extents_.erase(extents_.begin(), extents_.begin() + static_cast<std::ptrdiff_t>(used));
  return ok();
}

Status ContentWriterImpl::hole(uint64_t length) {
  RAMET_TRY(unpack_adopted());
  RAMET_TRY(cut(buffer_, true));
  buffer_.clear();
  if (length >= kContentBytesMax - size_) {
    return Error(ErrorCode::kInvalidArgument, "content is limited to 2^63 - 1 bytes");
  }
  hasher_.add_hole(length);
  size_ += length;
  return ok();
}

// --- content of other objects --------------------------------------------------------------------

Status ContentWriterImpl::append_from(const View& source, ObjectId id, uint64_t offset,
                                      uint64_t length, VersionNumber version) {
  const auto& view = static_cast<const ViewImpl&>(source);
  if (transaction_.pin_epoch() > view.pin_epoch()) {
    return Error(ErrorCode::kFailedPrecondition,
                 "a transaction shares only what is looked at after it began");
  }
  Adopted from;
  RAMET_ASSIGN(from.record, view.find_record(id, version));
  ObjectInfo& info = from.record.info;
  if (offset >= info.size || length == 0) return ok();
  length = std::min(length, info.size - offset);
  if (length >= kContentBytesMax - size()) {
    return Error(ErrorCode::kInvalidArgument, "content is limited to 2^63 - 1 bytes");
  }
  RAMET_ASSIGN(info.content_id, view.content_id(from.record));
  from.root = view.reader().root();
  if (size() == 0 && !adopted_ && length == info.size) {
    adopted_ = std::move(from);
    return ok();
  }
  RAMET_TRY(unpack_adopted());
  return append_extents(from, offset, offset + length);
}

Status ContentWriterImpl::unpack_adopted() {
  if (!adopted_) return ok();
  const Adopted from = std::move(*adopted_);
  adopted_.reset();
  return append_extents(from, 0, from.record.info.size);
}

Status ContentWriterImpl::append_extents(const Adopted& from, uint64_t offset, uint64_t end) {
  RAMET_TRY(cut(buffer_, true));
  buffer_.clear();
  BlockStore& blocks = transaction_.store().blocks();
  const Reader reader(transaction_.store().context(), from.root);
  uint64_t at = offset;  // up to here it is appended
  const auto skip_to = [&](uint64_t to) {
    if (to == at) return;
    hasher_.add_hole(to - at);
    size_ += to - at;
    at = to;
  };
  Status status = ok();
  const auto add = [&](const Extent& extent) -> Status {
    const uint64_t first = std::max(at, extent.offset);
    const uint64_t length = std::min(end, extent.end()) - first;
    const uint64_t in_block = extent.offset_in_block + (first - extent.offset);
    skip_to(first);
    RAMET_ASSIGN(const SlotEntry slot, blocks.slot(extent.block.segment, extent.block.slot));
    if (extents_.empty() && !in_entries_) {
      RAMET_ASSIGN(first_block_bytes_, blocks.raw_length(extent.block));
    }
    transaction_.lean_on(extent.block);
    extents_.push_back({size_, length, extent.block, static_cast<uint32_t>(in_block)});
    hasher_.add_block(slot.hash, in_block, length);
    size_ += length;
    at += length;
    return extents_.size() >= kGatheredExtents ? put_full_runs(false) : ok();
  };
  RAMET_TRY(reader.extents(from.record, offset, end, [&](const Extent& extent) {
    status = add(extent);
    return status.ok();
  }));
  RAMET_TRY(status);
  skip_to(end);
  return ok();
}

Result<ContentHash> ContentWriterImpl::end() {
  RAMET_TRY(unpack_adopted());
  RAMET_TRY(cut(buffer_, true));
  buffer_.clear();
  return hasher_.finish(size_, first_block_bytes_);
}

Status ContentWriterImpl::finish(ObjectRecord& record) {
  if (adopted_) {
    finished_ = true;
    transaction_.writer_closed();
    const ObjectRecord& from = adopted_->record;
    record.info.id = id_;
    record.info.size = from.info.size;
    record.info.content_id = from.info.content_id;
    const Status shared = transaction_.share_extents(adopted_->root, from, record);
    in_entries_ = record.form == ContentForm::kExtents;
    return shared;
  }
  RAMET_ASSIGN(record.info.content_id, end());
  finished_ = true;
  transaction_.writer_closed();
  record.info.id = id_;
  record.info.size = size_;
  if (in_entries_ || extents_.size() > kInlineExtents) {
    RAMET_TRY(put_full_runs(true));
    record.form = ContentForm::kExtents;
    return ok();
  }
  for (Extent& extent : extents_) extent.block = transaction_.ingest().resolved(extent.block);
  record.extents = extents_;
  if (size_ == 0) {
    record.form = ContentForm::kEmpty;
  } else if (extents_.size() == 1 && extents_[0].length == size_ &&
             extents_[0].offset_in_block == 0 && first_block_bytes_ == size_) {
    record.form = ContentForm::kOneBlock;
  } else {
    record.form = ContentForm::kInline;
  }
  return ok();
}

}  // namespace ramet::engine
