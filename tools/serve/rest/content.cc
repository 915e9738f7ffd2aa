// The bytes of objects: ranges, conditions, and storing them at once or by way of the staging.
#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "tools/serve/content_rules.h"
#include "tools/serve/content_source.h"
#include "tools/serve/rest/handlers.h"
#include "tools/serve/rest/put.h"

namespace ramet::serve::rest {
namespace {

struct Opened {
  std::shared_ptr<const View> view;
  Found found;
};

// A media type is somebody's text: nothing in it may end the field.
std::string safe_field(std::string_view text) {
  std::string out(text);
  std::erase_if(out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  return out;
}

// The answer to a GET or HEAD of it. May read from the disk.
Answer show(Call& call, Opened opened) {
  const ObjectInfo& info = opened.found.object;
  const Request& request = call.request;
  if (request.method != "HEAD") RAMET_TRY(check_may_leave(call.rules));
  if (info.entry_class != EntryClass::kFile && info.entry_class != EntryClass::kRecord) {
    return call.refuse(409, ErrorCode::kFailedPrecondition,
                       fmt::format("it is a {}, which has no content",
                                   class_name(info.entry_class)));
  }
  const std::string etag = etag_of(info);
  Response response;
  const std::string media_type = safe_field(info.metadata.media_type);
  response.fields.set("ETag", etag);
  response.fields.set("Last-Modified", http_date(info.attributes.modified));
  response.fields.set("Accept-Ranges", "bytes");
  response.fields.set("X-Ramet-Object", to_uuid(info.id));
  response.fields.set("X-Ramet-Version", std::to_string(info.version));
  switch (check_conditions(request, etag, info.attributes.modified)) {
    case Condition::kNotModified: response.status = 304; return response;
    case Condition::kFailed:
      return call.refuse(412, ErrorCode::kFailedPrecondition,
                         "the object has the entity tag " + etag);
    case Condition::kGo: break;
  }
  response.fields.set("Content-Type",
                      media_type.empty() ? std::string("application/octet-stream") : media_type);
  uint64_t from = 0;
  uint64_t length = info.size;
  // If-Range (RFC 9110 13.1.5): only a strong tag that is this one.
  const auto if_range = request.fields.find("if-range");
  const bool may_range = !if_range || *if_range == etag;
  if (const auto field = request.fields.find("range"); field && may_range) {
    if (const auto range = parse_range(*field, info.size)) {
      if (!range->satisfiable) {
        Response refused = problem(request, 416, "invalid_argument",
                                   fmt::format("the object has {} bytes", info.size));
        refused.fields.set("Content-Range", fmt::format("bytes */{}", info.size));
        return refused;
      }
      from = range->from;
      length = range->length;
      response.status = 206;
      response.fields.set("Content-Range",
                          fmt::format("bytes {}-{}/{}", from, from + length - 1, info.size));
    }
  }
  response.length = length;
  if (request.method != "HEAD" && length > 0) {
    RAMET_TRY(set_content(response, call.workers(), std::move(opened.view), info.id, from, length,
                          opened.found.version));
  }
  return response;
}

}  // namespace

Task<Answer> get_content(Call& call) {
  return call.quick([&call]() -> Answer {
    RAMET_ASSIGN(const Place place,
                 place_of_url(call.container.is_flat(), call.raw_param("path"), false, false));
    Opened out;
    RAMET_ASSIGN(const Seen where, seen(call));
    out.view = where.view;
    RAMET_ASSIGN(out.found, find(call, where, place));
    if (out.found.entry.is_folder()) {
      return call.refuse(409, ErrorCode::kFailedPrecondition,
                         fmt::format("'{}' is a folder", place.path));
    }
    return show(call, std::move(out));
  });
}

Task<Answer> get_content_by_id(Call& call) {
  return call.quick([&call]() -> Answer {
    RAMET_ASSIGN(const std::string text, call.param("object"));
    const Error missing(ErrorCode::kNotFound, fmt::format("there is no object '{}'", text));
    const auto id = parse_uuid<ObjectId>(text);
    if (!id.ok()) return missing;
    Opened out;
    RAMET_ASSIGN(const Seen where, seen(call));
    out.view = where.view;
    Entry entry;
    entry.object = *id;
    auto found = find_version(call, where, entry);
    if (!found.ok()) {
      if (found.error().code() == ErrorCode::kNotFound) return missing;
      return std::move(found).error();
    }
    out.found = std::move(*found);
    return show(call, std::move(out));
  });
}

// --- storing -------------------------------------------------------------------------------------

int64_t now_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Result<ObjectInfo> put_into(Call& call, Transaction& transaction, const Put& put, bool& is_new) {
  RAMET_ASSIGN(const FolderId folder, parent_folder(transaction, put.place, put.parents));
  RAMET_ASSIGN(const auto there, entry_at(transaction, put.place));
  if (there && there->is_folder()) {
    return call.refuse(409, ErrorCode::kAlreadyExists,
                       fmt::format("'{}' is a folder", put.place.path));
  }
  ObjectInit init;
  std::optional<ObjectInfo> before;
  if (there) {
    RAMET_ASSIGN(before, transaction.object(there->object));
    if (before->entry_class != EntryClass::kFile) {
      return call.refuse(409, ErrorCode::kAlreadyExists,
                         fmt::format("'{}' is a {}", put.place.path,
                                     class_name(before->entry_class)));
    }
    // What people said of it stays with it; what was said of the content goes with that.
    init.attributes = before->attributes;
    init.metadata = before->metadata;
    std::erase_if(init.metadata.properties,
                  [](const Property& one) { return one.name.starts_with(kContentProperty); });
  }
  if (put.check) RAMET_TRY(put.check(before));
  if (before) RAMET_TRY(call.require_removal("replacing an object"));
  is_new = !before;
  init.attributes.modified = now_nanoseconds();
  if (put.media_type) init.metadata.media_type = *put.media_type;
  if (put.metadata != nullptr) {
    RAMET_TRY(patch_metadata(*put.metadata, "metadata", init.metadata));
  }
  if (put.attributes != nullptr) {
    RAMET_TRY(patch_attributes(*put.attributes, "attributes", init.attributes));
  }
  RAMET_ASSIGN(auto writer, transaction.write_content());
  if (!put.staged.empty()) {
    RAMET_TRY(call.rest.staging.append(*writer, put.staged));
  } else {
    RAMET_TRY(writer->append(put.bytes));
  }
  RAMET_ASSIGN(const ObjectId id,
               transaction.put_object(folder, put.place.name(), init, std::move(writer)));
  return transaction.object(id);
}

Task<Answer> put_content(Call& call) {
  const Request& request = call.request;
  if (request.fields.find("content-range")) {
    co_return call.refuse(400, ErrorCode::kInvalidArgument,
                          "a PUT with Content-Range: parts are uploaded by /uploads");
  }
  Put put;
  RAMET_CO_ASSIGN(put.place,
                  place_of_url(call.container.is_flat(), call.raw_param("path"), false, true));
  RAMET_CO_ASSIGN(put.parents, call.flag("parents"));
  const auto type = request.fields.find("content-type");
  if (type) put.media_type = std::string(*type);
  put.check = [&call](const std::optional<ObjectInfo>& before) {
    return check_match(call, before);
  };
  bool is_new = false;
  ObjectInfo info;
  const Build build = [&](Transaction& transaction) -> Status {
    RAMET_ASSIGN(info, put_into(call, transaction, put, is_new));
    return ok();
  };
  // What would be refused anyway is refused before the body is sent.
  RAMET_CO_TRY(co_await call.quick([&]() -> Status {
    RAMET_ASSIGN(const auto view, call.store().view(call.container.id));
    const auto there = view->lookup(put.place.lookup_path());
    if (!there.ok() && there.error().code() != ErrorCode::kNotFound) return there.error();
    std::optional<ObjectInfo> before;
    if (there.ok() && !there->is_folder()) {
      RAMET_ASSIGN(before, view->object(there->object));
    }
    RAMET_TRY(check_match(call, before));
    return before ? call.require_removal("replacing an object") : ok();
  }));
  RAMET_CO_ASSIGN(const BodyHead head, co_await read_head(call.body, kSmallBodyBytes));
  Result<Sequence> done = Sequence{0};
  if (head.whole) {
    put.bytes = head.bytes;
    done = co_await change(call, build);
  } else {
    const BodyTap no_tap;
    RAMET_CO_ASSIGN(const Staged staged,
                    co_await call.rest.staging.stage_put(head.bytes, call.body, no_tap));
    put.staged = {staged.path};
    done = co_await change(call, build, Weight::kSlow);
    const Status removed = co_await call.rest.staging.remove(staged.path);
    ignore_error(removed, "the next start removes it");
  }
  if (!done.ok()) co_return std::move(done).error();
  Response response = json_response(is_new ? 201 : 200, object_json(info, put.place.path));
  response.fields.set("ETag", etag_of(info));
  response.fields.set("X-Ramet-Sequence", std::to_string(*done));
  co_return response;
}

}  // namespace ramet::serve::rest
