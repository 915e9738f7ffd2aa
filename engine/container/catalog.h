// Reading the catalog: containers, snapshots and the drop queue of one state. Functions over an
// immutable root; thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "engine/container/records.h"
#include "engine/tree/query.h"

namespace ramet::engine {

// A container's catalog entry.
struct ContainerEntry {
  ContainerId id;
  ContainerRecord record;
  Root root;
  Bytes bytes;  // the record as stored, behind the RootValue
};

struct SnapshotEntry {
  std::string name;
  SnapshotRecord record;
  Root root;
  Bytes bytes;
};

// 1 to 255 bytes, any but '/', ':', '@', NUL and newline. kInvalidArgument names `what`.
Status check_label(const std::string& name, std::string_view what);
// Longer ones would not fit an entry with all that may be added to it.
inline constexpr size_t kNoteBytesMax = 4096;
Status check_note(const std::string& note);

// kNotFound names the container.
Result<ContainerEntry> find_container(TreeContext& context, const Root& catalog, ContainerId id);
Result<ContainerId> find_container_id(TreeContext& context, const Root& catalog,
                                      const std::string& name);
Result<SnapshotEntry> find_snapshot(TreeContext& context, const Root& catalog,
                                    const ContainerEntry& container, const std::string& name);

Status each_snapshot(TreeContext& context, const Root& catalog, ContainerId container,
                     const std::function<Status(const SnapshotEntry&)>& visit);
// Name and id in name order, behind `after`, until `visit` returns false.
Status each_container(TreeContext& context, const Root& catalog, std::string_view after,
                      const std::function<Result<bool>(const std::string&, ContainerId)>& visit);

ContainerInfo info_of(const ContainerEntry& entry);
SnapshotInfo info_of(const SnapshotEntry& entry);

}  // namespace ramet::engine
