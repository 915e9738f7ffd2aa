#include "tools/serve/s3/errors.h"

#include <array>

#include "tools/serve/s3/xml.h"

namespace ramet::serve::s3 {
namespace {

constexpr std::array kCodes = {
    CodeInfo{Code::kAccessControlListNotSupported, "AccessControlListNotSupported", 400,
             "The bucket does not allow ACLs"},
    CodeInfo{Code::kAccessDenied, "AccessDenied", 403, "Access Denied"},
    CodeInfo{Code::kAccessForbidden, "AccessForbidden", 403,
             "CORSResponse: This CORS request is not allowed. This is usually because the "
             "evaluation of Origin, request method / Access-Control-Request-Method or "
             "Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."},
    CodeInfo{Code::kAuthorizationHeaderMalformed, "AuthorizationHeaderMalformed", 400,
             "The authorization header that you provided is not valid."},
    CodeInfo{Code::kAuthorizationQueryParametersError, "AuthorizationQueryParametersError", 400,
             "The authorization query parameters that you provided are not valid."},
    CodeInfo{Code::kBadDigest, "BadDigest", 400,
             "The Content-MD5 you specified did not match what we received."},
    CodeInfo{Code::kBucketAlreadyExists, "BucketAlreadyExists", 409,
             "The requested bucket name is not available. The bucket namespace is shared by all "
             "users of the system. Please select a different name and try again."},
    CodeInfo{Code::kBucketAlreadyOwnedByYou, "BucketAlreadyOwnedByYou", 409,
             "Your previous request to create the named bucket succeeded and you already own it."},
    CodeInfo{Code::kBucketNotEmpty, "BucketNotEmpty", 409,
             "The bucket you tried to delete is not empty"},
    CodeInfo{Code::kEntityTooLarge, "EntityTooLarge", 400,
             "Your proposed upload exceeds the maximum allowed size"},
    CodeInfo{Code::kEntityTooSmall, "EntityTooSmall", 400,
             "Your proposed upload is smaller than the minimum allowed size"},
    CodeInfo{Code::kIncompleteBody, "IncompleteBody", 400,
             "You did not provide the number of bytes specified by the Content-Length HTTP "
             "header"},
    CodeInfo{Code::kInternalError, "InternalError", 500,
             "We encountered an internal error. Please try again."},
    CodeInfo{Code::kInvalidAccessKeyId, "InvalidAccessKeyId", 403,
             "The AWS Access Key Id you provided does not exist in our records."},
    CodeInfo{Code::kInvalidArgument, "InvalidArgument", 400, "Invalid Argument"},
    CodeInfo{Code::kInvalidBucketName, "InvalidBucketName", 400,
             "The specified bucket is not valid."},
    CodeInfo{Code::kInvalidBucketState, "InvalidBucketState", 409,
             "The request is not valid with the current state of the bucket."},
    CodeInfo{Code::kInvalidDigest, "InvalidDigest", 400,
             "The Content-MD5 you specified was invalid."},
    CodeInfo{Code::kInvalidEncodingAlgorithm, "InvalidEncodingAlgorithmError", 400,
             "The encryption request you specified is not valid. The valid value is AES256."},
    CodeInfo{Code::kInvalidLocationConstraint, "InvalidLocationConstraint", 400,
             "The specified location-constraint is not valid"},
    CodeInfo{Code::kInvalidObjectState, "InvalidObjectState", 403,
             "The operation is not valid for the current state of the object."},
    CodeInfo{Code::kInvalidPart, "InvalidPart", 400,
             "One or more of the specified parts could not be found.  The part may not have been "
             "uploaded, or the specified entity tag may not match the part's entity tag."},
    CodeInfo{Code::kInvalidPartNumber, "InvalidPartNumber", 416,
             "The requested partnumber is not satisfiable"},
    CodeInfo{Code::kInvalidPartOrder, "InvalidPartOrder", 400,
             "The list of parts was not in ascending order. Parts must be ordered by part "
             "number."},
    CodeInfo{Code::kInvalidPolicyDocument, "InvalidPolicyDocument", 400,
             "The content of the form does not meet the conditions specified in the policy "
             "document."},
    CodeInfo{Code::kInvalidRange, "InvalidRange", 416, "The requested range is not satisfiable"},
    CodeInfo{Code::kInvalidRequest, "InvalidRequest", 400, "Invalid Request"},
    CodeInfo{Code::kInvalidStorageClass, "InvalidStorageClass", 400,
             "The storage class you specified is not valid"},
    CodeInfo{Code::kInvalidTag, "InvalidTag", 400,
             "The tag provided was not a valid tag. This error can occur if the tag did not pass "
             "input validation."},
    CodeInfo{Code::kInvalidURI, "InvalidURI", 400, "Couldn't parse the specified URI."},
    CodeInfo{Code::kKeyTooLongError, "KeyTooLongError", 400, "Your key is too long"},
    CodeInfo{Code::kMalformedACLError, "MalformedACLError", 400,
             "The XML you provided was not well-formed or did not validate against our published "
             "schema"},
    CodeInfo{Code::kMalformedPOSTRequest, "MalformedPOSTRequest", 400,
             "The body of your POST request is not well-formed multipart/form-data."},
    CodeInfo{Code::kMalformedPolicy, "MalformedPolicy", 400, "Policies must be valid JSON and the "
             "first byte must be '{'"},
    CodeInfo{Code::kMalformedXML, "MalformedXML", 400,
             "The XML you provided was not well-formed or did not validate against our published "
             "schema"},
    CodeInfo{Code::kMaxPostPreDataLengthExceeded, "MaxPostPreDataLengthExceeded", 400,
             "Your POST request fields preceding the upload file were too large."},
    CodeInfo{Code::kMetadataTooLarge, "MetadataTooLarge", 400,
             "Your metadata headers exceed the maximum allowed metadata size"},
    CodeInfo{Code::kMethodNotAllowed, "MethodNotAllowed", 405,
             "The specified method is not allowed against this resource."},
    CodeInfo{Code::kMissingContentLength, "MissingContentLength", 411,
             "You must provide the Content-Length HTTP header."},
    CodeInfo{Code::kMissingFields, "MissingFields", 400, "Missing fields in request."},
    CodeInfo{Code::kMissingRequestBody, "MissingRequestBodyError", 400, "Request body is empty."},
    CodeInfo{Code::kNoSuchBucket, "NoSuchBucket", 404, "The specified bucket does not exist"},
    CodeInfo{Code::kNoSuchBucketPolicy, "NoSuchBucketPolicy", 404,
             "The bucket policy does not exist"},
    CodeInfo{Code::kNoSuchCORSConfiguration, "NoSuchCORSConfiguration", 404,
             "The CORS configuration does not exist"},
    CodeInfo{Code::kNoSuchKey, "NoSuchKey", 404, "The specified key does not exist."},
    CodeInfo{Code::kNoSuchLifecycleConfiguration, "NoSuchLifecycleConfiguration", 404,
             "The lifecycle configuration does not exist"},
    CodeInfo{Code::kNoSuchObjectLockConfiguration, "NoSuchObjectLockConfiguration", 404,
             "The specified object does not have a ObjectLock configuration"},
    CodeInfo{Code::kNoSuchTagSet, "NoSuchTagSet", 404, "The TagSet does not exist"},
    CodeInfo{Code::kNoSuchUpload, "NoSuchUpload", 404,
             "The specified upload does not exist. The upload ID may be invalid, or the upload "
             "may have been aborted or completed."},
    CodeInfo{Code::kNoSuchVersion, "NoSuchVersion", 404, "The specified version does not exist."},
    CodeInfo{Code::kNotImplemented, "NotImplemented", 501,
             "A header you provided implies functionality that is not implemented"},
    CodeInfo{Code::kNotModified, "NotModified", 304, "Not Modified"},
    CodeInfo{Code::kObjectLockConfigurationNotFound, "ObjectLockConfigurationNotFoundError", 404,
             "Object Lock configuration does not exist for this bucket"},
    CodeInfo{Code::kOperationAborted, "OperationAborted", 409,
             "A conflicting conditional operation is currently in progress against this resource. "
             "Please try again."},
    CodeInfo{Code::kOwnershipControlsNotFound, "OwnershipControlsNotFoundError", 404,
             "The bucket ownership controls were not found"},
    CodeInfo{Code::kPreconditionFailed, "PreconditionFailed", 412,
             "At least one of the pre-conditions you specified did not hold"},
    CodeInfo{Code::kQuotaExceeded, "QuotaExceeded", 403, "The quota of the bucket is exceeded"},
    CodeInfo{Code::kReplicationConfigurationNotFound, "ReplicationConfigurationNotFoundError", 404,
             "The replication configuration was not found"},
    CodeInfo{Code::kRequestTimeTooSkewed, "RequestTimeTooSkewed", 403,
             "The difference between the request time and the current time is too large."},
    CodeInfo{Code::kRequestTimeout, "RequestTimeout", 400,
             "Your socket connection to the server was not read from or written to within the "
             "timeout period. Idle connections will be closed."},
    CodeInfo{Code::kServerSideEncryptionConfigurationNotFound,
             "ServerSideEncryptionConfigurationNotFoundError", 404,
             "The server side encryption configuration was not found"},
    CodeInfo{Code::kServiceUnavailable, "ServiceUnavailable", 503,
             "Service is unable to handle request."},
    CodeInfo{Code::kSignatureDoesNotMatch, "SignatureDoesNotMatch", 403,
             "The request signature we calculated does not match the signature you provided. Check "
             "your key and signing method."},
    CodeInfo{Code::kSlowDown, "SlowDown", 503, "Please reduce your request rate."},
    CodeInfo{Code::kNoSuchPublicAccessBlockConfiguration, "NoSuchPublicAccessBlockConfiguration",
             404, "The public access block configuration was not found"},
    CodeInfo{Code::kNoSuchWebsiteConfiguration, "NoSuchWebsiteConfiguration", 404,
             "The specified bucket does not have a website configuration"},
    CodeInfo{Code::kTooManyBuckets, "TooManyBuckets", 400,
             "You have attempted to create more buckets than allowed"},
    CodeInfo{Code::kUnsupportedSignature, "InvalidRequest", 400,
             "The authorization mechanism you have provided is not supported. Please use "
             "AWS4-HMAC-SHA256."},
    CodeInfo{Code::kXAmzContentChecksumMismatch, "BadDigest", 400,
             "The checksum you specified did not match the calculated checksum."},
    CodeInfo{Code::kXAmzContentSHA256Mismatch, "XAmzContentSHA256Mismatch", 400,
             "The provided 'x-amz-content-sha256' header does not match what was computed."},
    CodeInfo{Code::kExpiredToken, "ExpiredToken", 400, "The provided token has expired."},
};
static_assert(kCodes.size() == static_cast<size_t>(Code::kLast) + 1);

constexpr bool in_order() {
  for (size_t i = 0; i < kCodes.size(); ++i) {
    if (static_cast<size_t>(kCodes[i].code) != i || kCodes[i].text.empty()) return false;
  }
  return true;
}
static_assert(in_order(), "the table has the order of the enumeration");

Code code_for(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return Code::kNoSuchKey;
    case ErrorCode::kAlreadyExists: return Code::kOperationAborted;
    case ErrorCode::kInvalidArgument: return Code::kInvalidArgument;
    case ErrorCode::kFailedPrecondition: return Code::kInvalidRequest;
    case ErrorCode::kPermissionDenied: return Code::kAccessDenied;
    case ErrorCode::kOutOfSpace: return Code::kServiceUnavailable;
    case ErrorCode::kBusy: return Code::kSlowDown;
    case ErrorCode::kQuotaExceeded: return Code::kQuotaExceeded;
    case ErrorCode::kUnsupported: return Code::kNotImplemented;
    case ErrorCode::kFenced:
    case ErrorCode::kCancelled: return Code::kServiceUnavailable;
    case ErrorCode::kCorruption:
    case ErrorCode::kIoError:
    case ErrorCode::kWouldWait: return Code::kInternalError;
  }
  return Code::kInternalError;
}

}  // namespace

const CodeInfo& info_of(Code code) { return kCodes[static_cast<size_t>(code)]; }

Fault::Fault(Error error) : code_(code_for(error.code())), engine_code_(error.code()) {
  // What the engine says of a request that makes no sense helps its sender; what it says of disks
  // and segments is for the operator.
  switch (error.code()) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kFailedPrecondition:
    case ErrorCode::kQuotaExceeded: message_ = error.message(); break;
    case ErrorCode::kOutOfSpace: message_ = "The store's disk is full."; break;
    case ErrorCode::kUnsupported: message_ = error.message(); break;
    default: break;
  }
  internal_ = error.to_string();
}

std::string error_xml(const Fault& fault, std::string_view resource, std::string_view request_id) {
  XmlWriter xml;
  xml.open("Error");
  xml.text("Code", info_of(fault.s3_code()).name);
  xml.text("Message", fault.message());
  for (const auto& [name, value] : fault.details()) xml.text(name, value);
  xml.text("Resource", resource);
  xml.text("RequestId", request_id);
  xml.text("HostId", "ramet");
  xml.close("Error");
  return std::move(xml).finish();
}

}  // namespace ramet::serve::s3
