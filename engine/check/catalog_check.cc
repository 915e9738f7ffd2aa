#include "engine/check/catalog_check.h"

#include <map>
#include <optional>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "engine/access/access_check.h"
#include "engine/check/check_run.h"
#include "engine/check/describe_key.h"
#include "engine/container/catalog.h"
#include "engine/container/reader.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

struct CatalogSeen {
  std::map<IdBytes, ContainerRecord> containers;
  std::map<std::string, IdBytes> names;
  std::vector<std::pair<SnapshotKey, SnapshotRecord>> snapshots;
  std::set<std::tuple<uint64_t, IdBytes, Bytes>> expires;
  std::set<std::pair<TypeNumber, std::string>> types, type_names;  // by TYPE, and by TYPE_NAME
  AccessEntries access;
};

class CatalogCheck {
 public:
  CatalogCheck(TreeCheck& trees, TreeContext& context, const ReportCatalog& report)
      : trees_(trees), context_(context), report_(report) {}

  Result<std::vector<NamedTree>> run(const Root& catalog) {
    CatalogSeen seen;
    std::vector<NamedTree> roots;
    RAMET_TRY(trees_.each_entry(
        catalog, [&](ByteView key, ByteView value, std::span<const BlockRef> refs) -> Status {
          const Status read = entry(key, value, refs, seen, roots);
          if (!read.ok()) report_(describe_key(key), read.error().message());
          return ok();
        }));
    // Roots of a state that only the log has may be in memory.
    if (catalog.dirty) RAMET_TRY(replace_with_live_roots(catalog, roots));
    for (const auto& [id, record] : seen.containers) {
      const auto name = seen.names.find(record.name);
      if (name == seen.names.end() || name->second != id) {
        report_(record.name, "the container's name does not lead to it");
      }
      expect_expiry(seen, record.expires, id, {}, record.name);
    }
    for (const auto& [name, id] : seen.names) {
      if (!seen.containers.contains(id)) report_(name, "a name that leads to no container");
    }
    for (const auto& [key, record] : seen.snapshots) {
      const auto container = seen.containers.find(key.container.bytes);
      const bool known = container != seen.containers.end();
      const std::string what =
          (known ? container->second.name : to_uuid(key.container)) + "@" + printable(key.name);
      if (!known) report_(what, "a snapshot of no container");
      expect_expiry(seen, record.expires, key.container.bytes, key.name, what);
    }
    for (const auto& [time, id, snapshot] : seen.expires) {
      report_(to_uuid(ContainerId{id}), "an expiry that no record has");
    }
    for (const auto& [number, name] : seen.types) {
      if (!seen.type_names.contains({number, name})) {
        report_(name, fmt::format("a type, {}, whose name does not lead to it", number));
      }
    }
    for (const auto& [number, name] : seen.type_names) {
      if (!seen.types.contains({number, name})) report_(name, "the name of no type");
    }
    for (const auto& fix : seen.access.fixes()) report_(describe_key(fix.key), fix.what);
    for (NamedTree& tree : roots) {
      const auto container = seen.containers.find(tree.container.size() == sizeof(IdBytes)
                                                      ? load<IdBytes>(tree.container.data())
                                                      : IdBytes{});
      if (container != seen.containers.end()) tree.container = container->second.name;
    }
    return roots;
  }

 private:
  void expect_expiry(CatalogSeen& seen, int64_t expires, const IdBytes& id,
                     const Bytes& snapshot, const std::string& what) {
    if (expires == 0) return;
    if (seen.expires.erase({static_cast<uint64_t>(expires), id, snapshot}) == 0) {
      report_(what, "its expiry is not listed: it would stay");
    }
  }

  // (A tree's container stands as the bytes of its id until all names are known.)
  Status entry(ByteView key, ByteView value, std::span<const BlockRef> refs, CatalogSeen& seen,
               std::vector<NamedTree>& roots) {
    const auto space = catalog_space_of(key);
    if (!space) return ok();
    const auto add_root = [&](std::string container, std::string snapshot) -> Result<ByteView> {
      RAMET_ASSIGN(const auto decoded, decode_root_value(value));
      if (refs.empty()) return Error(ErrorCode::kCorruption, "an entry without its tree");
      NamedTree tree;
      tree.container = std::move(container);
      tree.snapshot = std::move(snapshot);
      tree.root.ref = refs[0];
      tree.root.level = decoded.root.level;
      tree.root.summary = decoded.root.summary;
      tree.root.birth = decoded.root.birth;
      roots.push_back(std::move(tree));
      return value.substr(decoded.bytes);
    };
    const auto bytes_of = [](const IdBytes& id) {
      return std::string(reinterpret_cast<const char*>(id.data()), id.size());
    };
    switch (*space) {
      case CatalogSpace::kContainer: {
        RAMET_ASSIGN(const ContainerId id, decode_container_key(key));
        RAMET_ASSIGN(const ByteView rest, add_root(bytes_of(id.bytes), ""));
        seen.access.add_container(id);
        RAMET_ASSIGN(seen.containers[id.bytes], decode_container(rest));
        return ok();
      }
      case CatalogSpace::kContainerName: {
        RAMET_ASSIGN(const Bytes name, decode_container_name_key(key));
        if (value.size() != sizeof(IdBytes)) {
          return Error(ErrorCode::kCorruption, "a name without an id");
        }
        seen.names[name] = load<IdBytes>(value.data());
        return ok();
      }
      case CatalogSpace::kSnapshot: {
        RAMET_ASSIGN(SnapshotKey at, decode_snapshot_key(key));
        RAMET_ASSIGN(const ByteView rest, add_root(bytes_of(at.container.bytes), at.name));
        RAMET_ASSIGN(const SnapshotRecord record, decode_snapshot(rest));
        seen.snapshots.emplace_back(std::move(at), record);
        return ok();
      }
      case CatalogSpace::kDrop: {
        RAMET_ASSIGN(const ByteView rest, add_root("", ""));
        RAMET_ASSIGN(const DropRecord record, decode_drop(rest));
        roots.back().container = record.container_name + " (dropped)";
        roots.back().snapshot = record.snapshot;
        if (record.snapshot.empty()) seen.access.add_container(record.container);
        return ok();
      }
      case CatalogSpace::kExpires: {
        RAMET_ASSIGN(ExpiresKey at, decode_expires_key(key));
        seen.expires.emplace(at.time, at.container.bytes, std::move(at.snapshot));
        return ok();
      }
      case CatalogSpace::kSetting: {
        RAMET_ASSIGN(const Bytes name, decode_setting_key(key));
        const auto text = decode_setting(value);
        return text.ok() ? ok() : Status(text.error());
      }
      case CatalogSpace::kTypeName: {
        RAMET_ASSIGN(const Bytes name, decode_type_name_key(key));
        RAMET_ASSIGN(const TypeRecord type, decode_type(value));
        seen.type_names.emplace(type.number, name);
        if (type.name == name) return ok();
        return Error(ErrorCode::kCorruption, "a type of another name");
      }
      case CatalogSpace::kType: {
        RAMET_ASSIGN(const TypeNumber number, decode_type_key(key));
        RAMET_ASSIGN(const TypeRecord type, decode_type(value));
        seen.types.emplace(number, type.name);
        if (type.number == number) return ok();
        return Error(ErrorCode::kCorruption, "a type of another number");
      }
      default: return seen.access.add(key, value);
    }
  }

  Status replace_with_live_roots(const Root& catalog, std::vector<NamedTree>& roots) {
    roots.clear();
    const auto each = [&](const std::string& name, ContainerId id) -> Result<bool> {
      auto found = find_container(context_, catalog, id);
      if (!found.ok()) return stops_check(found.error()) ? Result<bool>(found.error()) : true;
      roots.push_back({name, "", found->root});
      const Status snapshots = each_snapshot(context_, catalog, id,
                                             [&](const SnapshotEntry& snapshot) -> Status {
                                               roots.push_back({name, snapshot.name,
                                                                snapshot.root});
                                               return ok();
                                             });
      if (!snapshots.ok() && stops_check(snapshots.error())) return snapshots.error();
      return true;
    };
    const Status done = each_container(context_, catalog, {}, each);
    return !done.ok() && stops_check(done.error()) ? done : ok();
  }

  TreeCheck& trees_;
  TreeContext& context_;
  const ReportCatalog& report_;
};

}  // namespace

Result<std::vector<NamedTree>> check_catalog_entries(TreeCheck& trees, TreeContext& context,
                                                     const Root& catalog,
                                                     const ReportCatalog& report) {
  return CatalogCheck(trees, context, report).run(catalog);
}

}  // namespace ramet::engine
