// The hash of ids of any kind, for tables that hold objects and folders alike.
#pragma once

#include <cstddef>

#include "format/hash.h"
#include "format/ids.h"

namespace ramet::engine {

struct HashId {
  size_t operator()(const IdBytes& id) const {
    return xxh3(ByteView(reinterpret_cast<const char*>(id.data()), id.size()));
  }
};

}  // namespace ramet::engine
