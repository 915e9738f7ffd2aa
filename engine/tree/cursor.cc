#include "engine/tree/cursor.h"

namespace ramet::engine {

void Cursor::arrive() {
  state_ = State::kEntry;
  key_ = leaf().node.key(leaf().index, key_buffer_);
}

// The bounds of the last frame's child, or those of the frames above where it is the first or last
// one.
void Cursor::find_bounds() {
  lower_.clear();
  upper_.clear();
  Bytes buffer;
  for (size_t i = frames_.size(); i-- > 0;) {
    const Frame& frame = frames_[i];
    if (lower_.empty() && frame.index > 0) lower_ = frame.node.key(frame.index, buffer);
    if (upper_.empty() && frame.index + 1 < frame.node.count()) {
      upper_ = frame.node.key(frame.index + 1, buffer);
    }
    if (!lower_.empty() && !upper_.empty()) return;
  }
}

Error Cursor::at_damage(Error error, const BlockRef& ref) {
  state_ = State::kDamage;
  damaged_ref_ = ref;
  return error;
}

Status Cursor::open_root() {
  state_ = State::kNowhere;
  frames_.clear();
  find_bounds();
  auto node = open_node(context_, root_);
  if (!node.ok()) return at_damage(std::move(node).error(), root_.ref);
  frames_.push_back({std::move(node).value(), 0});
  return {};
}

Status Cursor::push_child() {
  const Frame& top = frames_.back();
  find_bounds();
  auto node = open_child(context_, top.node, top.index);
  if (!node.ok()) return at_damage(std::move(node).error(), top.node.child_ref(top.index));
  Status inside = check_bounds(*node, lower_, upper_);
  if (!inside.ok()) {
    return at_damage(std::move(inside).error(), top.node.child_ref(top.index));
  }
  frames_.push_back({std::move(node).value(), 0});
  return {};
}

Status Cursor::descend_to_edge() {
  while (!leaf().node.is_leaf()) {
    RAMET_TRY(push_child());
    if (!forward_) leaf().index = leaf().node.count() - 1;
  }
  arrive();
  return {};
}

Status Cursor::step_over() {
  while (!frames_.empty()) {
    Frame& top = frames_.back();
    const bool more = forward_ ? top.index + 1 < top.node.count() : top.index > 0;
    if (more) {
      top.index = forward_ ? top.index + 1 : top.index - 1;
      return descend_to_edge();
    }
    frames_.pop_back();
  }
  state_ = State::kNowhere;
  return {};
}

Status Cursor::seek_first() { return seek({}); }

Status Cursor::seek_last() {
  forward_ = false;
  state_ = State::kNowhere;
  if (root_.empty()) return {};
  RAMET_TRY(open_root());
  leaf().index = leaf().node.count() - 1;
  return descend_to_edge();
}

Status Cursor::seek(ByteView key) {
  forward_ = true;
  state_ = State::kNowhere;
  if (root_.empty()) return {};
  RAMET_TRY(open_root());
  while (!leaf().node.is_leaf()) {
    leaf().index = leaf().node.child_index(key);
    RAMET_TRY(push_child());
  }
  bool exact = false;
  leaf().index = leaf().node.lower_bound(key, &exact);
  if (leaf().index < leaf().node.count()) {
    arrive();
    return {};
  }
  return step_over();
}

Status Cursor::seek_before(ByteView key) {
  forward_ = false;
  state_ = State::kNowhere;
  if (root_.empty()) return {};
  RAMET_TRY(open_root());
  while (!leaf().node.is_leaf()) {
    // The last child that begins before the key; its keys, or else those before it, are less.
    bool exact = false;
    const uint32_t at = leaf().node.lower_bound(key, &exact);
    leaf().index = at == 0 ? 0 : at - 1;
    RAMET_TRY(push_child());
  }
  bool exact = false;
  const uint32_t at = leaf().node.lower_bound(key, &exact);
  if (at > 0) {
    leaf().index = at - 1;
    arrive();
    return {};
  }
  return step_over();
}

Status Cursor::next() {
  RAMET_CHECK(valid(), "next() of a cursor that stands on no entry");
  forward_ = true;
  if (leaf().index + 1 < leaf().node.count()) {
    ++leaf().index;
    arrive();
    return {};
  }
  return step_over();
}

Status Cursor::prev() {
  RAMET_CHECK(valid(), "prev() of a cursor that stands on no entry");
  forward_ = false;
  if (leaf().index > 0) {
    --leaf().index;
    arrive();
    return {};
  }
  return step_over();
}

Status Cursor::skip_damaged() {
  RAMET_CHECK(damaged(), "skip_damaged() of a cursor that stands at no damage");
  return step_over();
}

}  // namespace ramet::engine
