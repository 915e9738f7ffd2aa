// inspect: what keeps a block or node. Walks every tree from its root; what was found not to lead
// there is never looked into again, however many clones share it, and what leads there is walked
// once for each tree, for its names.
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "engine/check/describe_key.h"
#include "engine/check/inspector.h"
#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

constexpr size_t kUnreadableTold = 10'000;

// What is known of the subtree below a node.
enum class Below : uint8_t {
  kUnknown = 0,
  kNothing = 1,  // does not lead to the target
  kLeads = 2,
  kUnread = 3,   // does not, as far as it can be read
};

// 2 bits for each slot of each segment that there is.
class Memo {
 public:
  explicit Memo(const std::vector<SegmentNo>& segments) {
    for (const SegmentNo number : segments) slots_[number];
  }
  Below of(const BlockRef& ref, const MutNode* dirty) const {
    if (dirty != nullptr) {
      const auto found = dirty_.find(dirty);
      return found == dirty_.end() ? Below::kUnknown : found->second;
    }
    const auto found = slots_.find(ref.segment);
    if (found == slots_.end() || ref.slot / 4 >= found->second.size()) return Below::kUnknown;
    return static_cast<Below>((found->second[ref.slot / 4] >> (ref.slot % 4 * 2)) & 3);
  }
  void set(const BlockRef& ref, const MutNode* dirty, Below below) {
    if (dirty != nullptr) {
      dirty_[dirty] = below;
      return;
    }
    // (Forged references are not remembered: they lead nowhere anyway.)
    const auto found = slots_.find(ref.segment);
    if (found == slots_.end() || ref.slot >= kSegmentSlotsMax) return;
    std::vector<uint8_t>& bits = found->second;
    if (ref.slot / 4 >= bits.size()) bits.resize(ref.slot / 4 + 1, 0);
    uint8_t& byte = bits[ref.slot / 4];
    const int shift = static_cast<int>(ref.slot % 4 * 2);
    byte = static_cast<uint8_t>((byte & ~(3 << shift)) | (static_cast<int>(below) << shift));
  }

 private:
  std::unordered_map<SegmentNo, std::vector<uint8_t>> slots_;
  std::unordered_map<const MutNode*, Below> dirty_;
};

// A tree and what it is called.
struct NamedRoot {
  std::string_view kind;  // "container", "snapshot", "dropped container", ..., "catalog", "map"
  std::string container;
  std::string snapshot;
  Root root;
};

class Search {
 public:
  Search(RecoveredStore& store, const std::vector<SegmentNo>& segments, std::set<SlotId> targets,
         InspectOutput& out)
      : store_(store), targets_(std::move(targets)), memo_(segments), out_(out) {}

  struct Kept {
    std::string kind, container, snapshot;
    BlockRef root;  // null: in memory
    uint64_t references = 0;
  };
  struct Unreadable {
    BlockRef ref;
    std::string tree, keys, why;
  };
  uint64_t references() const { return references_; }
  const std::vector<Kept>& kept() const { return kept_; }
  const std::vector<Unreadable>& unreadable() const { return unreadable_; }
  uint64_t unreadable_count() const { return unreadable_count_; }
  uint64_t nodes() const { return nodes_; }
  // In each node once, however many trees share it; and from the checkpoint.
  uint64_t references_in_nodes() const { return references_in_nodes_; }

  // One tree: a row for each reference in it.
  Status tree(TreeContext& context, const NamedRoot& root) {
    if (root.root.empty()) return ok();
    context_ = &context;
    at_ = &root;
    via_.clear();
    last_object_.reset();
    references_here_ = 0;
    Claim claim;
    claim.ref = root.root.ref;
    claim.dirty = root.root.dirty.get();
    claim.level = root.root.level;
    RAMET_TRY(visit(claim));
    if (references_here_ > 0) {
      kept_.push_back({std::string(root.kind), root.container, root.snapshot, root.root.ref,
                       references_here_});
    }
    return ok();
  }

  // The catalog's own nodes, and every tree that it names.
  Status all(const Root& catalog, std::string_view suffix) {
    TreeContext& context = store_.context();
    RAMET_TRY(tree(context, {named("catalog", suffix), {}, {}, catalog}));
    if (is_target(catalog.ref)) ++references_in_nodes_;
    Cursor cursor(context, catalog);
    Status moved = cursor.seek_first();
    for (;;) {
      RAMET_TRY(check_stopped(out_));
      if (!moved.ok()) {
        if (!cursor.damaged()) return moved;
        moved = cursor.skip_damaged();  // said when the catalog's nodes were visited
        continue;
      }
      if (!cursor.valid()) return ok();
      RAMET_TRY(entry(catalog, Bytes(cursor.key()), cursor.pinned_value(), suffix));
      moved = cursor.next();
    }
  }

  // What was dropped and is released bit by bit: what it leads to still counts.
  Status pending() {
    TreeContext& context = store_.context();
    const auto dead = find_dead(store_.map().context(), store_.map().durable());
    if (!dead.ok()) {
      if (is_cancelled(dead.error())) return dead.error();
      unread({}, "map", "counts", dead.error().message());
      return ok();
    }
    releasing_ = true;
    for (const SlotId& id : dead->pending) {
      RAMET_TRY(check_stopped(out_));
      if (targets_.contains(id)) continue;  // nothing leads to it
      NamedRoot root{named("dead node", ""), {}, {}, {}};
      const auto checksum = store_.blocks().stored_checksum(id.segment, id.slot);
      if (checksum.ok()) root.root.ref = {id.segment, id.slot, *checksum};
      auto buffer = checksum.ok() ? context.store->load(root.root.ref)
                                  : Result<NodeBuffer>(checksum.error());
      const auto node = buffer.ok() ? CleanNode::open(std::move(*buffer), root.root.ref)
                                    : Result<CleanNodePtr>(buffer.error());
      if (!node.ok()) {
        if (is_cancelled(node.error())) return node.error();
        unread({id.segment, id.slot, 0}, "dead node", "", node.error().message());
        continue;
      }
      root.root.level = (*node)->view().level();
      RAMET_TRY(tree(context, root));
      // Trees that a dead part of the catalog names.
      for (const Root& named_there : std::exchange(follow_, {})) {
        const BlockRef& ref = named_there.ref;
        if (!followed_.insert({ref.segment, ref.slot}).second && !is_target(ref)) continue;
        RAMET_TRY(tree(context, {root.kind, {}, {}, named_there}));
      }
    }
    return ok();
  }

 private:
  struct Claim {
    BlockRef ref;
    const MutNode* dirty = nullptr;
    uint8_t level = 0;
    Bytes from, to;
  };

  // Kinds are few: kept for as long as rows speak of them.
  std::string_view named(std::string_view kind, std::string_view suffix) {
    return *kinds_.insert(std::string(kind) + std::string(suffix)).first;
  }

  Status entry(const Root& catalog, const Bytes& key, const Value& value,
               std::string_view suffix) {
    const auto space = catalog_space_of(key);
    if (!space || (*space != CatalogSpace::kContainer && *space != CatalogSpace::kSnapshot &&
                   *space != CatalogSpace::kDrop)) {
      return ok();
    }
    const auto rooted = rooted_value(value);
    if (!rooted.ok()) {
      unread({}, "catalog", describe_key(key), rooted.error().message());
      return ok();
    }
    NamedRoot root;
    root.root = rooted->root;
    if (*space == CatalogSpace::kContainer) {
      root.kind = named("container", suffix);
      const auto record = decode_container(rooted->bytes);
      root.container = record.ok() ? record->name : describe_key(key);
    } else if (*space == CatalogSpace::kSnapshot) {
      root.kind = named("snapshot", suffix);
      const auto at = decode_snapshot_key(key);
      root.snapshot = at.ok() ? at->name : describe_key(key);
      if (at.ok()) {
        const auto holder = find_container(store_.context(), catalog, at->container);
        root.container = holder.ok() ? holder->record.name : to_uuid(at->container);
      }
    } else {
      const auto record = decode_drop(rooted->bytes);
      const bool snapshot = record.ok() && !record->snapshot.empty();
      root.kind = named(snapshot ? "dropped snapshot" : "dropped container", suffix);
      root.container = record.ok() ? record->container_name : describe_key(key);
      if (snapshot) root.snapshot = record->snapshot;
    }
    return tree(store_.context(), root);
  }

  void unread(const BlockRef& ref, std::string tree, std::string keys, std::string why) {
    ++unreadable_count_;
    if (unreadable_.size() >= kUnreadableTold) return;
    unreadable_.push_back({ref, std::move(tree), std::move(keys), std::move(why)});
  }
  std::string tree_words() const {
    std::string words(at_->kind);
    if (!at_->container.empty()) words += " " + at_->container;
    if (!at_->snapshot.empty()) words += "@" + at_->snapshot;
    return words;
  }
  static std::string range_words(const Claim& claim) {
    return fmt::format("{} to {}", claim.from.empty() ? "the first" : describe_key(claim.from),
                       claim.to.empty() ? "the last" : describe_key(claim.to));
  }

  bool is_target(const BlockRef& ref) const {
    return !ref.is_null() && targets_.contains({ref.segment, ref.slot});
  }

  Result<Below> visit(const Claim& claim) {
    const bool hit = claim.dirty == nullptr && is_target(claim.ref);
    if (hit) {
      row({}, {}, {}, range_words(claim));
      // What lies below cannot be this node again: trees have no loops.
      if (targets_.size() == 1) return Below::kLeads;
    }
    const Below known = memo_.of(claim.ref, claim.dirty);
    const bool leads_nowhere = known == Below::kNothing || known == Below::kUnread;
    if (!hit && (leads_nowhere || (releasing_ && known == Below::kLeads))) return known;
    RAMET_TRY(check_stopped(out_));
    const auto node = open_node(*context_, claim.ref, claim.dirty, claim.level);
    const Status bounds = node.ok() ? check_bounds(*node, claim.from, claim.to) : ok();
    if (!node.ok() || !bounds.ok()) {
      const Error& why = node.ok() ? bounds.error() : node.error();
      if (is_cancelled(why)) return why;
      if (known == Below::kUnknown) {
        unread(claim.ref, tree_words(), range_words(claim), why.message());
        memo_.set(claim.ref, claim.dirty, hit ? Below::kLeads : Below::kUnread);
      }
      return hit ? Below::kLeads : Below::kUnread;
    }
    if (known == Below::kUnknown) {
      ++nodes_;
      if (claim.dirty == nullptr) {
        const auto refs = node->clean()->view().refs();
        references_in_nodes_ += static_cast<uint64_t>(std::count_if(
            refs.begin(), refs.end(), [this](const BlockRef& ref) { return is_target(ref); }));
      }
    }
    Below below = hit ? Below::kLeads : Below::kNothing;
    if (claim.dirty == nullptr) via_.push_back(claim.ref);
    if (node->is_leaf()) {
      if (leaf(*node)) below = Below::kLeads;
    } else {
      RAMET_ASSIGN(const Below found, children(claim, *node));
      if (below != Below::kLeads && found != Below::kNothing) below = found;
    }
    if (claim.dirty == nullptr) via_.pop_back();
    memo_.set(claim.ref, claim.dirty, below);
    return below;
  }

  Result<Below> children(const Claim& claim, const NodeHandle& node) {
    Below all = Below::kNothing;
    Bytes buffer;
    for (uint32_t i = 0; i < node.count(); ++i) {
      Claim child{node.child_ref(i), node.child_dirty(i), static_cast<uint8_t>(claim.level - 1),
                  claim.from, claim.to};
      const ByteView key = node.key(i, buffer);
      if (key > child.from) child.from.assign(key);
      if (i + 1 < node.count()) child.to.assign(node.key(i + 1, buffer));
      // No room between the bounds: a forged tree, which could lead in circles.
      if (!child.to.empty() && child.from >= child.to) {
        unread(child.ref, tree_words(), range_words(child), "keys of its parent are out of order");
        if (all == Below::kNothing) all = Below::kUnread;
        continue;
      }
      RAMET_ASSIGN(const Below below, visit(child));
      if (below == Below::kLeads || (below == Below::kUnread && all == Below::kNothing)) {
        all = below;
      }
    }
    return all;
  }

  bool leaf(const NodeHandle& node) {
    bool leads = false;
    Bytes buffer;
    for (uint32_t i = 0; i < node.count(); ++i) {
      const auto refs = node.refs(i);
      if (releasing_ && !refs.empty() && !refs[0].is_null()) follow(node, i);
      if (std::none_of(refs.begin(), refs.end(),
                       [this](const BlockRef& ref) { return is_target(ref); })) {
        continue;
      }
      const ByteView key = node.key(i, buffer);
      // A tree that the catalog names is told as what it is.
      if (catalog_space_of(key)) continue;
      leads = true;
      entry_rows(key, node.value(i), refs);
    }
    return leads;
  }

  void follow(const NodeHandle& node, uint32_t i) {
    Bytes buffer;
    if (!catalog_space_of(node.key(i, buffer))) return;
    const auto decoded = decode_root_value(node.value(i));
    if (!decoded.ok()) return;
    Root root;
    root.ref = node.refs(i)[0];
    root.level = decoded->root.level;
    follow_.push_back(root);
  }

  // A row for each piece of content.
  void entry_rows(ByteView key, ByteView value, std::span<const BlockRef> refs) {
    const auto space = container_space_of(key);
    std::vector<Extent> extents;
    std::optional<ObjectId> id;
    if (space == ContainerSpace::kObject) {
      const auto at = decode_object_key(key);
      if (at.ok()) {
        id = at->id;
        const auto record = decode_object(at->id, at->type, value, refs);
        if (record.ok()) extents = record->extents;
      }
    } else if (space == ContainerSpace::kExtent) {
      const auto at = decode_extent_key(key);
      if (at.ok()) id = at->id;
      const auto run = decode_extent_run(value, refs);
      if (run.ok()) extents = *run;
    }
    bool told = false;
    for (const Extent& extent : extents) {
      if (!is_target(extent.block)) continue;
      row(id, extent.offset, extent.length, describe_key(key));
      told = true;
    }
    if (!told) row(id, {}, {}, describe_key(key));
  }

  const std::string& path_of(const ObjectId& id) {
    if (last_object_ && last_object_->first == id) return last_object_->second;
    const Reader reader(*context_, at_->root);
    const auto record = reader.object(id);
    std::string path;
    if (record.ok()) {
      const auto found = reader.path_of(*record);
      path = found.ok() ? *found : record->info.name;
    }
    last_object_ = {id, path};
    return last_object_->second;
  }

  void row(const std::optional<ObjectId>& id, std::optional<uint64_t> offset,
           std::optional<uint64_t> length, const std::string& keys) {
    ++references_;
    ++references_here_;
    const Section part(out_, "");
    out_.value("kept_by", text(at_->kind));
    out_.value("container", name_or_nothing(at_->container));
    out_.value("snapshot", name_or_nothing(at_->snapshot));
    out_.value("path", id ? name_or_nothing(path_of(*id)) : InspectValue());
    out_.value("content_offset", offset ? size_value(*offset) : InspectValue());
    out_.value("length", length ? size_value(*length) : InspectValue());
    out_.value("keys", text(keys));
    out_.value("via", refs_value(via_));
    out_.value("id", id ? text(to_uuid(*id)) : InspectValue());
  }

  RecoveredStore& store_;
  const std::set<SlotId> targets_;
  Memo memo_;
  InspectOutput& out_;
  TreeContext* context_ = nullptr;
  const NamedRoot* at_ = nullptr;
  std::vector<BlockRef> via_;
  std::set<std::string> kinds_;
  std::optional<std::pair<ObjectId, std::string>> last_object_;
  bool releasing_ = false;       // what is met now is dead, unless it was met before
  std::vector<Root> follow_;     // named by dead parts of the catalog
  std::set<SlotId> followed_;
  std::vector<Kept> kept_;
  std::vector<Unreadable> unreadable_;
  uint64_t unreadable_count_ = 0;
  uint64_t references_ = 0;
  uint64_t references_here_ = 0;
  uint64_t references_in_nodes_ = 0;
  uint64_t nodes_ = 0;
};

// Catalogs that are kept besides the current state's: those of the last checkpoint while the log
// goes on behind it, of the other superblock, of a repair.
std::vector<std::pair<std::string, Root>> other_catalogs(InspectedStore& files,
                                                         RecoveredStore& store) {
  std::vector<std::pair<std::string, Root>> out;
  if (store.replayed_commits() > 0) {
    out.emplace_back(" of the last checkpoint", root_from(store.checkpoint().catalog));
  }
  for (size_t i = 0; i < 2; ++i) {
    const auto& superblock = files.superblocks()[i].superblock;
    if (!superblock) continue;
    const auto add = [&](const BlockRef& ref, const std::string& words) {
      if (ref.is_null()) return;
      const auto bytes = store.blocks().read_map(ref);
      if (!bytes.ok()) return;
      const auto record = decode_checkpoint(*bytes);
      if (record.ok() && record->catalog.ref != store.checkpoint().catalog.ref) {
        out.emplace_back(words, root_from(record->catalog));
      }
    };
    add(superblock->checkpoint, fmt::format(" of {}", kSuperblockFileNames[i]));
    add(superblock->undo, " before the repair");
  }
  return out;
}

}  // namespace

Status InspectorImpl::why(std::string_view name, InspectOutput& out) {
  RAMET_ASSIGN(RecoveredStore* const trees, store_->trees());
  RecoveredStore& store = *trees;
  RAMET_ASSIGN(const auto found, find_blocks(name));
  std::set<SlotId> targets;
  for (const Found& one : found) targets.insert({one.segment, one.slot});
  RAMET_ASSIGN(const Loaded first, store_->load(found.front().segment));
  const bool of_map = first->is_map();
  std::vector<std::string> states;
  put_state_note(out);
  {
    const Section list(out, "targets", InspectPart::kList);
    for (const Found& one : found) {
      const Section part(out, "");
      if (of_map) {
        out.value("place", text(fmt::format("{}:{}", one.segment, one.slot)));
        out.value("file", name_value(first->file.path));
        states.emplace_back("of the map");
        continue;
      }
      put_found(one, out);
      out.value("name", hash_value(one.entry.hash));
      const auto loaded = store_->load(one.segment);
      if (loaded.ok()) states.emplace_back(store_->state_of(**loaded, one.slot).word);
    }
  }
  const std::vector<SegmentNo> segments = numbers();
  Search search(store, segments, targets, out);
  uint64_t of_checkpoint = 0;
  uint64_t kept = 0;  // not only by what is being released
  std::string elsewhere;
  {
    const Section table(out, "references", InspectPart::kTable);
    if (of_map) {
      RAMET_TRY(search.tree(store.map().context(), {"map", {}, {}, store.map().durable()}));
      kept = search.references();
    } else {
      RAMET_TRY(search.all(store.state().catalog, ""));
      if (search.references() == 0) {
        // Memory of what does not lead there holds for these, too.
        for (const auto& [words, catalog] : other_catalogs(*store_, store)) {
          RAMET_TRY(search.all(catalog, words));
          if (search.references() == 0) continue;
          elsewhere = words;
          break;
        }
      }
      kept = search.references();
      RAMET_TRY(search.pending());
    }
  }
  for (const SuperblockFile& file : store_->superblocks()) {
    if (!file.superblock || !of_map) continue;
    for (const BlockRef& ref : {file.superblock->checkpoint, file.superblock->checkpoint_copy,
                                file.superblock->undo}) {
      if (!ref.is_null() && targets.contains({ref.segment, ref.slot})) ++of_checkpoint;
    }
  }
  {
    const Section table(out, "kept_by", InspectPart::kTable);
    for (const auto& one : search.kept()) {
      const Section row(out, "");
      out.value("kind", text(one.kind));
      out.value("container", name_or_nothing(one.container));
      out.value("snapshot", name_or_nothing(one.snapshot));
      out.value("root", ref_value(one.root));
      out.value("references", number_value(one.references));
    }
  }
  {
    const Section table(out, "not_looked_into", InspectPart::kTable);
    for (const auto& one : search.unreadable()) {
      const Section row(out, "");
      out.value("node", ref_value(one.ref));
      out.value("tree", text(one.tree));
      out.value("keys", text(one.keys));
      damage(out, "damage", one.why);
    }
  }
  out.value("nodes_not_looked_into", number_value(search.unreadable_count()));
  out.value("segments_not_read", unread_segments_);
  out.value("nodes_read", number_value(search.nodes()));
  out.value("references_found", number_value(search.references()));
  // Clones share nodes: this is what reference counts count.
  out.value("references_in_nodes", number_value(search.references_in_nodes()));
  std::string words;
  if (of_checkpoint > 0) {
    words = "it is a checkpoint, to which a superblock leads";
  } else if (!elsewhere.empty()) {
    words = "the current state does not lead to it, but the catalog" + elsewhere + " does";
  } else if (kept > 0) {
    words = "it is kept by what 'kept_by' lists";
  } else if (search.references() > 0) {
    words = "only dead nodes lead to it, which are being released: its space comes back";
  } else {
    words = "nothing leads to it";
    if (!states.empty()) words += "; its state is: " + states.front();
    if (search.unreadable_count() > 0) words += "; some nodes could not be looked into";
  }
  out.value("conclusion", text(words));
  return ok();
}

}  // namespace ramet::engine
