// SourceWalk: the order in which a directory tree is visited, and the names in it; reads no file.
// Not thread-safe, but the folders it hands out may be used by any thread.
//
// Memory: the names of the folders on the way down, of each at most `names_bytes_max` for its
// files and as much for its folders. Those of outer folders are forgotten when all together are
// too many: the folder is listed again from the last name on. So a folder of any size takes
// bounded memory at the cost of more listings.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/tree_attributes.h"
#include "io/unix_fd.h"

namespace ramet::io {

// An open folder. Closes with its last owner.
class SourceFolder {
 public:
  // Counts itself in `open` for as long as it lives.
  SourceFolder(UnixFd fd, const FileIdentity& identity, std::shared_ptr<std::atomic<size_t>> open)
      : fd_(std::move(fd)), identity_(identity), open_(std::move(open)) {
    ++*open_;
  }
  ~SourceFolder() { --*open_; }
  SourceFolder(const SourceFolder&) = delete;
  SourceFolder& operator=(const SourceFolder&) = delete;

  int fd() const { return fd_.get(); }
  const FileIdentity& identity() const { return identity_; }

 private:
  UnixFd fd_;
  FileIdentity identity_;
  std::shared_ptr<std::atomic<size_t>> open_;
};

// Opens without following the last name, and where allowed without touching the access time.
// Returns an invalid descriptor and sets errno on failure.
UnixFd open_without_traces(int folder_fd, const char* name, int flags);

struct WalkStep {
  enum class Kind : uint8_t { kEnter, kName, kLeave, kProblem };
  Kind kind = Kind::kName;
  std::string name;
  // kName: where it is. kEnter: the folder itself; null if it could not be opened (then nothing
  // of it follows but kLeave).
  std::shared_ptr<SourceFolder> folder;
  bool is_file = false;            // kName: was a regular file when it was listed
  FileState state;                 // kEnter
  std::vector<TreeXattr> xattrs;   // kEnter
  std::vector<std::string> notes;  // kEnter, kProblem
};

class SourceWalk {
 public:
  struct Limits {
    size_t names_bytes_max = 8u << 20;
    size_t frames_open_max = 32;
    bool xattrs = false;  // read those of folders
    size_t xattr_bytes_max = 0;
  };
  SourceWalk(UnixFd root, const Limits& limits);

  // False at the end.
  bool next(WalkStep* step);
  // Folders that are open now, those that others keep included. Thread-safe.
  size_t open_folders() const { return *open_; }

 private:
  struct Name {
    std::string name;
    bool is_file = false;
    friend bool operator<(const Name& a, const Name& b) { return a.name < b.name; }
  };
  // The first names of a folder, in order, behind the last one that was taken.
  struct NameList {
    std::vector<Name> names;
    size_t at = 0;
    size_t bytes = 0;
    bool more = true;   // the folder may have more names behind these
    std::string after;  // the last one that was taken

    bool done() const { return at == names.size(); }
    bool needs_listing() const { return done() && more; }
  };
  struct Frame {
    std::string name;
    FileIdentity identity;
    std::shared_ptr<SourceFolder> folder;  // null while closed
    NameList files;
    NameList folders;
  };
  // Gathers the first names behind `after` that fit; drops the greatest when they don't.
  class Prefix;

  void advance();
  Name take(NameList& list);
  void forget(NameList& list);
  void list(Frame& frame);
  void enter(const std::string& name);
  void enter_closed(int parent, const std::string& name, int why);
  void push_frame(const std::string& name, UnixFd fd);
  void leave();
  bool reopen(size_t level);
  void keep_bounds();
  void add_problem(const std::string& name, std::string note);

  const Limits limits_;
  std::shared_ptr<std::atomic<size_t>> open_;
  std::shared_ptr<SourceFolder> root_;
  std::vector<Frame> frames_;
  size_t held_bytes_ = 0;  // of all name lists
  std::deque<WalkStep> ready_;
};

}  // namespace ramet::io
