// Keys of the trees in words, for findings and inspect. Pure; thread-safe.
#pragma once

#include <string>

#include "format/bytes.h"

namespace ramet::engine {

// "object 1234...", "name 'a.txt' in folder 1234..."; of bytes that are no key, these in hex.
std::string describe_key(ByteView key);
// "A to B", where an empty key is the first or the last.
std::string describe_range(ByteView from, ByteView to);

}  // namespace ramet::engine
