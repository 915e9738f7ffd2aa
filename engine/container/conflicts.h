// Optimistic concurrency: may changes made on top of `base` be committed on top of `head`?
#pragma once

#include <set>

#include "engine/tree/context.h"
#include "engine/tree/root.h"
#include "format/result.h"

namespace ramet::engine {

// `work` is `base` with one transaction's changes, `head` is `base` with those of others. kBusy
// when both changed the same thing: the same key, the same name in a folder, a folder that one
// removed and the other filled, or both moved folders. Cost by what others changed.
// `*theirs`, if given: the keys that only others changed.
Status check_conflicts(TreeContext& context, const Root& base, const Root& work, const Root& head,
                       bool work_moved_folders, std::set<Bytes>* theirs = nullptr);

// The same version, told without reading: also when one of them was written out meanwhile.
inline bool same_root(const Root& a, const Root& b) {
  if (a.dirty != nullptr && a.dirty.get() == b.dirty.get()) return true;
  const auto settled = [](const Root& root) {
    if (!root.dirty) return root.ref;
    return root.dirty->persisted() ? root.dirty->persisted_ref() : BlockRef{};
  };
  if (a.empty() || b.empty()) return a.empty() && b.empty();
  const BlockRef ref = settled(a);
  return !ref.is_null() && ref == settled(b);
}

}  // namespace ramet::engine
