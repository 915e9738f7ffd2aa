// Settings of the store and of containers: each change is one commit.
#include <algorithm>

#include <fmt/format.h>

#include "engine/container/catalog.h"
#include "engine/store_impl.h"
#include "format/keys.h"

namespace ramet::engine {

namespace {

// What must not be taken back: versions and locks are promises about what is there already.
Status check_change(const ContainerRecord& record, const std::string& name,
                    const std::optional<std::string>& value) {
  const auto now = [&](std::string_view setting) { return own_setting(record, setting); };
  if ((name == kVersioningSetting || name == kObjectLockSetting) && now(name) != "off" &&
      value.value_or("off") == "off") {
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("'{}' of '{}' is {} and cannot be turned off again", name,
                             record.name, now(name)));
  }
  if (name == kVersioningSetting && value == "suspended" && now(kObjectLockSetting) == "on") {
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("'{}' has locks on objects: its versions must be kept", record.name));
  }
  if (name == kObjectLockSetting && value == "on" && now(kVersioningSetting) != "on") {
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("locks need 'versioning' of '{}' to be on", record.name));
  }
  return ok();
}

}  // namespace

Status StoreImpl::set_setting(std::optional<ContainerId> container, const std::string& name,
                              const std::optional<std::string>& value) {
  RAMET_TRY(check_setting_name(name, container.has_value()));
  std::optional<std::string> text;
  if (value) {
    RAMET_ASSIGN(text, check_setting(name, *value, container.has_value()));
  }
  CommitRequest request;
  request.prepare = [&](const HeadState& head, CommitRequest& commit) -> Status {
    commit.trees.clear();
    std::vector<Operation> operations;
    if (container) {
      RAMET_ASSIGN(ContainerEntry entry, find_container(context_, head.catalog, *container));
      RAMET_TRY(check_change(entry.record, name, text));
      const std::vector<Setting> before = entry.record.settings;
      put_setting(entry.record.settings, name, text);
      if (entry.record.settings == before) return ok();
      const Bytes key = container_key(*container);
      operations.push_back(Operation::put_rooted(key, encode_container(entry.record), key));
    } else {
      Value there;
      RAMET_ASSIGN(const bool found, get(context_, head.catalog, setting_key(name), &there));
      if (!text) {
        if (!found) return ok();
        operations.push_back(Operation::erase(setting_key(name)));
      } else {
        Bytes encoded = encode_setting(*text);
        if (found && there.bytes() == encoded) return ok();
        operations.push_back(Operation::put(setting_key(name), std::move(encoded)));
      }
    }
    commit.trees.push_back({{}, std::move(operations)});
    return ok();
  };
  RAMET_TRY(commit(request, false));
  return ok();
}

Result<std::vector<SettingInfo>> StoreImpl::settings(std::optional<ContainerId> container) {
  RAMET_TRY(check_open());
  const Pins::Reader hold(pins());
  const HeadState head = visible();
  std::optional<ContainerEntry> entry;
  if (container) {
    RAMET_ASSIGN(entry, find_container(context_, head.catalog, *container));
  }
  const ContainerRecord* record = entry ? &entry->record : nullptr;
  std::vector<SettingInfo> out;
  for (const SettingSpec& spec : known_settings()) {
    if (container ? !spec.of_container() : !spec.of_store()) continue;
    RAMET_ASSIGN(SettingInfo info, setting_of(context_, head.catalog, record, spec.name));
    out.push_back(std::move(info));
  }
  std::vector<Setting> kept;
  if (entry) {
    kept = entry->record.settings;
  } else {
    RAMET_ASSIGN(kept, store_settings(context_, head.catalog));
  }
  for (const Setting& setting : kept) {
    if (find_setting(setting.name) != nullptr) continue;
    out.push_back({setting.name, setting.value,
                   entry ? SettingSource::kContainer : SettingSource::kStore});
  }
  std::sort(out.begin(), out.end(),
            [](const SettingInfo& a, const SettingInfo& b) { return a.name < b.name; });
  return out;
}

void StoreImpl::set_node_compression(const Root& catalog) {
  // What cannot be read, or came with a later version, must not stand in a checkpoint's way.
  const auto compression = compression_of(context_, catalog, nullptr);
  if (compression.ok()) nodes_->set_compression(*compression);
}

}  // namespace ramet::engine
