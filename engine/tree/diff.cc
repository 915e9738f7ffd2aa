// Two walkers, one a version, each at an *item*: a subtree that was not opened yet, or an entry.
// What comes first in key order is opened or reported; two identical subtrees are skipped.
#include "engine/tree/diff.h"

#include <utility>
#include <vector>

namespace ramet::engine {
namespace {

class Walker {
 public:
  Walker(TreeContext& context, const Root& root) : context_(context), root_(root) {
    at_root_ = !root.empty();
  }

  bool done() const { return !at_root_ && frames_.empty(); }
  bool at_entry() const { return !at_root_ && top().node.is_leaf(); }
  // Of the subtree; it stands one level below its node.
  uint8_t level() const {
    return at_root_ ? root_.level : static_cast<uint8_t>(top().node.level() - 1);
  }
  // An entry's key, or a lower bound of the keys in the subtree.
  ByteView position() const { return position_; }
  Value value() const { return Value::of(top().node, top().index); }

  const MutNode* dirty() const {
    return at_root_ ? root_.dirty.get() : top().node.child_dirty(top().index);
  }
  // Where the subtree is on disk; null if it is not.
  BlockRef settled_ref() const {
    const MutNode* node = dirty();
    if (node != nullptr) return node->persisted() ? node->persisted_ref() : BlockRef{};
    return at_root_ ? root_.ref : top().node.child_ref(top().index);
  }

  // Opens the subtree; the first thing inside becomes the item.
  Status open() {
    count(context_.counters.visited);
    auto node =
        at_root_ ? open_node(context_, root_) : open_child(context_, top().node, top().index);
    if (!node.ok()) return std::move(node).error();
    Bytes upper = at_root_ ? Bytes() : upper_bound();
    RAMET_TRY(check_bounds(*node, position_, upper));
    at_root_ = false;
    frames_.push_back({std::move(node).value(), 0, position_, std::move(upper)});
    locate();
    return {};
  }

  // Passes over what stands before `from`, and opens the subtrees that reach across it, so that
  // everything from here on is in the range. Done behind `to`.
  Status enter(ByteView from, ByteView to) {
    while (!done()) {
      if (!to.empty() && position_ >= to) {
        at_root_ = false;
        frames_.clear();
      } else if (position_ >= from) {
        break;
      } else if (at_entry() || ends_before(from)) {
        skip();
      } else {
        RAMET_TRY(open());
      }
    }
    return {};
  }

  // Goes on behind the item.
  void skip() {
    if (std::exchange(at_root_, false)) return;
    while (!frames_.empty() && ++top().index == top().node.count()) frames_.pop_back();
    if (!frames_.empty()) locate();
  }

 private:
  struct Frame {
    NodeHandle node;
    uint32_t index = 0;
    Bytes lower;  // no key in the node is less
    Bytes upper;  // all are less; empty: no bound
  };
  Frame& top() { return frames_.back(); }
  const Frame& top() const { return frames_.back(); }
  bool ends_before(ByteView key) {
    if (at_root_) return false;
    const Bytes upper = upper_bound();
    return !upper.empty() && upper <= key;
  }
  Bytes upper_bound() {
    const Frame& frame = top();
    if (frame.index + 1 == frame.node.count()) return frame.upper;
    return Bytes(frame.node.key(frame.index + 1, buffer_));
  }

  void locate() {
    const Frame& frame = top();
    position_ = frame.node.key(frame.index, buffer_);
    // A first child reaches down to where its parent does.
    if (position_ < frame.lower) position_ = frame.lower;
  }

  TreeContext& context_;
  const Root& root_;
  bool at_root_ = false;
  std::vector<Frame> frames_;
  Bytes position_;
  Bytes buffer_;
};

bool same_subtree(const Walker& a, const Walker& b) {
  if (a.at_entry() || b.at_entry()) return false;
  if (a.dirty() != nullptr && a.dirty() == b.dirty()) return true;
  const BlockRef ref = a.settled_ref();
  return !ref.is_null() && ref == b.settled_ref();
}

// Opens the greater of two subtrees that begin at the same place, or both if they are as high.
Status open_greater(Walker& a, Walker& b) {
  const bool open_a = !a.at_entry() && (b.at_entry() || a.level() >= b.level());
  const bool open_b = !b.at_entry() && (a.at_entry() || b.level() >= a.level());
  if (open_a) RAMET_TRY(a.open());
  if (open_b) RAMET_TRY(b.open());
  return {};
}

}  // namespace

Status diff(TreeContext& context, const Root& before, const Root& after, const DiffVisitor& visit) {
  return diff(context, before, after, {}, {}, visit);
}

Status diff(TreeContext& context, const Root& before, const Root& after, ByteView from,
            ByteView to, const DiffVisitor& visit) {
  Walker a(context, before), b(context, after);
  for (;;) {
    RAMET_TRY(a.enter(from, to));
    RAMET_TRY(b.enter(from, to));
    if (a.done() && b.done()) return {};
    if (!a.done() && !b.done() && same_subtree(a, b)) {
      a.skip();
      b.skip();
      continue;
    }
    const int order = a.done() ? 1 : b.done() ? -1 : a.position().compare(b.position());
    if (order == 0 && !(a.at_entry() && b.at_entry())) {
      RAMET_TRY(open_greater(a, b));
      continue;
    }
    if (order == 0) {
      const Value was = a.value(), is = b.value();
      if (!same_value(was, is) && !visit(a.position(), &was, &is)) return {};
      a.skip();
      b.skip();
      continue;
    }
    Walker& first = order < 0 ? a : b;
    if (!first.at_entry()) {
      RAMET_TRY(first.open());
      continue;
    }
    const Value value = first.value();
    if (!visit(first.position(), order < 0 ? &value : nullptr, order < 0 ? nullptr : &value)) {
      return {};
    }
    first.skip();
  }
}

Result<bool> differs(TreeContext& context, const Root& before, const Root& after, ByteView from,
                     ByteView to) {
  bool found = false;
  RAMET_TRY(diff(context, before, after, from, to, [&](ByteView, const Value*, const Value*) {
    found = true;
    return false;
  }));
  return found;
}

}  // namespace ramet::engine
