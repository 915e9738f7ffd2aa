#include "io/sim_settle.h"

#include <algorithm>

namespace ramet::io {
namespace {

enum class Fate : uint8_t { kLost, kKept, kTorn };

uint64_t first_sector(const SimChange& change) { return change.offset / kSimSectorBytes; }
uint64_t end_sector(const SimChange& change) {
  return align_up(change.offset + change.length, kSimSectorBytes) / kSimSectorBytes;
}

Fate choose_fate(const SimChange& change, const SettleRules& rules, SimRandom& random) {
  const bool write = change.kind == SimChange::Kind::kWrite;
  const bool divisible =
      write && (rules.tear_sectors || end_sector(change) - first_sector(change) > 1);
  if (rules.policy == CutPolicy::kLoseAll) return Fate::kLost;
  if (rules.policy == CutPolicy::kKeepAll) {
    if (!change.under_way) return Fate::kKept;
    if (divisible) return Fate::kTorn;
    return random.chance(0.5) ? Fate::kKept : Fate::kLost;
  }
  if (divisible && random.below(3) == 0) return Fate::kTorn;
  return random.chance(rules.keep) ? Fate::kKept : Fate::kLost;
}

// Which sectors of a torn write land: often only the beginning of it, as when a device works
// through it in order, else any subset.
class TornSectors {
 public:
  TornSectors(const SimChange& change, SimRandom& random) : random_(random) {
    const uint64_t sectors = end_sector(change) - first_sector(change);
    if (random.chance(0.5)) prefix_end_ = first_sector(change) + random.below(sectors + 1);
    by_prefix_ = prefix_end_ != 0;
  }
  bool lands(uint64_t sector) { return by_prefix_ ? sector < prefix_end_ : random_.chance(0.5); }

 private:
  SimRandom& random_;
  uint64_t prefix_end_ = 0;
  bool by_prefix_ = false;
};

// Puts the sectors of a write that land into `result`; returns how many did.
uint64_t land_write(SimImage& result, const SimImage& after, const SimChange& change, Fate fate,
                    const SettleRules& rules, SimRandom& random, CutStats& stats) {
  uint64_t landed = 0;
  TornSectors torn(change, random);
  for (uint64_t sector = first_sector(change); sector < end_sector(change); ++sector) {
    if (fate == Fate::kTorn && !torn.lands(sector)) continue;
    uint64_t bytes = kSimSectorBytes;
    if (fate == Fate::kTorn && rules.tear_sectors && random.below(8) == 0) {
      bytes = 1 + random.below(kSimSectorBytes - 1);
      ++stats.sectors_torn;
    }
    result.copy_sector(after, sector, bytes);
    ++landed;
  }
  return landed;
}

// Changes other than writes land as a whole. A sector of which they clear only a part lands as
// it was after them, as with writes.
void land_whole(SimImage& result, const SimImage& after, const SimChange& change) {
  if (change.kind == SimChange::Kind::kReserve) result.reserve(change.offset, change.length);
  uint64_t end = 0;
  if (change.kind == SimChange::Kind::kPunch) end = change.offset + change.length;
  if (change.kind == SimChange::Kind::kTruncate) end = change.length_before;
  if (end <= change.offset) return;
  result.zero(change.offset, end - change.offset);
  if (change.offset % kSimSectorBytes != 0) {
    result.copy_sector(after, change.offset / kSimSectorBytes);
  }
  if (end % kSimSectorBytes != 0) result.copy_sector(after, end / kSimSectorBytes);
}

void count_write(Fate fate, CutStats& stats) {
  if (fate == Fate::kLost) ++stats.writes_lost;
  if (fate == Fate::kKept) ++stats.writes_kept;
  if (fate == Fate::kTorn) ++stats.writes_torn;
}

bool keep_length(Fate fate, const SimChange& change, const SettleRules& rules, SimRandom& random) {
  if (change.length_after == change.length_before) return false;
  const bool own_coin =
      rules.policy == CutPolicy::kRandom &&
      (change.kind == SimChange::Kind::kWrite || change.kind == SimChange::Kind::kGrow);
  if (own_coin) return random.chance(rules.keep);
  return fate != Fate::kLost;
}

}  // namespace

void apply_change(SimImage& image, const SimChange& change) {
  switch (change.kind) {
    case SimChange::Kind::kWrite: image.write(change.offset, *change.data); break;
    case SimChange::Kind::kPunch: image.zero(change.offset, change.length); break;
    case SimChange::Kind::kReserve: image.reserve(change.offset, change.length); break;
    case SimChange::Kind::kGrow:
    case SimChange::Kind::kTruncate: break;
  }
  image.set_length(change.length_after);
}

void copy_touched(SimImage& durable, const SimImage& visible, const SimChange& change) {
  const uint64_t first = change.offset / kSimPageBytes;
  uint64_t end = align_up(change.offset + change.length, kSimPageBytes) / kSimPageBytes;
  if (change.kind == SimChange::Kind::kGrow) return;
  if (change.kind == SimChange::Kind::kTruncate) end = ~uint64_t{0};
  durable.copy_pages(visible, first, end);
}

SimImage settle_image(const SimImage& durable, const std::vector<SimChange>& changes,
                      const SettleRules& rules, SimRandom& random, CutStats& stats,
                      std::vector<const SimChange*>* dropped) {
  SimImage running = durable;  // as if all changes so far had landed
  SimImage result = durable;
  // Lengths are settled apart from bytes, so that none cuts off what lands later.
  uint64_t length = durable.length();
  uint64_t greatest = length;
  for (const SimChange& change : changes) {
    greatest = std::max({greatest, change.length_before, change.length_after});
    apply_change(running, change);
    const Fate fate = choose_fate(change, rules, random);
    if (change.kind == SimChange::Kind::kWrite) {
      count_write(fate, stats);
      uint64_t landed = 0;
      if (fate != Fate::kLost) {
        landed = land_write(result, running, change, fate, rules, random, stats);
      }
      if (landed == 0 && dropped != nullptr) dropped->push_back(&change);
    } else if (fate != Fate::kLost) {
      land_whole(result, running, change);
    }
    if (keep_length(fate, change, rules, random)) length = change.length_after;
  }
  result.set_length(greatest);
  result.set_length(length);  // cuts off whatever landed behind it
  return result;
}

}  // namespace ramet::io
