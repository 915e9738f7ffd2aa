#include "tools/serve/s3/uploads.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace ramet::serve::s3 {
namespace {

using Json = nlohmann::json;

constexpr size_t kIdBytes = 32;
constexpr size_t kRecordBytesMax = 64u << 10;

bool is_upload_id(std::string_view id) {
  return id.size() == kIdBytes && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

Result<std::string> read_object(const View& view, ObjectId id) {
  std::string text(kRecordBytesMax, '\0');
  RAMET_ASSIGN(const size_t length, view.read(id, 0, text));
  text.resize(length);
  return text;
}

// Records are ours, but the store may have been damaged or edited: nothing is taken for granted.
Outcome<Upload> parse_record(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  const auto broken = [] { return Fault(Code::kInternalError); };
  if (!json.is_object()) return broken();
  const auto field = [&](const char* name) {
    const auto found = json.find(name);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const auto number = [&](const char* name) {
    const auto found = json.find(name);
    return found != json.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
  };
  Upload upload;
  upload.key = field("key");
  upload.initiated = number("initiated");
  const auto principal = parse_uuid<PrincipalId>(field("principal"));
  if (principal.ok()) upload.principal = *principal;
  upload.principal_name = field("principal-name");
  upload.init.metadata.media_type = field("media-type");
  if (const auto found = json.find("properties"); found != json.end() && found->is_object()) {
    for (const auto& [name, value] : found->items()) {
      if (!value.is_string()) return broken();
      set_property(upload.init.metadata, name, value.get<std::string>());
    }
  }
  upload.init.lock.mode = static_cast<RetentionMode>(std::clamp<int64_t>(number("mode"), 0, 2));
  upload.init.lock.retain_until = number("retain-until");
  upload.init.lock.legal_hold = number("legal-hold") != 0;
  upload.lock_asked = number("lock-asked") != 0;
  upload.algorithm = parse_algorithm(field("algorithm"));
  if (upload.key.empty()) return broken();
  return upload;
}

}  // namespace

std::string uploads_path(ContainerId container) { return "parts/" + to_uuid(container); }

std::string upload_path(ContainerId container, std::string_view id) {
  return fmt::format("{}/{}", uploads_path(container), id);
}

std::string part_name(uint64_t number) { return fmt::format("{:05}", number); }

std::string part_etag(const ObjectInfo& info) {
  if (const std::string* etag = find_property(info.metadata, "content.etag")) return *etag;
  return info.content_id.to_hex().substr(0, 32);
}

std::string record_text(const Upload& upload) {
  Json properties = Json::object();
  for (const Property& property : upload.init.metadata.properties) {
    properties[property.name] = property.value;
  }
  const Json json = {
      {"key", upload.key},
      {"initiated", upload.initiated},
      {"principal", to_uuid(upload.principal)},
      {"principal-name", upload.principal_name},
      {"media-type", upload.init.metadata.media_type},
      {"properties", properties},
      {"mode", static_cast<int>(upload.init.lock.mode)},
      {"retain-until", upload.init.lock.retain_until},
      {"legal-hold", upload.init.lock.legal_hold ? 1 : 0},
      {"lock-asked", upload.lock_asked ? 1 : 0},
      {"algorithm", upload.algorithm ? std::string(algorithm_name(*upload.algorithm)) : ""},
  };
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Outcome<Upload> load_upload(const View& view, ContainerId container, std::string_view id,
                            std::string_view key) {
  const auto missing = [&] {
    return Fault(Code::kNoSuchUpload).with("UploadId", std::string(id));
  };
  if (!is_upload_id(id)) return missing();
  const auto folder = view.lookup(upload_path(container, id));
  if (!folder.ok()) {
    if (folder.error().code() == ErrorCode::kNotFound) return missing();
    return Fault(folder.error());
  }
  RAMET_ASSIGN(const Entry record, view.lookup(folder->folder, "record"));
  RAMET_ASSIGN(const std::string text, read_object(view, record.object));
  RAMET_ASSIGN(Upload upload, parse_record(text));
  if (upload.key != key) return missing();
  upload.id = id;
  upload.folder = folder->folder;
  return upload;
}

Outcome<std::vector<Upload>> load_uploads(const View& view, ContainerId container) {
  std::vector<Upload> uploads;
  const auto top = view.lookup(uploads_path(container));
  if (!top.ok()) {
    if (top.error().code() == ErrorCode::kNotFound) return uploads;
    return Fault(top.error());
  }
  std::vector<Entry> folders;
  RAMET_TRY(view.list(top->folder, "", [&](const Entry& entry) {
    if (entry.is_folder()) folders.push_back(entry);
    return true;
  }));
  for (const Entry& folder : folders) {
    RAMET_ASSIGN(const Entry record, view.lookup(folder.folder, "record"));
    RAMET_ASSIGN(const std::string text, read_object(view, record.object));
    RAMET_ASSIGN(Upload upload, parse_record(text));
    upload.id = folder.name;
    upload.folder = folder.folder;
    uploads.push_back(std::move(upload));
  }
  std::sort(uploads.begin(), uploads.end(), [](const Upload& a, const Upload& b) {
    return std::tie(a.key, a.id) < std::tie(b.key, b.id);
  });
  return uploads;
}

Status list_part_objects(const View& view, FolderId folder, uint64_t after,
                         const std::function<bool(const Part&)>& visit) {
  std::vector<Entry> entries;
  RAMET_TRY(view.list(folder, after == 0 ? std::string() : part_name(after),
                      [&](const Entry& entry) {
                        entries.push_back(entry);
                        return true;
                      }));
  for (const Entry& entry : entries) {
    Part part;
    const char* const end = entry.name.data() + entry.name.size();
    if (std::from_chars(entry.name.data(), end, part.number).ptr != end) continue;  // the record
    RAMET_ASSIGN(part.info, view.object(entry.object));
    if (!visit(part)) break;
  }
  return ok();
}

}  // namespace ramet::serve::s3
