// The change feed: what changed in a container, as the differences between the views that a
// subscriber has seen and the newest. So it costs nothing at rest, and covers every way of writing.
// Views that subscribers may come back to are kept for a while, bounded in number and age.
// Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>

#include "engine/store.h"

namespace ramet::serve::rest {

class Changes {
 public:
  explicit Changes(Store& store) : store_(store) {}

  struct Point {
    Sequence changed = 0;  // ContainerInfo::changed of what the view shows
    std::shared_ptr<const View> view;
    int64_t seen = 0;      // when it was last asked for, nanoseconds since 1970
  };
  // The newest state.
  Result<Point> newest(ContainerId container);
  // Keeps a state that subscribers may resume from.
  void keep(ContainerId container, const Point& point);
  // A state that is kept still, by its number. kNotFound.
  Result<Point> kept(ContainerId container, Sequence changed);
  // Lets go what is too old.
  void prune();

  static constexpr size_t kPointsMax = 64;  // for each container
  static constexpr int64_t kAgeMax = 600'000'000'000;

 private:
  Store& store_;
  std::mutex mutex_;
  std::map<ContainerId, std::deque<Point>> points_;  // ascending
};

}  // namespace ramet::serve::rest
