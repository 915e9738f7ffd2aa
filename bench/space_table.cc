// The table of the promises about space: what dropping costs, what it gives back, and what is left
// on disk after much of it.
//
//   space_table DIRECTORY [objects=1000000] [mib=1024] [rounds=20]
//
// DIRECTORY must not exist or be empty; it is left behind for a look. Three parts:
//   drop    clones of a container of `objects` objects, each with 10 edits, are dropped: time until
//           the drop is durable (median of 9), and tree nodes that the background then follows
//   back    a container of `mib` MiB that nothing shares is dropped: how much of what it took comes
//           back to the file system
//   churn   containers are filled, a random half of them dropped, and filled again, `rounds` times:
//           bytes on disk against live content, and everything that is left is read and verified
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "bench/table_support.h"
#include "engine/store.h"

namespace {

using namespace ramet;
using namespace ramet::bench;

constexpr uint64_t kFilesOfAFolder = 1000;
constexpr uint64_t kMiB = 1 << 20;

ReclaimReport reclaim(Store& store) {
  ReclaimOptions options;
  options.until_idle = true;
  return must(store.reclaim(options), "reclaim");
}

std::string noise(std::mt19937_64& random, uint64_t bytes) {
  std::string out(bytes, '\0');
  for (uint64_t at = 0; at < bytes; at += 8) {
    const uint64_t word = random();
    out.replace(at, std::min<uint64_t>(8, bytes - at), reinterpret_cast<const char*>(&word),
                std::min<uint64_t>(8, bytes - at));
  }
  return out;
}

void measure_drops(Store& store, uint64_t objects) {
  const auto source = must(store.create_container("source"), "create");
  auto transaction = must(store.begin(source.id), "begin");
  FolderId folder;
  for (uint64_t i = 0; i < objects; ++i) {
    if (i % kFilesOfAFolder == 0) {
      Attributes attributes;
      attributes.mode = 040755;
      folder = must(transaction->create_folder(kRootFolder, fmt::format("d{}", i), attributes),
                    "folder");
    }
    put(*transaction, folder, fmt::format("f{}", i), fmt::format("content of object {}\n", i));
  }
  must(transaction->commit(), "commit");
  transaction.reset();
  must(store.checkpoint(), "checkpoint");
  reclaim(store);
  std::mt19937_64 random(1);
  std::vector<double> times;
  std::vector<uint64_t> nodes;
  for (int run = 0; run < 9; ++run) {
    CloneSpec spec;
    spec.source = source.id;
    spec.new_container = fmt::format("clone-{}", run);
    const ContainerId clone = must(store.clone(spec), "clone").container;
    auto edits = must(store.begin(clone), "begin");
    for (int i = 0; i < 10; ++i) {
      const uint64_t object = random() % objects;
      const Entry at = must(
          edits->lookup(fmt::format("/d{}", object - object % kFilesOfAFolder)), "look up");
      put(*edits, at.folder, fmt::format("f{}", object), fmt::format("edit {}\n", random()));
    }
    must(edits->commit(), "commit");
    edits.reset();
    must(store.checkpoint(), "checkpoint");
    reclaim(store);
    const auto start = Clock::now();
    must(store.drop_container(clone), "drop");
    times.push_back(milliseconds_since(start));
    nodes.push_back(reclaim(store).nodes_released);
  }
  std::sort(times.begin(), times.end());
  std::sort(nodes.begin(), nodes.end());
  fmt::print("drop of a clone of {} objects with 10 edits: {:.2f} ms durable (median of {}, worst "
             "{:.2f}); dead nodes followed afterwards: {} (at most {})\n",
             objects, times[times.size() / 2], times.size(), times.back(),
             nodes[nodes.size() / 2], nodes.back());
}

void measure_bytes_back(Store& store, const std::string& directory, uint64_t mib) {
  std::mt19937_64 random(2);
  reclaim(store);
  const uint64_t before = allocated_bytes(directory);
  const auto made = must(store.create_container("big"), "create");
  for (uint64_t done = 0; done < mib; done += 64) {
    auto transaction = must(store.begin(made.id), "begin");
    for (int i = 0; i < 4; ++i) {
      put(*transaction, kRootFolder, fmt::format("f{}-{}", done, i), noise(random, 16 * kMiB));
    }
    must(transaction->commit(), "commit");
  }
  must(store.checkpoint(), "checkpoint");
  const uint64_t with = allocated_bytes(directory);
  const auto start = Clock::now();
  must(store.drop_container(made.id), "drop");
  const double drop_ms = milliseconds_since(start);
  const ReclaimReport report = reclaim(store);
  const double reclaim_ms = milliseconds_since(start) - drop_ms;
  const uint64_t after = allocated_bytes(directory);
  fmt::print("last holder of {} MiB dropped in {:.2f} ms, reclaimed in {:.0f} ms ({} actions): "
             "{} of {} bytes came back, {:.2f} %\n",
             mib, drop_ms, reclaim_ms, report.actions.size(), with - after, with - before,
             100.0 * static_cast<double>(with - after) / static_cast<double>(with - before));
}

void measure_churn(Store& store, const std::string& directory, int rounds) {
  constexpr uint64_t kContainers = 40;
  std::mt19937_64 random(3);
  reclaim(store);
  const uint64_t base = allocated_bytes(directory);
  std::map<std::string, std::pair<ContainerId, uint64_t>> live;
  uint64_t written = 0;
  int made = 0;
  uint64_t most = 0;
  const auto start = Clock::now();
  for (int round = 0; round <= rounds; ++round) {
    while (live.size() < kContainers) {
      const std::string name = fmt::format("churn-{}", made++);
      const auto container = must(store.create_container(name), "create");
      auto transaction = must(store.begin(container.id), "begin");
      uint64_t bytes = 0;
      for (int i = 0; bytes < 6 * kMiB; ++i) {
        const uint64_t size = random() % (uint64_t{1} << (8 + random() % 14));
        put(*transaction, kRootFolder, fmt::format("f{}", i), noise(random, size));
        bytes += size;
      }
      must(transaction->commit(), "commit");
      live[name] = {container.id, bytes};
      written += bytes;
    }
    if (round == rounds) break;
    for (uint64_t i = 0; i < kContainers / 2; ++i) {
      auto at = live.begin();
      std::advance(at, static_cast<long>(random() % live.size()));
      must(store.drop_container(at->second.first), "drop");
      live.erase(at);
    }
    most = std::max(most, allocated_bytes(directory) - base);
  }
  const ReclaimReport report = reclaim(store);
  const double seconds = milliseconds_since(start) / 1000;
  uint64_t bytes = 0;
  uint64_t objects = 0;
  for (const auto& [name, container] : live) {
    bytes += container.second;
    const auto view = must(store.view(container.first), "view");
    must(view->objects([&](const ObjectInfo& info) {
           ++objects;
           must(view->verify(info.id), "verify");
           return true;
         }),
         "objects");
  }
  const uint64_t disk = allocated_bytes(directory) - base;
  fmt::print("churn, {} rounds in {:.1f} s, {} MiB written: {} live bytes, {} on disk: {:.3f} x "
             "(at most {:.2f} x between); {} objects read and verified; idle: {}\n",
             rounds, seconds, written / kMiB, bytes, disk,
             static_cast<double>(disk) / static_cast<double>(bytes),
             static_cast<double>(most) / static_cast<double>(bytes), objects, report.idle);
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t objects = 1'000'000;
  uint64_t mib = 1024;
  uint64_t rounds = 20;
  for (int i = 2; i < argc; ++i) {
    objects = number(argv[i], "objects", objects);
    mib = number(argv[i], "mib", mib);
    rounds = number(argv[i], "rounds", rounds);
  }
  if (argc < 2) {
    fmt::print(stderr, "usage: space_table DIRECTORY [objects=N] [mib=N] [rounds=N]\n");
    return 2;
  }
  const std::string directory = argv[1];
  must(Store::create(directory, {}), "create");
  const auto store = must(Store::open(directory, {}), "open");
  must(store->set_setting({}, "drop-grace", "0"), "set");
  if (objects > 0) measure_drops(*store, objects);
  if (mib > 0) measure_bytes_back(*store, directory, mib);
  if (rounds > 0) measure_churn(*store, directory, static_cast<int>(rounds));
  must(store->close(), "close");
}
