#include "io/env.h"

#include <cstdlib>

namespace ramet::io {

Result<Bytes> read_file(Env& env, const std::string& path, uint64_t limit) {
  RAMET_ASSIGN(const std::unique_ptr<File> file, env.open(path, OpenMode::kRead));
  RAMET_ASSIGN(const uint64_t length, file->size());
  if (length > limit) {
    return Error(ErrorCode::kCorruption, path + ": read file: it has " + std::to_string(length) +
                                             " bytes, more than the " + std::to_string(limit) +
                                             " expected at most");
  }
  Bytes bytes(length, '\0');
  RAMET_ASSIGN(const size_t got, file->read(0, bytes));
  bytes.resize(got);
  return bytes;
}

namespace {

std::shared_ptr<Env> choose_env(const std::string& wish, std::string& why) {
  if (wish == "posix") {
    why = "posix: chosen by RAMET_IO";
    return make_posix_env();
  }
  if (!wish.empty() && wish != "uring") {
    why = "RAMET_IO=" + wish + " is ignored (known are posix and uring); ";
  }
  auto uring = make_uring_env();
  if (uring.ok()) {
    why += wish == "uring" ? "uring: chosen by RAMET_IO" : "uring: the kernel offers it";
    return *std::move(uring);
  }
  why += "posix: " + uring.error().message();
  if (wish == "uring") why += " (RAMET_IO asked for uring)";
  return make_posix_env();
}

}  // namespace

std::shared_ptr<Env> default_env(std::string* why) {
  const char* wish = std::getenv("RAMET_IO");
  std::string reason;
  std::shared_ptr<Env> env = choose_env(wish == nullptr ? "" : wish, reason);
  if (why != nullptr) *why = std::move(reason);
  return env;
}

}  // namespace ramet::io
