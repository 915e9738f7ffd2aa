// Reading one name of a source tree, with the proof that it did not change meanwhile. No state;
// thread-safe for different items.
#pragma once

#include <functional>
#include <string>

#include "io/source_tree.h"
#include "io/source_walk.h"

namespace ramet::io {

// Fills `item` (name and folder are set) with what is there now: attributes, link target, and the
// content of a small file without hard links; other files are left to stream_file(). What can't
// be read becomes a kProblem. `reserve` is called before memory for content is taken, with the
// bytes that the item needs in all; false: stop, the item is worth nothing.
void read_item(const SourceOptions& options, SourceItem& item, bool is_file,
               const std::function<bool(uint64_t bytes)>& reserve);

// SourceTree::stream().
Result<SourceTree::Outcome> stream_file(const SourceOptions& options, SourceItem& item, int attempt,
                                        StreamSink& sink);

}  // namespace ramet::io
