// ContentIdBuilder: the content id that a stream would get if it were stored, without storing it
// (docs/format.md#content): for telling whether an object holds it already. Cuts as
// ContentWriterImpl does. Not thread-safe. Memory: what is not cut yet.
#pragma once

#include <functional>
#include <utility>

#include "engine/content/content_hasher.h"
#include "format/chunker.h"

namespace ramet::engine {

class ContentIdBuilder {
 public:
  using VisitBlock =
      std::function<void(const ContentHash& name, uint64_t offset, ByteView block)>;
  // `visit` may be null; it gets every block as it is cut.
  explicit ContentIdBuilder(const ChunkerParams& params, VisitBlock visit = nullptr)
      : params_(params), visit_(std::move(visit)) {}

  // At ascending offsets; what is left out is a hole.
  void write(uint64_t offset, ByteView bytes);
  // A block that was cut and named elsewhere, as this would have done. Not mixed with write().
  void add(const ContentHash& name, uint64_t offset, uint64_t length);
  // Requires: `size` is not less than what was written.
  ContentHash finish(uint64_t size);

 private:
  size_t cut(ByteView bytes, bool last);
  void end_data();

  const ChunkerParams params_;
  const VisitBlock visit_;
  Bytes buffer_;  // data that no cut was found for
  uint64_t size_ = 0;  // of what was cut, holes included
  uint64_t first_block_bytes_ = 0;
  ContentHasher hasher_;
};

}  // namespace ramet::engine
