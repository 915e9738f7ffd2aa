// Uploads in parts. A part is an object of ".uploads"; completing an upload shares the blocks of
// its parts in one transaction on the bucket.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "tools/serve/s3/content.h"
#include "tools/serve/s3/face.h"
#include "tools/serve/s3/names.h"
#include "tools/serve/s3/object_meta.h"
#include "tools/serve/s3/uploads.h"
#include "tools/serve/s3/xml.h"

namespace ramet::serve::s3 {
namespace {

constexpr size_t kCompleteBytesMax = 4u << 20;
constexpr size_t kListMax = 1000;

Outcome<uint64_t> part_number(const Call& call) {
  const std::string text = call.param_or("partNumber", "");
  uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() ||
      number < 1 || number > kPartNumberMax) {
    return Fault(Code::kInvalidArgument,
                 "Part number must be an integer between 1 and 10000, inclusive")
        .with("ArgumentName", "partNumber")
        .with("ArgumentValue", text);
  }
  return number;
}

struct NamedPart {
  uint64_t number = 0;
  std::string etag;
};

Outcome<std::vector<NamedPart>> parse_parts_list(std::string_view xml) {
  RAMET_ASSIGN(const XmlDocument document,
               XmlDocument::parse(xml, "CompleteMultipartUpload"));
  std::vector<NamedPart> parts;
  for (const XmlNode& node : document.root().children("Part")) {
    NamedPart part;
    const std::string text = node.child_text("PartNumber").value_or("");
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), part.number);
    if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() ||
        !node.child("ETag")) {
      return Code::kMalformedXML;
    }
    part.etag = bare_etag(node.child_text("ETag").value_or(""));
    if (!parts.empty() && part.number <= parts.back().number) return Code::kInvalidPartOrder;
    parts.push_back(std::move(part));
  }
  if (parts.empty() || parts.size() > kPartNumberMax) return Code::kMalformedXML;
  return parts;
}

// "bytes=a-b" of x-amz-copy-source-range: both ends, inside of the source.
Outcome<ByteRange> copy_range(std::string_view text, uint64_t size) {
  ByteRange range;
  const auto wrong = [&] {
    return Fault(Code::kInvalidArgument,
                 "The x-amz-copy-source-range value must be of the form bytes=first-last where "
                 "first and last are the zero-based offsets of the first and last bytes to copy")
        .with("ArgumentName", "x-amz-copy-source-range")
        .with("ArgumentValue", std::string(text));
  };
  constexpr std::string_view kUnit = "bytes=";
  if (!text.starts_with(kUnit)) return wrong();
  const char* const end = text.data() + text.size();
  uint64_t last = 0;
  const auto first = std::from_chars(text.data() + kUnit.size(), end, range.from);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '-') return wrong();
  const auto second = std::from_chars(first.ptr + 1, end, last);
  if (second.ec != std::errc() || second.ptr != end || last < range.from) return wrong();
  if (last >= size) {
    return Fault(Code::kInvalidRange,
                 fmt::format("Range specified is not valid for source object of size: {}", size));
  }
  range.length = last - range.from + 1;
  return range;
}

void write_principal(XmlWriter& xml, std::string_view element, const Upload& upload) {
  xml.open(element);
  xml.text("ID", canonical_id(upload.principal));
  xml.text("DisplayName", upload.principal_name);
  xml.close(element);
}

}  // namespace

Task<Outcome<Response>> S3Face::create_upload(Call& call) {
  struct Prepared {
    Upload upload;
    ContainerId container;
  };
  auto prepared = co_await services_.workers.run_quick([&]() -> Outcome<Prepared> {
    RAMET_ASSIGN(const Put put, prepare_put(call, call.request.fields, call.target.key));
    Prepared out;
    out.upload.id = random_name();
    out.upload.key = call.target.key;
    out.upload.initiated = call.now;
    out.upload.principal = call.caller.principal.id;
    out.upload.principal_name = call.caller.principal.name;
    out.upload.init = put.init;
    out.upload.lock_asked = put.lock_asked;
    if (const auto name = call.request.fields.find("x-amz-checksum-algorithm")) {
      out.upload.algorithm = parse_algorithm(*name);
      if (!out.upload.algorithm) {
        return Fault(Code::kInvalidRequest,
                     "Checksum algorithm provided is unsupported. Please try again with any of "
                     "the valid types: [CRC32, CRC32C, SHA1, SHA256]");
      }
    }
    RAMET_ASSIGN(out.container, uploads());
    return out;
  });
  if (!prepared.ok()) co_return std::move(prepared).error();
  const Upload upload = std::move(prepared->upload);
  const std::string record = record_text(upload);
  auto done = co_await change(
      prepared->container, [&](Transaction& transaction, const View&) -> Outcome<void> {
        RAMET_ASSIGN(const FolderId folder,
                     transaction.create_folders(upload_path(call.container.id, upload.id)));
        RAMET_ASSIGN(auto writer, transaction.write_content());
        RAMET_TRY(writer->append(record));
        RAMET_TRY(transaction.put_object(folder, "record", Attributes{}, std::move(writer)));
        return {};
      });
  if (!done.ok()) co_return std::move(done).error();
  XmlWriter xml;
  xml.root("InitiateMultipartUploadResult");
  xml.text("Bucket", call.target.bucket);
  xml.text("Key", call.target.key);
  xml.text("UploadId", upload.id);
  xml.close("InitiateMultipartUploadResult");
  Response response = xml_response(std::move(xml).finish());
  if (upload.algorithm) {
    response.fields.set("x-amz-checksum-algorithm",
                        std::string(algorithm_name(*upload.algorithm)));
  }
  co_return response;
}

Task<Outcome<Response>> S3Face::upload_part(Call& call) {
  RAMET_CO_ASSIGN(const uint64_t number, part_number(call));
  const std::string id = call.param_or("uploadId", "");
  struct Opened {
    ContainerId container;
    Upload upload;
  };
  auto opened = co_await services_.workers.run_quick([&]() -> Outcome<Opened> {
    Opened out;
    RAMET_ASSIGN(out.container, uploads());
    RAMET_ASSIGN(const auto view, services_.store.view(out.container));
    RAMET_ASSIGN(out.upload, load_upload(*view, call.container.id, id, call.target.key));
    return out;
  });
  if (!opened.ok()) co_return std::move(opened).error();
  RAMET_CO_ASSIGN(auto payload, Payload::make(call.request, call.body, *call.claim,
                                           ChunkChain(call.signing_key, *call.claim), true));
  if (!payload->length() && !call.request.fields.find("transfer-encoding")) {
    co_return Fault(Code::kMissingContentLength);
  }
  auto received = co_await receive(call, *payload);
  if (!received.ok()) co_return std::move(received).error();
  Content content = std::move(*received);
  ObjectInit init;
  init.attributes.modified = call.now;
  set_content(init.metadata, content.checked);
  auto done = co_await change(
      opened->container, [&](Transaction& transaction, const View& view) -> Outcome<void> {
        RAMET_ASSIGN(const Upload upload,
                     load_upload(view, call.container.id, id, call.target.key));
        std::unique_ptr<ContentWriter> writer;
        if (content.staged) {
          RAMET_ASSIGN(writer, transaction.write_content());
          RAMET_TRY(writer->append_from(view, *content.staged, 0, content.size));
          RAMET_ASSIGN(const Entry staging, transaction.lookup("staging"));
          RAMET_TRY(transaction.remove(staging.folder, content.staged_name));
        } else if (content.size > 0) {
          RAMET_ASSIGN(writer, transaction.write_content());
          RAMET_TRY(writer->append(content.bytes));
        }
        RAMET_TRY(transaction.put_object(upload.folder, part_name(number), init,
                                         std::move(writer)));
        return {};
      });
  if (!done.ok()) {
    co_await forget(content);
    co_return std::move(done).error();
  }
  Response response;
  response.fields.set("ETag", "\"" + to_hex(content.checked.md5) + "\"");
  describe_checksums(response.fields, init.metadata);
  co_return response;
}

Task<Outcome<Response>> S3Face::upload_part_copy(Call& call) {
  RAMET_CO_ASSIGN(const uint64_t number, part_number(call));
  const std::string id = call.param_or("uploadId", "");
  auto opened = co_await services_.workers.run_quick([&]() { return open_source(call); });
  if (!opened.ok()) co_return std::move(opened).error();
  const Source source = std::move(*opened);
  auto container = co_await services_.workers.run_quick([&]() { return uploads(); });
  if (!container.ok()) co_return std::move(container).error();
  std::string source_version;
  auto done = co_await change(
      *container, [&](Transaction& transaction, const View& view) -> Outcome<void> {
        RAMET_ASSIGN(const Upload upload,
                     load_upload(view, call.container.id, id, call.target.key));
        RAMET_ASSIGN(const auto from, services_.store.view(source.container.id));
        RAMET_ASSIGN(const ObjectInfo info, find_source(call, *from, source));
        source_version = info.version != 0 ? version_text(info) : "";
        ByteRange range{0, info.size, true};
        if (const auto text = call.request.fields.find("x-amz-copy-source-range")) {
          RAMET_ASSIGN(range, copy_range(*text, info.size));
        }
        std::unique_ptr<ContentWriter> writer;
        if (range.length > 0) {
          RAMET_ASSIGN(writer, transaction.write_content());
          RAMET_TRY(writer->append_from(*from, info.id, range.from, range.length,
                                        source.version.empty() ? kCurrentVersion
                                                               : info.version));
        }
        ObjectInit init;
        init.attributes.modified = call.now;
        RAMET_TRY(transaction.put_object(upload.folder, part_name(number), init,
                                         std::move(writer)));
        return {};
      });
  if (!done.ok()) co_return std::move(done).error();
  auto etag = co_await services_.workers.run_quick([&]() -> Outcome<std::string> {
    RAMET_ASSIGN(const auto view, services_.store.view(*container));
    RAMET_ASSIGN(const Upload upload, load_upload(*view, call.container.id, id, call.target.key));
    RAMET_ASSIGN(const Entry entry, view->lookup(upload.folder, part_name(number)));
    RAMET_ASSIGN(const ObjectInfo info, view->object(entry.object));
    return part_etag(info);
  });
  if (!etag.ok()) co_return std::move(etag).error();
  XmlWriter xml;
  xml.root("CopyPartResult");
  xml.text("LastModified", iso_date(call.now));
  xml.text("ETag", "\"" + *etag + "\"");
  xml.close("CopyPartResult");
  Response response = xml_response(std::move(xml).finish());
  if (!source_version.empty()) {
    response.fields.set("x-amz-copy-source-version-id", source_version);
  }
  co_return response;
}

Task<Outcome<Response>> S3Face::complete_upload(Call& call) {
  const std::string id = call.param_or("uploadId", "");
  RAMET_CO_ASSIGN(auto payload, Payload::make(call.request, call.body, *call.claim,
                                           ChunkChain(call.signing_key, *call.claim), false));
  RAMET_CO_ASSIGN(const std::string body, co_await payload->read_all(kCompleteBytesMax));
  RAMET_CO_ASSIGN(const std::vector<NamedPart> named, parse_parts_list(body));
  auto container = co_await services_.workers.run_quick([&]() { return uploads(); });
  if (!container.ok()) co_return std::move(container).error();
  Put put;
  auto done = co_await change(
      call.container.id, [&](Transaction& transaction, const View& own) -> Outcome<void> {
        RAMET_ASSIGN(const auto view, services_.store.view(*container));
        RAMET_ASSIGN(const Upload upload,
                     load_upload(*view, call.container.id, id, call.target.key));
        put = Put{};
        put.key = upload.key;
        put.init = upload.init;
        put.lock_asked = upload.lock_asked;
        put.if_match = call.header("if-match");
        put.if_none_match = call.header("if-none-match") == "*";
        RAMET_ASSIGN(auto writer, transaction.write_content());
        Bytes digests;
        Bytes checksums;
        bool all_summed = upload.algorithm.has_value();
        std::vector<uint64_t> sizes;
        for (const NamedPart& part : named) {
          const auto invalid = [&] {
            return Fault(Code::kInvalidPart)
                .with("UploadId", id)
                .with("PartNumber", std::to_string(part.number))
                .with("ETag", part.etag);
          };
          const auto entry = view->lookup(upload.folder, part_name(part.number));
          if (!entry.ok()) {
            if (entry.error().code() == ErrorCode::kNotFound) return invalid();
            return Fault(entry.error());
          }
          RAMET_ASSIGN(const ObjectInfo info, view->object(entry->object));
          const std::string etag = part_etag(info);
          if (part.etag != etag) return invalid();
          if (info.size < kPartBytesMin && &part != &named.back()) {
            return Fault(Code::kEntityTooSmall)
                .with("ProposedSize", std::to_string(info.size))
                .with("MinSizeAllowed", std::to_string(kPartBytesMin))
                .with("PartNumber", std::to_string(part.number))
                .with("ETag", etag);
          }
          digests += from_hex(etag).value_or("");
          sizes.push_back(info.size);
          if (all_summed) {
            const std::string* sum = find_property(
                info.metadata, fmt::format("content.{}", algorithm_suffix(*upload.algorithm)));
            all_summed = sum != nullptr;
            if (sum != nullptr) checksums += from_base64(*sum).value_or("");
          }
          if (info.size > 0) {
            RAMET_TRY(writer->append_from(*view, info.id, 0, info.size));
          }
        }
        if (writer->size() > kObjectBytesMax) return Code::kEntityTooLarge;
        set_property(put.init.metadata, "content.etag",
                     fmt::format("{}-{}", to_hex(digest_of(Algorithm::kMd5, digests)),
                                 named.size()));
        if (const std::string text = parts_text(sizes); !text.empty()) {
          set_property(put.init.metadata, "content.parts", text);
        }
        if (all_summed) {
          set_property(put.init.metadata,
                       fmt::format("content.{}", algorithm_suffix(*upload.algorithm)),
                       fmt::format("{}-{}",
                                   to_base64(digest_of(*upload.algorithm, checksums)),
                                   named.size()));
        }
        return put_into(call, transaction, own.flat(), put, std::move(writer));
      });
  if (!done.ok()) co_return std::move(done).error();
  auto removed = co_await change(
      *container, [&](Transaction& transaction, const View&) -> Outcome<void> {
        RAMET_ASSIGN(const Entry top,
                     transaction.lookup(uploads_path(call.container.id)));
        RAMET_TRY(transaction.remove_tree(top.folder, id));
        return {};
      });
  ignore_error(removed, "the object is there; its parts share its blocks, and can be aborted");
  XmlWriter xml;
  xml.root("CompleteMultipartUploadResult");
  xml.text("Location", fmt::format("{}://{}{}", call.request.tls ? "https" : "http",
                                   call.request.host(), call.request.path));
  xml.text("Bucket", call.target.bucket);
  xml.text("Key", call.target.key);
  xml.text("ETag", put.etag);
  for (const Algorithm algorithm : kChecksums) {
    const std::string* sum = find_property(put.init.metadata,
                                           fmt::format("content.{}", algorithm_suffix(algorithm)));
    if (sum != nullptr) xml.text(fmt::format("Checksum{}", algorithm_name(algorithm)), *sum);
  }
  xml.close("CompleteMultipartUploadResult");
  Response response = xml_response(std::move(xml).finish());
  if (!put.version.empty()) response.fields.set("x-amz-version-id", put.version);
  co_return response;
}

Task<Outcome<Response>> S3Face::abort_upload(Call& call) {
  const std::string id = call.param_or("uploadId", "");
  auto container = co_await services_.workers.run_quick([&]() { return uploads(); });
  if (!container.ok()) co_return std::move(container).error();
  auto done = co_await change(
      *container, [&](Transaction& transaction, const View& view) -> Outcome<void> {
        RAMET_TRY(load_upload(view, call.container.id, id, call.target.key));
        RAMET_ASSIGN(const Entry top, transaction.lookup(uploads_path(call.container.id)));
        RAMET_TRY(transaction.remove_tree(top.folder, id));
        return {};
      });
  if (!done.ok()) co_return std::move(done).error();
  Response response;
  response.status = 204;
  co_return response;
}

Outcome<Response> S3Face::list_parts(Call& call) {
  RAMET_ASSIGN(const size_t most, count_param(call, "max-parts", kListMax));
  RAMET_ASSIGN(const size_t marker,
               call.param("part-number-marker") == nullptr
                   ? Outcome<size_t>(size_t{0})
                   : count_param(call, "part-number-marker", kPartNumberMax));
  RAMET_ASSIGN(const ContainerId container, uploads());
  RAMET_ASSIGN(const auto view, services_.store.view(container));
  RAMET_ASSIGN(const Upload upload,
               load_upload(*view, call.container.id, call.param_or("uploadId", ""),
                           call.target.key));
  std::vector<Part> parts;
  bool more = false;
  RAMET_TRY(list_part_objects(*view, upload.folder, marker, [&](const Part& part) {
    if (parts.size() == most) {
      more = true;
      return false;
    }
    parts.push_back(part);
    return true;
  }));
  XmlWriter xml;
  xml.root("ListPartsResult");
  xml.text("Bucket", call.target.bucket);
  xml.text("Key", encoded(call, call.target.key));
  xml.text("UploadId", upload.id);
  write_principal(xml, "Initiator", upload);
  write_principal(xml, "Owner", upload);
  xml.text("StorageClass", "STANDARD");
  xml.number("PartNumberMarker", marker);
  if (!parts.empty()) xml.number("NextPartNumberMarker", parts.back().number);
  xml.number("MaxParts", most);
  xml.flag("IsTruncated", more);
  if (upload.algorithm) xml.text("ChecksumAlgorithm", algorithm_name(*upload.algorithm));
  for (const Part& part : parts) {
    xml.open("Part");
    xml.number("PartNumber", part.number);
    xml.text("LastModified", iso_date(part.info.attributes.modified));
    xml.text("ETag", "\"" + part_etag(part.info) + "\"");
    xml.number("Size", part.info.size);
    for (const Algorithm algorithm : kChecksums) {
      const std::string* sum = find_property(
          part.info.metadata, fmt::format("content.{}", algorithm_suffix(algorithm)));
      if (sum != nullptr) xml.text(fmt::format("Checksum{}", algorithm_name(algorithm)), *sum);
    }
    xml.close("Part");
  }
  xml.close("ListPartsResult");
  return xml_response(std::move(xml).finish());
}

Outcome<Response> S3Face::list_uploads(Call& call) {
  RAMET_ASSIGN(const size_t most, count_param(call, "max-uploads", kListMax));
  const std::string prefix = call.param_or("prefix", "");
  const std::string delimiter = call.param_or("delimiter", "");
  const std::string key_marker = call.param_or("key-marker", "");
  const std::string id_marker = call.param_or("upload-id-marker", "");
  RAMET_ASSIGN(const ContainerId container, uploads());
  RAMET_ASSIGN(const auto view, services_.store.view(container));
  RAMET_ASSIGN(const std::vector<Upload> all, load_uploads(*view, call.container.id));
  std::vector<const Upload*> shown;
  std::vector<std::string> prefixes;
  bool more = false;
  std::string next_key;
  std::string next_id;
  for (const Upload& upload : all) {
    if (!upload.key.starts_with(prefix)) continue;
    const bool behind = upload.key > key_marker ||
                        (upload.key == key_marker && !id_marker.empty() && upload.id > id_marker);
    if (!key_marker.empty() && !behind) continue;
    std::string common;
    if (!delimiter.empty()) {
      const size_t at = upload.key.find(delimiter, prefix.size());
      if (at != std::string::npos) common = upload.key.substr(0, at + delimiter.size());
    }
    if (!common.empty() &&
        (common <= key_marker || (!prefixes.empty() && prefixes.back() == common))) {
      continue;
    }
    if (shown.size() + prefixes.size() == most) {
      more = most > 0;
      break;
    }
    next_key = common.empty() ? upload.key : common;
    next_id = common.empty() ? upload.id : "";
    if (common.empty()) {
      shown.push_back(&upload);
    } else {
      prefixes.push_back(common);
    }
  }
  XmlWriter xml;
  xml.root("ListMultipartUploadsResult");
  xml.text("Bucket", call.target.bucket);
  xml.text("KeyMarker", encoded(call, key_marker));
  xml.text("UploadIdMarker", id_marker);
  if (more) {
    xml.text("NextKeyMarker", encoded(call, next_key));
    xml.text("NextUploadIdMarker", next_id);
  }
  if (!prefix.empty()) xml.text("Prefix", encoded(call, prefix));
  if (!delimiter.empty()) xml.text("Delimiter", encoded(call, delimiter));
  if (call.param("encoding-type") != nullptr) {
    xml.text("EncodingType", call.param_or("encoding-type", ""));
  }
  xml.number("MaxUploads", most);
  xml.flag("IsTruncated", more);
  for (const Upload* upload : shown) {
    xml.open("Upload");
    xml.text("Key", encoded(call, upload->key));
    xml.text("UploadId", upload->id);
    write_principal(xml, "Initiator", *upload);
    write_principal(xml, "Owner", *upload);
    xml.text("StorageClass", "STANDARD");
    xml.text("Initiated", iso_date(upload->initiated));
    xml.close("Upload");
  }
  for (const std::string& common : prefixes) {
    xml.open("CommonPrefixes");
    xml.text("Prefix", encoded(call, common));
    xml.close("CommonPrefixes");
  }
  xml.close("ListMultipartUploadsResult");
  return xml_response(std::move(xml).finish());
}

}  // namespace ramet::serve::s3
