#include "tools/serve/s3/policy.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/serve/http.h"

namespace ramet::serve::s3 {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kArn = "arn:aws:s3:::";
constexpr std::array<std::string_view, 22> kOperators = {
    "StringEquals",       "StringNotEquals",  "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
    "Bool",               "IpAddress",        "NotIpAddress",
    "NumericEquals",      "NumericNotEquals", "NumericLessThan",
    "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals",
    "DateEquals",         "DateNotEquals",    "DateLessThan",
    "DateLessThanEquals", "DateGreaterThan",  "DateGreaterThanEquals",
    "Null"};
constexpr std::array<std::string_view, 10> kKeys = {
    "aws:SourceIp",  "aws:SecureTransport", "aws:CurrentTime", "aws:EpochTime", "aws:username",
    "aws:UserAgent", "aws:Referer",         "s3:prefix",       "s3:delimiter",  "s3:max-keys"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

bool known_key(std::string_view key) {
  const std::string folded = lower(key);
  for (const std::string_view known : kKeys) {
    if (lower(known) == folded) return true;
  }
  return folded.starts_with("s3:x-amz-") || folded == "s3:versionid";
}

// Whether an address is in a network ("10.0.0.0/8", "::1").
bool in_network(std::string_view address, std::string_view network) {
  const size_t slash = network.find('/');
  const std::string base(network.substr(0, slash));
  std::string text(address);
  if (text.starts_with("::ffff:") && text.find('.') != std::string::npos) text.erase(0, 7);
  for (const int family : {AF_INET, AF_INET6}) {
    unsigned char a[16] = {};
    unsigned char b[16] = {};
    if (inet_pton(family, text.c_str(), a) != 1 || inet_pton(family, base.c_str(), b) != 1) {
      continue;
    }
    unsigned bits = family == AF_INET ? 32 : 128;
    if (slash != std::string_view::npos) {
      const std::string_view width = network.substr(slash + 1);
      unsigned given = 0;
      if (std::from_chars(width.data(), width.data() + width.size(), given).ec != std::errc() ||
          given > bits) {
        return false;
      }
      bits = given;
    }
    for (unsigned i = 0; i < bits; ++i) {
      const unsigned mask = 0x80u >> (i % 8);
      if ((a[i / 8] & mask) != (b[i / 8] & mask)) return false;
    }
    return true;
  }
  return false;
}

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> date_of(std::string_view text) {
  if (const auto time = parse_iso_date(text)) return static_cast<double>(*time) / 1e9;
  return number_of(text);
}

bool compare(std::string_view relation, double a, double b) {
  if (relation == "Equals") return a == b;
  if (relation == "LessThan") return a < b;
  if (relation == "LessThanEquals") return a <= b;
  if (relation == "GreaterThan") return a > b;
  return a >= b;  // GreaterThanEquals
}

// One operator without its negation, one value.
bool matches(std::string_view op, std::string_view actual, std::string_view wanted) {
  if (op == "StringEquals") return actual == wanted;
  if (op == "StringEqualsIgnoreCase" || op == "Bool") return lower(actual) == lower(wanted);
  if (op == "StringLike") return wildcard_match(wanted, actual);
  if (op == "IpAddress") return in_network(actual, wanted);
  const bool numeric = op.starts_with("Numeric");
  const auto a = numeric ? number_of(actual) : date_of(actual);
  const auto b = numeric ? number_of(wanted) : date_of(wanted);
  return a && b && compare(op.substr(numeric ? 7 : 4), *a, *b);
}

Fault malformed(std::string message) { return {Code::kMalformedPolicy, std::move(message)}; }

// A text, or an array of texts.
Outcome<std::vector<std::string>> texts(const Json& json, std::string_view what) {
  std::vector<std::string> out;
  const auto add = [&](const Json& one) {
    if (one.is_string()) {
      out.push_back(one.get<std::string>());
    } else if (one.is_boolean()) {
      out.push_back(one.get<bool>() ? "true" : "false");
    } else if (one.is_number()) {
      out.push_back(one.dump());
    } else {
      return false;
    }
    return true;
  };
  if (json.is_array()) {
    for (const Json& one : json) {
      if (!add(one)) return malformed(fmt::format("Policy has an invalid {}", what));
    }
  } else if (!add(json)) {
    return malformed(fmt::format("Policy has an invalid {}", what));
  }
  if (out.empty()) return malformed(fmt::format("Policy has an empty {}", what));
  return out;
}

}  // namespace

struct PolicyParser {
  std::string_view bucket;

  Outcome<void> principals(Policy::Statement& statement, const Json& json) const {
    std::vector<std::string> names;
    if (json.is_string()) {
      names = {json.get<std::string>()};
    } else if (json.is_object() && json.contains("AWS")) {
      RAMET_ASSIGN(names, texts(json["AWS"], "principal"));
    } else {
      return malformed("Invalid principal in policy");
    }
    for (std::string& name : names) {
      if (name == "*") {
        statement.everyone = true;
        continue;
      }
      // "arn:aws:iam::123456789012:user/NAME"
      const size_t user = name.rfind(":user/");
      if (name.starts_with("arn:aws:iam:")) {
        if (user == std::string::npos) {
          return malformed("Invalid principal in policy").with("Detail", name);
        }
        name = name.substr(user + 6);
      }
      statement.principals.push_back(std::move(name));
    }
    return {};
  }

  Outcome<void> conditions(Policy::Statement& statement, const Json& json) const {
    if (!json.is_object()) return malformed("Policy has an invalid condition");
    for (const auto& [name, tests] : json.items()) {
      std::string op = name;
      bool if_exists = false;
      if (op.ends_with("IfExists")) {
        op.resize(op.size() - 8);
        if_exists = true;
      }
      if (std::find(kOperators.begin(), kOperators.end(), op) == kOperators.end()) {
        return malformed(fmt::format("Invalid Condition type : {}", name));
      }
      if (!tests.is_object()) return malformed("Policy has an invalid condition");
      for (const auto& [key, values] : tests.items()) {
        if (!known_key(key)) {
          return malformed("Policy has an invalid condition key").with("Detail", key);
        }
        RAMET_ASSIGN(auto wanted, texts(values, "condition"));
        statement.conditions.push_back({op, if_exists, key, std::move(wanted)});
      }
    }
    return {};
  }

  Outcome<Policy::Statement> statement(const Json& json) const {
    Policy::Statement out;
    if (!json.is_object()) return malformed("Policy statement must be an object");
    for (const auto& [name, value] : json.items()) {
      if (name == "Sid") {
        if (!value.is_string()) return malformed("Policy has an invalid Sid");
      } else if (name == "Effect") {
        if (value != "Allow" && value != "Deny") return malformed("Invalid effect: use Allow or "
                                                                  "Deny");
        out.allow = value == "Allow";
      } else if (name == "Principal" || name == "NotPrincipal") {
        out.not_principals = name == "NotPrincipal";
        RAMET_TRY(principals(out, value));
      } else if (name == "Action" || name == "NotAction") {
        out.not_actions = name == "NotAction";
        RAMET_ASSIGN(out.actions, texts(value, "action"));
        for (std::string& action : out.actions) {
          action = lower(action);
          if (action != "*" && !action.starts_with("s3:")) {
            return malformed("Policy has invalid action").with("Detail", action);
          }
        }
      } else if (name == "Resource" || name == "NotResource") {
        out.not_resources = name == "NotResource";
        RAMET_ASSIGN(out.resources, texts(value, "resource"));
        for (std::string& resource : out.resources) {
          const std::string whole = resource;
          if (resource.starts_with(kArn)) resource.erase(0, kArn.size());
          const std::string_view named = std::string_view(resource).substr(0, resource.find('/'));
          if (!whole.starts_with(kArn) || !wildcard_match(named, bucket)) {
            return malformed("Policy has invalid resource").with("Detail", whole);
          }
        }
      } else if (name == "Condition") {
        RAMET_TRY(conditions(out, value));
      } else {
        return malformed(fmt::format("Unknown field {}", name));
      }
    }
    if (!json.contains("Effect")) return malformed("Missing required field Effect");
    if (out.actions.empty()) return malformed("Missing required field Action");
    if (out.resources.empty()) return malformed("Missing required field Resource");
    if (!out.everyone && out.principals.empty()) {
      return malformed("Missing required field Principal");
    }
    return out;
  }

  Outcome<std::shared_ptr<const Policy>> parse(std::string_view text) const {
    if (text.find('{') == std::string_view::npos) return Code::kMalformedPolicy;
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded() || !json.is_object()) {
      return malformed("Policies must be valid JSON and the first byte must be '{'");
    }
    for (const auto& [name, value] : json.items()) {
      if (name == "Version") {
        if (value != "2012-10-17" && value != "2008-10-17") {
          return malformed("The policy must contain a valid version string");
        }
      } else if (name != "Id" && name != "Statement") {
        return malformed(fmt::format("Unknown field {}", name));
      }
    }
    if (!json.contains("Statement")) return malformed("Missing required field Statement");
    const auto policy = std::make_shared<Policy>();
    const Json& statements = json["Statement"];
    if (statements.is_array()) {
      for (const Json& one : statements) {
        RAMET_ASSIGN(auto parsed, statement(one));
        policy->statements_.push_back(std::move(parsed));
      }
    } else {
      RAMET_ASSIGN(auto parsed, statement(statements));
      policy->statements_.push_back(std::move(parsed));
    }
    if (policy->statements_.empty()) return malformed("Could not parse the policy: Statement is "
                                                      "empty!");
    return std::shared_ptr<const Policy>(policy);
  }
};

bool wildcard_match(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Outcome<std::shared_ptr<const Policy>> Policy::parse(std::string_view json,
                                                     std::string_view bucket) {
  return PolicyParser{bucket}.parse(json);
}

bool Policy::holds(const Condition& condition, const PolicyQuestion& question) {
  const auto actual = question.context ? question.context(condition.key) : std::nullopt;
  if (condition.op == "Null") {
    return (lower(condition.values.front()) == "true") == !actual.has_value();
  }
  std::string op = condition.op;
  const size_t at = op.find("Not");
  const bool negated = at != std::string::npos;
  if (negated) op.erase(at, 3);
  // A key that is not there: a negated test holds, another does not (AWS IAM reference).
  if (!actual) return condition.if_exists || negated;
  const bool any =
      std::any_of(condition.values.begin(), condition.values.end(),
                  [&](const std::string& wanted) { return matches(op, *actual, wanted); });
  return any != negated;
}

bool Policy::applies(const Statement& statement, const PolicyQuestion& question) {
  const bool named =
      statement.everyone ||
      std::any_of(statement.principals.begin(), statement.principals.end(),
                  [&](const std::string& name) {
                    return name == question.principal || name == question.principal_id;
                  });
  if (named == statement.not_principals) return false;
  const std::string action = lower(question.action);
  const bool acts = std::any_of(
      statement.actions.begin(), statement.actions.end(),
      [&](const std::string& pattern) { return wildcard_match(pattern, action); });
  if (acts == statement.not_actions) return false;
  const bool meant = std::any_of(statement.resources.begin(), statement.resources.end(),
                                 [&](std::string pattern) {
                                   constexpr std::string_view kName = "${aws:username}";
                                   const size_t at = pattern.find(kName);
                                   if (at != std::string::npos) {
                                     pattern.replace(at, kName.size(), question.principal);
                                   }
                                   return wildcard_match(pattern, question.resource);
                                 });
  if (meant == statement.not_resources) return false;
  return std::all_of(
      statement.conditions.begin(), statement.conditions.end(),
      [&](const Condition& condition) { return holds(condition, question); });
}

Verdict Policy::evaluate(const PolicyQuestion& question) const {
  Verdict verdict = Verdict::kNone;
  for (const Statement& statement : statements_) {
    if (!applies(statement, question)) continue;
    if (!statement.allow) return Verdict::kDeny;
    verdict = Verdict::kAllow;
  }
  return verdict;
}

bool Policy::is_public() const {
  return std::any_of(statements_.begin(), statements_.end(), [](const Statement& statement) {
    return statement.allow && statement.everyone && statement.conditions.empty();
  });
}

}  // namespace ramet::serve::s3
