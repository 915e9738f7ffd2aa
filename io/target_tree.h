// TargetTree: makes a directory tree for an export.
//
// Never leaves the folder that it was opened with: everything is made relative to open folders,
// names are checked, and no symbolic link is followed, not even one that somebody puts in the way
// meanwhile. Attributes are set last; those of a folder after all that is in it.
//
// Thread-safe; one TargetFile is used by one thread. A bounded number of folders is kept open,
// whatever the depth. What can't be kept as it is adds a line to `notes`.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "format/bytes.h"
#include "format/result.h"
#include "io/tree_attributes.h"
#include "io/unix_fd.h"

namespace ramet::io {

struct TargetOptions {
  bool owners = true;     // set uid and gid, where the user may
  bool xattrs = true;
  bool overwrite = false;  // what is there is replaced, folders are merged
  // sync() will follow: the device begins with long files while they are written.
  bool write_back = false;
  size_t open_folders_max = 64;
};

using Notes = std::vector<std::string>;

class TargetTree;

// A folder of the tree. Made by TargetTree.
class TargetFolder {
 public:
  ~TargetFolder();
  TargetFolder(const TargetFolder&) = delete;
  TargetFolder& operator=(const TargetFolder&) = delete;

  // From the path that the tree was opened with: for messages.
  std::string path() const;
  bool is_new() const { return is_new_; }

 private:
  friend class TargetTree;
  friend class TargetFile;
  TargetFolder() = default;

  std::shared_ptr<TargetFolder> parent_;  // null: the root
  std::string name_;                      // of the root: its path
  FileIdentity identity_;
  bool is_new_ = false;
  std::weak_ptr<UnixFd> fd_;  // guarded by the tree's mutex
};
using TargetFolderPtr = std::shared_ptr<TargetFolder>;

// A file that is being written. Destroyed before commit(), it is removed and what was there under
// its name stays. Not thread-safe.
class TargetFile {
 public:
  ~TargetFile();
  TargetFile(const TargetFile&) = delete;
  TargetFile& operator=(const TargetFile&) = delete;

  // In ascending order; what is left out is a hole.
  Status write(uint64_t offset, ByteView bytes);
  // Sets size and attributes and gives the file its name.
  Status commit(uint64_t size, const TreeAttributes& attributes, Notes* notes);

 private:
  friend class TargetTree;
  TargetFile() = default;
  Status flush();
  Status write_through(uint64_t offset, ByteView bytes);

  const TargetTree* tree_ = nullptr;
  TargetFolderPtr folder_;
  std::shared_ptr<UnixFd> folder_fd_;
  std::string name_;
  std::string name_meanwhile_;  // equal to name_ if nothing was there
  UnixFd fd_;
  Bytes* buffer_ = nullptr;  // pieces that wait to be written together
  uint64_t buffer_at_ = 0;
  uint64_t end_ = 0;  // of what was written
  uint64_t handed_over_ = 0;  // up to here the device was told to begin
  bool committed_ = false;
};

class TargetTree {
 public:
  // The folder `path` (a link there is followed), made if it is missing; its parent must exist.
  // kAlreadyExists if it isn't a folder.
  static Result<std::unique_ptr<TargetTree>> open(const std::string& path,
                                                  const TargetOptions& options);
  ~TargetTree();

  const TargetFolderPtr& root() const { return root_; }
  bool root_was_empty() const { return root_was_empty_; }
  // kAlreadyExists if something of this name is in the root.
  Status check_free(const std::string& name) const;

  // The functions below: kInvalidArgument for names that cannot be one ("", ".", "..", with '/'
  // or NUL), kAlreadyExists for what may not be replaced (with `overwrite`: a folder that is not
  // empty, by something else).

  // Private to its owner until finish_folder().
  Result<TargetFolderPtr> create_folder(const TargetFolderPtr& parent, const std::string& name);
  // `buffer` is borrowed and used again for many files; one for each thread.
  Result<std::unique_ptr<TargetFile>> create_file(const TargetFolderPtr& folder,
                                                  const std::string& name,
                                                  const TreeAttributes& attributes, Bytes* buffer);
  Status create_symlink(const TargetFolderPtr& folder, const std::string& name,
                        const std::string& target, const TreeAttributes& attributes,
                        Notes* notes);
  // Fifo, socket or device node, as the mode says.
  Status create_other(const TargetFolderPtr& folder, const std::string& name,
                      const TreeAttributes& attributes, Notes* notes);
  // One more name for what is there under another. kNotFound if nothing is; kUnsupported where
  // the file system allows no (more) hard links.
  Status create_link(const TargetFolderPtr& from, const std::string& from_name,
                     const TargetFolderPtr& folder, const std::string& name);
  // Sets the attributes. Call it when nothing more will be made in the folder.
  Status finish_folder(const TargetFolderPtr& folder, const TreeAttributes& attributes,
                       Notes* notes);

  // A folder below the root with a name of its own, for what is linked into place later. Made at
  // the first call; remove_shelf() removes it with all that is in it.
  Result<TargetFolderPtr> shelf();
  Status remove_shelf();

  // Everything that was made is durable when it returns.
  Status sync();

 private:
  friend class TargetFile;
  explicit TargetTree(const TargetOptions& options) : options_(options) {}

  Result<std::shared_ptr<UnixFd>> use(const TargetFolderPtr& folder);
  void keep(const TargetFolderPtr& folder, const std::shared_ptr<UnixFd>& fd);
  Result<TargetFolderPtr> adopt(const TargetFolderPtr& parent, const std::string& name, UnixFd fd,
                                bool is_new);
  // What the attributes of something are set through: an open file, or one that can only be
  // opened with O_PATH, by its name.
  struct Handle {
    int fd = -1;
    bool by_name = false;
    int folder_fd = -1;
    std::string name;
  };
  // Makes something under `name` with `make` (folder fd, name; 0 or an errno); with `overwrite`
  // and if the name is taken, under another name, which is returned. settle() then puts it in
  // the place of what is there.
  template <typename Make>
  Result<std::string> make_name(const TargetFolderPtr& folder, int folder_fd,
                                const std::string& name, const Make& make);
  Status settle(const TargetFolderPtr& folder, int folder_fd, const std::string& meanwhile,
                const std::string& name) const;
  // The attributes of what was just made under `meanwhile`, and its final name. Removes it on
  // failure.
  Status complete(const TargetFolderPtr& folder, int folder_fd, const std::string& meanwhile,
                  const std::string& name, const TreeAttributes& attributes, Notes* notes);
  Error error(const TargetFolderPtr& folder, const std::string& name, int number,
              const char* operation) const;
  int set_attributes(const Handle& handle, const TreeAttributes& attributes, Notes* notes) const;
  int set_owner(const Handle& handle, const TreeAttributes& attributes, FileState* state,
                Notes* notes) const;

  const TargetOptions options_;
  TargetFolderPtr root_;
  std::shared_ptr<UnixFd> root_fd_;
  bool root_was_empty_ = false;

  std::mutex mutex_;
  std::deque<std::shared_ptr<UnixFd>> kept_;  // the folders that were used last
  std::vector<uint64_t> devices_;             // the file systems that were met,
  std::vector<UnixFd> device_folders_;        // and one folder of each
  std::mutex shelf_mutex_;
  TargetFolderPtr shelf_;
};

}  // namespace ramet::io
