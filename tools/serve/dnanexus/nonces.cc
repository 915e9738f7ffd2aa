#include "tools/serve/dnanexus/nonces.h"

#include <fmt/format.h>

#include "tools/serve/digest.h"
#include "tools/serve/dnanexus/object_json.h"

namespace ramet::serve::dnanexus {
namespace {

constexpr size_t kNonceBytesMax = 128;
constexpr size_t kKeptMax = 100;  // in one document
constexpr int64_t kLife = 3'600'000;  // milliseconds
constexpr size_t kHashDigits = 32;

std::string hash_of(std::string_view text) {
  return to_hex(digest_of(Algorithm::kSha256, text)).substr(0, kHashDigits);
}

Outcome<Json> kept(const View& view, const Nonce& nonce) {
  auto text = view.document(nonce.document);
  if (!text.ok()) {
    if (text.error().code() == ErrorCode::kNotFound) return Json::array();
    return std::move(text).error();
  }
  Json json = parse_kept(*text);
  return json.is_array() ? json : Json::array();
}

bool is_entry(const Json& entry, int64_t now) {
  if (!entry.is_array() || entry.size() != 4 || !entry[3].is_number_integer()) return false;
  for (size_t i = 0; i < 3; ++i) {
    if (!entry[i].is_string()) return false;
  }
  return entry[3].get<int64_t>() > now - kLife;
}

}  // namespace

Outcome<std::optional<Nonce>> read_nonce(const Json& input, std::string_view caller,
                                         std::string_view route) {
  if (!input.contains("nonce")) return std::optional<Nonce>();
  const Json& value = input["nonce"];
  if (!value.is_string() || value.get_ref<const std::string&>().size() > kNonceBytesMax) {
    return Fault(Type::kInvalidInput,
                 fmt::format("expected 'nonce' to be a string of at most {} bytes",
                             kNonceBytesMax));
  }
  if (value.get_ref<const std::string&>().empty()) return std::optional<Nonce>();
  Nonce out;
  out.key = hash_of(fmt::format("{}\n{}\n{}", caller, route, value.get<std::string>()));
  // (Keys in order, however they came.)
  nlohmann::json sorted = nlohmann::json::parse(input.dump(), nullptr, false);
  out.input = hash_of(sorted.dump());
  out.document = "dnanexus.nonces." + out.key.substr(0, 2);
  return std::optional<Nonce>(std::move(out));
}

Outcome<std::optional<std::string>> find_nonce(const View& view, const Nonce& nonce, int64_t now) {
  RAMET_ASSIGN(const Json all, kept(view, nonce));
  for (const Json& entry : all) {
    if (!is_entry(entry, now) || entry[0] != nonce.key) continue;
    if (entry[1] != nonce.input) {
      return Fault(Type::kInvalidInput, "'nonce' was used with another input");
    }
    return std::optional<std::string>(entry[2].get<std::string>());
  }
  return std::optional<std::string>();
}

Outcome<void> keep_nonce(Transaction& transaction, const View& view, const Nonce& nonce,
                         const std::string& made, int64_t now) {
  RAMET_ASSIGN(const Json all, kept(view, nonce));
  Json next = Json::array();
  size_t skip = all.size() >= kKeptMax ? all.size() - kKeptMax + 1 : 0;
  for (const Json& entry : all) {
    if (skip > 0) {
      --skip;
    } else if (is_entry(entry, now)) {
      next.push_back(entry);
    }
  }
  next.push_back(Json::array({nonce.key, nonce.input, made, now}));
  RAMET_TRY(transaction.set_document(nonce.document, next.dump()));
  return {};
}

}  // namespace ramet::serve::dnanexus
