#include "tools/sim/fault.h"

#include <algorithm>

namespace ramet::sim {
namespace {

constexpr std::array<std::string_view, kFaults> kNames = {
    "power",      "torn", "eio-read", "eio-write", "eio-sync",    "enospc",
    "short-read", "slow", "clock",    "lost",      "misdirected", "bitrot"};

std::string every_name() {
  std::string out;
  for (const std::string_view name : kNames) out += ", " + std::string(name);
  return out;
}

}  // namespace

FaultSet damaging_faults() {
  FaultSet set;
  for (const Fault fault : {Fault::kLost, Fault::kMisdirected, Fault::kBitRot}) {
    set.set(static_cast<size_t>(fault));
  }
  return set;
}

std::string_view fault_name(Fault fault) { return kNames[static_cast<size_t>(fault)]; }

Result<FaultSet> parse_faults(std::string_view text) {
  FaultSet set;
  if (text == "none") return set;
  if (text == "all") return set.set();
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view name = text.substr(0, comma);
    const auto found = std::find(kNames.begin(), kNames.end(), name);
    if (found == kNames.end()) {
      return Error(ErrorCode::kInvalidArgument,
                   "no fault is called '" + std::string(name) + "'; there are all, none" +
                       every_name());
    }
    set.set(static_cast<size_t>(found - kNames.begin()));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  if (has(set, Fault::kTorn)) set.set(static_cast<size_t>(Fault::kPower));
  return set;
}

std::string to_text(const FaultSet& faults) {
  if (faults.none()) return "none";
  if (faults.all()) return "all";
  std::string out;
  for (size_t i = 0; i < kFaults; ++i) {
    if (faults[i]) out += (out.empty() ? "" : ",") + std::string(kNames[i]);
  }
  return out;
}

FaultCounts count_faults(const io::SimStats& stats) {
  FaultCounts counts{};
  const auto set = [&](Fault fault, uint64_t count) {
    counts[static_cast<size_t>(fault)] = count;
  };
  set(Fault::kPower, stats.power_cuts);
  set(Fault::kTorn, stats.cuts.writes_torn);
  set(Fault::kReadError, stats.read_errors);
  set(Fault::kWriteError, stats.write_errors);
  set(Fault::kSyncError, stats.sync_errors);
  set(Fault::kOutOfSpace, stats.out_of_space);
  set(Fault::kShortRead, stats.short_reads);
  set(Fault::kSlow, stats.slow_operations);
  set(Fault::kClock, stats.clock_jumps);
  set(Fault::kLost, stats.lost_writes);
  set(Fault::kMisdirected, stats.misdirected_writes);
  set(Fault::kBitRot, stats.bit_flips);
  return counts;
}

}  // namespace ramet::sim
