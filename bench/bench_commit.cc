// Commits and clones, durable, on real files: one writer and many (group commit), and clones of
// containers of growing size. The
// directory is $RAMET_BENCH_DIR or /tmp; what is made there is removed.
#include <benchmark/benchmark.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "engine/store.h"
#include "io/env.h"

namespace ramet {
namespace {

class BenchStore {
 public:
  BenchStore() {
    const char* base = std::getenv("RAMET_BENCH_DIR");
    directory_ = std::string(base != nullptr ? base : "/tmp") + "/ramet-bench-XXXXXX";
    if (::mkdtemp(directory_.data()) == nullptr) std::abort();
    StoreOptions options;
    options.env = io::default_env();
    if (!Store::create(directory_, options).ok()) std::abort();
    auto store = Store::open(directory_, options);
    if (!store.ok()) std::abort();
    store_ = std::move(store).value();
  }
  ~BenchStore() {
    store_ = nullptr;
    std::filesystem::remove_all(directory_);
  }
  Store& operator*() { return *store_; }
  Store* operator->() { return store_.get(); }

 private:
  std::string directory_;
  std::unique_ptr<Store> store_;
};

ContainerId make_container(Store& store, uint64_t objects) {
  const auto info = store.create_container(fmt::format("of-{}", objects));
  if (!info.ok()) std::abort();
  auto transaction = store.begin(info->id);
  Attributes attributes;
  for (uint64_t i = 0; i < objects; ++i) {
    if (!(*transaction)->put_object(kRootFolder, fmt::format("f{:08}", i), attributes, nullptr)
             .ok()) {
      std::abort();
    }
  }
  if (!(*transaction)->commit().ok()) std::abort();
  return info->id;
}

void BM_CloneDurable(benchmark::State& state) {
  BenchStore store;
  CloneSpec spec;
  spec.source = make_container(*store, static_cast<uint64_t>(state.range(0)));
  uint64_t n = 0;
  for (auto _ : state) {
    spec.new_container = fmt::format("clone-{}", n++);
    if (!store->clone(spec).ok()) state.SkipWithError("clone failed");
  }
}
BENCHMARK(BM_CloneDurable)->Arg(1000)->Arg(100000)->Unit(benchmark::kMicrosecond);

// 4 KiB objects, each its own commit; every thread has a container of its own.
std::unique_ptr<BenchStore> shared_store;
std::vector<ContainerId> shared_containers;

void BM_PutDurable(benchmark::State& state) {
  if (state.thread_index() == 0) {
    shared_store = std::make_unique<BenchStore>();
    shared_containers.clear();
    for (int i = 0; i < state.threads(); ++i) {
      shared_containers.push_back((*shared_store)->create_container(fmt::format("c{}", i))->id);
    }
  }
  uint64_t n = 0;
  std::string content(4096, 'x');
  for (auto _ : state) {
    const auto id = shared_containers[static_cast<size_t>(state.thread_index())];
    auto transaction = (*shared_store)->begin(id);
    auto writer = (*transaction)->write_content();
    const std::string mark = fmt::format("{:016x}{:016x}", state.thread_index(), n);
    content.replace(0, mark.size(), mark);
    const bool fine =
        (*writer)->append(content).ok() &&
        (*transaction)
            ->put_object(kRootFolder, fmt::format("f{:08}", n++), Attributes{}, std::move(*writer))
            .ok() &&
        (*transaction)->commit().ok();
    if (!fine) state.SkipWithError("put failed");
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) shared_store = nullptr;
}
BENCHMARK(BM_PutDurable)->Threads(1)->Threads(8)->Threads(64)->UseRealTime()->Unit(
    benchmark::kMicrosecond);

}  // namespace
}  // namespace ramet
