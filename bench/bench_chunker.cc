// Speed of finding cuts in random bytes that fit the second-level cache.
#include <benchmark/benchmark.h>

#include "format/chunker.h"

namespace ramet {
namespace {

void BM_Chunker(benchmark::State& state) {
  const ChunkerParams params{.average = static_cast<uint32_t>(state.range(0))};
  Bytes input;
  uint64_t x = 1;
  while (input.size() < (1u << 20)) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    append(input, x);
  }
  for (auto _ : state) {
    ByteView rest = input;
    while (!rest.empty()) {
      const size_t cut = next_cut(rest, true, params);
      benchmark::DoNotOptimize(cut);
      rest.remove_prefix(cut);
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) *
                          static_cast<int64_t>(input.size()));
}
BENCHMARK(BM_Chunker)->Arg(4096)->Arg(16384)->Arg(65536);

}  // namespace
}  // namespace ramet
