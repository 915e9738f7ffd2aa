#include "engine/tree/mut_node.h"

#include <thread>

#include <algorithm>

#include "engine/tree/context.h"

namespace ramet::engine {
namespace {

// What a copy has room for beside what it holds.
constexpr size_t kRoomSlots = 4;
constexpr size_t kRoomBytes = 1024;

}  // namespace

MutNode::MutNode(TreeContext& context, uint8_t level)
    : level_(level), dirty_bytes_(&context.dirty_bytes) {
  account();
}

MutNode::~MutNode() { dirty_bytes_->fetch_sub(accounted_, std::memory_order_relaxed); }

void MutNode::set_persisted(const BlockRef& ref) const {
  Persisted before = Persisted::kNo;
  if (persisted_.compare_exchange_strong(before, Persisted::kBeingSet,
                                         std::memory_order_acquire)) {
    persisted_ref_ = ref;
    persisted_.store(Persisted::kYes, std::memory_order_release);
    return;
  }
  while (!persisted()) std::this_thread::yield();  // the other one is storing 16 bytes
}

NodePtr MutNode::make(TreeContext& context, uint8_t level) {
  return NodePtr(new MutNode(context, level));
}

void MutNode::account() {
  const size_t bytes = sizeof(MutNode) + slots_.capacity() * sizeof(Slot) +
                       heads_.capacity() * sizeof(uint32_t) + heap_.capacity() +
                       children_.capacity() * sizeof(Child) +
                       ref_nodes_.capacity() * sizeof(NodePtr);
  const auto now = static_cast<int64_t>(bytes);
  if (now == accounted_) return;
  dirty_bytes_->fetch_add(now - accounted_, std::memory_order_relaxed);
  accounted_ = now;
}

ByteView MutNode::suffix(uint32_t i) const {
  const ByteView whole = key(i);
  return whole.size() < skip_ ? ByteView() : whole.substr(skip_);
}

uint32_t MutNode::lower_bound(ByteView wanted, bool* exact) const {
  *exact = false;
  if (slots_.empty()) return 0;
  if (const int order = compare_prefix(key(0).substr(0, skip_), wanted); order != 0) {
    return order < 0 ? count() : 0;
  }
  return lower_bound_suffix(heads_.data(), count(), wanted.substr(skip_), exact,
                            [this](uint32_t i) { return suffix(i); });
}

uint32_t MutNode::add_to_heap(ByteView bytes) {
  const auto at = static_cast<uint32_t>(heap_.size());
  heap_.append(bytes);
  return at;
}

void MutNode::put_key(Slot& slot, ByteView key) {
  slot.key = add_to_heap(key);
  slot.key_bytes = static_cast<uint16_t>(key.size());
  key_bytes_ += key.size();
}

void MutNode::put_value(Slot& slot, ByteView value, std::span<const BlockRef> refs) {
  const size_t start = align_up(heap_.size(), 8);
  garbage_ += start - heap_.size();
  heap_.resize(start);
  slot.value = add_to_heap(value);
  slot.value_bytes = static_cast<uint16_t>(value.size());
  slot.refs = static_cast<uint16_t>(refs.size());
  heap_.resize(refs_at(slot));
  if (!refs.empty()) {
    heap_.append(reinterpret_cast<const char*>(refs.data()), refs.size_bytes());
  }
  value_bytes_ += payload_bytes(value.size(), refs.size());
}

void MutNode::set_ref_node(uint32_t i, NodePtr node) {
  if (ref_nodes_.empty()) {
    if (!node) return;
    ref_nodes_.resize(slots_.size());
  }
  ref_nodes_[i] = std::move(node);
}

void MutNode::insert_slot(uint32_t i, const Slot& slot) {
  slots_.insert(slots_.begin() + i, slot);
  insert_head(i);
  run_ = (i == last_insert_ + 1) ? static_cast<uint16_t>(std::min(run_ + 1, 1000)) : uint16_t{0};
  last_insert_ = i;
}

void MutNode::insert_entry(uint32_t i, ByteView key, ByteView value, std::span<const BlockRef> refs,
                           NodePtr node) {
  Slot slot;
  put_key(slot, key);
  put_value(slot, value, refs);
  insert_slot(i, slot);
  if (!ref_nodes_.empty()) {
    ref_nodes_.insert(ref_nodes_.begin() + i, std::move(node));
  } else {
    set_ref_node(i, std::move(node));
  }
  account();
}

void MutNode::replace_value(uint32_t i, ByteView value, std::span<const BlockRef> refs,
                            NodePtr node) {
  Slot& slot = slots_[i];
  const size_t before = payload_bytes(slot.value_bytes, slot.refs);
  if (payload_bytes(value.size(), refs.size()) == before && refs.size() == slot.refs) {
    std::copy(value.begin(), value.end(), heap_.begin() + slot.value);
    slot.value_bytes = static_cast<uint16_t>(value.size());
    if (!refs.empty()) std::memcpy(&heap_[refs_at(slot)], refs.data(), refs.size_bytes());
  } else {
    garbage_ += before;
    value_bytes_ -= before;
    put_value(slot, value, refs);
    compact_if_wasteful();
  }
  set_ref_node(i, std::move(node));
  account();
}

void MutNode::insert_child(uint32_t i, ByteView key, Child child) {
  Slot slot;
  put_key(slot, key);
  insert_slot(i, slot);
  children_.insert(children_.begin() + i, std::move(child));
  account();
}

void MutNode::set_key(uint32_t i, ByteView key) {
  Slot& slot = slots_[i];
  garbage_ += slot.key_bytes;
  key_bytes_ -= slot.key_bytes;
  put_key(slot, key);
  compact_if_wasteful();
  rebuild_heads();
  account();
}

void MutNode::remove(uint32_t i) {
  const Slot slot = slots_[i];
  garbage_ += slot.key_bytes;
  key_bytes_ -= slot.key_bytes;
  if (is_leaf()) {
    const size_t payload = payload_bytes(slot.value_bytes, slot.refs);
    garbage_ += payload;
    value_bytes_ -= payload;
    if (!ref_nodes_.empty()) ref_nodes_.erase(ref_nodes_.begin() + i);
  } else {
    children_.erase(children_.begin() + i);
  }
  slots_.erase(slots_.begin() + i);
  heads_.erase(heads_.begin() + i);
  run_ = 0;
  last_insert_ = UINT32_MAX;
  compact_if_wasteful();
  account();
}

void MutNode::append_slot(const Slot& slot, NodePtr node) {
  slots_.push_back(slot);
  if (!ref_nodes_.empty()) {
    ref_nodes_.push_back(std::move(node));
  } else {
    set_ref_node(count() - 1, std::move(node));
  }
}

void MutNode::append(const MutNode& from, uint32_t begin, uint32_t end, const ByteView* first_key) {
  size_t heap = heap_.size() + 8;
  for (uint32_t i = begin; i < end; ++i) {
    heap += from.slots_[i].key_bytes + 8 +
            payload_bytes(from.slots_[i].value_bytes, from.slots_[i].refs);
  }
  heap_.reserve(heap);
  slots_.reserve(slots_.size() + (end - begin));
  if (!is_leaf()) children_.reserve(children_.size() + (end - begin));
  for (uint32_t i = begin; i < end; ++i) {
    Slot slot;
    put_key(slot, i == begin && first_key != nullptr ? *first_key : from.key(i));
    if (is_leaf()) {
      put_value(slot, from.value(i), from.refs(i));
      append_slot(slot, from.ref_node_ptr(i));
    } else {
      slots_.push_back(slot);
      children_.push_back(from.children_[i]);
    }
  }
  rebuild_heads();
  account();
}

void MutNode::append(const NodeView& from, uint32_t begin, uint32_t end,
                     const ByteView* first_key) {
  heap_.reserve(heap_.size() + from.key_heap_bytes() + from.prefix().size() * from.count() +
                (from.is_leaf() ? from.value_heap_bytes() : 0) + from.refs().size_bytes() +
                8 * from.count());
  slots_.reserve(slots_.size() + (end - begin));
  if (!is_leaf()) children_.reserve(children_.size() + (end - begin));
  Bytes whole(from.prefix());
  for (uint32_t i = begin; i < end; ++i) {
    whole.resize(from.prefix().size());
    whole.append(from.suffix(i));
    Slot slot;
    put_key(slot, i == begin && first_key != nullptr ? *first_key : ByteView(whole));
    if (is_leaf()) {
      put_value(slot, from.value(i), from.value_refs(i));
      append_slot(slot, nullptr);
    } else {
      slots_.push_back(slot);
      children_.push_back(
          {from.child(i), nullptr, from.birth(i), from.grafted(i), from.summary(i)});
    }
  }
  rebuild_heads();
  account();
}

NodePtr MutNode::clone(TreeContext& context) const {
  NodePtr copy = make(context, level_);
  MutNode& to = *copy.edit();
  to.run_ = run_;
  to.last_insert_ = last_insert_;
  to.skip_ = skip_;
  to.key_bytes_ = key_bytes_;
  to.value_bytes_ = value_bytes_;
  to.garbage_ = garbage_;
  if (is_leaf()) {  // whoever wants a copy adds something: it goes in without moving all again
    to.slots_.reserve(slots_.size() + kRoomSlots);
    to.heads_.reserve(heads_.size() + kRoomSlots);
    to.heap_.reserve(heap_.size() + kRoomBytes);
  }
  to.slots_ = slots_;
  to.heads_ = heads_;
  to.heap_ = heap_;
  to.children_ = children_;
  to.ref_nodes_ = ref_nodes_;
  to.account();
  return copy;
}

NodePtr MutNode::split_off(TreeContext& context, uint32_t at) {
  NodePtr right = make(context, level_);
  right.edit()->append(*this, at, count());
  for (uint32_t i = at; i < count(); ++i) {
    garbage_ += slots_[i].key_bytes;
    key_bytes_ -= slots_[i].key_bytes;
    if (!is_leaf()) continue;
    const size_t payload = payload_bytes(slots_[i].value_bytes, slots_[i].refs);
    garbage_ += payload;
    value_bytes_ -= payload;
  }
  slots_.resize(at);
  if (!is_leaf()) children_.resize(at);
  if (!ref_nodes_.empty()) ref_nodes_.resize(at);
  if (last_insert_ != UINT32_MAX && last_insert_ >= at) {
    right.edit()->last_insert_ = last_insert_ - at;
    right.edit()->run_ = run_;
  }
  run_ = 0;
  compact_if_wasteful();
  rebuild_heads();
  account();
  return right;
}

uint32_t MutNode::next_dirty(uint32_t from) const {
  if (is_leaf()) {
    if (ref_nodes_.empty()) return count();
    while (from < count() && !ref_nodes_[from]) ++from;
  } else {
    while (from < count() && !children_[from].dirty) ++from;
  }
  return std::min(from, count());
}

void MutNode::replace_dirty(uint32_t i, const BlockRef& ref) {
  if (!is_leaf()) {
    children_[i].ref = ref;
    children_[i].dirty = nullptr;
    return;
  }
  std::memcpy(&heap_[refs_at(slots_[i])], &ref, sizeof(ref));
  ref_nodes_[i] = nullptr;
}

void MutNode::replace_dirty(uint32_t i, NodePtr node) {
  (is_leaf() ? ref_nodes_[i] : children_[i].dirty) = std::move(node);
}

size_t MutNode::columns() const {
  size_t columns = 0;
  for (const Child& child : children_) {
    for (size_t c = kSummaryColumns; c > columns; --c) {
      if (child.summary.columns[c - 1] != 0) columns = c;
    }
  }
  return columns;
}

size_t MutNode::encoded_bytes(size_t prefix) const {
  const size_t n = count();
  const size_t keys = key_bytes_ - std::min(key_bytes_, n * prefix) + prefix;
  const size_t entry = is_leaf() ? kLeafEntryOverheadBytes : kChildOverheadBytes + 8 * columns();
  return kNodeOverheadBytes + keys + value_bytes_ + n * entry;
}

void MutNode::insert_head(uint32_t i) {
  const ByteView added = key(i);
  const bool fits = count() > 1 && added.size() >= skip_ &&
                    added.substr(0, skip_) == key(i == 0 ? 1 : 0).substr(0, skip_);
  if (!fits) return rebuild_heads();
  heads_.insert(heads_.begin() + i, key_head(suffix(i)));
}

void MutNode::rebuild_heads() {
  skip_ = static_cast<uint32_t>(shared_prefix());
  heads_.resize(slots_.size());
  for (uint32_t i = 0; i < count(); ++i) heads_[i] = key_head(suffix(i));
}

void MutNode::compact_if_wasteful() {
  if (garbage_ < 1024 || garbage_ * 2 < heap_.size()) return;
  Bytes old;
  old.swap(heap_);
  heap_.reserve(old.size() - garbage_ + 8 * slots_.size());
  garbage_ = 0;
  for (Slot& slot : slots_) {
    const ByteView whole_key(old.data() + slot.key, slot.key_bytes);
    slot.key = add_to_heap(whole_key);
    if (!is_leaf()) continue;
    const ByteView payload(old.data() + slot.value, payload_bytes(slot.value_bytes, slot.refs));
    const size_t start = align_up(heap_.size(), 8);
    garbage_ += start - heap_.size();
    heap_.resize(start);
    slot.value = add_to_heap(payload);
  }
}

}  // namespace ramet::engine
