#include "io/source_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "io/folder_listing.h"

namespace ramet::io {
UnixFd open_without_traces(int folder_fd, const char* name, int flags) {
  // O_NOATIME is for owners and root only.
  const int fd = ::openat(folder_fd, name, flags | O_CLOEXEC | O_NOATIME);
  if (fd >= 0 || errno != EPERM) return UnixFd(fd);
  return UnixFd(::openat(folder_fd, name, flags | O_CLOEXEC));
}

class SourceWalk::Prefix {
 public:
  Prefix(const std::string& after, size_t bytes_max) : after_(after), bytes_max_(bytes_max) {}

  void add(std::string_view name, bool is_file) {
    if (name <= after_ || (limit_ && name >= *limit_)) return;
    names_.push_back({std::string(name), is_file});
    bytes_ += cost(names_.back());
    if (limit_) std::push_heap(names_.begin(), names_.end());
    if (bytes_ <= bytes_max_ || names_.size() == 1) return;
    // Everything behind a dropped name is dropped too, so that what stays is all that there is
    // up to some name, whatever the order of the listing.
    if (!limit_) std::make_heap(names_.begin(), names_.end());
    while (bytes_ > bytes_max_ && names_.size() > 1) {
      std::pop_heap(names_.begin(), names_.end());
      bytes_ -= cost(names_.back());
      limit_ = std::move(names_.back().name);
      names_.pop_back();
    }
  }

  void finish(NameList& list) {
    std::sort(names_.begin(), names_.end());
    list.names = std::move(names_);
    list.at = 0;
    list.bytes = bytes_;
    list.more = limit_.has_value();
  }

 private:
  static size_t cost(const Name& name) { return sizeof(Name) + name.name.size(); }

  const std::string after_;
  const size_t bytes_max_;
  std::vector<Name> names_;  // a heap with the greatest in front once there is a limit
  size_t bytes_ = 0;
  std::optional<std::string> limit_;  // the least name that was dropped
};

SourceWalk::SourceWalk(UnixFd root, const Limits& limits)
    : limits_(limits), open_(std::make_shared<std::atomic<size_t>>(0)) {
  push_frame("", std::move(root));
  if (!frames_.empty()) root_ = frames_.front().folder;
}

bool SourceWalk::next(WalkStep* step) {
  while (ready_.empty()) {
    if (frames_.empty()) return false;
    advance();
  }
  *step = std::move(ready_.front());
  ready_.pop_front();
  return true;
}

void SourceWalk::advance() {
  Frame& frame = frames_.back();
  if (frame.files.needs_listing() || (frame.files.done() && frame.folders.needs_listing())) {
    return list(frame);
  }
  if (!frame.files.done()) {
    const Name name = take(frame.files);
    WalkStep step;
    step.name = name.name;
    step.is_file = name.is_file;
    step.folder = frame.folder;
    ready_.push_back(std::move(step));
    return;
  }
  if (!frame.folders.done()) return enter(take(frame.folders).name);
  leave();
}

SourceWalk::Name SourceWalk::take(NameList& list) {
  Name name = std::move(list.names[list.at++]);
  list.after = name.name;
  if (list.done()) forget(list);
  return name;
}

// The names go; those behind the last taken one are listed again if there are any.
void SourceWalk::forget(NameList& list) {
  if (!list.done()) list.more = true;
  held_bytes_ -= list.bytes;
  list.bytes = 0;
  list.at = 0;
  list.names = {};
}

void SourceWalk::list(Frame& frame) {
  const bool wants_files = frame.files.needs_listing();
  const bool wants_folders = frame.folders.needs_listing();
  frame.files.more = frame.files.more && !wants_files;
  frame.folders.more = frame.folders.more && !wants_folders;
  if (!reopen(frames_.size() - 1)) return;
  const int fd = frame.folder->fd();
  Prefix files(frame.files.after, limits_.names_bytes_max);
  Prefix folders(frame.folders.after, limits_.names_bytes_max);
  const int failed = list_folder(fd, [&](const char* name, unsigned char type) {
    if (type == DT_UNKNOWN) {
      FileState state;
      if (read_state(fd, name, &state) == 0) {
        type = static_cast<unsigned char>(IFTODT(state.attributes.mode));
      }
    }
    if (type == DT_DIR) {
      if (wants_folders) folders.add(name, false);
    } else if (wants_files) {
      files.add(name, type == DT_REG);
    }
    return true;
  });
  // What was listed before a failure is still visited.
  if (failed != 0) add_problem("", failure_text("list the folder", failed));
  if (wants_files) files.finish(frame.files);
  if (wants_folders) folders.finish(frame.folders);
  held_bytes_ += (wants_files ? frame.files.bytes : 0) + (wants_folders ? frame.folders.bytes : 0);
}

void SourceWalk::enter(const std::string& name) {
  if (!reopen(frames_.size() - 1)) return;
  const int parent = frames_.back().folder->fd();
  UnixFd fd = open_without_traces(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (fd.valid()) return push_frame(name, std::move(fd));
  enter_closed(parent, name, errno);
}

// A folder that cannot be listed still has a name and attributes.
void SourceWalk::enter_closed(int parent, const std::string& name, int why) {
  WalkStep step;
  const int failed = read_state(parent, name.c_str(), &step.state);
  if (failed == ENOENT) return add_problem(name, "it was removed while its folder was read");
  if (failed != 0) return add_problem(name, failure_text("open the folder", why));
  if (!S_ISDIR(step.state.attributes.mode)) {
    return add_problem(name, "it was replaced while its folder was read");
  }
  step.kind = WalkStep::Kind::kEnter;
  step.name = name;
  step.notes.push_back(failure_text("open the folder", why));
  if (limits_.xattrs) {
    read_xattrs(xattr_place_at(parent, name), limits_.xattr_bytes_max, &step.xattrs, &step.notes);
  }
  ready_.push_back(std::move(step));
  WalkStep end;
  end.kind = WalkStep::Kind::kLeave;
  end.name = name;
  ready_.push_back(std::move(end));
}

void SourceWalk::push_frame(const std::string& name, UnixFd fd) {
  WalkStep step;
  step.kind = WalkStep::Kind::kEnter;
  step.name = name;
  const int failed = read_state(fd.get(), "", &step.state);
  if (failed != 0) return add_problem(name, failure_text("look at the folder", failed));
  if (limits_.xattrs) {
    read_xattrs({fd.get(), {}}, limits_.xattr_bytes_max, &step.xattrs, &step.notes);
  }
  Frame frame;
  frame.name = name;
  frame.identity = step.state.identity;
  frame.folder = std::make_shared<SourceFolder>(std::move(fd), frame.identity, open_);
  step.folder = frame.folder;
  frames_.push_back(std::move(frame));
  ready_.push_back(std::move(step));
  keep_bounds();
}

void SourceWalk::leave() {
  WalkStep step;
  step.kind = WalkStep::Kind::kLeave;
  step.name = frames_.back().name;
  frames_.pop_back();
  ready_.push_back(std::move(step));
}

// Opens the folder of a level again, from the nearest one above that is open.
bool SourceWalk::reopen(size_t level) {
  if (frames_[level].folder) return true;
  size_t from = level;
  while (from > 0 && !frames_[from].folder) --from;
  std::shared_ptr<SourceFolder> at = from == 0 ? root_ : frames_[from].folder;
  for (size_t i = from + 1; i <= level; ++i) {
    Frame& frame = frames_[i];
    UnixFd fd =
        open_without_traces(at->fd(), frame.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    FileState state;
    const int failed = !fd.valid() ? errno : read_state(fd.get(), "", &state);
    if (failed != 0 || state.identity != frame.identity) {
      add_problem("", failed != 0 ? failure_text("open the folder again", failed)
                                  : "the folder was moved while it was read");
      Frame& lost = frames_[level];
      forget(lost.files);
      forget(lost.folders);
      lost.files.more = lost.folders.more = false;
      return false;
    }
    at = std::make_shared<SourceFolder>(std::move(fd), frame.identity, open_);
    if (i + limits_.frames_open_max > level) frame.folder = at;
  }
  return true;
}

void SourceWalk::keep_bounds() {
  if (frames_.size() > limits_.frames_open_max + 1) {
    frames_[frames_.size() - 1 - limits_.frames_open_max].folder.reset();
  }
  for (size_t i = 0; held_bytes_ > limits_.names_bytes_max * 2 && i + 1 < frames_.size(); ++i) {
    forget(frames_[i].folders);
  }
}

void SourceWalk::add_problem(const std::string& name, std::string note) {
  WalkStep step;
  step.kind = WalkStep::Kind::kProblem;
  step.name = name;
  step.notes.push_back(std::move(note));
  ready_.push_back(std::move(step));
}

}  // namespace ramet::io
