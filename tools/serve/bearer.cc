#include "tools/serve/bearer.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "format/hash.h"

namespace ramet::serve {
namespace {

constexpr size_t kAddressesMax = 256;      // between two writes
constexpr size_t kAuthorizationMax = 512;  // longer ones hold no token of ours
constexpr uint64_t kSecond = 1'000'000'000;

// RFC 4648, with or without padding. Empty for anything else.
std::string from_base64(std::string_view text) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return {};
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count & 0xFF));
    }
  }
  return out;
}

// What stands for a token where it must not be told.
std::string name_of(std::string_view token) {
  return token.empty() ? "" : "token " + blake3(token).to_hex().substr(0, 16);
}

uint64_t seconds_of(uint64_t nanoseconds) { return (nanoseconds + kSecond - 1) / kSecond; }

}  // namespace

std::string bearer_token(std::string_view authorization) {
  if (authorization.size() > kAuthorizationMax) return {};
  const size_t space = authorization.find(' ');
  if (space == std::string_view::npos) return {};
  const std::string_view scheme = authorization.substr(0, space);
  std::string_view rest = authorization.substr(space + 1);
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  if (same_name(scheme, "Bearer")) return std::string(rest);
  if (!same_name(scheme, "Basic")) return {};
  const std::string pair = from_base64(rest);
  const size_t colon = pair.find(':');
  return colon == std::string::npos ? std::string() : pair.substr(colon + 1);
}

Result<Caller> BearerAuthenticator::authenticate(const Request& request) {
  const std::string token = bearer_token(request.fields.get("authorization"));
  if (token.empty()) {
    // (Nothing was tried: clients ask once without, to be told how.)
    return Error(ErrorCode::kPermissionDenied, "this needs credentials: a bearer token");
  }
  const std::string name = name_of(token);
  if (const auto wait = limiter_.must_wait(request.peer, name)) {
    return Error(ErrorCode::kBusy,
                 fmt::format("too many wrong credentials from here; wait {} s",
                             seconds_of(*wait)));
  }
  auto caller = access_.authenticate_token(token);
  if (caller.ok()) {
    limiter_.succeeded(request.peer, name);
  } else if (caller.error().code() == ErrorCode::kPermissionDenied) {
    limiter_.failed(request.peer, name);
    failed_.note(request.peer, name);
  }
  return caller;
}

uint64_t BearerAuthenticator::retry_after(const Request& request) {
  const std::string token = bearer_token(request.fields.get("authorization"));
  const auto wait = limiter_.must_wait(request.peer, name_of(token));
  return wait ? seconds_of(*wait) : 0;
}

void FailedLogins::note(std::string_view peer, std::string_view credential) {
  const std::lock_guard lock(mutex_);
  const std::string from(peer);
  const auto found = counts_.find(from);
  if (found == counts_.end() && counts_.size() >= kAddressesMax) {
    ++others_;
    return;
  }
  Count& count = counts_[from];
  ++count.failures;
  count.credential = credential;
}

Status FailedLogins::write() {
  std::map<std::string, Count> counts;
  uint64_t others = 0;
  {
    const std::lock_guard lock(mutex_);
    counts.swap(counts_);
    std::swap(others, others_);
  }
  std::vector<AuditEntry> entries;
  for (const auto& [peer, count] : counts) {
    AuditEntry entry;
    entry.action = "login.failed";
    entry.principal = "?";  // (empty would stand for the operator)
    entry.target = count.credential;
    entry.from = peer;
    if (count.failures > 1) entry.detail = fmt::format("{} times", count.failures);
    entries.push_back(std::move(entry));
  }
  if (others > 0) {
    AuditEntry entry;
    entry.action = "login.failed";
    entry.principal = "?";
    entry.from = "?";
    entry.detail = fmt::format("{} times, from other addresses", others);
    entries.push_back(std::move(entry));
  }
  if (entries.empty()) return ok();
  return access_.audit_all(std::move(entries));
}

}  // namespace ramet::serve
