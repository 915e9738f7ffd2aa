#include "engine/check/catalog_mend.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "engine/access/access_change.h"
#include "engine/access/access_check.h"
#include "engine/check/describe_key.h"
#include "engine/container/reader.h"
#include "engine/container/records.h"
#include "engine/tree/tree.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

// More than this many trees without an entry are not made containers of their own.
constexpr size_t kFoundContainersMax = 10'000;

bool is_rooted(CatalogSpace space) {
  return space == CatalogSpace::kContainer || space == CatalogSpace::kSnapshot ||
         space == CatalogSpace::kDrop;
}

bool gives_access(CatalogSpace space) {
  return is_access_space(space) && space != CatalogSpace::kContainerAccess &&
         space != CatalogSpace::kAuditLog;
}

class CatalogMend {
 public:
  CatalogMend(CatalogMendContext& context, const Root& catalog, bool is_lost)
      : context_(context), before_(catalog), is_lost_(is_lost), tree_(context.trees, catalog) {}

  Result<Root> run() {
    MendedTree mended;
    mended.root = before_;
    RAMET_ASSIGN(mended, context_.mend.mend(mended.root, true));
    changed_ = mended.changed;
    tree_ = Tree(context_.trees, mended.root);
    Gap all;
    all.reason = "there is no catalog";
    if (is_lost_) mended.gaps.push_back(all);
    gaps_ = mended.gaps;
    for (const Gap& gap : gaps_) RAMET_TRY(fill(gap));
    if (lost_entries_) RAMET_TRY(name_what_is_left());
    RAMET_TRY(make_agree());
    return changed_ ? tree_.share() : before_;
  }

 private:
  void say(Outcome outcome, const std::string& container, const std::string& snapshot,
           std::string message) {
    RepairStep step;
    step.outcome = outcome;
    step.container = container;
    step.snapshot = snapshot;
    step.message = std::move(message);
    context_.report(step);
  }

  Status put(const Bytes& key, ByteView value) {
    changed_ = true;
    return tree_.put(key, value, {}, context_.sequence);
  }
  Status put_root(const Bytes& key, ByteView rest, const Root& root) {
    changed_ = true;
    return tree_.put_root(key, rest, root, context_.sequence);
  }
  Status erase(const Bytes& key) {
    changed_ = true;
    const auto erased = tree_.erase(key, context_.sequence);
    return erased.ok() ? ok() : Status(erased.error());
  }

  // --- lost nodes --------------------------------------------------------------------------------
  Status fill(const Gap& gap) {
    say(gap.closed ? Outcome::kMended : Outcome::kLost, "", "",
        fmt::format("a node of the catalog (segment {} slot {}) is lost: {}{}", gap.ref.segment,
                    gap.ref.slot, gap.reason,
                    gap.closed ? "; all that hung below it was found" : ""));
    if (gap.closed || gap.level > 0) {
      lost_entries_ = lost_entries_ || !gap.closed;
      return ok();
    }
    lost_entries_ = true;
    const Bytes to = gap.key.empty() ? gap.to : key_after(gap.key);
    RAMET_ASSIGN(const auto older,
                 context_.orphans.older(gap.key.empty() ? gap.from : gap.key, to));
    for (const auto& [key, old] : older) {
      const auto space = catalog_space_of(key);
      RAMET_ASSIGN(const bool there, tree_.get(key, nullptr));
      // (What was dropped goes on going; names and expiries are made from the records; and what
      // gives access is not given again by what may have been taken away since.)
      if (!space || there || *space == CatalogSpace::kDrop ||
          *space == CatalogSpace::kContainerName || *space == CatalogSpace::kExpires ||
          gives_access(*space)) {
        continue;
      }
      if (is_rooted(*space)) {
        RAMET_TRY(bring_back(key, old));
      } else if (old.refs.empty()) {
        RAMET_TRY(put(key, old.value));
        say(Outcome::kOlder, "", "",
            fmt::format("{}: it is as it was at commit {}", describe_key(key), old.sequence));
      }
    }
    return ok();
  }

  Status bring_back(const Bytes& key, const Orphans::OldEntry& old) {
    const auto decoded = decode_root_value(old.value);
    if (!decoded.ok() || old.refs.empty()) return ok();
    const ByteView rest = ByteView(old.value).substr(decoded->bytes);
    Root root;
    root.ref = old.refs[0];
    root.level = decoded->root.level;
    root.summary = decoded->root.summary;
    root.birth = decoded->root.birth;
    const bool exact = !root.ref.is_null() && context_.orphans.is_needed(root.ref);
    bool current = exact;
    const bool is_container = catalog_space_of(key) == CatalogSpace::kContainer;
    if (context_.orphans.has_counts() && !exact) {
      // Dropped since? Of a container its name tells, of a snapshot, which never changes, its tree.
      RAMET_ASSIGN(const bool dropped, is_container ? is_nameless(key, rest)
                                                    : Result<bool>(!root.ref.is_null()));
      if (dropped) return ok();
    }
    if (!exact && is_container && !root.ref.is_null()) {
      RAMET_ASSIGN(const auto match, best_match(root));
      current = match.has_value();
      if (match) root = *match;
    }
    if (!root.ref.is_null()) {
      const auto open = open_node(context_.trees, root);
      if (!open.ok() && !exact) {
        say(Outcome::kLost, name_of(key, rest), snapshot_of(key),
            "its entry is lost, and so is the tree that it led to");
        return ok();
      }
      RAMET_TRY(context_.orphans.claim_tree(root.ref));
    }
    RAMET_TRY(put_root(key, rest, root));
    if (!exact) context_.uncertain.insert(key);
    say(Outcome::kOlder, name_of(key, rest), snapshot_of(key),
        exact     ? fmt::format("its entry is lost; settings and note are those of commit {}, its "
                                "tree is the same", old.sequence)
        : current ? fmt::format("its entry is lost; settings and note are those of commit {}, its "
                                "tree is the newest that was found", old.sequence)
                  : fmt::format("its entry is lost; it is as it was at commit {}, and may have "
                                "been dropped since", old.sequence));
    return ok();
  }

  // No name leads to the container, and names can be read where one would stand.
  Result<bool> is_nameless(ByteView key, ByteView rest) {
    const auto id = decode_container_key(key);
    const auto record = decode_container(rest);
    if (!id.ok() || !record.ok()) return true;
    const Bytes name = container_name_key(record->name);
    Value value;
    RAMET_ASSIGN(const bool there, tree_.get(name, &value));
    if (there) return value.bytes() != id->view();
    return std::none_of(gaps_.begin(), gaps_.end(), [&](const Gap& gap) {
      return !gap.closed && name >= gap.from && (gap.to.empty() || name < gap.to);
    });
  }

  std::string name_of(ByteView key, ByteView rest) const {
    if (catalog_space_of(key) == CatalogSpace::kContainer) {
      const auto record = decode_container(rest);
      return record.ok() ? record->name : std::string();
    }
    const auto snapshot = decode_snapshot_key(key);
    return snapshot.ok() ? to_uuid(snapshot->container) : std::string();
  }
  static std::string snapshot_of(ByteView key) {
    const auto snapshot = decode_snapshot_key(key);
    return snapshot.ok() ? snapshot->name : std::string();
  }

  // The tree without an entry that has the most in common with one that is older.
  Result<std::optional<Root>> best_match(const Root& old) {
    std::optional<Root> best;
    size_t most = 0;
    RAMET_ASSIGN(const auto marks, marks_of(old));
    if (marks.empty()) return best;
    if (!candidates_) {
      RAMET_ASSIGN(const auto roots, context_.orphans.container_roots());
      candidates_.emplace();
      for (const Root& root : roots) {
        RAMET_ASSIGN(auto of_root, marks_of(root));
        candidates_->emplace_back(root, std::move(of_root));
      }
    }
    for (const auto& [candidate, other] : *candidates_) {
      if (!context_.orphans.is_needed(candidate.ref)) continue;
      size_t common = 0;
      for (const Bytes& mark : other) common += marks.contains(mark) ? 1 : 0;
      if (common <= most) continue;
      most = common;
      best = candidate;
    }
    return best;
  }

  // What a version of a tree shares with the next one: subtrees, and keys.
  Result<std::set<Bytes>> marks_of(const Root& root) {
    std::set<Bytes> out;
    const auto node = open_node(context_.trees, root);
    if (!node.ok()) {
      if (node.error().code() == ErrorCode::kIoError) return node.error();
      return out;
    }
    Bytes buffer;
    for (uint32_t i = 0; i < node->count(); ++i) {
      out.insert(Bytes(node->key(i, buffer)));
      if (node->is_leaf()) continue;
      const BlockRef ref = node->child_ref(i);
      out.insert(Bytes(reinterpret_cast<const char*>(&ref), sizeof ref));
    }
    return out;
  }

  // Trees that nothing leads to become containers of their own.
  Status name_what_is_left() {
    RAMET_ASSIGN(const auto roots, context_.orphans.container_roots());
    size_t number = 0;
    for (const Root& root : roots) {
      if (context_.orphans.has_counts() && !context_.orphans.is_needed(root.ref)) continue;
      if (++number > kFoundContainersMax) break;
      ContainerRecord record;
      record.name = fmt::format("found-{}", number);
      record.note = fmt::format("found by a repair; its name was lost (segment {} slot {})",
                                root.ref.segment, root.ref.slot);
      ContainerId id;
      const uint64_t mark = xxh3(ByteView(reinterpret_cast<const char*>(&root.ref),
                                          sizeof root.ref));
      std::array<uint8_t, 16> random{};
      std::memcpy(random.data(), &mark, sizeof mark);
      std::memcpy(random.data() + sizeof mark, &mark, sizeof mark);
      id.bytes = make_id_bytes(number, random);
      RAMET_ASSIGN(const bool taken, tree_.get(container_key(id), nullptr));
      if (taken) continue;
      RAMET_TRY(context_.orphans.claim_tree(root.ref));
      RAMET_TRY(put_root(container_key(id), encode_container(record), root));
      context_.uncertain.insert(container_key(id));
      say(Outcome::kMoved, record.name, "",
          fmt::format("a tree of {} objects to which no entry leads: its name is lost",
                      root.summary[SummaryColumn::kObjects]));
    }
    return ok();
  }

  // --- names, snapshots, expiries ----------------------------------------------------------------
  struct Seen {
    std::map<IdBytes, ContainerRecord> containers;
    std::map<std::string, IdBytes> names;
    std::vector<std::pair<SnapshotKey, SnapshotRecord>> snapshots;
    std::set<Bytes> expires;
    AccessEntries access;
  };

  Status read(const Root& catalog, Seen& seen) {
    return context_.check.each_entry(
        catalog, [&](ByteView key, ByteView value, std::span<const BlockRef>) -> Status {
          const auto space = catalog_space_of(key);
          if (!space) return ok();
          ByteView rest = value;
          if (is_rooted(*space)) {
            const auto root = decode_root_value(value);
            if (!root.ok()) return bad_entry(key);
            rest = value.substr(root->bytes);
          }
          if (*space == CatalogSpace::kContainer) {
            const auto id = decode_container_key(key);
            const auto record = decode_container(rest);
            if (!id.ok() || !record.ok()) return bad_entry(key);
            seen.containers[id->bytes] = *record;
          } else if (*space == CatalogSpace::kContainerName) {
            const auto name = decode_container_name_key(key);
            if (!name.ok() || value.size() != sizeof(IdBytes)) return bad_entry(key);
            seen.names[*name] = load<IdBytes>(value.data());
          } else if (*space == CatalogSpace::kSnapshot) {
            auto at = decode_snapshot_key(key);
            const auto record = decode_snapshot(rest);
            if (!at.ok() || !record.ok()) return bad_entry(key);
            seen.snapshots.emplace_back(std::move(*at), *record);
          } else if (*space == CatalogSpace::kExpires) {
            seen.expires.emplace(key);
          } else if (*space == CatalogSpace::kDrop) {
            const auto record = decode_drop(rest);
            if (record.ok() && record->snapshot.empty()) {
              seen.access.add_container(record->container);
            }
          } else if (is_access_space(*space) && !seen.access.add(key, value).ok()) {
            return bad_entry(key);
          }
          return ok();
        });
  }

  Status bad_entry(ByteView key) {
    bad_.emplace_back(key);
    return ok();
  }

  Status make_agree() {
    Seen seen;
    RAMET_TRY(read(tree_.share(), seen));
    for (const Bytes& key : bad_) {
      RAMET_TRY(erase(key));
      say(Outcome::kLost, "", "", describe_key(key) + ": the entry cannot be decoded");
    }
    // A snapshot whose container is gone is what is left of the container.
    for (const auto& [at, record] : seen.snapshots) {
      if (seen.containers.contains(at.container.bytes)) continue;
      RAMET_ASSIGN(const auto entry, tree_.get_root(snapshot_key(at.container, at.name)));
      if (!entry) continue;
      ContainerRecord container;
      container.name = "found-" + to_uuid(at.container).substr(0, 8);
      container.note = "found by a repair: its entry is lost, this is its snapshot " +
                       printable(at.name);
      container.created = record.created;
      RAMET_TRY(put_root(container_key(at.container), encode_container(container), entry->root));
      seen.containers[at.container.bytes] = container;
      say(Outcome::kMoved, container.name, "",
          "the container is lost but for its snapshots; it is as the first of them is");
    }
    for (const auto& [name, id] : seen.names) {
      const auto container = seen.containers.find(id);
      if (container != seen.containers.end() && container->second.name == name) continue;
      RAMET_TRY(erase(container_name_key(name)));
      if (container == seen.containers.end()) {
        say(Outcome::kLost, printable(name), "", "the container is lost: only its name was there");
      }
    }
    for (auto& [id, record] : seen.containers) RAMET_TRY(name_container(ContainerId{id}, record,
                                                                        seen));
    RAMET_TRY(mend_expiries(seen));
    return mend_access(seen);
  }

  Status mend_access(Seen& seen) {
    for (const auto& [id, record] : seen.containers) seen.access.add_container(ContainerId{id});
    for (const auto& fix : seen.access.fixes()) {
      RAMET_TRY(fix.erases ? erase(fix.key) : put(fix.key, fix.value));
      say(Outcome::kMended, "", "", describe_key(fix.key) + ": " + fix.what);
    }
    return ok();
  }

  Status name_container(const ContainerId& id, ContainerRecord& record, Seen& seen) {
    const auto found = seen.names.find(record.name);
    if (found != seen.names.end() && found->second == id.bytes) return ok();
    const std::string wanted = record.name;
    for (int i = 2; seen.names.contains(record.name); ++i) {
      record.name = wanted + "~" + std::to_string(i);
    }
    if (record.name != wanted) {
      RAMET_ASSIGN(const auto entry, tree_.get_root(container_key(id)));
      if (entry) RAMET_TRY(put_root(container_key(id), encode_container(record), entry->root));
    }
    seen.names[record.name] = id.bytes;
    say(Outcome::kMended, record.name, "",
        record.name == wanted ? "no name led to the container"
                              : "its name led to another container");
    return put(container_name_key(record.name), id.view());
  }

  Status mend_expiries(Seen& seen) {
    std::set<Bytes> should;
    for (const auto& [id, record] : seen.containers) {
      if (record.expires == 0) continue;
      should.insert(expires_key(static_cast<uint64_t>(record.expires), ContainerId{id}, {}));
    }
    for (const auto& [at, record] : seen.snapshots) {
      if (record.expires == 0) continue;
      should.insert(expires_key(static_cast<uint64_t>(record.expires), at.container, at.name));
    }
    for (const Bytes& key : seen.expires) {
      if (!should.contains(key)) RAMET_TRY(erase(key));
    }
    for (const Bytes& key : should) {
      if (!seen.expires.contains(key)) RAMET_TRY(put(key, {}));
    }
    if (should != seen.expires) say(Outcome::kMended, "", "", "the list of expiries is made anew");
    return ok();
  }

  CatalogMendContext& context_;
  const Root before_;
  const bool is_lost_;
  Tree tree_;
  bool changed_ = false;
  bool lost_entries_ = false;
  std::vector<Gap> gaps_;
  std::vector<Bytes> bad_;
  std::optional<std::vector<std::pair<Root, std::set<Bytes>>>> candidates_;  // of best_match()
};

}  // namespace

Result<Root> mend_catalog(CatalogMendContext& context, const Root& catalog, bool is_lost) {
  return CatalogMend(context, catalog, is_lost).run();
}

Result<std::vector<RootedEntry>> rooted_entries(TreeCheck& check, const Root& catalog) {
  std::vector<RootedEntry> out;
  std::map<IdBytes, std::string> names;
  RAMET_TRY(check.each_entry(
      catalog, [&](ByteView key, ByteView value, std::span<const BlockRef>) -> Status {
        const auto space = catalog_space_of(key);
        if (!space || !is_rooted(*space)) return ok();
        RAMET_ASSIGN(const auto decoded, decode_root_value(value));
        RootedEntry entry;
        entry.key = Bytes(key);
        entry.rest = Bytes(value.substr(decoded.bytes));
        if (*space == CatalogSpace::kContainer) {
          RAMET_ASSIGN(const ContainerId id, decode_container_key(key));
          RAMET_ASSIGN(const ContainerRecord record, decode_container(entry.rest));
          entry.container = names[id.bytes] = record.name;
        } else if (*space == CatalogSpace::kSnapshot) {
          RAMET_ASSIGN(const SnapshotKey at, decode_snapshot_key(key));
          entry.container = names[at.container.bytes];  // (containers come first)
          entry.snapshot = at.name;
        } else {
          const auto record = decode_drop(entry.rest);
          if (record.ok()) entry.container = record->container_name + " (dropped)";
          entry.is_dropped = true;
        }
        out.push_back(std::move(entry));
        return ok();
      }));
  return out;
}

}  // namespace ramet::engine
