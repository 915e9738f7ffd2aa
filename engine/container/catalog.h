// Reading the catalog: containers, snapshots and the drop queue of one state. Functions over an
// immutable root; thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/container/operations.h"
#include "engine/container/records.h"
#include "engine/keep.h"
#include "engine/tree/query.h"

namespace ramet::engine {

// A container's catalog entry.
struct ContainerEntry {
  ContainerId id;
  ContainerRecord record;
  Root root;
  Bytes bytes;  // the record as stored, behind the RootValue
};

// An entry of the drop queue. The keys of what one commit dropped differ in the low bits alone, and
// a container comes before its snapshots.
struct DropEntry {
  uint64_t number = 0;  // its key
  DropRecord record;
  Root root;
  Bytes bytes;
  // Dropped by the same commit.
  bool is_with(uint64_t other) const { return number / kDropPartsMax == other / kDropPartsMax; }
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

// kAlreadyExists: a container has the name.
Status check_name_is_free(TreeContext& context, const Root& catalog, const std::string& name);

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

// The drop queue, oldest first from this number on, until `visit` returns false.
Status each_drop(TreeContext& context, const Root& catalog, uint64_t from,
                 const std::function<Result<bool>(const DropEntry&)>& visit);

// What keeps the EXPIRES entries as the records say; 0: none. `snapshot` empty: of the container.
void append_expiry(std::vector<Operation>& operations, ContainerId container, ByteView snapshot,
                   int64_t was, int64_t is);

// What the store keeps, in name order.
Result<std::vector<Setting>> store_settings(TreeContext& context, const Root& catalog);
// The value in effect: the container's, the store's or the default. `container` may be null.
Result<SettingInfo> setting_of(TreeContext& context, const Root& catalog,
                               const ContainerRecord* container, std::string_view name);

// kUnsupported for a value of a later version.
Result<Compression> compression_of(TreeContext& context, const Root& catalog,
                                   const ContainerRecord* container);

ContainerInfo info_of(const ContainerEntry& entry);
SnapshotInfo info_of(const SnapshotEntry& entry);

}  // namespace ramet::engine
