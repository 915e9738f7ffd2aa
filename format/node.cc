// Verification of nodes. Everything here looks at bytes that nobody has vouched for.
#include "format/node.h"

#include <flatbuffers/flatbuffers.h>

#include <bit>
#include <string>

#include "format/node_generated.h"
#include "format/planted.h"

namespace ramet {
namespace {

static_assert(sizeof(fb::Ref) == sizeof(BlockRef) && alignof(fb::Ref) == alignof(BlockRef));

Error corrupt(const std::string& what) { return {ErrorCode::kCorruption, "node: " + what}; }

Error corrupt_entry(const char* what, uint32_t i) {
  return corrupt(std::string(what) + " at entry " + std::to_string(i));
}

template <typename V>
size_t size_of(const V* vector) {
  return vector == nullptr ? 0 : vector->size();
}

// The FlatBuffers verifier checks the alignment of a vector's length, not that of its elements.
template <typename T, typename V>
bool elements(const V* vector, const T** out) {
  if (vector == nullptr) return true;
  const uint8_t* data = vector->Data();
  *out = reinterpret_cast<const T*>(data);
  return reinterpret_cast<uintptr_t>(data) % alignof(T) == 0;
}

}  // namespace

size_t common_prefix(ByteView a, ByteView b) {
  const size_t n = std::min(a.size(), b.size());
  size_t i = 0;
  while (i + 8 <= n) {
    const uint64_t difference = load<uint64_t>(a.data() + i) ^ load<uint64_t>(b.data() + i);
    if (difference != 0) return i + static_cast<size_t>(std::countr_zero(difference)) / 8;
    i += 8;
  }
  while (i < n && a[i] == b[i]) ++i;
  return i;
}

Status NodeView::verify_keys(size_t key_bytes_max) const {
  if (key_offsets_[0] != 0) return corrupt("the first key does not begin its heap");
  for (uint32_t i = 0; i < count_; ++i) {
    if (key_offsets_[i + 1] < key_offsets_[i]) return corrupt_entry("key offsets go back", i);
  }
  // Only now may suffix() be used: its last end was compared with the heap by the caller.
  for (uint32_t i = 0; i < count_; ++i) {
    if (prefix_.size() + suffix(i).size() > key_bytes_max) return corrupt_entry("long key", i);
    if (i == 0 || suffix(i - 1) < suffix(i)) continue;
    if (planted(DecoderBug::kEqualKeys) && suffix(i - 1) == suffix(i)) continue;
    return corrupt_entry("keys are not sorted", i);
  }
  return {};
}

Status NodeView::verify_values() const {
  size_t end = 0;
  uint32_t refs_end = 0;
  for (uint32_t i = 0; i < count_; ++i) {
    const size_t start = align_up(end, 8);
    if (value_ends_[i] < start) return corrupt_entry("value offsets go back", i);
    end = value_ends_[i];
    uint32_t references = 0;
    if (ref_starts_ != nullptr) {
      if (ref_starts_[i] != refs_end || ref_starts_[i + 1] < refs_end) {
        return corrupt_entry("reference offsets do not follow each other", i);
      }
      references = ref_starts_[i + 1] - refs_end;
      refs_end = ref_starts_[i + 1];
    }
    if (end - start + sizeof(BlockRef) * references > kMaxValueBytes) {
      return corrupt_entry("value too long", i);
    }
  }
  if (refs_end != ref_count_) return corrupt("references that belong to no entry");
  return {};
}

Result<NodeView> NodeView::open(ByteView encoded) {
  RAMET_CHECK(reinterpret_cast<uintptr_t>(encoded.data()) % kNodeAlignment == 0,
              "nodes are read from aligned memory");
  if (encoded.size() > kMaxNodeBytes) return corrupt("too long");
  const auto* bytes = reinterpret_cast<const uint8_t*>(encoded.data());
  flatbuffers::Verifier verifier(bytes, encoded.size(), /*max_depth=*/4, /*max_tables=*/4);
  if (!verifier.VerifyBuffer<fb::Node>(nullptr)) return corrupt("not a node");
  const fb::Node& node = *flatbuffers::GetRoot<fb::Node>(bytes);

  NodeView view;
  view.level_ = node.level();
  view.columns_ = node.columns();
  if (node.prefix() != nullptr) {
    view.prefix_ = {reinterpret_cast<const char*>(node.prefix()->Data()), node.prefix()->size()};
  }
  if (!elements(node.key_offsets(), &view.key_offsets_) ||
      !elements(node.key_heap(), &view.key_heap_) ||
      !elements(node.value_ends(), &view.value_ends_) ||
      !elements(node.value_heap(), &view.value_heap_) ||
      !elements(node.ref_starts(), &view.ref_starts_) || !elements(node.refs(), &view.refs_) ||
      !elements(node.births(), &view.births_) || !elements(node.summaries(), &view.summaries_) ||
      !elements(node.grafted(), &view.grafted_)) {
    return corrupt("misaligned array");
  }
  if (size_of(node.key_offsets()) < 2) return corrupt("no entries");
  view.count_ = node.key_offsets()->size() - 1;
  view.ref_count_ = static_cast<uint32_t>(size_of(node.refs()));
  if (view.key_offsets_[view.count_] != size_of(node.key_heap())) {
    return corrupt("keys do not end with their heap");
  }
  if (view.level_ > kMaxNodeLevel) return corrupt("level too high");
  RAMET_TRY(view.verify_keys(view.is_leaf() ? kMaxKeyBytes : kMaxSeparatorBytes));

  if (view.is_leaf()) {
    if (size_of(node.value_ends()) != view.count_) return corrupt("number of values");
    if (view.value_ends_[view.count_ - 1] != size_of(node.value_heap())) {
      return corrupt("values do not end with their heap");
    }
    if (size_of(node.value_heap()) != 0 && reinterpret_cast<uintptr_t>(view.value_heap_) % 8 != 0) {
      return corrupt("misaligned values");
    }
    if (view.ref_starts_ != nullptr && node.ref_starts()->size() != view.count_ + 1) {
      return corrupt("number of reference offsets");
    }
    if (view.columns_ != 0 || size_of(node.births()) != 0 || size_of(node.summaries()) != 0 ||
        size_of(node.grafted()) != 0) {
      return corrupt("a leaf with parts of an inner node");
    }
    RAMET_TRY(view.verify_values());
    return view;
  }

  if (view.ref_count_ != view.count_ || size_of(node.births()) != view.count_) {
    return corrupt("number of children");
  }
  if (view.columns_ > kSummaryColumns) return corrupt("unknown summary columns");
  if (size_of(node.summaries()) != size_t{view.count_} * view.columns_) {
    return corrupt("number of summaries");
  }
  if (view.grafted_ != nullptr && node.grafted()->size() != view.count_) {
    return corrupt("number of graft marks");
  }
  if (size_of(node.value_ends()) != 0 || size_of(node.value_heap()) != 0 ||
      size_of(node.ref_starts()) != 0) {
    return corrupt("an inner node with values");
  }
  for (uint32_t i = 0; i < view.count_; ++i) {
    if (view.refs_[i].is_null()) return corrupt_entry("null child", i);
  }
  return view;
}

}  // namespace ramet
