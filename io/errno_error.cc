#include "io/errno_error.h"

#include <cerrno>
#include <limits>
#include <system_error>

namespace ramet::io {

ErrorCode errno_code(int number) {
  switch (number) {
    case ENOENT: return ErrorCode::kNotFound;
    case EEXIST: return ErrorCode::kAlreadyExists;
    case ENOSPC:
    case EDQUOT: return ErrorCode::kOutOfSpace;
    case EACCES:
    case EPERM:
    case EROFS: return ErrorCode::kPermissionDenied;
    default: return ErrorCode::kIoError;
  }
}

Error errno_error(int number, std::string_view path, std::string_view operation) {
  std::string message(path);
  message += ": ";
  message += operation;
  message += ": ";
  message += std::generic_category().message(number);  // unlike strerror(), thread-safe
  return Error(errno_code(number), std::move(message));
}

std::string describe_range(std::string_view verb, uint64_t offset, uint64_t length) {
  return std::string(verb) + " " + std::to_string(length) + " bytes at " + std::to_string(offset);
}

Status check_range(std::string_view path, std::string_view verb, uint64_t offset, uint64_t length) {
  constexpr uint64_t kGreatest = std::numeric_limits<int64_t>::max();
  if (length <= kGreatest && offset <= kGreatest - length) return ok();
  return Error(ErrorCode::kInvalidArgument, std::string(path) + ": " +
                                                describe_range(verb, offset, length) +
                                                ": the range ends beyond 2^63 - 1");
}

Error short_read_error(std::string_view path, uint64_t offset, uint64_t wanted, uint64_t got) {
  return Error(ErrorCode::kCorruption,
               std::string(path) + ": " + describe_range("read", offset, wanted) +
                   ": short read, the file ends after " + std::to_string(got) + " of them");
}

}  // namespace ramet::io
