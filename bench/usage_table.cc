// Accounting as a whole program: time, nodes read and memory of `du --shared` over many clones with
// edits, and of `du --would-free` of one clone of a great container. Prints a table.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "bench/table_support.h"
#include "engine/store.h"
#include "io/env.h"

namespace {

using namespace ramet;
using namespace ramet::bench;

// VmRSS (now) or VmHWM (the peak) of /proc/self/status, in MiB.
double resident_mib(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return std::strtod(line.c_str() + name.size() + 1, nullptr) / 1024;
  }
  return 0;
}

std::string folder_of(uint64_t object) { return fmt::format("d{:06}", object / 1000); }
std::string name_of(uint64_t object) { return fmt::format("f{:06}", object); }

ContainerId fill(Store& store, const std::string& name, uint64_t objects) {
  const ContainerInfo info = must(store.create_container(name), "create container");
  auto transaction = must(store.begin(info.id), "begin");
  Attributes of_folder;
  of_folder.mode = 040755;
  FolderId folder;
  for (uint64_t i = 0; i < objects; ++i) {
    if (i % 1000 == 0) {
      folder = must(transaction->create_folder(kRootFolder, folder_of(i), of_folder), "folder");
    }
    put(*transaction, folder, name_of(i), fmt::format("content of object {} of {}\n", i, name));
  }
  must(transaction->commit(), "commit");
  return info.id;
}

ContainerId clone_with_edits(Store& store, ContainerId source, const std::string& name,
                             uint64_t objects, int edits, std::mt19937_64& random) {
  CloneSpec spec;
  spec.source = source;
  spec.new_container = name;
  const ContainerId made = must(store.clone(spec), "clone").container;
  if (edits == 0) return made;
  auto transaction = must(store.begin(made), "begin");
  for (int i = 0; i < edits; ++i) {
    const uint64_t object = random() % objects;
    const Entry folder = must(transaction->lookup("/" + folder_of(object)), "look up");
    put(*transaction, folder.folder, name_of(object), fmt::format("edit {} of {}\n", i, name));
  }
  must(transaction->commit(), "commit");
  return made;
}

// A store as the next command finds it.
std::unique_ptr<Store> open(const std::string& directory, bool read_only) {
  StoreOptions options;
  options.env = io::default_env();
  options.read_only = read_only;
  return must(Store::open(directory, options), "open");
}

// In a process of its own, so that its memory does not count.
void in_child(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    std::exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) std::exit(1);
}

void shares(const std::string& directory, uint64_t objects, uint64_t clones, int edits) {
  in_child([&] {
    must(Store::create(directory, {}), "create");
    const auto store = open(directory, false);
    std::mt19937_64 random(1);
    const ContainerId source = fill(*store, "source", objects);
    for (uint64_t i = 0; i < clones; ++i) {
      clone_with_edits(*store, source, fmt::format("clone-{:06}", i), objects, edits, random);
    }
    must(store->close(), "close");
  });
  const auto store = open(directory, true);
  const double before = resident_mib("VmRSS");
  const auto start = Clock::now();
  const StoreUsage usage = must(store->usage({}), "usage");
  const double ms = milliseconds_since(start);
  uint64_t alone = 0;
  uint64_t shared = 0;
  for (const UsageLine& line : usage.lines) {
    alone += line.exclusive_bytes;
    shared += line.share_bytes;
  }
  fmt::print("du --shared: {} containers of {} objects, {} edits each: {:.0f} ms, {} nodes read, "
             "{:.1f} MiB of memory\n"
             "  shares {} bytes (held alone {}), all files {} bytes\n",
             usage.lines.size(), objects, edits, ms, usage.nodes_read,
             resident_mib("VmHWM") - before, shared, alone,
             usage.total_bytes);
  must(store->close(), "close");
}

void would_free(const std::string& directory, uint64_t objects, int edits) {
  must(Store::create(directory, {}), "create");
  auto store = open(directory, false);
  std::mt19937_64 random(2);
  const ContainerId source = fill(*store, "source", objects);
  const ContainerId fresh = clone_with_edits(*store, source, "fresh", objects, 0, random);
  const ContainerId edited = clone_with_edits(*store, source, "edited", objects, edits, random);
  must(store->close(), "close");
  const auto measure = [&](const char* what, const std::vector<UsageTarget>& targets) {
    store = open(directory, true);
    auto start = Clock::now();
    const WouldFree freed = must(store->would_free(targets), "would free");
    const double cold = milliseconds_since(start);
    start = Clock::now();
    must(store->would_free(targets), "would free");
    fmt::print("du --would-free {} ({} objects): {:.2f} ms, again {:.2f} ms; {} nodes read; frees "
               "{} bytes in {} blocks and {} nodes\n",
               what, objects, cold, milliseconds_since(start), freed.nodes_read, freed.bytes,
               freed.blocks, freed.nodes);
    must(store->close(), "close");
  };
  measure("a fresh clone", {{fresh, {}}});
  measure(fmt::format("a clone with {} edits", edits).c_str(), {{edited, {}}});
  measure("everything", {});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: usage_table NEW_DIRECTORY [objects=N] [clones=N] [great=N] "
                       "[edits=N]\n");
    return 2;
  }
  uint64_t objects = 100000, clones = 1000, great = 1000000, edits = 10;
  for (int i = 2; i < argc; ++i) {
    objects = number(argv[i], "objects", objects);
    clones = number(argv[i], "clones", clones);
    great = number(argv[i], "great", great);
    edits = number(argv[i], "edits", edits);
  }
  shares(std::string(argv[1]) + "-shares", objects, clones, static_cast<int>(edits));
  would_free(std::string(argv[1]) + "-would-free", great, static_cast<int>(edits));
  return 0;
}
