// Archival states of copies of files. There is one tier of storage: what is archived takes no less
// space, but is refused to those who read, as the API has it, until it is asked for again.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "tools/serve/dnanexus/handlers.h"
#include "tools/serve/dnanexus/object_json.h"
#include "tools/serve/dnanexus/paths.h"

namespace ramet::serve::dnanexus {
namespace {

struct Selection {
  Project project;
  std::vector<ObjectId> files;
  uint64_t bytes = 0;  // of those that `wanted` is true for
};

// The files that the input names, those alone for which `wanted` is true.
Outcome<Selection> select(Call& call, FunctionRef<bool(const Standing&)> wanted) {
  const Input in = call.in();
  Selection out;
  RAMET_ASSIGN(out.project, call.subject_project(AccessLevel::kContribute));
  RAMET_ASSIGN(const auto files, in.texts("files"));
  RAMET_ASSIGN(const auto folder, in.text("folder"));
  RAMET_ASSIGN(const bool recurse, in.flag("recurse", true));
  if (files.has_value() == folder.has_value()) {
    return Fault(Type::kInvalidInput, "expected either 'files' or 'folder' to be given");
  }
  const ContainerId id = out.project.info.id;
  RAMET_ASSIGN(const auto view, call.store().view(id));
  std::vector<ObjectId> named;
  if (folder) {
    RAMET_ASSIGN(const std::string path, normal_folder(*folder, "folder"));
    RAMET_ASSIGN(const FolderId top, open_folder(*view, path, id));
    RAMET_TRY(each_below(*view, top, recurse, [&](const Entry& entry) {
      if (entry.type == kFileType) named.push_back(entry.object);
    }));
  } else {
    for (const std::string& text : *files) {
      const auto object = parse_object(text);
      if (!object || object->object_class != ObjectClass::kFile || !view->object(object->id).ok()) {
        return Fault(Type::kInvalidInput,
                     fmt::format("\"{}\" is no file of \"{}\"", text, call.subject));
      }
      named.push_back(object->id);
    }
  }
  std::set<ObjectId> seen;
  for (const ObjectId& file : named) {
    if (!seen.insert(file).second) continue;
    RAMET_ASSIGN(const ObjectInfo info, view->object(file));
    if (info.entry_class != EntryClass::kFile || info.type != kFileType) continue;
    if (info.standing.state != ObjectState::kClosed) {
      if (folder) continue;
      return Fault(Type::kInvalidState,
                   fmt::format("\"{}\" is not in the closed state",
                               to_text(ObjectRef{ObjectClass::kFile, file})));
    }
    if (is_transition(info.standing.archival)) {
      if (folder) continue;
      return Fault(Type::kInvalidState,
                   fmt::format("\"{}\" is being archived or unarchived",
                               to_text(ObjectRef{ObjectClass::kFile, file})));
    }
    if (!wanted(info.standing)) continue;
    out.files.push_back(file);
    out.bytes += info.size;
  }
  return out;
}

// The containers that are billed to the same; what nobody is billed for stands alone.
Outcome<std::vector<ContainerId>> billed_with(Call& call, const Project& project) {
  if (project.rules.bill_to.empty()) return std::vector<ContainerId>{project.info.id};
  return call.containers_where(
      [&](const ContainerAccess& rules) { return rules.bill_to == project.rules.bill_to; });
}

// Takes these files of one container from one state to another, in one commit. Those that are in
// another state by then stay in it.
Task<Outcome<void>> set_archival(Call& call, const ContainerId& container,
                                 const std::vector<ObjectId>& files, Archival from,
                                 Archival archival) {
  if (files.empty()) co_return Outcome<void>();
  const auto set = [&](Transaction& transaction, const View&) -> Outcome<void> {
    for (const ObjectId& file : files) {
      auto info = transaction.object(file);
      if (!info.ok()) {
        if (info.error().code() == ErrorCode::kNotFound) continue;
        return std::move(info).error();
      }
      if (info->standing.archival != from) continue;
      info->standing.archival = archival;
      RAMET_TRY(transaction.set_standing(file, info->standing));
    }
    return {};
  };
  co_return co_await change(call, container, set, Weight::kSlow);
}

// Copies with the same payer: what is asked for in all of them is archived, in some of them waits.
using Copies = std::map<ContainerId, std::vector<ObjectId>>;
Outcome<Copies> copies_all_asked_for(Call& call, const Selection& selection) {
  Copies out;
  RAMET_ASSIGN(const auto containers, billed_with(call, selection.project));
  for (const ObjectId& file : selection.files) {
    RAMET_ASSIGN(const auto holders, call.store().holders(file, containers));
    bool all = true;
    for (const ContainerId& holder : holders) {
      RAMET_ASSIGN(const auto view, call.store().view(holder));
      const auto info = view->object(file);
      all = all && (!info.ok() || info->standing.archival != Archival::kLive);
    }
    if (!all) continue;
    for (const ContainerId& holder : holders) out[holder].push_back(file);
  }
  return out;
}

}  // namespace

Task<Answer> archive(Call& call) {
  RAMET_CO_ASSIGN(const bool all_copies, call.in().flag("allCopies", false));
  const auto is_live = [](const Standing& standing) {
    return standing.archival == Archival::kLive;
  };
  const auto look = [&]() -> Outcome<Selection> {
    RAMET_ASSIGN(Selection selection, select(call, is_live));
    if (!all_copies) return selection;
    const auto payer = call.access().principal(selection.project.rules.bill_to);
    if (call.is_admin_of(payer.ok() ? payer->id : PrincipalId{})) return selection;
    return Fault(Type::kPermissionDenied,
                 "'allCopies' is for whom the project is billed to, an ADMIN of the org");
  };
  RAMET_CO_ASSIGN(const Selection selection, co_await call.slow(look));
  const ContainerId own = selection.project.info.id;
  RAMET_CO_TRY(co_await set_archival(call, own, selection.files, Archival::kLive,
                                      Archival::kArchival));
  if (all_copies) {
    const auto find_others = [&] { return billed_with(call, selection.project); };
    RAMET_CO_ASSIGN(const auto others, co_await call.slow(find_others));
    for (const ContainerId& other : others) {
      RAMET_CO_TRY(co_await set_archival(call, other, selection.files, Archival::kLive,
                                         Archival::kArchival));
    }
  }
  const auto find_copies = [&] { return copies_all_asked_for(call, selection); };
  RAMET_CO_ASSIGN(const Copies copies, co_await call.slow(find_copies));
  for (const auto& [container, files] : copies) {
    RAMET_CO_TRY(co_await set_archival(call, container, files, Archival::kArchival,
                                       Archival::kArchived));
  }
  Json json = subject_json(call);
  json["count"] = selection.files.size();
  co_return json;
}

// Other copies that the same payer has wait again: this one is live.
Task<Answer> unarchive(Call& call) {
  RAMET_CO_ASSIGN(const bool dry_run, call.in().flag("dryRun", false));
  RAMET_CO_ASSIGN(const auto rate, call.in().text("rate"));
  if (rate && *rate != "Standard" && *rate != "Expedited" && *rate != "Bulk") {
    co_return wrong_type("rate", "\"Expedited\", \"Standard\" or \"Bulk\"");
  }
  const auto is_not_live = [](const Standing& standing) {
    return standing.archival != Archival::kLive;
  };
  const auto look = [&] { return select(call, is_not_live); };
  RAMET_CO_ASSIGN(const Selection selection, co_await call.slow(look));
  if (!dry_run) {
    const ContainerId own = selection.project.info.id;
    const auto find_others = [&]() -> Outcome<Copies> {
      Copies out;
      RAMET_ASSIGN(const auto containers, billed_with(call, selection.project));
      for (const ObjectId& file : selection.files) {
        RAMET_ASSIGN(const auto holders, call.store().holders(file, containers));
        for (const ContainerId& holder : holders) {
          if (holder != own) out[holder].push_back(file);
        }
      }
      return out;
    };
    RAMET_CO_ASSIGN(const Copies others, co_await call.slow(find_others));
    for (const Archival from : {Archival::kArchival, Archival::kArchived}) {
      RAMET_CO_TRY(co_await set_archival(call, own, selection.files, from, Archival::kLive));
    }
    for (const auto& [container, files] : others) {
      RAMET_CO_TRY(co_await set_archival(call, container, files, Archival::kArchived,
                                         Archival::kArchival));
    }
  }
  constexpr double kGigabyte = 1e9;
  Json json = subject_json(call);
  json["files"] = selection.files.size();
  json["size"] = static_cast<double>(selection.bytes) / kGigabyte;
  json["cost"] = 0;
  co_return json;
}

}  // namespace ramet::serve::dnanexus
