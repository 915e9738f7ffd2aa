// Snapshots, rollback, and what was dropped.
#include <fmt/format.h>

#include "tools/serve/rest/handlers.h"

namespace ramet::serve::rest {
namespace {

Result<SnapshotInfo> find_snapshot(Call& call) {
  RAMET_ASSIGN(const std::string name, call.param("snapshot"));
  std::optional<SnapshotInfo> found;
  RAMET_TRY(call.store().snapshots(call.container.id, [&](const SnapshotInfo& info) {
    if (info.name == name) found = info;
    return !found;
  }));
  if (found) return std::move(*found);
  return Error(ErrorCode::kNotFound, fmt::format("there is no snapshot '{}'", name));
}

Json rules_json(uint8_t kept_by) {
  Json rules = Json::array();
  for (size_t rule = 0; rule < kRetentionRules; ++rule) {
    if ((kept_by >> rule & 1) != 0) {
      rules.push_back(retention_rule_name(static_cast<RetentionRule>(rule)));
    }
  }
  return rules;
}

}  // namespace

Task<Answer> list_snapshots(Call& call) {
  co_return co_await call.quick([&]() -> Answer {
    RAMET_ASSIGN(const size_t limit, page_limit(call));
    const std::string after = call.text("after");
    bool skipping = !after.empty();
    Json list = Json::array();
    std::string next, last;
    RAMET_TRY(call.store().snapshots(call.container.id, [&](const SnapshotInfo& info) {
      if (skipping) {
        skipping = info.name != after;
        return true;
      }
      if (list.size() == limit) {
        next = last;
        return false;
      }
      last = info.name;
      list.push_back(snapshot_json(info));
      return true;
    }));
    if (skipping) {
      return Error(ErrorCode::kNotFound, fmt::format("there is no snapshot '{}'", after));
    }
    Json json;
    json["snapshots"] = std::move(list);
    json["next"] = nullptr;
    if (!next.empty()) set_name(json, "next", next);
    return json_response(200, json);
  });
}

Task<Answer> create_snapshot(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  co_return co_await call.slow([&]() -> Answer {
    Members in(json);
    const std::string name = in.required("name");
    SnapshotOptions options;
    options.note = in.text("note");
    options.expires = in.time("expires");
    options.automatic = in.flag("automatic");
    RAMET_TRY(in.done());
    RAMET_ASSIGN(const SnapshotInfo info,
                 call.store().create_snapshot(call.container.id, name, options));
    Response response = json_response(201, snapshot_json(info));
    response.fields.set("Location", fmt::format("/v1/containers/{}/snapshots/{}",
                                                to_uuid(call.container.id),
                                                percent_encode(name, true)));
    return response;
  });
}

Task<Answer> get_snapshot(Call& call) {
  co_return co_await call.quick([&]() -> Answer {
    RAMET_ASSIGN(const SnapshotInfo info, find_snapshot(call));
    return json_response(200, snapshot_json(info));
  });
}

Task<Answer> update_snapshot(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  co_return co_await call.slow([&]() -> Answer {
    Members in(json);
    if (!in.has("expires") && !in.is_null("expires")) in.fail("expires", "is missing");
    const int64_t expires = in.time("expires");
    RAMET_TRY(in.done());
    RAMET_ASSIGN(SnapshotInfo info, find_snapshot(call));
    RAMET_TRY(call.store().set_expiry(call.container.id, info.name, expires));
    RAMET_ASSIGN(info, find_snapshot(call));
    return json_response(200, snapshot_json(info));
  });
}

Task<Answer> drop_snapshot(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    DropOptions options;
    RAMET_ASSIGN(options.now, call.flag("now"));
    RAMET_ASSIGN(const std::string name, call.param("snapshot"));
    RAMET_TRY(call.store().drop_snapshot(call.container.id, name, options));
    call.audit("snapshot.drop", call.container.name + "@" + name, options.now ? "now" : "");
    return empty_response();
  });
}

Task<Answer> prune_snapshots(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call, true));
  co_return co_await call.slow([&]() -> Answer {
    Members in(json);
    PruneOptions options;
    const std::string policy = in.text("policy");
    options.only_automatic = in.flag("only_automatic");
    options.dry_run = in.flag("dry_run");
    RAMET_TRY(in.done());
    if (!policy.empty()) {
      RAMET_ASSIGN(options.policy, parse_retention(policy));
    }
    RAMET_ASSIGN(const PruneReport report,
                 call.store().prune_snapshots(call.container.id, options));
    Json out;
    out["policy"] = retention_text(report.policy);
    out["dropped"] = report.dropped;
    out["snapshots"] = Json::array();
    for (const PrunedSnapshot& one : report.snapshots) {
      Json snapshot = snapshot_json(one.info);
      snapshot["kept_by"] = rules_json(one.kept_by);
      out["snapshots"].push_back(std::move(snapshot));
    }
    if (!options.dry_run) {
      call.audit("snapshot.prune", call.container.name, fmt::format("{} dropped", report.dropped));
    }
    return json_response(200, out);
  });
}

Task<Answer> rollback(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  co_return co_await call.slow([&]() -> Answer {
    Members in(json);
    const std::string snapshot = in.required("snapshot");
    RAMET_TRY(in.done());
    RAMET_ASSIGN(const RollbackResult result,
                 call.store().rollback(call.container.id, snapshot));
    call.audit("container.rollback", call.container.name + "@" + snapshot);
    Json out;
    out["kept"] = result.kept;
    out["sequence"] = result.sequence;
    return json_response(200, out);
  });
}

Task<Answer> list_dropped(Call& call) {
  co_return co_await call.quick([&]() -> Answer {
    RAMET_ASSIGN(const size_t limit, page_limit(call));
    RAMET_ASSIGN(const uint64_t after, call.number("after", 0, INT64_MAX));
    Json list = Json::array();
    Json next;
    Status status;
    DropNumber last = 0;
    RAMET_TRY(call.store().dropped([&](const DroppedInfo& info) {
      if (info.number <= after || info.name == kStagingContainer) return true;
      const auto level = call.access().level(call.caller, info.container);
      if (!level.ok()) {
        status = level.error();
        return false;
      }
      if (*level < AccessLevel::kAdminister) return true;
      if (list.size() == limit) {
        next = last;
        return false;
      }
      last = info.number;
      list.push_back(dropped_json(info));
      return true;
    }));
    RAMET_TRY(status);
    Json json;
    json["dropped"] = std::move(list);
    json["next"] = std::move(next);
    return json_response(200, json);
  });
}

Task<Answer> undelete(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call, true));
  co_return co_await call.slow([&]() -> Answer {
    Members in(json);
    const std::string as = in.text("as");
    RAMET_TRY(in.done());
    RAMET_ASSIGN(const std::string text, call.param("number"));
    const Error missing(ErrorCode::kNotFound,
                        fmt::format("nothing that was dropped has the number '{}'", text));
    std::optional<DroppedInfo> found;
    RAMET_TRY(call.store().dropped([&](const DroppedInfo& info) {
      if (std::to_string(info.number) == text) found = info;
      return !found;
    }));
    if (!found || found->name == kStagingContainer) return missing;
    RAMET_ASSIGN(const AccessLevel level, call.access().level(call.caller, found->container));
    if (level < AccessLevel::kAdminister) return missing;
    RAMET_ASSIGN(const UndeleteResult result, call.store().undelete(found->number, as));
    call.audit("undelete", result.name);
    Json out;
    out["container"] = to_uuid(result.container);
    set_name(out, "name", result.name);
    if (!result.snapshot.empty()) set_name(out, "snapshot", result.snapshot);
    out["snapshots"] = result.snapshots;
    out["sequence"] = result.sequence;
    return json_response(200, out);
  });
}

}  // namespace ramet::serve::rest
