// Whose bytes the store's bytes are: requests, and what they give.
#pragma once

#include <vector>

#include "engine/usage.h"
#include "tools/serve/rest/call.h"

namespace ramet::serve::rest {

struct UsageRequest {
  std::vector<UsageTarget> targets;
  bool would_free = false;  // what dropping all of them would free; else shares of the whole store
};
// {"targets": [{"container", "snapshot"}], "would_free"}; asks for what the caller needs.
Result<UsageRequest> read_usage(Call& call, Members& in);
Result<Json> usage_result(Store& store, const UsageRequest& request,
                          const UsageProgress& progress);

}  // namespace ramet::serve::rest
