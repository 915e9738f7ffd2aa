// Writing dirty nodes out, and letting go of their memory afterwards.
#pragma once

#include "engine/tree/context.h"
#include "engine/tree/root.h"

namespace ramet::engine {

// Encodes one node; its dirty references must all be persisted.
Result<Bytes> encode_node(const MutNode& node);

// Writes every dirty node that can be reached from a root (trees of rooted values included)
// through the context's NodeStore: children first, in key order, each node once however many
// references lead to it [INV-9]. Written nodes enter the cache, verified. Returns the same version
// as a clean root. Nothing is durable before the NodeStore was synced.
//
// May run in a thread of its own while the version is read and later versions are written: it
// touches only nodes that are shared (by `root`), and changes nothing in them but the reference
// under which they are persisted. For checkpoints, one at a time a store: what they mark is counted
// by them.
// kOutOfSpace, kIoError; kCorruption if a node does not verify as it was encoded. What was written
// before a failure stays persisted, and is not written again by the next call.
Result<Root> persist(TreeContext& context, const Root& root, Sequence sequence);

// The same for a version that may never count (a transaction that spills): marks nothing, for the
// nodes that it shares with others must not be taken for written when it is given up.
Result<Root> write_copy(TreeContext& context, const Root& root, Sequence sequence);

// An equal version in which every reference to a persisted dirty node is a reference to the
// written one, so that the dirty one can be freed. Persisted nodes are not descended into: the
// cost follows the dirty nodes that are not. Nodes on the way are copied if somebody else refers
// to them (once each, also where they hang in several places), else changed in place: move the
// last reference to a version in, to free the most. Thread-safe beside readers and persist().
Root replace_persisted(TreeContext& context, Root head);

}  // namespace ramet::engine
