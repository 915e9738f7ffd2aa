#include "io/folder_listing.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "format/bytes.h"

namespace ramet::io {
namespace {

constexpr size_t kBufferBytes = 64u << 10;

// linux_dirent64: inode:u64 offset:i64 length:u16 type:u8 name, NUL-terminated.
constexpr size_t kLengthAt = 16;
constexpr size_t kTypeAt = 18;
constexpr size_t kNameAt = 19;

bool is_dots(std::string_view name) { return name == "." || name == ".."; }

}  // namespace

int list_folder(int fd, const std::function<bool(const char*, unsigned char)>& visit) {
  if (::lseek(fd, 0, SEEK_SET) < 0) return errno;
  Bytes buffer(kBufferBytes, '\0');
  for (;;) {
    const int64_t got = ::syscall(SYS_getdents64, fd, buffer.data(), buffer.size());
    if (got < 0) return errno;
    if (got == 0) return 0;
    for (int64_t at = 0; at < got;) {
      const char* entry = buffer.data() + at;
      at += load<uint16_t>(entry + kLengthAt);
      const char* name = entry + kNameAt;
      if (is_dots(name)) continue;
      if (!visit(name, static_cast<unsigned char>(entry[kTypeAt]))) return 0;
    }
  }
}

}  // namespace ramet::io
