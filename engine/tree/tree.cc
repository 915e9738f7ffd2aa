// Changes of single entries: down to the leaf, the change, and back up with summaries, births,
// splits and merges.
#include "engine/tree/tree.h"

#include <algorithm>

#include "engine/tree/persist.h"

namespace ramet::engine {
namespace {

constexpr auto kMaximum = static_cast<size_t>(SummaryColumn::kRetainUntil);

Error invalid(const char* what) { return {ErrorCode::kInvalidArgument, what}; }

// Takes `before` out of the sums and puts `after` in. The maximum can't be taken back that way:
// false if it has to be computed anew.
bool replace_part(Summary& total, const Summary& before, const Summary& after) {
  for (size_t c = 0; c < Summary::kColumns; ++c) {
    if (c != kMaximum) total.columns[c] += after.columns[c] - before.columns[c];
  }
  const uint64_t had = before.columns[kMaximum], has = after.columns[kMaximum];
  uint64_t& maximum = total.columns[kMaximum];
  if (has < had && had >= maximum) return false;
  maximum = std::max(maximum, has);
  return true;
}

}  // namespace

Tree::Tree(TreeContext& context, const Root& root)
    : context_(&context),
      root_{root.ref, root.dirty, root.birth, false, root.summary},
      level_(root.level) {}

Root Tree::share() const { return {root_.ref, root_.dirty, level_, root_.summary, root_.birth}; }

void Tree::replace_persisted() {
  Root root = share();
  root_.dirty = nullptr;  // so that the only reference is the one that moves
  root = engine::replace_persisted(context(), std::move(root));
  root_.ref = root.ref;
  root_.dirty = std::move(root.dirty);
}

Result<bool> Tree::get(ByteView key, Value* out) const {
  return engine::get(context(), share(), key, out);
}

Result<std::optional<RootedValue>> Tree::get_root(ByteView key) const {
  return engine::get_root(context(), share(), key);
}

Child& Tree::slot_of(Path& path, uint32_t depth) {
  if (depth == 0) return root_;
  Step& parent = path.steps[depth - 1];
  return parent.node->child(parent.index);
}

// Leaves room for what one operation may add. No tree that grew by itself comes near it.
Status Tree::check_height() const {
  if (level_ + 8 <= kMaxNodeLevel) return {};
  return Error(ErrorCode::kCorruption, "tree: higher than any tree of two children a node");
}

Status Tree::descend(ByteView key, Path* path) {
  RAMET_TRY(check_height());
  Child* slot = &root_;
  ByteView fence;  // the lower bound that led here
  for (uint8_t level = level_;; --level) {
    RAMET_ASSIGN(MutNode * node, make_mutable(context(), *slot, level));
    Step& step = path->steps[path->depth++];
    step.node = node;
    if (level == 0) return {};
    bool exact = false;
    const uint32_t i = node->lower_bound(key, &exact);
    step.index = exact || i == 0 ? i : i - 1;
    if (i == 0 && !exact) {
      // Below the first child's bound: the child now reaches down to where its node does.
      node->set_key(0, fence);
      path->keys_changed = true;
    } else {
      fence = node->key(step.index);
    }
    path->rightmost &= step.index + 1 == node->count();
    slot = &node->child(step.index);
  }
}

// Summaries and births of the pointers above a changed leaf.
void Tree::propagate(Path& path, const Summary& before, const Summary& after, Sequence sequence) {
  Summary was = before, is = after;
  bool summaries_change = was != is;
  for (uint32_t depth = path.depth; depth-- > 0;) {
    Child& slot = slot_of(path, depth);
    slot.birth = std::max(slot.birth, sequence);
    if (!summaries_change) continue;
    const Summary previous = slot.summary;
    if (!replace_part(slot.summary, was, is)) {
      slot.summary.columns[kMaximum] =
          summary_of(context(), *path.steps[depth].node).columns[kMaximum];
    }
    was = previous;
    is = slot.summary;
    summaries_change = was != is;
  }
}

Status Tree::put_value(ByteView key, ByteView bytes, std::span<const BlockRef> refs, NodePtr node,
                       Sequence sequence) {
  if (key.size() > kMaxKeyBytes) return invalid("key too long");
  if (bytes.size() + refs.size_bytes() > kMaxValueBytes) return invalid("value too long");
  if (empty()) {
    root_.dirty = MutNode::make(context(), 0);
    level_ = 0;
  }
  Path path;
  Status found = descend(key, &path);
  if (!found.ok()) {
    // Lower bounds that were moved on the way stay; they are right, but may take more room.
    if (path.keys_changed) split_path(path, path.depth - 1);
    return found;
  }
  MutNode& leaf = *path.leaf().node;
  const Summary after = context().contribution(key, bytes);
  Summary before{};
  bool exact = false;
  const uint32_t i = leaf.lower_bound(key, &exact);
  if (exact) {
    before = context().contribution(key, leaf.value(i));
    leaf.replace_value(i, bytes, refs, std::move(node));
  } else {
    leaf.insert_entry(i, key, bytes, refs, std::move(node));
  }
  propagate(path, before, after, sequence);
  if (path.keys_changed || overfull(context(), leaf)) split_path(path, path.depth - 1);
  return {};
}

Status Tree::put(ByteView key, ByteView bytes, std::span<const BlockRef> refs, Sequence sequence) {
  return put_value(key, bytes, refs, nullptr, sequence);
}

Status Tree::put_root(ByteView key, ByteView bytes, const Root& root, Sequence sequence) {
  Bytes value;
  append_root_value(value, {root.level, root.birth, root.summary});
  value.append(bytes);
  const BlockRef ref = root.dirty ? BlockRef{} : root.ref;
  return put_value(key, value, {&ref, 1}, root.dirty, sequence);
}

// Splits what is too big, from `from` up. Nodes above an unsplit one are as they were, unless
// lower bounds were moved on the way.
void Tree::split_path(Path& path, uint32_t from) {
  for (uint32_t depth = from + 1; depth-- > 0;) {
    std::vector<Part> parts;
    split_overfull(context(), slot_of(path, depth), path.rightmost, &parts);
    if (parts.empty()) {
      if (!path.keys_changed) return;
      continue;
    }
    if (depth == 0) return grow_root(std::move(parts));
    Step& parent = path.steps[depth - 1];
    uint32_t at = parent.index;
    for (Part& part : parts) {
      parent.node->insert_child(++at, part.separator, std::move(part.child));
    }
  }
}

void Tree::grow_root(std::vector<Part> parts) {
  while (!parts.empty()) {
    RAMET_CHECK(level_ < kMaxNodeLevel, "a tree as high as no store can hold");
    NodePtr node = MutNode::make(context(), ++level_);
    Child above{{}, nullptr, root_.birth, false, root_.summary};
    for (const Part& part : parts) above.summary.combine(part.child.summary);
    node.edit()->insert_child(0, {}, std::move(root_));
    uint32_t at = 0;
    for (Part& part : parts) {
      node.edit()->insert_child(++at, part.separator, std::move(part.child));
    }
    above.dirty = std::move(node);
    root_ = std::move(above);
    parts.clear();
    split_overfull(context(), root_, false, &parts);
  }
}

Result<bool> Tree::erase(ByteView key, Sequence sequence) {
  if (key.size() > kMaxKeyBytes) return false;
  // Looked for first: an absent key must not make anything dirty.
  RAMET_ASSIGN(const bool found, get(key, nullptr));
  if (!found) return false;
  Path path;
  RAMET_TRY(descend(key, &path));
  MutNode& leaf = *path.leaf().node;
  bool exact = false;
  const uint32_t i = leaf.lower_bound(key, &exact);
  RAMET_CHECK(exact, "a key that was found is in its leaf");
  const Summary before = context().contribution(key, leaf.value(i));
  leaf.remove(i);
  propagate(path, before, Summary{}, sequence);
  fix_underflow(path);
  return true;
}

// Merges what became too small with a neighbour, from the leaf up.
void Tree::fix_underflow(Path& path) {
  for (uint32_t depth = path.depth - 1; depth > 0; --depth) {
    MutNode& node = *path.steps[depth].node;
    Step& step = path.steps[depth - 1];
    MutNode& parent = *step.node;
    if (node.count() == 0) {
      // Its keys lead to the neighbour from now on, which so changed too.
      const Sequence birth = parent.child(step.index).birth;
      parent.remove(step.index);
      if (parent.count() == 0) continue;
      Child& neighbour = parent.child(step.index == 0 ? 0 : step.index - 1);
      neighbour.birth = std::max(neighbour.birth, birth);
      continue;
    }
    if (!underfull(context(), NodeHandle(&node))) break;
    const bool changed = rebalance_child(path, depth);
    if (overfull(context(), parent)) {
      split_path(path, depth - 1);
      break;
    }
    if (!changed && parent.count() >= 2) break;
  }
  collapse_root();
}

// Tries the neighbour before, then the one behind.
bool Tree::rebalance_child(Path& path, uint32_t depth) {
  Step& step = path.steps[depth - 1];
  MutNode& parent = *step.node;
  const uint32_t at = step.index;
  for (const uint32_t left : {at - 1, at}) {
    if (left == UINT32_MAX || left + 1 >= parent.count()) continue;
    std::vector<Part> right;
    if (!rebalance(context(), static_cast<uint8_t>(parent.level() - 1), parent.child(left),
                   parent.key(left + 1), parent.child(left + 1), &right)) {
      continue;
    }
    parent.remove(left + 1);
    uint32_t next = left;
    for (Part& part : right) {
      parent.insert_child(++next, part.separator, std::move(part.child));
    }
    return true;
  }
  return false;
}

void Tree::collapse_root() {
  while (root_.dirty && level_ > 0 && root_.dirty->count() == 1) {
    Child only = root_.dirty->child(0);
    const auto level = static_cast<uint8_t>(level_ - 1);
    // A root has no graft mark. If it can't be handed down now, the tree stays one level higher.
    if (only.grafted && level > 0 && !make_mutable(context(), only, level).ok()) return;
    only.grafted = false;
    only.birth = std::max(only.birth, root_.birth);
    root_ = std::move(only);
    level_ = level;
  }
  if (root_.dirty && root_.dirty->count() == 0) {
    root_.dirty = nullptr;
    root_.summary = {};
    level_ = 0;
  }
}

Status Tree::apply(std::span<const Mutation> batch, Sequence sequence) {
  for (size_t i = 1; i < batch.size(); ++i) {
    if (batch[i - 1].key >= batch[i].key) return invalid("a batch must be sorted by unique keys");
  }
  for (const Mutation& mutation : batch) {
    if (mutation.erase) {
      RAMET_TRY(erase(mutation.key, sequence));
    } else if (mutation.root != nullptr) {
      RAMET_TRY(put_root(mutation.key, mutation.bytes, *mutation.root, sequence));
    } else {
      RAMET_TRY(put(mutation.key, mutation.bytes, mutation.refs, sequence));
    }
  }
  return {};
}

}  // namespace ramet::engine
