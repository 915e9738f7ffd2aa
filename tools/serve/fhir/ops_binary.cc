// Binary: bytes with a media type (http://hl7.org/fhir/R4/binary.html). What is sent as it is
// becomes the content of the record, which clones share; the resource says what they are.
#include <fmt/format.h>

#include "tools/serve/content_source.h"
#include "tools/serve/digest.h"
#include "tools/serve/fhir/handlers.h"
#include "tools/serve/fhir/links.h"
#include "tools/serve/fhir/policy.h"
#include "tools/serve/fhir/search.h"
#include "tools/serve/parse_json.h"
#include "tools/serve/staging.h"

namespace ramet::serve::fhir {
namespace {

constexpr std::string_view kFhirJson = "application/fhir+json";

// Bytes on their way into a Binary: in memory, or staged.
struct Upload {
  std::string bytes;
  std::optional<Staged> staged;
};

// The resource beside its bytes.
Outcome<Json> described(const Call& call) {
  Json resource;
  resource["resourceType"] = "Binary";
  std::string media = std::string(call.request.fields.get("content-type"));
  std::erase_if(media, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  resource["contentType"] = media.empty() ? "application/octet-stream" : media;
  const std::string context(call.request.fields.get("x-security-context"));
  if (!context.empty()) {
    if (!parse_exact_reference(context)) {
      return Fault(Issue::kInvalid, "Invalid security context", "X-Security-Context");
    }
    resource["securityContext"]["reference"] = context;
  }
  return resource;
}

// A Binary as JSON: its data are the bytes.
Outcome<Json> from_json(std::string_view text, std::string* bytes) {
  auto json = parse_json(text);
  if (!json.ok()) return Fault(Issue::kStructure, json.error().message());
  RAMET_TRY(check_shape(*json, "Binary"));
  const auto data = json->find("data");
  if (data != json->end()) {
    const auto decoded = data->is_string() ? from_base64(data->get_ref<const std::string&>())
                                           : std::nullopt;
    if (!decoded) return Fault(Issue::kInvalid, "data must be base64", "Binary.data");
    *bytes = *decoded;
    json->erase("data");
  }
  return std::move(*json);
}

Outcome<Answer> store(Call& call, Staging& staging, const Json& resource, const Upload& upload,
                      bool has_content) {
  ContainerId container = call.login.project;
  std::optional<ObjectId> id;
  if (call.path.size() == 2) {
    const auto parsed = parse_uuid<ObjectId>(call.path[1]);
    if (!parsed.ok()) return Fault(Issue::kNotFound);
    id = *parsed;
    auto place = find_place(call.shared, call.login, "Binary", *id);
    if (place.ok()) {
      container = place->container;
    } else if (place.error().issue != Issue::kNotFound || !call.login.is_super_admin) {
      return std::move(place).error();
    }
  } else if (const std::string project = meta_text(resource, "project");
             call.login.is_super_admin && !project.empty()) {
    const auto parsed = parse_uuid<ContainerId>(project);
    if (!parsed.ok()) return Fault(Issue::kInvalid, "there is no such project", "meta.project");
    container = *parsed;
  }
  Answer answer;
  const auto attempt = [&](Transaction& transaction) -> Outcome<void> {
    Json before;
    Json one = resource;
    if (id) {
      one["id"] = to_uuid(*id);
      auto there = read_resource(call.shared, transaction, "Binary", *id);
      if (there.ok()) {
        before = std::move(*there);
      } else if (there.error().issue != Issue::kNotFound) {
        return std::move(there).error();
      }
    } else {
      one.erase("id");
    }
    std::unique_ptr<ContentWriter> writer;
    if (has_content || before.is_null()) {
      RAMET_ASSIGN(writer, transaction.write_content());
      if (upload.staged) {
        RAMET_TRY(staging.append(*writer, {upload.staged->path}));
      } else {
        RAMET_TRY(writer->append(upload.bytes));
      }
    }
    RAMET_ASSIGN(Json stored, store_resource(call, transaction, container, std::move(one), before,
                                             std::move(writer)));
    stored["url"] = "Binary/" + text_member(stored, "id");
    answer = resource_answer(call, before.is_null() ? 201 : 200, stored);
    return {};
  };
  RAMET_TRY(change(call.shared, container, attempt));
  return answer;
}

}  // namespace

Task<Outcome<Answer>> write_binary(Call& call, Body& body) {
  const bool creates = call.path.size() == 1;
  RAMET_CO_TRY(check_interaction(
      call.login, creates ? Interaction::kCreate : Interaction::kUpdate, "Binary"));
  const auto coding = call.request.fields.get("content-encoding");
  if (!coding.empty() && coding != "identity") {
    co_return Fault(Issue::kUnsupportedMediaType,
                    fmt::format("Content-Encoding {} is not supported", coding));
  }
  Staging staging(call.store(), call.workers());
  Upload upload;
  auto head = co_await read_head(body, kSmallBodyBytes);
  if (!head.ok()) co_return std::move(head).error();
  const bool is_json = call.request.fields.get("content-type") == kFhirJson;
  if (is_json && !head->whole) {
    co_return Fault(Issue::kTooLarge, "a long Binary is sent as it is, not as JSON");
  }
  if (head->whole) {
    upload.bytes = std::move(head->bytes);
  } else {
    auto staged = co_await staging.stage_put(head->bytes, body);
    if (!staged.ok()) co_return std::move(staged).error();
    upload.staged = std::move(*staged);
  }
  bool has_content = true;
  Outcome<Json> resource = Json();
  if (is_json) {
    std::string bytes;
    resource = from_json(upload.bytes, &bytes);
    has_content = !bytes.empty();
    upload.bytes = std::move(bytes);
  } else {
    resource = described(call);
  }
  if (!resource.ok()) co_return std::move(resource).error();
  const auto work = [&] { return store(call, staging, *resource, upload, has_content); };
  auto stored = co_await call.workers().run(work);
  if (upload.staged) {
    ignore_error(co_await staging.remove(upload.staged->path),
                 "what is left is removed when the daemon starts again");
  }
  co_return stored;
}

Outcome<Answer> read_binary(Call& call) {
  RAMET_TRY(check_interaction(call.login, Interaction::kRead, "Binary"));
  RAMET_ASSIGN(Found found, find_resource(call, "Binary", call.path[1]));
  RAMET_ASSIGN(const Json resource, shown_resource(call, *found.view, found.info, true));
  // Who may not read what it belongs to, may not read it.
  if (const auto context = resource.find("securityContext"); context != resource.end()) {
    const std::string reference = text_member(*context, "reference");
    const auto parsed = parse_exact_reference(reference);
    if (parsed && !call.login.is_super_admin) {
      RAMET_TRY(check_interaction(call.login, Interaction::kRead, parsed->type));
      RAMET_ASSIGN(const Found owner, find_resource(call, parsed->type, to_uuid(parsed->id)));
      RAMET_TRY(shown_resource(call, *owner.view, owner.info, false));
    }
  }
  if (call.request.fields.get("accept").starts_with(kFhirJson)) {
    Json shown = resource;
    shown["url"] = "Binary/" + call.path[1];
    return resource_answer(call, 200, shown);
  }
  Answer answer;
  answer.content = std::make_shared<Response>();
  Response& response = *answer.content;
  response.fields.set("ETag", "W/\"" + to_uuid(found.info.version) + "\"");
  response.fields.set("Accept-Ranges", "bytes");
  response.fields.set("Content-Type", text_member(resource, "contentType"));
  // (What somebody uploaded is not to be run in this origin.)
  response.fields.set("Content-Security-Policy", "sandbox");
  const uint64_t size = found.info.size;
  uint64_t from = 0;
  uint64_t length = size;
  if (const auto range = parse_range(call.request.fields.get("range"), size)) {
    if (!range->satisfiable) {
      Answer refused = fault_answer(Fault(Issue::kInvalid, fmt::format("it has {} bytes", size)));
      refused.status = 416;
      refused.fields.set("Content-Range", fmt::format("bytes */{}", size));
      return refused;
    }
    from = range->from;
    length = range->length;
    response.status = 206;
    response.fields.set("Content-Range",
                        fmt::format("bytes {}-{}/{}", from, from + length - 1, size));
  }
  response.length = length;
  if (call.request.method != "HEAD" && length > 0) {
    RAMET_TRY(set_content(response, call.workers(), found.view, found.info.id, from, length,
                          found.info.number));
  }
  return answer;
}

}  // namespace ramet::serve::fhir
