// What requests name: a bucket and a key, from the path and the host; versions; entity tags. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/object.h"
#include "tools/serve/http.h"
#include "tools/serve/s3/errors.h"

namespace ramet::serve::s3 {

struct Target {
  std::string bucket;  // empty: the service
  std::string key;     // empty: the bucket
};

// Path style, or virtual-host style where the host is BUCKET.`domain`. InvalidURI: broken escapes,
// not UTF-8, NUL; KeyTooLongError.
Outcome<Target> parse_target(const Request& request, std::string_view domain);
// A key as it comes in a body: not empty, UTF-8, no NUL, at most 1024 bytes.
Outcome<void> check_s3_key(std::string_view key);

// Whether a new bucket may have this name (AWS, "Bucket naming rules"): InvalidBucketName.
Outcome<void> check_new_bucket(std::string_view name);
// Whether a container of this name is served as a bucket: names that begin with '.' are the
// system's.
bool is_addressable(std::string_view name);

// "bucket/key", as policies and logs name it.
std::string resource_of(const Target& target);
// "/bucket/key?versionId=..." of x-amz-copy-source.
struct CopySource {
  Target target;
  std::string version;
};
Outcome<CopySource> parse_copy_source(std::string_view header);

// Versions: "null" where versions were not kept, else 24 hexadecimal digits that hold the number
// and something of the object, so that a name that was made anew does not take an old one for its
// own.
std::string version_text(const ObjectInfo& info);
// nullopt: "null". InvalidArgument: not a version's text; NoSuchVersion: of another object.
Outcome<std::optional<VersionNumber>> parse_version(std::string_view text, ObjectId object);

// With quotes. Objects that were not written through S3 have one by their content id.
std::string etag_of(const ObjectInfo& info);
std::string empty_etag();  // of no bytes
// Without quotes and spaces.
std::string_view bare_etag(std::string_view etag);

// Who is meant in <ID>: 32 hexadecimal digits.
std::string canonical_id(PrincipalId id);

}  // namespace ramet::serve::s3
