// BlockRefs and tree roots between their FlatBuffers (format/common.fbs) and values.
#pragma once

#include <algorithm>

#include "format/common_generated.h"
#include "engine/container/operations.h"

namespace ramet::engine {

static_assert(sizeof(fb::Ref) == sizeof(BlockRef));

inline fb::Ref to_fb(const BlockRef& ref) { return {ref.segment, ref.slot, ref.checksum}; }
inline BlockRef from_fb(const fb::Ref& ref) {
  return {ref.segment(), ref.slot(), ref.checksum()};
}

// Element i of a vector of structs or integers. The FlatBuffers verifier checks the alignment of a
// vector's length, not that of its elements: of 8 bytes each, they may stand at any multiple of 4.
template <typename T, typename V>
T element(const V& vector, flatbuffers::uoffset_t i) {
  return load<T>(vector.Data() + size_t{i} * sizeof(T));
}

inline flatbuffers::Offset<fb::TreeRoot> encode_root(flatbuffers::FlatBufferBuilder& builder,
                                                     const WrittenRoot& root) {
  const auto used = root.summary.used();
  const auto summary = builder.CreateVector(used.data(), used.size());
  const fb::Ref ref = to_fb(root.ref);
  return fb::CreateTreeRoot(builder, root.ref.is_null() ? nullptr : &ref, root.level, root.birth,
                            summary);
}

inline WrittenRoot decode_root(const fb::TreeRoot& table) {
  WrittenRoot root;
  if (table.ref() != nullptr) root.ref = from_fb(*table.ref());
  root.level = table.level();
  root.birth = table.birth();
  if (table.summary() != nullptr) {
    const auto columns =
        std::min<flatbuffers::uoffset_t>(table.summary()->size(), Summary::kColumns);
    for (flatbuffers::uoffset_t i = 0; i < columns; ++i) {
      root.summary.columns[i] = element<uint64_t>(*table.summary(), i);
    }
  }
  return root;
}

}  // namespace ramet::engine
