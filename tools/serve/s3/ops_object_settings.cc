// What is said of an object beside its content: tags, access lists, retention, legal holds.
#include <fmt/format.h>

#include "engine/object_keys.h"
#include "tools/serve/s3/face.h"
#include "tools/serve/s3/names.h"
#include "tools/serve/s3/object_lock.h"
#include "tools/serve/s3/object_meta.h"
#include "tools/serve/s3/xml.h"

namespace ramet::serve::s3 {
namespace {

constexpr size_t kBodyMax = 64u << 10;
constexpr size_t kObjectTagsMax = 10;

}  // namespace

Task<Outcome<Response>> S3Face::change_object(
    Call& call, int status,
    FunctionRef<Outcome<void>(Transaction&, const ObjectInfo&, VersionNumber)> body) {
  const std::string* version = call.param("versionId");
  std::string named;
  auto done = co_await change(
      call.container.id, [&](Transaction& transaction, const View& view) -> Outcome<void> {
        const auto missing = [&] {
          return Fault(version != nullptr ? Code::kNoSuchVersion : Code::kNoSuchKey)
              .with("Key", call.target.key);
        };
        auto entry = find_key(transaction, view.flat(), call.target.key);
        if (!entry.ok() && entry.error().code() == ErrorCode::kNotFound && version != nullptr) {
          entry = find_removed_key(view, call.target.key);
        }
        if (!entry.ok()) {
          if (entry.error().code() == ErrorCode::kNotFound) return missing();
          return std::move(entry).error();
        }
        if (entry->is_folder()) {
          return Fault(Code::kNotImplemented, "Folders of this bucket have no tags and locks.");
        }
        if (version == nullptr) {
          RAMET_ASSIGN(const ObjectInfo info, transaction.object(entry->object));
          named = info.version != 0 ? version_text(info) : "";
          return body(transaction, info, kCurrentVersion);
        }
        RAMET_ASSIGN(const auto number, parse_version(*version, entry->object));
        std::optional<VersionInfo> meant;
        RAMET_TRY(view.versions(entry->object, [&](const VersionInfo& one) {
          if (number ? one.info.version == *number : version_text(one.info) == "null") {
            meant = one;
          }
          return !meant;
        }));
        if (!meant) return missing();
        if (meant->deletion) return Code::kMethodNotAllowed;
        named = version_text(meant->info);
        return body(transaction, meant->info,
                    meant->current ? kCurrentVersion : meant->info.version);
      });
  if (!done.ok()) co_return std::move(done).error();
  Response response;
  response.status = status;
  if (!named.empty()) response.fields.set("x-amz-version-id", named);
  co_return response;
}

Task<Outcome<Response>> S3Face::put_tagging(Call& call) {
  RAMET_CO_ASSIGN(auto payload, Payload::make(call.request, call.body, *call.claim,
                                           ChunkChain(call.signing_key, *call.claim), false));
  RAMET_CO_ASSIGN(const std::string body, co_await payload->read_all(kBodyMax));
  RAMET_CO_ASSIGN(const Tags tags, parse_tagging(body, kObjectTagsMax));
  auto answer = co_await change_object(
      call, 200,
      [&](Transaction& transaction, const ObjectInfo& info, VersionNumber version)
          -> Outcome<void> {
        Metadata metadata = info.metadata;
        RAMET_TRY(set_tags(metadata, tags));
        RAMET_TRY(transaction.set_metadata(info.id, metadata, version));
        return {};
      });
  co_return answer;
}

Task<Outcome<Response>> S3Face::delete_tagging(Call& call) {
  auto answer = co_await change_object(
      call, 204,
      [](Transaction& transaction, const ObjectInfo& info, VersionNumber version)
          -> Outcome<void> {
        Metadata metadata = info.metadata;
        RAMET_TRY(set_tags(metadata, {}));
        RAMET_TRY(transaction.set_metadata(info.id, metadata, version));
        return {};
      });
  co_return answer;
}

Task<Outcome<Response>> S3Face::put_object_acl(Call& call) {
  RAMET_CO_TRY(check_object_acl(call.request.fields));
  RAMET_CO_ASSIGN(auto payload, Payload::make(call.request, call.body, *call.claim,
                                           ChunkChain(call.signing_key, *call.claim), false));
  RAMET_CO_ASSIGN(const std::string body, co_await payload->read_all(kBodyMax));
  auto answer = co_await quick([&]() -> Outcome<Response> {
    RAMET_TRY(find_object(call));
    if (call.has_header("x-amz-acl")) return Response{};
    RAMET_ASSIGN(const XmlDocument document, XmlDocument::parse(body, "AccessControlPolicy"));
    // The one list that says what is so anyway: everything for the owner.
    const std::string owner = canonical_id(owner_of(call.container.id).id);
    for (const XmlNode& grant :
         document.root().child("AccessControlList").children("Grant")) {
      if (grant.child_text("Permission") != "FULL_CONTROL" ||
          grant.child("Grantee").child_text("ID") != owner) {
        return Code::kAccessControlListNotSupported;
      }
    }
    return Response{};
  });
  co_return answer;
}

Task<Outcome<Response>> S3Face::put_retention(Call& call) {
  RAMET_CO_ASSIGN(auto payload, Payload::make(call.request, call.body, *call.claim,
                                           ChunkChain(call.signing_key, *call.claim), false));
  RAMET_CO_ASSIGN(const std::string body, co_await payload->read_all(kBodyMax));
  RAMET_CO_ASSIGN(const ObjectLock wanted, parse_retention(body, call.now));
  const bool bypass = same_name(call.header("x-amz-bypass-governance-retention"), "true") &&
                      call.level >= AccessLevel::kAdminister;
  auto answer = co_await change_object(
      call, 200,
      [&](Transaction& transaction, const ObjectInfo& info, VersionNumber version)
          -> Outcome<void> {
        RAMET_ASSIGN(const auto configured, document(call.container.id, kObjectLockDocument));
        if (!configured) {
          return Fault(Code::kInvalidRequest, "Bucket is missing Object Lock Configuration");
        }
        ObjectLock lock = wanted;
        lock.legal_hold = info.lock.legal_hold;
        RAMET_TRY(transaction.set_lock(info.id, lock, version, bypass));
        return {};
      });
  co_return answer;
}

Task<Outcome<Response>> S3Face::put_legal_hold(Call& call) {
  RAMET_CO_ASSIGN(auto payload, Payload::make(call.request, call.body, *call.claim,
                                           ChunkChain(call.signing_key, *call.claim), false));
  RAMET_CO_ASSIGN(const std::string body, co_await payload->read_all(kBodyMax));
  RAMET_CO_ASSIGN(const bool hold, parse_legal_hold(body));
  auto answer = co_await change_object(
      call, 200,
      [&](Transaction& transaction, const ObjectInfo& info, VersionNumber version)
          -> Outcome<void> {
        RAMET_ASSIGN(const auto configured, document(call.container.id, kObjectLockDocument));
        if (!configured) {
          return Fault(Code::kInvalidRequest, "Bucket is missing Object Lock Configuration");
        }
        ObjectLock lock = info.lock;
        lock.legal_hold = hold;
        RAMET_TRY(transaction.set_lock(info.id, lock, version, false));
        return {};
      });
  co_return answer;
}

}  // namespace ramet::serve::s3
