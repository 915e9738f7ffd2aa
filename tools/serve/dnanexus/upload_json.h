// Descriptions that need to know of uploads, and the URLs of transfers.
#pragma once

#include "tools/serve/dnanexus/call.h"
#include "tools/serve/dnanexus/object_json.h"

namespace ramet::serve::dnanexus {

// As object_json(), with the parts of a file that is open. Waits.
Outcome<Json> located_json(Call& call, const Located& found, const DescribeFields& fields);

}  // namespace ramet::serve::dnanexus
