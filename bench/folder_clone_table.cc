// Clones of a folder into a container that holds something already: time, and what it writes, by
// the number of objects below the folder, with the same ids and with new ones.
//
//   folder_clone_table DIRECTORY [objects=1000,100000,1000000] [rounds=5]
//
// DIRECTORY is made and removed. Each clone is durable when it counts. Prints a page of Markdown.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "bench/table_support.h"
#include "engine/store.h"
#include "io/env.h"

namespace ramet::bench {
namespace {

constexpr uint64_t kPerFolder = 1000;
constexpr uint64_t kThereAlready = 1000;

// Objects below "/NAME", a thousand in each folder.
void fill(Store& store, const ContainerId& container, const std::string& name, uint64_t objects) {
  auto transaction = must(store.begin(container), "begin");
  Attributes of_folder;
  of_folder.mode = 040755;
  const FolderId top = must(transaction->create_folder(kRootFolder, name, of_folder), "folder");
  FolderId folder;
  for (uint64_t i = 0; i < objects; ++i) {
    if (i % kPerFolder == 0) {
      folder = must(transaction->create_folder(top, fmt::format("d{:06}", i / kPerFolder),
                                               of_folder),
                    "folder");
    }
    put(*transaction, folder, fmt::format("f{:08}", i), fmt::format("content {} of {}\n", i, name));
  }
  must(transaction->commit(), "commit");
}

struct Outcome {
  std::vector<double> milliseconds;
  std::vector<double> written;  // bytes: what the files of the store grew by
};

Outcome measure(Store& store, const std::string& directory, const CloneSpec& what, uint64_t objects,
                uint64_t rounds, uint64_t* next_name) {
  Outcome outcome;
  for (uint64_t round = 0; round < rounds; ++round) {
    CloneSpec spec = what;
    spec.target = must(store.create_container(fmt::format("t{}", (*next_name)++)), "target").id;
    fill(store, spec.target, "mine", kThereAlready);
    must(store.checkpoint(), "checkpoint");
    const uint64_t before = allocated_bytes(directory);
    const auto start = Clock::now();
    const CloneResult result = must(store.clone(spec), "clone");
    outcome.milliseconds.push_back(milliseconds_since(start));
    must(store.checkpoint(), "checkpoint");
    outcome.written.push_back(static_cast<double>(allocated_bytes(directory)) -
                              static_cast<double>(before));
    if (result.objects_created != objects) {
      fmt::print(stderr, "{} objects were cloned, not {}\n", result.objects_created, objects);
      std::exit(1);
    }
  }
  return outcome;
}

void run(const std::string& directory, const std::vector<uint64_t>& sizes, uint64_t rounds) {
  StoreOptions options;
  options.env = io::default_env();
  must(Store::create(directory, options), "create");
  auto store = must(Store::open(directory, options), "open");
  fmt::print("| objects | ids | median ms | least | most | entries a second | bytes it takes |\n"
             "| ---: | --- | ---: | ---: | ---: | ---: | ---: |\n");
  uint64_t next_name = 0;
  for (const uint64_t objects : sizes) {
    CloneSpec spec;
    spec.source = must(store->create_container(fmt::format("source-{}", objects)), "source").id;
    fill(*store, spec.source, "other", kThereAlready);
    fill(*store, spec.source, "data", objects);
    fill(*store, spec.source, "more", kThereAlready);
    spec.paths = {"/data"};
    spec.target_folder = "/in";
    for (const bool fresh : {false, true}) {
      spec.identity = fresh ? CloneIdentity::kFresh : CloneIdentity::kKeep;
      const Outcome got = measure(*store, directory, spec, objects, rounds, &next_name);
      const double ms = median(got.milliseconds);
      fmt::print("| {} | {} | {:.2f} | {:.2f} | {:.2f} | {:.0f} | {:.0f} |\n", objects,
                 fresh ? "new" : "the same", ms,
                 *std::min_element(got.milliseconds.begin(), got.milliseconds.end()),
                 *std::max_element(got.milliseconds.begin(), got.milliseconds.end()),
                 static_cast<double>(objects) / ms * 1000, median(got.written));
      std::fflush(stdout);
    }
  }
  must(store->close(), "close");
  store = nullptr;
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace ramet::bench

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: folder_clone_table DIRECTORY [objects=N,N,...] [rounds=5]\n");
    return 2;
  }
  std::vector<uint64_t> sizes{1000, 100'000, 1'000'000};
  uint64_t rounds = 5;
  for (int i = 2; i < argc; ++i) {
    sizes = ramet::bench::numbers(argv[i], "objects", sizes);
    rounds = ramet::bench::number(argv[i], "rounds", rounds);
  }
  ramet::bench::run(argv[1], sizes, rounds);
  return 0;
}
