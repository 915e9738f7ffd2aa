// Writing objects: single puts, copies, and what both end in.
#include <fmt/format.h>

#include "engine/object_keys.h"
#include "tools/serve/content_rules.h"
#include "tools/serve/s3/content.h"
#include "tools/serve/s3/face.h"
#include "tools/serve/s3/names.h"
#include "tools/serve/s3/object_lock.h"
#include "tools/serve/s3/object_meta.h"
#include "tools/serve/s3/xml.h"

namespace ramet::serve::s3 {
namespace {

// "COPY" (also if there is none) or "REPLACE".
Outcome<bool> replaces(const Call& call, std::string_view field, const char* what) {
  const std::string_view text = call.header(field);
  if (text.empty() || text == "COPY") return false;
  if (text == "REPLACE") return true;
  return Fault(Code::kInvalidArgument, fmt::format("Unknown {} directive.", what))
      .with("ArgumentName", std::string(field))
      .with("ArgumentValue", std::string(text));
}

// What x-amz-copy-source-if-* say of the source.
Outcome<void> check_source(const Call& call, const ObjectInfo& info) {
  const std::string etag = etag_of(info);
  const int64_t seconds = info.attributes.modified / 1'000'000'000;
  const auto time = [&](std::string_view name) { return parse_http_date(call.header(name)); };
  const auto failed = [](const char* name) {
    return Fault(Code::kPreconditionFailed).with("Condition", name);
  };
  const std::string_view match = call.header("x-amz-copy-source-if-match");
  const std::string_view none = call.header("x-amz-copy-source-if-none-match");
  if (!match.empty() && match != "*" && bare_etag(match) != bare_etag(etag)) {
    return failed("x-amz-copy-source-If-Match");
  }
  if (!none.empty() && (none == "*" || bare_etag(none) == bare_etag(etag))) {
    return failed("x-amz-copy-source-If-None-Match");
  }
  if (const auto since = time("x-amz-copy-source-if-unmodified-since"); since && match.empty()) {
    if (seconds > *since / 1'000'000'000) return failed("x-amz-copy-source-If-Unmodified-Since");
  }
  if (const auto since = time("x-amz-copy-source-if-modified-since"); since && none.empty()) {
    if (seconds <= *since / 1'000'000'000) return failed("x-amz-copy-source-If-Modified-Since");
  }
  return {};
}

}  // namespace

Outcome<void> S3Face::default_lock(const Call& call, Put& put) {
  const bool asked = put.lock_asked;
  RAMET_ASSIGN(const auto text, document(call.container.id, kObjectLockDocument));
  if (!text) {
    if (!asked) return {};
    return Fault(Code::kInvalidRequest, "Bucket is missing Object Lock Configuration");
  }
  if (put.init.lock.mode != RetentionMode::kNone) return {};
  RAMET_ASSIGN(const LockDefault fallback, parse_lock_configuration(*text));
  if (fallback.mode == RetentionMode::kNone) return {};
  put.init.lock.mode = fallback.mode;
  put.init.lock.retain_until = call.now + fallback.duration;
  return {};
}

Outcome<S3Face::Put> S3Face::prepare_put(Call& call, const Fields& fields,
                                         const std::string& key) {
  Put put;
  put.key = key;
  RAMET_TRY(check_object_acl(fields));
  RAMET_ASSIGN(put.init.metadata, metadata_of(fields));
  RAMET_ASSIGN(put.init.lock, lock_of(fields, call.now));
  put.lock_asked = fields.find("x-amz-object-lock-mode").has_value() ||
                   fields.find("x-amz-object-lock-legal-hold").has_value();
  put.if_match = fields.get("if-match");
  if (const auto none = fields.find("if-none-match")) {
    if (*none != "*") {
      return Fault(Code::kNotImplemented,
                   "A header you provided implies functionality that is not implemented")
          .with("Header", "If-None-Match");
    }
    put.if_none_match = true;
  }
  RAMET_TRY(default_lock(call, put));
  return put;
}

Outcome<void> S3Face::put_into(const Call& call, Transaction& transaction, bool flat, Put& put,
                               std::unique_ptr<ContentWriter> content) {
  const auto there = find_key(transaction, flat, put.key);
  if (!there.ok() && there.error().code() != ErrorCode::kNotFound) return Fault(there.error());
  if (there.ok() && !call.may(AccessLevel::kContribute)) return Code::kAccessDenied;
  if (there.ok() && put.if_none_match) {
    return Fault(Code::kPreconditionFailed).with("Condition", "If-None-Match");
  }
  if (!put.if_match.empty()) {
    if (!there.ok()) return Fault(Code::kNoSuchKey).with("Key", put.key);
    std::string etag = empty_etag();
    if (!there->is_folder()) {
      RAMET_ASSIGN(const ObjectInfo info, transaction.object(there->object));
      etag = etag_of(info);
    }
    if (put.if_match != "*" && bare_etag(put.if_match) != bare_etag(etag)) {
      return Fault(Code::kPreconditionFailed).with("Condition", "If-Match");
    }
  }
  put.init.attributes.modified = call.now;
  auto id = put_key(transaction, flat, put.key, put.init, std::move(content));
  if (!id.ok()) {
    if (id.error().code() == ErrorCode::kAlreadyExists) {
      return Fault(Code::kInvalidRequest,
                   "A part of the key, or the key as a folder, is there already: this bucket has "
                   "folders.");
    }
    return std::move(id).error();
  }
  put.etag = empty_etag();
  put.version.clear();
  if (id->is_null()) return {};
  RAMET_ASSIGN(const ObjectInfo info, transaction.object(*id));
  put.etag = etag_of(info);
  if (info.version != 0) put.version = version_text(info);
  return {};
}

Task<Outcome<Response>> S3Face::put_content(Call& call, Put put, Content content) {
  set_content(put.init.metadata, content.checked);
  auto done = co_await change(
      call.container.id, [&](Transaction& transaction, const View& view) -> Outcome<void> {
        RAMET_ASSIGN(auto writer, write(transaction, content));
        return put_into(call, transaction, view.flat(), put, std::move(writer));
      });
  co_await forget(content);
  if (!done.ok()) co_return std::move(done).error();
  Response response;
  response.fields.set("ETag", put.etag);
  if (!put.version.empty()) response.fields.set("x-amz-version-id", put.version);
  describe_checksums(response.fields, put.init.metadata);
  co_return response;
}

Task<Outcome<Response>> S3Face::put_object(Call& call) {
  auto prepared = co_await services_.workers.run_quick(
      [&]() { return prepare_put(call, call.request.fields, call.target.key); });
  if (!prepared.ok()) co_return std::move(prepared).error();
  RAMET_CO_ASSIGN(auto payload, Payload::make(call.request, call.body, *call.claim,
                                           ChunkChain(call.signing_key, *call.claim), true));
  if (!payload->length() && !call.request.fields.find("transfer-encoding")) {
    co_return Fault(Code::kMissingContentLength);
  }
  auto received = co_await receive(call, *payload);
  if (!received.ok()) co_return std::move(received).error();
  auto answer = co_await put_content(call, std::move(*prepared), std::move(*received));
  co_return answer;
}

Outcome<S3Face::Source> S3Face::open_source(Call& call) {
  RAMET_ASSIGN(CopySource parsed, parse_copy_source(call.header("x-amz-copy-source")));
  Source source;
  RAMET_ASSIGN(source.container, open_bucket(call, parsed.target.bucket, "s3:GetObject",
                                             resource_of(parsed.target)));
  if (source.container.id != call.container.id) {
    RAMET_ASSIGN(const ContainerAccess from,
                 services_.access.container_access(source.container.id));
    RAMET_ASSIGN(const ContainerAccess to, services_.access.container_access(call.container.id));
    const Status may_go = check_may_go(from, to);
    if (!may_go.ok()) return Fault(Code::kAccessDenied, may_go.error().message());
  }
  source.target = std::move(parsed.target);
  source.version = std::move(parsed.version);
  return source;
}

Outcome<ObjectInfo> S3Face::find_source(const Call& call, const View& view,
                                        const Source& source) {
  const auto missing = [&] { return Fault(Code::kNoSuchKey).with("Key", source.target.key); };
  auto entry = find_key(view, source.target.key);
  if (!entry.ok() && entry.error().code() == ErrorCode::kNotFound && !source.version.empty()) {
    entry = find_removed_key(view, source.target.key);
  }
  if (!entry.ok()) {
    if (entry.error().code() == ErrorCode::kNotFound) return missing();
    return std::move(entry).error();
  }
  ObjectInfo info;
  if (entry->is_folder()) {
    info.metadata.media_type = "application/x-directory";
    set_property(info.metadata, "content.etag", std::string(bare_etag(empty_etag())));
  } else if (source.version.empty()) {
    RAMET_ASSIGN(info, view.object(entry->object));
  } else {
    RAMET_ASSIGN(const auto number, parse_version(source.version, entry->object));
    std::optional<VersionInfo> meant;
    RAMET_TRY(view.versions(entry->object, [&](const VersionInfo& one) {
      if (number ? one.info.version == *number : version_text(one.info) == "null") meant = one;
      return !meant;
    }));
    if (!meant) return Fault(Code::kNoSuchVersion).with("Key", source.target.key);
    if (meant->deletion) {
      return Fault(Code::kInvalidRequest, "The source of a copy request may not specifically "
                                          "refer to a delete marker by version id.");
    }
    info = std::move(meant->info);
  }
  RAMET_TRY(check_source(call, info));
  return info;
}

Task<Outcome<Response>> S3Face::copy_object(Call& call) {
  auto opened = co_await services_.workers.run_quick([&]() { return open_source(call); });
  if (!opened.ok()) co_return std::move(opened).error();
  const Source source = std::move(*opened);
  RAMET_CO_ASSIGN(const bool new_metadata,
               replaces(call, "x-amz-metadata-directive", "metadata"));
  RAMET_CO_ASSIGN(const bool new_tags, replaces(call, "x-amz-tagging-directive", "tagging"));
  auto prepared = co_await services_.workers.run_quick(
      [&]() { return prepare_put(call, call.request.fields, call.target.key); });
  if (!prepared.ok()) co_return std::move(prepared).error();
  Put put = std::move(*prepared);
  const Metadata asked = put.init.metadata;
  const bool to_itself = source.container.id == call.container.id &&
                         source.target.key == call.target.key && source.version.empty();
  if (to_itself && !new_metadata && !new_tags && !put.lock_asked) {
    co_return Fault(Code::kInvalidRequest,
                    "This copy request is illegal because it is trying to copy an object to "
                    "itself without changing the object's metadata, storage class, website "
                    "redirect location or encryption attributes.");
  }
  std::string source_version;
  auto done = co_await change(
      call.container.id, [&](Transaction& transaction, const View& own) -> Outcome<void> {
        std::shared_ptr<const View> other;
        if (source.container.id != call.container.id) {
          RAMET_ASSIGN(other, services_.store.view(source.container.id));
        }
        const View& view = other != nullptr ? *other : own;
        RAMET_ASSIGN(const ObjectInfo info, find_source(call, view, source));
        source_version = info.version != 0 ? version_text(info) : "";
        Metadata metadata = new_metadata ? asked : info.metadata;
        if (new_metadata) {
          for (const Property& property : info.metadata.properties) {
            if (property.name.starts_with(kContentProperty)) {
              set_property(metadata, property.name, property.value);
            }
          }
        }
        RAMET_TRY(set_tags(metadata, tags_of(new_tags ? asked : info.metadata)));
        put.init.metadata = std::move(metadata);
        std::unique_ptr<ContentWriter> writer;
        if (info.size > 0) {
          RAMET_ASSIGN(writer, transaction.write_content());
          RAMET_TRY(writer->append_from(view, info.id, 0, info.size,
                                        source.version.empty() ? kCurrentVersion
                                                               : info.version));
        }
        return put_into(call, transaction, own.flat(), put, std::move(writer));
      });
  if (!done.ok()) co_return std::move(done).error();
  XmlWriter xml;
  xml.root("CopyObjectResult");
  xml.text("LastModified", iso_date(call.now));
  xml.text("ETag", put.etag);
  xml.close("CopyObjectResult");
  Response response = xml_response(std::move(xml).finish());
  if (!put.version.empty()) response.fields.set("x-amz-version-id", put.version);
  if (!source_version.empty()) {
    response.fields.set("x-amz-copy-source-version-id", source_version);
  }
  co_return response;
}

}  // namespace ramet::serve::s3
