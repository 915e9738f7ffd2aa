#include "tools/serve/dnanexus/parts.h"

#include <charconv>

#include <fmt/format.h>

namespace ramet::serve::dnanexus {
namespace {

constexpr size_t kInlineBytesMax = 1024;

Error malformed() { return Error(ErrorCode::kCorruption, "a file's table of parts is broken"); }

template <typename Number>
bool take(std::string_view& text, char end, Number& number) {
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || at == text.data() + text.size() || *at != end) return false;
  text.remove_prefix(static_cast<size_t>(at - text.data()) + 1);
  return true;
}

}  // namespace

std::string parts_text(const std::vector<Part>& parts) {
  std::string text;
  for (const Part& part : parts) {
    text += fmt::format("{} {} {}\n", part.index, part.size, part.md5.empty() ? "-" : part.md5);
  }
  return text;
}

Result<std::vector<Part>> parse_parts(std::string_view text) {
  std::vector<Part> parts;
  while (!text.empty()) {
    Part part;
    if (!take(text, ' ', part.index) || !take(text, ' ', part.size)) return malformed();
    const size_t end = text.find('\n');
    if (end == std::string_view::npos || parts.size() == kPartsMax) return malformed();
    part.md5 = std::string(text.substr(0, end));
    if (part.md5 == "-") part.md5.clear();
    text.remove_prefix(end + 1);
    parts.push_back(std::move(part));
  }
  return parts;
}

Status set_long_text(Transaction& transaction, const ObjectId& object, std::string_view name,
                     std::string_view text, std::string& inlined) {
  const bool is_long = text.size() > kInlineBytesMax;
  inlined = is_long ? std::string() : std::string(text);
  return transaction.set_object_document(
      object, name, is_long ? std::optional<std::string_view>(text) : std::nullopt);
}

Result<std::string> long_text(const View& view, const ObjectInfo& info, std::string_view name,
                              const std::string& inlined) {
  if (!inlined.empty()) return inlined;
  for (const ObjectDocument& document : info.documents) {
    if (document.name == name) return view.object_document(info.id, name);
  }
  return std::string();
}

Status set_parts(Transaction& transaction, const ObjectId& object, const std::vector<Part>& parts,
                 Metadata& metadata) {
  std::string inlined;
  RAMET_TRY(set_long_text(transaction, object, kPartsName, parts_text(parts), inlined));
  if (!inlined.empty()) set_property(metadata, std::string(kPartsName), std::move(inlined));
  return ok();
}

Result<std::vector<Part>> parts_of(const View& view, const ObjectInfo& info) {
  const std::string* const inlined = find_property(info.metadata, kPartsName);
  RAMET_ASSIGN(const std::string text,
               long_text(view, info, kPartsName, inlined == nullptr ? std::string() : *inlined));
  if (!text.empty()) return parse_parts(text);
  return std::vector<Part>{{1, info.size, {}}};
}

}  // namespace ramet::serve::dnanexus
