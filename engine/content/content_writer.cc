#include "engine/content/content_writer.h"

#include <fmt/format.h>

#include "engine/container/transaction_impl.h"
#include "engine/store_impl.h"
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
  RAMET_TRY(cut(buffer_, true));
  buffer_.clear();
  if (length >= kContentBytesMax - size_) {
    return Error(ErrorCode::kInvalidArgument, "content is limited to 2^63 - 1 bytes");
  }
  hasher_.add_hole(length);
  size_ += length;
  return ok();
}

Result<ContentHash> ContentWriterImpl::end() {
  RAMET_TRY(cut(buffer_, true));
  buffer_.clear();
  return hasher_.finish(size_, first_block_bytes_);
}

Status ContentWriterImpl::finish(ObjectRecord& record) {
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
  } else if (extents_.size() == 1 && extents_[0].offset == 0 && extents_[0].length == size_) {
    record.form = ContentForm::kOneBlock;
  } else {
    record.form = ContentForm::kInline;
  }
  return ok();
}

}  // namespace ramet::engine
