#include "tools/serve/dnanexus/transfers.h"

#include <atomic>
#include <charconv>
#include <vector>

#include <fmt/format.h>

#include "tools/serve/content_rules.h"
#include "tools/serve/content_source.h"
#include "tools/serve/digest.h"
#include "tools/serve/dnanexus/object_json.h"
#include "tools/serve/rest/json.h"

namespace ramet::serve::dnanexus {
namespace {

// Fields of a token's text, in order, separated by '|'.
enum TokenField : size_t {
  kKind, kContainer, kObject, kPrincipal, kExpires, kNumber, kIndex, kSize, kMd5, kFields
};
constexpr size_t kSignatureDigits = 64;

std::string text_of(const Transfer& transfer) {
  return fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}", transfer.is_upload ? "u" : "d",
                     to_base62(transfer.container), to_base62(transfer.object),
                     to_base62(transfer.principal), transfer.expires, transfer.number,
                     transfer.part.index, transfer.part.size, transfer.part.md5);
}

template <typename Number>
bool read(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// What is wrong with a URL is told in plain words: clients that see JSON give up at once, others
// ask for a new URL.
Response plain(int status, std::string text) {
  Response response;
  response.status = status;
  response.fields.set("Content-Type", "text/plain; charset=utf-8");
  response.error = text;
  response.body = std::move(text) + "\n";
  return response;
}

// What went wrong, without what is for the log alone. Not a 5xx for what lasts: clients try again.
Response plain_fault(const Fault& fault) {
  int status = 409;
  if (fault.type == Type::kResourceNotFound || fault.type == Type::kInvalidState) status = 404;
  if (fault.type == Type::kPermissionDenied) status = 403;
  if (fault.type == Type::kInvalidInput) status = 400;
  if (fault.type == Type::kInternalError) status = 500;
  if (fault.type == Type::kServiceUnavailable) status = 503;
  Response response = plain(status, fault.message);
  if (!fault.internal.empty()) response.error = fault.internal;
  return response;
}

// Whether the token still holds.
Outcome<void> check(Shared& shared, const Transfer& transfer) {
  const Fault gone(Type::kPermissionDenied, "this URL is not valid any more");
  if (transfer.expires <= now_ms()) return gone;
  AccessControl& access = shared.services.access;
  const auto principal = access.principal(transfer.principal);
  if (!principal.ok()) {
    return principal.error().code() == ErrorCode::kNotFound ? gone : Fault(principal.error());
  }
  const Caller caller{*principal, Scope{}};
  RAMET_ASSIGN(const AccessLevel level, access.level(caller, transfer.container));
  const AccessLevel least = transfer.is_upload ? AccessLevel::kUpload : AccessLevel::kView;
  if (level < least) return gone;
  return {};
}

Task<Response> put_part(Shared& shared, const Transfer& transfer, Request& request, Body& body) {
  const auto is_open = [&]() -> Outcome<bool> {
    RAMET_ASSIGN(const auto view, shared.services.store.view(transfer.container));
    const auto info = view->object(transfer.object);
    if (!info.ok() && info.error().code() != ErrorCode::kNotFound) return Fault(info.error());
    return info.ok() && info->standing.state == ObjectState::kOpen;
  };
  auto open = co_await shared.services.workers.run_quick(is_open);
  if (!open.ok()) co_return plain_fault(open.error());
  if (!*open) co_return plain(409, "the file is not open");
  if (request.content_length && *request.content_length != transfer.part.size) {
    co_return plain(400, fmt::format("part {} must have {} bytes", transfer.part.index,
                                     transfer.part.size));
  }
  const OpenFile file{transfer.container, transfer.object};
  const Status stored = co_await shared.uploads.store(file, transfer.part, body);
  if (stored.ok()) {
    Response response;
    response.fields.set("Content-Type", "text/plain; charset=utf-8");
    co_return response;
  }
  Fault fault(stored.error());
  // (A full disk, or a store that takes no writes: 409, and nothing was kept.)
  if (fault.type == Type::kInvalidState) co_return plain(409, fault.message);
  co_return plain_fault(fault);
}

Outcome<Response> get_content(Shared& shared, const Transfer& transfer, const Request& request) {
  RAMET_ASSIGN(auto view, shared.services.store.view(transfer.container));
  RAMET_ASSIGN(const ObjectInfo info, view->object(transfer.object));
  RAMET_ASSIGN(const ContainerAccess rules,
               shared.services.access.container_access(transfer.container));
  RAMET_TRY(check_may_leave(rules));
  if (info.standing.state != ObjectState::kClosed || info.standing.archival != Archival::kLive) {
    return Fault(Type::kInvalidState, "the file is not closed and live");
  }
  Response response;
  const std::string etag = rest::etag_of(info);
  response.fields.set("ETag", etag);
  response.fields.set("Accept-Ranges", "bytes");
  std::string media = info.metadata.media_type;
  std::erase_if(media, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  response.fields.set("Content-Type", media.empty() ? "application/octet-stream" : media);
  response.fields.set("Content-Disposition",
                      "attachment; filename*=UTF-8''" + percent_encode(title_of(info), true));
  response.fields.set("X-Content-Type-Options", "nosniff");
  uint64_t from = 0;
  uint64_t length = info.size;
  if (const auto range = parse_range(request.fields.get("range"), info.size)) {
    if (!range->satisfiable) {
      Response refused = plain(416, fmt::format("the file has {} bytes", info.size));
      refused.fields.set("Content-Range", fmt::format("bytes */{}", info.size));
      return refused;
    }
    from = range->from;
    length = range->length;
    response.status = 206;
    response.fields.set("Content-Range",
                        fmt::format("bytes {}-{}/{}", from, from + length - 1, info.size));
  }
  response.length = length;
  if (request.method != "HEAD" && length > 0) {
    RAMET_TRY(set_content(response, shared.services.workers, std::move(view), info.id, from,
                          length));
  }
  return response;
}

}  // namespace

std::string transfer_token(const Transfer& transfer, ByteView key) {
  const std::string text = text_of(transfer);
  return to_hex(hmac_sha256(key, text)) + to_hex(text);
}

std::optional<Transfer> parse_transfer(std::string_view token, ByteView key) {
  if (token.size() < kSignatureDigits) return std::nullopt;
  const auto text = from_hex(token.substr(kSignatureDigits));
  if (!text || !equal_secretly(to_hex(hmac_sha256(key, *text)),
                               token.substr(0, kSignatureDigits))) {
    return std::nullopt;
  }
  std::vector<std::string_view> fields;
  for (std::string_view rest = *text;;) {
    const size_t end = rest.find('|');
    fields.push_back(rest.substr(0, end));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  if (fields.size() != kFields) return std::nullopt;
  Transfer out;
  out.is_upload = fields[kKind] == "u";
  const auto container = parse_base62<ContainerId>(fields[kContainer]);
  const auto object = parse_base62<ObjectId>(fields[kObject]);
  const auto principal = parse_base62<PrincipalId>(fields[kPrincipal]);
  if (!container.ok() || !object.ok() || !principal.ok()) return std::nullopt;
  out.container = *container;
  out.object = *object;
  out.principal = *principal;
  if (!read(fields[kExpires], out.expires) || !read(fields[kNumber], out.number) ||
      !read(fields[kIndex], out.part.index) || !read(fields[kSize], out.part.size)) {
    return std::nullopt;
  }
  out.part.md5 = std::string(fields[kMd5]);
  return out;
}

Outcome<std::string> transfer_url(Call& call, const Transfer& transfer) {
  RAMET_ASSIGN(const Bytes key, call.shared.uploads.key());
  return fmt::format("{}://{}{}{}", call.request.tls ? "https" : "http", call.request.host(),
                     kTransferPath, transfer_token(transfer, key));
}

uint64_t next_transfer() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

Task<Response> serve_transfer(Shared& shared, Request& request, Body& body) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  std::string_view token = std::string_view(request.path).substr(kTransferPath.size());
  token = token.substr(0, token.find('/'));
  std::optional<Transfer> transfer;
  const auto look = [&]() -> Outcome<void> {
    RAMET_ASSIGN(const Bytes key, shared.uploads.key());
    transfer = parse_transfer(token, key);
    if (!transfer) return Fault(Type::kPermissionDenied, "this URL is not valid");
    return check(shared, *transfer);
  };
  auto valid = co_await shared.services.workers.run_quick(look);
  Response response;
  if (!valid.ok()) {
    response = plain_fault(valid.error());
  } else if (transfer->is_upload ? request.method != "PUT" : !reads) {
    response = plain(405, "this URL is for another method");
  } else if (transfer->is_upload) {
    response = co_await put_part(shared, *transfer, request, body);
  } else {
    const auto get = [&] { return get_content(shared, *transfer, request); };
    auto got = co_await shared.services.workers.run_quick(get);
    if (got.ok()) {
      response = std::move(*got);
    } else {
      response = plain_fault(got.error());
    }
  }
  response.operation = transfer && transfer->is_upload ? "dnanexus.PutPart" : "dnanexus.GetContent";
  co_return response;
}

}  // namespace ramet::serve::dnanexus
