// du --shared and du --would-free: whose bytes a store's bytes are.
#pragma once

#include <string>
#include <vector>

#include "tools/commands.h"
#include "tools/session.h"

namespace ramet::tools {

// Each names a container or container@snapshot; none: all containers. kInvalidArgument for paths,
// kNotFound for what is not there. `exact`: whole numbers of bytes.
Result<int> report_shares(Context& context, Session& session,
                          const std::vector<std::string>& names, bool exact);
Result<int> report_would_free(Context& context, Session& session,
                              const std::vector<std::string>& names);

}  // namespace ramet::tools
