#include "tools/serve/fhir/policy.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "tools/serve/fhir/auth.h"
#include "tools/serve/fhir/types.h"
#include "tools/serve/http.h"

namespace ramet::serve::fhir {
namespace {

constexpr size_t kRulesMax = 1000;

std::string text_of(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// What is said but not done here would be thought to protect something.
Fault unsupported(std::string_view what) {
  return Fault(Issue::kForbidden,
               fmt::format("the access policy cannot be enforced here: {}", what));
}

constexpr std::array kInteractions = {"create",  "read",    "vread", "update",
                                      "delete",  "history", "search"};

Outcome<std::vector<std::string>> texts_of(const Json& rule, const char* name) {
  std::vector<std::string> out;
  const auto found = rule.find(name);
  if (found == rule.end() || found->is_null()) return out;
  if (!found->is_array()) return unsupported(fmt::format("'{}' is no list", name));
  for (const Json& one : *found) {
    if (!one.is_string()) return unsupported(fmt::format("'{}' is no list of texts", name));
    out.push_back(one.get<std::string>());
  }
  return out;
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.';
}

// "%name" by what it stands for, as a part of a query. A "%" that begins no such name is an escape.
std::string filled(std::string_view criteria,
                   const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::string out;
  for (size_t at = 0; at < criteria.size();) {
    if (criteria[at] == '%') {
      size_t end = at + 1;
      while (end < criteria.size() && is_name_character(criteria[end])) ++end;
      const std::string_view name = criteria.substr(at + 1, end - at - 1);
      const auto found = std::find_if(parameters.begin(), parameters.end(),
                                      [&](const auto& one) { return one.first == name; });
      if (found != parameters.end()) {
        out += percent_encode(found->second, true);
        at = end;
        continue;
      }
    }
    out.push_back(criteria[at++]);
  }
  return out;
}

Outcome<std::vector<std::pair<std::string, std::string>>> criteria_of(
    const Json& rule, const std::string& type,
    const std::vector<std::pair<std::string, std::string>>& parameters) {
  const auto given = rule.find("criteria");
  if (given == rule.end() || given->is_null()) {
    return std::vector<std::pair<std::string, std::string>>();
  }
  if (!given->is_string()) return unsupported("criteria are no text");
  const auto text = given->get<std::string>();
  const size_t question = text.find('?');
  const std::string named = text.substr(0, question);
  if (question == std::string::npos || (named != type && named != "*")) {
    return unsupported(fmt::format("criteria '{}' of resource type '{}'", text, type));
  }
  auto pairs = parse_query(filled(std::string_view(text).substr(question + 1), parameters));
  if (!pairs.ok()) return unsupported(fmt::format("criteria '{}'", text));
  std::vector<std::pair<std::string, std::string>> out;
  for (auto& [name, value] : *pairs) {
    if (name.empty() && value.empty()) continue;
    // Of a search, not of a resource.
    constexpr std::array kOfResults = {"_count", "_offset", "_sort", "_total", "_fields",
                                       "_elements", "_summary"};
    if (std::find(kOfResults.begin(), kOfResults.end(), name) != kOfResults.end()) {
      return unsupported(fmt::format("criteria '{}'", text));
    }
    out.emplace_back(std::move(name), std::move(value));
  }
  return out;
}

Outcome<PolicyRule> rule_of(const Json& json,
                            const std::vector<std::pair<std::string, std::string>>& parameters) {
  if (!json.is_object()) return unsupported("a rule that is no object");
  // (An extension that changes what a rule means says so.)
  constexpr std::array kKnown = {"id",           "extension",      "resourceType", "criteria",
                                 "readonly",     "interaction",    "hiddenFields",
                                 "readonlyFields"};
  for (const auto& [name, member] : json.items()) {
    if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end()) {
      return unsupported(fmt::format("'{}' of a rule", name));
    }
  }
  PolicyRule rule;
  rule.type = text_of(json, "resourceType");
  if (rule.type != "*" && !is_known_type(rule.type)) {
    return unsupported(fmt::format("resource type '{}'", rule.type));
  }
  RAMET_ASSIGN(rule.criteria, criteria_of(json, rule.type, parameters));
  if (const auto found = json.find("readonly"); found != json.end() && !found->is_null()) {
    if (!found->is_boolean()) return unsupported("'readonly' is neither true nor false");
    rule.is_readonly = found->get<bool>();
  }
  if (json.contains("interaction") && !json["interaction"].is_null()) {
    RAMET_ASSIGN(rule.interactions, texts_of(json, "interaction"));
    for (const std::string& one : *rule.interactions) {
      if (std::find(kInteractions.begin(), kInteractions.end(), one) == kInteractions.end()) {
        return unsupported(fmt::format("interaction '{}'", one));
      }
    }
  }
  RAMET_ASSIGN(rule.hidden_fields, texts_of(json, "hiddenFields"));
  RAMET_ASSIGN(rule.readonly_fields, texts_of(json, "readonlyFields"));
  return rule;
}

bool is_reading(Interaction interaction) {
  return interaction == Interaction::kRead || interaction == Interaction::kVersionRead ||
         interaction == Interaction::kHistory || interaction == Interaction::kSearch;
}

bool allows(const PolicyRule& rule, Interaction interaction, std::string_view type) {
  if (rule.type != "*" && rule.type != type) return false;
  if (rule.interactions) {
    const auto& all = *rule.interactions;
    return std::find(all.begin(), all.end(), interaction_name(interaction)) != all.end() &&
           (!rule.is_readonly || is_reading(interaction));
  }
  return !rule.is_readonly || is_reading(interaction);
}

// The value of "a.b" in each of the objects that "a" leads to is given to `visit`.
template <typename Visit>
void at_field(Json& holder, std::string_view path, const Visit& visit) {
  if (holder.is_array()) {
    for (Json& one : holder) at_field(one, path, visit);
    return;
  }
  if (!holder.is_object()) return;
  const size_t dot = path.find('.');
  const std::string name(path.substr(0, dot));
  if (dot == path.npos) {
    visit(holder, name);
  } else if (const auto found = holder.find(name); found != holder.end()) {
    at_field(*found, path.substr(dot + 1), visit);
  }
}

void erase_field(Json& resource, std::string_view path) {
  at_field(resource, path, [](Json& holder, const std::string& name) {
    holder.erase(name);
    holder.erase("_" + name);  // what FHIR says beside a primitive value
    // value[x], onset[x]: also with the type behind the name.
    if (!name.ends_with("[x]")) return;
    const std::string stem = name.substr(0, name.size() - 3);
    std::vector<std::string> found;
    for (const auto& [member, value] : holder.items()) {
      const std::string_view bare =
          std::string_view(member).substr(member.starts_with("_") ? 1 : 0);
      if (bare.starts_with(stem) && bare.size() > stem.size() &&
          std::isupper(static_cast<unsigned char>(bare[stem.size()])) != 0) {
        found.push_back(member);
      }
    }
    for (const std::string& member : found) holder.erase(member);
  });
}

bool is_admin(const Login& login) { return login.is_project_admin || login.is_super_admin; }

PolicyRule make_rule(std::string type, bool is_readonly, std::vector<std::string> hidden,
                     std::vector<std::string> readonly) {
  PolicyRule rule;
  rule.type = std::move(type);
  rule.is_readonly = is_readonly;
  rule.hidden_fields = std::move(hidden);
  rule.readonly_fields = std::move(readonly);
  return rule;
}

// What holds whatever the policy says: what a project is allowed is not for its own admins to say,
// and who is in it is theirs alone. Null: the policy decides.
const PolicyRule* fixed_rule(const Login& login, std::string_view type) {
  static const PolicyRule kProjectOfAdmin =
      make_rule("Project", false, {"superAdmin", "systemSecret"},
                {"features", "link", "systemSetting", "strictMode", "owner"});
  static const PolicyRule kProjectOfMember =
      make_rule("Project", true, {"superAdmin", "systemSecret", "secret", "systemSetting"}, {});
  static const PolicyRule kMembership =
      make_rule("ProjectMembership", false, {}, {"project", "user"});
  static const PolicyRule kUser =
      make_rule("User", false, {"passwordHash", "mfaSecret"},
                {"email", "emailVerified", "project"});
  static const PolicyRule kAnything = make_rule("*", false, {}, {});
  if (login.is_super_admin) return &kAnything;
  if (type == "Project") return login.is_project_admin ? &kProjectOfAdmin : &kProjectOfMember;
  if (!login.is_project_admin) return nullptr;
  if (type == "ProjectMembership") return &kMembership;
  if (type == "User") return &kUser;
  return write_guard(type) == TypeGuard::kProjectAdmin ? &kAnything : nullptr;
}

bool passes(const Login& login, TypeGuard guard) {
  return guard == TypeGuard::kMember || login.is_super_admin ||
         (guard == TypeGuard::kProjectAdmin && is_admin(login));
}

// The rule that allows it, by what is fixed or by the policy; null: none. `everything`: one that
// has no limits.
Outcome<const PolicyRule*> find_rule(const Login& login, Interaction interaction,
                                     const Json& resource, const MatchParameter& match) {
  static const PolicyRule kEverything = make_rule("*", false, {}, {});
  const std::string type = text_of(resource, "resourceType");
  if (const PolicyRule* const fixed = fixed_rule(login, type)) {
    return allows(*fixed, interaction, type) ? fixed : nullptr;
  }
  if (login.policy == nullptr) return &kEverything;
  return login.policy->rule_for(interaction, resource, match);
}

}  // namespace

std::string_view interaction_name(Interaction interaction) {
  return kInteractions[static_cast<size_t>(interaction)];
}

Outcome<std::shared_ptr<const Policy>> Policy::make(
    const std::vector<PolicySource>& sources) {
  auto policy = std::make_shared<Policy>();
  for (const PolicySource& source : sources) {
    const Json& json = source.policy;
    if (!json.is_object()) return unsupported("it is no resource");
    constexpr std::array kKnown = {"resourceType", "id",   "meta",     "name",
                                   "basedOn",      "text", "language", "resource"};
    for (const auto& [name, member] : json.items()) {
      if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end()) {
        return unsupported(fmt::format("'{}'", name));
      }
    }
    const auto rules = json.find("resource");
    if (rules == json.end() || rules->is_null()) continue;
    if (!rules->is_array()) return unsupported("'resource' is no list");
    for (const Json& one : *rules) {
      RAMET_ASSIGN(PolicyRule rule, rule_of(one, source.parameters));
      policy->rules_.push_back(std::move(rule));
      if (policy->rules_.size() > kRulesMax) {
        return unsupported(fmt::format("more than {} rules", kRulesMax));
      }
    }
  }
  return std::shared_ptr<const Policy>(std::move(policy));
}

bool Policy::allows_type(Interaction interaction, std::string_view type) const {
  return std::any_of(rules_.begin(), rules_.end(), [&](const PolicyRule& rule) {
    return allows(rule, interaction, type);
  });
}

bool Policy::allows_all(Interaction interaction, std::string_view type) const {
  for (const PolicyRule& rule : rules_) {
    if (!allows(rule, interaction, type)) continue;
    // (rule_for() takes the first one that matches.)
    return rule.criteria.empty() && rule.hidden_fields.empty();
  }
  return false;
}

bool Policy::hides(std::string_view type, std::string_view member) const {
  for (const PolicyRule& rule : rules_) {
    if (rule.type != "*" && rule.type != type) continue;
    for (const std::string& field : rule.hidden_fields) {
      std::string_view first = std::string_view(field).substr(0, field.find('.'));
      const bool is_choice = first.ends_with("[x]");
      if (is_choice) first.remove_suffix(3);
      if (first == member || (is_choice && member.starts_with(first))) return true;
    }
  }
  return false;
}

Outcome<const PolicyRule*> Policy::rule_for(Interaction interaction, const Json& resource,
                                            const MatchParameter& match) const {
  const std::string type = text_of(resource, "resourceType");
  for (const PolicyRule& rule : rules_) {
    if (!allows(rule, interaction, type)) continue;
    bool matches = true;
    for (const auto& [name, value] : rule.criteria) {
      RAMET_ASSIGN(matches, match(resource, name, value));
      if (!matches) break;
    }
    if (matches) return &rule;
  }
  return nullptr;
}

void hide_fields(const PolicyRule& rule, Json& resource) {
  for (const std::string& field : rule.hidden_fields) erase_field(resource, field);
}

void keep_fields(const PolicyRule& rule, const Json& before, Json& resource) {
  for (const auto* fields : {&rule.hidden_fields, &rule.readonly_fields}) {
    for (const std::string& field : *fields) {
      // Of what lies deeper, all that is around it: elements of lists have no identity by which the
      // one before could be found.
      const std::string name = field.substr(0, field.find('.'));
      if (name.ends_with("[x]")) {
        erase_field(resource, name);
        if (!before.is_object()) continue;
        const std::string stem = name.substr(0, name.size() - 3);
        for (const auto& [member, value] : before.items()) {
          if (member.starts_with(stem) && member.size() > stem.size() &&
              std::isupper(static_cast<unsigned char>(member[stem.size()])) != 0) {
            resource[member] = value;
          }
        }
        continue;
      }
      resource.erase(name);
      if (before.is_object() && before.contains(name)) resource[name] = before[name];
    }
  }
}

TypeGuard write_guard(std::string_view type) {
  if (type == "Login" || type == "JsonWebKey" || type == "DomainConfiguration") {
    return TypeGuard::kSuperAdmin;
  }
  constexpr std::array<std::string_view, 7> kOfAdmins = {
      "AccessPolicy",      "ClientApplication", "PasswordChangeRequest", "Project",
      "ProjectMembership", "User",              "UserSecurityRequest"};
  return std::find(kOfAdmins.begin(), kOfAdmins.end(), type) == kOfAdmins.end()
             ? TypeGuard::kMember
             : TypeGuard::kProjectAdmin;
}

TypeGuard read_guard(std::string_view type) {
  if (type == "Login" || type == "JsonWebKey" || type == "DomainConfiguration") {
    return TypeGuard::kSuperAdmin;
  }
  return type == "User" || type == "PasswordChangeRequest" || type == "UserSecurityRequest"
             ? TypeGuard::kProjectAdmin
             : TypeGuard::kMember;
}

Outcome<void> check_interaction(const Login& login, Interaction interaction,
                                std::string_view type) {
  const bool reads = is_reading(interaction);
  if (!passes(login, reads ? read_guard(type) : write_guard(type))) {
    return Fault(Issue::kForbidden);
  }
  // A project comes and goes with its container: that is the server's to allow.
  const bool makes = interaction == Interaction::kCreate || interaction == Interaction::kDelete;
  if (type == "Project" && makes && !login.is_super_admin) return Fault(Issue::kForbidden);
  if (const PolicyRule* const fixed = fixed_rule(login, type)) {
    if (allows(*fixed, interaction, type)) return {};
    return Fault(Issue::kForbidden);
  }
  if (login.policy == nullptr || login.policy->allows_type(interaction, type)) return {};
  return Fault(Issue::kForbidden);
}

Outcome<void> check_read(const Login& login, Interaction interaction, Json& resource,
                         const MatchParameter& match) {
  RAMET_ASSIGN(const PolicyRule* const rule, find_rule(login, interaction, resource, match));
  if (rule == nullptr) return Fault(Issue::kNotFound);
  hide_fields(*rule, resource);
  return {};
}

Outcome<void> check_write(const Login& login, Interaction interaction, const Json& before,
                          Json& resource, const MatchParameter& match) {
  if (login.is_super_admin) return {};
  if (!before.is_null()) {
    RAMET_ASSIGN(const PolicyRule* const rule, find_rule(login, interaction, before, match));
    if (rule == nullptr) {
      RAMET_ASSIGN(const PolicyRule* const reads,
                   find_rule(login, Interaction::kRead, before, match));
      return Fault(reads == nullptr ? Issue::kNotFound : Issue::kForbidden);
    }
    if (resource.is_null()) return {};
    keep_fields(*rule, before, resource);
  }
  RAMET_ASSIGN(const PolicyRule* const rule, find_rule(login, interaction, resource, match));
  if (rule == nullptr) return Fault(Issue::kForbidden);
  // (Who is made a member is said once, when that is done.)
  const bool is_first = before.is_null();
  if (is_first && text_of(resource, "resourceType") != "ProjectMembership" &&
      text_of(resource, "resourceType") != "User") {
    keep_fields(*rule, before, resource);
  }
  return {};
}

bool sees_all(const Login& login, Interaction interaction, std::string_view type) {
  if (const PolicyRule* const fixed = fixed_rule(login, type)) {
    return fixed->hidden_fields.empty() && allows(*fixed, interaction, type);
  }
  return login.policy == nullptr || login.policy->allows_all(interaction, type);
}

bool may_search_by(const Login& login, std::string_view type, std::string_view first_member) {
  if (const PolicyRule* const fixed = fixed_rule(login, type)) {
    const auto& hidden = fixed->hidden_fields;
    return std::find(hidden.begin(), hidden.end(), first_member) == hidden.end();
  }
  return login.policy == nullptr || !login.policy->hides(type, first_member);
}

}  // namespace ramet::serve::fhir
