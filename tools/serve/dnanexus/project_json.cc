#include "tools/serve/dnanexus/project_json.h"

#include <algorithm>
#include <array>
#include <map>
#include <random>

#include <fmt/format.h>

#include "format/utf8.h"
#include "tools/serve/dnanexus/parts.h"

namespace ramet::serve::dnanexus {
namespace {

constexpr size_t kContainerNameBytesMax = 255;
constexpr int64_t kNanosecondsPerMs = 1'000'000;

// Flags and texts that are kept as they were given, and their values before.
struct KeptFlag {
  const char* name;
  bool otherwise;
};
constexpr std::array<KeptFlag, 5> kFlags = {{{"externalUploadRestricted", false},
                                             {"databaseUIViewOnly", false},
                                             {"displayDataProtectionNotice", false},
                                             {"previewViewerRestricted", false},
                                             {"httpsAppIsolatedBrowsing", false}}};
constexpr std::array<const char*, 2> kTexts = {"summary", "description"};
// Any JSON.
constexpr std::array<const char*, 5> kValues = {"databaseResultsRestricted", "allowedExecutables",
                                                "provenance", "monthlyComputeLimit",
                                                "monthlyEgressBytesLimit"};

// What only those get who ask for it.
bool is_extra(std::string_view name) {
  static constexpr std::array<std::string_view, 5> kExtra = {
      "properties", "permissions", "folders", "fileUploadParameters", "appCaches"};
  return std::find(kExtra.begin(), kExtra.end(), name) != kExtra.end();
}

Json upload_parameters() {
  Json json;
  json["minimumPartSize"] = kPartBytesMin;
  json["maximumPartSize"] = kPartBytesMax;
  json["emptyLastPartAllowed"] = true;
  json["maximumNumParts"] = kPartsMax;
  json["maximumFileSize"] = kFileBytesMax;
  return json;
}

// All of them for those who may change what is there; for others what they have themselves.
Outcome<Json> permissions_json(Call& call, const ContainerId& container, AccessLevel level) {
  Json json = Json::object();
  std::vector<Grant> grants;
  RAMET_TRY(call.access().grants(container, [&](const Grant& grant) {
    if (level >= AccessLevel::kContribute || grant.principal.is_null() ||
        grant.principal == call.caller.principal.id) {
      grants.push_back(grant);
    }
    return true;
  }));
  for (const Grant& grant : grants) {
    std::string who = "PUBLIC";
    if (!grant.principal.is_null()) {
      auto principal = call.access().principal(grant.principal);
      if (!principal.ok()) continue;  // removed meanwhile
      who = principal_text(*principal);
    }
    json[who] = level_text(grant.level);
  }
  return json;
}

std::string billed_text(Call& call, const std::string& name) {
  if (name.empty()) return {};
  const auto principal = call.access().principal(name);
  return principal.ok() ? principal_text(*principal) : "user-" + name;
}

}  // namespace

ProjectDocument parse_project_document(std::string_view text) {
  ProjectDocument out;
  const Json json = parse_kept(text);
  if (!json.is_object()) return out;
  const auto take = [&](const char* name, std::string& into) {
    if (json.contains(name) && json[name].is_string()) into = json[name].get<std::string>();
  };
  take("name", out.name);
  take("container", out.container);
  take("createdBy", out.created_by);
  const auto number = [&](const char* name) {
    return json.contains(name) && json[name].is_number_integer() ? json[name].get<int64_t>() : 0;
  };
  out.modified = number("modified");
  out.version = static_cast<uint64_t>(number("version"));
  if (json.contains("tags") && json["tags"].is_array()) {
    for (const Json& tag : json["tags"]) {
      if (tag.is_string()) out.tags.push_back(tag.get<std::string>());
    }
  }
  if (json.contains("properties") && json["properties"].is_object()) {
    out.properties = json["properties"];
  }
  if (json.contains("rest") && json["rest"].is_object()) out.rest = json["rest"];
  return out;
}

std::string to_text(const ProjectDocument& document) {
  Json json;
  if (!document.name.empty()) {
    json["name"] = document.name;
    json["container"] = document.container;
  }
  json["createdBy"] = document.created_by;
  json["modified"] = document.modified;
  json["version"] = document.version;
  json["tags"] = document.tags;
  json["properties"] = document.properties;
  json["rest"] = document.rest;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Outcome<ProjectDocument> project_document(const View& view) {
  auto text = view.document(kProjectDocument);
  if (text.ok()) return parse_project_document(*text);
  if (text.error().code() == ErrorCode::kNotFound) return ProjectDocument();
  return std::move(text).error();
}

std::string project_name(const ContainerInfo& info, const ProjectDocument& document) {
  return !document.name.empty() && document.container == info.name ? document.name : info.name;
}

std::string container_name_for(std::string_view name, bool taken) {
  std::string out(name);
  bool changed = taken;
  for (char& c : out) {
    const bool wrong = c == '/' || c == ':' || c == '@' || static_cast<unsigned char>(c) < 0x20 ||
                       c == 0x7F;
    changed = changed || wrong;
    if (wrong) c = '_';
  }
  if (!changed && out.size() <= kContainerNameBytesMax && !out.starts_with('.')) return out;
  thread_local std::mt19937_64 random{std::random_device{}()};
  const std::string mark = fmt::format("~{:08x}", random() & 0xFFFFFFFFu);
  size_t end = std::min(out.size(), kContainerNameBytesMax - mark.size());
  while (end > 0 && end < out.size() && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80) {
    --end;  // not within a character
  }
  out.resize(end);
  if (out.starts_with('.')) out.front() = '_';
  return out + mark;
}

Outcome<void> read_project_fields(const Input& in, ProjectDocument& document,
                                  ContainerAccess& rules) {
  const auto flag = [&](const char* name, bool& into) -> Outcome<void> {
    RAMET_ASSIGN(into, in.flag(name, into));
    return {};
  };
  RAMET_TRY(flag("restricted", rules.is_restricted));
  RAMET_TRY(flag("protected", rules.is_protected));
  RAMET_TRY(flag("containsPHI", rules.contains_phi));
  const bool was_restricted = rules.is_download_restricted;
  RAMET_TRY(flag("downloadRestricted", rules.is_download_restricted));
  // Downloads imply the viewer where they are restricted, and not where they are allowed again.
  RAMET_ASSIGN(const bool viewer_restricted,
               in.flag("previewViewerRestricted",
                       document.rest.value("previewViewerRestricted", false)));
  if (was_restricted && !rules.is_download_restricted && viewer_restricted) {
    return Fault(Type::kInvalidInput,
                 "'previewViewerRestricted' must be false before 'downloadRestricted' is");
  }
  if (rules.is_download_restricted && !was_restricted) {
    document.rest["previewViewerRestricted"] = true;
  }
  for (const KeptFlag& kept : kFlags) {
    if (!in.has(kept.name)) continue;
    bool value = kept.otherwise;
    RAMET_TRY(flag(kept.name, value));
    document.rest[kept.name] = value;
  }
  for (const char* const name : kTexts) {
    RAMET_ASSIGN(const auto text, in.text(name));
    if (text) document.rest[name] = *text;
  }
  for (const char* const name : kValues) {
    if (in.has(name)) document.rest[name] = in.json().at(name);
  }
  return {};
}

Outcome<std::vector<std::string>> folder_paths(const View& view) {
  std::map<FolderId, FolderInfo> folders;
  RAMET_TRY(view.folders([&](const FolderInfo& info) {
    folders.emplace(info.id, info);
    return true;
  }));
  std::map<FolderId, std::string> paths;
  std::vector<std::string> out{"/"};
  for (const auto& [id, info] : folders) {
    std::vector<const FolderInfo*> up;
    std::string path;
    for (FolderId at = id; at != kRootFolder && up.size() <= folders.size();) {
      const auto known = paths.find(at);
      if (known != paths.end()) {
        path = known->second;
        break;
      }
      const auto found = folders.find(at);
      if (found == folders.end()) break;
      up.push_back(&found->second);
      at = found->second.parent;
    }
    for (auto one = up.rbegin(); one != up.rend(); ++one) {
      path += "/" + (*one)->name;
      paths[(*one)->id] = path;
    }
    out.push_back(std::move(path));
  }
  std::sort(out.begin(), out.end());
  return out;
}

Outcome<Json> project_json(Call& call, const Project& project, const DescribeFields& fields) {
  const ContainerInfo& info = project.info;
  Json json;
  json["id"] = to_text(info.id);
  const auto wants = [&](std::string_view name) {
    return fields.asks(name) || (!is_extra(name) && fields.has(name));
  };
  const auto put = [&](const char* name, auto&& value) {
    if (wants(name)) json[name] = std::forward<decltype(value)>(value);
  };
  RAMET_ASSIGN(const auto view, call.store().view(info.id));
  RAMET_ASSIGN(const ProjectDocument document, project_document(*view));
  put("class", "project");
  put("name", project_name(info, document));
  for (const char* const name : kTexts) put(name, document.rest.value(name, std::string()));
  put("region", call.region_of(project.rules));
  put("protected", project.rules.is_protected);
  put("restricted", project.rules.is_restricted);
  put("downloadRestricted", project.rules.is_download_restricted);
  put("containsPHI", project.rules.contains_phi);
  for (const KeptFlag& flag : kFlags) {
    put(flag.name, document.rest.value(flag.name, flag.otherwise));
  }
  for (const char* const name : kValues) {
    put(name, document.rest.contains(name) ? document.rest[name] : Json(nullptr));
  }
  const std::string creator = document.created_by.empty() ? "ramet" : document.created_by;
  put("billTo", project.rules.bill_to.empty() ? "user-" + creator
                                              : billed_text(call, project.rules.bill_to));
  put("level", level_text(project.level));
  put("created", info.created / kNanosecondsPerMs);
  Json created_by;
  created_by["user"] = "user-" + creator;
  put("createdBy", std::move(created_by));
  put("modified", std::max(document.modified, info.created / kNanosecondsPerMs));
  put("tags", document.tags);
  put("version", document.version);
  constexpr double kGigabyte = 1e9;
  const auto bytes = static_cast<double>(info.summary[SummaryColumn::kContentBytes]);
  put("dataUsage", bytes / kGigabyte);
  put("sponsoredDataUsage", project.rules.sponsor.empty() ? 0.0 : bytes / kGigabyte);
  put("storageCost", 0.0);
  put("pendingTransfer", nullptr);
  put("totalSponsoredEgressBytes", 0);
  put("consumedSponsoredEgressBytes", 0);
  if (wants("atSpendingLimit")) {
    const auto billed = call.access().principal(project.rules.bill_to);
    json["atSpendingLimit"] = billed.ok() && billed->at_spending_limit;
  }
  if (!project.rules.sponsor.empty()) put("sponsor", billed_text(call, project.rules.sponsor));
  if (!project.rules.data_access_request.empty()) {
    put("dataAccessRequest", project.rules.data_access_request);
  }
  put("properties", document.properties);
  put("fileUploadParameters", upload_parameters());
  put("appCaches", Json::object());
  if (wants("permissions")) {
    RAMET_ASSIGN(json["permissions"], permissions_json(call, info.id, project.level));
  }
  if (wants("folders")) {
    RAMET_ASSIGN(const std::vector<std::string> paths, folder_paths(*view));
    json["folders"] = paths;
  }
  return json;
}

}  // namespace ramet::serve::dnanexus
