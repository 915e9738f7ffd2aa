// Resumable uploads, after the IETF draft "Resumable Uploads for HTTP": made by POST, appended to
// by PATCH with Upload-Offset, asked by HEAD, put under a path by POST .../complete, given up by
// DELETE. Each piece is a staged object that is named by its offset, so an upload outlives the
// daemon, and what was acknowledged is durable.
#include <algorithm>

#include <fmt/format.h>

#include "tools/serve/content_source.h"
#include "tools/serve/rest/handlers.h"
#include "tools/serve/rest/put.h"
#include "tools/serve/rest/upload.h"

namespace ramet::serve::rest {
namespace {

constexpr std::string_view kAbout = "about";  // an empty object whose details say what it is

struct Upload {
  std::string id;
  std::string container;  // ids
  std::string owner;
  std::optional<uint64_t> length;  // that was announced
  std::string media_type;
  int64_t created = 0;
  uint64_t offset = 0;  // bytes that there are
  std::vector<std::string> pieces;
};

std::string folder_of(std::string_view id) { return fmt::format("{}/{}", kUploadFolder, id); }

Error missing(std::string_view id) {
  return Error(ErrorCode::kNotFound, fmt::format("there is no upload '{}'", id));
}

Result<Upload> read_upload(const View& view, const std::string& id) {
  Upload upload;
  upload.id = id;
  const auto folder = view.lookup(folder_of(id));
  if (!folder.ok() || !folder->is_folder()) return missing(id);
  bool has_about = false;
  Status status;
  RAMET_TRY(view.list(folder->folder, "", [&](const Entry& entry) {
    if (entry.name != kAbout) {
      upload.pieces.push_back(folder_of(id) + "/" + entry.name);
      upload.offset += entry.size;
      return true;
    }
    const auto about = view.object(entry.object);
    if (!about.ok()) {
      status = about.error();
      return false;
    }
    const Json json = Json::parse(about->metadata.details, nullptr, false);
    if (!json.is_object()) return true;
    has_about = true;
    upload.container = json.value("container", "");
    upload.owner = json.value("owner", "");
    upload.media_type = about->metadata.media_type;
    upload.created = about->created;
    if (json.contains("length")) upload.length = json["length"].get<uint64_t>();
    return true;
  }));
  RAMET_TRY(status);
  if (!has_about) return missing(id);
  return upload;
}

// Of this container, and the caller's own: others are as none. Administrators see all.
bool may_see(const Call& call, const Upload& upload) {
  return upload.container == to_uuid(call.container.id) &&
         (upload.owner == to_uuid(call.caller.principal.id) ||
          call.level >= AccessLevel::kAdminister);
}

Result<Upload> find_upload(Call& call, const std::string& id) {
  const bool is_id = id.size() == 32 && id.find_first_not_of("0123456789abcdef") == id.npos;
  if (!is_id) return missing(id);
  RAMET_ASSIGN(const ContainerId container, call.rest.staging.container());
  RAMET_ASSIGN(const auto view, call.store().view(container));
  RAMET_ASSIGN(Upload upload, read_upload(*view, id));
  if (!may_see(call, upload)) return missing(id);
  return upload;
}

Result<Upload> find_upload(Call& call) {
  RAMET_ASSIGN(const std::string id, call.param("upload"));
  return find_upload(call, id);
}

Error incomplete(Call& call, const Upload& upload) {
  return call.refuse(409, ErrorCode::kFailedPrecondition,
                     fmt::format("the upload has {} of {} bytes", upload.offset,
                                 upload.length.value_or(0)));
}

Json upload_json(const Upload& upload) {
  Json json;
  json["id"] = upload.id;
  json["offset"] = upload.offset;
  json["length"] = upload.length ? Json(*upload.length) : Json(nullptr);
  json["media_type"] = upload.media_type;
  json["created"] = iso_date(upload.created);
  return json;
}

void set_fields(Response& response, const Upload& upload) {
  response.fields.set("Upload-Offset", std::to_string(upload.offset));
  if (upload.length) response.fields.set("Upload-Length", std::to_string(*upload.length));
  // A structured field's boolean (RFC 9651).
  response.fields.set("Upload-Complete",
                      upload.length && *upload.length == upload.offset ? "?1" : "?0");
  response.fields.set("Cache-Control", "no-store");
}

std::optional<uint64_t> parse_number(std::string_view text) {
  const bool digits = !text.empty() && text.size() <= 18 &&
                      std::all_of(text.begin(), text.end(),
                                  [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) return std::nullopt;
  return std::stoull(std::string(text));
}

class EmptyBody : public Body {
 public:
  Task<Result<size_t>> read(std::span<char>) override { co_return size_t{0}; }
};

}  // namespace

Result<std::vector<std::string>> upload_pieces(Call& call, const std::string& id) {
  RAMET_ASSIGN(const Upload upload, find_upload(call, id));
  if (upload.length && *upload.length != upload.offset) return incomplete(call, upload);
  return upload.pieces;
}

Task<Status> remove_upload(Call& call, std::string id) {
  co_return co_await call.rest.staging.remove(folder_of(id));
}

Task<Answer> list_uploads(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const ContainerId container, call.rest.staging.container());
    RAMET_ASSIGN(const auto view, call.store().view(container));
    Json list = Json::array();
    const auto folder = view->lookup(kUploadFolder);
    if (folder.ok()) {
      Status status;
      RAMET_TRY(view->list(folder->folder, "", [&](const Entry& entry) {
        const auto upload = read_upload(*view, entry.name);
        if (upload.ok() && may_see(call, *upload)) list.push_back(upload_json(*upload));
        return list.size() < 10'000;
      }));
    }
    Json json;
    json["uploads"] = std::move(list);
    return json_response(200, json);
  });
}

Task<Answer> create_upload(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call, true));
  Members in(json);
  Upload upload;
  upload.id = Staging::new_name();
  upload.media_type = in.text("media_type");
  if (in.has("length")) upload.length = in.number("length", 0, INT64_MAX);
  if (const auto field = call.request.fields.find("upload-length")) {
    upload.length = parse_number(*field);
    if (!upload.length) in.fail("Upload-Length", "must be a whole number");
  }
  RAMET_CO_TRY(in.done());
  Json about;
  about["container"] = to_uuid(call.container.id);
  about["owner"] = to_uuid(call.caller.principal.id);
  if (upload.length) about["length"] = *upload.length;
  ObjectInit init;
  init.metadata.media_type = upload.media_type;
  init.metadata.details = to_text(about);
  EmptyBody nothing;
  std::string path = folder_of(upload.id) + "/" + std::string(kAbout);
  const BodyTap no_tap;
  RAMET_CO_TRY(co_await call.rest.staging.stage(path, "", nothing, no_tap, init));
  upload.created = now_nanoseconds();
  Response response = json_response(201, upload_json(upload));
  set_fields(response, upload);
  response.fields.set("Location", fmt::format("/v1/containers/{}/uploads/{}",
                                              to_uuid(call.container.id), upload.id));
  co_return response;
}

Task<Answer> get_upload(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const Upload upload, find_upload(call));
    Response response = json_response(200, upload_json(upload));
    set_fields(response, upload);
    return response;
  });
}

Task<Answer> head_upload(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const Upload upload, find_upload(call));
    Response response = empty_response(204);
    set_fields(response, upload);
    return response;
  });
}

Task<Answer> append_upload(Call& call) {
  const auto offset = parse_number(call.request.fields.get("upload-offset"));
  if (!offset) {
    co_return call.refuse(400, ErrorCode::kInvalidArgument,
                          "Upload-Offset must say where the piece belongs");
  }
  auto found = co_await call.slow([&] { return find_upload(call); });
  if (!found.ok()) co_return std::move(found).error();
  Upload upload = std::move(*found);
  if (*offset != upload.offset) {
    Response refused = problem(call.request, 409, "failed_precondition",
                               fmt::format("the upload has {} bytes", upload.offset));
    set_fields(refused, upload);
    co_return refused;
  }
  RAMET_CO_ASSIGN(const BodyHead head, co_await read_head(call.body, kSmallBodyBytes));
  const uint64_t most = upload.length ? *upload.length - upload.offset : UINT64_MAX;
  if (!head.bytes.empty()) {
    // Named by its place: of two that append there at once, one becomes it.
    const std::string path = fmt::format("{}/{:020}", folder_of(upload.id), upload.offset);
    ObjectInit init;
    const BodyTap no_tap;
    auto staged = co_await call.rest.staging.stage(path, head.bytes, call.body, no_tap, init, most,
                                                   true);
    if (!staged.ok()) {
      const ErrorCode code = staged.error().code();
      if (code != ErrorCode::kBusy && code != ErrorCode::kAlreadyExists) {
        co_return std::move(staged).error();
      }
      co_return call.refuse(409, ErrorCode::kBusy,
                            "another piece was appended at the same place: ask for the offset");
    }
    upload.offset += staged->size;
  }
  Response response = empty_response(204);
  set_fields(response, upload);
  co_return response;
}

Task<Answer> abort_upload(Call& call) {
  auto upload = co_await call.slow([&] { return find_upload(call); });
  if (!upload.ok()) co_return std::move(upload).error();
  RAMET_CO_TRY(co_await call.rest.staging.remove(folder_of(upload->id)));
  co_return empty_response();
}

Task<Answer> complete_upload(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  Members in(json);
  Put put;
  const std::string path = in.name("path");
  put.parents = in.flag("parents");
  put.metadata = in.value("metadata");
  put.attributes = in.value("attributes");
  RAMET_CO_TRY(in.done());
  RAMET_CO_ASSIGN(put.place, place_of_text(call.container.is_flat(), path, false, true));
  put.check = [&call](const std::optional<ObjectInfo>& before) {
    return check_match(call, before);
  };
  auto upload = co_await call.slow([&] { return find_upload(call); });
  if (!upload.ok()) co_return std::move(upload).error();
  if (upload->length && *upload->length != upload->offset) {
    co_return incomplete(call, *upload);
  }
  put.staged = upload->pieces;
  put.media_type = upload->media_type;
  bool is_new = false;
  ObjectInfo info;
  const Build build = [&](Transaction& transaction) -> Status {
    RAMET_ASSIGN(info, put_into(call, transaction, put, is_new));
    return ok();
  };
  RAMET_CO_TRY(co_await change(call, build, Weight::kSlow));
  ignore_error(co_await call.rest.staging.remove(folder_of(upload->id)),
               "the object is there; an abort removes what is left");
  Response response = json_response(is_new ? 201 : 200, object_json(info, put.place.path));
  response.fields.set("ETag", etag_of(info));
  co_return response;
}

}  // namespace ramet::serve::rest
