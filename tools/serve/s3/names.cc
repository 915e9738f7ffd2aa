#include "tools/serve/s3/names.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "engine/object_keys.h"
#include "format/utf8.h"
#include "tools/serve/digest.h"

namespace ramet::serve::s3 {
namespace {

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_ipv4(std::string_view name) {
  return std::count(name.begin(), name.end(), '.') == 3 &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

std::string_view host_of(std::string_view field) {
  const size_t colon = field.rfind(':');
  const bool has_port = colon != std::string_view::npos && field.find(']', colon) ==
                                                               std::string_view::npos;
  return has_port ? field.substr(0, colon) : field;
}

uint32_t tag_of(ObjectId object) {
  return static_cast<uint32_t>(xxh3(object.view()));
}

Outcome<Target> split_path(std::string_view path) {
  const auto decoded = percent_decode(path);
  if (!decoded.ok()) return Code::kInvalidURI;
  const std::string_view text = *decoded;
  if (!is_utf8(text) || text.find('\0') != std::string_view::npos) return Code::kInvalidURI;
  const size_t slash = text.find('/');
  Target target;
  target.bucket = text.substr(0, slash);
  if (slash != std::string_view::npos) target.key = text.substr(slash + 1);
  return target;
}

}  // namespace

Outcome<void> check_s3_key(std::string_view key) {
  if (key.empty()) return Fault(Code::kInvalidArgument, "A key cannot be empty.");
  if (key.size() > kKeyBytesMax) {
    return Fault(Code::kKeyTooLongError)
        .with("Size", std::to_string(key.size()))
        .with("MaxSizeAllowed", std::to_string(kKeyBytesMax));
  }
  if (!is_utf8(key) || key.find('\0') != std::string_view::npos) return Code::kInvalidURI;
  return {};
}

Outcome<Target> parse_target(const Request& request, std::string_view domain) {
  if (!request.path.starts_with('/')) return Code::kInvalidURI;
  std::string path = request.path.substr(1);
  if (!domain.empty()) {
    std::string host(host_of(request.host()));
    std::transform(host.begin(), host.end(), host.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    if (host.size() > domain.size() + 1 && host.ends_with(domain) &&
        host[host.size() - domain.size() - 1] == '.') {
      path = host.substr(0, host.size() - domain.size() - 1) + "/" + path;
    }
  }
  RAMET_ASSIGN(Target target, split_path(path));
  if (target.bucket.empty() && !target.key.empty()) return Code::kInvalidURI;
  if (!target.key.empty()) RAMET_TRY(check_s3_key(target.key));
  return target;
}

Outcome<void> check_new_bucket(std::string_view name) {
  const bool fine =
      name.size() >= 3 && name.size() <= 63 &&
      std::all_of(name.begin(), name.end(),
                  [](char c) { return is_lower_or_digit(c) || c == '.' || c == '-'; }) &&
      is_lower_or_digit(name.front()) && is_lower_or_digit(name.back()) &&
      name.find("..") == std::string_view::npos && !is_ipv4(name) && !name.starts_with("xn--") &&
      !name.starts_with("sthree-") && !name.ends_with("-s3alias") && !name.ends_with("--ol-s3");
  if (fine) return {};
  return Fault(Code::kInvalidBucketName).with("BucketName", std::string(name));
}

bool is_addressable(std::string_view name) {
  return !name.empty() && name.front() != '.' && is_utf8(name);
}

std::string resource_of(const Target& target) {
  return target.key.empty() ? target.bucket : target.bucket + "/" + target.key;
}

Outcome<CopySource> parse_copy_source(std::string_view header) {
  const auto wrong = [] {
    return Fault(Code::kInvalidArgument,
                 "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
  };
  CopySource source;
  const size_t question = header.rfind("?versionId=");
  std::string_view path = header;
  if (question != std::string_view::npos) {
    source.version = header.substr(question + 11);
    path = header.substr(0, question);
  }
  if (path.starts_with('/')) path.remove_prefix(1);
  auto target = split_path(path);
  if (!target.ok() || target->bucket.empty() || target->key.empty()) return wrong();
  RAMET_TRY(check_s3_key(target->key));
  source.target = std::move(*target);
  return source;
}

std::string version_text(const ObjectInfo& info) {
  if (info.unversioned || info.version == 0) return "null";
  return fmt::format("{:016x}{:08x}", info.version, tag_of(info.id));
}

Outcome<std::optional<VersionNumber>> parse_version(std::string_view text, ObjectId object) {
  if (text == "null") return std::optional<VersionNumber>();
  VersionNumber number = 0;
  uint32_t tag = 0;
  const auto part = [](std::string_view digits, auto& into) {
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), into, 16);
    return parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size();
  };
  if (text.size() != 24 || !part(text.substr(0, 16), number) || !part(text.substr(16), tag)) {
    return Fault(Code::kInvalidArgument, "Invalid version id specified")
        .with("ArgumentName", "versionId")
        .with("ArgumentValue", std::string(text));
  }
  if (tag != tag_of(object) || number == kCurrentVersion) {
    return Fault(Code::kNoSuchVersion).with("VersionId", std::string(text));
  }
  return std::optional<VersionNumber>(number);
}

std::string empty_etag() { return "\"d41d8cd98f00b204e9800998ecf8427e\""; }

std::string etag_of(const ObjectInfo& info) {
  if (const std::string* etag = find_property(info.metadata, "content.etag")) {
    return "\"" + *etag + "\"";
  }
  return "\"" + info.content_id.to_hex().substr(0, 32) + "-1\"";
}

std::string_view bare_etag(std::string_view etag) {
  while (!etag.empty() && (etag.front() == ' ' || etag.front() == '"')) etag.remove_prefix(1);
  while (!etag.empty() && (etag.back() == ' ' || etag.back() == '"')) etag.remove_suffix(1);
  return etag;
}

std::string canonical_id(PrincipalId id) { return to_hex(id.view()); }

}  // namespace ramet::serve::s3
