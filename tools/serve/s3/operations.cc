#include "tools/serve/s3/operations.h"

#include <array>

namespace ramet::serve::s3 {
namespace {

constexpr AccessLevel kNone = AccessLevel::kNone;
constexpr AccessLevel kView = AccessLevel::kView;
constexpr AccessLevel kUpload = AccessLevel::kUpload;
constexpr AccessLevel kContribute = AccessLevel::kContribute;
constexpr AccessLevel kAdminister = AccessLevel::kAdminister;

constexpr Operation refused(std::string_view name, std::string_view method, On on,
                            std::string_view query, Code refusal = Code::kNotImplemented) {
  return {Op::kRefused, name, method, on, query, false, kView, "", refusal};
}

constexpr std::array kOperations = {
    Operation{Op::kListBuckets, "ListBuckets", "GET", On::kService, "", false, kNone,
              "s3:ListAllMyBuckets"},

    Operation{Op::kPreflight, "Preflight", "OPTIONS", On::kBucket, "", false, kNone, ""},
    Operation{Op::kPreflight, "Preflight", "OPTIONS", On::kObject, "", false, kNone, ""},

    // --- buckets: reading ------------------------------------------------------------------------
    Operation{Op::kHeadBucket, "HeadBucket", "HEAD", On::kBucket, "", false, kView,
              "s3:ListBucket"},
    Operation{Op::kGetBucketLocation, "GetBucketLocation", "GET", On::kBucket, "location", false,
              kView, "s3:GetBucketLocation"},
    Operation{Op::kGetBucketVersioning, "GetBucketVersioning", "GET", On::kBucket, "versioning",
              false, kView, "s3:GetBucketVersioning"},
    Operation{Op::kGetBucketAcl, "GetBucketAcl", "GET", On::kBucket, "acl", false, kAdminister,
              "s3:GetBucketAcl"},
    Operation{Op::kGetBucketPolicy, "GetBucketPolicy", "GET", On::kBucket, "policy", false,
              kAdminister, "s3:GetBucketPolicy"},
    Operation{Op::kGetBucketPolicyStatus, "GetBucketPolicyStatus", "GET", On::kBucket,
              "policyStatus", false, kAdminister, "s3:GetBucketPolicyStatus"},
    Operation{Op::kGetBucketCors, "GetBucketCors", "GET", On::kBucket, "cors", false, kAdminister,
              "s3:GetBucketCORS"},
    Operation{Op::kGetBucketLifecycle, "GetBucketLifecycleConfiguration", "GET", On::kBucket,
              "lifecycle", false, kAdminister, "s3:GetLifecycleConfiguration"},
    Operation{Op::kGetBucketTagging, "GetBucketTagging", "GET", On::kBucket, "tagging", false,
              kView, "s3:GetBucketTagging"},
    Operation{Op::kGetObjectLockConfiguration, "GetObjectLockConfiguration", "GET", On::kBucket,
              "object-lock", false, kView, "s3:GetBucketObjectLockConfiguration"},
    Operation{Op::kGetBucketFixed, "GetBucketRequestPayment", "GET", On::kBucket,
              "requestPayment", false, kView, "s3:GetBucketRequestPayment"},
    Operation{Op::kGetBucketFixed, "GetBucketLogging", "GET", On::kBucket, "logging", false,
              kView, "s3:GetBucketLogging"},
    Operation{Op::kGetBucketFixed, "GetBucketNotificationConfiguration", "GET", On::kBucket,
              "notification", false, kView, "s3:GetBucketNotification"},
    Operation{Op::kGetBucketFixed, "GetBucketAccelerateConfiguration", "GET", On::kBucket,
              "accelerate", false, kView, "s3:GetAccelerateConfiguration"},
    refused("GetBucketWebsite", "GET", On::kBucket, "website", Code::kNoSuchWebsiteConfiguration),
    refused("GetBucketReplication", "GET", On::kBucket, "replication",
            Code::kReplicationConfigurationNotFound),
    refused("GetBucketEncryption", "GET", On::kBucket, "encryption",
            Code::kServerSideEncryptionConfigurationNotFound),
    refused("GetPublicAccessBlock", "GET", On::kBucket, "publicAccessBlock",
            Code::kNoSuchPublicAccessBlockConfiguration),
    refused("GetBucketOwnershipControls", "GET", On::kBucket, "ownershipControls",
            Code::kOwnershipControlsNotFound),
    refused("GetBucketInventoryConfiguration", "GET", On::kBucket, "inventory"),
    refused("GetBucketAnalyticsConfiguration", "GET", On::kBucket, "analytics"),
    refused("GetBucketMetricsConfiguration", "GET", On::kBucket, "metrics"),
    refused("GetBucketIntelligentTieringConfiguration", "GET", On::kBucket,
            "intelligent-tiering"),
    Operation{Op::kListObjectVersions, "ListObjectVersions", "GET", On::kBucket, "versions", false,
              kView, "s3:ListBucketVersions"},
    Operation{Op::kListMultipartUploads, "ListMultipartUploads", "GET", On::kBucket, "uploads",
              false, kView, "s3:ListBucketMultipartUploads"},
    Operation{Op::kListChanges, "ListChanges", "GET", On::kBucket, "diff", false, kView,
              "s3:ListBucket"},
    Operation{Op::kListObjectsV2, "ListObjectsV2", "GET", On::kBucket, "list-type", false, kView,
              "s3:ListBucket"},
    Operation{Op::kListObjects, "ListObjects", "GET", On::kBucket, "", false, kView,
              "s3:ListBucket"},

    // --- buckets: changing -----------------------------------------------------------------------
    Operation{Op::kPutBucketVersioning, "PutBucketVersioning", "PUT", On::kBucket, "versioning",
              false, kAdminister, "s3:PutBucketVersioning"},
    Operation{Op::kPutBucketAcl, "PutBucketAcl", "PUT", On::kBucket, "acl", false, kAdminister,
              "s3:PutBucketAcl"},
    Operation{Op::kPutBucketPolicy, "PutBucketPolicy", "PUT", On::kBucket, "policy", false,
              kAdminister, "s3:PutBucketPolicy"},
    Operation{Op::kPutBucketCors, "PutBucketCors", "PUT", On::kBucket, "cors", false, kAdminister,
              "s3:PutBucketCORS"},
    Operation{Op::kPutBucketLifecycle, "PutBucketLifecycleConfiguration", "PUT", On::kBucket,
              "lifecycle", false, kAdminister, "s3:PutLifecycleConfiguration"},
    Operation{Op::kPutBucketTagging, "PutBucketTagging", "PUT", On::kBucket, "tagging", false,
              kAdminister, "s3:PutBucketTagging"},
    Operation{Op::kPutObjectLockConfiguration, "PutObjectLockConfiguration", "PUT", On::kBucket,
              "object-lock", false, kAdminister, "s3:PutBucketObjectLockConfiguration"},
    refused("PutBucketWebsite", "PUT", On::kBucket, "website"),
    refused("PutBucketReplication", "PUT", On::kBucket, "replication"),
    refused("PutBucketEncryption", "PUT", On::kBucket, "encryption"),
    refused("PutPublicAccessBlock", "PUT", On::kBucket, "publicAccessBlock"),
    refused("PutBucketOwnershipControls", "PUT", On::kBucket, "ownershipControls"),
    refused("PutBucketRequestPayment", "PUT", On::kBucket, "requestPayment"),
    refused("PutBucketLogging", "PUT", On::kBucket, "logging"),
    refused("PutBucketNotificationConfiguration", "PUT", On::kBucket, "notification"),
    refused("PutBucketAccelerateConfiguration", "PUT", On::kBucket, "accelerate"),
    refused("PutBucketInventoryConfiguration", "PUT", On::kBucket, "inventory"),
    refused("PutBucketAnalyticsConfiguration", "PUT", On::kBucket, "analytics"),
    refused("PutBucketMetricsConfiguration", "PUT", On::kBucket, "metrics"),
    refused("PutBucketIntelligentTieringConfiguration", "PUT", On::kBucket,
            "intelligent-tiering"),
    Operation{Op::kCreateBucket, "CreateBucket", "PUT", On::kBucket, "", false, kNone,
              "s3:CreateBucket"},
    Operation{Op::kDeleteBucketPolicy, "DeleteBucketPolicy", "DELETE", On::kBucket, "policy",
              false, kAdminister, "s3:DeleteBucketPolicy"},
    Operation{Op::kDeleteBucketCors, "DeleteBucketCors", "DELETE", On::kBucket, "cors", false,
              kAdminister, "s3:PutBucketCORS"},
    Operation{Op::kDeleteBucketLifecycle, "DeleteBucketLifecycle", "DELETE", On::kBucket,
              "lifecycle", false, kAdminister, "s3:PutLifecycleConfiguration"},
    Operation{Op::kDeleteBucketTagging, "DeleteBucketTagging", "DELETE", On::kBucket, "tagging",
              false, kAdminister, "s3:PutBucketTagging"},
    refused("DeleteBucketWebsite", "DELETE", On::kBucket, "website"),
    refused("DeleteBucketReplication", "DELETE", On::kBucket, "replication"),
    refused("DeleteBucketEncryption", "DELETE", On::kBucket, "encryption"),
    refused("DeletePublicAccessBlock", "DELETE", On::kBucket, "publicAccessBlock"),
    refused("DeleteBucketOwnershipControls", "DELETE", On::kBucket, "ownershipControls"),
    refused("DeleteBucketInventoryConfiguration", "DELETE", On::kBucket, "inventory"),
    refused("DeleteBucketAnalyticsConfiguration", "DELETE", On::kBucket, "analytics"),
    refused("DeleteBucketMetricsConfiguration", "DELETE", On::kBucket, "metrics"),
    refused("DeleteBucketIntelligentTieringConfiguration", "DELETE", On::kBucket,
            "intelligent-tiering"),
    Operation{Op::kDeleteBucket, "DeleteBucket", "DELETE", On::kBucket, "", false, kAdminister,
              "s3:DeleteBucket"},
    // Which of the keys may go is asked one by one.
    Operation{Op::kDeleteObjects, "DeleteObjects", "POST", On::kBucket, "delete", false,
              kContribute, "s3:DeleteObject"},
    Operation{Op::kPostObject, "PostObject", "POST", On::kBucket, "", false, kNone,
              "s3:PutObject"},

    // --- objects: reading ------------------------------------------------------------------------
    Operation{Op::kListParts, "ListParts", "GET", On::kObject, "uploadId", false, kUpload,
              "s3:ListMultipartUploadParts"},
    Operation{Op::kGetObjectTagging, "GetObjectTagging", "GET", On::kObject, "tagging", false,
              kView, "s3:GetObjectTagging"},
    Operation{Op::kGetObjectAcl, "GetObjectAcl", "GET", On::kObject, "acl", false, kView,
              "s3:GetObjectAcl"},
    Operation{Op::kGetObjectRetention, "GetObjectRetention", "GET", On::kObject, "retention",
              false, kView, "s3:GetObjectRetention"},
    Operation{Op::kGetObjectLegalHold, "GetObjectLegalHold", "GET", On::kObject, "legal-hold",
              false, kView, "s3:GetObjectLegalHold"},
    Operation{Op::kGetObjectAttributes, "GetObjectAttributes", "GET", On::kObject, "attributes",
              false, kView, "s3:GetObjectAttributes"},
    refused("GetObjectTorrent", "GET", On::kObject, "torrent"),
    Operation{Op::kGetObject, "GetObject", "GET", On::kObject, "", false, kView, "s3:GetObject"},
    Operation{Op::kHeadObject, "HeadObject", "HEAD", On::kObject, "", false, kView,
              "s3:GetObject"},

    // --- objects: changing -----------------------------------------------------------------------
    Operation{Op::kUploadPartCopy, "UploadPartCopy", "PUT", On::kObject, "uploadId", true, kUpload,
              "s3:PutObject"},
    Operation{Op::kUploadPart, "UploadPart", "PUT", On::kObject, "uploadId", false, kUpload,
              "s3:PutObject"},
    Operation{Op::kPutObjectTagging, "PutObjectTagging", "PUT", On::kObject, "tagging", false,
              kContribute, "s3:PutObjectTagging"},
    Operation{Op::kPutObjectAcl, "PutObjectAcl", "PUT", On::kObject, "acl", false, kContribute,
              "s3:PutObjectAcl"},
    Operation{Op::kPutObjectRetention, "PutObjectRetention", "PUT", On::kObject, "retention",
              false, kContribute, "s3:PutObjectRetention"},
    Operation{Op::kPutObjectLegalHold, "PutObjectLegalHold", "PUT", On::kObject, "legal-hold",
              false, kContribute, "s3:PutObjectLegalHold"},
    // Replacing takes kContribute; that is asked where it is known what is there.
    Operation{Op::kCopyObject, "CopyObject", "PUT", On::kObject, "", true, kUpload,
              "s3:PutObject"},
    Operation{Op::kPutObject, "PutObject", "PUT", On::kObject, "", false, kUpload,
              "s3:PutObject"},
    Operation{Op::kCreateMultipartUpload, "CreateMultipartUpload", "POST", On::kObject, "uploads",
              false, kUpload, "s3:PutObject"},
    Operation{Op::kCompleteMultipartUpload, "CompleteMultipartUpload", "POST", On::kObject,
              "uploadId", false, kUpload, "s3:PutObject"},
    refused("SelectObjectContent", "POST", On::kObject, "select"),
    refused("RestoreObject", "POST", On::kObject, "restore"),
    Operation{Op::kAbortMultipartUpload, "AbortMultipartUpload", "DELETE", On::kObject, "uploadId",
              false, kUpload, "s3:AbortMultipartUpload"},
    Operation{Op::kDeleteObjectTagging, "DeleteObjectTagging", "DELETE", On::kObject, "tagging",
              false, kContribute, "s3:DeleteObjectTagging"},
    Operation{Op::kDeleteObject, "DeleteObject", "DELETE", On::kObject, "", false, kContribute,
              "s3:DeleteObject"},
};

}  // namespace

std::span<const Operation> operations() { return kOperations; }

Outcome<const Operation*> find_operation(const Request& request, const Target& target,
                                         const QueryParams& params) {
  const On on = target.bucket.empty() ? On::kService
                : target.key.empty()  ? On::kBucket
                                      : On::kObject;
  const bool copy = request.fields.find("x-amz-copy-source").has_value();
  for (const Operation& operation : kOperations) {
    if (operation.on != on || operation.method != request.method) continue;
    if (operation.copy && !copy) continue;
    bool has = operation.query.empty();
    for (const auto& param : params) has = has || param.first == operation.query;
    if (has) return &operation;
  }
  return Fault(Code::kMethodNotAllowed).with("Method", request.method);
}

}  // namespace ramet::serve::s3
