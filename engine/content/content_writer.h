// ContentWriterImpl: cuts a stream into blocks and collects the extents of one new content.
// Memory is bounded: what is not cut yet (at most one greatest chunk), and one run of extents.
#pragma once

#include <optional>
#include <vector>

#include "engine/container/records.h"
#include "engine/content/content_hasher.h"
#include "engine/content/prepared_blocks.h"
#include "engine/tree/root.h"
#include "engine/transaction.h"
#include "format/chunker.h"

namespace ramet::engine {

class TransactionImpl;

class ContentWriterImpl : public ContentWriter {
 public:
  // `id`: of the object, if it is a new one; long content is kept under it meanwhile.
  ContentWriterImpl(TransactionImpl& transaction, const ObjectId& id);
  ~ContentWriterImpl() override;

  Status append(ByteView bytes) override;
  Status hole(uint64_t length) override;
  Status append_from(const View& source, ObjectId id, uint64_t offset, uint64_t length,
                     VersionNumber version) override;
  uint64_t size() const override {
    return adopted_ ? adopted_->record.info.size : size_ + buffer_.size();
  }

  // One whole chunk that was cut and named elsewhere, as this writer would have done. Not mixed
  // with append(), but holes may stand between.
  Status append_prepared(ByteView chunk, const PreparedBlock& prepared) {
    return put_chunk(chunk, &prepared);
  }

  // Nothing follows: the content id. finish() is still to be called.
  Result<ContentHash> end();
  // Ends the content and fills the record's form, extents, size, content id and id.
  Status finish(ObjectRecord& record);

 private:
  // All of an object that was appended from elsewhere, while nothing else was.
  struct Adopted {
    ObjectRecord record;
    Root root;
  };
  // The extents of an adopted one come to those of this one.
  Status unpack_adopted();
  Status append_extents(const Adopted& from, uint64_t offset, uint64_t end);
  // Cuts whole chunks off the front; all of it with `last`. Returns the bytes taken.
  Result<size_t> cut(ByteView bytes, bool last);
  // In order; named and compressed beside each other.
  Status put_chunks(const std::vector<ByteView>& chunks);
  Status put_chunk(ByteView chunk, const PreparedBlock* prepared);
  Status put_full_runs(bool all);

  TransactionImpl& transaction_;
  const ObjectId id_;
  const ChunkerParams params_;
  const BlockPreparer preparer_;
  Bytes buffer_;
  uint64_t size_ = 0;  // of what was cut, holes included
  std::vector<Extent> extents_;
  bool in_entries_ = false;  // runs went to EXTENT entries
  bool finished_ = false;
  std::optional<Adopted> adopted_;
  uint64_t first_block_bytes_ = 0;
  ContentHasher hasher_;
};

}  // namespace ramet::engine
