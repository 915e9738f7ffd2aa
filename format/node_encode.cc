// Encoding of nodes. All arrays are filled in place inside the FlatBuffer under construction.
#include <flatbuffers/flatbuffers.h>

#include <algorithm>
#include <vector>

#include "format/node.h"
#include "format/node_generated.h"

namespace ramet {
namespace {

using flatbuffers::Offset;
using flatbuffers::Vector;
using RefVector = Vector<const fb::Ref*>;

Error too_long() {
  return {ErrorCode::kInvalidArgument, "a node would be greater than the format allows"};
}

template <typename T>
T* uninitialized(flatbuffers::FlatBufferBuilder& fbb, size_t n, Offset<Vector<T>>* out) {
  T* data = nullptr;
  *out = fbb.CreateUninitializedVector<T>(n, &data);
  return data;
}

struct Keys {
  Offset<Vector<uint8_t>> prefix, heap;
  Offset<Vector<uint16_t>> offsets;
};

// In sorted keys the first and the last one decide the prefix. The order is checked: a tree whose
// nodes contradict each other must not give a node that contradicts itself.
template <typename Item>
Result<size_t> shared_prefix(std::span<const Item> items) {
  for (size_t i = 1; i < items.size(); ++i) {
    if (items[i - 1].key >= items[i].key) {
      return Error(ErrorCode::kCorruption, "node: keys to be encoded are not sorted");
    }
  }
  return common_prefix(items.front().key, items.back().key);
}

template <typename Item>
size_t suffix_bytes(std::span<const Item> items, size_t prefix) {
  size_t total = 0;
  for (const Item& item : items) total += item.key.size() - prefix;
  return total;
}

template <typename Item>
Keys write_keys(flatbuffers::FlatBufferBuilder& fbb, std::span<const Item> items, size_t prefix,
                size_t heap_bytes) {
  Keys keys;
  if (prefix != 0) {
    keys.prefix = fbb.CreateVector(reinterpret_cast<const uint8_t*>(items[0].key.data()), prefix);
  }
  uint8_t* heap = uninitialized(fbb, heap_bytes, &keys.heap);
  for (const Item& item : items) {
    heap = std::copy(item.key.begin() + static_cast<ptrdiff_t>(prefix), item.key.end(), heap);
  }
  uint16_t* offsets = uninitialized(fbb, items.size() + 1, &keys.offsets);
  size_t offset = 0;
  offsets[0] = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    offset += items[i].key.size() - prefix;
    offsets[i + 1] = static_cast<uint16_t>(offset);
  }
  return keys;
}

struct Values {
  Offset<Vector<uint16_t>> ends, ref_starts;
  Offset<Vector<uint8_t>> heap;
  Offset<RefVector> refs;
};

Values write_values(flatbuffers::FlatBufferBuilder& fbb, std::span<const LeafItem> items,
                    size_t heap_bytes, size_t ref_count) {
  Values values;
  if (heap_bytes != 0) {
    fbb.ForceVectorAlignment(heap_bytes, 1, 8);
    uint8_t* heap = uninitialized(fbb, heap_bytes, &values.heap);
    size_t at = 0;
    for (const LeafItem& item : items) {
      const size_t start = std::min(align_up(at, 8), heap_bytes);
      std::fill(heap + at, heap + start, uint8_t{0});
      std::copy(item.value.begin(), item.value.end(), heap + start);
      at = align_up(at, 8) + item.value.size();
    }
  }
  uint16_t* ends = uninitialized(fbb, items.size(), &values.ends);
  size_t end = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    end = align_up(end, 8) + items[i].value.size();
    ends[i] = static_cast<uint16_t>(end);
  }
  if (ref_count == 0) return values;
  fb::Ref* refs = nullptr;
  values.refs = fbb.CreateUninitializedVectorOfStructs<fb::Ref>(ref_count, &refs);
  for (const LeafItem& item : items) {
    if (!item.refs.empty())
      std::memcpy(static_cast<void*>(refs), item.refs.data(), item.refs.size_bytes());
    refs += item.refs.size();
  }
  uint16_t* starts = uninitialized(fbb, items.size() + 1, &values.ref_starts);
  size_t start = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    starts[i] = static_cast<uint16_t>(start);
    start += items[i].refs.size();
  }
  starts[items.size()] = static_cast<uint16_t>(start);
  return values;
}

Bytes finished(flatbuffers::FlatBufferBuilder& fbb) {
  return Bytes(reinterpret_cast<const char*>(fbb.GetBufferPointer()), fbb.GetSize());
}

}  // namespace

Result<Bytes> encode_leaf(std::span<const LeafItem> items) {
  RAMET_CHECK(!items.empty(), "a leaf has entries");
  RAMET_ASSIGN(const size_t prefix, shared_prefix(items));
  const size_t key_bytes = suffix_bytes(items, prefix);
  size_t value_bytes = 0, ref_count = 0;
  for (const LeafItem& item : items) {
    value_bytes = align_up(value_bytes, 8) + item.value.size();
    ref_count += item.refs.size();
  }
  const size_t total = kNodeOverheadBytes + prefix + key_bytes + align_up(value_bytes, 8) +
                       ref_count * sizeof(BlockRef) + items.size() * kLeafEntryOverheadBytes;
  if (total > kMaxNodeBytes) return too_long();

  flatbuffers::FlatBufferBuilder fbb(total + 64);
  const Values values = write_values(fbb, items, value_bytes, ref_count);
  const Keys keys = write_keys(fbb, items, prefix, key_bytes);
  fb::NodeBuilder node(fbb);
  if (prefix != 0) node.add_prefix(keys.prefix);
  node.add_key_offsets(keys.offsets);
  node.add_key_heap(keys.heap);
  node.add_value_ends(values.ends);
  if (value_bytes != 0) node.add_value_heap(values.heap);
  if (ref_count != 0) {
    node.add_ref_starts(values.ref_starts);
    node.add_refs(values.refs);
  }
  fbb.Finish(node.Finish());
  return finished(fbb);
}

Result<Bytes> encode_inner(uint8_t level, std::span<const ChildItem> items) {
  RAMET_CHECK(!items.empty() && level > 0, "an inner node has children");
  RAMET_ASSIGN(const size_t prefix, shared_prefix(items));
  const size_t key_bytes = suffix_bytes(items, prefix);
  size_t columns = 0;
  bool grafted = false;
  for (const ChildItem& item : items) {
    columns = std::max(columns, item.summary->used_columns());
    grafted |= item.grafted;
  }
  const size_t total =
      kNodeOverheadBytes + prefix + key_bytes + items.size() * (kChildOverheadBytes + 8 * columns);
  if (total > kMaxNodeBytes) return too_long();

  flatbuffers::FlatBufferBuilder fbb(total + 64);
  Offset<Vector<uint64_t>> summaries, births;
  if (columns != 0) {
    uint64_t* out = uninitialized(fbb, items.size() * columns, &summaries);
    for (const ChildItem& item : items) {
      out = std::copy_n(item.summary->columns.begin(), columns, out);
    }
  }
  uint64_t* birth = uninitialized(fbb, items.size(), &births);
  for (const ChildItem& item : items) *birth++ = item.birth;
  fb::Ref* ref = nullptr;
  const auto refs = fbb.CreateUninitializedVectorOfStructs<fb::Ref>(items.size(), &ref);
  for (const ChildItem& item : items)
    std::memcpy(static_cast<void*>(ref++), &item.ref, sizeof(BlockRef));
  Offset<Vector<uint8_t>> marks;
  if (grafted) {
    uint8_t* mark = uninitialized(fbb, items.size(), &marks);
    for (const ChildItem& item : items) *mark++ = item.grafted ? 1 : 0;
  }
  const Keys keys = write_keys(fbb, items, prefix, key_bytes);
  fb::NodeBuilder node(fbb);
  node.add_level(level);
  node.add_columns(static_cast<uint8_t>(columns));
  if (prefix != 0) node.add_prefix(keys.prefix);
  node.add_key_offsets(keys.offsets);
  node.add_key_heap(keys.heap);
  node.add_refs(refs);
  node.add_births(births);
  if (columns != 0) node.add_summaries(summaries);
  if (grafted) node.add_grafted(marks);
  fbb.Finish(node.Finish());
  return finished(fbb);
}

}  // namespace ramet
