#include "tools/serve/rest/usage.h"

#include "tools/serve/rest/handlers.h"
#include "tools/serve/rest/jobs.h"

namespace ramet::serve::rest {
namespace {

// Tree nodes that a request reads; what takes more is a job.
constexpr uint64_t kNodesMax = 50'000;

Json would_free_json(const WouldFree& freed) {
  Json json;
  json["bytes"] = freed.bytes;
  json["nodes"] = freed.nodes;
  json["blocks"] = freed.blocks;
  json["nodes_read"] = freed.nodes_read;
  json["sequence"] = freed.sequence;
  json["commits_behind"] = freed.commits_behind;
  return json;
}

Json usage_json(const StoreUsage& usage) {
  Json json;
  json["containers"] = Json::array();
  for (const UsageLine& line : usage.lines) {
    Json one;
    set_name(one, "container", line.container_name);
    if (!line.target.snapshot.empty()) set_name(one, "snapshot", line.target.snapshot);
    one["objects"] = line.objects;
    one["bytes"] = line.logical_bytes;
    one["exclusive_bytes"] = line.exclusive_bytes;
    one["share_bytes"] = line.share_bytes;
    json["containers"].push_back(std::move(one));
  }
  json["other_share_bytes"] = usage.other_share_bytes;
  json["catalog_bytes"] = usage.catalog_bytes;
  json["pending_bytes"] = usage.pending_bytes;
  json["dropped_bytes"] = usage.dropped_bytes;
  json["unused_bytes"] = usage.unused_bytes;
  json["frame_bytes"] = usage.frame_bytes;
  json["log_bytes"] = usage.log_bytes;
  json["map_bytes"] = usage.map_bytes;
  json["leftover_bytes"] = usage.leftover_bytes;
  json["index_bytes"] = usage.index_bytes;
  json["superblock_bytes"] = usage.superblock_bytes;
  json["ballast_bytes"] = usage.ballast_bytes;
  json["other_bytes"] = usage.other_bytes;
  json["total_bytes"] = usage.total_bytes;
  json["hole_bytes"] = usage.hole_bytes;
  json["allocated_bytes"] = usage.allocated_bytes;
  json["nodes_read"] = usage.nodes_read;
  json["sequence"] = usage.sequence;
  json["commits_behind"] = usage.commits_behind;
  return json;
}

}  // namespace

Result<UsageRequest> read_usage(Call& call, Members& in) {
  UsageRequest request;
  request.would_free = in.flag("would_free");
  const Json* targets = in.value("targets");
  if (targets != nullptr && !targets->is_array()) in.fail("targets", "must be an array");
  RAMET_TRY(in.done());
  size_t number = 0;
  for (const Json& target : targets != nullptr ? *targets : Json::array()) {
    Members one(target, "targets[" + std::to_string(number++) + "]");
    const std::string name = one.required("container");
    const std::string snapshot = one.text("snapshot");
    RAMET_TRY(one.done());
    RAMET_ASSIGN(const Call::Other other, call.other_container(name));
    request.targets.push_back({other.info.id, snapshot});
  }
  // Lines of all containers, and figures of the store, are for who may see all of it.
  if ((request.targets.empty() || !request.would_free) && !call.caller.principal.super_admin) {
    return call.refuse(403, ErrorCode::kPermissionDenied,
                       "figures of the whole store are for super administrators: ask for "
                       "'would_free' of containers");
  }
  return request;
}

Result<Json> usage_result(Store& store, const UsageRequest& request,
                          const UsageProgress& progress) {
  if (request.would_free) {
    RAMET_ASSIGN(const WouldFree freed, store.would_free(request.targets, progress));
    return would_free_json(freed);
  }
  RAMET_ASSIGN(const StoreUsage usage, store.usage(request.targets, progress));
  return usage_json(usage);
}

Task<Answer> get_usage(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    Json json;
    json["objects"] = call.container.summary[SummaryColumn::kObjects];
    json["bytes"] = call.container.summary[SummaryColumn::kContentBytes];
    json["would_free"] = nullptr;
    const auto freed = call.store().would_free({{call.container.id, ""}}, [](uint64_t nodes) {
      return nodes <= kNodesMax;
    });
    if (freed.ok()) {
      json["would_free"] = would_free_json(*freed);
    } else if (freed.error().code() != ErrorCode::kCancelled) {
      return freed.error();
    }
    return json_response(200, json);
  });
}

// At once if it is little, else as a job.
Task<Answer> compute_usage(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  co_return co_await call.slow([&]() -> Answer {
    Members in(json);
    RAMET_ASSIGN(const UsageRequest request, read_usage(call, in));
    Store& store = call.store();
    auto result = usage_result(store, request, [](uint64_t nodes) { return nodes <= kNodesMax; });
    if (result.ok()) return json_response(200, *result);
    if (result.error().code() != ErrorCode::kCancelled) return std::move(result).error();
    RAMET_ASSIGN(const auto job,
                 start_job(call, "usage", [&store, request](CopyProgress& progress) {
                   return usage_result(store, request, [&](uint64_t nodes) {
                     progress.files_done = nodes;
                     return !progress.cancel.load();
                   });
                 }));
    return job_response(call, *job, 202);
  });
}

}  // namespace ramet::serve::rest
