// The errors of S3: one table of codes with their statuses and texts, a failure that carries one of
// them, and the XML that tells it (AWS, Amazon S3 API Reference, "Error responses").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format/result.h"
#include "tools/serve/outcome.h"

namespace ramet::serve::s3 {

enum class Code : uint8_t {
  kAccessControlListNotSupported,
  kAccessDenied,
  kAccessForbidden,
  kAuthorizationHeaderMalformed,
  kAuthorizationQueryParametersError,
  kBadDigest,
  kBucketAlreadyExists,
  kBucketAlreadyOwnedByYou,
  kBucketNotEmpty,
  kEntityTooLarge,
  kEntityTooSmall,
  kIncompleteBody,
  kInternalError,
  kInvalidAccessKeyId,
  kInvalidArgument,
  kInvalidBucketName,
  kInvalidBucketState,
  kInvalidDigest,
  kInvalidEncodingAlgorithm,
  kInvalidLocationConstraint,
  kInvalidObjectState,
  kInvalidPart,
  kInvalidPartNumber,
  kInvalidPartOrder,
  kInvalidPolicyDocument,
  kInvalidRange,
  kInvalidRequest,
  kInvalidStorageClass,
  kInvalidTag,
  kInvalidURI,
  kKeyTooLongError,
  kMalformedACLError,
  kMalformedPOSTRequest,
  kMalformedPolicy,
  kMalformedXML,
  kMaxPostPreDataLengthExceeded,
  kMetadataTooLarge,
  kMethodNotAllowed,
  kMissingContentLength,
  kMissingFields,
  kMissingRequestBody,
  kNoSuchBucket,
  kNoSuchBucketPolicy,
  kNoSuchCORSConfiguration,
  kNoSuchKey,
  kNoSuchLifecycleConfiguration,
  kNoSuchObjectLockConfiguration,
  kNoSuchTagSet,
  kNoSuchUpload,
  kNoSuchVersion,
  kNotImplemented,
  kNotModified,
  kObjectLockConfigurationNotFound,
  kOperationAborted,
  kOwnershipControlsNotFound,
  kPreconditionFailed,
  kQuotaExceeded,
  kReplicationConfigurationNotFound,
  kRequestTimeTooSkewed,
  kRequestTimeout,
  kServerSideEncryptionConfigurationNotFound,
  kServiceUnavailable,
  kSignatureDoesNotMatch,
  kSlowDown,
  kNoSuchPublicAccessBlockConfiguration,
  kNoSuchWebsiteConfiguration,
  kTooManyBuckets,
  kUnsupportedSignature,
  kXAmzContentChecksumMismatch,
  kXAmzContentSHA256Mismatch,
  kExpiredToken,
  kLast = kExpiredToken,
};

struct CodeInfo {
  Code code;
  std::string_view name;  // "NoSuchKey"
  int status;
  std::string_view text;  // what S3 says; never empty
};
const CodeInfo& info_of(Code code);

// A failure of an S3 request. An Error of the engine becomes one by the table in errors.cc.
class [[nodiscard]] Fault {
 public:
  Fault(Code code) : Fault(code, std::string()) {}  // NOLINT: implicit on purpose
  // `message`: empty for the text of the table.
  Fault(Code code, std::string message) : code_(code), message_(std::move(message)) {}
  Fault(Error error);  // NOLINT: implicit on purpose

  Code s3_code() const { return code_; }
  // Of the engine's error that it came from: what Workers::run_quick() asks for.
  ErrorCode code() const { return engine_code_; }
  int status() const { return info_of(code_).status; }
  std::string_view message() const {
    return message_.empty() ? info_of(code_).text : std::string_view(message_);
  }
  // For the log alone: what the caller is not told.
  const std::string& internal() const { return internal_; }

  // One more element of the XML: "BucketName", "StringToSign", ...
  Fault with(std::string name, std::string value) && {
    details_.emplace_back(std::move(name), std::move(value));
    return std::move(*this);
  }
  const std::vector<std::pair<std::string, std::string>>& details() const { return details_; }
  // One more field of the answer: "x-amz-delete-marker", ...
  Fault with_header(std::string name, std::string value) && {
    headers_.emplace_back(std::move(name), std::move(value));
    return std::move(*this);
  }
  const std::vector<std::pair<std::string, std::string>>& headers() const { return headers_; }

 private:
  Code code_;
  ErrorCode engine_code_ = ErrorCode::kInvalidArgument;
  std::string message_;
  std::string internal_;
  std::vector<std::pair<std::string, std::string>> details_;
  std::vector<std::pair<std::string, std::string>> headers_;
};

template <typename T>
using Outcome = BasicOutcome<T, Fault>;

// <Error> with Code, Message, Resource, RequestId, HostId and the fault's details.
std::string error_xml(const Fault& fault, std::string_view resource, std::string_view request_id);

}  // namespace ramet::serve::s3
