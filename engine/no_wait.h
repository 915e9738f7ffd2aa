// NoWaitScope: for threads that must not wait for the disk (those that serve connections).
#pragma once

namespace ramet {

// While one of these lives, calls of the engine on this thread that would have to read from the
// disk, or wait until something is written, fail with kWouldWait instead, having changed nothing
// that stays: whoever gets it does the whole thing again elsewhere (a transaction too: it is begun
// anew). Scopes nest. Page faults, and locks that are held for moments, are not counted as waiting.
class NoWaitScope {
 public:
  NoWaitScope() { ++depth(); }
  ~NoWaitScope() { --depth(); }
  NoWaitScope(const NoWaitScope&) = delete;
  NoWaitScope& operator=(const NoWaitScope&) = delete;

  static bool active() { return depth() > 0; }

 private:
  static int& depth() {
    thread_local int value = 0;
    return value;
  }
};

}  // namespace ramet
