// Listing an open folder, without the allocation, the descriptor of its own and the lost errors
// of readdir().
#pragma once

#include <functional>

namespace ramet::io {

// Calls `visit` with each name except "." and "..", from the beginning and in no order, until it
// returns false. `type` is a DT_ constant, DT_UNKNOWN where the file system does not tell.
// Returns 0 or an errno; names before a failure were visited. One thread at a time for one `fd`.
int list_folder(int fd, const std::function<bool(const char* name, unsigned char type)>& visit);

}  // namespace ramet::io
