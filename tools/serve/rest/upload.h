// Uploads, for those who put them somewhere.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/serve/rest/call.h"

namespace ramet::serve::rest {

// Of the staging container: a folder of each upload, by its id.
inline constexpr std::string_view kUploadFolder = "rest";

// The staged objects of an upload of the caller into the call's container, all of it. kNotFound;
// 409 if it is not complete.
Result<std::vector<std::string>> upload_pieces(Call& call, const std::string& id);
Task<Status> remove_upload(Call& call, std::string id);

}  // namespace ramet::serve::rest
