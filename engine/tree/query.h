// Reading one version of a tree. All functions are thread-safe, and cost O(log n) node visits.
// They fail with kCorruption (naming the node) or kIoError when a node on the way is unreadable.
#pragma once

#include <optional>

#include "engine/tree/context.h"
#include "engine/tree/root.h"
#include "engine/tree/value.h"

namespace ramet::engine {

// Finds the value of a key; false if there is none (then *out is unchanged). `out` may be null.
Result<bool> get(TreeContext& context, const Root& root, ByteView key, Value* out);

// The rooted value of a key; nullopt if there is no such key.
Result<std::optional<RootedValue>> get_root(TreeContext& context, const Root& root, ByteView key);

// What the entries of [from, to) add up to; empty `to`: the end.
Result<Summary> summarize(TreeContext& context, const Root& root, ByteView from, ByteView to);

// An upper bound of the last commit that put or erased anything in [from, to); empty `to`: the
// end. Leaves are the grain: a change to a neighbour in the same leaf counts too.
Result<Sequence> newest_birth(TreeContext& context, const Root& root, ByteView from, ByteView to);

// First and last key of a tree that is not empty.
Result<Bytes> first_key(TreeContext& context, const Root& root);
Result<Bytes> last_key(TreeContext& context, const Root& root);

}  // namespace ramet::engine
