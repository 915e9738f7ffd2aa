// What lifecycle rules ask for, done: for whoever runs the face to call from time to time.
#pragma once

#include <cstdint>

#include "tools/serve/services.h"

namespace ramet::serve::s3 {

struct HousekeepingReport {
  uint64_t buckets = 0;   // with rules
  uint64_t expired = 0;   // keys
  uint64_t versions = 0;  // removed for good
  uint64_t uploads = 0;   // aborted
  uint64_t failed = 0;    // buckets that could not be done; they are tried again next time
};

// Waits for the disk: on a worker. Once an hour is often enough, since rules count in days. What
// meets a change of somebody else, or a lock, is left for the next time.
Result<HousekeepingReport> run_housekeeping(Services& services, int64_t now);

}  // namespace ramet::serve::s3
