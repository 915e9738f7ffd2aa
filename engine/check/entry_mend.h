// EntryMend: makes the entries of a container agree again after some of them were lost.
//
// What each entry says twice is used: a lost name is made from the record that knows it, a lost
// folder record from its name, a lost record from an older copy of its node if that fits. What is
// left over goes to lost+found: records without a name, content of which blocks are missing.
// What the entries say is in EntryRows; EntryWriter changes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/check/entry_writer.h"
#include "engine/check/tree_mend.h"

namespace ramet::engine {

struct MendedEntries {
  Root root;          // as it was if nothing had to change
  std::string text;   // what was moved or lost, a line each
  FolderId lost_and_found;  // null: there is nothing in it
  uint64_t lost_records = 0;  // of objects: their blocks may still be there
};

// The container with these entries, mended; `gaps`: what its tree has lost. kIoError, kCancelled.
Result<MendedEntries> mend_entries(const EntryMendContext& context, const Root& root,
                                   const std::vector<Gap>& gaps);

}  // namespace ramet::engine
