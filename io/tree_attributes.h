// What a POSIX file system says about one file, folder or link, and how it is read: the
// vocabulary that io/source_tree.h and io/target_tree.h share. Functions are thread-safe and hold
// no state; none follows a symbolic link.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ramet::io {

struct TreeXattr {
  std::string name;
  std::string value;
  friend bool operator==(const TreeXattr&, const TreeXattr&) = default;
};

// Times are nanoseconds since 1970.
struct TreeAttributes {
  uint32_t mode = 0;  // type and permission bits
  uint32_t uid = 0;
  uint32_t gid = 0;
  int64_t modified = 0;
  uint64_t device = 0;            // st_rdev of a device node, else 0
  std::vector<TreeXattr> xattrs;  // in the order of their names
  friend bool operator==(const TreeAttributes&, const TreeAttributes&) = default;
};

// Which file of this machine it is. `birth` tells a file from an earlier one with the same inode
// number; 0 where the file system does not know it.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t birth = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

// What one statx() gives.
struct FileState {
  TreeAttributes attributes;  // without xattrs
  uint64_t size = 0;
  uint64_t allocated = 0;  // bytes on the device; less than `size`: there may be holes
  uint64_t links = 1;
  FileIdentity identity;
  int64_t changed = 0;        // st_ctime
  bool time_clamped = false;  // st_mtime does not fit 64 bits of nanoseconds (years 1677 to 2262)
};

// Of an open file (`name` empty; O_PATH is enough), or of a name in the folder `fd` (AT_FDCWD:
// any path). Returns 0 or an errno.
int read_state(int fd, const char* name, FileState* state);

// True if nothing that a write, a truncation, a replacement or a change of attributes leaves
// behind differs between the two.
bool same_state(const FileState& before, const FileState& after);

// Whether a change right now could leave the same times behind as the last one did, because the
// clock of file times ticks in steps (up to 10 ms): then a comparison proves nothing yet.
// Returns the nanoseconds to wait until it does; 0 if it does already (also for times that lie
// in the future: those of another machine's clock).
int64_t unsettled_ns(const FileState& state);

// Where extended attributes are read from and written to: an open file, or a path whose last
// part is not followed.
struct XattrPlace {
  int fd = -1;  // counts if 0 or more
  std::string path;
};
// A name in an open folder, for what cannot be opened itself (links, sockets, devices). Needs
// /proc; valid while the folder is open.
XattrPlace xattr_place_at(int folder_fd, const std::string& name);

// Reads all extended attributes into `out`, in the order of their names. What would make names
// and values together (and 32 bytes for each) more than `bytes_max` is left out, the later names
// first; so is what cannot be read: each adds a line to `notes`. File systems without extended
// attributes have none.
void read_xattrs(const XattrPlace& place, size_t bytes_max, std::vector<TreeXattr>* out,
                 std::vector<std::string>* notes);

// Sets one. Returns 0 or an errno.
int write_xattr(const XattrPlace& place, const TreeXattr& xattr);

// "<operation>: <text of the errno>"
std::string failure_text(const char* operation, int number);

}  // namespace ramet::io
