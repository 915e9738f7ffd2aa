// Projects: made, described, changed and destroyed.
#include <algorithm>

#include <fmt/format.h>

#include "format/utf8.h"
#include "tools/serve/dnanexus/handlers.h"
#include "tools/serve/dnanexus/object_edit.h"
#include "tools/serve/dnanexus/project_json.h"
#include "tools/serve/parse_json.h"

namespace ramet::serve::dnanexus {
namespace {

constexpr size_t kNameBytesMax = 1024;
constexpr int kNameAttempts = 8;
constexpr size_t kDocumentBytesMax = 60u << 10;  // below what a container keeps in one

Outcome<std::string> name_input(const Input& in) {
  RAMET_ASSIGN(std::string name, in.some_text("name"));
  if (name.size() > kNameBytesMax || !is_utf8(name) || name.find('\0') != std::string::npos) {
    return wrong_type("name", fmt::format("UTF-8 text of at most {} bytes", kNameBytesMax));
  }
  return name;
}

// The name of an org or user that may be billed: "org-team", "user-alice".
Outcome<std::string> billed_name(Call& call, const std::string& text) {
  const auto name = principal_name(text);
  auto principal = call.access().principal(name.value_or(""));
  if (!principal.ok()) {
    return Fault(Type::kInvalidInput, fmt::format("'billTo': there is no \"{}\"", text));
  }
  const Principal& caller = call.caller.principal;
  const auto is_member = [&] {
    return std::any_of(caller.groups.begin(), caller.groups.end(),
                       [&](const Membership& one) { return one.group == principal->id; });
  };
  if (principal->id != caller.id && !caller.super_admin && !is_member()) {
    return Fault(Type::kPermissionDenied, fmt::format("\"{}\" may not be billed by you", text));
  }
  return principal->name;
}

// The rules' label for a region: the daemon's own, or one that some container is in.
Outcome<std::string> region_label(Call& call, const std::string& text) {
  if (text == call.region_of({})) return std::string();
  RAMET_ASSIGN(const auto there, call.containers_where([&](const ContainerAccess& rules) {
                 return rules.region == text;
               }));
  if (!there.empty()) return text;
  return Fault(Type::kInvalidInput, fmt::format("'region': there is no \"{}\" here", text));
}

Status put_document(Transaction& transaction, const ProjectDocument& document) {
  const std::string text = to_text(document);
  RAMET_TRY(parse_json(text));  // what nests a little less deeply than it may must be read again
  return transaction.set_document(kProjectDocument, text);
}

// Changes what is kept of a project, in one commit.
Task<Outcome<void>> change_document(Call& call, const ContainerId& id,
                                    FunctionRef<Outcome<void>(ProjectDocument&)> edit) {
  co_return co_await change(
      call, id, [&](Transaction& transaction, const View& view) -> Outcome<void> {
        RAMET_ASSIGN(ProjectDocument document, project_document(view));
        RAMET_TRY(edit(document));
        document.modified = now_ms();
        ++document.version;
        RAMET_TRY(put_document(transaction, document));
        return {};
      });
}

Outcome<ContainerInfo> create(Call& call, const std::string& name) {
  for (int attempt = 0;; ++attempt) {
    auto made = call.store().create_container(container_name_for(name, attempt > 0));
    if (made.ok()) return std::move(*made);
    if (made.error().code() != ErrorCode::kAlreadyExists || attempt == kNameAttempts) {
      return std::move(made).error();
    }
  }
}

// All but the container itself; nobody but super administrators sees it until the grant, which
// comes last.
Outcome<void> furnish(Call& call, const ContainerInfo& info, ProjectDocument document,
                      const ContainerAccess& rules) {
  if (document.name != info.name) {
    document.container = info.name;
  } else {
    document.name.clear();
  }
  RAMET_ASSIGN(const auto transaction, call.store().begin(info.id));
  RAMET_TRY(put_document(*transaction, document));
  RAMET_TRY(transaction->commit());
  if (rules != ContainerAccess{}) RAMET_TRY(call.access().set_container_access(info.id, rules));
  RAMET_TRY(call.access().set_grant(info.id, call.caller.principal.id, AccessLevel::kAdminister));
  return {};
}

Outcome<void> read_tags_and_properties(const Input& in, ProjectDocument& document) {
  if (in.has("tags")) {
    RAMET_ASSIGN(document.tags, texts_input(in, "tags"));
  }
  RAMET_ASSIGN(const Json* const properties, in.object("properties"));
  if (properties == nullptr) return {};
  for (const auto& [name, value] : properties->items()) {
    if (!value.is_string()) return wrong_type("properties." + name, "a string");
    document.properties[name] = value;
  }
  return {};
}

Task<Answer> change_tags(Call& call, bool adds) {
  RAMET_CO_ASSIGN(const std::vector<std::string> tags, texts_input(call.in(), "tags"));
  const auto check = [&] { return call.subject_project(AccessLevel::kContribute); };
  RAMET_CO_ASSIGN(const Project project, co_await call.quick(check));
  const auto edit = [&](ProjectDocument& document) -> Outcome<void> {
    for (const std::string& tag : tags) {
      std::erase(document.tags, tag);
      if (adds) document.tags.push_back(tag);
    }
    return {};
  };
  RAMET_CO_TRY(co_await change_document(call, project.info.id, edit));
  co_return subject_json(call);
}

}  // namespace

Task<Answer> new_project(Call& call) {
  RAMET_CO_ASSIGN(const std::string name, name_input(call.in()));
  RAMET_CO_ASSIGN(const auto region, call.in().text("region"));
  RAMET_CO_ASSIGN(const auto bill_to, call.in().text("billTo"));
  ProjectDocument document;
  ContainerAccess rules;
  RAMET_CO_TRY(read_project_fields(call.in(), document, rules));
  RAMET_CO_TRY(read_tags_and_properties(call.in(), document));
  document.name = name;
  document.created_by = call.caller.principal.name;
  document.modified = now_ms();
  const Principal& principal = call.caller.principal;
  if (!call.caller.scope.account || (!principal.may_create && !principal.super_admin)) {
    co_return Fault(Type::kPermissionDenied, "this user, or token, may not create projects");
  }
  co_return co_await call.slow([&]() -> Answer {
    if (region) {
      RAMET_ASSIGN(rules.region, region_label(call, *region));
    }
    rules.bill_to = principal.name;
    if (bill_to) {
      RAMET_ASSIGN(rules.bill_to, billed_name(call, *bill_to));
    }
    RAMET_ASSIGN(const ContainerInfo info, create(call, name));
    auto done = furnish(call, info, document, rules);
    if (!done.ok()) {
      ignore_error(call.store().drop_container(info.id, {.now = true}), "nobody could use it");
      return std::move(done).error();
    }
    call.audit("container.create", info.name);
    Json json;
    json["id"] = to_text(info.id);
    return json;
  });
}

Task<Answer> describe_project(Call& call) {
  RAMET_CO_ASSIGN(const DescribeFields fields, DescribeFields::parse(call.input));
  const auto describe = [&]() -> Answer {
    RAMET_ASSIGN(const Project project, call.subject_project(AccessLevel::kView));
    return project_json(call, project, fields);
  };
  if (fields.asks("folders")) co_return co_await call.slow(describe);
  co_return co_await call.quick(describe);
}

Task<Answer> update_project(Call& call) {
  std::optional<std::string> name;
  if (call.in().has("name")) {
    RAMET_CO_ASSIGN(name, name_input(call.in()));
  }
  RAMET_CO_ASSIGN(const auto bill_to, call.in().text("billTo"));
  if (call.in().has("region")) {
    co_return Fault(Type::kInvalidInput, "'region' is set where the service is administered");
  }
  const auto check = [&] { return call.subject_project(AccessLevel::kAdminister); };
  RAMET_CO_ASSIGN(Project project, co_await call.quick(check));
  ContainerAccess rules = project.rules;
  const auto probe = [&]() -> Outcome<void> {
    RAMET_ASSIGN(const auto view, call.store().view(project.info.id));
    RAMET_ASSIGN(ProjectDocument document, project_document(*view));
    RAMET_TRY(read_project_fields(call.in(), document, rules));
    // What could not be kept is refused before anything is changed.
    if (name) document.name = document.container = *name;
    if (to_text(document).size() <= kDocumentBytesMax) return {};
    return Fault(Type::kInvalidInput,
                 fmt::format("what is said of a project has at most {} bytes", kDocumentBytesMax));
  };
  RAMET_CO_TRY(co_await call.slow(probe));
  const ContainerId id = project.info.id;
  std::string container = project.info.name;
  const auto outside = [&]() -> Outcome<void> {
    if (bill_to) {
      RAMET_ASSIGN(rules.bill_to, billed_name(call, *bill_to));
    }
    if (rules != project.rules) RAMET_TRY(call.access().set_container_access(id, rules));
    for (int attempt = 0; name && attempt <= kNameAttempts; ++attempt) {
      const std::string wanted = container_name_for(*name, attempt > 0);
      const Status renamed =
          wanted == container ? ok() : call.store().rename_container(id, wanted);
      if (renamed.ok()) {
        container = wanted;
        return {};
      }
      if (renamed.error().code() != ErrorCode::kAlreadyExists) return renamed.error();
    }
    return {};
  };
  RAMET_CO_TRY(co_await call.slow(outside));
  const auto edit = [&](ProjectDocument& document) -> Outcome<void> {
    ContainerAccess scratch = project.rules;
    RAMET_TRY(read_project_fields(call.in(), document, scratch));
    if (name) {
      document.name = *name == container ? "" : *name;
      document.container = *name == container ? "" : container;
    }
    return {};
  };
  RAMET_CO_TRY(co_await change_document(call, id, edit));
  co_return subject_json(call);
}

Task<Answer> destroy_project(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const Project project, call.subject_project(AccessLevel::kAdminister));
    RAMET_TRY(call.store().drop_container(project.info.id));
    call.audit("container.drop", project.info.name);
    return subject_json(call);
  });
}

Task<Answer> set_project_properties(Call& call) {
  RAMET_CO_ASSIGN(const Json* const properties, call.in().object("properties"));
  if (properties == nullptr) co_return wrong_type("properties", "a hash");
  for (const auto& [name, value] : properties->items()) {
    if (!value.is_string() && !value.is_null()) {
      co_return wrong_type("properties." + name, "a string or null");
    }
  }
  const auto check = [&] { return call.subject_project(AccessLevel::kContribute); };
  RAMET_CO_ASSIGN(const Project project, co_await call.quick(check));
  const auto edit = [&](ProjectDocument& document) -> Outcome<void> {
    for (const auto& [name, value] : properties->items()) {
      document.properties.erase(name);
      if (!value.is_null()) document.properties[name] = value;
    }
    return {};
  };
  RAMET_CO_TRY(co_await change_document(call, project.info.id, edit));
  co_return subject_json(call);
}

Task<Answer> add_project_tags(Call& call) { return change_tags(call, true); }
Task<Answer> remove_project_tags(Call& call) { return change_tags(call, false); }

}  // namespace ramet::serve::dnanexus
