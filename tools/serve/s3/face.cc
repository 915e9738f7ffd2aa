#include "tools/serve/s3/face.h"

#include <charconv>
#include <chrono>

#include <fmt/format.h>

#include "format/utf8.h"
#include "tools/serve/s3/names.h"
#include "tools/serve/s3/xml.h"

namespace ramet::serve::s3 {
namespace {

constexpr size_t kPoliciesMax = 256;

bool manages_policy(Op op) {
  return op == Op::kGetBucketPolicy || op == Op::kPutBucketPolicy ||
         op == Op::kDeleteBucketPolicy;
}

bool is_form(const Request& request) {
  const std::string_view type = request.fields.get("content-type");
  constexpr std::string_view kForm = "multipart/form-data";
  return type.size() >= kForm.size() && same_name(type.substr(0, kForm.size()), kForm);
}

std::optional<std::string> context_of(const Call& call, std::string_view key) {
  const auto is = [&](std::string_view name) { return same_name(key, name); };
  const auto param = [&](std::string_view name) -> std::optional<std::string> {
    if (const std::string* value = call.param(name)) return *value;
    return std::nullopt;
  };
  const auto field = [&](std::string_view name) -> std::optional<std::string> {
    if (const auto value = call.request.fields.find(name)) return std::string(*value);
    return std::nullopt;
  };
  if (is("aws:SourceIp")) return call.request.peer;
  if (is("aws:SecureTransport")) return std::string(call.request.tls ? "true" : "false");
  if (is("aws:CurrentTime")) return iso_date(call.now);
  if (is("aws:EpochTime")) return std::to_string(call.now / 1'000'000'000);
  if (is("aws:username")) return call.caller.principal.name;
  if (is("aws:UserAgent")) return field("user-agent");
  if (is("aws:Referer")) return field("referer");
  if (is("s3:prefix")) return param("prefix");
  if (is("s3:delimiter")) return param("delimiter");
  if (is("s3:max-keys")) return param("max-keys");
  if (is("s3:VersionId")) return param("versionId");
  if (key.size() > 3) return field(key.substr(3));  // "s3:x-amz-acl"
  return std::nullopt;
}

// What an answer of content depends on beside the state of the store; nothing: it is not kept.
std::string answer_key(const Call& call) {
  if (call.operation->op != Op::kGetObject && call.operation->op != Op::kHeadObject) return {};
  for (const auto& [name, value] : call.params) {
    if (name == "x-id") continue;  // how some clients name the operation
    if (!same_name(std::string_view(name).substr(0, 6), "x-amz-")) return {};
  }
  std::string_view checksums;
  for (const Fields::Field& field : call.request.fields) {
    const std::string_view name = field.name;
    if (same_name(name, "origin")) return {};
    if (name.size() < 2 || name[1] != '-') continue;
    if (same_name(name, "x-amz-date") || same_name(name, "x-amz-content-sha256")) continue;
    if (!same_name(name, "x-amz-checksum-mode")) return {};
    checksums = field.value;
  }
  std::string key = begin_answer_key(call.caller, call.request);
  if (key.empty()) return {};
  for (const std::string_view part : {checksums, std::string_view(call.target.bucket)}) {
    key += std::to_string(part.size()) + ':';
    key += part;
  }
  key += call.target.key;
  return key;
}

}  // namespace

const std::string* Call::param(std::string_view name) const {
  for (const auto& [key, value] : params) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::string Call::param_or(std::string_view name, std::string_view otherwise) const {
  const std::string* value = param(name);
  return value != nullptr ? *value : std::string(otherwise);
}

std::string encoded(const Call& call, std::string_view text) {
  return call.param_or("encoding-type", "") == "url" ? percent_encode(text) : std::string(text);
}

Outcome<size_t> count_param(const Call& call, std::string_view name, size_t most) {
  const std::string* text = call.param(name);
  if (text == nullptr || text->empty()) return most;
  int64_t value = 0;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size() || value < 0 ||
      value > INT32_MAX) {
    return Fault(Code::kInvalidArgument,
                 fmt::format("Argument {} must be an integer between 0 and 2147483647", name))
        .with("ArgumentName", std::string(name))
        .with("ArgumentValue", *text);
  }
  return std::min(static_cast<size_t>(value), most);
}

Response xml_response(std::string xml, int status) {
  Response response;
  response.status = status;
  response.fields.set("Content-Type", "application/xml");
  response.body = std::move(xml);
  return response;
}

S3Face::S3Face(Services& services) : services_(services) { remove_old_staging(); }
S3Face::~S3Face() = default;

Task<Response> S3Face::handle(Request& request, Body& body) {
  Call call(request, body);
  call.now = request.received;
  if (call.now == 0) {
    call.now = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch())
                   .count();
  }
  Outcome<Response> outcome = co_await serve(call);
  Response response;
  if (outcome.ok()) {
    response = std::move(*outcome);
  } else {
    response = fault_response(call, outcome.error());
  }
  response.operation = "s3.";
  response.operation += call.operation != nullptr ? call.operation->name : "Unknown";
  response.principal = call.caller.principal.name;
  response.fields.set("x-amz-request-id", request.id);
  response.fields.set("x-amz-id-2", "ramet");
  if (call.view != nullptr && call.request.fields.find("origin")) {
    auto added =
        co_await services_.workers.run_quick([&]() { return add_cors(call, response); });
    ignore_error(added, "the browser then keeps the answer from its script");
  }
  if (request.method == "HEAD") {
    if (!response.length) response.length = response.body.size();
    response.body.clear();
    response.parts.clear();
    response.source.reset();
  }
  co_return response;
}

Response S3Face::fault_response(const Call& call, const Fault& fault) const {
  Response response;
  response.status = fault.status();
  for (const auto& [name, value] : fault.headers()) response.fields.set(name, value);
  if (response.status == 304) return response;
  if (call.request.method != "HEAD") {
    response.fields.set("Content-Type", "application/xml");
    const auto path = percent_decode(call.request.path);
    response.body = error_xml(fault, path.ok() && is_utf8(*path) ? *path : call.request.path,
                              call.request.id);
  }
  response.error = fmt::format("{}: {}", info_of(fault.s3_code()).name,
                               fault.internal().empty() ? fault.message() : fault.internal());
  return response;
}

Task<Outcome<Response>> S3Face::serve(Call& call) {
  auto params = parse_query(call.request.query);
  if (!params.ok()) co_return Fault(Code::kInvalidURI);
  call.params = std::move(*params);
  RAMET_CO_ASSIGN(call.target, parse_target(call.request, services_.options.s3_domain));
  RAMET_CO_ASSIGN(call.operation, find_operation(call.request, call.target, call.params));
  if (call.operation->op == Op::kPreflight) {
    auto answer = co_await preflight(call);
    co_return answer;
  }
  if (call.operation->op == Op::kPostObject) {  // signed in its form
    if (!is_form(call.request)) {
      co_return Fault(Code::kMethodNotAllowed).with("Method", "POST");
    }
    auto answer = co_await post_object(call);
    co_return answer;
  }
  auto answered = co_await answer(call);
  co_return answered;
}

Task<Outcome<Response>> S3Face::answer(Call& call) {
  const StateStamp stamp = stamp_of(services_);
  const auto ask = [&]() { return authenticate(call); };
  auto authenticated = Workers::at_once(ask);
  if (!authenticated) authenticated = co_await services_.workers.run(ask);
  if (!authenticated->ok()) co_return std::move(*authenticated).error();
  const std::string key = answer_key(call);
  if (!key.empty()) {
    if (auto kept = kept_.find(key, stamp)) co_return std::move(*kept);
  }
  const auto check = [&]() { return authorize(call); };
  auto allowed = Workers::at_once(check);
  if (!allowed) allowed = co_await services_.workers.run(check);
  if (!allowed->ok()) co_return std::move(*allowed).error();
  auto answered = co_await dispatch(call);
  if (!key.empty() && answered.ok() && answered->status == 200) {
    // What a policy says may depend on more than the key.
    const auto look = [&]() { return document(*call.view, kPolicyDocument); };
    auto policy = Workers::at_once(look);
    if (policy && policy->ok() && !**policy) kept_.put(key, stamp, *answered);
  }
  co_return answered;
}

Outcome<void> S3Face::authenticate(Call& call) {
  RAMET_ASSIGN(call.claim, read_claim(call.request, call.params));
  if (!call.claim) return Code::kAccessDenied;  // nothing is answered without credentials
  RAMET_ASSIGN(AccessControl::KeyCaller key, find_access_key(call));
  const SignatureRules rules{call.now, services_.options.clock_skew_max,
                             services_.options.region};
  RAMET_TRY(check_time(*call.claim, rules));
  call.signing_key = signing_keys_.get(key.secret, call.claim->date, call.claim->region);
  RAMET_TRY(note_login(call, check_signature(call.request, call.params, *call.claim,
                                             call.signing_key)));
  call.caller = std::move(key.caller);
  return {};
}

Outcome<AccessControl::KeyCaller> S3Face::find_access_key(const Call& call) {
  const std::string& id = call.claim->key_id;
  if (const auto wait = limiter_.must_wait(call.request.peer, id)) {
    return Fault(Code::kSlowDown, "Too many requests with wrong credentials came from there.")
        .with_header("Retry-After", std::to_string(*wait / 1'000'000'000 + 1));
  }
  auto key = services_.access.find_key(id);
  if (key.ok()) return std::move(*key);
  if (key.error().code() != ErrorCode::kPermissionDenied &&
      key.error().code() != ErrorCode::kNotFound) {
    return std::move(key).error();
  }
  limiter_.failed(call.request.peer, id);
  return Fault(Code::kInvalidAccessKeyId).with("AWSAccessKeyId", id);
}

Outcome<void> S3Face::note_login(const Call& call, Outcome<void> checked) {
  if (checked.ok()) {
    limiter_.succeeded(call.request.peer, call.claim->key_id);
  } else if (checked.error().s3_code() == Code::kSignatureDoesNotMatch) {
    limiter_.failed(call.request.peer, call.claim->key_id);
  }
  return checked;
}

Outcome<void> S3Face::authorize(Call& call) {
  const Operation& operation = *call.operation;
  if (operation.op == Op::kListBuckets || operation.op == Op::kCreateBucket) return {};
  if (!is_addressable(call.target.bucket)) return no_bucket(call);
  auto container = services_.store.container(call.target.bucket);
  if (!container.ok()) {
    if (container.error().code() == ErrorCode::kNotFound) return no_bucket(call);
    // A name that no container can have.
    if (container.error().code() == ErrorCode::kInvalidArgument) return no_bucket(call);
    return std::move(container).error();
  }
  call.container = std::move(*container);
  if (call.container.form == ContainerForm::kRecords) return no_bucket(call);
  RAMET_ASSIGN(call.level, services_.access.level(call.caller, call.container.id));
  RAMET_ASSIGN(call.view, services_.store.view(call.container.id));
  const bool by_key = operation.op == Op::kDeleteObjects;  // asked for each key
  RAMET_ASSIGN(call.verdict,
               ask_policy(call, *call.view, call.target.bucket, operation.action,
                          by_key ? call.target.bucket + "/" : resource_of(call.target)));
  // Who administers a bucket cannot lock himself out of its policy.
  if (manages_policy(operation.op) && call.level >= AccessLevel::kAdminister) {
    call.verdict = Verdict::kNone;
  }
  if (by_key) {
    RAMET_ASSIGN(const auto policy, document(*call.view, kPolicyDocument));
    if (policy) {
      if (call.level == AccessLevel::kNone && call.verdict != Verdict::kAllow) {
        return Code::kAccessDenied;
      }
      return {};
    }
  }
  if (!call.may(operation.level)) return Code::kAccessDenied;
  return {};
}

Fault S3Face::no_bucket(const Call& call) const {
  const bool may_know = call.caller.principal.super_admin ||
                        (call.caller.principal.may_create && call.caller.scope.account);
  if (!may_know) return Code::kAccessDenied;
  return Fault(Code::kNoSuchBucket).with("BucketName", call.target.bucket);
}

Outcome<Verdict> S3Face::ask_policy(const Call& call, const View& view, std::string_view bucket,
                                    std::string_view action, std::string_view resource) {
  if (action.empty()) return Verdict::kNone;
  RAMET_ASSIGN(const std::optional<std::string> text, document(view, kPolicyDocument));
  if (!text) return Verdict::kNone;
  const std::string name = fmt::format("{}\n{}", bucket, *text);
  std::shared_ptr<const Policy> policy;
  {
    const std::lock_guard lock(mutex_);
    const auto found = policies_.find(name);
    if (found != policies_.end()) policy = found->second;
  }
  if (policy == nullptr) {
    auto parsed = Policy::parse(*text, bucket);
    // It was checked when it was put; a container that got another name since keeps no policy.
    if (!parsed.ok()) return Fault(Code::kAccessDenied, "The bucket's policy cannot be read.");
    policy = std::move(*parsed);
    const std::lock_guard lock(mutex_);
    if (policies_.size() >= kPoliciesMax) policies_.clear();
    policies_.emplace(name, policy);
  }
  const std::string id = canonical_id(call.caller.principal.id);
  PolicyQuestion question{call.caller.principal.name, id, action, resource,
                          [&](std::string_view key) { return context_of(call, key); }};
  return policy->evaluate(question);
}

Outcome<ContainerInfo> S3Face::open_bucket(const Call& call, const std::string& bucket,
                                           std::string_view action, std::string_view resource) {
  Fault missing = no_bucket(call);
  if (missing.s3_code() == Code::kNoSuchBucket) {
    missing = Fault(Code::kNoSuchBucket).with("BucketName", bucket);
  }
  if (!is_addressable(bucket)) return missing;
  auto container = services_.store.container(bucket);
  if (!container.ok()) {
    if (container.error().code() == ErrorCode::kNotFound ||
        container.error().code() == ErrorCode::kInvalidArgument) {
      return missing;
    }
    return std::move(container).error();
  }
  if (container->form == ContainerForm::kRecords) return missing;
  RAMET_ASSIGN(const AccessLevel level, services_.access.level(call.caller, container->id));
  RAMET_ASSIGN(const auto view, services_.store.view(container->id));
  RAMET_ASSIGN(const Verdict verdict, ask_policy(call, *view, bucket, action, resource));
  if (verdict == Verdict::kDeny ||
      (level < AccessLevel::kView && verdict != Verdict::kAllow)) {
    return Code::kAccessDenied;
  }
  return std::move(*container);
}

Outcome<void> S3Face::add_cors(const Call& call, Response& response) {
  RAMET_ASSIGN(const std::optional<std::string> xml, document(*call.view, kCorsDocument));
  if (!xml) return {};
  RAMET_ASSIGN(const std::vector<CorsRule> rules, parse_cors(*xml));
  apply_cors(rules, call.header("origin"), call.request.method, "", false, response.fields);
  return {};
}

Task<Outcome<Response>> S3Face::preflight(Call& call) {
  const std::string origin(call.header("origin"));
  const std::string method(call.header("access-control-request-method"));
  if (origin.empty() || method.empty()) {
    co_return Fault(Code::kInvalidRequest,
                    "Insufficient information. Origin request header and "
                    "Access-Control-Request-Method needed.");
  }
  const std::string bucket = call.target.bucket;
  auto found = co_await services_.workers.run_quick(
      [&]() -> Outcome<std::optional<std::string>> {
        if (!is_addressable(bucket)) return std::optional<std::string>();
        auto container = services_.store.container(bucket);
        if (!container.ok()) {
          if (container.error().code() == ErrorCode::kWouldWait) {
            return std::move(container).error();
          }
          return std::optional<std::string>();  // says no more than of a bucket without rules
        }
        return document(container->id, kCorsDocument);
      });
  if (!found.ok()) co_return std::move(found).error();
  Response response;
  if (*found) {
    auto rules = parse_cors(**found);
    if (rules.ok() && apply_cors(*rules, origin, method,
                                 call.header("access-control-request-headers"), true,
                                 response.fields)) {
      co_return response;
    }
  }
  co_return Fault(Code::kAccessForbidden)
      .with("Method", method)
      .with("ResourceType", call.target.key.empty() ? "BUCKET" : "OBJECT");
}

Task<Outcome<Response>> S3Face::dispatch(Call& call) {
  switch (call.operation->op) {
    case Op::kRefused: {
      Fault fault(call.operation->refusal);
      if (call.operation->refusal == Code::kNotImplemented) {
        fault = Fault(Code::kNotImplemented,
                      fmt::format("{} is not implemented.", call.operation->name));
      }
      co_return std::move(fault).with("BucketName", call.target.bucket);
    }
#define S3_QUICK(op_name, call_expr) \
  case Op::op_name: {                \
    auto answer = co_await quick([&]() -> Outcome<Response> { return call_expr; }); \
    co_return answer;                \
  }
#define S3_TASK(op_name, call_expr)        \
  case Op::op_name: {                      \
    auto answer = co_await call_expr;      \
    co_return answer;                      \
  }
    S3_QUICK(kListBuckets, list_buckets(call))
    S3_TASK(kCreateBucket, create_bucket(call))
    case Op::kHeadBucket: {
      Response response;
      response.fields.set("x-amz-bucket-region", services_.options.region);
      co_return response;
    }
    S3_TASK(kDeleteBucket, delete_bucket(call))
    S3_QUICK(kGetBucketLocation, get_location(call))
    S3_QUICK(kGetBucketVersioning, get_versioning(call))
    S3_TASK(kPutBucketVersioning, put_versioning(call))
    S3_QUICK(kGetBucketAcl, get_bucket_acl(call))
    S3_TASK(kPutBucketAcl, put_bucket_acl(call))
    S3_QUICK(kGetBucketPolicy, get_document(call, kPolicyDocument, Code::kNoSuchBucketPolicy))
    S3_TASK(kPutBucketPolicy, put_document(call))
    S3_TASK(kDeleteBucketPolicy, change_document(call, kPolicyDocument, std::nullopt, 204))
    S3_QUICK(kGetBucketPolicyStatus, get_policy_status(call))
    S3_QUICK(kGetBucketCors, get_document(call, kCorsDocument, Code::kNoSuchCORSConfiguration))
    S3_TASK(kPutBucketCors, put_document(call))
    S3_TASK(kDeleteBucketCors, change_document(call, kCorsDocument, std::nullopt, 204))
    S3_QUICK(kGetBucketLifecycle,
             get_document(call, kLifecycleDocument, Code::kNoSuchLifecycleConfiguration))
    S3_TASK(kPutBucketLifecycle, put_document(call))
    S3_TASK(kDeleteBucketLifecycle, change_document(call, kLifecycleDocument, std::nullopt, 204))
    S3_QUICK(kGetBucketTagging, get_document(call, kTaggingDocument, Code::kNoSuchTagSet))
    S3_TASK(kPutBucketTagging, put_document(call))
    S3_TASK(kDeleteBucketTagging, change_document(call, kTaggingDocument, std::nullopt, 204))
    S3_QUICK(kGetObjectLockConfiguration, get_object_lock(call))
    S3_TASK(kPutObjectLockConfiguration, put_object_lock(call))
    S3_QUICK(kGetBucketFixed, get_fixed(call))
    S3_QUICK(kListObjects, list_objects(call, false))
    S3_QUICK(kListObjectsV2, list_objects(call, true))
    S3_QUICK(kListObjectVersions, list_versions(call))
    S3_QUICK(kListMultipartUploads, list_uploads(call))
    S3_QUICK(kListChanges, list_changes(call))
    S3_TASK(kDeleteObjects, delete_objects(call))
    S3_QUICK(kGetObject, get_object(call))
    S3_QUICK(kHeadObject, get_object(call))
    S3_TASK(kPutObject, put_object(call))
    S3_TASK(kCopyObject, copy_object(call))
    S3_TASK(kDeleteObject, delete_object(call))
    S3_QUICK(kGetObjectAcl, get_object_acl(call))
    S3_TASK(kPutObjectAcl, put_object_acl(call))
    S3_QUICK(kGetObjectAttributes, get_attributes(call))
    S3_QUICK(kGetObjectTagging, get_tagging(call))
    S3_TASK(kPutObjectTagging, put_tagging(call))
    S3_TASK(kDeleteObjectTagging, delete_tagging(call))
    S3_QUICK(kGetObjectRetention, get_retention(call))
    S3_TASK(kPutObjectRetention, put_retention(call))
    S3_QUICK(kGetObjectLegalHold, get_legal_hold(call))
    S3_TASK(kPutObjectLegalHold, put_legal_hold(call))
    S3_TASK(kCreateMultipartUpload, create_upload(call))
    S3_TASK(kUploadPart, upload_part(call))
    S3_TASK(kUploadPartCopy, upload_part_copy(call))
    S3_TASK(kCompleteMultipartUpload, complete_upload(call))
    S3_TASK(kAbortMultipartUpload, abort_upload(call))
    S3_QUICK(kListParts, list_parts(call))
#undef S3_QUICK
#undef S3_TASK
    case Op::kPreflight:
    case Op::kPostObject: break;  // answered before
  }
  co_return Fault(Code::kInternalError);
}

}  // namespace ramet::serve::s3

namespace ramet::serve {

std::unique_ptr<Face> make_s3_face(Services& services) {
  return std::make_unique<s3::S3Face>(services);
}

}  // namespace ramet::serve
