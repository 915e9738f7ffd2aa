// ContainerCheck: names what the entries of one damaged container contradict each other about.
// Used where the sums (entry_sums.h) say that there is something, or nodes are lost. Memory: some
// 150 bytes for each object and folder of the container.
#pragma once

#include <functional>
#include <string>

#include "engine/check/tree_check.h"
#include "format/ids.h"

namespace ramet::engine {

struct EntryProblem {
  std::string_view code;  // of finding_kinds()
  std::string path;       // as far as it is known
  IdBytes id{};
  std::string message;
};

// kIoError and kCancelled only.
Status check_entries(TreeCheck& trees, const Root& root,
                     const std::function<void(const EntryProblem&)>& report);

}  // namespace ramet::engine
