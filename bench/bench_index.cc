// Look-ups and insertions of the dedupe index, on real files in the page cache. The argument is
// the number of entries; runs are as merges leave them.
#include <benchmark/benchmark.h>

#include <stdlib.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "engine/index/dedupe_index.h"
#include "format/check.h"
#include "io/env.h"
#include "io/sim_random.h"

namespace ramet::engine {
namespace {

class Fixture {
 public:
  explicit Fixture(uint64_t entries) : env_(io::make_posix_env()) {
    RAMET_CHECK(::mkdtemp(path_.data()) != nullptr, "no temporary directory");
    index_ = std::make_unique<DedupeIndex>(*env_, path_);
    io::SimRandom random(1);
    for (uint64_t i = 0; i < entries; ++i) {
      index_->insert(random.next(), static_cast<SegmentNo>(1 + i / 16384),
                     static_cast<Slot>(i % 16384));
      if (index_->pending() >= 300'000) RAMET_CHECK(index_->flush().ok(), "flush");
    }
    RAMET_CHECK(index_->flush().ok(), "flush");
    while (index_->merge_is_due()) RAMET_CHECK(index_->merge().ok(), "merge");
  }
  ~Fixture() {
    index_.reset();
    std::filesystem::remove_all(path_);
  }
  DedupeIndex& index() { return *index_; }

  static Fixture& of(uint64_t entries) {
    static std::map<uint64_t, std::unique_ptr<Fixture>> all;
    auto& fixture = all[entries];
    if (fixture == nullptr) fixture = std::make_unique<Fixture>(entries);
    return *fixture;
  }

 private:
  std::string path_ = "/tmp/ramet-bench-index-XXXXXX";
  std::shared_ptr<io::Env> env_;
  std::unique_ptr<DedupeIndex> index_;
};

void report(benchmark::State& state, const DedupeIndex& index) {
  const IndexStats stats = index.stats();
  state.SetItemsProcessed(state.iterations());
  state.counters["runs"] = static_cast<double>(stats.runs);
  state.counters["ram/entry"] =
      static_cast<double>(stats.memory_bytes) / static_cast<double>(stats.run_entries);
}

void BM_LookupAbsent(benchmark::State& state) {
  DedupeIndex& index = Fixture::of(static_cast<uint64_t>(state.range(0))).index();
  io::SimRandom random(2 + static_cast<uint64_t>(state.thread_index()));
  for (auto _ : state) {
    index.lookup(random.next(), [](SegmentNo, Slot) { return false; });
  }
  report(state, index);
}
BENCHMARK(BM_LookupAbsent)->Arg(1'000'000)->Arg(10'000'000)->Threads(1)->Threads(2);

// In the order they were inserted, or, with `spread`, in another.
void lookup_present(benchmark::State& state, uint64_t spread) {
  const auto entries = static_cast<uint64_t>(state.range(0));
  DedupeIndex& index = Fixture::of(entries).index();
  std::vector<uint64_t> prefixes;
  io::SimRandom random(1);
  for (uint64_t i = 0; i < entries; ++i) prefixes.push_back(random.next());
  uint64_t i = 0;
  uint64_t found = 0;
  for (auto _ : state) {
    index.lookup(prefixes[i * spread % entries], [&](SegmentNo, Slot) {
      ++found;
      return false;
    });
    ++i;
  }
  RAMET_CHECK(found == i, "every prefix is there");
  report(state, index);
}
void BM_LookupPresentHot(benchmark::State& state) { lookup_present(state, 0); }
void BM_LookupPresentUncached(benchmark::State& state) { lookup_present(state, 7919); }
BENCHMARK(BM_LookupPresentHot)->Arg(1'000'000);
BENCHMARK(BM_LookupPresentUncached)->Arg(1'000'000)->Arg(10'000'000);

// With the flushes and merges that it takes.
void BM_Insert(benchmark::State& state) {
  for (auto _ : state) {
    Fixture fixture(static_cast<uint64_t>(state.range(0)));
    benchmark::DoNotOptimize(fixture.index().stats());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Insert)->Arg(2'000'000)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace ramet::engine
