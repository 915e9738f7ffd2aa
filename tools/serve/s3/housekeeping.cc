#include "tools/serve/s3/housekeeping.h"

#include <vector>

#include "engine/object_keys.h"
#include "tools/serve/s3/face.h"
#include "tools/serve/s3/lifecycle.h"
#include "tools/serve/s3/uploads.h"

namespace ramet::serve::s3 {
namespace {

constexpr size_t kBatch = 500;  // removals a commit

struct Removal {
  std::string key;
  ObjectId object;
  VersionNumber version = kCurrentVersion;  // kCurrentVersion: the key, as DeleteObject does
};

// What the rules say of one key's versions.
Status plan_key(const View& view, const KeyEntry& entry, const std::vector<LifecycleRule>& rules,
                int64_t now, std::vector<Removal>& plan) {
  std::vector<VersionInfo> versions;
  RAMET_TRY(view.versions(entry.entry.object, [&](const VersionInfo& one) {
    versions.push_back(one);
    return true;
  }));
  uint64_t newer = 0;
  for (size_t i = 0; i < versions.size(); ++i) {
    const VersionInfo& one = versions[i];
    Aging aging;
    aging.key = entry.key;
    aging.size = one.info.size;
    aging.metadata = one.deletion ? nullptr : &one.info.metadata;
    aging.current = one.current;
    aging.deletion = one.deletion;
    aging.alone = versions.size() == 1;
    aging.newer = newer;
    const auto made = [](const VersionInfo& version) {
      return version.deletion ? version.info.created : version.info.attributes.modified;
    };
    aging.since = one.current || i == 0 ? made(one) : made(versions[i - 1]);
    if (!one.current) ++newer;
    switch (fate_of(rules, aging, now)) {
      case Fate::kKeep: break;
      case Fate::kExpire: plan.push_back({entry.key, one.info.id, kCurrentVersion}); break;
      case Fate::kRemoveVersion:
        plan.push_back({entry.key, one.info.id, one.info.version});
        break;
    }
  }
  return ok();
}

Status remove_all(Services& services, ContainerId container, bool flat,
                  const std::vector<Removal>& plan, int64_t now,
                  const std::vector<LifecycleRule>& rules, HousekeepingReport& report) {
  for (size_t from = 0; from < plan.size(); from += kBatch) {
    RAMET_ASSIGN(const auto transaction, services.store.begin(container));
    uint64_t keys = 0;
    uint64_t versions = 0;
    for (size_t i = from; i < std::min(plan.size(), from + kBatch); ++i) {
      const Removal& removal = plan[i];
      if (removal.version != kCurrentVersion) {
        const Status removed =
            transaction->remove_version(removal.object, removal.version, false);
        if (removed.ok()) ++versions;
        continue;  // a lock keeps it, or it is gone
      }
      // Only if it is still what the rules were asked about.
      const auto entry = find_key(*transaction, flat, removal.key);
      if (!entry.ok() || entry->object != removal.object) continue;
      RAMET_ASSIGN(const ObjectInfo info, transaction->object(entry->object));
      Aging aging;
      aging.key = removal.key;
      aging.size = info.size;
      aging.metadata = &info.metadata;
      aging.since = info.attributes.modified;
      aging.current = true;
      if (fate_of(rules, aging, now) != Fate::kExpire) continue;
      if (remove_key(*transaction, flat, removal.key).ok()) ++keys;
    }
    const auto committed = transaction->commit();
    if (!committed.ok()) {
      if (committed.error().code() == ErrorCode::kBusy) continue;  // next time
      return committed.error();
    }
    report.expired += keys;
    report.versions += versions;
  }
  return ok();
}

Status abort_uploads(Services& services, ContainerId container,
                     const std::vector<LifecycleRule>& rules, int64_t now,
                     HousekeepingReport& report) {
  const auto uploads = services.store.container(std::string(kStagingContainer));
  if (!uploads.ok()) return ok();
  RAMET_ASSIGN(const auto transaction, services.store.begin(uploads->id));
  RAMET_ASSIGN(const auto view, services.store.view(uploads->id));
  auto all = load_uploads(*view, container);
  if (!all.ok()) return Error(ErrorCode::kCorruption, std::string(all.error().message()));
  uint64_t aborted = 0;
  for (const Upload& upload : *all) {
    if (!aborts_upload(rules, upload.key, upload.initiated, now)) continue;
    RAMET_ASSIGN(const Entry top, transaction->lookup(uploads_path(container)));
    RAMET_TRY(transaction->remove_tree(top.folder, upload.id));
    ++aborted;
  }
  if (aborted == 0) return ok();
  const auto committed = transaction->commit();
  if (!committed.ok()) {
    return committed.error().code() == ErrorCode::kBusy ? ok() : Status(committed.error());
  }
  report.uploads += aborted;
  return ok();
}

Status keep_bucket(Services& services, const ContainerInfo& container, int64_t now,
                   HousekeepingReport& report) {
  RAMET_ASSIGN(const auto view, services.store.view(container.id));
  const auto text = view->document(kLifecycleDocument);
  if (!text.ok()) {
    return text.error().code() == ErrorCode::kNotFound ? ok() : Status(text.error());
  }
  auto rules = parse_lifecycle(*text);
  if (!rules.ok()) {
    return Error(ErrorCode::kCorruption, std::string(rules.error().message()));
  }
  ++report.buckets;
  KeyQuery query;
  query.removed = true;
  std::vector<Removal> plan;
  Status status = ok();
  RAMET_TRY(list_keys(*view, query, [&](const KeyEntry& entry) {
    if (!entry.entry.is_folder()) status = plan_key(*view, entry, *rules, now, plan);
    return status.ok();
  }));
  RAMET_TRY(status);
  RAMET_TRY(remove_all(services, container.id, view->flat(), plan, now, *rules, report));
  return abort_uploads(services, container.id, *rules, now, report);
}

}  // namespace

Result<HousekeepingReport> run_housekeeping(Services& services, int64_t now) {
  HousekeepingReport report;
  std::vector<ContainerInfo> containers;
  RAMET_TRY(services.store.containers("", [&](const ContainerInfo& container) {
    if (!container.name.starts_with('.')) containers.push_back(container);
    return true;
  }));
  for (const ContainerInfo& container : containers) {
    if (!keep_bucket(services, container, now, report).ok()) ++report.failed;
  }
  return report;
}

}  // namespace ramet::serve::s3
