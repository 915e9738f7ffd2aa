// What becomes of one file's unsynced changes when the power fails or a sync fails. Internal to
// the simulated disk; the model is described in sim_disk.h.
#pragma once

#include <vector>

#include "io/sim_disk.h"
#include "io/sim_image.h"
#include "io/sim_random.h"

namespace ramet::io {

struct SettleRules {
  CutPolicy policy = CutPolicy::kRandom;
  double keep = 0.5;          // of a change, where the coin decides
  bool tear_sectors = false;  // a sector may land half
};

// What the change does to an image that saw all changes before it.
void apply_change(SimImage& image, const SimChange& change);

// Makes pages that the change touched durable.
void copy_touched(SimImage& durable, const SimImage& visible, const SimChange& change);

// The image that survives. `dropped`, where given, receives the writes of which nothing landed.
SimImage settle_image(const SimImage& durable, const std::vector<SimChange>& changes,
                      const SettleRules& rules, SimRandom& random, CutStats& stats,
                      std::vector<const SimChange*>* dropped = nullptr);

}  // namespace ramet::io
