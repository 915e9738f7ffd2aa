// Cursor: walks the entries of one version of a tree in key order, both ways.
#pragma once

#include <span>
#include <vector>

#include "engine/tree/node_handle.h"
#include "engine/tree/value.h"

namespace ramet::engine {

// Not thread-safe; any number of cursors may walk one Root. It pins the version and the nodes
// that it stands on. Starts nowhere: seek first.
//
// Damage: when a node on the way can't be read, the call fails with an error that names it, the
// cursor stands *at* the damage (!valid(), damaged()), and skip_damaged() goes on behind it, in
// the direction of the last call; so everything else stays readable.
class Cursor {
 public:
  // The context must outlive the cursor.
  Cursor(TreeContext& context, Root root) : context_(context), root_(std::move(root)) {}
  Cursor(Cursor&&) noexcept = default;

  Status seek_first();
  Status seek_last();
  Status seek(ByteView key);         // the first entry >= key
  Status seek_before(ByteView key);  // the last entry < key
  // Requires: valid(). Past the last (before the first) entry the cursor is no longer valid.
  Status next();
  Status prev();

  // Stands on an entry. Otherwise: at the end, at damage, or nowhere yet.
  bool valid() const { return state_ == State::kEntry; }

  // Requires: valid(). Views are valid until the cursor moves.
  ByteView key() const { return key_; }
  ByteView value() const { return leaf().node.value(leaf().index); }
  std::span<const BlockRef> refs() const { return leaf().node.refs(leaf().index); }
  // With a pin of its own.
  Value pinned_value() const { return Value::of(leaf().node, leaf().index); }

  bool damaged() const { return state_ == State::kDamage; }
  // Requires: damaged(). The node that can't be read.
  const BlockRef& damaged_ref() const { return damaged_ref_; }
  // Its keys: from here (inclusive; empty: from the beginning) ...
  const Bytes& damaged_from() const { return lower_; }
  // ... up to here (exclusive; empty: to the end).
  const Bytes& damaged_to() const { return upper_; }
  // Requires: damaged().
  Status skip_damaged();

  const Root& root() const { return root_; }

 private:
  enum class State : uint8_t { kNowhere, kEntry, kDamage };
  struct Frame {
    NodeHandle node;
    uint32_t index = 0;
  };

  Frame& leaf() { return frames_.back(); }
  const Frame& leaf() const { return frames_.back(); }
  Status open_root();
  // Opens the child under the last frame's index.
  Status push_child();
  // From the last frame down to the first (or last) entry below its index.
  Status descend_to_edge();
  // To the entry behind (before) everything below the last frame's index.
  Status step_over();
  void arrive();
  // What lies below the last frame's index, to the bounds below.
  void find_bounds();
  Error at_damage(Error error, const BlockRef& ref);

  TreeContext& context_;
  Root root_;
  State state_ = State::kNowhere;
  bool forward_ = true;
  std::vector<Frame> frames_;  // from the root; the last one is a leaf when valid()
  ByteView key_;
  Bytes key_buffer_;
  BlockRef damaged_ref_;
  Bytes lower_, upper_;  // of the node that was opened last
};

}  // namespace ramet::engine
