// What changed from one version of a tree to another.
#pragma once

#include <functional>

#include "engine/tree/context.h"
#include "engine/tree/root.h"
#include "engine/tree/value.h"

namespace ramet::engine {

// One difference: `before` is null for an added key, `after` for a removed one. The views and
// Values are valid during the call (Values may be copied). Return false to stop.
using DiffVisitor = std::function<bool(ByteView key, const Value* before, const Value* after)>;

// Calls `visit` for every key whose value is not the same (same_value()) in both, in key order.
// Subtrees that both share (the same dirty node, or the same reference) are skipped without being
// read, wherever they hang and whatever the heights: for versions of one tree the cost follows
// the difference. Thread-safe. Fails with kCorruption or kIoError when a node that must be read
// can't be.
Status diff(TreeContext& context, const Root& before, const Root& after, const DiffVisitor& visit);
// The same for the keys from `from` up to (not including) `to`; empty `to`: to the end.
Status diff(TreeContext& context, const Root& before, const Root& after, ByteView from,
            ByteView to, const DiffVisitor& visit);
// Is anything in the range not the same?
Result<bool> differs(TreeContext& context, const Root& before, const Root& after, ByteView from,
                     ByteView to);

}  // namespace ramet::engine
