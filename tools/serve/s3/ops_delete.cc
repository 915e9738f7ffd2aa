// Removing objects and versions.
#include <fmt/format.h>

#include "engine/object_keys.h"
#include "tools/serve/s3/face.h"
#include "tools/serve/s3/names.h"
#include "tools/serve/s3/xml.h"

namespace ramet::serve::s3 {
namespace {

constexpr size_t kDeletesMax = 1000;
constexpr size_t kBodyMax = 4u << 20;

bool try_again(const Fault& fault) {
  return fault.code() == ErrorCode::kWouldWait || fault.code() == ErrorCode::kBusy ||
         fault.code() == ErrorCode::kIoError || fault.code() == ErrorCode::kOutOfSpace;
}

}  // namespace

Outcome<void> S3Face::check_removal(const Call& call, std::string_view key, bool version) {
  if (call.operation->op == Op::kDeleteObjects) {
    RAMET_ASSIGN(const Verdict verdict,
                 ask_policy(call, *call.view, call.target.bucket,
                            version ? "s3:DeleteObjectVersion" : "s3:DeleteObject",
                            fmt::format("{}/{}", call.target.bucket, key)));
    if (verdict == Verdict::kDeny ||
        (verdict != Verdict::kAllow && call.level < AccessLevel::kContribute)) {
      return Code::kAccessDenied;
    }
  }
  if (call.level < AccessLevel::kAdminister) {
    RAMET_ASSIGN(const ContainerAccess access,
                 services_.access.container_access(call.container.id));
    if (access.is_protected) {
      return Fault(Code::kAccessDenied, "The bucket is protected: only who administers it may "
                                        "remove objects.");
    }
  }
  return {};
}

Outcome<void> S3Face::remove_one(Call& call, Transaction& transaction, const View& view,
                                 bool kept, Removal& removal) {
  RAMET_TRY(check_s3_key(removal.key));
  RAMET_TRY(check_removal(call, removal.key, !removal.version.empty()));
  if (removal.version.empty() || (removal.version == "null" && !kept)) {
    const Status removed = remove_key(transaction, view.flat(), removal.key);
    // What is not there is removed already; of a folder that is not empty no key is seen.
    if (!removed.ok()) {
      if (removed.error().code() == ErrorCode::kNotFound ||
          removed.error().code() == ErrorCode::kFailedPrecondition) {
        return {};
      }
      return Fault(removed.error());
    }
    removal.marker = kept && removal.version.empty();
    return {};
  }
  auto entry = find_key(view, removal.key);
  if (!entry.ok() && entry.error().code() == ErrorCode::kNotFound) {
    entry = find_removed_key(view, removal.key);
  }
  if (!entry.ok()) {
    if (entry.error().code() == ErrorCode::kNotFound) return {};
    return std::move(entry).error();
  }
  if (entry->is_folder()) return {};
  auto number = parse_version(removal.version, entry->object);
  if (!number.ok()) {
    if (number.error().s3_code() == Code::kNoSuchVersion) return {};
    return std::move(number).error();
  }
  std::optional<VersionInfo> meant;
  RAMET_TRY(view.versions(entry->object, [&](const VersionInfo& one) {
    if (*number ? one.info.version == **number : version_text(one.info) == "null") meant = one;
    return !meant;
  }));
  if (!meant) return {};
  const bool bypass =
      same_name(call.header("x-amz-bypass-governance-retention"), "true") &&
      call.level >= AccessLevel::kAdminister;
  const Status removed =
      transaction.remove_version(entry->object, meant->info.version, bypass);
  if (!removed.ok() && removed.error().code() != ErrorCode::kNotFound) {
    if (removed.error().code() == ErrorCode::kPermissionDenied) {
      return Fault(Code::kAccessDenied,
                   "Access Denied because object protected by object lock.");
    }
    return Fault(removed.error());
  }
  removal.marker = meant->deletion;
  removal.marker_version = meant->deletion ? removal.version : "";
  return {};
}

void S3Face::find_marker(const Call& call, Removal& removal) {
  if (!removal.marker || !removal.version.empty()) return;
  const auto view = services_.store.view(call.container.id);
  if (!view.ok()) return;
  const auto entry = find_removed_key(**view, removal.key);
  if (!entry.ok()) return;
  ignore_error((*view)->versions(entry->object,
                                 [&](const VersionInfo& one) {
                                   if (one.deletion) {
                                     removal.marker_version = version_text(one.info);
                                   }
                                   return false;
                                 }),
               "the answer then does not name the marker");
}

Task<Outcome<Response>> S3Face::delete_object(Call& call) {
  Removal removal;
  const std::string version = call.param_or("versionId", "");
  if (call.param("versionId") != nullptr && version.empty()) {
    co_return Fault(Code::kInvalidArgument, "Version id cannot be the empty string");
  }
  auto done = co_await change(
      call.container.id, [&](Transaction& transaction, const View& view) -> Outcome<void> {
        removal = Removal{};
        removal.key = call.target.key;
        removal.version = version;
        RAMET_ASSIGN(const std::string kept, versioning(call.container));
        return remove_one(call, transaction, view, kept != "off", removal);
      });
  if (!done.ok()) co_return std::move(done).error();
  if (removal.marker) {
    co_await services_.workers.run([&]() {
      find_marker(call, removal);
      return 0;
    });
  }
  Response response;
  response.status = 204;
  if (removal.marker) response.fields.set("x-amz-delete-marker", "true");
  const std::string& named = removal.version.empty() ? removal.marker_version : removal.version;
  if (!named.empty()) response.fields.set("x-amz-version-id", named);
  co_return response;
}

Task<Outcome<Response>> S3Face::delete_objects(Call& call) {
  RAMET_CO_ASSIGN(auto payload, Payload::make(call.request, call.body, *call.claim,
                                           ChunkChain(call.signing_key, *call.claim), false));
  RAMET_CO_ASSIGN(const std::string body, co_await payload->read_all(kBodyMax));
  RAMET_CO_ASSIGN(const XmlDocument document, XmlDocument::parse(body, "Delete"));
  std::vector<Removal> asked;
  for (const XmlNode& object : document.root().children("Object")) {
    Removal removal;
    if (!object.child("Key")) co_return Fault(Code::kMalformedXML);
    removal.key = object.child("Key").exact();
    removal.version = object.child_text("VersionId").value_or("");
    asked.push_back(std::move(removal));
  }
  if (asked.empty() || asked.size() > kDeletesMax) co_return Fault(Code::kMalformedXML);
  const bool quiet = document.root().child_text("Quiet") == "true";
  std::vector<Removal> removals;
  auto done = co_await change(
      call.container.id, [&](Transaction& transaction, const View& view) -> Outcome<void> {
        removals = asked;
        RAMET_ASSIGN(const std::string kept, versioning(call.container));
        for (Removal& removal : removals) {
          auto removed = remove_one(call, transaction, view, kept != "off", removal);
          if (removed.ok()) continue;
          if (try_again(removed.error())) return std::move(removed).error();
          removal.fault = std::move(removed).error();
        }
        return {};
      });
  if (!done.ok()) co_return std::move(done).error();
  co_await services_.workers.run([&]() {
    for (Removal& removal : removals) find_marker(call, removal);
    return 0;
  });
  XmlWriter xml;
  xml.root("DeleteResult");
  for (const Removal& removal : removals) {
    if (removal.fault) {
      xml.open("Error");
      xml.text("Key", removal.key);
      if (!removal.version.empty()) xml.text("VersionId", removal.version);
      xml.text("Code", info_of(removal.fault->s3_code()).name);
      xml.text("Message", removal.fault->message());
      xml.close("Error");
      continue;
    }
    if (quiet) continue;
    xml.open("Deleted");
    xml.text("Key", removal.key);
    if (!removal.version.empty()) xml.text("VersionId", removal.version);
    if (removal.marker) {
      xml.flag("DeleteMarker", true);
      if (!removal.marker_version.empty()) {
        xml.text("DeleteMarkerVersionId", removal.marker_version);
      }
    }
    xml.close("Deleted");
  }
  xml.close("DeleteResult");
  co_return xml_response(std::move(xml).finish());
}

}  // namespace ramet::serve::s3
