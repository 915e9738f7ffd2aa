#include "engine/tree/bulk_builder.h"

#include <utility>

#include "engine/tree/node_edit.h"
#include "engine/tree/persist.h"

namespace ramet::engine {

BulkBuilder::Level& BulkBuilder::level_at(uint8_t level) {
  if (levels_.size() <= level) levels_.resize(level + size_t{1});
  Level& at = levels_[level];
  if (!at.current) at.current = MutNode::make(context_, level);
  return at;
}

Result<BlockRef> BulkBuilder::store(const MutNode& node) {
  RAMET_ASSIGN(const Bytes encoded, encode_node(node));
  RAMET_ASSIGN(const BlockRef ref, context_.store->store(encoded, sequence_));
  count(context_.counters.written);
  ++nodes_written_;
  return ref;
}

Status BulkBuilder::write(uint8_t level, const NodePtr& node, ByteView lower,
                          const Summary& summary) {
  RAMET_ASSIGN(const BlockRef ref, store(*node));
  return add_child(static_cast<uint8_t>(level + 1), lower,
                   {ref, nullptr, sequence_, false, summary});
}

Status BulkBuilder::turn(uint8_t level, ByteView lower) {
  const NodePtr full = std::move(levels_[level].previous);
  const Bytes full_lower = std::move(levels_[level].previous_lower);
  const Summary full_summary = levels_[level].previous_summary;
  Level& at = levels_[level];
  at.previous = std::move(at.current);
  at.previous_lower = std::move(at.current_lower);
  at.previous_summary = std::exchange(at.current_summary, Summary{});
  at.current = MutNode::make(context_, level);
  at.current_lower = lower;
  // Last, because it may add levels and move this one.
  if (full) return write(level, full, full_lower, full_summary);
  return {};
}

Status BulkBuilder::add(ByteView key, ByteView bytes, std::span<const BlockRef> refs) {
  if (key.size() > kMaxKeyBytes || bytes.size() + refs.size_bytes() > kMaxValueBytes) {
    return Error(ErrorCode::kInvalidArgument, "bulk load: key or value too long");
  }
  if (entries_ > 0 && key <= last_key_) {
    return Error(ErrorCode::kInvalidArgument, "bulk load: keys must ascend");
  }
  MutNode* leaf = level_at(0).current.edit();
  const size_t prefix = leaf->count() == 0 ? key.size() : common_prefix(leaf->key(0), key);
  const size_t added =
      key.size() - prefix + align_up(bytes.size(), 8) + refs.size_bytes() + kLeafEntryOverheadBytes;
  if (leaf->count() > 0 && leaf->encoded_bytes(prefix) + added > context_.node_bytes) {
    RAMET_TRY(turn(0, shortest_separator(last_key_, key)));
    leaf = levels_[0].current.edit();
  }
  leaf->insert_entry(leaf->count(), key, bytes, refs, nullptr);
  levels_[0].current_summary.combine(context_.contribution(key, bytes));
  last_key_ = key;
  ++entries_;
  return {};
}

Status BulkBuilder::add_child(uint8_t level, ByteView key, Child child) {
  MutNode* node = level_at(level).current.edit();
  const uint32_t n = node->count();
  node->insert_child(n, key, child);
  if (n >= 2 && node->encoded_bytes() > context_.node_bytes) {
    node->remove(n);
    RAMET_TRY(turn(level, key));
    current(level).insert_child(0, key, child);
  }
  levels_[level].current_summary.combine(child.summary);
  return {};
}

// Writes the last one or two nodes of a level, evenly filled.
Status BulkBuilder::finish_level(uint8_t level) {
  Level last = std::move(levels_[level]);
  if (last.previous) {
    Child left{{}, std::move(last.previous), sequence_, false, last.previous_summary};
    Child right{{}, std::move(last.current), sequence_, false, last.current_summary};
    std::vector<Part> parts;
    if (!rebalance(context_, level, left, last.current_lower, right, &parts)) {
      parts.push_back({last.current_lower, std::move(right)});
    }
    RAMET_TRY(write(level, left.dirty, last.previous_lower, left.summary));
    for (const Part& part : parts) {
      RAMET_TRY(write(level, part.child.dirty, part.separator, part.child.summary));
    }
    return {};
  }
  return write(level, last.current, last.current_lower, last.current_summary);
}

Result<Root> BulkBuilder::finish() {
  if (entries_ == 0) return Root{{}, nullptr, 0, {}, sequence_};
  for (uint8_t level = 0;; ++level) {
    RAMET_CHECK(level < kMaxNodeLevel, "a tree as high as no store can hold");
    Level& at = levels_[level];
    const bool top = level + size_t{1} == levels_.size() && !at.previous;
    if (top && level > 0 && at.current->count() == 1) {
      // The level below turned out to be one node.
      const Child& only = at.current->child(0);
      return Root{only.ref, nullptr, static_cast<uint8_t>(level - 1), only.summary, sequence_};
    }
    if (!top) {
      RAMET_TRY(finish_level(level));
      continue;
    }
    const Summary summary = at.current_summary;
    RAMET_ASSIGN(const BlockRef ref, store(*at.current));
    return Root{ref, nullptr, level, summary, sequence_};
  }
}

}  // namespace ramet::engine
