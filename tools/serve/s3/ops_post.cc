// Uploads from HTML forms. Who sends one is whoever signed its policy.
#include <fmt/format.h>

#include "tools/serve/s3/face.h"
#include "tools/serve/s3/form.h"
#include "tools/serve/s3/names.h"
#include "tools/serve/s3/xml.h"

namespace ramet::serve::s3 {
namespace {

// Content whose length must be in a range: cut off as soon as it is too long.
class LimitedBody : public Body {
 public:
  LimitedBody(Body& body, uint64_t most) : body_(body), left_(most) {}
  Task<Result<size_t>> read(std::span<char> into) override {
    auto got = co_await body_.read(into);
    if (got.ok()) {
      if (*got > left_) {
        co_return Error(ErrorCode::kInvalidArgument,
                        "Your proposed upload exceeds the maximum allowed size");
      }
      left_ -= *got;
      taken_ += *got;
    }
    co_return got;
  }
  uint64_t taken() const { return taken_; }

 private:
  Body& body_;
  uint64_t left_;
  uint64_t taken_ = 0;
};

// The fields of a form as a request would have them.
Fields as_fields(const FormReader& form) {
  Fields fields;
  for (const auto& [name, value] : form.fields()) {
    if (name == "x-ignore-content-type") {
      fields.add("content-type", value);
    } else if (name == "acl") {
      fields.add("x-amz-acl", value);
    } else if (name == "tagging") {
      continue;  // XML, read below
    } else {
      fields.add(name, value);
    }
  }
  return fields;
}

}  // namespace

Task<Outcome<Response>> S3Face::post_object(Call& call) {
  const std::string boundary = form_boundary(call.header("content-type"));
  if (boundary.empty() || boundary.size() > 200) co_return Fault(Code::kMalformedPOSTRequest);
  FormReader form(call.body, boundary);
  RAMET_CO_TRY(co_await form.read_fields());

  std::string key = form.field("key");
  constexpr std::string_view kFileName = "${filename}";
  if (const size_t at = key.find(kFileName); at != std::string::npos) {
    key.replace(at, kFileName.size(), form.file_name());
  }
  if (key.empty()) {
    co_return Fault(Code::kInvalidArgument,
                    "Bucket POST must contain a field named 'key'.  If it is specified, please "
                    "check the order of the fields.");
  }
  RAMET_CO_TRY(check_s3_key(key));
  if (form.field("policy").empty()) co_return Fault(Code::kAccessDenied);
  if (form.field("x-amz-algorithm") != "AWS4-HMAC-SHA256") {
    co_return Fault(form.field("signature").empty() ? Code::kAccessDenied
                                                    : Code::kUnsupportedSignature);
  }
  // The same claim as of a presigned request, but over the policy alone.
  Request as_query;
  QueryParams params = {{"X-Amz-Algorithm", form.field("x-amz-algorithm")},
                        {"X-Amz-Credential", form.field("x-amz-credential")},
                        {"X-Amz-Date", form.field("x-amz-date")},
                        {"X-Amz-Signature", form.field("x-amz-signature")},
                        {"X-Amz-SignedHeaders", "host"},
                        {"X-Amz-Expires", "604800"}};
  RAMET_CO_ASSIGN(call.claim, read_claim(as_query, params));
  call.target.key = key;
  auto admitted = co_await services_.workers.run_quick([&]() -> Outcome<void> {
    RAMET_ASSIGN(AccessControl::KeyCaller found, find_access_key(call));
    RAMET_TRY(check_time(*call.claim, {call.now, services_.options.clock_skew_max,
                                       services_.options.region}));
    call.signing_key = signing_keys_.get(found.secret, call.claim->date, call.claim->region);
    const bool signed_so = equal_secretly(
        to_hex(hmac_sha256(call.signing_key, form.field("policy"))), call.claim->signature);
    RAMET_TRY(note_login(call, signed_so ? Outcome<void>()
                                         : Fault(Code::kSignatureDoesNotMatch)
                                               .with("AWSAccessKeyId", call.claim->key_id)
                                               .with("SignatureProvided",
                                                     call.claim->signature)));
    call.caller = std::move(found.caller);
    RAMET_TRY(authorize(call));
    if (!call.may(AccessLevel::kUpload)) return Code::kAccessDenied;
    return {};
  });
  if (!admitted.ok()) co_return std::move(admitted).error();

  const auto policy = from_base64(form.field("policy"));
  if (!policy) {
    co_return Fault(Code::kInvalidPolicyDocument, "Invalid Policy: Invalid Base64.");
  }
  std::map<std::string, std::string> fields = form.fields();
  fields["bucket"] = call.target.bucket;
  fields["key"] = key;
  RAMET_CO_ASSIGN(const LengthRange range, check_post_policy(*policy, fields, call.now));

  Fields meta = as_fields(form);
  if (const std::string tagging = form.field("tagging"); !tagging.empty()) {
    RAMET_CO_ASSIGN(const XmlDocument document, XmlDocument::parse(tagging, "Tagging"));
    std::string encoded_tags;
    for (const XmlNode& tag : document.root().child("TagSet").children("Tag")) {
      encoded_tags += (encoded_tags.empty() ? "" : "&") +
                      percent_encode(tag.child("Key").exact(), true) + "=" +
                      percent_encode(tag.child("Value").exact(), true);
    }
    meta.add("x-amz-tagging", encoded_tags);
  }
  auto prepared =
      co_await services_.workers.run_quick([&]() { return prepare_put(call, meta, key); });
  if (!prepared.ok()) co_return std::move(prepared).error();

  LimitedBody limited(form, range.most);
  Request content_request;
  Claim unsigned_claim;
  RAMET_CO_ASSIGN(auto payload, Payload::make(content_request, limited, unsigned_claim,
                                              std::nullopt, true));
  auto received = co_await receive(call, *payload);
  if (!received.ok()) co_return std::move(received).error();
  Content content = std::move(*received);
  if (content.size < range.least) {
    co_await forget(content);
    co_return Fault(Code::kEntityTooSmall)
        .with("ProposedSize", std::to_string(content.size))
        .with("MinSizeAllowed", std::to_string(range.least));
  }
  auto stored = co_await put_content(call, std::move(*prepared), std::move(content));
  if (!stored.ok()) co_return std::move(stored).error();
  Response response = std::move(*stored);
  const std::string etag(response.fields.get("etag"));
  const std::string location = fmt::format("{}://{}/{}/{}", call.request.tls ? "https" : "http",
                                           call.request.host(), call.target.bucket,
                                           percent_encode(key));
  response.fields.set("Location", location);
  std::string redirect = form.field("success_action_redirect");
  const std::string status = form.field("success_action_status");
  if (redirect.starts_with("http://") || redirect.starts_with("https://")) {
    redirect += redirect.find('?') == std::string::npos ? "?" : "&";
    redirect += fmt::format("bucket={}&key={}&etag={}", percent_encode(call.target.bucket, true),
                            percent_encode(key, true), percent_encode(etag, true));
    if (redirect.find_first_of("\r\n") == std::string::npos) {
      response.status = 303;
      response.fields.set("Location", redirect);
      co_return response;
    }
  }
  if (status == "201") {
    XmlWriter xml;
    xml.open("PostResponse");
    xml.text("Location", location);
    xml.text("Bucket", call.target.bucket);
    xml.text("Key", key);
    xml.text("ETag", etag);
    xml.close("PostResponse");
    response.status = 201;
    response.fields.set("Content-Type", "application/xml");
    response.body = std::move(xml).finish();
  } else {
    response.status = status == "200" ? 200 : 204;
  }
  co_return response;
}

}  // namespace ramet::serve::s3
