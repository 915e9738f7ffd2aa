// Small files beside the segments: what scrub remembers, and the list that an undo goes by.
//
// Proves: what is accepted is written again as it was, or settles at the first time.
#include "engine/check/scrub_state.h"
#include "engine/check/undo.h"
#include "format/hash.h"
#include "tests/fuzz/fuzz.h"

namespace ramet::fuzz {
namespace {

using namespace engine;

void look_at_scrub(ByteView bytes) {
  const auto state = decode_scrub_state(bytes);
  if (!state.ok()) return;
  const Bytes once = encode_scrub_state(*state);
  const auto again = decode_scrub_state(once);
  RAMET_CHECK(again.ok() && encode_scrub_state(*again) == once, "a state that never settles");
}

void look_at_undo(ByteView bytes) {
  const auto record = decode_undo(bytes);
  if (!record.ok()) {
    RAMET_CHECK(record.error().code() == ErrorCode::kCorruption, "another error");
    return;
  }
  RAMET_CHECK(encode_undo(*record) == bytes, "a list with two texts");
}

// What a writer makes of a payload: magic, lengths and check as they must be. (All but the payload
// is taken from a state that is fine.)
void look_at_sealed_scrub(ByteView payload) {
  static const Bytes kFine = encode_scrub_state(ScrubState{});
  constexpr size_t kHeaderBytes = 64;
  Bytes bytes = kFine.substr(0, kHeaderBytes);
  store(bytes.data() + 40, static_cast<uint64_t>(payload.size()));
  Bytes covered = bytes.substr(0, kHeaderBytes - sizeof(uint64_t));
  covered.append(payload);
  store(bytes.data() + kHeaderBytes - sizeof(uint64_t), xxh3(covered));
  bytes.append(payload);
  look_at_scrub(bytes);
}

// The lines before the check, with the right one.
void look_at_sealed_undo(ByteView bytes) {
  const size_t at = bytes.rfind("check ");
  Bytes text(bytes.substr(0, at));
  text += "check " + std::to_string(xxh3(text)) + "\n";
  look_at_undo(text);
}

}  // namespace

RAMET_FUZZ_TARGET(state) {
  look_at_scrub(input);
  look_at_sealed_scrub(input);
  if (input.size() > 64) look_at_sealed_scrub(input.substr(64));
  look_at_undo(input);
  look_at_sealed_undo(input);
}

}  // namespace ramet::fuzz
