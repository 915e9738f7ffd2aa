// scrub: reads everything that a store has, at the speed of the disk or slower, and finds what can
// no longer be read before somebody needs it: every frame of every segment (XXH3), the names of all
// blocks (BLAKE3), every tree, and the content id of every object.
//
// A *pass* reads all once. It is cut into steps; how far it came is kept in STORE/scrub/state, so
// that it goes on where it was, whatever happens in between. A pass reads what the newest
// checkpoint has: what only the log has is read by the next one. It takes no lock of the store, and
// so is in nobody's way: what reclaim replaces or removes meanwhile is no damage, and is read again
// by a newer checkpoint. What a pass finds are the findings of fsck.h.
//
// For a scheduler: is_scrub_due(), then Scrub::open() and step() until it says false, with other
// work in between if wanted.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/fsck.h"
#include "format/result.h"
#include "io/env.h"

namespace ramet {

struct ScrubFinding {
  Finding finding;
  int64_t found = 0;  // nanoseconds since 1970
};

inline constexpr size_t kScrubFindingsMax = 10'000;  // that a pass lists

struct ScrubPass {
  uint64_t number = 0;      // counts from 1
  int64_t begun = 0;        // nanoseconds since 1970
  int64_t finished = 0;     // 0: not yet
  Sequence sequence = 0;    // the last commit that it looked at
  uint64_t bytes_done = 0;  // read so far: frames, then tree nodes once more
  uint64_t bytes_total = 0; // to read in the whole pass, by the newest checkpoint that it knows
  uint64_t lost = 0, damage = 0, hints = 0;  // findings, also those that are not listed
  // While it is under way: damaged frames, whose objects are not known yet (frame-damaged). In the
  // end: with containers and paths.
  std::vector<ScrubFinding> findings;
  bool is_sound() const { return lost == 0 && damage == 0; }
};

struct ScrubStatus {
  std::optional<ScrubPass> current;  // under way
  std::optional<ScrubPass> last;     // the last one that came to its end
};

struct ScrubOptions {
  std::shared_ptr<io::Env> env;   // null: the default
  unsigned threads = 0;           // that read; 0: by the machine
  // Bytes a second; 0: any. Without a value: the store's setting 'scrub-rate'.
  std::optional<uint64_t> rate;
  uint64_t step_bytes = 256u << 20;  // that a step reads, at most; with a rate: those of a second
  // How often a step writes down how far it came, at most, in nanoseconds; findings at once.
  uint64_t save_interval = 2'000'000'000;
  uint64_t node_cache_bytes = 64u << 20;
  bool restart = false;           // gives up a pass that is under way, and begins the next one
  // Bytes of the pass, done and in all. Its `cancel` ends a step with kCancelled.
  CopyProgress* progress = nullptr;
  // Waits so many nanoseconds, as a rate asks for; null: this thread sleeps.
  std::function<void(uint64_t nanoseconds)> sleep;
};

// A pass that is under way. Not thread-safe; steps use threads of their own.
class Scrub {
 public:
  // Goes on with the pass that was under way, or begins one. `report` gets the findings of a pass
  // when it ends, from one thread at a time; it is called by step(). kBusy: another process scrubs
  // this store. kNotFound, kFailedPrecondition (no store), kPermissionDenied and kIoError (its
  // state cannot be written). A state that is damaged is as none.
  static Result<std::unique_ptr<Scrub>> open(const std::string& path, const ScrubOptions& options,
                                             std::function<void(const Finding&)> report);
  virtual ~Scrub() = default;  // without save(): up to save_interval is read once more

  // Reads some more: up to step_bytes of frames, or a few subtrees. False: the pass is over, and
  // that is durable. Damage is no error. After kCancelled, kIoError (the device), kBusy (the store
  // changes faster than its trees can be read) or kOutOfSpace it may be tried again.
  virtual Result<bool> step() = 0;
  // Writes down how far it came, durably.
  virtual Status save() = 0;
  // Current until the last step, which makes it last.
  virtual const ScrubStatus& status() const = 0;
};

// Steps until the pass is over, and saves also when it is ended by an error. Returns the pass.
Result<ScrubPass> scrub(const std::string& path, const ScrubOptions& options,
                        const std::function<void(const Finding&)>& report);

// What was saved last; nothing if the store was never scrubbed. Takes no lock. kNotFound,
// kFailedPrecondition (no store), kCorruption (the state is damaged: the next pass begins anew).
Result<ScrubStatus> scrub_status(const std::string& path, const std::shared_ptr<io::Env>& env);

// Whether a pass is under way, or the last one began so long ago (or, by this clock, in the
// future). `interval` in nanoseconds; none: never.
bool is_scrub_due(const ScrubStatus& status, std::optional<int64_t> interval, int64_t now);
// The store's setting 'scrub-interval', as its last checkpoint has it. Errors as Scrub::open().
Result<std::optional<int64_t>> scrub_interval(const std::string& path,
                                              const std::shared_ptr<io::Env>& env);

}  // namespace ramet
