// Reading a long content, cutting and naming it, and what comes after, beside each other: one
// thread reads and cuts (cutting has an order), some name and compress what was cut, and the
// caller's own uses the blocks in their order. In between pieces of some 1 MiB go from hand to
// hand, so that threads are woken per piece and not per block. The blocks are the same whatever
// the threads do [INV-9].
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/content/ordered_work.h"
#include "engine/content/prepared_blocks.h"
#include "format/chunker.h"
#include "io/source_tree.h"

namespace ramet::engine {

// For one content. Not thread-safe but for what it does itself.
class StreamPipeline : private io::StreamSink {
 public:
  // `preparer`: to compress with; null: blocks are named only. `threads`: that name, besides the
  // caller's, which helps; 0: by the machine. Memory: some 1.1 MiB for each thread, twice, and 4.
  StreamPipeline(const ChunkerParams& params, const BlockPreparer* preparer, unsigned threads);

  // SourceTree::stream() with its item: runs on another thread, and is over when run() returns.
  using Read = std::function<Result<io::SourceTree::Outcome>(io::StreamSink& sink)>;
  // The next block; what lies between two is a hole.
  using Use = std::function<Status(const PreparedBlock& block, ByteView raw)>;

  // What `read` returned, or the first error of `use`, after which nothing is used any more.
  // Blocks were used also when the outcome is not kWhole. To be called once.
  Result<io::SourceTree::Outcome> run(const Read& read, const Use& use);

 private:
  // Some blocks: memory, and what was cut of it.
  struct Batch {
    Bytes memory;
    size_t begin = 0;  // of the first block
    PreparedBlocks blocks;
  };

  // io::StreamSink, on the reading thread.
  std::span<char> memory() override;
  Status take(uint64_t offset, size_t length) override;

  // Waits until there is memory. When it is over what is there does, to be read into and forgotten.
  void begin_batch();
  // Puts what was not cut yet before the piece: where it begins.
  size_t put_rest_in_front();
  Status end_batch();
  // Cuts current_'s bytes from `at` on, up to `end`, into blocks; returns where the last one ends.
  size_t cut(size_t at, size_t end, bool last);
  Status end_of_data();

  void name_blocks(Batch& batch);
  void give_back(std::unique_ptr<Batch> batch);
  void stop();

  const ChunkerParams params_;
  const BlockPreparer* const preparer_;
  const unsigned threads_;
  const size_t room_;  // before each piece, for what was not cut yet of the one before

  // Of the reading thread:
  std::unique_ptr<Batch> current_;
  Bytes rest_;            // read, not cut yet
  uint64_t position_ = 0; // in the content, of the end of what was read

  OrderedWork<Batch> naming_{[this](Batch& batch) { name_blocks(batch); }};

  std::mutex mutex_;
  std::condition_variable freed_;
  // Guarded by mutex_:
  std::vector<std::unique_ptr<Batch>> free_;
  size_t batches_ = 0;  // in all
  bool stopped_ = false;
};

}  // namespace ramet::engine
