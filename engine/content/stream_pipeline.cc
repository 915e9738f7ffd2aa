#include "engine/content/stream_pipeline.h"

#include <algorithm>
#include <cstring>

#include "format/hash_many.h"

namespace ramet::engine {
namespace {

constexpr size_t kPieceBytes = 1u << 20;
constexpr unsigned kThreadsMax = 8;

}  // namespace

StreamPipeline::StreamPipeline(const ChunkerParams& params, const BlockPreparer* preparer,
                               unsigned threads)
    : params_(params),
      preparer_(preparer),
      threads_(threads != 0 ? threads
                            : std::clamp(std::thread::hardware_concurrency(), 2u, kThreadsMax) - 1),
      room_(params.max()) {}

Result<io::SourceTree::Outcome> StreamPipeline::run(const Read& read, const Use& use) {
  std::optional<Result<io::SourceTree::Outcome>> outcome;
  std::thread reader([&] {
    outcome.emplace(read(*this));
    // What was read of a content that did not come to its end is given up by whoever asked.
    if (outcome->ok() && **outcome == io::SourceTree::Outcome::kWhole) {
      const Status ended = end_of_data();
      if (!ended.ok()) outcome.emplace(ended.error());
    }
    naming_.end();
  });
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < threads_; ++i) workers.emplace_back([this] { naming_.help(); });
  Status used = ok();
  while (auto batch = naming_.take()) {
    size_t at = batch->begin;
    for (const PreparedBlock& block : batch->blocks) {
      if (used.ok()) used = use(block, ByteView(batch->memory).substr(at, block.length));
      at += block.length;
    }
    if (!used.ok()) stop();
    give_back(std::move(batch));
  }
  reader.join();
  for (std::thread& worker : workers) worker.join();
  RAMET_TRY(used);
  return std::move(*outcome);
}

// --- reading and cutting -------------------------------------------------------------------------

std::span<char> StreamPipeline::memory() {
  begin_batch();
  return std::span<char>(current_->memory).subspan(room_);
}

void StreamPipeline::begin_batch() {
  if (current_ != nullptr) return;
  std::unique_lock lock(mutex_);
  const size_t batches_max = 2 * size_t{threads_} + 4;
  freed_.wait(lock, [&] { return stopped_ || !free_.empty() || batches_ < batches_max; });
  if (!free_.empty()) {
    current_ = std::move(free_.back());
    free_.pop_back();
  } else {
    ++batches_;
    lock.unlock();
    current_ = std::make_unique<Batch>();
    current_->memory.resize(room_ + kPieceBytes);
  }
}

size_t StreamPipeline::put_rest_in_front() {
  current_->begin = room_ - rest_.size();
  std::memcpy(current_->memory.data() + current_->begin, rest_.data(), rest_.size());
  return current_->begin;
}

Status StreamPipeline::take(uint64_t offset, size_t length) {
  const size_t end = room_ + length;
  size_t at = put_rest_in_front();
  if (offset != position_) {  // a hole: no block goes over it
    at = cut(at, room_, true);
    position_ = offset;
  }
  position_ += length;
  at = cut(at, end, false);
  rest_.assign(current_->memory, at, end - at);
  return end_batch();
}

size_t StreamPipeline::cut(size_t at, size_t end, bool last) {
  // (position_ is what `end` stands for.)
  const ByteView bytes(current_->memory.data(), end);
  uint64_t offset = position_ - (end - at);
  while (at < end) {
    const size_t length = next_cut(bytes.substr(at), last, params_);
    if (length == 0) break;
    PreparedBlock& block = current_->blocks.emplace_back();
    block.offset = offset;
    block.length = static_cast<uint32_t>(length);
    offset += length;
    at += length;
  }
  return at;
}

Status StreamPipeline::end_batch() {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return Error(ErrorCode::kCancelled, "the stream is not wanted any more");
  }
  // (Without blocks it is used for the next piece.)
  if (!current_->blocks.empty()) naming_.push(std::move(current_));
  return ok();
}

Status StreamPipeline::end_of_data() {
  if (rest_.empty()) return ok();
  begin_batch();
  cut(put_rest_in_front(), room_, true);
  return end_batch();
}

// --- naming --------------------------------------------------------------------------------------

void StreamPipeline::name_blocks(Batch& batch) {
  std::vector<ByteView> raw;
  raw.reserve(batch.blocks.size());
  size_t at = batch.begin;
  for (const PreparedBlock& block : batch.blocks) {
    raw.push_back(ByteView(batch.memory).substr(at, block.length));
    at += block.length;
  }
  std::vector<ContentHash> names(raw.size());
  blake3_many(raw, names);
  for (size_t i = 0; i < raw.size(); ++i) {
    batch.blocks[i].name = names[i];
    if (preparer_ != nullptr) preparer_->compress(raw[i], batch.blocks[i]);
  }
}

// --- using ---------------------------------------------------------------------------------------

void StreamPipeline::give_back(std::unique_ptr<Batch> batch) {
  batch->blocks.clear();
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(batch));
  freed_.notify_one();
}

void StreamPipeline::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  freed_.notify_all();
}

}  // namespace ramet::engine
