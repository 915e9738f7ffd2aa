// The one table of S3's operations: how a request is one of them, what it takes to be allowed, and
// the action that bucket policies know it by. Dispatch, documentation and tests go by it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "engine/access.h"
#include "tools/serve/http.h"
#include "tools/serve/s3/errors.h"
#include "tools/serve/s3/names.h"

namespace ramet::serve::s3 {

enum class Op : uint8_t {
  kListBuckets,
  kPreflight,
  kCreateBucket, kHeadBucket, kDeleteBucket, kGetBucketLocation,
  kGetBucketVersioning, kPutBucketVersioning,
  kGetBucketAcl, kPutBucketAcl,
  kGetBucketPolicy, kPutBucketPolicy, kDeleteBucketPolicy, kGetBucketPolicyStatus,
  kGetBucketCors, kPutBucketCors, kDeleteBucketCors,
  kGetBucketLifecycle, kPutBucketLifecycle, kDeleteBucketLifecycle,
  kGetBucketTagging, kPutBucketTagging, kDeleteBucketTagging,
  kGetObjectLockConfiguration, kPutObjectLockConfiguration,
  kGetBucketFixed,  // settings that can only have one value here
  kListObjects, kListObjectsV2, kListObjectVersions, kListMultipartUploads, kListChanges,
  kDeleteObjects, kPostObject,
  kGetObject, kHeadObject, kPutObject, kCopyObject, kDeleteObject,
  kGetObjectAcl, kPutObjectAcl, kGetObjectAttributes,
  kGetObjectTagging, kPutObjectTagging, kDeleteObjectTagging,
  kGetObjectRetention, kPutObjectRetention, kGetObjectLegalHold, kPutObjectLegalHold,
  kCreateMultipartUpload, kUploadPart, kUploadPartCopy, kCompleteMultipartUpload,
  kAbortMultipartUpload, kListParts,
  kRefused,  // S3 has it, Ramet does not: `refusal`
};

enum class On : uint8_t { kService, kBucket, kObject };

struct Operation {
  Op op;
  std::string_view name;    // S3's: "GetObject"
  std::string_view method;
  On on;
  std::string_view query;   // a parameter that must be there; empty: none
  bool copy = false;        // with x-amz-copy-source alone
  // On the bucket. kNone: asked elsewhere (creating buckets, listing them, forms).
  AccessLevel level = AccessLevel::kNone;
  std::string_view action;  // "s3:GetObject"
  Code refusal = Code::kNotImplemented;  // of kRefused
};

// The first one that a request matches is meant.
std::span<const Operation> operations();

// MethodNotAllowed: there is none.
Outcome<const Operation*> find_operation(const Request& request, const Target& target,
                                         const QueryParams& params);

}  // namespace ramet::serve::s3
