#include "tools/serve/s3/object_meta.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "format/utf8.h"
#include "tools/serve/s3/names.h"

namespace ramet::serve::s3 {
namespace {

constexpr size_t kUserMetadataMax = 2048;
constexpr size_t kObjectTagsMax = 10;
constexpr size_t kPartsTextMax = 3072;

// Fields that are kept as they are, under "s3." and their name.
constexpr std::array<std::string_view, 5> kKept = {"cache-control", "content-disposition",
                                                   "content-language", "expires",
                                                   "x-amz-website-redirect-location"};
constexpr std::array<std::string_view, 9> kClasses = {
    "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING",
    "GLACIER",  "DEEP_ARCHIVE",       "GLACIER_IR",  "EXPRESS_ONEZONE"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

size_t characters(std::string_view utf8) {
  return static_cast<size_t>(std::count_if(utf8.begin(), utf8.end(),
                                           [](char c) { return (c & 0xC0) != 0x80; }));
}

// Content-Encoding without what only describes the transfer.
std::string without_aws_chunked(std::string_view value) {
  std::string out;
  while (!value.empty()) {
    const size_t comma = value.find(',');
    std::string_view part = value.substr(0, comma);
    value = comma == std::string_view::npos ? std::string_view() : value.substr(comma + 1);
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    if (part.empty() || part == "aws-chunked") continue;
    if (!out.empty()) out += ",";
    out += part;
  }
  return out;
}

}  // namespace

Outcome<Metadata> metadata_of(const Fields& fields) {
  Metadata metadata;
  metadata.media_type = fields.find("content-type").value_or("binary/octet-stream");
  if (metadata.media_type.empty()) metadata.media_type = "binary/octet-stream";
  for (const std::string_view name : kKept) {
    if (const auto value = fields.find(name)) {
      set_property(metadata, fmt::format("s3.{}", name), std::string(*value));
    }
  }
  if (const auto encoding = fields.find("content-encoding")) {
    const std::string kept = without_aws_chunked(*encoding);
    if (!kept.empty()) set_property(metadata, "s3.content-encoding", kept);
  }
  size_t bytes = 0;
  for (const auto& field : fields) {
    const std::string name = lower(field.name);
    if (name.starts_with("x-amz-server-side-encryption")) {
      return Fault(Code::kNotImplemented, "Server-side encryption is not implemented.")
          .with("Header", name);
    }
    constexpr std::string_view kMeta = "x-amz-meta-";
    if (!name.starts_with(kMeta) || name.size() == kMeta.size()) continue;
    if (!is_utf8(field.value)) {
      return Fault(Code::kInvalidArgument, "Metadata must be UTF-8.").with("Header", name);
    }
    bytes += name.size() - kMeta.size() + field.value.size();
    const std::string property = fmt::format("{}{}", kMetaPrefix, name.substr(kMeta.size()));
    const std::string* before = find_property(metadata, property);
    set_property(metadata, property,
                 before != nullptr ? *before + "," + field.value : field.value);
  }
  if (bytes > kUserMetadataMax) {
    return Fault(Code::kMetadataTooLarge)
        .with("Size", std::to_string(bytes))
        .with("MaxSizeAllowed", std::to_string(kUserMetadataMax));
  }
  if (const auto storage = fields.find("x-amz-storage-class")) {
    if (std::find(kClasses.begin(), kClasses.end(), *storage) == kClasses.end()) {
      return Fault(Code::kInvalidStorageClass)
          .with("StorageClassRequested", std::string(*storage));
    }
  }
  if (const auto tagging = fields.find("x-amz-tagging")) {
    const auto parsed = parse_query(*tagging);
    if (!parsed.ok()) {
      return Fault(Code::kInvalidArgument,
                   "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL "
                   "query parameters without tag name duplicates.");
    }
    RAMET_TRY(check_tags(*parsed, kObjectTagsMax));
    RAMET_TRY(set_tags(metadata, *parsed));
  }
  for (const auto& property : metadata.properties) {
    if (!is_utf8(property.value)) {
      return Fault(Code::kInvalidArgument,
                   fmt::format("The value of '{}' is not UTF-8.", property.name));
    }
  }
  return metadata;
}

void set_content(Metadata& metadata, const Checked& checked) {
  if (!checked.md5.empty()) set_property(metadata, "content.etag", to_hex(checked.md5));
  for (const auto& [algorithm, raw] : checked.checksums) {
    set_property(metadata, fmt::format("content.{}", algorithm_suffix(algorithm)), to_base64(raw));
  }
}

void describe_checksums(Fields& fields, const Metadata& metadata) {
  for (const Algorithm algorithm : kChecksums) {
    const std::string suffix(algorithm_suffix(algorithm));
    if (const std::string* value = find_property(metadata, "content." + suffix)) {
      fields.set("x-amz-checksum-" + suffix, *value);
    }
  }
}

void describe_object(Fields& fields, const ObjectInfo& info, bool versions, bool checksums) {
  const Metadata& metadata = info.metadata;
  fields.set("Content-Type",
             metadata.media_type.empty() ? "binary/octet-stream" : metadata.media_type);
  fields.set("ETag", etag_of(info));
  fields.set("Last-Modified", http_date(info.attributes.modified));
  fields.set("Accept-Ranges", "bytes");
  if (versions) fields.set("x-amz-version-id", version_text(info));
  size_t tags = 0;
  for (const auto& property : metadata.properties) {
    const std::string_view name = property.name;
    if (name.starts_with(kMetaPrefix)) {
      fields.add("x-amz-meta-" + std::string(name.substr(kMetaPrefix.size())), property.value);
    } else if (name.starts_with(kTagPrefix)) {
      ++tags;
    } else if (name.starts_with("s3.")) {
      fields.set(name.substr(3), property.value);
    }
  }
  if (tags > 0) fields.set("x-amz-tagging-count", std::to_string(tags));
  if (checksums) describe_checksums(fields, metadata);
  if (info.lock.mode != RetentionMode::kNone) {
    fields.set("x-amz-object-lock-mode", std::string(mode_text(info.lock.mode)));
    fields.set("x-amz-object-lock-retain-until-date", iso_date(info.lock.retain_until));
  }
  if (info.lock.legal_hold) fields.set("x-amz-object-lock-legal-hold", "ON");
}

Tags tags_of(const Metadata& metadata) {
  Tags tags;
  for (const auto& property : metadata.properties) {
    if (property.name.starts_with(kTagPrefix)) {
      tags.emplace_back(property.name.substr(kTagPrefix.size()), property.value);
    }
  }
  return tags;
}

Outcome<void> set_tags(Metadata& metadata, const Tags& tags) {
  std::erase_if(metadata.properties,
                [](const Property& property) { return property.name.starts_with(kTagPrefix); });
  for (const auto& [key, value] : tags) {
    set_property(metadata, fmt::format("{}{}", kTagPrefix, key), value);
  }
  return {};
}

Outcome<void> check_tags(const Tags& tags, size_t most) {
  if (tags.size() > most) {
    return Fault(most == kObjectTagsMax ? Code::kInvalidTag : Code::kInvalidTag,
                 fmt::format("Object tags cannot be greater than {}", most));
  }
  std::set<std::string_view> seen;
  for (const auto& [key, value] : tags) {
    if (!is_utf8(key) || key.empty() || characters(key) > 128) {
      return Fault(Code::kInvalidTag, "The TagKey you have provided is invalid")
          .with("TagKey", key);
    }
    if (!is_utf8(value) || characters(value) > 256) {
      return Fault(Code::kInvalidTag, "The TagValue you have provided is invalid")
          .with("TagKey", key);
    }
    if (key.starts_with("aws:")) {
      return Fault(Code::kInvalidTag, "System tags cannot be added/updated by requester")
          .with("TagKey", key);
    }
    if (!seen.insert(key).second) {
      return Fault(Code::kInvalidTag, "Cannot provide multiple Tags with the same key")
          .with("TagKey", key);
    }
  }
  return {};
}

Outcome<Tags> read_tag_set(const XmlNode& node, size_t most) {
  Tags tags;
  for (const XmlNode& tag : node.children("Tag")) {
    if (!tag.child("Key") || !tag.child("Value")) return Code::kMalformedXML;
    tags.emplace_back(tag.child("Key").exact(), tag.child("Value").exact());
  }
  RAMET_TRY(check_tags(tags, most));
  return tags;
}

Outcome<Tags> parse_tagging(std::string_view xml, size_t most) {
  RAMET_ASSIGN(const XmlDocument document, XmlDocument::parse(xml, "Tagging"));
  const XmlNode set = document.root().child("TagSet");
  if (!set) return Code::kMalformedXML;
  return read_tag_set(set, most);
}

std::string tagging_xml(const Tags& tags) {
  XmlWriter xml;
  xml.root("Tagging");
  xml.open("TagSet");
  for (const auto& [key, value] : tags) {
    xml.open("Tag");
    xml.text("Key", key);
    xml.text("Value", value);
    xml.close("Tag");
  }
  xml.close("TagSet");
  xml.close("Tagging");
  return std::move(xml).finish();
}

std::string_view mode_text(RetentionMode mode) {
  switch (mode) {
    case RetentionMode::kNone: return "";
    case RetentionMode::kGovernance: return "GOVERNANCE";
    case RetentionMode::kCompliance: return "COMPLIANCE";
  }
  return "";
}

Outcome<RetentionMode> parse_mode(std::string_view text) {
  if (text == "GOVERNANCE") return RetentionMode::kGovernance;
  if (text == "COMPLIANCE") return RetentionMode::kCompliance;
  return Fault(Code::kInvalidArgument, "Unknown wormMode directive.");
}

Outcome<ObjectLock> lock_of(const Fields& fields, int64_t now) {
  ObjectLock lock;
  const auto mode = fields.find("x-amz-object-lock-mode");
  const auto until = fields.find("x-amz-object-lock-retain-until-date");
  if (mode.has_value() != until.has_value()) {
    return Fault(Code::kInvalidArgument,
                 "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be "
                 "supplied");
  }
  if (mode) {
    RAMET_ASSIGN(lock.mode, parse_mode(*mode));
    const auto time = parse_iso_date(*until);
    if (!time) {
      return Fault(Code::kInvalidArgument,
                   "The retain until date must be provided in ISO 8601 format");
    }
    if (*time <= now) {
      return Fault(Code::kInvalidArgument, "The retain until date must be in the future!");
    }
    lock.retain_until = *time;
  }
  if (const auto hold = fields.find("x-amz-object-lock-legal-hold")) {
    if (*hold != "ON" && *hold != "OFF") {
      return Fault(Code::kInvalidArgument, "Legal Hold must be either of 'ON' or 'OFF'");
    }
    lock.legal_hold = *hold == "ON";
  }
  return lock;
}

std::string parts_text(const std::vector<uint64_t>& sizes) {
  std::string out;
  for (size_t i = 0; i < sizes.size();) {
    size_t j = i;
    while (j < sizes.size() && sizes[j] == sizes[i]) ++j;
    if (!out.empty()) out += ',';
    out += std::to_string(sizes[i]);
    if (j - i > 1) out += "x" + std::to_string(j - i);
    i = j;
  }
  return out.size() <= kPartsTextMax ? out : std::string();
}

std::vector<uint64_t> parse_parts(std::string_view text) {
  std::vector<uint64_t> sizes;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view run = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    uint64_t size = 0;
    uint64_t count = 1;
    const char* const end = run.data() + run.size();
    const auto first = std::from_chars(run.data(), end, size);
    if (first.ec != std::errc()) return {};
    if (first.ptr != end) {
      if (*first.ptr != 'x' || std::from_chars(first.ptr + 1, end, count).ptr != end) return {};
    }
    if (count > 10'000 || sizes.size() + count > 10'000) return {};
    sizes.insert(sizes.end(), count, size);
  }
  return sizes;
}

Outcome<void> check_object_acl(const Fields& fields) {
  if (const auto acl = fields.find("x-amz-acl")) {
    if (*acl != "private" && *acl != "bucket-owner-full-control" && *acl != "bucket-owner-read") {
      return Code::kAccessControlListNotSupported;
    }
  }
  for (const auto& field : fields) {
    if (lower(field.name).starts_with("x-amz-grant-")) return Code::kAccessControlListNotSupported;
  }
  return {};
}

}  // namespace ramet::serve::s3
