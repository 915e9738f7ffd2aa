// The store that a command works on, open for its length or a daemon's, and the way from a path on
// the command line to what it names there.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/import.h"
#include "engine/store.h"
#include "tools/commands.h"
#include "tools/path_spec.h"

namespace ramet::tools {

// The directory of the store: --store, else RAMET_STORE, else the current directory or the nearest
// one above it that is a store. kNotFound with a hint.
Result<std::string> find_store(Context& context);
// True if the directory holds what a store begins with.
bool looks_like_store(const std::string& directory);

// What a path names: its container, and the state of it that is read.
struct Place {
  PathSpec spec;
  ContainerInfo container;
  std::shared_ptr<const View> view;
};

// Not thread-safe. Views and transactions that came from its store must be gone before close().
class Session {
 public:
  // A daemon's open store, if this runs there; kFailedPrecondition if it holds another one.
  static Result<std::unique_ptr<Session>> open(Context& context, Access access);
  // Closes if nobody did; what fails then was reported before or is found at the next open.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Store& store() { return *store_; }
  // Writes the last checkpoint: after it the next open has nothing to replay. Leaves a daemon's
  // store as it is.
  Status close();

  // kNotFound with a hint.
  Result<ContainerInfo> container(const std::string& name);
  // Parses the text and gets its container and view (one for each container and snapshot).
  Result<Place> place(const std::string& text);
  Result<Place> place(PathSpec spec);

 private:
  Session(Context& context, std::unique_ptr<Store> store)
      : context_(context), own_(std::move(store)), store_(own_.get()) {}
  Session(Context& context, Store& store) : context_(context), store_(&store) {}
  static Result<std::unique_ptr<Session>> open_held(Context& context, const std::string& path);

  Context& context_;
  std::unique_ptr<Store> own_;  // null: the daemon's
  Store* store_;                // null: closed
  std::shared_ptr<void> verifies_hits_;
  std::vector<Place> places_;  // the latest few, so that views are shared
};

// The path must be one that can be written to: no snapshot. kInvalidArgument.
Status require_head(const PathSpec& spec);

// The entry at the place's path. A path that ends in '/' must be a folder (kFailedPrecondition).
// Errors name the path as it was given.
Result<Entry> lookup(const Place& place);

// kCancelled once the user interrupted.
Status check_interrupted();

}  // namespace ramet::tools
