#include "tools/serve/s3/form.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace ramet::serve::s3 {
namespace {

using Json = nlohmann::json;

constexpr size_t kFieldsBytesMax = 20u << 10;
constexpr size_t kPartHeadMax = 4096;
constexpr size_t kPieceBytes = 64u << 10;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

// name="value" of a header's parameters; quotes and escapes as browsers send them.
std::string parameter(std::string_view header, std::string_view name) {
  const std::string folded = lower(header);
  size_t at = 0;
  while ((at = folded.find(std::string(name) + "=", at)) != std::string::npos) {
    const char before = at == 0 ? ';' : folded[at - 1];
    if (before == ';' || before == ' ') break;
    ++at;
  }
  if (at == std::string::npos) return "";
  size_t from = at + name.size() + 1;
  std::string out;
  if (from < header.size() && header[from] == '"') {
    for (++from; from < header.size() && header[from] != '"'; ++from) {
      if (header[from] == '\\' && from + 1 < header.size()) ++from;
      out += header[from];
    }
    return out;
  }
  for (; from < header.size() && header[from] != ';' && header[from] != ' '; ++from) {
    out += header[from];
  }
  return out;
}

struct PartHead {
  std::string name;
  std::string file_name;
  std::string type;
};

PartHead parse_head(std::string_view head) {
  PartHead out;
  while (!head.empty()) {
    const size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head = end == std::string_view::npos ? std::string_view() : head.substr(end + 2);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string name = lower(line.substr(0, colon));
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    if (name == "content-disposition") {
      out.name = lower(parameter(value, "name"));
      out.file_name = parameter(value, "filename");
    } else if (name == "content-type") {
      out.type = value;
    }
  }
  return out;
}

Fault not_kept(const std::string& condition) {
  return {Code::kAccessDenied,
          fmt::format("Invalid according to Policy: Policy Condition failed: {}", condition)};
}

// Fields that no condition needs to name.
bool is_free(const std::string& name) {
  constexpr std::array<std::string_view, 5> kFree = {"x-amz-signature", "file", "policy",
                                                     "awsaccesskeyid", "bucket"};
  return name.starts_with("x-ignore-") ||
         std::find(kFree.begin(), kFree.end(), name) != kFree.end();
}

}  // namespace

std::string form_boundary(std::string_view content_type) {
  return parameter(content_type, "boundary");
}

FormReader::FormReader(Body& body, const std::string& boundary)
    : body_(body), delimiter_("\r\n--" + boundary), buffer_("\r\n") {}

std::string FormReader::field(std::string_view name) const {
  const auto found = fields_.find(std::string(name));
  return found == fields_.end() ? std::string() : found->second;
}

Task<Outcome<void>> FormReader::fill() {
  const size_t before = buffer_.size();
  buffer_.resize(before + kPieceBytes);
  auto got = co_await body_.read(std::span<char>(buffer_.data() + before, kPieceBytes));
  buffer_.resize(before + (got.ok() ? *got : 0));
  if (!got.ok()) co_return Fault(std::move(got).error());
  if (*got == 0) co_return Fault(Code::kMalformedPOSTRequest);
  co_return Outcome<void>();
}

Task<Outcome<void>> FormReader::read_fields() {
  size_t bytes = 0;
  // What stands before the first boundary is nothing (RFC 2046 5.1.1).
  size_t at = std::string::npos;
  while ((at = buffer_.find(delimiter_)) == std::string::npos) {
    if (buffer_.size() > kPartHeadMax + kPieceBytes) co_return Fault(Code::kMalformedPOSTRequest);
    RAMET_CO_TRY(co_await fill());
  }
  buffer_.erase(0, at + delimiter_.size());
  while (true) {
    size_t head_end = std::string::npos;
    while ((head_end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (buffer_.starts_with("--")) {
        co_return Fault(Code::kInvalidArgument,
                        "POST requires exactly one file upload per request.");
      }
      if (buffer_.size() > kPartHeadMax + kPieceBytes) {
        co_return Fault(Code::kMalformedPOSTRequest);
      }
      RAMET_CO_TRY(co_await fill());
    }
    if (head_end > kPartHeadMax || !buffer_.starts_with("\r\n")) {
      co_return Fault(Code::kMalformedPOSTRequest);
    }
    const PartHead head = parse_head(std::string_view(buffer_).substr(2, head_end - 2));
    buffer_.erase(0, head_end + 4);
    if (head.name.empty()) co_return Fault(Code::kMalformedPOSTRequest);
    if (head.name == "file") {
      file_name_ = head.file_name;
      if (!head.type.empty() && !fields_.contains("content-type")) {
        fields_["x-ignore-content-type"] = head.type;
      }
      co_return Outcome<void>();
    }
    size_t end = std::string::npos;
    while ((end = buffer_.find(delimiter_)) == std::string::npos) {
      if (buffer_.size() > kFieldsBytesMax + kPieceBytes) {
        co_return Fault(Code::kMaxPostPreDataLengthExceeded);
      }
      RAMET_CO_TRY(co_await fill());
    }
    bytes += end;
    if (bytes > kFieldsBytesMax) co_return Fault(Code::kMaxPostPreDataLengthExceeded);
    fields_[head.name] = buffer_.substr(0, end);
    buffer_.erase(0, end + delimiter_.size());
  }
}

Task<Result<size_t>> FormReader::read(std::span<char> into) {
  while (!file_ended_) {
    const size_t end = buffer_.find(delimiter_);
    // What could be the beginning of the delimiter stays until more is known.
    size_t ready = end != std::string::npos ? end
                   : buffer_.size() >= delimiter_.size() ? buffer_.size() - delimiter_.size() + 1
                                                         : 0;
    if (ready > 0) {
      ready = std::min(ready, into.size());
      std::copy_n(buffer_.data(), ready, into.data());
      buffer_.erase(0, ready);
      co_return ready;
    }
    if (end == 0) {
      file_ended_ = true;
      break;
    }
    auto filled = co_await fill();
    if (!filled.ok()) {
      co_return Error(filled.error().code() == ErrorCode::kIoError ? ErrorCode::kIoError
                                                                   : ErrorCode::kInvalidArgument,
                      "the form ends before its file does");
    }
  }
  // The rest is read, so that the connection can be used again.
  while (true) {
    buffer_.resize(kPieceBytes);
    auto got = co_await body_.read(std::span<char>(buffer_.data(), buffer_.size()));
    if (!got.ok()) co_return std::move(got).error();
    if (*got == 0) co_return size_t{0};
  }
}

Outcome<LengthRange> check_post_policy(std::string_view text,
                                       const std::map<std::string, std::string>& fields,
                                       int64_t now) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("expiration") || !json["expiration"].is_string() ||
      !json.contains("conditions") || !json["conditions"].is_array()) {
    return Fault(Code::kInvalidPolicyDocument, "Invalid Policy: Invalid JSON.");
  }
  const auto expiration = parse_iso_date(json["expiration"].get<std::string>());
  if (!expiration) {
    return Fault(Code::kInvalidPolicyDocument, "Invalid Policy: Invalid 'expiration' value");
  }
  if (*expiration < now) {
    return Fault(Code::kAccessDenied, "Invalid according to Policy: Policy expired.");
  }
  LengthRange range;
  std::map<std::string, bool> named;
  const auto value_of = [&](const std::string& name) {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string() : found->second;
  };
  for (const Json& condition : json["conditions"]) {
    if (condition.is_object() && condition.size() == 1) {
      const std::string name = lower(condition.begin().key());
      const Json& value = condition.begin().value();
      if (!value.is_string()) return Fault(Code::kInvalidPolicyDocument);
      named[name] = true;
      if (value_of(name) != value.get<std::string>()) return not_kept(condition.dump());
      continue;
    }
    if (!condition.is_array() || condition.size() != 3 || !condition[0].is_string()) {
      return Fault(Code::kInvalidPolicyDocument, "Invalid Policy: Invalid condition.");
    }
    const std::string op = lower(condition[0].get<std::string>());
    if (op == "content-length-range") {
      if (!condition[1].is_number_unsigned() || !condition[2].is_number_unsigned()) {
        return Fault(Code::kInvalidPolicyDocument, "Invalid Policy: Invalid condition.");
      }
      range.least = condition[1].get<uint64_t>();
      range.most = condition[2].get<uint64_t>();
      continue;
    }
    if ((op != "eq" && op != "starts-with") || !condition[1].is_string() ||
        !condition[2].is_string() || !condition[1].get<std::string>().starts_with('$')) {
      return Fault(Code::kInvalidPolicyDocument, "Invalid Policy: Invalid condition.");
    }
    const std::string name = lower(condition[1].get<std::string>().substr(1));
    const std::string wanted = condition[2].get<std::string>();
    named[name] = true;
    const std::string actual = value_of(name);
    if (op == "eq" ? actual != wanted : !actual.starts_with(wanted)) {
      return not_kept(condition.dump());
    }
  }
  for (const auto& [name, value] : fields) {
    if (!is_free(name) && !named.contains(name)) {
      return Fault(Code::kAccessDenied,
                   fmt::format("Invalid according to Policy: Extra input fields: {}", name));
    }
  }
  return range;
}

}  // namespace ramet::serve::s3
