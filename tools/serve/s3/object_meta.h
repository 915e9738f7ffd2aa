// Between the header fields of S3 and the metadata of objects: content type and friends, metadata
// of users, tags, checksums, locks. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/object.h"
#include "tools/serve/http.h"
#include "tools/serve/s3/errors.h"
#include "tools/serve/s3/payload.h"
#include "tools/serve/s3/xml.h"

namespace ramet::serve::s3 {

// Properties of Metadata: "content.etag" (without quotes), "content.crc32", ... (base64, with "-N"
// for those of parts), "content.parts" (sizes of parts, "5242880x3,17"), "s3.meta.NAME",
// "s3.tag.KEY", "s3.cache-control", ...
inline constexpr std::string_view kMetaPrefix = "s3.meta.";
inline constexpr std::string_view kTagPrefix = "s3.tag.";

using Tags = std::vector<std::pair<std::string, std::string>>;

// Of a request that makes an object: fields, x-amz-meta-*, x-amz-tagging; nothing of the content.
// Faults: MetadataTooLarge, InvalidTag, InvalidStorageClass, NotImplemented (encryption), ...
Outcome<Metadata> metadata_of(const Fields& fields);
// What the content's checks found out.
void set_content(Metadata& metadata, const Checked& checked);
// The answer's fields about an object: type, x-amz-meta-*, x-amz-tagging-count, locks, version.
void describe_object(Fields& fields, const ObjectInfo& info, bool versions, bool checksums);
// "x-amz-checksum-crc32": of what is kept.
void describe_checksums(Fields& fields, const Metadata& metadata);

Tags tags_of(const Metadata& metadata);
Outcome<void> set_tags(Metadata& metadata, const Tags& tags);
// At most `most`; keys of 1 to 128, values of 0 to 256 characters, no key twice.
Outcome<void> check_tags(const Tags& tags, size_t most);
// <Tagging><TagSet><Tag><Key/><Value/></Tag></TagSet></Tagging>
Outcome<Tags> parse_tagging(std::string_view xml, size_t most);
Outcome<Tags> read_tag_set(const XmlNode& node, size_t most);
std::string tagging_xml(const Tags& tags);

// x-amz-object-lock-*; nothing if there are none.
Outcome<ObjectLock> lock_of(const Fields& fields, int64_t now);
std::string_view mode_text(RetentionMode mode);  // "GOVERNANCE"
Outcome<RetentionMode> parse_mode(std::string_view text);

// Sizes of parts as a short text and back.
std::string parts_text(const std::vector<uint64_t>& sizes);
std::vector<uint64_t> parse_parts(std::string_view text);

// Canned access lists that change nothing: everything belongs to the bucket's owner.
Outcome<void> check_object_acl(const Fields& fields);

}  // namespace ramet::serve::s3
