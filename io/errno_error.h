// The one place where an errno becomes an Error, so that every implementation of Env gives the
// same code for the same failure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "format/result.h"

namespace ramet::io {

// ENOENT is kNotFound, EEXIST kAlreadyExists, ENOSPC and EDQUOT kOutOfSpace, EACCES, EPERM and
// EROFS kPermissionDenied, everything else kIoError.
ErrorCode errno_code(int number);

// "<path>: <operation>: <text of the errno>", with errno_code(). Thread-safe.
Error errno_error(int number, std::string_view path, std::string_view operation);

// "write 512 bytes at 4096": the operation part of a message about a range of a file.
std::string describe_range(std::string_view verb, uint64_t offset, uint64_t length);

// kInvalidArgument if the range ends beyond the greatest offset a file can have (2^63 - 1).
Status check_range(std::string_view path, std::string_view verb, uint64_t offset, uint64_t length);

// kCorruption: a piece of a batch was to be filled and the file ended inside it.
Error short_read_error(std::string_view path, uint64_t offset, uint64_t wanted, uint64_t got);

}  // namespace ramet::io
