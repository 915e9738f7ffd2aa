// The table of the promise "a diff costs by the difference": time and tree nodes for two clones of
// one container that differ in some objects, for containers of growing size.
//
//   diff_table DIRECTORY [objects=10000,100000,1000000] [changed=1,10,100,1000] [runs=9]
//
// DIRECTORY must not exist or be empty; it is left behind for a look. The changed objects are drawn
// at random over the whole container, and get other content of another size. Each comparison is
// made once, then timed. Prints Markdown and, on the last line, the same figures as JSON.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "bench/table_support.h"
#include "engine/store.h"

namespace {

using namespace ramet;
using namespace ramet::bench;

constexpr uint64_t kFilesOfAFolder = 1000;

std::string folder_name(uint64_t object) { return fmt::format("d{:06}", object / kFilesOfAFolder); }
std::string file_name(uint64_t object) { return fmt::format("f{:06}", object); }

ContainerId fill(Store& store, uint64_t objects) {
  const auto info = must(store.create_container(fmt::format("source-{}", objects)), "create");
  auto transaction = must(store.begin(info.id), "begin");
  FolderId folder;
  for (uint64_t i = 0; i < objects; ++i) {
    if (i % kFilesOfAFolder == 0) {
      Attributes attributes;
      attributes.mode = 040755;
      folder = must(transaction->create_folder(kRootFolder, folder_name(i), attributes), "folder");
    }
    put(*transaction, folder, file_name(i), fmt::format("content of object {}\n", i));
  }
  must(transaction->commit(), "commit");
  return info.id;
}

ContainerId clone(Store& store, ContainerId source, const std::string& name) {
  CloneSpec spec;
  spec.source = source;
  spec.new_container = name;
  return must(store.clone(spec), "clone").container;
}

void change(Store& store, ContainerId container, uint64_t objects, uint64_t changed) {
  std::mt19937_64 random(changed);
  std::set<uint64_t> chosen;
  while (chosen.size() < changed) chosen.insert(random() % objects);
  auto transaction = must(store.begin(container), "begin");
  for (const uint64_t object : chosen) {
    const Entry folder = must(transaction->lookup("/" + folder_name(object)), "look up");
    put(*transaction, folder.folder, file_name(object),
        fmt::format("changed content of object {}\n", object));
  }
  must(transaction->commit(), "commit");
}

struct Row {
  uint64_t objects = 0, changed = 0, found = 0;
  double first_ms = 0, median_ms = 0, most_ms = 0;
  DiffStats first, stats;
};

Row measure(Store& store, ContainerId older, ContainerId newer, int runs) {
  Row row;
  const auto before = must(store.view(older), "view");
  const auto after = must(store.view(newer), "view");
  std::vector<double> times;
  for (int run = 0; run <= runs; ++run) {
    row.found = 0;
    DiffStats stats;
    const auto start = Clock::now();
    must(store.diff(*before, *after,
                    [&](const Difference&) {
                      ++row.found;
                      return true;
                    },
                    &stats),
         "diff");
    const double ms = milliseconds_since(start);
    if (run == 0) {
      row.first_ms = ms;
      row.first = stats;
    } else {
      times.push_back(ms);
      row.stats = stats;
    }
  }
  std::sort(times.begin(), times.end());
  row.median_ms = times[times.size() / 2];
  row.most_ms = times.back();
  return row;
}

std::vector<uint64_t> numbers(const std::string& text) {
  std::vector<uint64_t> out;
  for (size_t at = 0; at < text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    out.push_back(std::strtoull(text.substr(at, comma - at).c_str(), nullptr, 10));
    at = comma + 1;
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: diff_table DIRECTORY [objects=N,...] [changed=N,...] [runs=N]\n");
    return 2;
  }
  const std::string directory = argv[1];
  std::vector<uint64_t> objects{10'000, 100'000, 1'000'000};
  std::vector<uint64_t> changed{1, 10, 100, 1000};
  int runs = 9;
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.starts_with("objects=")) objects = numbers(word.substr(8));
    if (word.starts_with("changed=")) changed = numbers(word.substr(8));
    if (word.starts_with("runs=")) runs = std::max(1, std::atoi(word.c_str() + 5));
  }
  const StoreOptions options;
  must(Store::create(directory, options), "create");
  std::vector<Row> rows;
  for (const uint64_t count : objects) {
    auto store = must(Store::open(directory, options), "open");
    const ContainerId source = fill(*store, count);
    const ContainerId older = clone(*store, source, fmt::format("older-{}", count));
    std::vector<ContainerId> newer;
    for (const uint64_t differing : changed) {
      newer.push_back(clone(*store, source, fmt::format("newer-{}-{}", count, differing)));
      change(*store, newer.back(), count, differing);
    }
    must(store->close(), "close");
    // From disk, by a store that has nothing in memory yet.
    store = must(Store::open(directory, options), "open");
    for (size_t i = 0; i < changed.size(); ++i) {
      Row row = measure(*store, older, newer[i], runs);
      row.objects = count;
      row.changed = changed[i];
      rows.push_back(row);
    }
    must(store->close(), "close");
  }
  fmt::print("| objects | changed | warm, median | warm, most | nodes opened | folder look-ups | "
             "first time | nodes read then |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: | "
             "---: |\n");
  for (const Row& row : rows) {
    fmt::print("| {} | {} | {:.3f} ms | {:.3f} ms | {} | {} | {:.2f} ms | {} |\n", row.objects,
               row.found, row.median_ms, row.most_ms, row.stats.nodes_opened, row.stats.lookups,
               row.first_ms, row.first.nodes_read);
  }
  fmt::print("\n{{\"diff\":[");
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    fmt::print("{}{{\"objects\":{},\"changed\":{},\"found\":{},\"median_ms\":{:.4f},"
               "\"most_ms\":{:.4f},\"nodes_opened\":{},\"lookups\":{},\"first_ms\":{:.3f},"
               "\"first_nodes_read\":{}}}",
               i == 0 ? "" : ",", row.objects, row.changed, row.found, row.median_ms, row.most_ms,
               row.stats.nodes_opened, row.stats.lookups, row.first_ms, row.first.nodes_read);
  }
  fmt::print("]}}\n");
  return 0;
}
