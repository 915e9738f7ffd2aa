#include "engine/space/slot_ledger.h"

#include <optional>

#include <fmt/format.h>

namespace ramet::engine {
namespace {

Error contradiction(const SlotId& id, const char* what) {
  return Error(ErrorCode::kCorruption,
               fmt::format("segment {} slot {}: {}; 'ramet fsck' tells more", id.segment, id.slot,
                           what));
}

uint64_t key_of(const SlotId& id) {
  return uint64_t{id.segment} << 32 | id.slot / kCountsPerPage;
}

}  // namespace

Result<SlotLedger::Page*> SlotLedger::page(const SlotId& id) {
  const uint64_t key = key_of(id);
  if (key == last_key_) return last_page_;
  auto it = pages_.find(key);
  if (it == pages_.end()) {
    if (counts_ == nullptr || counts_of_ != id.segment) {
      counts_ = std::make_unique<RefCounts>(maps_, map_, trees_, blocks_);
      counts_of_ = id.segment;
    }
    Page loaded;
    const Slot first = id.slot / kCountsPerPage * kCountsPerPage;
    for (uint32_t i = 0; i < kCountsPerPage; ++i) {
      RAMET_ASSIGN(loaded.count[i], counts_->count({id.segment, first + i}));
    }
    it = pages_.emplace(key, std::move(loaded)).first;
  }
  last_key_ = key;
  last_page_ = &it->second;
  return last_page_;
}

Result<SlotLedger::Account> SlotLedger::account(const SlotId& id, bool with_cost) {
  RAMET_ASSIGN(Page* const page, this->page(id));
  const uint32_t i = id.slot % kCountsPerPage;
  if (with_cost && page->cost == nullptr) {
    page->cost = std::make_unique<std::array<uint64_t, kCountsPerPage>>();
  }
  return Account{&page->count[i], &page->met[i],
                 page->cost == nullptr ? nullptr : &(*page->cost)[i]};
}

Result<const SlotLedger::Lengths*> SlotLedger::lengths(SegmentNo segment) {
  const auto known = lengths_.find(segment);
  if (known != lengths_.end()) return &known->second;
  auto holder = blocks_.segment(segment);
  if (!holder.ok()) {  // something refers to it: then it is damage that it is not there
    const bool missing = holder.error().code() == ErrorCode::kNotFound;
    return Error(missing ? ErrorCode::kCorruption : holder.error().code(),
                 fmt::format("segment {}: {}", segment, holder.error().message()));
  }
  Lengths lengths;
  lengths.nodes = (*holder)->identity().stream == Stream::kNode;
  const auto table = (*holder)->slots(0, (*holder)->slot_count());
  lengths.bytes.reserve(table.size());
  for (const SlotEntry& slot : table) {
    lengths.bytes.push_back(slot.is_gone() ? 0 : static_cast<uint32_t>(slot.end() - slot.offset()));
  }
  return &lengths_.emplace(segment, std::move(lengths)).first->second;
}

Result<SlotLedger::Stored> SlotLedger::stored(const SlotId& id) {
  RAMET_ASSIGN(const Lengths* const lengths, this->lengths(id.segment));
  const uint64_t bytes = id.slot < lengths->bytes.size() ? lengths->bytes[id.slot] : 0;
  if (bytes == 0) return contradiction(id, "something refers to it, but it is gone");
  return Stored{bytes, lengths->nodes};
}

Result<CleanNodePtr> SlotLedger::load(const BlockRef& ref) {
  ++nodes_read_;
  if (progress_ && !progress_(nodes_read_)) return Error(ErrorCode::kCancelled, "interrupted");
  if (CleanNodePtr cached = trees_.cache->find(ref)) return cached;
  auto buffer = trees_.store->load(ref);
  if (!buffer.ok()) return std::move(buffer).error().with_context("node " + to_string(ref));
  return CleanNode::open(std::move(buffer).value(), ref);
}

Status SlotLedger::let_go_all(std::vector<BlockRef>& stack, SlotSum& freed) {
  while (!stack.empty()) {
    const BlockRef at = stack.back();
    stack.pop_back();
    if (at.is_null()) continue;
    const SlotId id{at.segment, at.slot};
    RAMET_ASSIGN(const Account account, this->account(id));
    if (*account.count == 0) return contradiction(id, "more references lead to it than it counts");
    if (undo_ != nullptr) undo_->push_back(id);
    if (--*account.count > 0) continue;
    RAMET_ASSIGN(const Stored stored, this->stored(id));
    freed.bytes += stored.bytes;
    ++(stored.is_node ? freed.nodes : freed.blocks);
    if (undo_ == nullptr) take(id, stored.bytes);
    if (!stored.is_node) continue;
    RAMET_ASSIGN(const CleanNodePtr loaded, load(at));
    const auto refs = loaded->view().refs();
    stack.insert(stack.end(), refs.rbegin(), refs.rend());
  }
  return ok();
}

Status SlotLedger::let_go(const BlockRef& edge, SlotSum& freed) {
  std::vector<BlockRef> stack{edge};
  return let_go_all(stack, freed);
}

Status SlotLedger::release(const SlotId& pending, SlotSum& freed) {
  RAMET_ASSIGN(const Stored stored, this->stored(pending));
  freed.bytes += stored.bytes;
  ++freed.nodes;
  take(pending, stored.bytes);
  RAMET_ASSIGN(const uint64_t checksum, blocks_.stored_checksum(pending.segment, pending.slot));
  RAMET_ASSIGN(const CleanNodePtr loaded, load(BlockRef{pending.segment, pending.slot, checksum}));
  const auto refs = loaded->view().refs();
  std::vector<BlockRef> stack(refs.rbegin(), refs.rend());
  return let_go_all(stack, freed);
}

Result<SlotSum> SlotLedger::try_let_go(std::span<const BlockRef> edges) {
  std::vector<SlotId> gone;
  undo_ = &gone;
  SlotSum freed;
  std::vector<BlockRef> stack(edges.rbegin(), edges.rend());
  const Status status = let_go_all(stack, freed);
  undo_ = nullptr;
  RAMET_TRY(status);
  for (const SlotId& id : gone) {
    RAMET_ASSIGN(const Account account, this->account(id));
    ++*account.count;
  }
  return freed;
}

Status SlotLedger::check_met() const {
  std::optional<SlotId> wrong;  // the first one, whatever the order of the pages
  for (const auto& [key, page] : pages_) {
    for (uint32_t i = 0; i < kCountsPerPage; ++i) {
      if (page.met[i] == 0 || page.met[i] == page.count[i]) continue;
      const SlotId id{static_cast<SegmentNo>(key >> 32),
                      static_cast<Slot>(key & 0xFFFFFFFF) * kCountsPerPage + i};
      if (!wrong || id < *wrong) wrong = id;
      break;
    }
  }
  if (!wrong) return ok();
  return contradiction(*wrong, "fewer references lead to it than it counts");
}

}  // namespace ramet::engine
