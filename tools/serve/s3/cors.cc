#include "tools/serve/s3/cors.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "tools/serve/s3/policy.h"
#include "tools/serve/s3/xml.h"

namespace ramet::serve::s3 {
namespace {

constexpr size_t kRulesMax = 100;
constexpr std::array<std::string_view, 5> kMethods = {"GET", "PUT", "POST", "DELETE", "HEAD"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

std::vector<std::string> split_names(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const size_t comma = list.find(',');
    std::string_view name = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
    while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
    if (!name.empty()) names.push_back(lower(name));
  }
  return names;
}

std::string join(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) {
    if (!out.empty()) out += ", ";
    out += part;
  }
  return out;
}

bool allows(const CorsRule& rule, std::string_view origin, std::string_view method,
            const std::vector<std::string>& headers) {
  const auto any = [](const std::vector<std::string>& patterns, std::string_view text) {
    return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
      return wildcard_match(pattern, text);
    });
  };
  if (!any(rule.origins, origin)) return false;
  if (std::find(rule.methods.begin(), rule.methods.end(), method) == rule.methods.end()) {
    return false;
  }
  return std::all_of(headers.begin(), headers.end(), [&](const std::string& header) {
    return std::any_of(rule.headers.begin(), rule.headers.end(), [&](const std::string& pattern) {
      return wildcard_match(lower(pattern), header);
    });
  });
}

}  // namespace

Outcome<std::vector<CorsRule>> parse_cors(std::string_view xml) {
  RAMET_ASSIGN(const XmlDocument document, XmlDocument::parse(xml, "CORSConfiguration"));
  std::vector<CorsRule> rules;
  for (const XmlNode& node : document.root().children()) {
    if (node.name() != "CORSRule") return Code::kMalformedXML;
    CorsRule rule;
    for (const XmlNode& part : node.children()) {
      const std::string text = part.text();
      if (part.name() == "AllowedOrigin" || part.name() == "AllowedHeader") {
        if (std::count(text.begin(), text.end(), '*') > 1) {
          return Fault(Code::kInvalidRequest,
                       fmt::format("{} \"{}\" can not have more than one wildcard.", part.name(),
                                   text));
        }
        (part.name() == "AllowedOrigin" ? rule.origins : rule.headers).push_back(text);
      } else if (part.name() == "AllowedMethod") {
        if (std::find(kMethods.begin(), kMethods.end(), text) == kMethods.end()) {
          return Fault(Code::kInvalidRequest,
                       fmt::format("Found unsupported HTTP method in CORS config. Unsupported "
                                   "method is {}", text));
        }
        rule.methods.push_back(text);
      } else if (part.name() == "ExposeHeader") {
        rule.exposed.push_back(text);
      } else if (part.name() == "MaxAgeSeconds") {
        uint64_t seconds = 0;
        if (text.empty() || std::from_chars(text.data(), text.data() + text.size(), seconds).ptr !=
                                text.data() + text.size()) {
          return Code::kMalformedXML;
        }
        rule.max_age = seconds;
      } else if (part.name() != "ID") {
        return Code::kMalformedXML;
      }
    }
    if (rule.origins.empty() || rule.methods.empty()) return Code::kMalformedXML;
    rules.push_back(std::move(rule));
  }
  if (rules.empty() || rules.size() > kRulesMax) return Code::kMalformedXML;
  return rules;
}

bool apply_cors(const std::vector<CorsRule>& rules, std::string_view origin,
                std::string_view method, std::string_view headers, bool preflight,
                Fields& fields) {
  const std::vector<std::string> asked = split_names(headers);
  for (const CorsRule& rule : rules) {
    if (!allows(rule, origin, method, asked)) continue;
    const bool any = std::find(rule.origins.begin(), rule.origins.end(), "*") !=
                     rule.origins.end();
    fields.set("Access-Control-Allow-Origin", any ? "*" : std::string(origin));
    if (!any) fields.set("Access-Control-Allow-Credentials", "true");
    fields.set("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
    fields.set("Access-Control-Allow-Methods", join(rule.methods));
    if (preflight && !asked.empty()) fields.set("Access-Control-Allow-Headers", join(asked));
    if (!rule.exposed.empty()) {
      fields.set("Access-Control-Expose-Headers", join(rule.exposed));
    }
    if (rule.max_age) fields.set("Access-Control-Max-Age", std::to_string(*rule.max_age));
    return true;
  }
  return false;
}

}  // namespace ramet::serve::s3
