#include "engine/content/content_stream.h"

#include <algorithm>

#include "format/hash_many.h"

namespace ramet::engine {
namespace {

constexpr uint64_t kBatchBytes = 1u << 20;
constexpr size_t kBatchExtents = 256;
// Less is not worth a thread.
constexpr uint64_t kHelpedBytes = 4u << 20;
constexpr unsigned kHelpersMax = 4;

}  // namespace

ContentStream::~ContentStream() {
  reading_.stop();
  for (std::thread& thread : threads_) thread.join();
  if (taken_ > 0) helpers_->give_back(taken_);
}

Status ContentStream::add(const Extent& extent, const Visit& visit) {
  if (filling_ == nullptr) {
    if (free_.empty()) free_.push_back(std::make_unique<Batch>());
    filling_ = std::move(free_.back());
    free_.pop_back();
  }
  filling_->extents.push_back(extent);
  filling_->bytes += extent.length;
  bytes_ += extent.length;
  if (filling_->bytes < kBatchBytes && filling_->extents.size() < kBatchExtents) return ok();
  return push(visit);
}

Status ContentStream::finish(const Visit& visit) {
  if (filling_ != nullptr) RAMET_TRY(push(visit));
  while (reading_.size() > 0) RAMET_TRY(visit_first(visit));
  return ok();
}

Status ContentStream::push(const Visit& visit) {
  if (threads_.empty() && helpers_ != nullptr && bytes_ >= kHelpedBytes) {
    taken_ = helpers_->take(kHelpersMax);
    for (unsigned i = 0; i < taken_; ++i) threads_.emplace_back([this] { reading_.help(); });
  }
  reading_.push(std::move(filling_));
  const size_t ahead = threads_.empty() ? 0 : 2 * threads_.size() + 2;
  while (reading_.size() > ahead) RAMET_TRY(visit_first(visit));
  return ok();
}

void ContentStream::read(Batch& batch) {
  std::vector<BlockRef> refs;
  refs.reserve(batch.extents.size());
  for (const Extent& extent : batch.extents) refs.push_back(extent.block);
  Status status = blocks_.read_many(refs, batch.memory);
  if (!status.ok()) batch.error = std::move(status).error();
  batch.names.resize(batch.memory.blocks().size());
  blake3_many(batch.memory.blocks(), batch.names);
}

Status ContentStream::visit_first(const Visit& visit) {
  auto batch = reading_.take();
  const auto& blocks = batch->memory.blocks();
  for (size_t i = 0; i < blocks.size(); ++i) {
    RAMET_TRY(visit(batch->extents[i], Block{blocks[i], batch->names[i]}));
  }
  if (batch->error) {
    RAMET_TRY(visit(batch->extents[blocks.size()], Result<Block>(*batch->error)));
  }
  batch->extents.clear();
  batch->names.clear();
  batch->error.reset();
  batch->bytes = 0;
  free_.push_back(std::move(batch));
  return ok();
}

}  // namespace ramet::engine
