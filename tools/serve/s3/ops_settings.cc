// Settings of buckets: versioning, access lists, policies, CORS, lifecycle, tags, object lock.
#include <fmt/format.h>

#include "tools/serve/s3/face.h"
#include "tools/serve/s3/lifecycle.h"
#include "tools/serve/s3/names.h"
#include "tools/serve/s3/object_lock.h"
#include "tools/serve/s3/object_meta.h"
#include "tools/serve/s3/xml.h"

namespace ramet::serve::s3 {
namespace {

constexpr size_t kPolicyBytesMax = 20u << 10;
constexpr size_t kDocumentBytesMax = 64u << 10;
constexpr size_t kBucketTagsMax = 50;
constexpr std::string_view kEveryone =
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";

void write_grant(XmlWriter& xml, std::string_view id, std::string_view name,
                 std::string_view permission) {
  xml.open("Grant");
  const std::string_view type = id.empty() ? "Group" : "CanonicalUser";
  xml.open("Grantee", fmt::format(" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
                                  "xsi:type=\"{}\"", type));
  if (id.empty()) {
    xml.text("URI", kEveryone);
  } else {
    xml.text("ID", id);
    xml.text("DisplayName", name);
  }
  xml.close("Grantee");
  xml.text("Permission", permission);
  xml.close("Grant");
}

}  // namespace

Outcome<Response> S3Face::get_versioning(Call& call) {
  RAMET_ASSIGN(const std::string value, versioning(call.container));
  XmlWriter xml;
  xml.root("VersioningConfiguration");
  if (value != "off") xml.text("Status", value == "on" ? "Enabled" : "Suspended");
  xml.close("VersioningConfiguration");
  return xml_response(std::move(xml).finish());
}

Task<Outcome<Response>> S3Face::put_versioning(Call& call) {
  RAMET_CO_ASSIGN(auto payload, Payload::make(call.request, call.body, *call.claim,
                                           ChunkChain(call.signing_key, *call.claim), false));
  RAMET_CO_ASSIGN(const std::string body, co_await payload->read_all(kDocumentBytesMax));
  RAMET_CO_ASSIGN(const XmlDocument parsed, XmlDocument::parse(body, "VersioningConfiguration"));
  const auto status = parsed.root().child_text("Status");
  if (status != "Enabled" && status != "Suspended") co_return Fault(Code::kMalformedXML);
  if (parsed.root().child_text("MfaDelete") == "Enabled") {
    co_return Fault(Code::kNotImplemented, "MfaDelete is not implemented.");
  }
  auto answer = co_await slow([&]() -> Outcome<Response> {
    if (status == "Suspended") {
      RAMET_ASSIGN(const auto lock, document(call.container.id, kObjectLockDocument));
      if (lock) {
        return Fault(Code::kInvalidBucketState,
                     "An Object Lock configuration is present on this bucket, so the versioning "
                     "state cannot be changed.");
      }
    }
    RAMET_TRY(services_.store.set_setting(call.container.id, std::string(kVersioningSetting),
                                          status == "Enabled" ? "on" : "suspended"));
    return Response{};
  });
  co_return answer;
}

Outcome<Response> S3Face::get_bucket_acl(Call& call) {
  const Principal owner = owner_of(call.container.id);
  XmlWriter xml;
  xml.root("AccessControlPolicy");
  xml.open("Owner");
  xml.text("ID", canonical_id(owner.id));
  xml.text("DisplayName", owner.name);
  xml.close("Owner");
  xml.open("AccessControlList");
  write_grant(xml, canonical_id(owner.id), owner.name, "FULL_CONTROL");
  std::vector<Grant> grants;
  RAMET_TRY(services_.access.grants(call.container.id, [&](const Grant& grant) {
    grants.push_back(grant);
    return true;
  }));
  for (const Grant& grant : grants) {
    if (grant.principal == owner.id && !owner.id.is_null()) continue;
    std::string id;
    std::string name;
    if (!grant.principal.is_null()) {
      const auto principal = services_.access.principal(grant.principal);
      id = canonical_id(grant.principal);
      name = principal.ok() ? principal->name : "";
    }
    switch (grant.level) {
      case AccessLevel::kNone: break;
      case AccessLevel::kView: write_grant(xml, id, name, "READ"); break;
      case AccessLevel::kUpload:
      case AccessLevel::kContribute:
        write_grant(xml, id, name, "READ");
        write_grant(xml, id, name, "WRITE");
        break;
      case AccessLevel::kAdminister: write_grant(xml, id, name, "FULL_CONTROL"); break;
    }
  }
  xml.close("AccessControlList");
  xml.close("AccessControlPolicy");
  return xml_response(std::move(xml).finish());
}

Outcome<void> S3Face::apply_acl(const Call& call, ContainerId container, std::string_view canned,
                                std::string_view text) {
  const Principal owner = owner_of(container);
  // What the list wants; everyone stands under the null principal.
  std::vector<Grant> wanted;
  const auto want = [&](PrincipalId principal, AccessLevel level) {
    for (Grant& grant : wanted) {
      if (grant.principal == principal) {
        grant.level = std::max(grant.level, level);
        return;
      }
    }
    wanted.push_back({container, principal, level});
  };
  if (!canned.empty()) {
    if (canned == "authenticated-read") {
      want({}, AccessLevel::kView);
    } else if (canned != "private") {
      // Everyone without credentials: nothing is answered to them.
      return Code::kAccessControlListNotSupported;
    }
  } else {
    RAMET_ASSIGN(const XmlDocument document, XmlDocument::parse(text, "AccessControlPolicy"));
    const XmlNode list = document.root().child("AccessControlList");
    if (!list) return Code::kMalformedACLError;
    for (const XmlNode& grant : list.children("Grant")) {
      const XmlNode grantee = grant.child("Grantee");
      const std::string permission = grant.child_text("Permission").value_or("");
      AccessLevel level = AccessLevel::kNone;
      if (permission == "READ") {
        level = AccessLevel::kView;
      } else if (permission == "WRITE") {
        level = AccessLevel::kContribute;
      } else if (permission == "FULL_CONTROL") {
        level = AccessLevel::kAdminister;
      } else if (permission == "READ_ACP" || permission == "WRITE_ACP") {
        return Fault(Code::kNotImplemented,
                     "READ_ACP and WRITE_ACP are not implemented: FULL_CONTROL holds them.");
      } else {
        return Code::kMalformedACLError;
      }
      if (const auto uri = grantee.child_text("URI")) {
        if (*uri != kEveryone || level > AccessLevel::kContribute) {
          return Code::kAccessControlListNotSupported;
        }
        want({}, level);
        continue;
      }
      const auto raw = from_hex(grantee.child_text("ID").value_or(""));
      if (!raw || raw->size() != 16) {
        return Fault(Code::kInvalidArgument, "Invalid id")
            .with("ArgumentName", "CanonicalUser/ID");
      }
      const PrincipalId id = PrincipalId::from_bytes(raw->data());
      if (id == owner.id) continue;
      if (!services_.access.principal(id).ok()) {
        return Fault(Code::kInvalidArgument, "Invalid id")
            .with("ArgumentName", "CanonicalUser/ID");
      }
      want(id, level);
    }
  }
  // The caller keeps what he has: a list cannot lock out who sets it.
  std::vector<Grant> there;
  RAMET_TRY(services_.access.grants(container, [&](const Grant& grant) {
    there.push_back(grant);
    return true;
  }));
  for (const Grant& grant : there) {
    if (grant.principal == owner.id && !owner.id.is_null()) continue;
    if (grant.principal == call.caller.principal.id) continue;
    bool kept = false;
    for (const Grant& one : wanted) kept = kept || one.principal == grant.principal;
    // A canned list says nothing of single principals.
    if (!kept && (canned.empty() || grant.principal.is_null())) {
      RAMET_TRY(services_.access.set_grant(container, grant.principal, AccessLevel::kNone));
    }
  }
  for (const Grant& grant : wanted) {
    RAMET_TRY(services_.access.set_grant(container, grant.principal, grant.level));
  }
  return {};
}

Task<Outcome<Response>> S3Face::put_bucket_acl(Call& call) {
  const std::string canned(call.header("x-amz-acl"));
  for (const auto& field : call.request.fields) {
    if (field.name.size() > 12 && same_name(field.name.substr(0, 12), "x-amz-grant-")) {
      co_return Fault(Code::kNotImplemented, "Grants in fields are not implemented: send the "
                                             "list as XML.").with("Header", field.name);
    }
  }
  RAMET_CO_ASSIGN(auto payload, Payload::make(call.request, call.body, *call.claim,
                                           ChunkChain(call.signing_key, *call.claim), false));
  RAMET_CO_ASSIGN(const std::string body, co_await payload->read_all(kDocumentBytesMax));
  if (canned.empty() && body.empty()) co_return Fault(Code::kMissingRequestBody);
  auto answer = co_await slow([&]() -> Outcome<Response> {
    const AuditScope scope(call.caller.principal.name, call.request.peer);
    RAMET_TRY(apply_acl(call, call.container.id, canned, body));
    return Response{};
  });
  co_return answer;
}

Outcome<Response> S3Face::get_document(Call& call, std::string_view name, Code missing) {
  RAMET_ASSIGN(const auto text, document(call.container.id, name));
  if (!text) return Fault(missing).with("BucketName", call.target.bucket);
  Response response = xml_response(*text);
  if (name == kPolicyDocument) response.fields.set("Content-Type", "application/json");
  return response;
}

// What is kept is what was sent, once it was understood.
Task<Outcome<Response>> S3Face::put_document(Call& call) {
  RAMET_CO_ASSIGN(auto payload, Payload::make(call.request, call.body, *call.claim,
                                           ChunkChain(call.signing_key, *call.claim), false));
  RAMET_CO_ASSIGN(std::string body, co_await payload->read_all(kDocumentBytesMax));
  if (body.empty()) co_return Fault(Code::kMissingRequestBody);
  switch (call.operation->op) {
    case Op::kPutBucketPolicy: {
      if (body.size() > kPolicyBytesMax) {
        co_return Fault(Code::kMalformedPolicy, "Policy exceeds the maximum allowed document "
                                                "size.");
      }
      RAMET_CO_TRY(Policy::parse(body, call.target.bucket));
      auto answer = co_await change_document(call, kPolicyDocument, std::move(body), 204);
      co_return answer;
    }
    case Op::kPutBucketCors: {
      RAMET_CO_TRY(parse_cors(body));
      auto answer = co_await change_document(call, kCorsDocument, std::move(body), 200);
      co_return answer;
    }
    case Op::kPutBucketLifecycle: {
      RAMET_CO_TRY(parse_lifecycle(body));
      auto answer = co_await change_document(call, kLifecycleDocument, std::move(body), 200);
      co_return answer;
    }
    default: {
      RAMET_CO_ASSIGN(const Tags tags, parse_tagging(body, kBucketTagsMax));
      auto answer = co_await change_document(call, kTaggingDocument, tagging_xml(tags), 204);
      co_return answer;
    }
  }
}

Outcome<Response> S3Face::get_policy_status(Call& call) {
  RAMET_ASSIGN(const auto text, document(call.container.id, kPolicyDocument));
  if (!text) return Fault(Code::kNoSuchBucketPolicy).with("BucketName", call.target.bucket);
  RAMET_ASSIGN(const auto policy, Policy::parse(*text, call.target.bucket));
  XmlWriter xml;
  xml.root("PolicyStatus");
  xml.text("IsPublic", policy->is_public() ? "TRUE" : "FALSE");
  xml.close("PolicyStatus");
  return xml_response(std::move(xml).finish());
}

Outcome<Response> S3Face::get_object_lock(Call& call) {
  return get_document(call, kObjectLockDocument, Code::kObjectLockConfigurationNotFound);
}

Task<Outcome<Response>> S3Face::put_object_lock(Call& call) {
  RAMET_CO_ASSIGN(auto payload, Payload::make(call.request, call.body, *call.claim,
                                           ChunkChain(call.signing_key, *call.claim), false));
  RAMET_CO_ASSIGN(std::string body, co_await payload->read_all(kDocumentBytesMax));
  RAMET_CO_TRY(parse_lock_configuration(body));
  // First the setting, by which locks hold; the document then says what new objects get.
  auto versioned = co_await slow([&]() -> Outcome<Response> {
    RAMET_ASSIGN(const std::string value, versioning(call.container));
    if (value != "on") {
      return Fault(Code::kInvalidBucketState,
                   "Versioning must be 'Enabled' on the bucket to apply a Object Lock "
                   "configuration");
    }
    RAMET_TRY(services_.store.set_setting(call.container.id, std::string(kObjectLockSetting),
                                          "on"));
    return Response{};
  });
  if (!versioned.ok()) co_return std::move(versioned).error();
  auto answer = co_await change_document(call, kObjectLockDocument, std::move(body), 200);
  co_return answer;
}

}  // namespace ramet::serve::s3
