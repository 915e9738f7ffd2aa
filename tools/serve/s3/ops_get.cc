// Reading objects.
#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "engine/object_keys.h"
#include "tools/serve/content_rules.h"
#include "tools/serve/content_source.h"
#include "tools/serve/s3/face.h"
#include "tools/serve/s3/names.h"
#include "tools/serve/s3/object_meta.h"
#include "tools/serve/s3/xml.h"

namespace ramet::serve::s3 {
namespace {

// response-content-type and the like; only in signed requests, which all are here.
void override_fields(const Call& call, Fields& fields) {
  for (const char* name : {"content-type", "content-language", "expires", "cache-control",
                           "content-disposition", "content-encoding"}) {
    if (const std::string* value = call.param(std::string("response-") + name)) {
      fields.set(name, *value);
    }
  }
}

// The range of one part, of an object that was uploaded in parts.
Outcome<ByteRange> part_range(const std::string& text, const ObjectInfo& info, size_t& count) {
  uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || number < 1 ||
      number > 10'000) {
    return Fault(Code::kInvalidArgument,
                 "Part number must be an integer between 1 and 10000, inclusive")
        .with("ArgumentName", "partNumber")
        .with("ArgumentValue", text);
  }
  std::vector<uint64_t> sizes;
  if (const std::string* parts = find_property(info.metadata, "content.parts")) {
    sizes = parse_parts(*parts);
  }
  count = sizes.size();
  if (sizes.empty()) sizes.push_back(info.size);
  if (number > sizes.size()) return Code::kInvalidPartNumber;
  ByteRange range;
  for (size_t i = 0; i + 1 < number; ++i) range.from += sizes[i];
  range.length = sizes[number - 1];
  return range;
}

}  // namespace

Outcome<S3Face::Found> S3Face::find_object(Call& call) {
  Found found;
  RAMET_ASSIGN(found.view, view_of(call));
  const std::string* version = call.param("versionId");
  if (version != nullptr && version->empty()) {
    return Fault(Code::kInvalidArgument, "Version id cannot be the empty string");
  }
  const View& view = *found.view;
  auto entry = find_key(view, call.target.key);
  bool removed = false;
  if (!entry.ok()) {
    if (entry.error().code() != ErrorCode::kNotFound) return std::move(entry).error();
    entry = find_removed_key(view, call.target.key);
    if (!entry.ok()) {
      if (entry.error().code() != ErrorCode::kNotFound) return std::move(entry).error();
      return Fault(version != nullptr ? Code::kNoSuchVersion : Code::kNoSuchKey)
          .with("Key", call.target.key);
    }
    removed = true;
  }
  if (entry->is_folder()) {
    if (version != nullptr && *version != "null") return Code::kNoSuchVersion;
    RAMET_ASSIGN(const FolderInfo folder, view.folder(entry->folder));
    found.folder = true;
    found.info.attributes = folder.attributes;
    if (found.info.attributes.modified == 0) found.info.attributes.modified = folder.created;
    found.info.unversioned = true;
    found.info.metadata.media_type = "application/x-directory";
    set_property(found.info.metadata, "content.etag", std::string(bare_etag(empty_etag())));
    return found;
  }
  if (version == nullptr && !removed) {
    RAMET_ASSIGN(found.info, view.object(entry->object));
    found.versions = found.info.version != 0;
    return found;
  }
  std::optional<VersionNumber> number;
  if (version != nullptr) {
    RAMET_ASSIGN(number, parse_version(*version, entry->object));
  }
  std::optional<VersionInfo> meant;
  RAMET_TRY(view.versions(entry->object, [&](const VersionInfo& one) {
    const bool fits = version == nullptr ? one.current
                      : number           ? one.info.version == *number
                                         : version_text(one.info) == "null";
    if (fits) meant = one;
    return !meant;
  }));
  if (!meant) {
    return Fault(version != nullptr ? Code::kNoSuchVersion : Code::kNoSuchKey)
        .with("Key", call.target.key);
  }
  if (meant->deletion) {
    const std::string id = version_text(meant->info);
    if (version == nullptr) {
      return Fault(Code::kNoSuchKey)
          .with("Key", call.target.key)
          .with_header("x-amz-delete-marker", "true")
          .with_header("x-amz-version-id", id);
    }
    return Fault(Code::kMethodNotAllowed)
        .with("Method", call.request.method)
        .with("ResourceType", "DeleteMarker")
        .with_header("x-amz-delete-marker", "true")
        .with_header("x-amz-version-id", id)
        .with_header("Allow", "DELETE")
        .with_header("Last-Modified", http_date(meant->info.created));
  }
  found.info = std::move(meant->info);
  found.versions = found.info.version != 0;
  return found;
}

Outcome<Response> S3Face::get_object(Call& call) {
  for (const auto& field : call.request.fields) {
    if (field.name.size() > 28 &&
        same_name(field.name.substr(0, 28), "x-amz-server-side-encryption")) {
      return Fault(Code::kNotImplemented, "Server-side encryption is not implemented.");
    }
  }
  RAMET_ASSIGN(Found found, find_object(call));
  if (call.request.method != "HEAD") {
    RAMET_ASSIGN(const ContainerAccess access,
                 services_.access.container_access(call.container.id));
    const Status may_leave = check_may_leave(access);
    if (!may_leave.ok()) return Fault(Code::kAccessDenied, may_leave.error().message());
  }
  const ObjectInfo& info = found.info;
  Response response;
  const bool checksums = same_name(call.header("x-amz-checksum-mode"), "ENABLED");
  describe_object(response.fields, info, found.versions, checksums);
  switch (check_conditions(call.request, etag_of(info), info.attributes.modified)) {
    case Condition::kGo: break;
    case Condition::kFailed: return Fault(Code::kPreconditionFailed);
    case Condition::kNotModified: {
      Fault fault(Code::kNotModified);
      for (const char* name : {"ETag", "Last-Modified", "x-amz-version-id", "cache-control",
                               "expires"}) {
        if (const auto value = response.fields.find(name)) {
          fault = std::move(fault).with_header(name, std::string(*value));
        }
      }
      return fault;
    }
  }
  std::optional<ByteRange> range = parse_range(call.header("range"), info.size);
  if (const std::string* part = call.param("partNumber")) {
    if (call.has_header("range")) {
      return Fault(Code::kInvalidRequest,
                   "Cannot specify both Range header and partNumber query parameter");
    }
    size_t parts = 0;
    RAMET_ASSIGN(range, part_range(*part, info, parts));
    if (parts > 0) response.fields.set("x-amz-mp-parts-count", std::to_string(parts));
  }
  if (const auto if_range = call.request.fields.find("if-range"); if_range && range) {
    const auto date = parse_http_date(*if_range);
    const bool same = date ? info.attributes.modified / 1'000'000'000 == *date / 1'000'000'000
                           : bare_etag(*if_range) == bare_etag(etag_of(info));
    if (!same) range.reset();
  }
  if (range && !range->satisfiable) {
    return Fault(Code::kInvalidRange)
        .with("RangeRequested", std::string(call.header("range")))
        .with("ActualObjectSize", std::to_string(info.size))
        .with_header("Content-Range", fmt::format("bytes */{}", info.size));
  }
  uint64_t from = 0;
  uint64_t length = info.size;
  if (range) {
    from = range->from;
    length = range->length;
    // They are of the whole object: clients compare them with what they get.
    for (const char* sum : {"crc32", "crc32c", "sha1", "sha256", "type"}) {
      response.fields.erase(fmt::format("x-amz-checksum-{}", sum));
    }
    if (length > 0) {
      response.status = 206;
      response.fields.set("Content-Range",
                          fmt::format("bytes {}-{}/{}", from, from + length - 1, info.size));
    }
  }
  override_fields(call, response.fields);
  response.length = length;
  if (call.request.method == "GET" && length > 0) {
    const VersionNumber version =
        call.param("versionId") != nullptr ? info.version : kCurrentVersion;
    RAMET_TRY(set_content(response, services_.workers, found.view, info.id, from, length, version));
  }
  return response;
}

Outcome<Response> S3Face::get_attributes(Call& call) {
  static const std::set<std::string> kKnown = {"ETag", "Checksum", "ObjectParts", "StorageClass",
                                               "ObjectSize"};
  std::set<std::string> wanted;
  for (const auto& field : call.request.fields) {
    if (!same_name(field.name, "x-amz-object-attributes")) continue;
    std::string name;
    for (const char c : field.value + ",") {
      if (c == ' ') continue;
      if (c != ',') {
        name += c;
        continue;
      }
      if (!name.empty()) wanted.insert(name);
      name.clear();
    }
  }
  if (wanted.empty()) {
    return Fault(Code::kInvalidArgument, "The x-amz-object-attributes header specifying the "
                                         "attributes to be retrieved is either missing or empty");
  }
  for (const std::string& name : wanted) {
    if (!kKnown.contains(name)) {
      return Fault(Code::kInvalidArgument, "Invalid attribute name specified.")
          .with("ArgumentValue", name);
    }
  }
  RAMET_ASSIGN(const Found found, find_object(call));
  const ObjectInfo& info = found.info;
  XmlWriter xml;
  xml.root("GetObjectAttributesResponse");
  if (wanted.contains("ETag")) xml.text("ETag", bare_etag(etag_of(info)));
  if (wanted.contains("Checksum")) {
    Fields sums;
    describe_checksums(sums, info.metadata);
    if (sums.size() > 0) {
      xml.open("Checksum");
      for (const Algorithm algorithm : kChecksums) {
        const auto value = sums.find(fmt::format("x-amz-checksum-{}",
                                                 algorithm_suffix(algorithm)));
        if (value) xml.text(fmt::format("Checksum{}", algorithm_name(algorithm)), *value);
      }
      xml.close("Checksum");
    }
  }
  if (wanted.contains("ObjectParts")) {
    if (const std::string* parts = find_property(info.metadata, "content.parts")) {
      xml.open("ObjectParts");
      xml.number("TotalPartsCount", parse_parts(*parts).size());
      xml.close("ObjectParts");
    }
  }
  if (wanted.contains("StorageClass")) xml.text("StorageClass", "STANDARD");
  if (wanted.contains("ObjectSize")) xml.number("ObjectSize", info.size);
  xml.close("GetObjectAttributesResponse");
  Response response = xml_response(std::move(xml).finish());
  response.fields.set("Last-Modified", http_date(info.attributes.modified));
  if (found.versions) response.fields.set("x-amz-version-id", version_text(info));
  return response;
}

Outcome<Response> S3Face::get_tagging(Call& call) {
  RAMET_ASSIGN(const Found found, find_object(call));
  Response response = xml_response(tagging_xml(tags_of(found.info.metadata)));
  if (found.versions) response.fields.set("x-amz-version-id", version_text(found.info));
  return response;
}

Outcome<Response> S3Face::get_object_acl(Call& call) {
  RAMET_TRY(find_object(call));
  const Principal owner = owner_of(call.container.id);
  XmlWriter xml;
  xml.root("AccessControlPolicy");
  xml.open("Owner");
  xml.text("ID", canonical_id(owner.id));
  xml.text("DisplayName", owner.name);
  xml.close("Owner");
  xml.open("AccessControlList");
  xml.open("Grant");
  xml.open("Grantee", " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
                      "xsi:type=\"CanonicalUser\"");
  xml.text("ID", canonical_id(owner.id));
  xml.text("DisplayName", owner.name);
  xml.close("Grantee");
  xml.text("Permission", "FULL_CONTROL");
  xml.close("Grant");
  xml.close("AccessControlList");
  xml.close("AccessControlPolicy");
  return xml_response(std::move(xml).finish());
}

Outcome<Response> S3Face::get_retention(Call& call) {
  RAMET_ASSIGN(const Found found, find_object(call));
  if (found.info.lock.mode == RetentionMode::kNone) {
    return Fault(Code::kNoSuchObjectLockConfiguration).with("Key", call.target.key);
  }
  XmlWriter xml;
  xml.root("Retention");
  xml.text("Mode", mode_text(found.info.lock.mode));
  xml.text("RetainUntilDate", iso_date(found.info.lock.retain_until));
  xml.close("Retention");
  return xml_response(std::move(xml).finish());
}

Outcome<Response> S3Face::get_legal_hold(Call& call) {
  RAMET_ASSIGN(const Found found, find_object(call));
  RAMET_ASSIGN(const auto configured, document(call.container.id, kObjectLockDocument));
  if (!configured) {
    return Fault(Code::kInvalidRequest, "Bucket is missing Object Lock Configuration");
  }
  XmlWriter xml;
  xml.root("LegalHold");
  xml.text("Status", found.info.lock.legal_hold ? "ON" : "OFF");
  xml.close("LegalHold");
  return xml_response(std::move(xml).finish());
}

}  // namespace ramet::serve::s3
