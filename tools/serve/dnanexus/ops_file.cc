// Files: parts uploaded, closed, and downloaded.
#include <algorithm>

#include <fmt/format.h>

#include "tools/serve/content_rules.h"
#include "tools/serve/dnanexus/handlers.h"
#include "tools/serve/dnanexus/object_edit.h"
#include "tools/serve/dnanexus/parts.h"
#include "tools/serve/dnanexus/transfers.h"
#include "tools/serve/dnanexus/upload_json.h"

namespace ramet::serve::dnanexus {
namespace {

constexpr int64_t kUploadLife = 24 * 3'600'000;    // milliseconds that a URL holds
constexpr int64_t kDownloadLife = 24 * 3'600'000;
constexpr int64_t kDownloadLifeMax = 366 * kDownloadLife;
constexpr size_t kMd5Digits = 32;

bool is_md5(std::string_view text) {
  return text.size() == kMd5Digits && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

OpenFile open_file(const Located& found) { return {found.project.info.id, found.info.id}; }

Outcome<Part> read_part(const Input& in) {
  Part part;
  RAMET_ASSIGN(const auto index, in.number("index"));
  if (index && (*index < 1 || *index > kPartsMax)) {
    return wrong_type("index", fmt::format("an integer from 1 to {}", kPartsMax));
  }
  part.index = static_cast<uint32_t>(index.value_or(1));
  RAMET_ASSIGN(const auto size, in.number("size"));
  if (!size || *size < 0 || static_cast<uint64_t>(*size) > kPartBytesMax) {
    return wrong_type("size", fmt::format("an integer from 0 to {}", kPartBytesMax));
  }
  part.size = static_cast<uint64_t>(*size);
  RAMET_ASSIGN(part.md5, in.some_text("md5"));
  if (!is_md5(part.md5)) return wrong_type("md5", "32 lower-case hexadecimal digits");
  return part;
}

// Why a file of these parts cannot be closed.
Outcome<void> check_parts(const std::vector<Part>& parts, const std::vector<uint32_t>& awaited) {
  for (const uint32_t index : awaited) {
    const bool came = std::any_of(parts.begin(), parts.end(),
                                  [&](const Part& part) { return part.index == index; });
    if (!came) {
      return Fault(Type::kInvalidState,
                   fmt::format("part {} was announced and has not been uploaded", index));
    }
  }
  if (parts.empty()) return Fault(Type::kInvalidState, "the file has no parts");
  uint64_t bytes = 0;
  for (const Part& part : parts) {
    bytes += part.size;
    if (&part != &parts.back() && part.size < kPartBytesMin) {
      return Fault(Type::kInvalidState,
                   fmt::format("part {} has {} bytes; all but the last have at least {}",
                               part.index, part.size, kPartBytesMin));
    }
  }
  if (bytes > kFileBytesMax) {
    return Fault(Type::kInvalidState, fmt::format("a file has at most {} bytes", kFileBytesMax));
  }
  return {};
}

}  // namespace

Outcome<Json> located_json(Call& call, const Located& found, const DescribeFields& fields) {
  const bool is_open = found.info.standing.state == ObjectState::kOpen;
  if (!is_open || found.info.type != kFileType || !fields.has("parts")) {
    return object_json(call.store(), *found.view, found.info, fields);
  }
  const OpenFile file = open_file(found);
  Json parts = Json::object();
  for (const uint32_t index : call.shared.uploads.awaited(file)) {
    parts[std::to_string(index)] = Json{{"state", "pending"}};
  }
  RAMET_ASSIGN(const std::vector<Part> came, call.shared.uploads.parts(file));
  for (const Part& part : came) {
    parts[std::to_string(part.index)] =
        Json{{"size", part.size}, {"md5", part.md5}, {"state", "complete"}};
  }
  return object_json(call.store(), *found.view, found.info, fields, &parts);
}

Task<Answer> upload_part(Call& call) {
  RAMET_CO_ASSIGN(const Part part, read_part(call.in()));
  co_return co_await call.quick([&]() -> Answer {
    RAMET_ASSIGN(const Located found, call.locate_open());
    Transfer transfer;
    transfer.is_upload = true;
    transfer.container = found.project.info.id;
    transfer.object = found.info.id;
    transfer.principal = call.caller.principal.id;
    transfer.expires = now_ms() + kUploadLife;
    transfer.part = part;
    transfer.number = next_transfer();
    Json json;
    RAMET_ASSIGN(json["url"], transfer_url(call, transfer));
    json["headers"] = Json::object();
    json["expires"] = transfer.expires;
    call.shared.uploads.expect(open_file(found), part.index);
    return json;
  });
}

Task<Answer> close_file(Call& call) {
  const auto look = [&] { return call.locate_open(true); };
  RAMET_CO_ASSIGN(const Located found, co_await call.quick(look));
  if (found.info.standing.state == ObjectState::kClosed) co_return subject_json(call);
  const OpenFile file = open_file(found);
  const std::vector<uint32_t> awaited = call.shared.uploads.awaited(file);
  const auto close = [&](Transaction& transaction, const View&, ObjectInfo& info) -> Outcome<void> {
    if (info.standing.state != ObjectState::kOpen) return {};
    RAMET_ASSIGN(auto writer, transaction.write_content());
    RAMET_ASSIGN(const std::vector<Part> parts, call.shared.uploads.append_to(*writer, file));
    RAMET_TRY(check_parts(parts, awaited));
    RAMET_TRY(transaction.set_content(info.id, std::move(writer)));
    RAMET_TRY(set_parts(transaction, info.id, parts, info.metadata));
    info.standing.state = ObjectState::kClosed;
    return {};
  };
  RAMET_CO_TRY(co_await edit_object(call, found, close, Weight::kSlow));
  const Status forgotten = co_await call.shared.uploads.forget(file);
  ignore_error(forgotten, "the next sweep removes them");
  co_return subject_json(call);
}

Task<Answer> download_file(Call& call) {
  const Input in = call.in();
  RAMET_CO_ASSIGN(const auto project, in.text("project"));
  RAMET_CO_ASSIGN(const auto filename, in.text("filename"));
  RAMET_CO_ASSIGN(const auto duration, in.number("duration"));
  RAMET_CO_ASSIGN(const bool preauthenticated, in.flag("preauthenticated", false));
  if (duration && (*duration < 1 || *duration > INT32_MAX)) {
    co_return wrong_type("duration", "an integer from 1 to 2^31 - 1");
  }
  co_return co_await call.quick([&]() -> Answer {
    RAMET_ASSIGN(const ObjectRef object, call.subject_object());
    std::optional<Located> found;
    if (project) {  // there, or nowhere
      const auto container = parse_container(*project);
      if (!container) {
        return Fault(Type::kResourceNotFound, fmt::format("\"{}\" is no project", *project));
      }
      RAMET_ASSIGN(found, call.locate_in(object, *container, AccessLevel::kView));
    } else {
      RAMET_ASSIGN(found, call.locate(object, std::nullopt, AccessLevel::kView));
    }
    const Standing& standing = found->info.standing;
    if (standing.state != ObjectState::kClosed) {
      return Fault(Type::kInvalidState,
                   fmt::format("\"{}\" is not in the closed state", call.subject));
    }
    if (standing.archival != Archival::kLive) {
      return Fault(Type::kInvalidState,
                   fmt::format("\"{}\" is {}: it must be unarchived first", call.subject,
                               archival_name(standing.archival)));
    }
    RAMET_TRY(check_may_leave(found->project.rules));
    constexpr int64_t kSecond = 1000;
    Transfer transfer;
    transfer.container = found->project.info.id;
    transfer.object = found->info.id;
    transfer.principal = call.caller.principal.id;
    transfer.expires =
        now_ms() + (duration ? std::min(*duration * kSecond, kDownloadLifeMax) : kDownloadLife);
    // (What is preauthenticated may be passed on: each is another one. Else the URL stays the same
    // for half a day or more.)
    if (preauthenticated) {
      transfer.number = next_transfer();
    } else if (!duration) {
      transfer.expires = (now_ms() / (kDownloadLife / 2) + 2) * (kDownloadLife / 2);
    }
    Json json;
    RAMET_ASSIGN(const std::string url, transfer_url(call, transfer));
    const std::string& name = filename ? *filename : title_of(found->info);
    json["url"] = url + "/" + call.subject + "/" + percent_encode(name, true);
    json["headers"] = Json::object();
    json["expires"] = transfer.expires;
    return json;
  });
}

}  // namespace ramet::serve::dnanexus
