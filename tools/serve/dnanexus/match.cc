#include "tools/serve/dnanexus/match.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include <fmt/format.h>

#include "tools/serve/dnanexus/input.h"

namespace ramet::serve::dnanexus {
namespace {

// How often an expression may call its matcher, and how much memory it may take (KiB): what anybody
// sends must not hold a thread.
constexpr uint32_t kMatchLimit = 100'000;
constexpr uint32_t kHeapLimit = 1024;
constexpr size_t kPatternBytesMax = 1024;

// One letter of a glob.
struct GlobItem {
  enum class Kind : uint8_t { kLetter, kAny, kOne };
  Kind kind = Kind::kLetter;
  char letter = 0;
};
GlobItem take_item(std::string_view glob, size_t& at) {
  char c = glob[at++];
  if (c == '*') return {GlobItem::Kind::kAny};
  if (c == '?') return {GlobItem::Kind::kOne};
  if (c == '\\' && at < glob.size()) c = glob[at++];
  return {GlobItem::Kind::kLetter, c};
}

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

// The usual two-pointer walk: only the last '*' is ever come back to.
bool glob_matches(std::string_view glob, std::string_view text) {
  size_t g = 0, t = 0;
  size_t star = std::string_view::npos, star_text = 0;
  for (;;) {
    if (g < glob.size()) {
      size_t next = g;
      const GlobItem item = take_item(glob, next);
      if (item.kind == GlobItem::Kind::kAny) {
        g = star = next;
        star_text = t;
        continue;
      }
      if (t < text.size() && item.kind == GlobItem::Kind::kOne) {
        g = next;
        for (++t; t < text.size() && continues_character(text[t]); ++t) {
        }
        continue;
      }
      if (t < text.size() && text[t] == item.letter && item.kind == GlobItem::Kind::kLetter) {
        g = next;
        ++t;
        continue;
      }
    } else if (t == text.size()) {
      return true;
    }
    if (star == std::string_view::npos || star_text >= text.size()) return false;
    g = star;
    t = ++star_text;
  }
}

std::string glob_prefix(std::string_view glob) {
  std::string out;
  for (size_t at = 0; at < glob.size();) {
    const GlobItem item = take_item(glob, at);
    if (item.kind != GlobItem::Kind::kLetter) break;
    out += item.letter;
  }
  return out;
}

struct TextMatch::Compiled {
  pcre2_code* code = nullptr;
  pcre2_match_context* context = nullptr;
  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() {
    pcre2_match_context_free(context);
    pcre2_code_free(code);
  }
};

Outcome<TextMatch> TextMatch::parse(const Json& asked, std::string_view key) {
  TextMatch out;
  if (asked.is_string()) {
    out.text_ = out.prefix_ = asked.get<std::string>();
    return out;
  }
  if (!asked.is_object()) return wrong_type(key, "a string or a hash");
  const Input in(asked);
  RAMET_ASSIGN(const auto glob, in.text("glob"));
  if (glob) {
    out.kind_ = Kind::kGlob;
    out.text_ = *glob;
    out.prefix_ = glob_prefix(*glob);
    return out;
  }
  RAMET_ASSIGN(const auto regexp, in.text("regexp"));
  RAMET_ASSIGN(const auto flags, in.text("flags"));
  if (!regexp) return wrong_type(key, "a string, or a hash with \"glob\" or \"regexp\"");
  if (regexp->size() > kPatternBytesMax || (flags && *flags != "i" && !flags->empty())) {
    return wrong_type(key, fmt::format("a regular expression of at most {} bytes, with the flag "
                                       "\"i\" or none",
                                       kPatternBytesMax));
  }
  out.kind_ = Kind::kRegexp;
  out.text_ = *regexp;
  auto compiled = std::make_shared<Compiled>();
  int error = 0;
  size_t where = 0;
  const uint32_t options = PCRE2_UTF | (flags && *flags == "i" ? PCRE2_CASELESS : 0u);
  compiled->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(regexp->data()), regexp->size(),
                                 options, &error, &where, nullptr);
  if (compiled->code == nullptr) {
    std::array<PCRE2_UCHAR, 256> text{};
    pcre2_get_error_message(error, text.data(), text.size());
    return Fault(Type::kInvalidInput,
                 fmt::format("'{}': the regular expression is wrong at {}: {}", key, where,
                             reinterpret_cast<const char*>(text.data())));
  }
  compiled->context = pcre2_match_context_create(nullptr);
  pcre2_set_match_limit(compiled->context, kMatchLimit);
  pcre2_set_heap_limit(compiled->context, kHeapLimit);
  out.compiled_ = std::move(compiled);
  return out;
}

Outcome<bool> TextMatch::matches(std::string_view text) const {
  if (kind_ == Kind::kExact) return text == text_;
  if (kind_ == Kind::kGlob) return glob_matches(text_, text);
  pcre2_match_data* const data = pcre2_match_data_create(1, nullptr);
  const int found = pcre2_match(compiled_->code, reinterpret_cast<PCRE2_SPTR>(text.data()),
                                text.size(), 0, 0, data, compiled_->context);
  pcre2_match_data_free(data);
  if (found >= 0) return true;
  // (A name that is no UTF-8 matches nothing.)
  if (found == PCRE2_ERROR_NOMATCH || (found <= PCRE2_ERROR_UTF8_ERR1 &&
                                       found >= PCRE2_ERROR_UTF8_ERR21)) {
    return false;
  }
  return Fault(Type::kInvalidInput,
               fmt::format("the regular expression \"{}\" takes too long", text_));
}

}  // namespace ramet::serve::dnanexus
