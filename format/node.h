// Tree nodes as bytes: encoding, verification, and reading in place (docs/format.md#trees).
// Pure functions over bytes: no I/O, no threads, no allocation while reading.
//
// A node is verified once, by NodeView::open(); after that nothing is bounds-checked. The bytes
// may be hostile: open() accepts only what no accessor can be led astray by [INV-8].
#pragma once

#include <cstdint>
#include <span>

#include "format/block_ref.h"
#include "format/bytes.h"
#include "format/result.h"
#include "format/summary.h"

namespace ramet {

// Limits of the format; a node that breaks one is corrupt.
inline constexpr size_t kMaxKeyBytes = 1536;
// A separator may be one byte longer than any key: it stands between two keys of the full length.
inline constexpr size_t kMaxSeparatorBytes = kMaxKeyBytes + 1;
// Value bytes plus 16 for each of its references.
inline constexpr size_t kMaxValueBytes = 12 << 10;
inline constexpr size_t kMaxNodeBytes = 64 << 10;
// Every inner node has at least two children, so no tree can come near this.
inline constexpr uint8_t kMaxNodeLevel = 63;
// Nodes are read from memory that is aligned to this.
inline constexpr size_t kNodeAlignment = 16;
// An upper bound of what a node takes besides its entries, and what each entry takes besides its
// key (and value, and references). Trees plan their splits with these.
inline constexpr size_t kNodeOverheadBytes = 136;
inline constexpr size_t kLeafEntryOverheadBytes = 6;
inline constexpr size_t kChildOverheadBytes = 27;  // plus 8 for each summary column

// One entry of a leaf. Borrowed bytes.
struct LeafItem {
  ByteView key;
  ByteView value;
  std::span<const BlockRef> refs;
};

// One child of an inner node. `key` is the lower bound of its keys.
struct ChildItem {
  ByteView key;
  BlockRef ref;
  Sequence birth = 0;    // the last commit that changed anything below
  bool grafted = false;  // everything below counts as changed in `birth`
  const Summary* summary = nullptr;
};

// Encodes a leaf, or an inner node of `level` 1 and up. The same items give the same bytes
// [INV-9]. Requires: at least one item, each within the limits above. kCorruption if keys are not
// sorted and unique (the tree they come from was damaged), kInvalidArgument if the node would be
// greater than kMaxNodeBytes.
Result<Bytes> encode_leaf(std::span<const LeafItem> items);
Result<Bytes> encode_inner(uint8_t level, std::span<const ChildItem> items);

// The common beginning of two byte strings, in bytes.
size_t common_prefix(ByteView a, ByteView b);

// A verified node, read in place. A plain view: copies are cheap, the bytes must outlive it.
// Immutable, so any number of threads may use it.
class NodeView {
 public:
  // Verifies everything that the accessors rely on, and that keys are sorted and unique.
  // kCorruption names the rule that is broken. Requires: `encoded` aligned to kNodeAlignment.
  static Result<NodeView> open(ByteView encoded);

  uint8_t level() const { return level_; }
  bool is_leaf() const { return level_ == 0; }
  uint32_t count() const { return count_; }  // at least 1

  // Key i is prefix() + suffix(i).
  ByteView prefix() const { return prefix_; }
  ByteView suffix(uint32_t i) const {
    return {key_heap_ + key_offsets_[i], size_t{key_offsets_[i + 1]} - key_offsets_[i]};
  }
  // Bytes of all suffixes together.
  size_t key_heap_bytes() const { return key_offsets_[count_]; }

  // Every reference of the node, in order: all that counting and copying need.
  std::span<const BlockRef> refs() const { return {refs_, ref_count_}; }

  // Requires: is_leaf(). Values begin at multiples of 8 in memory.
  ByteView value(uint32_t i) const {
    const size_t start = i == 0 ? 0 : align_up(value_ends_[i - 1], 8);
    return {value_heap_ + start, value_ends_[i] - start};
  }
  std::span<const BlockRef> value_refs(uint32_t i) const {
    if (ref_starts_ == nullptr) return {};
    return {refs_ + ref_starts_[i], static_cast<size_t>(ref_starts_[i + 1] - ref_starts_[i])};
  }
  // Bytes of all values together, each rounded up to a multiple of 8.
  size_t value_heap_bytes() const { return align_up(value_ends_[count_ - 1], 8); }

  // Requires: !is_leaf().
  const BlockRef& child(uint32_t i) const { return refs_[i]; }
  Sequence birth(uint32_t i) const { return births_[i]; }
  bool grafted(uint32_t i) const { return grafted_ != nullptr && grafted_[i] != 0; }
  uint8_t columns() const { return columns_; }
  Summary summary(uint32_t i) const {
    Summary result{};
    for (size_t c = 0; c < columns_; ++c) result.columns[c] = summaries_[i * columns_ + c];
    return result;
  }

 private:
  NodeView() = default;
  Status verify_keys(size_t key_bytes_max) const;
  Status verify_values() const;

  uint8_t level_ = 0;
  uint8_t columns_ = 0;
  uint32_t count_ = 0;
  uint32_t ref_count_ = 0;
  ByteView prefix_;
  const uint16_t* key_offsets_ = nullptr;
  const char* key_heap_ = nullptr;
  const uint16_t* value_ends_ = nullptr;
  const char* value_heap_ = nullptr;
  const uint16_t* ref_starts_ = nullptr;
  const BlockRef* refs_ = nullptr;
  const uint64_t* births_ = nullptr;
  const uint64_t* summaries_ = nullptr;
  const uint8_t* grafted_ = nullptr;
};

}  // namespace ramet
