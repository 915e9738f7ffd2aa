// The table of the promise "cloning is O(1)": time, log bytes and bytes at rest of a durable
// clone for containers of growing size; then many clones of the greatest one, how the store opens
// with them, drops in random order, and reading through a chain of clones.
//
//   clone_table DIRECTORY [objects=1000,100000,1000000] [clones=100000] [chain=1000]
//
// DIRECTORY must not exist or be empty; it is left behind for a look. Every clone is synced before
// it counts. Prints Markdown and, on the last line, the same figures as JSON.
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
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

constexpr int kTimed = 301;      // clones a row that are timed
constexpr int kAtRest = 1000;    // clones a row that are weighed

uint64_t resident_bytes() {
  unsigned long total = 0;
  unsigned long resident = 0;
  if (FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%lu %lu", &total, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return static_cast<uint64_t>(resident) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

double percentile(std::vector<double> values, double p) {
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<size_t>(p * static_cast<double>(values.size()));
  return values[std::min(values.size() - 1, rank)];
}

ContainerId fill(Store& store, const std::string& name, uint64_t objects) {
  const ContainerInfo info = must(store.create_container(name), "create container");
  auto transaction = must(store.begin(info.id), "begin");
  Attributes attributes;
  FolderId folder;
  for (uint64_t i = 0; i < objects; ++i) {
    if (i % 1000 == 0) {
      Attributes of_folder;
      of_folder.mode = 040755;
      folder = must(transaction->create_folder(kRootFolder, fmt::format("d{:06}", i / 1000),
                                               of_folder),
                    "create folder");
    }
    auto content = must(transaction->write_content(), "write");
    must(content->append(fmt::format("content of object {} of {}\n", i, name)), "append");
    must(transaction->put_object(folder, fmt::format("f{:06}", i), attributes,
                                 std::move(content)),
         "put");
  }
  must(transaction->commit(), "commit");
  return info.id;
}

struct Row {
  uint64_t objects;
  double median_ms, p99_ms;
  double log_bytes, rest_bytes;
};

Row measure(const std::string& directory, const StoreOptions& options, uint64_t objects) {
  Row row{objects, 0, 0, 0, 0};
  std::unique_ptr<Store> store = must(Store::open(directory, options), "open");
  const std::string name = fmt::format("source-{}", objects);
  const ContainerId source = fill(*store, name, objects);
  must(store->checkpoint(), "checkpoint");
  CloneSpec spec;
  spec.source = source;
  std::vector<double> times;
  const uint64_t log_before = must(store->info(), "info").log_bytes_since_checkpoint;
  for (int i = 0; i < kTimed; ++i) {
    spec.new_container = fmt::format("timed-{}-{}", objects, i);
    const auto start = Clock::now();
    must(store->clone(spec), "clone");
    times.push_back(milliseconds_since(start));
  }
  const uint64_t log_after = must(store->info(), "info").log_bytes_since_checkpoint;
  row.median_ms = median(times);
  row.p99_ms = percentile(times, 0.99);
  row.log_bytes = static_cast<double>(log_after - log_before) / kTimed;
  must(store->close(), "close");
  store = nullptr;
  // Weighed in a life of their own: closed before and after, so that only what stays counts.
  const uint64_t before = allocated_bytes(directory);
  store = must(Store::open(directory, options), "open");
  for (int i = 0; i < kAtRest; ++i) {
    spec.new_container = fmt::format("weighed-{}-{:06}", objects, i);
    must(store->clone(spec), "clone");
  }
  must(store->close(), "close");
  row.rest_bytes = (static_cast<double>(allocated_bytes(directory)) -
                    static_cast<double>(before)) / kAtRest;
  return row;
}

// Reads every object of a container once; seconds.
double read_all(Store& store, ContainerId id) {
  const auto view = must(store.view(id), "view");
  std::vector<ObjectId> ids;
  must(view->objects([&](const ObjectInfo& info) {
    ids.push_back(info.id);
    return ids.size() < 100000;
  }),
       "objects");
  char buffer[256];
  const auto start = Clock::now();
  for (const ObjectId& object : ids) must(view->read(object, 0, buffer), "read");
  return milliseconds_since(start) / 1e3;
}

// A process of its own that opens the store and says what that took: "ms resident peak", in bytes.
int say_open(const std::string& directory) {
  StoreOptions options;
  options.env = io::default_env();
  const auto start = Clock::now();
  const auto store = must(Store::open(directory, options), "open");
  const double ms = milliseconds_since(start);
  fmt::print("{} {}\n", ms, resident_bytes());
  must(store->close(), "close");
  return 0;
}

struct Opened {
  double ms = 0;
  double resident_mib = 0;
};

// The median of some opens after a clean close, each by a new process.
Opened open_anew(const std::string& directory) {
  std::vector<double> times;
  std::vector<double> resident;
  for (int i = 0; i < 7; ++i) {
    const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
    FILE* pipe = ::popen(fmt::format("'{}' --open '{}'", self, directory).c_str(), "r");
    double ms = 0;
    unsigned long bytes = 0;
    if (pipe == nullptr || std::fscanf(pipe, "%lf %lu", &ms, &bytes) != 2) std::exit(1);
    ::pclose(pipe);
    times.push_back(ms);
    resident.push_back(static_cast<double>(bytes) / 1048576);
  }
  return {median(times), median(resident)};
}

struct CrashOpen {
  double ms = 0;
  uint64_t replayed = 0;
};

// A process makes clones of some container and kills itself; then the store is opened.
CrashOpen open_after_crash(const std::string& directory, const StoreOptions& options) {
  const pid_t child = ::fork();
  if (child == 0) {
    StoreOptions own = options;
    own.env = io::default_env();
    auto store = must(Store::open(directory, own), "open in the child");
    CloneSpec spec;
    must(store->containers({},
                           [&](const ContainerInfo& info) {
                             spec.source = info.id;
                             return false;
                           }),
         "containers");
    for (int i = 0; i < 20000; ++i) {
      spec.new_container = fmt::format("crash-{:06}", i);
      must(store->clone(spec), "clone in the child");
    }
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  const auto start = Clock::now();
  auto store = must(Store::open(directory, options), "open after a crash");
  CrashOpen result{milliseconds_since(start), must(store->info(), "info").replayed_commits};
  must(store->close(), "close");
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: clone_table DIRECTORY [objects=N,N,...] [clones=N] [chain=N]\n");
    return 2;
  }
  if (argc == 3 && std::string(argv[1]) == "--open") return say_open(argv[2]);
  const std::string directory = argv[1];
  std::vector<uint64_t> sizes{1000, 100000, 1000000};
  uint64_t clones = 100000;
  uint64_t chain = 1000;
  for (int i = 2; i < argc; ++i) {
    const std::string argument = argv[i];
    sizes = numbers(argument, "objects", sizes);
    clones = number(argument, "clones", clones);
    chain = number(argument, "chain", chain);
  }
  StoreOptions options;
  options.env = io::default_env();
  must(Store::create(directory, options), "create");

  fmt::print("| objects | clone, durable, median ms | p99 ms | new log bytes | bytes at rest |\n");
  fmt::print("| ---: | ---: | ---: | ---: | ---: |\n");
  std::string json = "{\"rows\":[";
  for (const uint64_t size : sizes) {
    const Row row = measure(directory, options, size);
    fmt::print("| {} | {:.3f} | {:.3f} | {:.0f} | {:.0f} |\n", row.objects, row.median_ms,
               row.p99_ms, row.log_bytes, row.rest_bytes);
    std::fflush(stdout);
    json += fmt::format("{}{{\"objects\":{},\"median_ms\":{:.4f},\"p99_ms\":{:.4f},"
                        "\"log_bytes\":{:.0f},\"rest_bytes\":{:.0f}}}",
                        json.back() == '[' ? "" : ",", row.objects, row.median_ms, row.p99_ms,
                        row.log_bytes, row.rest_bytes);
  }
  json += "]";

  // Many clones of the greatest container.
  const std::string great = fmt::format("source-{}", sizes.back());
  const uint64_t disk_before = allocated_bytes(directory);
  std::unique_ptr<Store> store = must(Store::open(directory, options), "open");
  const ContainerInfo source = must(store->container(great), "source");
  CloneSpec spec;
  spec.source = source.id;
  std::vector<ContainerId> ids;
  const uint64_t resident_before = resident_bytes();
  auto start = Clock::now();
  for (uint64_t i = 0; i < clones; ++i) {
    spec.new_container = fmt::format("many-{:08}", i);
    ids.push_back(must(store->clone(spec), "clone").container);
  }
  const double clone_seconds = milliseconds_since(start) / 1e3;
  must(store->checkpoint(), "checkpoint");
  const uint64_t resident_after = resident_bytes();
  must(store->close(), "close");
  store = nullptr;
  const double per_clone =
      clones == 0 ? 0
                  : (static_cast<double>(allocated_bytes(directory)) -
                     static_cast<double>(disk_before)) /
                        static_cast<double>(clones);
  const Opened opened = open_anew(directory);
  store = must(Store::open(directory, options), "open");
  fmt::print("\n{} clones of {} in {:.1f} s ({:.0f}/s, each synced): {:.0f} bytes of disk each at "
             "rest; resident memory {:.1f} -> {:.1f} MiB; a new process opens the store after a "
             "clean close in {:.2f} ms with {:.1f} MiB resident\n",
             clones, great, clone_seconds, static_cast<double>(clones) / clone_seconds, per_clone,
             static_cast<double>(resident_before) / 1048576,
             static_cast<double>(resident_after) / 1048576, opened.ms, opened.resident_mib);
  std::fflush(stdout);

  // A chain of clones of clones beside the original.
  ContainerId last = source.id;
  for (uint64_t i = 0; i < chain; ++i) {
    spec.source = last;
    spec.new_container = fmt::format("chain-{:06}", i);
    last = must(store->clone(spec), "clone").container;
  }
  std::vector<double> original_times;
  std::vector<double> chained_times;
  read_all(*store, source.id);
  read_all(*store, last);
  for (int i = 0; i < 7; ++i) {
    original_times.push_back(read_all(*store, source.id));
    chained_times.push_back(read_all(*store, last));
  }
  const double ratio = median(chained_times) / median(original_times);
  fmt::print("reading through a chain of {} clones of clones: {:.3f} x the original\n", chain,
             ratio);

  must(store->close(), "close");
  store = nullptr;
  const CrashOpen crash = open_after_crash(directory, options);
  fmt::print("open after a crash with {} clones in the store and {} commits behind the last "
             "checkpoint: {:.2f} ms\n",
             clones, crash.replayed, crash.ms);
  std::fflush(stdout);

  // The original first, then clones in random order; survivors stay readable.
  store = must(Store::open(directory, options), "open");
  must(store->drop_container(source.id), "drop the original");
  std::mt19937_64 random(42);
  std::shuffle(ids.begin(), ids.end(), random);
  const size_t survivors = std::min<size_t>(ids.size(), 100);
  const size_t dropped = ids.size() - survivors;
  double drop_seconds = 0;
  uint64_t checked = 0;
  constexpr size_t kStages = 10;
  for (size_t stage = 0, done = 0; stage < kStages; ++stage) {
    const size_t until = dropped * (stage + 1) / kStages;
    start = Clock::now();
    for (; done < until; ++done) must(store->drop_container(ids[done]), "drop");
    drop_seconds += milliseconds_since(start) / 1e3;
    must(store->checkpoint(), "checkpoint");
    // Every survivor opens; of some of them objects are read, here and there.
    const size_t step = std::max<size_t>(1, (ids.size() - done) / 200);
    for (size_t i = done; i < ids.size(); ++i) {
      const auto view = must(store->view(ids[i]), "view a survivor");
      if ((i - done) % step != 0) continue;
      for (uint64_t n = 0; n < 50; ++n) {
        const uint64_t object = random() % sizes.back();
        const auto entry = must(
            view->lookup(fmt::format("d{:06}/f{:06}", object / 1000, object)), "look up");
        char buffer[256];
        must(view->read(entry.object, 0, buffer), "read a survivor");
        ++checked;
      }
    }
  }
  if (survivors > 0) read_all(*store, ids.back());
  fmt::print("dropped the original and {} clones in random order ({:.3f} ms each, synced); after "
             "each tenth every survivor opened, {} objects of survivors read in all\n",
             dropped, dropped == 0 ? 0 : drop_seconds * 1e3 / static_cast<double>(dropped),
             checked);
  must(store->close(), "close");
  store = nullptr;
  json += fmt::format(",\"clones\":{},\"clones_per_second\":{:.0f},\"bytes_per_clone\":{:.0f},"
                      "\"resident_before\":{},\"resident_after\":{},\"open_ms\":{:.2f},"
                      "\"open_mib\":{:.1f},\"chain_ratio\":{:.4f},"
                      "\"crash_open_ms\":{:.2f},\"replayed\":{}}}",
                      clones, static_cast<double>(clones) / clone_seconds, per_clone,
                      resident_before, resident_after, opened.ms,
                      opened.resident_mib, ratio, crash.ms, crash.replayed);
  fmt::print("\n{}\n", json);
  return 0;
}
