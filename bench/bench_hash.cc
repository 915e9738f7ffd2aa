// Speed of the two hashes on bytes that fit the second-level cache: XXH3-64, BLAKE3 of blocks one
// by one, and of the same blocks at once (format/hash_many.h).
#include <benchmark/benchmark.h>

#include <vector>

#include "bench/random_input.h"
#include "format/hash.h"
#include "format/hash_many.h"

namespace ramet {
namespace {

// Blocks of three quarters to five quarters of the mean, as cuts are of many lengths.
std::vector<ByteView> blocks_of(ByteView input, size_t mean) {
  std::vector<ByteView> blocks;
  for (size_t i = 0; !input.empty(); ++i) {
    blocks.push_back(input.substr(0, mean * 3 / 4 + i * 7919 % (mean / 2)));
    input.remove_prefix(blocks.back().size());
  }
  return blocks;
}

template <typename Hash>
void hash_all(benchmark::State& state, const Hash& hash) {
  const Bytes input = bench::random_input();
  const auto blocks = blocks_of(input, static_cast<size_t>(state.range(0)));
  for (auto _ : state) hash(blocks);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) *
                          static_cast<int64_t>(input.size()));
}

void BM_Xxh3(benchmark::State& state) {
  hash_all(state, [](const std::vector<ByteView>& blocks) {
    for (const ByteView block : blocks) benchmark::DoNotOptimize(xxh3(block));
  });
}
void BM_Blake3(benchmark::State& state) {
  hash_all(state, [](const std::vector<ByteView>& blocks) {
    for (const ByteView block : blocks) benchmark::DoNotOptimize(blake3(block));
  });
}
void BM_Blake3Many(benchmark::State& state) {
  std::vector<ContentHash> names;
  hash_all(state, [&names](const std::vector<ByteView>& blocks) {
    names.resize(blocks.size());
    blake3_many(blocks, names);
    benchmark::DoNotOptimize(names.data());
  });
}
BENCHMARK(BM_Xxh3)->Arg(4 << 10)->Arg(20 << 10)->Arg(64 << 10);
BENCHMARK(BM_Blake3)->Arg(1 << 10)->Arg(4 << 10)->Arg(20 << 10)->Arg(64 << 10);
BENCHMARK(BM_Blake3Many)->Arg(1 << 10)->Arg(4 << 10)->Arg(20 << 10)->Arg(64 << 10);

}  // namespace
}  // namespace ramet
