// Staging: bodies too long for memory, and uploads in pieces, wait as objects of a container of
// their own until they are joined into the object that they are meant for, sharing every block. So
// the commit that shows the object is short, can be tried again, and a cut upload leaves nothing.
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/store.h"
#include "tools/serve/content_source.h"
#include "tools/serve/workers.h"

namespace ramet::serve {

// The container of what waits. Faces neither list nor open it. Folders in it: "put" holds single
// bodies and is emptied when a daemon starts; every face has one of its own for what stays.
inline constexpr std::string_view kStagingContainer = ".uploads";
inline constexpr std::string_view kStagedPuts = "put";

// Its id; made if it is not there. Waits. Thread-safe.
Result<ContainerId> staging_container(Store& store);

// A staged object. What waits for one upload is a folder of such objects, in the order of names.
struct Staged {
  std::string path;  // in the staging container: "put/0f3a.."
  uint64_t size = 0;
  ContentHash content_id;
};

// What must hold of a body that came in before anything of it is kept; changes what is said of it.
using StagedCheck = std::function<Status(uint64_t size, ObjectInit& init)>;

class Staging {
 public:
  Staging(Store& store, Workers& workers) : store_(store), workers_(workers) {}

  // Removes what single bodies left behind that a former daemon did not finish. Waits.
  Status empty_puts();

  // A name that nobody else has: 32 hexadecimal digits from the system's randomness.
  static std::string new_name();

  // The container; made if it is not there. Waits.
  Result<ContainerId> container();

  // Stores `head` and the rest of the body as `path`, durably. Missing folders are made. With
  // `only_new` nothing is replaced: kAlreadyExists, or kBusy if it was made meanwhile. What `check`
  // refuses is not stored.
  Task<Result<Staged>> stage(std::string path, std::string_view head, Body& body,
                             const BodyTap& tap = {}, ObjectInit init = {},
                             uint64_t max = UINT64_MAX, bool only_new = false,
                             const StagedCheck& check = {});
  // As new_name() in "put".
  Task<Result<Staged>> stage_put(std::string_view head, Body& body, const BodyTap& tap = {},
                                 uint64_t max = UINT64_MAX);
  // Removes an object, or a folder with all that is in it; nothing there: no error.
  Task<Status> remove(std::string path);
  Status remove_now(std::string_view path);  // the same; waits

  // Appends staged objects, in this order, to the content of a transaction that began before the
  // call. kNotFound names what is gone.
  Status append(ContentWriter& writer, const std::vector<std::string>& paths);

 private:
  Status make_folders(std::string_view path);

  Store& store_;
  Workers& workers_;
  std::mutex mutex_;
  std::optional<ContainerId> container_;  // once known; checked when it is used
};

}  // namespace ramet::serve
