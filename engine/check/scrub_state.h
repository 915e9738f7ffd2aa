// What scrub keeps between steps, and the file that holds it: STORE/scrub/state. It is written
// whole under another name, synced, and renamed: there is always one that is whole. Losing it costs
// one pass.
#pragma once

#include <optional>
#include <string>

#include "engine/scrub.h"
#include "format/ids.h"
#include "format/segment_layout.h"

namespace ramet::engine {

struct ScrubState {
  StoreId store_id;
  ScrubStatus status;
  // Where the current pass goes on.
  SegmentNo end_segment = 0;
  SegmentNo segment = 0;
  uint32_t generation = 0;
  uint64_t offset = kSegmentHeaderBytes;
  bool frames_done = false;
};

Bytes encode_scrub_state(const ScrubState& state);
// kCorruption for anything malformed [INV-8]; kUnsupported for one of a later version. Findings
// with codes that this program does not know are left out.
Result<ScrubState> decode_scrub_state(ByteView bytes);

// Of a store in that directory. kNotFound: never scrubbed.
Result<ScrubState> load_scrub_state(io::Env& env, const std::string& store);
// Durable when it returns. Requires: the folder `scrub` is there.
Status save_scrub_state(io::Env& env, const std::string& store, const ScrubState& state);
std::string scrub_directory(const std::string& store);

}  // namespace ramet::engine
