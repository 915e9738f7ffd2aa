// Planted bugs: realistic mistakes that can be compiled in, one at a time, by RAMET_PLANTED=N. The
// test suite must catch each of them (tests/sim/scorecard): a suite that catches nothing proves
// nothing. Never set in what is shipped.
#pragma once

#ifndef RAMET_PLANTED
#define RAMET_PLANTED 0
#endif

namespace ramet::engine {

enum class Bug {
  kSwallowedReadError = 1,      // a node that cannot be read counts as one that refers to nothing
  kHitAfterVerdict = 2,         // a dedupe hit on something dead does not pin it
  kDecrementFirst = 3,          // a checkpoint counts down before it counts up
  kSwappedBeforeSync = 4,       // a compacted segment counts before its name is durable
  kEpochOffByOne = 5,           // what died in a checkpoint goes while its readers are still there
  kPinDroppedEarly = 6,         // a transaction's pins end with it, not with its checkpoint
  kStaleSummary = 7,            // erasing a range leaves the summary as it was
  kCountLostAcrossRecovery = 8  // after opening, dead nodes that waited are forgotten
};

constexpr bool planted(Bug bug) { return RAMET_PLANTED == static_cast<int>(bug); }

}  // namespace ramet::engine
