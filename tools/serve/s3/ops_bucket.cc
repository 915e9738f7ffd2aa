// Buckets: listing, making and dropping them.
#include <charconv>

#include <fmt/format.h>

#include "tools/serve/content_rules.h"
#include "tools/serve/s3/face.h"
#include "tools/serve/s3/names.h"
#include "tools/serve/s3/object_meta.h"
#include "tools/serve/s3/xml.h"

namespace ramet::serve::s3 {
namespace {

constexpr size_t kBucketsMax = 10'000;

void write_owner(XmlWriter& xml, const Principal& owner) {
  xml.open("Owner");
  xml.text("ID", canonical_id(owner.id));
  xml.text("DisplayName", owner.name);
  xml.close("Owner");
}

// "bucket[@snapshot]".
std::pair<std::string, std::string> split_snapshot(std::string_view text) {
  const size_t at = text.rfind('@');
  if (at == std::string_view::npos) return {std::string(text), ""};
  return {std::string(text.substr(0, at)), std::string(text.substr(at + 1))};
}

}  // namespace

Outcome<Response> S3Face::list_buckets(Call& call) {
  RAMET_ASSIGN(const size_t most, count_param(call, "max-buckets", kBucketsMax));
  const std::string prefix = call.param_or("prefix", "");
  const std::string after = call.param_or("continuation-token", "");
  std::vector<ContainerInfo> all;
  RAMET_TRY(services_.store.containers(after, [&](const ContainerInfo& container) {
    if (is_addressable(container.name) && container.name.starts_with(prefix) &&
        container.form != ContainerForm::kRecords) {
      all.push_back(container);
    }
    return true;
  }));
  XmlWriter xml;
  xml.root("ListAllMyBucketsResult");
  write_owner(xml, call.caller.principal);
  xml.open("Buckets");
  size_t count = 0;
  std::string last;
  bool more = false;
  for (const ContainerInfo& container : all) {
    RAMET_ASSIGN(const AccessLevel level, services_.access.level(call.caller, container.id));
    if (level < AccessLevel::kView) continue;
    if (count == most) {
      more = true;
      break;
    }
    ++count;
    last = container.name;
    xml.open("Bucket");
    xml.text("Name", container.name);
    xml.text("CreationDate", iso_date(container.created));
    xml.close("Bucket");
  }
  xml.close("Buckets");
  if (more && !last.empty()) xml.text("ContinuationToken", last);
  xml.close("ListAllMyBucketsResult");
  return xml_response(std::move(xml).finish());
}

Task<Outcome<Response>> S3Face::create_bucket(Call& call) {
  if (!call.caller.principal.super_admin &&
      !(call.caller.principal.may_create && call.caller.scope.account)) {
    co_return Fault(Code::kAccessDenied);
  }
  const std::string name = call.target.bucket;
  RAMET_CO_TRY(check_new_bucket(name));
  const std::string ownership(call.header("x-amz-object-ownership"));
  if (!ownership.empty() && ownership != "BucketOwnerEnforced" &&
      ownership != "BucketOwnerPreferred" && ownership != "ObjectWriter") {
    co_return Fault(Code::kInvalidArgument, "Invalid x-amz-object-ownership header");
  }
  const bool lock = same_name(call.header("x-amz-bucket-object-lock-enabled"), "true");
  const std::string clone_of(call.header("x-ramet-clone-of"));
  RAMET_CO_ASSIGN(auto payload, Payload::make(call.request, call.body, *call.claim,
                                           ChunkChain(call.signing_key, *call.claim), false));
  RAMET_CO_ASSIGN(const std::string body, co_await payload->read_all(64u << 10));
  if (!body.empty()) {
    RAMET_CO_ASSIGN(const XmlDocument document,
                 XmlDocument::parse(body, "CreateBucketConfiguration"));
    const auto location = document.root().child_text("LocationConstraint");
    if (location && !location->empty() && *location != services_.options.region &&
        !services_.options.region.empty()) {
      co_return Fault(Code::kInvalidLocationConstraint).with("LocationConstraint", *location);
    }
  }
  const std::string acl(call.header("x-amz-acl"));
  auto answer = co_await slow([&]() -> Outcome<Response> {
    const AuditScope scope(call.caller.principal.name, call.request.peer);
    if (auto there = services_.store.container(name); there.ok()) {
      RAMET_ASSIGN(const AccessLevel level, services_.access.level(call.caller, there->id));
      return Fault(level >= AccessLevel::kAdminister ? Code::kBucketAlreadyOwnedByYou
                                                     : Code::kBucketAlreadyExists)
          .with("BucketName", name);
    }
    if (!acl.empty() && acl != "private" && acl != "authenticated-read") {
      return Code::kAccessControlListNotSupported;
    }
    ContainerId id;
    ContainerAccess rules;
    if (!clone_of.empty()) {
      const auto [bucket, snapshot] = split_snapshot(clone_of);
      RAMET_ASSIGN(const ContainerInfo source,
                   open_bucket(call, bucket, "s3:GetObject", bucket + "/"));
      RAMET_ASSIGN(const ContainerAccess access, services_.access.container_access(source.id));
      auto carried = rules_of_clone(access);
      if (!carried.ok()) return Fault(Code::kAccessDenied, carried.error().message());
      rules = std::move(*carried);
      CloneSpec spec;
      spec.source = source.id;
      spec.snapshot = snapshot;
      spec.new_container = name;
      auto cloned = services_.store.clone(spec);
      if (!cloned.ok()) {
        if (cloned.error().code() == ErrorCode::kNotFound) {
          return Fault(Code::kNoSuchVersion, cloned.error().message());
        }
        if (cloned.error().code() == ErrorCode::kAlreadyExists) return Code::kBucketAlreadyExists;
        return std::move(cloned).error();
      }
      id = cloned->container;
    } else {
      auto made = services_.store.create_container(name, "", {}, 0, ContainerForm::kFlat);
      if (!made.ok()) {
        if (made.error().code() == ErrorCode::kAlreadyExists) return Code::kBucketAlreadyExists;
        return std::move(made).error();
      }
      id = made->id;
    }
    // From here on a failure would leave a bucket that nobody may use: it goes again.
    const auto finish = [&]() -> Status {
      if (rules != ContainerAccess{}) {
        RAMET_TRY(services_.access.set_container_access(id, rules));
      }
      RAMET_TRY(services_.access.set_grant(id, call.caller.principal.id,
                                           AccessLevel::kAdminister));
      if (acl == "authenticated-read") {
        RAMET_TRY(services_.access.set_grant(id, PrincipalId{}, AccessLevel::kView));
      }
      if (lock) {
        RAMET_TRY(services_.store.set_setting(id, std::string(kVersioningSetting), "on"));
        RAMET_TRY(services_.store.set_setting(id, std::string(kObjectLockSetting), "on"));
      }
      RAMET_ASSIGN(const auto transaction, services_.store.begin(id));
      RAMET_TRY(transaction->set_document(kOwnerDocument, to_uuid(call.caller.principal.id)));
      if (lock) {
        RAMET_TRY(transaction->set_document(
            kObjectLockDocument,
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
            "</ObjectLockConfiguration>"));
      }
      RAMET_TRY(transaction->commit());
      return ok();
    };
    if (const Status finished = finish(); !finished.ok()) {
      ignore_error(services_.store.drop_container(id), "the first failure is what counts");
      return Fault(finished.error());
    }
    AuditEntry entry;
    entry.principal = call.caller.principal.name;
    entry.action = "container.create";
    entry.target = name;
    entry.detail = clone_of.empty() ? "" : "clone of " + clone_of;
    entry.from = call.request.peer;
    ignore_error(services_.access.audit(std::move(entry)), "the bucket is there all the same");
    Response response;
    response.fields.set("Location", "/" + name);
    return response;
  });
  co_return answer;
}

Task<Outcome<Response>> S3Face::delete_bucket(Call& call) {
  auto answer = co_await slow([&]() -> Outcome<Response> {
    const AuditScope scope(call.caller.principal.name, call.request.peer);
    RAMET_ASSIGN(const auto view, services_.store.view(call.container.id));
    bool empty = true;
    const auto found_one = [&](const Entry&) {
      empty = false;
      return false;
    };
    RAMET_TRY(view->list(kRootFolder, "", found_one));
    if (empty) {
      const Status removed = view->list_removed(kRootFolder, "", "", found_one);
      if (!removed.ok()) return Fault(removed.error());
    }
    if (!empty) return Fault(Code::kBucketNotEmpty).with("BucketName", call.target.bucket);
    RAMET_TRY(services_.store.drop_container(call.container.id));
    AuditEntry entry;
    entry.principal = call.caller.principal.name;
    entry.action = "container.drop";
    entry.target = call.target.bucket;
    entry.from = call.request.peer;
    ignore_error(services_.access.audit(std::move(entry)), "the bucket is gone all the same");
    Response response;
    response.status = 204;
    return response;
  });
  co_return answer;
}

Outcome<Response> S3Face::get_location(Call& /*call*/) {
  XmlWriter xml;
  xml.root("LocationConstraint");
  // The region that S3 began in is said by saying nothing.
  if (services_.options.region != "us-east-1") xml.raw(xml_escape(services_.options.region));
  xml.close("LocationConstraint");
  return xml_response(std::move(xml).finish());
}

Outcome<Response> S3Face::get_fixed(Call& call) {
  XmlWriter xml;
  const std::string_view query = call.operation->query;
  const std::string_view root = query == "requestPayment" ? "RequestPaymentConfiguration"
                                : query == "logging"      ? "BucketLoggingStatus"
                                : query == "notification" ? "NotificationConfiguration"
                                                          : "AccelerateConfiguration";
  xml.root(root);
  if (query == "requestPayment") xml.text("Payer", "BucketOwner");
  xml.close(root);
  return xml_response(std::move(xml).finish());
}

}  // namespace ramet::serve::s3
