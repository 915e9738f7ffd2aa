// Speed of finding cuts in random bytes that fit the second-level cache: each of the chunker's
// scans that this processor can run, and scalar FastCDC in the same run. For a comparison:
//
//   bench_chunker --benchmark_enable_random_interleaving --benchmark_repetitions=7
#include <benchmark/benchmark.h>

#include "bench/fast_cdc.h"
#include "bench/random_input.h"
#include "format/chunk_scan.h"

namespace ramet {
namespace {

template <typename NextCut>
void cut_all(benchmark::State& state, const NextCut& next_cut) {
  const Bytes input = bench::random_input();
  for (auto _ : state) {
    ByteView rest = input;
    while (!rest.empty()) {
      const size_t cut = next_cut(rest);
      benchmark::DoNotOptimize(cut);
      rest.remove_prefix(cut);
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) *
                          static_cast<int64_t>(input.size()));
}

void register_all() {
  for (const int64_t average : {4096, 16384, 65536}) {
    const ChunkerParams params{.average = static_cast<uint32_t>(average)};
    for (const ChunkScan& scan : chunk_scans()) {
      const std::string name = "mulcdc/" + std::string(scan.name) + "/" + std::to_string(average);
      benchmark::RegisterBenchmark(name.c_str(), [&scan, params](benchmark::State& state) {
        cut_all(state, [&](ByteView rest) { return next_cut_by(scan, rest, true, params); });
      });
    }
    const std::string name = "fastcdc/scalar/" + std::to_string(average);
    benchmark::RegisterBenchmark(name.c_str(), [params](benchmark::State& state) {
      const bench::FastCdc peer(params.average);
      cut_all(state, [&](ByteView rest) { return peer.next_cut(rest); });
    });
  }
}

}  // namespace
}  // namespace ramet

int main(int argc, char** argv) {
  ramet::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
