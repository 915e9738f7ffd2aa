// How many files the process may have open at once (getrlimit(2)).
#pragma once

#include <cstdint>

namespace ramet::io {

// The soft limit. Thread-safe.
uint64_t open_files_max();
// Raises the soft limit to the hard one: the soft one is low for the sake of select(2), which
// nothing here uses. For a program's beginning; where it can't be raised nothing changes.
void raise_open_files_max();

}  // namespace ramet::io
