// Quotas: how far commits may make a container grow. Pure; thread-safe.
#pragma once

#include "engine/container/records.h"
#include "format/summary.h"

namespace ramet::engine {

bool has_quota(const ContainerRecord& record);

// Whether a commit may take the container from one state to another: kQuotaExceeded, naming the
// container, the limit and what would be there, if it grows to more than a quota allows. What does
// not grow is always fine, also while there is too much.
Status check_quota(const ContainerRecord& record, const Summary& before, const Summary& after);

}  // namespace ramet::engine
