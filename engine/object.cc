#include "engine/object.h"

#include <algorithm>
#include <array>

namespace ramet {
namespace {

constexpr std::array<std::string_view, 3> kStates = {"closed", "open", "closing"};
constexpr std::array<std::string_view, 3> kRules = {"shared", "never", "while-open"};
constexpr std::array<std::string_view, 5> kArchivals = {"live", "archival", "archived",
                                                        "archiving", "unarchiving"};

}  // namespace

std::string_view state_name(ObjectState state) { return kStates[static_cast<size_t>(state)]; }
std::string_view clone_rule_name(CloneRule rule) { return kRules[static_cast<size_t>(rule)]; }
std::string_view archival_name(Archival archival) {
  return kArchivals[static_cast<size_t>(archival)];
}
std::optional<Archival> parse_archival(std::string_view name) {
  const auto found = std::find(kArchivals.begin(), kArchivals.end(), name);
  if (found == kArchivals.end()) return std::nullopt;
  return static_cast<Archival>(found - kArchivals.begin());
}

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
