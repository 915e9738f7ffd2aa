#include "tools/entry_text.h"

#include <grp.h>
#include <pwd.h>
#include <sys/types.h>

#include <vector>

#include "tools/text.h"

namespace ramet::tools {

Result<EntryDetails> read_details(const View& view, const Entry& entry) {
  EntryDetails details;
  if (entry.is_folder()) {
    RAMET_ASSIGN(FolderInfo folder, view.folder(entry.folder));
    details.attributes = std::move(folder.attributes);
    details.created = folder.created;
    return details;
  }
  RAMET_ASSIGN(ObjectInfo object, view.object(entry.object));
  details.attributes = std::move(object.attributes);
  details.created = object.created;
  details.links_count = object.links_count;
  details.target = std::move(object.target);
  details.content_id = object.content_id;
  return details;
}

std::string OwnerNames::user(uint32_t uid) {
  auto [found, is_new] = users_.try_emplace(uid, std::to_string(uid));
  if (is_new) {
    std::vector<char> buffer(16u << 10);
    passwd entry{};
    passwd* result = nullptr;
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &result) == 0 && result) {
      found->second = entry.pw_name;
    }
  }
  return found->second;
}

std::string OwnerNames::group(uint32_t gid) {
  auto [found, is_new] = groups_.try_emplace(gid, std::to_string(gid));
  if (is_new) {
    std::vector<char> buffer(16u << 10);
    ::group entry{};
    ::group* result = nullptr;
    if (::getgrgid_r(gid, &entry, buffer.data(), buffer.size(), &result) == 0 && result) {
      found->second = entry.gr_name;
    }
  }
  return found->second;
}

std::string listed_name(const Entry& entry, const TextStyle& style) {
  return style.name(entry.is_folder() ? entry.name + "/" : entry.name);
}

Json entry_json(const Entry& entry, std::string_view path) {
  Json json;
  set_name(json, "name", entry.name);
  set_name(json, "path", path);
  json["class"] = class_name(entry.entry_class);
  json["size"] = entry.size;
  json["id"] = entry.is_folder() ? to_uuid(entry.folder) : to_uuid(entry.object);
  return json;
}

void add_details(Json& json, const Entry& entry, const EntryDetails& details) {
  const Attributes& attributes = details.attributes;
  json["mode"] = fmt::format("{:o}", attributes.mode);
  json["uid"] = attributes.uid;
  json["gid"] = attributes.gid;
  json["modified"] = iso_time(attributes.modified);
  json["created"] = iso_time(details.created);
  if (entry.is_folder()) return;
  json["links"] = details.links_count;
  if (entry.entry_class == EntryClass::kSymlink) set_name(json, "target", details.target);
  if (attributes.device != 0) json["device"] = attributes.device;
  if (!details.content_id.is_zero()) json["content_id"] = details.content_id.to_hex();
}

}  // namespace ramet::tools
