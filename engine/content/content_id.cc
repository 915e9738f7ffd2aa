#include "engine/content/content_id.h"

namespace ramet::engine {

void ContentIdBuilder::write(uint64_t offset, ByteView bytes) {
  if (bytes.empty()) return;
  if (offset > size_ + buffer_.size()) {
    end_data();
    hasher_.add_hole(offset - size_);
    size_ = offset;
  }
  if (!buffer_.empty()) {
    // Enough for one greatest chunk is enough to cut; the rest is cut in place.
    const size_t held = buffer_.size();
    const size_t take = std::min(bytes.size(), params_.max());
    buffer_.append(bytes.substr(0, take));
    const size_t done = cut(buffer_, false);
    if (done < held) {  // then `bytes` was short
      buffer_.erase(0, done);
      return;
    }
    bytes.remove_prefix(done - held);
    buffer_.clear();
  }
  buffer_.assign(bytes.substr(cut(bytes, false)));
}

size_t ContentIdBuilder::cut(ByteView bytes, bool last) {
  size_t done = 0;
  while (done < bytes.size()) {
    const size_t length = next_cut(bytes.substr(done), last, params_);
    if (length == 0) break;
    if (size_ == 0) first_block_bytes_ = length;
    const ByteView block = bytes.substr(done, length);
    const ContentHash name = blake3(block);
    hasher_.add_block(name, 0, length);
    if (visit_) visit_(name, size_, block);
    size_ += length;
    done += length;
  }
  return done;
}

void ContentIdBuilder::add(const ContentHash& name, uint64_t offset, uint64_t length) {
  hasher_.add_hole(offset - size_);
  if (offset == 0) first_block_bytes_ = length;
  hasher_.add_block(name, 0, length);
  size_ = offset + length;
}

void ContentIdBuilder::end_data() {
  cut(buffer_, true);
  buffer_.clear();
}

ContentHash ContentIdBuilder::finish(uint64_t size) {
  end_data();
  hasher_.add_hole(size - size_);
  size_ = size;
  return hasher_.finish(size, first_block_bytes_);
}

}  // namespace ramet::engine
