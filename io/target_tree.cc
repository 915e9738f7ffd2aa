#include "io/target_tree.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>

#include "format/check.h"
#include "io/errno_error.h"
#include "io/folder_listing.h"

namespace ramet::io {
namespace {

constexpr int kOpenFolder = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

Status check_one_name(const std::string& name) {
  const bool is_one = !name.empty() && name != "." && name != ".." &&
                      name.find('/') == name.npos && name.find('\0') == name.npos;
  if (is_one) return ok();
  return Error(ErrorCode::kInvalidArgument, "'" + name + "' cannot be a name");
}

// Of a file that waits for its final name, or of the shelf.
std::string name_meanwhile() {
  uint64_t random = 0;
  RAMET_CHECK(::getrandom(&random, sizeof random, 0) == sizeof random, "no random bytes");
  std::string name = ".ramet-";
  for (int shift = 60; shift >= 0; shift -= 4) {
    name.push_back("0123456789abcdef"[(random >> shift) & 0xF]);
  }
  return name;
}

// 0, ENOTEMPTY or another errno.
int check_empty(int fd) {
  bool empty = true;
  const int failed = list_folder(fd, [&](const char*, unsigned char) { return empty = false; });
  return failed != 0 ? failed : empty ? 0 : ENOTEMPTY;
}

// What the folder around hands down is not what is to be kept.
void drop_inherited_lists(int fd) {
  for (const char* name : {"system.posix_acl_default", "system.posix_acl_access"}) {
    static_cast<void>(::fremovexattr(fd, name));  // most have none
  }
}

int change_mode(int fd, bool by_name, uint32_t mode) {
  if (!by_name) return ::fchmod(fd, mode) == 0 ? 0 : errno;
  // fchmod() refuses O_PATH; the link below /proc leads to the same inode.
  return ::chmod(("/proc/self/fd/" + std::to_string(fd)).c_str(), mode) == 0 ? 0 : errno;
}

timespec to_timespec(int64_t nanoseconds) {
  timespec time{};
  time.tv_sec = nanoseconds / 1'000'000'000;
  time.tv_nsec = nanoseconds % 1'000'000'000;
  if (time.tv_nsec < 0) {
    --time.tv_sec;
    time.tv_nsec += 1'000'000'000;
  }
  return time;
}

}  // namespace

TargetFolder::~TargetFolder() {
  // One by one: a chain of destructors as deep as the tree would overflow the stack.
  TargetFolderPtr above = std::move(parent_);
  while (above != nullptr && above.use_count() == 1) above = std::move(above->parent_);
}

std::string TargetFolder::path() const {
  std::vector<const std::string*> names;
  for (const TargetFolder* at = this; at != nullptr; at = at->parent_.get()) {
    names.push_back(&at->name_);
  }
  std::string path = *names.back();
  for (size_t i = names.size() - 1; i-- > 0;) {
    if (path.back() != '/') path.push_back('/');
    path += *names[i];
  }
  return path;
}

TargetTree::~TargetTree() = default;

Error TargetTree::error(const TargetFolderPtr& folder, const std::string& name, int number,
                        const char* operation) const {
  return errno_error(number, name.empty() ? folder->path() : folder->path() + "/" + name,
                     operation);
}

Result<std::unique_ptr<TargetTree>> TargetTree::open(const std::string& path,
                                                     const TargetOptions& options) {
  const bool is_new = ::mkdir(path.c_str(), 0700) == 0;
  if (!is_new && errno != EEXIST) return errno_error(errno, path, "create the folder");
  UnixFd fd(::open(path.c_str(), kOpenFolder));
  if (!fd.valid()) {
    if (errno != ENOTDIR) return errno_error(errno, path, "open");
    return Error(ErrorCode::kAlreadyExists, path + " is there and not a folder");
  }
  const int filled = check_empty(fd.get());
  if (filled != 0 && filled != ENOTEMPTY) return errno_error(filled, path, "list");
  std::unique_ptr<TargetTree> tree(new TargetTree(options));
  RAMET_ASSIGN(tree->root_, tree->adopt(nullptr, path, std::move(fd), is_new));
  tree->root_fd_ = tree->root_->fd_.lock();
  tree->root_was_empty_ = filled == 0;
  return tree;
}

Status TargetTree::check_free(const std::string& name) const {
  RAMET_TRY(check_one_name(name));
  FileState state;
  const int failed = read_state(root_fd_->get(), name.c_str(), &state);
  if (failed == ENOENT) return ok();
  if (failed != 0) return error(root_, name, failed, "look at it");
  return Error(ErrorCode::kAlreadyExists, root_->path() + "/" + name + " exists already");
}

Result<TargetFolderPtr> TargetTree::adopt(const TargetFolderPtr& parent, const std::string& name,
                                          UnixFd fd, bool is_new) {
  TargetFolderPtr folder(new TargetFolder);
  folder->parent_ = parent;
  folder->name_ = name;
  folder->is_new_ = is_new;
  FileState state;
  const int failed = read_state(fd.get(), "", &state);
  if (failed != 0) return error(folder, "", failed, "look at the folder");
  folder->identity_ = state.identity;
  if (is_new && options_.xattrs && (parent == nullptr || !parent->is_new_)) {
    drop_inherited_lists(fd.get());
  }
  const std::lock_guard lock(mutex_);
  const uint64_t device = state.identity.device;
  if (std::find(devices_.begin(), devices_.end(), device) == devices_.end()) {
    UnixFd another(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    if (!another.valid()) return error(folder, "", errno, "open the folder");
    devices_.push_back(device);
    device_folders_.push_back(std::move(another));
  }
  keep(folder, std::make_shared<UnixFd>(std::move(fd)));
  return folder;
}

// Requires: the mutex is held.
void TargetTree::keep(const TargetFolderPtr& folder, const std::shared_ptr<UnixFd>& fd) {
  folder->fd_ = fd;
  kept_.push_back(fd);
  if (kept_.size() > options_.open_folders_max) kept_.pop_front();
}

// The open folder; opened again, from the nearest one above that is open, if it was closed.
Result<std::shared_ptr<UnixFd>> TargetTree::use(const TargetFolderPtr& folder) {
  const std::lock_guard lock(mutex_);
  std::vector<TargetFolderPtr> closed;
  std::shared_ptr<UnixFd> at;
  for (TargetFolderPtr above = folder; (at = above->fd_.lock()) == nullptr;
       above = above->parent_) {
    RAMET_CHECK(above->parent_ != nullptr, "the root stays open");
    closed.push_back(above);
  }
  for (; !closed.empty(); closed.pop_back()) {
    const TargetFolderPtr& next = closed.back();
    UnixFd fd(::openat(at->get(), next->name_.c_str(), kOpenFolder | O_NOFOLLOW));
    FileState state;
    const int failed = !fd.valid() ? errno : read_state(fd.get(), "", &state);
    if (failed != 0) return error(next, "", failed, "open the folder again");
    if (state.identity != next->identity_) {
      return Error(ErrorCode::kIoError, next->path() + ": the folder was replaced meanwhile");
    }
    at = std::make_shared<UnixFd>(std::move(fd));
    keep(next, at);
  }
  return at;
}

Result<TargetFolderPtr> TargetTree::create_folder(const TargetFolderPtr& parent,
                                                  const std::string& name) {
  RAMET_TRY(check_one_name(name));
  RAMET_ASSIGN(const auto parent_fd, use(parent));
  const int at = parent_fd->get();
  bool is_new = ::mkdirat(at, name.c_str(), 0700) == 0;
  if (!is_new && (errno != EEXIST || !options_.overwrite)) {
    return error(parent, name, errno, "create the folder");
  }
  UnixFd fd(::openat(at, name.c_str(), kOpenFolder | O_NOFOLLOW));
  if (!fd.valid() && !is_new && (errno == ENOTDIR || errno == ELOOP)) {
    if (::unlinkat(at, name.c_str(), 0) != 0) return error(parent, name, errno, "remove");
    is_new = ::mkdirat(at, name.c_str(), 0700) == 0;
    if (!is_new) return error(parent, name, errno, "create the folder");
    fd = UnixFd(::openat(at, name.c_str(), kOpenFolder | O_NOFOLLOW));
  }
  if (!fd.valid()) return error(parent, name, errno, "open the folder");
  return adopt(parent, name, std::move(fd), is_new);
}

template <typename Make>
Result<std::string> TargetTree::make_name(const TargetFolderPtr& folder, int folder_fd,
                                          const std::string& name, const Make& make) {
  int failed = make(folder_fd, name.c_str());
  if (failed == 0) return name;
  if (failed != EEXIST || !options_.overwrite) return error(folder, name, failed, "create");
  std::string meanwhile = name_meanwhile();
  failed = make(folder_fd, meanwhile.c_str());
  if (failed != 0) return error(folder, name, failed, "create");
  return meanwhile;
}

Status TargetTree::settle(const TargetFolderPtr& folder, int folder_fd,
                          const std::string& meanwhile, const std::string& name) const {
  if (meanwhile == name) return ok();
  const auto rename = [&] {
    return ::renameat(folder_fd, meanwhile.c_str(), folder_fd, name.c_str()) == 0 ? 0 : errno;
  };
  int failed = rename();
  if (failed == EISDIR || failed == ENOTEMPTY || failed == EEXIST) {
    if (::unlinkat(folder_fd, name.c_str(), AT_REMOVEDIR) == 0) {
      failed = rename();
    } else {
      failed = EEXIST;
    }
  }
  // Also after success: renaming one name of a file to another of the same file does nothing.
  static_cast<void>(::unlinkat(folder_fd, meanwhile.c_str(), 0));
  if (failed == 0) return ok();
  if (failed != EEXIST) return error(folder, name, failed, "rename");
  return Error(ErrorCode::kAlreadyExists,
               folder->path() + "/" + name + ": a folder that is not empty is there");
}

int TargetTree::set_owner(const Handle& handle, const TreeAttributes& attributes,
                          FileState* state, Notes* notes) const {
  TreeAttributes& now = state->attributes;
  if (!options_.owners || (now.uid == attributes.uid && now.gid == attributes.gid)) return 0;
  const auto change = [&](uid_t uid, gid_t gid) {
    return ::fchownat(handle.fd, "", uid, gid, AT_EMPTY_PATH) == 0 ? 0 : errno;
  };
  int failed = change(attributes.uid, attributes.gid);
  if (failed == 0) {
    now.uid = attributes.uid;
    now.gid = attributes.gid;
  } else if (now.gid != attributes.gid && change(static_cast<uid_t>(-1), attributes.gid) == 0) {
    now.gid = attributes.gid;  // a group that the user belongs to
  }
  // Changing the owner takes rights and set-id bits away.
  const int looked = read_state(handle.fd, "", state);
  if (looked != 0) return looked;
  // To anybody but root it is no news that only root may do this.
  if (failed == EPERM && ::geteuid() != 0) return 0;
  if (failed != 0) notes->push_back(failure_text("set the owner", failed));
  return 0;
}

int TargetTree::set_attributes(const Handle& handle, const TreeAttributes& attributes,
                               Notes* notes) const {
  FileState state;
  int failed = read_state(handle.fd, "", &state);
  if (failed == 0) failed = set_owner(handle, attributes, &state, notes);
  if (failed != 0) return failed;
  if (options_.xattrs) {
    const XattrPlace place = handle.by_name ? xattr_place_at(handle.folder_fd, handle.name)
                                            : XattrPlace{handle.fd, {}};
    for (const TreeXattr& xattr : attributes.xattrs) {
      failed = write_xattr(place, xattr);
      if (failed == 0) continue;
      notes->push_back(
          failure_text(("set the extended attribute '" + xattr.name + "'").c_str(), failed));
    }
  }
  uint32_t mode = attributes.mode & 07777;
  if (!S_ISDIR(attributes.mode)) {
    // Set-id bits lend the rights of the owner that was kept, never those of another one.
    uint32_t dropped = 0;
    if (state.attributes.uid != attributes.uid) dropped |= mode & S_ISUID;
    if (state.attributes.gid != attributes.gid) dropped |= mode & S_ISGID;
    if (dropped != 0) notes->push_back("its set-id bits are left out: it has another owner here");
    mode &= ~dropped;
  }
  const bool has_list = std::any_of(
      attributes.xattrs.begin(), attributes.xattrs.end(),
      [](const TreeXattr& xattr) { return xattr.name.starts_with("system.posix_acl"); });
  if (!S_ISLNK(attributes.mode) && (has_list || (state.attributes.mode & 07777) != mode)) {
    failed = change_mode(handle.fd, handle.by_name, mode);
    if (failed != 0) notes->push_back(failure_text("set the mode", failed));
  }
  const timespec times[2] = {{0, UTIME_OMIT}, to_timespec(attributes.modified)};
  const int timed =
      handle.by_name
          ? ::utimensat(handle.folder_fd, handle.name.c_str(), times, AT_SYMLINK_NOFOLLOW)
          : ::futimens(handle.fd, times);
  if (timed != 0) notes->push_back(failure_text("set the time of modification", errno));
  return 0;
}

Status TargetTree::complete(const TargetFolderPtr& folder, int folder_fd,
                            const std::string& meanwhile, const std::string& name,
                            const TreeAttributes& attributes, Notes* notes) {
  const UnixFd fd(
      ::openat(folder_fd, meanwhile.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  FileState state;
  int failed = !fd.valid() ? errno : read_state(fd.get(), "", &state);
  if (failed == 0 && (state.attributes.mode & S_IFMT) != (attributes.mode & S_IFMT)) {
    return Error(ErrorCode::kIoError,
                 folder->path() + "/" + name + ": it was replaced meanwhile");
  }
  if (failed == 0) {
    failed = set_attributes({fd.get(), true, folder_fd, meanwhile}, attributes, notes);
  }
  if (failed == 0) return settle(folder, folder_fd, meanwhile, name);
  static_cast<void>(::unlinkat(folder_fd, meanwhile.c_str(), 0));
  return error(folder, name, failed, "look at it");
}

Status TargetTree::create_symlink(const TargetFolderPtr& folder, const std::string& name,
                                  const std::string& target, const TreeAttributes& attributes,
                                  Notes* notes) {
  RAMET_TRY(check_one_name(name));
  if (target.empty() || target.find('\0') != target.npos) {
    return Error(ErrorCode::kInvalidArgument, "no link can lead to '" + target + "'");
  }
  RAMET_ASSIGN(const auto fd, use(folder));
  RAMET_ASSIGN(const std::string meanwhile,
               make_name(folder, fd->get(), name, [&](int at, const char* as) {
                 return ::symlinkat(target.c_str(), at, as) == 0 ? 0 : errno;
               }));
  TreeAttributes wanted = attributes;
  wanted.mode = S_IFLNK | (wanted.mode & 07777);
  return complete(folder, fd->get(), meanwhile, name, wanted, notes);
}

Status TargetTree::create_other(const TargetFolderPtr& folder, const std::string& name,
                                const TreeAttributes& attributes, Notes* notes) {
  RAMET_TRY(check_one_name(name));
  const uint32_t type = attributes.mode & S_IFMT;
  if (type != S_IFIFO && type != S_IFSOCK && type != S_IFCHR && type != S_IFBLK) {
    return Error(ErrorCode::kInvalidArgument, "'" + name + "' is no fifo, socket or device");
  }
  RAMET_ASSIGN(const auto fd, use(folder));
  RAMET_ASSIGN(const std::string meanwhile,
               make_name(folder, fd->get(), name, [&](int at, const char* as) {
                 return ::mknodat(at, as, type | 0600, attributes.device) == 0 ? 0 : errno;
               }));
  return complete(folder, fd->get(), meanwhile, name, attributes, notes);
}

Status TargetTree::create_link(const TargetFolderPtr& from, const std::string& from_name,
                               const TargetFolderPtr& folder, const std::string& name) {
  RAMET_TRY(check_one_name(from_name));
  RAMET_TRY(check_one_name(name));
  RAMET_ASSIGN(const auto from_fd, use(from));
  RAMET_ASSIGN(const auto fd, use(folder));
  int failed = 0;
  auto meanwhile = make_name(folder, fd->get(), name, [&](int at, const char* as) {
    failed = ::linkat(from_fd->get(), from_name.c_str(), at, as, 0) == 0 ? 0 : errno;
    return failed;
  });
  if (!meanwhile.ok()) {
    if (failed != EMLINK && failed != EPERM && failed != EXDEV && failed != ENOTSUP) {
      return std::move(meanwhile).error();
    }
    return Error(ErrorCode::kUnsupported, std::move(meanwhile).error().message());
  }
  return settle(folder, fd->get(), *meanwhile, name);
}

Status TargetTree::finish_folder(const TargetFolderPtr& folder, const TreeAttributes& attributes,
                                 Notes* notes) {
  RAMET_ASSIGN(const auto fd, use(folder));
  const int failed = set_attributes({fd->get(), false, -1, {}}, attributes, notes);
  if (failed != 0) return error(folder, "", failed, "set the attributes");
  return ok();
}

Result<TargetFolderPtr> TargetTree::shelf() {
  const std::lock_guard lock(shelf_mutex_);
  if (shelf_ == nullptr) {
    RAMET_ASSIGN(shelf_, create_folder(root_, name_meanwhile()));
  }
  return shelf_;
}

Status TargetTree::remove_shelf() {
  const std::lock_guard lock(shelf_mutex_);
  if (shelf_ == nullptr) return ok();
  RAMET_ASSIGN(const auto fd, use(shelf_));
  // What is removed while a folder is listed may hide other names: until nothing is left.
  for (bool more = true; more;) {
    more = false;
    int failed = 0;
    const int listed = list_folder(fd->get(), [&](const char* name, unsigned char) {
      failed = ::unlinkat(fd->get(), name, 0) == 0 ? 0 : errno;
      more = true;
      return failed == 0;
    });
    if (failed == 0) failed = listed;
    if (failed != 0) return error(shelf_, "", failed, "remove what is in the folder");
  }
  if (::unlinkat(root_fd_->get(), shelf_->name_.c_str(), AT_REMOVEDIR) != 0) {
    return error(shelf_, "", errno, "remove the folder");
  }
  shelf_.reset();
  return ok();
}

Status TargetTree::sync() {
  const std::lock_guard lock(mutex_);
  for (const UnixFd& fd : device_folders_) {
    if (::syncfs(fd.get()) != 0) return error(root_, "", errno, "sync the file system");
  }
  return ok();
}

Result<std::unique_ptr<TargetFile>> TargetTree::create_file(const TargetFolderPtr& folder,
                                                            const std::string& name,
                                                            const TreeAttributes& attributes,
                                                            Bytes* buffer) {
  RAMET_TRY(check_one_name(name));
  std::unique_ptr<TargetFile> file(new TargetFile);
  RAMET_ASSIGN(file->folder_fd_, use(folder));
  // Not more rights than it will have; those to write are needed for extended attributes.
  const mode_t mode = (attributes.mode & 0777) | S_IWUSR;
  RAMET_ASSIGN(file->name_meanwhile_,
               make_name(folder, file->folder_fd_->get(), name, [&](int at, const char* as) {
                 file->fd_ = UnixFd(::openat(
                     at, as, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
                 return file->fd_.valid() ? 0 : errno;
               }));
  if (options_.xattrs && !folder->is_new_) drop_inherited_lists(file->fd_.get());
  file->tree_ = this;
  file->folder_ = folder;
  file->name_ = name;
  file->buffer_ = buffer;
  buffer->clear();
  return file;
}

}  // namespace ramet::io
