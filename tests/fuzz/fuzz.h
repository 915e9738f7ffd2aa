// What a fuzz target is: a function that takes any bytes at all, offers them to decoders, and
// checks what comes back: a result that keeps the format's promises or a clear error, never a
// crash, a hang or unbounded memory [INV-8]. A broken promise aborts (RAMET_CHECK).
//
// One *_fuzz.cc is one target, and is compiled twice: with libFuzzer into a program of its own
// (preset fuzz), and into the test fuzz_replay, which feeds all targets from tests/fuzz/corpus and
// tests/fuzz/regressions and from deterministic mutations of them, in every preset.
//
// Most structures are guarded by checksums: a target offers the bytes as they are and once more
// with the checks made right ("sealed"), so that what stands behind them is reached.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "format/bytes.h"
#include "format/check.h"
#include "format/result.h"

namespace ramet::fuzz {

using TargetFunction = void (*)(ByteView);

struct Target {
  const char* name;  // of its corpus: tests/fuzz/corpus/<name>
  TargetFunction run;
};

// All targets linked into this program. Not thread-safe.
inline std::vector<Target>& targets() {
  static std::vector<Target> all;
  return all;
}

inline bool add_target(const char* name, TargetFunction run) {
  targets().push_back({name, run});
  return true;
}

// Takes fixed-size fields off the front of an input; zeros when it is used up.
class Fields {
 public:
  explicit Fields(ByteView bytes) : rest_(bytes) {}

  template <typename T>
  T take() {
    T value{};
    const size_t n = rest_.size() < sizeof(T) ? rest_.size() : sizeof(T);
    if (n > 0) std::memcpy(&value, rest_.data(), n);
    rest_.remove_prefix(n);
    return value;
  }
  ByteView take_bytes(size_t length) {
    const ByteView out = rest_.substr(0, length);
    rest_.remove_prefix(out.size());
    return out;
  }
  ByteView rest() const { return rest_; }
  bool empty() const { return rest_.empty(); }

 private:
  ByteView rest_;
};

// What a decoder accepts is written the same way from the second time on: encode(decode(x)) is
// accepted, and encoding that again changes nothing. Gives the first encoding.
template <typename Decode, typename Encode, typename T>
Bytes check_settles(const T& decoded, const Decode& decode, const Encode& encode) {
  const Bytes once = encode(decoded);
  const auto again = decode(ByteView(once));
  RAMET_CHECK(again.ok(), "what was decoded encodes to bytes that are refused");
  RAMET_CHECK(encode(*again) == once, "decoding and encoding again changes the bytes");
  return once;
}

// The strict form: nothing but what the encoder writes is accepted.
template <typename Decode, typename Encode>
void check_canonical(ByteView bytes, const Decode& decode, const Encode& encode) {
  const auto decoded = decode(bytes);
  if (!decoded.ok()) return;
  RAMET_CHECK(encode(*decoded) == bytes, "bytes are accepted that the encoder does not write");
}

}  // namespace ramet::fuzz

// RAMET_FUZZ_TARGET(node) { ... uses `input` ... }
#ifdef RAMET_LIBFUZZER
#define RAMET_FUZZ_TARGET(target)                                                \
  static void run_##target(::ramet::ByteView input);                             \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {      \
    run_##target({reinterpret_cast<const char*>(data), size});                   \
    return 0;                                                                    \
  }                                                                              \
  static void run_##target(::ramet::ByteView input)
#else
#define RAMET_FUZZ_TARGET(target)                                                \
  static void run_##target(::ramet::ByteView input);                             \
  [[maybe_unused]] static const bool added_##target =                            \
      ::ramet::fuzz::add_target(#target, run_##target);                          \
  static void run_##target(::ramet::ByteView input)
#endif
