#include "format/block_ref.h"

namespace ramet {

std::string to_string(const BlockRef& ref) {
  return std::to_string(ref.segment) + ":" + std::to_string(ref.slot);
}

}  // namespace ramet
