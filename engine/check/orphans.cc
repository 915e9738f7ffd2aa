#include "engine/check/orphans.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "engine/tree/clean_node.h"
#include "engine/tree/node_handle.h"

namespace ramet::engine {
namespace {

bool in_container(ByteView key) { return container_space_of(key).has_value(); }

}  // namespace

bool Orphans::is_needed(const BlockRef& ref) {
  if (counts_ == nullptr) return false;
  const auto is = counts_->count({ref.segment, ref.slot});
  if (!is.ok()) {
    if (is.error().code() == ErrorCode::kIoError) failure_ = is.error();
    return false;
  }
  const auto claimed = claimed_.find({ref.segment, ref.slot});
  const uint32_t met = reached_.count(ref.segment, ref.slot) +
                       (claimed == claimed_.end() ? 0 : claimed->second);
  return *is > met;
}

Status Orphans::load() {
  if (loaded_) return ok();
  loaded_ = true;
  for (const SegmentNo number : segments_) RAMET_TRY(load_segment(number));
  std::set<std::pair<SegmentNo, Slot>> below;
  for (const Node& node : nodes_) {
    if (node.level == 0) continue;
    const auto open = load_clean(trees_, node.ref, node.level);
    if (!open.ok()) continue;
    for (const BlockRef& ref : (*open)->view().refs()) below.emplace(ref.segment, ref.slot);
  }
  std::sort(nodes_.begin(), nodes_.end(), [](const Node& a, const Node& b) {
    return std::tie(a.last, a.ref.segment, a.ref.slot) <
           std::tie(b.last, b.ref.segment, b.ref.slot);
  });
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    node.below_another = below.contains({node.ref.segment, node.ref.slot});
    index_[{node.ref.segment, node.ref.slot}] = i;
  }
  return failure_;
}

Status Orphans::claim_tree(const BlockRef& root) {
  std::vector<BlockRef> stack{root};
  claim(root);
  while (!stack.empty()) {
    const BlockRef at = stack.back();
    stack.pop_back();
    const auto found = index_.find({at.segment, at.slot});
    if (found == index_.end() || !entered_.insert(found->first).second) continue;
    const auto open = load_clean(trees_, at, nodes_[found->second].level);
    if (!open.ok()) {
      if (open.error().code() == ErrorCode::kIoError) return open.error();
      continue;
    }
    for (const BlockRef& ref : (*open)->view().refs()) {
      if (ref.is_null()) continue;
      claim(ref);
      stack.push_back(ref);
    }
  }
  return ok();
}

Status Orphans::load_segment(SegmentNo number) {
  const auto segment = blocks_.segment(number);
  if (!segment.ok()) {
    return segment.error().code() == ErrorCode::kIoError ? Status(segment.error()) : ok();
  }
  if ((*segment)->identity().stream == Stream::kMap) return ok();
  const auto table = (*segment)->slots(0, (*segment)->slot_count());
  for (Slot slot = 0; slot < table.size(); ++slot) {
    if (table[slot].is_gone()) continue;
    const bool needed = is_needed({number, slot, 0});
    if (table[slot].kind() == FrameKind::kNode) {
      if (!needed && reached_.count(number, slot) > 0) continue;
      RAMET_TRY(load_node(number, slot, needed));
    } else if (needed) {
      const auto checksum = blocks_.stored_checksum(number, slot);
      if (checksum.ok()) data_.push_back({number, slot, *checksum});
    }
  }
  return ok();
}

Status Orphans::load_node(SegmentNo number, Slot slot, bool needed) {
  const auto segment = blocks_.segment(number);
  if (!segment.ok()) return ok();
  const auto header = (*segment)->read_header(slot);
  if (!header.ok()) return ok();
  Node node;
  node.ref = {number, slot, header->payload_checksum};
  auto buffer = trees_.store->load(node.ref);
  if (!buffer.ok()) {
    return buffer.error().code() == ErrorCode::kIoError ? Status(buffer.error()) : ok();
  }
  const auto open = CleanNode::open(std::move(buffer).value(), node.ref);
  if (!open.ok()) return ok();
  const NodeHandle handle(*open);
  Bytes key;
  node.level = handle.level();
  node.first = Bytes(handle.key(0, key));
  node.last = Bytes(handle.key(handle.count() - 1, key));
  node.written = header->sequence;
  node.needed = needed;
  for (uint32_t i = 0; i < handle.count(); ++i) {
    if (handle.is_leaf()) {
      node.summary.combine(trees_.contribution(handle.key(i, key), handle.value(i)));
    } else {
      node.summary.combine(handle.summary(i));
      node.birth = std::max(node.birth, handle.birth(i));
    }
  }
  nodes_.push_back(std::move(node));
  return ok();
}

Root Orphans::root_of(const Node& node) const {
  Root root;
  root.ref = node.ref;
  root.level = node.level;
  root.summary = node.summary;
  root.birth = node.level == 0 ? node.written : node.birth;
  return root;
}

Result<std::vector<Orphans::Subtree>> Orphans::subtrees(bool of_catalog, ByteView from,
                                                        ByteView to, uint8_t level,
                                                        Sequence birth, bool* ambiguous) {
  RAMET_TRY(load());
  *ambiguous = false;
  std::vector<const Node*> fit;
  auto next = std::lower_bound(nodes_.begin(), nodes_.end(), from,
                               [](const Node& node, ByteView key) { return node.last < key; });
  for (; next != nodes_.end() && (to.empty() || next->last < to); ++next) {
    const Node& node = *next;
    if (of_catalog ? !catalog_space_of(node.last) : !in_container(node.last)) continue;
    if (node.level != level || node.birth > birth) continue;
    // (The first key of an inner node may be anything up to its first child's keys.)
    if (node.first < from && level == 0) continue;
    if (counts_ != nullptr && !is_needed(node.ref)) continue;
    fit.push_back(&node);
  }
  RAMET_TRY(failure_);
  std::stable_sort(fit.begin(), fit.end(),
                   [](const Node* a, const Node* b) { return a->written > b->written; });
  std::map<Bytes, const Node*> taken;  // by first key
  for (const Node* node : fit) {
    const Bytes first = std::max(node->first, Bytes(from));
    const auto behind = taken.lower_bound(first);
    const bool overlaps =
        (behind != taken.end() && behind->second->first <= node->last) ||
        (behind != taken.begin() && std::prev(behind)->second->last >= first);
    *ambiguous = *ambiguous || overlaps;
    if (!overlaps) taken.emplace(first, node);
  }
  std::vector<Subtree> out;
  for (auto it = taken.begin(); it != taken.end(); ++it) {
    const auto after = std::next(it);
    Subtree subtree;
    subtree.root = root_of(*it->second);
    subtree.root.birth = std::min(subtree.root.birth, birth);
    subtree.from = it == taken.begin() ? Bytes(from) : it->first;
    subtree.to = after == taken.end() ? Bytes(to) : after->first;
    RAMET_TRY(claim_tree(subtree.root.ref));
    out.push_back(std::move(subtree));
  }
  return out;
}

Result<std::map<Bytes, Orphans::OldEntry>> Orphans::older(ByteView from, ByteView to) {
  RAMET_TRY(load());
  std::map<Bytes, OldEntry> out;
  // Leaves are small: so many behind the end, and none of those that follow reaches back.
  constexpr int kBehindMax = 4096;
  int behind = 0;
  auto next = std::lower_bound(nodes_.begin(), nodes_.end(), from,
                               [](const Node& node, ByteView key) { return node.last < key; });
  for (; next != nodes_.end() && behind < kBehindMax; ++next) {
    const Node& node = *next;
    if (!to.empty() && node.first >= to) {
      ++behind;
      continue;
    }
    if (node.level != 0) continue;
    const auto open = load_clean(trees_, node.ref, 0);
    if (!open.ok()) continue;
    const NodeHandle handle(*open);
    Bytes buffer;
    for (uint32_t i = 0; i < handle.count(); ++i) {
      const ByteView key = handle.key(i, buffer);
      if (key < from || (!to.empty() && key >= to)) continue;
      OldEntry& entry = out[Bytes(key)];
      if (!entry.value.empty() && entry.sequence >= node.written) continue;
      const auto refs = handle.refs(i);
      entry.value = Bytes(handle.value(i));
      entry.refs.assign(refs.begin(), refs.end());
      entry.sequence = node.written;
    }
  }
  return out;
}

Result<std::vector<Root>> Orphans::container_roots() {
  RAMET_TRY(load());
  std::vector<const Node*> roots;
  for (const Node& node : nodes_) {
    if (node.below_another || !in_container(node.last)) continue;
    if (counts_ != nullptr && !is_needed(node.ref)) continue;
    roots.push_back(&node);
  }
  std::stable_sort(roots.begin(), roots.end(),
                   [](const Node* a, const Node* b) { return a->written > b->written; });
  std::vector<Root> out;
  for (const Node* node : roots) out.push_back(root_of(*node));
  return out;
}

Result<Root> Orphans::catalog_root(Sequence* written) {
  RAMET_TRY(load());
  const Node* newest = nullptr;
  for (const Node& node : nodes_) {
    if (node.below_another || !catalog_space_of(node.last)) continue;
    if (newest == nullptr || std::pair(node.written, node.level) >
                                 std::pair(newest->written, newest->level)) {
      newest = &node;
    }
  }
  *written = newest == nullptr ? 0 : newest->written;
  return newest == nullptr ? Root() : root_of(*newest);
}

Result<Sequence> Orphans::newest() {
  RAMET_TRY(load());
  Sequence newest = 0;
  for (const Node& node : nodes_) newest = std::max(newest, node.written);
  return newest;
}

Result<std::vector<BlockRef>> Orphans::blocks() {
  RAMET_TRY(load());
  std::vector<BlockRef> out;
  for (const BlockRef& ref : data_) {
    if (is_needed(ref)) out.push_back(ref);
  }
  RAMET_TRY(failure_);
  return out;
}

}  // namespace ramet::engine
