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
};

// One thing that could not be copied as it is. The rest is copied.
struct CopyProblem {
  std::string path;
  std::string reason;
};

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
};

struct ImportOptions {
  bool owners = true;   // keep uid and gid
  bool xattrs = true;
  unsigned threads = 0; // readers; 0: by the machine
  CopyProgress* progress = nullptr;
};

// Imports what is in `directory` (or the one file that it names) into the folder `target` of the
// container, which is created if missing: one commit, all of it or nothing. What is there
// already is merged: folders with folders, other names are replaced. Symbolic links are not
// followed. A file that changes while it is read is read again, and reported if it keeps
// changing (never stored torn: it is left out); unreadable files are reported and the rest goes
// on. Memory is bounded whatever the number and size of files.
Result<CopyReport> import_tree(Store& store, ContainerId container, const std::string& directory,
                               std::string_view target, const ImportOptions& options);

struct ExportOptions {
  bool owners = true;     // where the user may set them
  bool xattrs = true;
  bool overwrite = false; // else an existing target is an error before anything is written
  bool sync = false;      // everything durable when it returns
  unsigned threads = 0;
  CopyProgress* progress = nullptr;
};

// Exports a folder (or one object) of a view to `directory`, created if missing. Content ids are
// checked [INV-12]; a damaged object is reported, its file removed, and the rest goes on.
Result<CopyReport> export_tree(const View& view, std::string_view source,
                               const std::string& directory, const ExportOptions& options);

}  // namespace ramet
