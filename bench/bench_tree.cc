// Trees: puts, gets, scans, bulk load, clones and ranges, over a store in memory.
#include <benchmark/benchmark.h>

#include <random>
#include <string>

#include "engine/tree/bulk_builder.h"
#include "engine/tree/cursor.h"
#include "engine/tree/diff.h"
#include "engine/tree/persist.h"
#include "engine/tree/tree.h"
#include "tests/support/memory_node_store.h"

namespace ramet::engine {
namespace {

constexpr uint64_t kKeys = 1'000'000;

struct Bench {
  explicit Bench(size_t cache_bytes = size_t{1} << 30) : cache(cache_bytes) {
    context.store = &store;
    context.cache = &cache;
    context.summarize = [](ByteView, ByteView value) {
      Summary summary;
      summary[SummaryColumn::kObjects] = 1;
      summary[SummaryColumn::kContentBytes] = value.size();
      return summary;
    };
  }
  MemoryNodeStore store;
  NodeCache cache;
  TreeContext context;
};

// As an OBJECT key: a prefix byte, a type, an id whose first bytes ascend.
std::string object_key(uint64_t n) {
  std::string key = "\x01";
  append_big_endian<uint32_t>(key, 1);
  append_big_endian<uint64_t>(key, n << 16);
  append_big_endian<uint64_t>(key, n * 0x9E3779B97F4A7C15ull);
  return key;
}

const std::string kValue(40, 'v');
const BlockRef kRef{3, 4, 5};

void check(const Status& status) { RAMET_CHECK(status.ok(), "bench: a call failed"); }

// A Root can't outlive its context, so the big trees are made once and kept with one.
struct Loaded : Bench {
  explicit Loaded(bool clean) {
    BulkBuilder builder(context, 1);
    if (clean) {
      for (uint64_t i = 0; i < kKeys; ++i) check(builder.add(object_key(i), kValue, {&kRef, 1}));
      root = std::move(builder.finish()).value();
    } else {
      Tree tree(context);
      for (uint64_t i = 0; i < kKeys; ++i) check(tree.put(object_key(i), kValue, {&kRef, 1}, 1));
      root = tree.share();
    }
  }
  Root root;
};
Loaded& loaded(bool clean) {
  static Loaded* trees[2] = {nullptr, nullptr};
  if (trees[clean] == nullptr) trees[clean] = new Loaded(clean);
  return *trees[clean];
}

void sequential_puts(benchmark::State& state) {
  for (auto _ : state) {
    Bench bench;
    Tree tree(bench.context);
    for (uint64_t i = 0; i < kKeys; ++i) check(tree.put(object_key(i), kValue, {&kRef, 1}, 1));
  }
  state.SetItemsProcessed(state.iterations() * kKeys);
}
BENCHMARK(sequential_puts)->Unit(benchmark::kMillisecond);

void random_puts(benchmark::State& state) {
  for (auto _ : state) {
    Bench bench;
    Tree tree(bench.context);
    std::mt19937_64 random(1);
    for (uint64_t i = 0; i < kKeys; ++i) {
      check(tree.put(object_key(random() % kKeys), kValue, {&kRef, 1}, 1));
    }
  }
  state.SetItemsProcessed(state.iterations() * kKeys);
}
BENCHMARK(random_puts)->Unit(benchmark::kMillisecond);

void random_gets(benchmark::State& state) {
  Loaded& tree = loaded(state.range(0) != 0);
  std::mt19937_64 random(1);
  Value value;
  for (auto _ : state) {
    const auto found = get(tree.context, tree.root, object_key(random() % kKeys), &value);
    RAMET_CHECK(found.ok() && *found, "bench: a key is missing");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(random_gets)->ArgName("clean")->Arg(0)->Arg(1);

void scan(benchmark::State& state) {
  Loaded& tree = loaded(state.range(0) != 0);
  for (auto _ : state) {
    Cursor cursor(tree.context, tree.root);
    uint64_t bytes = 0;
    for (check(cursor.seek_first()); cursor.valid(); check(cursor.next())) {
      bytes += cursor.key().size() + cursor.value().size();
    }
    benchmark::DoNotOptimize(bytes);
  }
  state.SetItemsProcessed(state.iterations() * kKeys);
}
BENCHMARK(scan)->ArgName("clean")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

void bulk_load(benchmark::State& state) {
  for (auto _ : state) {
    Bench bench;
    BulkBuilder builder(bench.context, 1);
    for (uint64_t i = 0; i < kKeys; ++i) check(builder.add(object_key(i), kValue, {&kRef, 1}));
    check(builder.finish().ok() ? Status() : Status(Error(ErrorCode::kIoError, "")));
  }
  state.SetItemsProcessed(state.iterations() * kKeys);
}
BENCHMARK(bulk_load)->Unit(benchmark::kMillisecond);

void persist_all(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    Bench bench;
    Tree tree(bench.context);
    for (uint64_t i = 0; i < kKeys; ++i) check(tree.put(object_key(i), kValue, {&kRef, 1}, 1));
    state.ResumeTiming();
    RAMET_CHECK(persist(bench.context, tree.share(), 1).ok(), "bench: persist failed");
  }
  state.SetItemsProcessed(state.iterations() * kKeys);
}
BENCHMARK(persist_all)->Unit(benchmark::kMillisecond);

// A clone of a million objects, and the first change in it.
void clone_and_put(benchmark::State& state) {
  Loaded& tree = loaded(true);
  std::mt19937_64 random(1);
  for (auto _ : state) {
    Tree clone(tree.context, tree.root);
    check(clone.put(object_key(random() % kKeys), "new", {}, 2));
  }
}
BENCHMARK(clone_and_put);

void erase_half(benchmark::State& state) {
  Loaded& tree = loaded(true);
  for (auto _ : state) {
    Tree clone(tree.context, tree.root);
    check(clone.erase_range(object_key(kKeys / 4), object_key(3 * kKeys / 4), 2));
  }
}
BENCHMARK(erase_half);

void diff_of_one_change(benchmark::State& state) {
  Loaded& tree = loaded(true);
  Tree clone(tree.context, tree.root);
  check(clone.put(object_key(kKeys / 2), "new", {}, 2));
  const Root changed = clone.share();
  for (auto _ : state) {
    check(diff(tree.context, tree.root, changed,
               [](ByteView, const Value*, const Value*) { return true; }));
  }
}
BENCHMARK(diff_of_one_change);

}  // namespace
}  // namespace ramet::engine
