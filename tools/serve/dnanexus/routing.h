// Which requests of the main port are the DNAnexus face's. Pure; thread-safe.
#pragma once

#include "tools/serve/http.h"

namespace ramet::serve::dnanexus {

// A POST without a query that says so ("DNAnexus-API: 1.0.0"); "POST /CLASS/METHOD" and
// "POST /CLASS-ID/METHOD" of the API's classes, without a query (S3 has no such requests: its POSTs
// have one, or go to a bucket); and transfers (transfers.h).
bool takes(const Request& request);

}  // namespace ramet::serve::dnanexus
