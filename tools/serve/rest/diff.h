// Differences as JSON, for comparisons and for the change feed.
#pragma once

#include "engine/store.h"
#include "tools/serve/rest/json.h"

namespace ramet::serve::rest {

Json difference_json(const Difference& difference);

}  // namespace ramet::serve::rest
