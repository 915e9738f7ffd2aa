// Importing a directory tree into a container, and exporting one, with every attribute that the
// object model holds: bytes, modes, owners, nanosecond times, hard and symbolic links, extended
// attributes, device nodes, holes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/store.h"

namespace ramet {

// What happened so far; read from another thread for a progress bar.
struct CopyProgress {
  std::atomic<uint64_t> files_total{0};  // 0: not known yet
  std::atomic<uint64_t> bytes_total{0};
  std::atomic<uint64_t> files_done{0};
  std::atomic<uint64_t> bytes_done{0};
  std::atomic<bool> cancel{false};  // set to stop: kCancelled, nothing is committed
  // Set before: whether somebody looks at the totals, for which an import counts its source first.
  bool wants_totals = true;
};

// One thing that could not be copied as it is. The rest is copied. `path`: in the file system.
struct CopyProblem {
  std::string path;
  std::string reason;
};

inline constexpr size_t kCopyProblemsMax = 10'000;  // that a report lists

struct CopyReport {
  uint64_t files = 0;        // regular files
  uint64_t folders = 0;
  uint64_t symlinks = 0;
  uint64_t hard_links = 0;   // names beyond the first
  uint64_t others = 0;       // fifos, sockets, device nodes
  uint64_t bytes = 0;        // of content
  uint64_t unchanged = 0;    // import: objects that were there already, equal in every respect
  IngestStats ingest;        // import
  Sequence sequence = 0;     // import: of the commit
  std::vector<CopyProblem> problems;
  uint64_t problems_left_out = 0;  // beyond those listed
};

struct ImportOptions {
  bool owners = true;   // keep uid and gid
  bool xattrs = true;
  // Files that look the same as at an earlier import (device, inode, birth, size, times of
  // modification and change) are not read again.
  bool stat_cache = true;
  unsigned threads = 0; // readers; 0: by the machine
  CopyProgress* progress = nullptr;
};

// Imports what is in `directory` (or the one file that it names) into the folder `target` of the
// container, which is created if missing: one commit, all of it or nothing. Symbolic links are not
// followed, except `directory` itself. What is there already is merged: folders with folders
// (their attributes become the source's); other names are replaced, an empty folder too; a folder
// that is not empty is not replaced by something else but reported. Of `target` itself the
// attributes become the source's only if it is new or the container's root. Names that share an
// object (hard links) keep to what the source says: replacing one never changes what the others
// show.
// A file that changes while it is read is read again, and reported if it keeps changing (never
// stored torn: it is left out); unreadable files are reported and the rest goes on. Memory is
// bounded whatever the number and size of files. What cannot be kept is reported too: names above
// 255 bytes, extended attributes above 8 KiB together, times outside 1677 to 2262.
// Fails as Transaction::commit() does; kNotFound and kPermissionDenied if `directory` cannot be
// opened; kAlreadyExists if a part of `target` is not a folder.
Result<CopyReport> import_tree(Store& store, ContainerId container, const std::string& directory,
                               std::string_view target, const ImportOptions& options);

struct ExportOptions {
  bool owners = true;     // where the user may set them
  bool xattrs = true;
  bool overwrite = false; // else a name that is taken is an error before anything is written
  bool sync = false;      // everything durable when it returns
  unsigned threads = 0;
  CopyProgress* progress = nullptr;
};

// Exports what is in a folder of a view (or one object, under its name) to `directory`, created if
// missing (its parent must exist). Content ids are checked [INV-12]; a damaged object is reported,
// its file removed (or, with `overwrite`, what was there kept), and the rest goes on. Of
// `directory` itself the attributes are set only if it was missing or empty. Never writes outside
// of it: no symbolic link in it is followed. A file gets its name in `directory` before its
// content, unless it replaces another. Set-id bits are left out where the owner cannot be set.
// kAlreadyExists: without `overwrite`, something that would be written is there.
Result<CopyReport> export_tree(const View& view, std::string_view source,
                               const std::string& directory, const ExportOptions& options);

}  // namespace ramet
