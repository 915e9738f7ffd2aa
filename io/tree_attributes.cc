#include "io/tree_attributes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string_view>
#include <system_error>

namespace ramet::io {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
// Twice the longest step of the kernel's clock for file times (HZ=100).
constexpr int64_t kClockStep = 20'000'000;
// The kernel's own limits (XATTR_LIST_MAX, XATTR_SIZE_MAX).
constexpr size_t kXattrListMax = 64u << 10;
constexpr size_t kXattrValueMax = 64u << 10;

int64_t nanoseconds(const statx_timestamp& time, bool* clamped) {
  int64_t result = 0;
  if (!__builtin_mul_overflow(time.tv_sec, kSecond, &result) &&
      !__builtin_add_overflow(result, int64_t{time.tv_nsec}, &result)) {
    return result;
  }
  *clamped = true;
  return time.tv_sec < 0 ? std::numeric_limits<int64_t>::min()
                         : std::numeric_limits<int64_t>::max();
}

ssize_t list_names(const XattrPlace& place, char* into, size_t size) {
  return place.fd >= 0 ? ::flistxattr(place.fd, into, size)
                       : ::llistxattr(place.path.c_str(), into, size);
}

ssize_t get_value(const XattrPlace& place, const char* name, char* into, size_t size) {
  return place.fd >= 0 ? ::fgetxattr(place.fd, name, into, size)
                       : ::lgetxattr(place.path.c_str(), name, into, size);
}

// The names, sorted; an errno otherwise.
int sorted_names(const XattrPlace& place, std::vector<std::string>* names) {
  // Most files have none or few: ask with a small buffer first.
  char few[512];
  std::string many;
  const char* list = few;
  ssize_t bytes = list_names(place, few, sizeof few);
  if (bytes < 0 && errno == ERANGE) {
    many.resize(kXattrListMax);
    list = many.data();
    bytes = list_names(place, many.data(), many.size());
  }
  if (bytes < 0) return errno == ENOTSUP || errno == EOPNOTSUPP ? 0 : errno;
  for (std::string_view rest(list, static_cast<size_t>(bytes)); !rest.empty();) {
    const size_t end = std::min(rest.find('\0'), rest.size());
    if (end > 0) names->emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  std::sort(names->begin(), names->end());
  return 0;
}

}  // namespace

int read_state(int fd, const char* name, FileState* state) {
  struct statx status {};
  const unsigned wanted = STATX_BASIC_STATS | STATX_BTIME;
  if (::statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT, wanted, &status) !=
      0) {
    return errno;
  }
  *state = FileState{};
  TreeAttributes& attributes = state->attributes;
  attributes.mode = status.stx_mode;
  attributes.uid = status.stx_uid;
  attributes.gid = status.stx_gid;
  attributes.modified = nanoseconds(status.stx_mtime, &state->time_clamped);
  if (S_ISCHR(status.stx_mode) || S_ISBLK(status.stx_mode)) {
    attributes.device = makedev(status.stx_rdev_major, status.stx_rdev_minor);
  }
  state->size = status.stx_size;
  state->allocated = status.stx_blocks * 512;
  state->links = status.stx_nlink;
  state->identity.device = makedev(status.stx_dev_major, status.stx_dev_minor);
  state->identity.inode = status.stx_ino;
  bool ignored = false;
  if ((status.stx_mask & STATX_BTIME) != 0) {
    state->identity.birth = nanoseconds(status.stx_btime, &ignored);
  }
  state->changed = nanoseconds(status.stx_ctime, &ignored);
  return 0;
}

bool same_state(const FileState& before, const FileState& after) {
  return before.identity == after.identity && before.size == after.size &&
         before.attributes == after.attributes && before.changed == after.changed;
}

int64_t unsettled_ns(const FileState& state) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  // st_ctime alone: every change sets it, and nobody can set it by hand.
  const int64_t age = now.tv_sec * kSecond + now.tv_nsec - state.changed;
  return age > -kClockStep && age < kClockStep ? kClockStep - std::max<int64_t>(age, 0) : 0;
}

XattrPlace xattr_place_at(int folder_fd, const std::string& name) {
  // The links below /proc/self/fd lead to what is open, whatever the length of its path.
  return {-1, "/proc/self/fd/" + std::to_string(folder_fd) + "/" + name};
}

void read_xattrs(const XattrPlace& place, size_t bytes_max, std::vector<TreeXattr>* out,
                 std::vector<std::string>* notes) {
  out->clear();
  std::vector<std::string> names;
  const int listed = sorted_names(place, &names);
  if (listed != 0) {
    notes->push_back("extended attributes are left out: " + failure_text("list", listed));
    return;
  }
  std::string value;
  size_t used = 0;
  for (std::string& name : names) {
    value.resize(kXattrValueMax);
    const ssize_t bytes = get_value(place, name.c_str(), value.data(), value.size());
    if (bytes < 0) {
      if (errno == ENODATA) continue;  // removed meanwhile
      notes->push_back("the extended attribute '" + name +
                       "' is left out: " + failure_text("read", errno));
      continue;
    }
    const size_t size = name.size() + static_cast<size_t>(bytes) + 32;
    if (used + size > bytes_max) {
      notes->push_back("the extended attribute '" + name + "' of " + std::to_string(bytes) +
                       " bytes is left out: at most " + std::to_string(bytes_max) +
                       " bytes of them are kept");
      continue;
    }
    used += size;
    out->push_back({std::move(name), value.substr(0, static_cast<size_t>(bytes))});
  }
}

int write_xattr(const XattrPlace& place, const TreeXattr& xattr) {
  const char* name = xattr.name.c_str();
  const int done =
      place.fd >= 0
          ? ::fsetxattr(place.fd, name, xattr.value.data(), xattr.value.size(), 0)
          : ::lsetxattr(place.path.c_str(), name, xattr.value.data(), xattr.value.size(), 0);
  return done == 0 ? 0 : errno;
}

std::string failure_text(const char* operation, int number) {
  return std::string(operation) + ": " + std::generic_category().message(number);
}

}  // namespace ramet::io
