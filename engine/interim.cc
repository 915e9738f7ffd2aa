// (on the way: what the headers promise and is not there yet)
#include <cstdlib>

#include "engine/store_impl.h"

namespace ramet::engine {
AccessControl& StoreImpl::access() { std::abort(); }
}  // namespace ramet::engine
