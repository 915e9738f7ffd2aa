// Listings: keys, versions, changes against another bucket.
#include <fmt/format.h>

#include "engine/object_keys.h"
#include "format/utf8.h"
#include "tools/serve/s3/face.h"
#include "tools/serve/s3/names.h"
#include "tools/serve/s3/object_meta.h"
#include "tools/serve/s3/xml.h"

namespace ramet::serve::s3 {
namespace {

constexpr size_t kKeysMax = 1000;

Outcome<void> check_encoding(const Call& call) {
  const std::string* encoding = call.param("encoding-type");
  if (encoding == nullptr || encoding->empty() || *encoding == "url") return {};
  return Fault(Code::kInvalidArgument, "Invalid Encoding Method specified in Request")
      .with("ArgumentName", "encoding-type")
      .with("ArgumentValue", *encoding);
}

void write_owner(XmlWriter& xml, const Principal& owner) {
  xml.open("Owner");
  xml.text("ID", canonical_id(owner.id));
  xml.text("DisplayName", owner.name);
  xml.close("Owner");
}

// What is said of a key in every listing.
struct KeyFacts {
  std::string etag;
  int64_t modified = 0;
  uint64_t size = 0;
};

Outcome<KeyFacts> facts_of(const View& view, const Entry& entry) {
  KeyFacts facts;
  if (entry.is_folder()) {
    RAMET_ASSIGN(const FolderInfo folder, view.folder(entry.folder));
    facts.etag = empty_etag();
    facts.modified = folder.attributes.modified != 0 ? folder.attributes.modified
                                                     : folder.created;
    return facts;
  }
  RAMET_ASSIGN(const ObjectInfo info, view.object(entry.object));
  facts.etag = etag_of(info);
  facts.modified = info.attributes.modified;
  facts.size = info.size;
  return facts;
}

void write_prefixes(const Call& call, XmlWriter& xml, const std::vector<std::string>& prefixes) {
  for (const std::string& prefix : prefixes) {
    xml.open("CommonPrefixes");
    xml.text("Prefix", encoded(call, prefix));
    xml.close("CommonPrefixes");
  }
}

Outcome<std::string> text_param(const Call& call, std::string_view name) {
  std::string text = call.param_or(name, "");
  if (!is_utf8(text) || text.find('\0') != std::string::npos) {
    return Fault(Code::kInvalidArgument, fmt::format("{} is not valid.", name))
        .with("ArgumentName", std::string(name));
  }
  return text;
}

}  // namespace

Outcome<Response> S3Face::list_objects(Call& call, bool second) {
  RAMET_TRY(check_encoding(call));
  RAMET_ASSIGN(const size_t most, count_param(call, "max-keys", kKeysMax));
  if (second && call.param_or("list-type", "") != "2") {
    return Fault(Code::kInvalidArgument, "Invalid List Type specified in Request");
  }
  KeyQuery query;
  RAMET_ASSIGN(query.prefix, text_param(call, "prefix"));
  RAMET_ASSIGN(query.delimiter, text_param(call, "delimiter"));
  const std::string* token = second ? call.param("continuation-token") : nullptr;
  std::string start;
  if (token != nullptr) {
    const auto decoded = from_base64(*token);
    if (!decoded || decoded->empty() || decoded->front() != 'k') {
      return Fault(Code::kInvalidArgument, "The continuation token provided is incorrect")
          .with("ArgumentName", "continuation-token");
    }
    query.after = decoded->substr(1);
  } else {
    RAMET_ASSIGN(query.after, text_param(call, second ? "start-after" : "marker"));
  }
  RAMET_ASSIGN(start, text_param(call, second ? "start-after" : "marker"));
  const bool owners = !second || call.param_or("fetch-owner", "") == "true";
  RAMET_ASSIGN(const auto view, view_of(call));

  std::vector<KeyEntry> entries;
  bool more = false;
  if (most > 0) {
    RAMET_TRY(list_keys(*view, query, [&](const KeyEntry& entry) {
      if (entries.size() == most) {
        more = true;
        return false;
      }
      entries.push_back(entry);
      return true;
    }));
  }
  const Principal owner = owners ? owner_of(call.container.id) : Principal{};
  XmlWriter xml;
  xml.root("ListBucketResult");
  xml.text("Name", call.target.bucket);
  xml.text("Prefix", encoded(call, query.prefix));
  if (!query.delimiter.empty()) xml.text("Delimiter", encoded(call, query.delimiter));
  xml.number("MaxKeys", most);
  if (call.param("encoding-type") != nullptr) {
    xml.text("EncodingType", call.param_or("encoding-type", ""));
  }
  if (second) {
    xml.number("KeyCount", entries.size());
    if (token != nullptr) xml.text("ContinuationToken", *token);
    if (!start.empty()) xml.text("StartAfter", encoded(call, start));
    if (more) xml.text("NextContinuationToken", to_base64("k" + entries.back().key));
  } else {
    xml.text("Marker", encoded(call, start));
    // S3 says it only where a delimiter is given; others lean on the last key, and may here, too.
    if (more) xml.text("NextMarker", encoded(call, entries.back().key));
  }
  xml.flag("IsTruncated", more);
  std::vector<std::string> prefixes;
  for (const KeyEntry& entry : entries) {
    if (entry.common) {
      prefixes.push_back(entry.key);
      continue;
    }
    RAMET_ASSIGN(const KeyFacts facts, facts_of(*view, entry.entry));
    xml.open("Contents");
    xml.text("Key", encoded(call, entry.key));
    xml.text("LastModified", iso_date(facts.modified));
    xml.text("ETag", facts.etag);
    xml.number("Size", facts.size);
    if (owners) write_owner(xml, owner);
    xml.text("StorageClass", "STANDARD");
    xml.close("Contents");
  }
  write_prefixes(call, xml, prefixes);
  xml.close("ListBucketResult");
  return xml_response(std::move(xml).finish());
}

Outcome<Response> S3Face::list_versions(Call& call) {
  RAMET_TRY(check_encoding(call));
  RAMET_ASSIGN(const size_t most, count_param(call, "max-keys", kKeysMax));
  KeyQuery query;
  RAMET_ASSIGN(query.prefix, text_param(call, "prefix"));
  RAMET_ASSIGN(query.delimiter, text_param(call, "delimiter"));
  RAMET_ASSIGN(query.after, text_param(call, "key-marker"));
  const std::string version_marker = call.param_or("version-id-marker", "");
  if (!version_marker.empty() && query.after.empty()) {
    return Fault(Code::kInvalidArgument,
                 "A version-id marker cannot be specified without a key marker.");
  }
  query.from = !version_marker.empty();
  query.removed = keeps_versions(call.container);
  RAMET_ASSIGN(const auto view, view_of(call));
  const Principal owner = owner_of(call.container.id);

  XmlWriter items;
  std::vector<std::string> prefixes;
  size_t count = 0;
  bool more = false;
  std::string next_key;
  std::string next_version;
  std::optional<Fault> fault;
  // True: there was room for it.
  const auto take = [&](const std::string& key, const std::string& version) {
    if (count == most) {
      more = true;
      return false;
    }
    ++count;
    next_key = key;
    next_version = version;
    return true;
  };
  const auto write_version = [&](const std::string& key, const VersionInfo& one) {
    const std::string_view name = one.deletion ? "DeleteMarker" : "Version";
    items.open(name);
    items.text("Key", encoded(call, key));
    items.text("VersionId", version_text(one.info));
    items.flag("IsLatest", one.current);
    items.text("LastModified", iso_date(one.deletion ? one.info.created
                                                     : one.info.attributes.modified));
    if (!one.deletion) {
      items.text("ETag", etag_of(one.info));
      items.number("Size", one.info.size);
      items.text("StorageClass", "STANDARD");
    }
    write_owner(items, owner);
    items.close(name);
  };
  const auto visit = [&](const KeyEntry& entry) {
    if (entry.common) {
      if (!take(entry.key, "")) return false;
      prefixes.push_back(entry.key);
      return true;
    }
    bool skip = query.from && entry.key == query.after;  // up to the marker, and it
    if (entry.entry.is_folder()) {
      if (skip) return true;
      if (!take(entry.key, "null")) return false;
      auto facts = facts_of(*view, entry.entry);
      if (!facts.ok()) {
        fault = facts.error();
        return false;
      }
      VersionInfo folder;
      folder.current = true;
      folder.info.unversioned = true;
      folder.info.attributes.modified = facts->modified;
      set_property(folder.info.metadata, "content.etag", std::string(bare_etag(empty_etag())));
      write_version(entry.key, folder);
      return true;
    }
    const Status walked = view->versions(entry.entry.object, [&](const VersionInfo& one) {
      const std::string version = version_text(one.info);
      if (skip) {
        skip = version != version_marker;
        return true;
      }
      if (!take(entry.key, version)) return false;
      write_version(entry.key, one);
      return true;
    });
    if (!walked.ok()) fault = Fault(walked.error());
    return !fault && !more;
  };
  if (most > 0) RAMET_TRY(list_keys(*view, query, visit));
  if (fault) return std::move(*fault);

  XmlWriter xml;
  xml.root("ListVersionsResult");
  xml.text("Name", call.target.bucket);
  xml.text("Prefix", encoded(call, query.prefix));
  xml.text("KeyMarker", encoded(call, query.after));
  xml.text("VersionIdMarker", version_marker);
  if (more) {
    xml.text("NextKeyMarker", encoded(call, next_key));
    if (!next_version.empty()) xml.text("NextVersionIdMarker", next_version);
  }
  xml.number("MaxKeys", most);
  if (!query.delimiter.empty()) xml.text("Delimiter", encoded(call, query.delimiter));
  if (call.param("encoding-type") != nullptr) {
    xml.text("EncodingType", call.param_or("encoding-type", ""));
  }
  xml.flag("IsTruncated", more);
  constexpr std::string_view kHead = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  xml.raw(std::string_view(std::move(items).finish()).substr(kHead.size()));
  write_prefixes(call, xml, prefixes);
  xml.close("ListVersionsResult");
  return xml_response(std::move(xml).finish());
}

Outcome<Response> S3Face::list_changes(Call& call) {
  RAMET_TRY(check_encoding(call));
  RAMET_ASSIGN(const size_t most, count_param(call, "max-keys", kKeysMax));
  RAMET_ASSIGN(const std::string marker, text_param(call, "marker"));
  const std::string text = call.param_or("diff", "");
  const size_t at = text.rfind('@');
  const std::string bucket = text.substr(0, at);
  const std::string snapshot = at == std::string::npos ? "" : text.substr(at + 1);
  RAMET_ASSIGN(const ContainerInfo other,
               open_bucket(call, bucket, "s3:ListBucket", bucket));
  auto older = services_.store.view(other.id, snapshot);
  if (!older.ok()) {
    if (older.error().code() == ErrorCode::kNotFound) {
      return Fault(Code::kNoSuchVersion, "The bucket has no such snapshot.");
    }
    return std::move(older).error();
  }
  RAMET_ASSIGN(const auto newer, view_of(call));
  std::vector<Difference> changes;
  bool more = false;
  const auto key_of = [](const std::string& path) {
    return path.starts_with('/') ? path.substr(1) : path;
  };
  RAMET_TRY(services_.store.diff(**older, *newer, [&](const Difference& difference) {
    if (!marker.empty() && key_of(difference.path) <= marker) return true;
    if (changes.size() == most) {
      more = true;
      return false;
    }
    changes.push_back(difference);
    return true;
  }));
  XmlWriter xml;
  xml.root("ListChangesResult");
  xml.text("Name", call.target.bucket);
  xml.text("Since", text);
  xml.text("Marker", encoded(call, marker));
  if (more && !changes.empty()) {
    xml.text("NextMarker", encoded(call, key_of(changes.back().path)));
  }
  xml.number("MaxKeys", most);
  xml.flag("IsTruncated", more);
  for (const Difference& change : changes) {
    std::string_view kind;
    switch (change.kind) {
      case Difference::Kind::kAdded: kind = "Added"; break;
      case Difference::Kind::kRemoved: kind = "Removed"; break;
      case Difference::Kind::kContent: kind = "Content"; break;
      case Difference::Kind::kAttributes: kind = "Attributes"; break;
      case Difference::Kind::kRenamed: kind = "Renamed"; break;
    }
    xml.open("Change");
    xml.text("Type", kind);
    const bool folder = change.entry_class == EntryClass::kFolder;
    xml.text("Key", encoded(call, key_of(change.path) + (folder ? "/" : "")));
    if (change.kind == Difference::Kind::kRenamed) {
      xml.text("OldKey", encoded(call, key_of(change.old_path) + (folder ? "/" : "")));
    }
    if (change.kind != Difference::Kind::kAdded) xml.number("OldSize", change.old_size);
    if (change.kind != Difference::Kind::kRemoved) xml.number("Size", change.new_size);
    xml.close("Change");
  }
  xml.close("ListChangesResult");
  return xml_response(std::move(xml).finish());
}

}  // namespace ramet::serve::s3
