#include "engine/space/accounting.h"

#include <fmt/format.h>

#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

Error contradiction(const SlotId& id, const char* what) {
  return Error(ErrorCode::kCorruption,
               fmt::format("segment {} slot {}: {}; 'ramet fsck' tells more", id.segment, id.slot,
                           what));
}

// What edge `index` of `count` gets of a slot's cost [ACCOUNT-2].
constexpr uint64_t portion(uint64_t cost, uint32_t count, uint32_t index) {
  return cost / count + (index < cost % count ? 1 : 0);
}

}  // namespace

Status Accounting::begin(const BlockRef& catalog) {
  if (!catalog.is_null()) {
    RAMET_ASSIGN(const CleanNodePtr root, ledger_.load(catalog));
    catalog_.ref = catalog;
    catalog_.level = root->view().level();
  }
  RAMET_ASSIGN(const DeadSlots dead, find_dead(maps_, map_));
  for (const SlotId& id : dead.pending) {
    Status released = ledger_.release(id, pending_);
    if (!released.ok()) return std::move(released).error().with_context("a dead node");
  }
  const KeyRange range = space_range(CatalogSpace::kDrop);
  Cursor cursor(trees_, catalog_);
  RAMET_TRY(cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key())) {
    for (const BlockRef& root : cursor.refs()) {
      Status gone = ledger_.let_go(root, dropped_);
      if (!gone.ok()) return std::move(gone).error().with_context("what was dropped");
    }
    RAMET_TRY(cursor.next());
  }
  return ok();
}

Result<std::optional<uint64_t>> Accounting::meet(const BlockRef& edge, std::vector<Open>& stack) {
  const SlotId id{edge.segment, edge.slot};
  RAMET_ASSIGN(const SlotLedger::Stored stored, ledger_.stored(id));
  RAMET_ASSIGN(const SlotLedger::Account account, ledger_.account(id, stored.is_node));
  const uint32_t index = (*account.met)++;
  if (index >= *account.count) {
    return contradiction(id, "more references lead to it than it counts");
  }
  if (index == 0) ledger_.take(id, stored.bytes);
  if (!stored.is_node) return std::optional(portion(stored.bytes, *account.count, index));
  if (index > 0) {
    if (*account.cost == 0) return contradiction(id, "it is reached through itself");
    return std::optional(portion(*account.cost, *account.count, index));
  }
  RAMET_ASSIGN(const CleanNodePtr node, ledger_.load(edge));
  const auto refs = node->view().refs();
  stack.push_back({id, stored.bytes, {refs.begin(), refs.end()}, 0});
  return std::optional<uint64_t>();
}

Result<uint64_t> Accounting::share_of(const BlockRef& edge) {
  std::vector<Open> stack;
  RAMET_ASSIGN(std::optional<uint64_t> got, meet(edge, stack));
  while (!stack.empty()) {
    Open& top = stack.back();
    if (got) top.cost += *got;
    got.reset();
    while (top.next < top.refs.size() && top.refs[top.next].is_null()) ++top.next;
    if (top.next < top.refs.size()) {
      RAMET_ASSIGN(got, meet(top.refs[top.next++], stack));
      continue;
    }
    RAMET_ASSIGN(const SlotLedger::Account account, ledger_.account(top.id, true));
    *account.cost = top.cost;
    got = portion(top.cost, *account.count, 0);
    stack.pop_back();
  }
  return *got;
}

// Only one node of the catalog, or the checkpoint, refers to each of its nodes: nobody shares them.
Result<CleanNodePtr> Accounting::meet_catalog(const BlockRef& ref) {
  const SlotId id{ref.segment, ref.slot};
  RAMET_ASSIGN(const SlotLedger::Account account, ledger_.account(id));
  if (++*account.met > 1 || *account.count != 1) {
    return contradiction(id, "a node of the catalog has more references than one");
  }
  RAMET_ASSIGN(const SlotLedger::Stored stored, ledger_.stored(id));
  ledger_.take(id, stored.bytes);
  catalog_bytes_ += stored.bytes;
  return ledger_.load(ref);
}

Status Accounting::share_entries(const CleanNode& leaf,
                                 const std::function<Status(ByteView, uint64_t)>& visit) {
  const NodeView& view = leaf.view();
  for (uint32_t i = 0; i < view.count(); ++i) {
    const auto refs = view.value_refs(i);
    if (refs.empty()) continue;
    const Bytes key = Bytes(view.prefix()) + Bytes(view.suffix(i));
    if (catalog_space_of(key) == CatalogSpace::kDrop) continue;  // let go of already
    uint64_t share = 0;
    for (const BlockRef& root : refs) {
      if (root.is_null()) continue;
      RAMET_ASSIGN(const uint64_t portion, share_of(root));
      share += portion;
    }
    RAMET_TRY(visit(key, share));
  }
  return ok();
}

Status Accounting::share_out(const std::function<Status(ByteView, uint64_t)>& visit) {
  std::vector<BlockRef> stack;
  if (!catalog_.empty()) stack.push_back(catalog_.ref);
  while (!stack.empty()) {
    const BlockRef at = stack.back();
    stack.pop_back();
    RAMET_ASSIGN(const CleanNodePtr node, meet_catalog(at));
    if (node->view().is_leaf()) {
      RAMET_TRY(share_entries(*node, visit));
      continue;
    }
    const auto refs = node->view().refs();
    stack.insert(stack.end(), refs.rbegin(), refs.rend());
  }
  return ledger_.check_met();
}

}  // namespace ramet::engine
