#include "engine/check/tree_check.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include "engine/container/records.h"
#include "engine/tree/clean_node.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

uint64_t hash_range(ByteView from, ByteView to) {
  const std::array<uint64_t, 2> both = {xxh3(from), xxh3(to)};
  return xxh3(ByteView(reinterpret_cast<const char*>(both.data()), sizeof both));
}

// Entries of one object lie side by side.
void note_composed(uint32_t tree, ContainerSpace space, ByteView key,
                   std::vector<TreeCheck::Composed>& composed) {
  Bytes object;
  if (space == ContainerSpace::kObject) {
    object.assign(key);
  } else {
    const auto extent = decode_extent_key(key);
    if (!extent.ok() || extent->content != 0) return;
    object = object_key(extent->type, extent->id);
  }
  if (!composed.empty() && composed.back().key == object) return;
  composed.push_back({tree, std::move(object)});
}

// What an object's record leads to beside blocks.
std::optional<Root> extent_tree_of(ContainerSpace space, ByteView value,
                                   std::span<const BlockRef> refs) {
  if (space != ContainerSpace::kObject && space != ContainerSpace::kVersion) return std::nullopt;
  if (refs.size() != 1) return std::nullopt;
  const auto record = decode_object({}, 0, value, refs);
  if (!record.ok() || record->form != ContentForm::kTree) return std::nullopt;
  return root_from(record->extent_tree);
}

uint64_t hash_summary(const Summary& summary) {
  return xxh3(ByteView(reinterpret_cast<const char*>(summary.columns.data()),
                       sizeof summary.columns));
}

}  // namespace

std::optional<TreeCheck::Memo> TreeCheck::find(const BlockRef& ref) {
  Shard& shard = shards_[(ref.slot ^ ref.segment) % shards_.size()];
  std::lock_guard lock(shard.mu);
  const auto found = shard.memos.find(key_of(ref));
  if (found == shard.memos.end()) return std::nullopt;
  return found->second;
}

// What is known of a child, if nothing more needs to be said of it.
std::optional<TreeCheck::Memo> TreeCheck::find_sound(const NodeHandle& node, uint32_t child,
                                                     uint64_t bounds, const Summary& summary) {
  if (node.child_dirty(child) != nullptr) return std::nullopt;
  auto known = find(node.child_ref(child));
  const bool sound = known && !known->damaged && known->readable && known->bounds == bounds &&
                     known->birth <= node.birth(child) && known->level + 1 == node.level() &&
                     known->summary == hash_summary(summary);
  if (!sound) known.reset();
  return known;
}

// False: another thread was first.
bool TreeCheck::remember(const BlockRef& ref, const Memo& memo) {
  Shard& shard = shards_[(ref.slot ^ ref.segment) % shards_.size()];
  std::lock_guard lock(shard.mu);
  return shard.memos.emplace(key_of(ref), memo).second;
}

TreeCheck::Claim TreeCheck::claim_of(const Root& root, uint32_t tree) {
  Claim claim;
  claim.ref = root.ref;
  claim.dirty = root.dirty.get();
  claim.level = root.level;
  claim.summary = root.summary;
  claim.birth = root.birth;
  claim.tree = tree;
  claim.is_root = true;
  return claim;
}

// Nodes that are read once do not go through the cache.
Result<NodeHandle> TreeCheck::open(const Claim& claim) {
  if (claim.dirty != nullptr) return NodeHandle(claim.dirty);
  if (cancelled_ && cancelled_()) return Error(ErrorCode::kCancelled, "interrupted");
  CleanNodePtr node = context_->cache->find(claim.ref);
  if (node == nullptr) {
    auto loaded = context_->store->load(claim.ref);
    if (!loaded.ok() && loaded.error().code() == ErrorCode::kIoError && is_bad_ &&
        is_bad_(claim.ref)) {  // known: the rest of the device still reads
      return Error(ErrorCode::kCorruption, loaded.error().message());
    }
    RAMET_ASSIGN(auto buffer, std::move(loaded));
    bytes_ += buffer.view().size();
    RAMET_ASSIGN(node, CleanNode::open(std::move(buffer), claim.ref));
  }
  if (node->view().level() != claim.level) {
    return Error(ErrorCode::kCorruption, "a node of another level than its pointer says");
  }
  return NodeHandle(std::move(node));
}

bool TreeCheck::check_keys(const Claim& claim, const NodeHandle& node,
                           const Report* report) const {
  Bytes previous, buffer;
  bool good = true;
  for (uint32_t i = 0; i < node.count(); ++i) {
    const ByteView key = node.key(i, buffer);
    const bool unsorted = i > 0 && key <= previous;
    // The first key of an inner node may be anything up to its first child's keys.
    const bool low = key < claim.from && (i > 0 || node.is_leaf());
    if (unsorted || low || (!claim.to.empty() && key >= claim.to)) {
      good = false;
      if (report != nullptr) {
        (*report)({"node-order", claim.ref, claim.level, claim.from, claim.to, Bytes(key), {}, {},
                   unsorted ? "keys are not sorted" : "a key outside of what leads to the node"});
      }
    }
    previous.assign(key);
  }
  return good;
}

Status TreeCheck::leaf(const Claim& claim, const NodeHandle& node, Memo& memo, Summary& sum,
                       std::vector<Composed>& composed, const Report* report) {
  Bytes buffer;
  for (uint32_t i = 0; i < node.count(); ++i) {
    const ByteView key = node.key(i, buffer);
    const ByteView value = node.value(i);
    const auto refs = node.refs(i);
    const auto problem = [&](std::string_view code, std::string message) {
      memo.damaged = true;
      if (report == nullptr) return;
      (*report)({code, claim.ref, claim.level, claim.from, claim.to, Bytes(key), Bytes(value),
                 {refs.begin(), refs.end()}, std::move(message)});
    };
    sum.combine(context_->contribution(key, value));
    bool in_pieces = false;
    const Status added = add_entry(key, value, refs, memo.sums, in_pieces);
    if (!added.ok()) problem("entry-malformed", added.error().message());
    // (Catalog entries lead to trees, which are checked by themselves.)
    const auto space = container_space_of(key);
    if (!space) continue;
    if (in_pieces) note_composed(claim.tree, *space, key, composed);
    if (const auto tree = in_pieces ? extent_tree_of(*space, value, refs) : std::nullopt) {
      RAMET_ASSIGN(const Memo below, visit(claim_of(*tree, claim.tree), report));
      memo.damaged = memo.damaged || below.damaged;
    }
    for (const BlockRef& ref : refs) {
      if (ref.is_null()) continue;
      if (counts_ != nullptr && !counts_->has(ref)) {
        problem("block-damaged", "its block " + to_string(ref) + " is not there");
      } else if (is_bad_ && is_bad_(ref)) {
        problem("block-damaged", "its block " + to_string(ref) + " cannot be read");
      }
    }
  }
  return ok();
}

std::optional<TreeCheck::Claim> TreeCheck::child_claim(const Claim& claim, const NodeHandle& node,
                                                       uint32_t i) {
  Claim child;
  child.ref = node.child_ref(i);
  child.dirty = node.child_dirty(i);
  child.level = static_cast<uint8_t>(claim.level - 1);
  child.summary = node.summary(i);
  child.birth = node.birth(i);
  child.from = claim.from;
  child.to = claim.to;
  child.tree = claim.tree;
  Bytes buffer;
  const ByteView key = node.key(i, buffer);
  if (key > child.from) child.from.assign(key);  // a first key above what leads here bounds too
  if (i + 1 < node.count()) child.to.assign(node.key(i + 1, buffer));
  // No room between the bounds: keys are out of order, and a forged tree could lead in circles.
  if (!child.to.empty() && child.from >= child.to) return std::nullopt;
  return child;
}

Status TreeCheck::children(const Claim& claim, const NodeHandle& node, Memo& memo, Summary& sum,
                           const Report* report) {
  Bytes key, next_key;
  ByteView next = node.count() > 0 ? node.key(0, next_key) : ByteView();
  for (uint32_t i = 0; i < node.count(); ++i) {
    const Summary summary = node.summary(i);
    sum.combine(summary);
    // Most children of what clones changed were met, sound, in the same place before.
    key.assign(next);
    if (i + 1 < node.count()) next = node.key(i + 1, next_key);
    const ByteView from = ByteView(key) > claim.from ? ByteView(key) : ByteView(claim.from);
    const ByteView to = i + 1 < node.count() ? next : ByteView(claim.to);
    if (const auto known = find_sound(node, i, hash_range(from, to), summary);
        known && node.birth(i) <= claim.birth && (to.empty() || from < to)) {
      memo.birth = std::max(memo.birth, node.birth(i));
      memo.sums.add(known->sums);
      continue;
    }
    const auto child = child_claim(claim, node, i);
    if (!child) {
      memo.damaged = true;
      continue;
    }
    if (child->birth > claim.birth) {
      memo.damaged = true;
      if (report != nullptr) {
        (*report)({"node-shape", claim.ref, claim.level, claim.from, claim.to, {}, {}, {},
                   "a child is newer than the pointer to its parent"});
      }
    }
    memo.birth = std::max(memo.birth, child->birth);
    RAMET_ASSIGN(const Memo below, visit(*child, report));
    memo.sums.add(below.sums);
    memo.damaged = memo.damaged || below.damaged;
  }
  return ok();
}

// With `report`: goes into what is damaged only, and says everything about it.
Result<TreeCheck::Memo> TreeCheck::visit(const Claim& claim, const Report* report) {
  const auto problem = [&](Memo& memo, std::string_view code, std::string message) {
    memo.damaged = true;
    if (report == nullptr) return;
    (*report)({code, claim.ref, claim.level, claim.from, claim.to, {}, {}, {},
               std::move(message)});
  };
  const auto check_claim = [&](Memo& memo) {
    if (!memo.readable) return;
    if (memo.summary != hash_summary(claim.summary)) {
      problem(memo, "node-summary", "the totals are not those of what lies below");
    }
    if (memo.birth > claim.birth) {
      problem(memo, "node-shape", "something below is newer than the pointer");
    }
  };
  const uint64_t bounds = hash_range(claim.from, claim.to);
  std::optional<Memo> known;
  if (claim.dirty == nullptr) known = find(claim.ref);
  if (known && known->level == claim.level && (!known->damaged || report == nullptr)) {
    if (known->bounds != bounds && known->readable) {  // met through other keys before
      auto node = open(claim);
      if (!node.ok()) return std::move(node).error();
      if (!check_keys(claim, *node, report)) known->damaged = true;
    }
    check_claim(*known);
    return *known;
  }
  Memo memo;
  std::vector<Composed> composed;
  memo.bounds = bounds;
  memo.level = claim.level;
  auto node = open(claim);
  if (!node.ok()) {
    const ErrorCode code = node.error().code();
    if (code != ErrorCode::kCorruption && code != ErrorCode::kNotFound &&
        code != ErrorCode::kUnsupported) {
      return std::move(node).error();
    }
    memo.readable = false;
    problem(memo, "node-unreadable", node.error().message());
  } else {
    Summary sum;
    if (counts_ != nullptr && claim.dirty == nullptr && !counts_->has(claim.ref)) {
      problem(memo, "count-low", "the map does not know the node: it could be given up");
    }
    if (node->count() == 0) problem(memo, "node-shape", "no entries");
    if (!node->is_leaf() && node->count() < 2) problem(memo, "node-shape", "only one child");
    if (!check_keys(claim, *node, report)) memo.damaged = true;
    if (node->is_leaf()) {
      RAMET_TRY(leaf(claim, *node, memo, sum, composed, report));
    } else {
      RAMET_TRY(children(claim, *node, memo, sum, report));
    }
    memo.summary = hash_summary(sum);
  }
  if (report == nullptr && claim.dirty == nullptr && remember(claim.ref, memo)) {
    ++nodes_;
    if (counts_ != nullptr && counting_ && node.ok()) {
      for (const BlockRef& ref : node->clean()->view().refs()) {
        if (!ref.is_null()) counts_->add(ref);
      }
    }
    if (!composed.empty()) {
      std::lock_guard lock(composed_mu_);
      std::move(composed.begin(), composed.end(), std::back_inserter(composed_));
    }
    if (met_) RAMET_TRY(met_(claim.ref));
  }
  check_claim(memo);
  return memo;
}

Result<TreeCheck::Found> TreeCheck::check(const Root& root, uint32_t tree) {
  Found found;
  if (root.empty()) return found;
  RAMET_ASSIGN(const Memo memo, visit(claim_of(root, tree), nullptr));
  found.sums = memo.sums;
  found.damaged = memo.damaged;
  return found;
}

Result<bool> TreeCheck::is_sound(const Root& at, const Bytes& from, const Bytes& to) {
  if (at.empty()) return true;
  Claim claim = claim_of(at, 0);
  claim.is_root = false;
  claim.from = from;
  claim.to = to;
  RAMET_ASSIGN(const Memo memo, visit(claim, nullptr));
  return !memo.damaged;
}

Result<std::vector<std::function<Status()>>> TreeCheck::parts(const Root& root,
                                                                uint32_t tree) {
  std::vector<std::function<Status()>> out;
  if (root.empty() || root.level == 0 || root.dirty || find(root.ref)) return out;
  const Claim claim = claim_of(root, tree);
  const auto node = open(claim);
  if (!node.ok()) return out;  // check() says so
  for (uint32_t i = 0; i < node->count(); ++i) {
    const auto child = child_claim(claim, *node, i);
    if (!child || find(child->ref)) continue;
    out.emplace_back([this, child = *child]() -> Status {
      auto done = visit(child, nullptr);
      return done.ok() ? ok() : Status(std::move(done).error());
    });
  }
  return out;
}

Status TreeCheck::explain(const Root& root, const Report& report) {
  if (root.empty()) return ok();
  auto done = visit(claim_of(root, 0), &report);
  return done.ok() ? ok() : Status(std::move(done).error());
}

Status TreeCheck::each_entry(
    const Root& root, const std::function<Status(ByteView key, ByteView value,
                                                 std::span<const BlockRef> refs)>& visit_entry) {
  const std::function<Status(const Claim&)> walk = [&](const Claim& claim) -> Status {
    const auto node = open(claim);
    if (!node.ok()) {
      const ErrorCode code = node.error().code();
      const bool stop = code == ErrorCode::kCancelled || code == ErrorCode::kIoError;
      return stop ? Status(node.error()) : ok();
    }
    Bytes buffer;
    for (uint32_t i = 0; i < node->count(); ++i) {
      if (node->is_leaf()) {
        RAMET_TRY(visit_entry(node->key(i, buffer), node->value(i), node->refs(i)));
      } else if (const auto child = child_claim(claim, *node, i)) {
        RAMET_TRY(walk(*child));
      }
    }
    return ok();
  };
  return root.empty() ? ok() : walk(claim_of(root, 0));
}

bool TreeCheck::count_pending(const BlockRef& pending) {
  if (counts_ == nullptr) return true;
  std::vector<BlockRef> stack{pending};
  bool whole = true;
  while (!stack.empty()) {
    const BlockRef at = stack.back();
    stack.pop_back();
    auto buffer = context_->store->load(at);
    const auto node = buffer.ok() ? CleanNode::open(std::move(buffer).value(), at)
                                  : Result<CleanNodePtr>(buffer.error());
    if (!node.ok()) {
      whole = false;
      continue;
    }
    Memo memo;
    memo.level = (*node)->view().level();
    if (!remember(at, memo)) continue;
    ++nodes_;
    if (met_) ignore_error(met_(at), "the next look at a node sees it");
    for (const BlockRef& child : (*node)->view().refs()) {
      if (child.is_null()) continue;
      counts_->add(child);
      if (counts_->is_node(child) && !find(child)) stack.push_back(child);
    }
  }
  return whole;
}

void TreeCheck::go_on(TreeContext& newer) {
  RAMET_CHECK(counts_ == nullptr, "what nodes refer to was counted for another state");
  context_ = &newer;
  for (Shard& shard : shards_) {
    std::erase_if(shard.memos, [](const auto& one) { return one.second.damaged; });
  }
}

std::vector<TreeCheck::Composed> TreeCheck::take_composed() {
  std::lock_guard lock(composed_mu_);
  std::sort(composed_.begin(), composed_.end());
  composed_.erase(std::unique(composed_.begin(), composed_.end()), composed_.end());
  return std::exchange(composed_, {});
}

}  // namespace ramet::engine
