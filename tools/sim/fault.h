// The faults that a simulation knows, by the names that the program takes and prints.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>

#include "format/result.h"
#include "io/env_sim.h"

namespace ramet::sim {

enum class Fault : uint8_t {
  // What a store must get over without losing anything that it acknowledged:
  kPower,       // the power fails at any operation
  kTorn,        // at a power cut unsynced writes are torn and reordered, each by its own coin
  kReadError,
  kWriteError,
  kSyncError,
  kOutOfSpace,
  kShortRead,
  kSlow,        // operations that take milliseconds, and some that take hours
  kClock,       // the wall clock jumps, forward and back
  // What the device does wrong and does not say: data may be gone, but never wrong.
  kLost,
  kMisdirected,
  kBitRot,      // bits that are written wrong, and bits that flip at rest
};
inline constexpr size_t kFaults = 12;

using FaultSet = std::bitset<kFaults>;
// How often each was activated.
using FaultCounts = std::array<uint64_t, kFaults>;

inline bool has(const FaultSet& set, Fault fault) { return set[static_cast<size_t>(fault)]; }
// Those by which data may be lost.
FaultSet damaging_faults();

std::string_view fault_name(Fault fault);
// "all", "none", or names between commas; torn comes with power. kInvalidArgument names what it
// does not know.
Result<FaultSet> parse_faults(std::string_view text);
// As parse_faults() takes it.
std::string to_text(const FaultSet& faults);

// What a disk has counted.
FaultCounts count_faults(const io::SimStats& stats);

}  // namespace ramet::sim
