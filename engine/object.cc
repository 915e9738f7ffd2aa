#include "engine/object.h"

namespace ramet {

std::string_view class_name(EntryClass entry_class) {
  switch (entry_class) {
    case EntryClass::kFile: return "file";
    case EntryClass::kFolder: return "folder";
    case EntryClass::kSymlink: return "symlink";
    case EntryClass::kFifo: return "fifo";
    case EntryClass::kSocket: return "socket";
    case EntryClass::kCharacterDevice: return "character device";
    case EntryClass::kBlockDevice: return "block device";
    case EntryClass::kRecord: return "record";
  }
  return "unknown class";
}

}  // namespace ramet
