// Waiting before something is tried again.
#pragma once

#include "tools/serve/http.h"

namespace ramet::serve {

// Waits a random while, up to 500 microseconds the first time (`attempt` 0), doubled each time, at
// most 0.13 s: full jitter, so that those that met once do not meet again. Holds no thread.
Task<void> pause_before(int attempt);

}  // namespace ramet::serve
