// Batches: many changes in one commit, all or nothing, if the container is still as it was seen.
#include <deque>

#include <fmt/format.h>

#include "engine/expect.h"
#include "tools/serve/rest/handlers.h"
#include "tools/serve/rest/put.h"
#include "tools/serve/rest/upload.h"

namespace ramet::serve::rest {
namespace {

constexpr size_t kOperationsMax = 10'000;

enum class Kind : uint8_t { kPut, kDelete, kMove, kMkdir, kSet, kLink, kSymlink };

struct Step {
  Kind kind = Kind::kPut;
  Put put;                 // of kPut; `place` of all
  std::string content;     // what put.bytes borrows
  std::string upload;
  Place other;             // where to move to; what to link to
  std::string target;
  bool recursive = false;
  bool replace = false;
  std::optional<std::string> if_match;
  bool if_none_match = false;
};

Result<Step> read_step(const Json& json, const std::string& where, bool flat) {
  Members in(json, where);
  Step step;
  if (!in.has("op")) in.fail("op", "is missing");
  step.kind = static_cast<Kind>(
      in.choice("op", {"put", "delete", "move", "mkdir", "set", "link", "symlink"}, 0));
  const std::string path = in.name("path");
  step.put.parents = in.flag("parents", false);
  if (in.has("if_match")) step.if_match = in.text("if_match");
  if (in.has("if_none_match")) {
    step.if_none_match = true;
    if (in.text("if_none_match") != "*") in.fail("if_none_match", "can only be '*'");
  }
  std::string other;
  switch (step.kind) {
    case Kind::kPut: {
      step.upload = in.text("upload");
      auto content = from_base64(in.text("content"));
      if (content.ok()) step.content = std::move(*content);
      if (!content.ok()) in.fail("content", "must be base64");
      if (!step.upload.empty() && in.has("content")) {
        in.fail("upload", "does not go with 'content'");
      }
      if (in.has("media_type")) step.put.media_type = in.text("media_type");
      step.put.metadata = in.value("metadata");
      step.put.attributes = in.value("attributes");
      break;
    }
    case Kind::kDelete: step.recursive = in.flag("recursive"); break;
    case Kind::kMove:
      other = in.name("to");
      step.replace = in.flag("replace");
      break;
    case Kind::kMkdir: break;
    case Kind::kSet:
      step.put.metadata = in.value("metadata");
      step.put.attributes = in.value("attributes");
      break;
    case Kind::kLink: other = in.name("to"); break;
    case Kind::kSymlink: step.target = in.name("target"); break;
  }
  RAMET_TRY(in.done());
  const bool creates = step.kind != Kind::kDelete && step.kind != Kind::kMove &&
                       step.kind != Kind::kSet;
  RAMET_ASSIGN(step.put.place,
               with_context(place_of_text(flat, path, false, creates), where + ".path"));
  if (!other.empty()) {
    RAMET_ASSIGN(step.other, with_context(place_of_text(flat, other, false, true), where + ".to"));
  }
  return step;
}

// If what is there is what the operation expects.
Status check_step(Call& call, const Step& step, const std::optional<ObjectInfo>& before) {
  const bool wrong = (step.if_none_match && before) ||
                     (step.if_match && (!before || (*step.if_match != "*" &&
                                                    *step.if_match != etag_of(*before))));
  if (!wrong) return ok();
  return call.refuse(412, ErrorCode::kFailedPrecondition,
                     before ? "there is an object with the entity tag " + etag_of(*before)
                            : std::string("there is no such object"));
}

Result<std::optional<ObjectInfo>> object_at(const Transaction& transaction, const Place& place) {
  RAMET_ASSIGN(const auto entry, entry_at(transaction, place));
  if (!entry || entry->is_folder()) return std::optional<ObjectInfo>();
  RAMET_ASSIGN(ObjectInfo object, transaction.object(entry->object));
  return std::optional<ObjectInfo>(std::move(object));
}

Result<Json> put_step(Call& call, Transaction& transaction, Step& step) {
  step.put.bytes = step.content;
  step.put.check = [&](const std::optional<ObjectInfo>& before) {
    return check_step(call, step, before);
  };
  bool is_new = false;
  RAMET_ASSIGN(const ObjectInfo info, put_into(call, transaction, step.put, is_new));
  Json json;
  json["id"] = to_uuid(info.id);
  json["etag"] = etag_of(info);
  json["version"] = info.version;
  json["created"] = is_new;
  return json;
}

Result<Json> set_step(Transaction& transaction, const Step& step) {
  RAMET_ASSIGN(const Entry entry, transaction.lookup(step.put.place.lookup_path()));
  if (entry.is_folder()) {
    if (step.put.metadata != nullptr) {
      return Error(ErrorCode::kInvalidArgument, "folders have no metadata");
    }
    RAMET_ASSIGN(FolderInfo folder, transaction.folder(entry.folder));
    if (step.put.attributes != nullptr) {
      RAMET_TRY(patch_attributes(*step.put.attributes, "attributes", folder.attributes));
      RAMET_TRY(transaction.set_attributes(entry.folder, folder.attributes));
    }
    return Json::object();
  }
  RAMET_ASSIGN(ObjectInfo object, transaction.object(entry.object));
  if (step.put.metadata != nullptr) {
    RAMET_TRY(patch_metadata(*step.put.metadata, "metadata", object.metadata));
    RAMET_TRY(transaction.set_metadata(object.id, object.metadata));
  }
  if (step.put.attributes != nullptr) {
    RAMET_TRY(patch_attributes(*step.put.attributes, "attributes", object.attributes));
    RAMET_TRY(transaction.set_attributes(object.id, object.attributes));
  }
  return Json::object();
}

Result<Json> run_step(Call& call, Transaction& transaction, Step& step) {
  const Place& place = step.put.place;
  if (step.kind == Kind::kPut) return put_step(call, transaction, step);
  if (step.if_match || step.if_none_match) {
    RAMET_ASSIGN(const auto before, object_at(transaction, place));
    RAMET_TRY(check_step(call, step, before));
  }
  switch (step.kind) {
    case Kind::kDelete: {
      RAMET_TRY(call.require_removal("removing"));
      RAMET_ASSIGN(const FolderId parent, parent_folder(transaction, place, false));
      RAMET_TRY(step.recursive ? transaction.remove_tree(parent, place.name())
                               : transaction.remove(parent, place.name()));
      break;
    }
    case Kind::kMove: {
      RAMET_TRY(call.require_removal("moving"));
      RAMET_ASSIGN(const FolderId from, parent_folder(transaction, place, false));
      RAMET_ASSIGN(const FolderId to, parent_folder(transaction, step.other, step.put.parents));
      RAMET_TRY(transaction.rename(from, place.name(), to, step.other.name(), step.replace));
      break;
    }
    case Kind::kMkdir: {
      if (place.flat) {
        return Error(ErrorCode::kFailedPrecondition,
                     "this container is flat: it has no folders");
      }
      if (step.put.parents) {
        RAMET_TRY(transaction.create_folders(place.path));
      } else {
        RAMET_ASSIGN(const FolderId parent, parent_folder(transaction, place, false));
        Attributes attributes;
        attributes.mode = 040755;
        attributes.modified = now_nanoseconds();
        RAMET_TRY(transaction.create_folder(parent, place.name(), attributes));
      }
      break;
    }
    case Kind::kSet:
      RAMET_TRY(call.require(AccessLevel::kContribute, "changing metadata"));
      return set_step(transaction, step);
    case Kind::kLink: {
      RAMET_ASSIGN(const FolderId parent, parent_folder(transaction, place, step.put.parents));
      RAMET_ASSIGN(const Entry linked, transaction.lookup(step.other.lookup_path()));
      if (linked.is_folder()) {
        return Error(ErrorCode::kInvalidArgument, "folders have one name only");
      }
      RAMET_TRY(transaction.link(linked.object, parent, place.name()));
      break;
    }
    case Kind::kSymlink: {
      RAMET_ASSIGN(const FolderId parent, parent_folder(transaction, place, step.put.parents));
      RAMET_ASSIGN(const auto there, entry_at(transaction, place));
      if (there) RAMET_TRY(call.require_removal("replacing an object"));
      Attributes attributes;
      attributes.mode = 0120777;
      attributes.modified = now_nanoseconds();
      RAMET_TRY(transaction.put_symlink(parent, place.name(), step.target, attributes));
      break;
    }
    case Kind::kPut: break;
  }
  return Json::object();
}

// The `changed` of a container that If-Match names: '"17"'. Nothing: no such field.
Result<std::optional<Sequence>> expected_state(Call& call) {
  const auto field = call.request.fields.find("if-match");
  if (!field || *field == "*") return std::optional<Sequence>();
  const std::string_view text = *field;
  const bool quoted = text.size() > 2 && text.size() < 22 && text.front() == '"' &&
                      text.back() == '"';
  const std::string digits(quoted ? text.substr(1, text.size() - 2) : "");
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) {
    return call.refuse(412, ErrorCode::kFailedPrecondition,
                       "If-Match is not an entity tag that this container ever had");
  }
  return std::optional<Sequence>(std::stoull(digits));
}

}  // namespace

Task<Answer> batch(Call& call) {
  RAMET_CO_ASSIGN(const auto expected, expected_state(call));
  if (expected && *expected != call.container.changed) {
    co_return call.refuse(412, ErrorCode::kFailedPrecondition,
                          fmt::format("the container has the entity tag \"{}\"",
                                      call.container.changed));
  }
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  Members in(json);
  const Json* operations = in.value("operations");
  if (operations == nullptr || !operations->is_array()) {
    in.fail("operations", "must be an array");
  } else if (operations->size() > kOperationsMax) {
    in.fail("operations", fmt::format("holds more than {} operations", kOperationsMax));
  }
  RAMET_CO_TRY(in.done());
  std::deque<Step> steps;
  std::vector<std::string> uploads;
  for (size_t i = 0; i < operations->size(); ++i) {
    RAMET_CO_ASSIGN(Step step, read_step((*operations)[i], fmt::format("operations[{}]", i),
                                         call.container.is_flat()));
    if (!step.upload.empty()) {
      auto pieces = co_await call.slow([&] { return upload_pieces(call, step.upload); });
      if (!pieces.ok()) co_return std::move(pieces).error();
      step.put.staged = std::move(*pieces);
      // An upload may have come to nothing at all: then it is its empty content that is put.
      uploads.push_back(step.upload);
    }
    steps.push_back(std::move(step));
  }
  Json results;
  const Build build = [&](Transaction& transaction) -> Status {
    results = Json::array();
    if (expected) expect_unchanged(transaction, *expected);
    for (size_t i = 0; i < steps.size(); ++i) {
      auto done = with_context(run_step(call, transaction, steps[i]),
                               fmt::format("operations[{}]", i));
      if (!done.ok()) return std::move(done).error();
      results.push_back(std::move(*done));
    }
    return ok();
  };
  auto done = co_await change(call, build, Weight::kSlow, expected ? 1 : 0);
  if (!done.ok()) {
    if (expected && done.error().code() == ErrorCode::kBusy) {
      co_return call.refuse(412, ErrorCode::kBusy,
                            "the container was changed since it had that entity tag");
    }
    co_return std::move(done).error();
  }
  for (const std::string& upload : uploads) {
    ignore_error(co_await remove_upload(call, upload), "an abort removes it, too");
  }
  auto info = co_await call.slow([&] { return call.store().container(call.container.id); });
  Json out;
  out["sequence"] = *done;
  out["results"] = std::move(results);
  Response response = json_response(200, out);
  // Of the state that this batch made; if others changed the container since, there is none.
  if (info.ok() && info->changed == *done) {
    response.fields.set("ETag", fmt::format("\"{}\"", info->changed));
  }
  co_return response;
}

}  // namespace ramet::serve::rest
