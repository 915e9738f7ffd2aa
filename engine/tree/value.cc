#include "engine/tree/value.h"

#include <algorithm>

namespace ramet::engine {
namespace {

// What reference 0 leads to on disk, if it is there.
BlockRef settled(const Value& value) {
  if (value.node()) return value.node()->persisted() ? value.node()->persisted_ref() : BlockRef{};
  return value.refs()[0];
}

}  // namespace

bool same_value(const Value& a, const Value& b) {
  if (a.bytes() != b.bytes() || a.refs().size() != b.refs().size()) return false;
  if (a.refs().empty()) return true;
  const bool same_root = a.node() == b.node() ? a.refs()[0] == b.refs()[0]
                                              : !settled(a).is_null() && settled(a) == settled(b);
  return same_root && std::equal(a.refs().begin() + 1, a.refs().end(), b.refs().begin() + 1);
}

Result<RootedValue> rooted_value(Value value) {
  RAMET_ASSIGN(const DecodedRootValue decoded, decode_root_value(value.bytes()));
  if (value.refs().empty()) {
    return Error(ErrorCode::kCorruption, "rooted value: no reference to a root");
  }
  if (value.node() && value.node()->level() != decoded.root.level) {
    return Error(ErrorCode::kCorruption, "rooted value: not the level of its root");
  }
  RootedValue rooted;
  rooted.root = {value.refs()[0], value.node(), decoded.root.level, decoded.root.summary,
                 decoded.root.birth};
  rooted.bytes = value.bytes().substr(decoded.bytes);
  rooted.value = std::move(value);
  return rooted;
}

}  // namespace ramet::engine
