// Small objects: what a put, a get and a listing cost, beside what the machine gives in the same
// run (fdatasync of 4 KiB; direct reads of 4 KiB through a ring), in alternating rounds. Prints a
// page of Markdown.
//   object_table DIRECTORY [rounds=5] [objects=1000000] [seconds=2] [writers=64] [cache=64]
// DIRECTORY is made and removed. A process of its own for what must be measured cold.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <fstream>
#include <functional>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "bench/table_support.h"
#include "io/env.h"

namespace ramet::bench {
namespace {

struct Options {
  std::string directory;
  uint64_t rounds = 5;
  uint64_t objects = 1'000'000;
  uint64_t seconds = 2;
  uint64_t writers = 64;
  uint64_t cache = 64;  // MiB for nodes
  double milliseconds() const { return 1000.0 * static_cast<double>(seconds); }
};

constexpr uint64_t kPerFolder = 1000;
constexpr size_t kObjectBytes = 4096;

std::string folder_name(uint64_t i) { return fmt::format("d{:05}", i); }
std::string object_name(uint64_t i) { return fmt::format("f{:08}", i); }

// Content that is no other object's.
std::string content_of(uint64_t i) {
  std::mt19937_64 random(i);
  std::string bytes(kObjectBytes, '\0');
  for (size_t at = 0; at < bytes.size(); at += 8) store(bytes.data() + at, uint64_t{random()});
  return bytes;
}

std::unique_ptr<Store> open_store(const std::string& path, const Options& options) {
  StoreOptions store;
  store.env = io::default_env();
  store.node_cache_bytes = options.cache << 20;
  return must(Store::open(path, store), "open");
}

// --- writing -------------------------------------------------------------------------------------

// fdatasync of 4 KiB more of a file, one after the other: times a second.
double fdatasync_rate(const Options& options) {
  const std::string path = options.directory + "/sync";
  const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
  const std::string bytes(kObjectBytes, 'x');
  const auto begun = Clock::now();
  uint64_t done = 0;
  while (milliseconds_since(begun) < options.milliseconds()) {
    if (::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(done * kObjectBytes)) < 0 ||
        ::fdatasync(fd) != 0) {
      std::exit(1);
    }
    ++done;
  }
  const double rate = static_cast<double>(done) / milliseconds_since(begun) * 1000;
  ::close(fd);
  return rate;
}

// Each put is a commit of its own, durable when it returns; each writer has its container.
double put_rate(const Options& options, Store& store, uint64_t writers, uint64_t* next_name) {
  std::vector<ContainerId> containers;
  for (uint64_t i = 0; i < writers; ++i) {
    containers.push_back(must(store.create_container(fmt::format("w{}", (*next_name)++)),
                              "container").id);
  }
  std::atomic<uint64_t> done{0};
  const uint64_t begin = (*next_name += 1) * 100'000'000;
  std::vector<std::thread> threads;
  const auto begun = Clock::now();
  for (uint64_t w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      std::string bytes = content_of(begin + w);
      for (uint64_t i = 0; milliseconds_since(begun) < options.milliseconds(); ++i) {
        ramet::store(bytes.data(), i);
        auto transaction = must(store.begin(containers[w]), "begin");
        put(*transaction, kRootFolder, object_name(i), bytes);
        must(transaction->commit(), "commit");
        ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return static_cast<double>(done) / milliseconds_since(begun) * 1000;
}

// So many puts at once, each of which is followed by the next one of its container when it is
// durable: as a server does it, by two threads, and nobody waits for a commit.
class Puts {
 public:
  Puts(const Options& options, Store& store, uint64_t* next_name)
      : options_(options), store_(store) {
    for (uint64_t i = 0; i < options.writers; ++i) {
      const auto name = fmt::format("w{}", (*next_name)++);
      const uint64_t begin = (*next_name += 1) * 100'000'000;
      chains_.push_back({must(store.create_container(name), "container").id, content_of(begin), 0});
      ready_.push_back(i);
    }
  }

  double rate() {
    begun_ = Clock::now();
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) threads.emplace_back([this] { work(); });
    for (std::thread& thread : threads) thread.join();
    return static_cast<double>(done_) / milliseconds_since(begun_) * 1000;
  }

 private:
  struct Chain {
    ContainerId container;
    std::string bytes;
    uint64_t count;
  };

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return !ready_.empty() || ended_ == chains_.size(); });
      if (ready_.empty()) return;
      Chain& chain = chains_[ready_.front()];
      const uint64_t number = ready_.front();
      ready_.pop_front();
      if (milliseconds_since(begun_) >= options_.milliseconds()) {
        if (++ended_ == chains_.size()) changed_.notify_all();
        continue;
      }
      lock.unlock();
      ramet::store(chain.bytes.data(), chain.count);
      auto transaction = must(store_.begin(chain.container), "begin");
      put(*transaction, kRootFolder, object_name(chain.count++), chain.bytes);
      store_.commit_async(std::move(transaction), [this, number](Result<Sequence> committed) {
        must(std::move(committed), "commit");
        ++done_;
        const std::lock_guard ready_lock(mutex_);
        ready_.push_back(number);
        changed_.notify_one();
      });
      lock.lock();
    }
  }

  const Options& options_;
  Store& store_;
  Clock::time_point begun_;
  std::atomic<uint64_t> done_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_:
  std::vector<Chain> chains_;
  std::deque<uint64_t> ready_;
  uint64_t ended_ = 0;
};

// --- reading -------------------------------------------------------------------------------------

void fill(Store& store, const Options& options, const std::string& name) {
  const ContainerId id = must(store.create_container(name), "container").id;
  for (uint64_t i = 0; i < options.objects;) {
    auto transaction = must(store.begin(id), "begin");
    const uint64_t end = std::min(options.objects, i + 100 * kPerFolder);
    while (i < end) {
      const FolderId folder = must(transaction->create_folder(kRootFolder,
                                                              folder_name(i / kPerFolder), {}),
                                   "folder");
      for (const uint64_t stop = std::min(end, i + kPerFolder); i < stop; ++i) {
        put(*transaction, folder, object_name(i), content_of(i));
      }
    }
    must(transaction->commit(), "commit");
  }
}

std::vector<ObjectId> ids_of(const View& view) {
  std::vector<ObjectId> ids;
  must(view.objects([&](const ObjectInfo& info) {
    ids.push_back(info.id);
    return true;
  }), "objects");
  return ids;
}

// Random objects of those, by id, on so many threads: a second.
double get_rate(const Options& options, const View& view, std::span<const ObjectId> ids,
                unsigned threads_count, uint64_t seed) {
  std::atomic<uint64_t> done{0};
  std::vector<std::thread> threads;
  const auto begun = Clock::now();
  for (unsigned t = 0; t < threads_count; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(seed * 1000 + t);
      std::string into(kObjectBytes, '\0');
      uint64_t mine = 0;
      while (milliseconds_since(begun) < options.milliseconds()) {
        for (int i = 0; i < 16; ++i, ++mine) {
          const auto got = view.read(ids[random() % ids.size()], 0, into);
          if (!got.ok() || *got != kObjectBytes) std::exit(1);
        }
      }
      done += mine;
    });
  }
  for (std::thread& thread : threads) thread.join();
  return static_cast<double>(done) / milliseconds_since(begun) * 1000;
}

// All names of all folders, with what each leads to: a second.
double list_rate(const View& view) {
  uint64_t seen = 0;
  const auto begun = Clock::now();
  must(view.list(kRootFolder, {}, [&](const Entry& folder) {
    must(view.list(folder.folder, {}, [&](const Entry&) {
      ++seen;
      return true;
    }), "list");
    return true;
  }), "list");
  return static_cast<double>(seen) / milliseconds_since(begun) * 1000;
}

void drop_page_cache() {
  ::sync();
  if (std::FILE* file = std::fopen("/proc/sys/vm/drop_caches", "w")) {
    std::fputs("3", file);
    std::fclose(file);
  }
}

double fio_rate(const Options& options) {
  const std::string command = fmt::format(
      "fio --name=r --filename={}/fio --rw=randread --bs=4k --size=1G --direct=1 "
      "--ioengine=io_uring --iodepth=64 --runtime={} --time_based --output-format=terse "
      "2>/dev/null | cut -d';' -f8", options.directory, options.seconds);
  double rate = 0;
  if (std::FILE* pipe = ::popen(command.c_str(), "r")) {
    if (std::fscanf(pipe, "%lf", &rate) != 1) rate = 0;
    ::pclose(pipe);
  }
  return rate;
}

// (getrusage's maximum is that of whoever started this program, if that was more.)
uint64_t resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::strtoull(line.c_str() + 6, nullptr, 10) << 10;
  }
  return 0;
}

void row(const char* what, const std::vector<double>& ours, const std::vector<double>& theirs) {
  fmt::print("| {} | {:.0f} | {:.0f} | {:.0f} |", what, median(ours),
             *std::min_element(ours.begin(), ours.end()),
             *std::max_element(ours.begin(), ours.end()));
  if (theirs.empty()) {
    fmt::print(" | |\n");
    return;
  }
  std::vector<double> ratios;
  for (size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / theirs[i]);
  fmt::print(" {:.0f} | {:.2f} |\n", median(theirs), median(ratios));
}

void run(const Options& options) {
  if (::mkdir(options.directory.c_str(), 0700) != 0) {
    fmt::print(stderr, "cannot make {}\n", options.directory);
    std::exit(1);
  }
  const std::string path = options.directory + "/store";
  StoreOptions made;
  made.env = io::default_env();
  must(Store::create(path, made), "create");
  auto store = open_store(path, options);
  fmt::print("| a second | median | least | most | beside | ratio |\n"
             "| --- | --- | --- | --- | --- | --- |\n");
  std::vector<double> one;
  std::vector<double> many;
  std::vector<double> at_once;
  std::vector<double> sync;
  uint64_t next_name = 0;
  for (uint64_t round = 0; round < options.rounds; ++round) {
    sync.push_back(fdatasync_rate(options));
    one.push_back(put_rate(options, *store, 1, &next_name));
    many.push_back(put_rate(options, *store, options.writers, &next_name));
    at_once.push_back(Puts(options, *store, &next_name).rate());
  }
  row("put of 4 KiB, durable, 1 writer; beside: 4 KiB and fdatasync", one, sync);
  row("put of 4 KiB, durable, many threads that wait", many, {});
  row("put of 4 KiB, durable, as many at once, commit_async()", at_once, {});

  fill(*store, options, "objects");
  must(store->close(), "close");
  store = open_store(path, options);
  std::vector<double> cold;
  std::vector<double> fio;
  std::vector<double> cached;
  std::vector<double> cached_two;
  std::vector<double> listed;
  ContainerInfo info = must(store->container("objects"), "container");
  for (uint64_t round = 0; round < options.rounds; ++round) {
    fio.push_back(fio_rate(options));
    drop_page_cache();
    store = nullptr;
    store = open_store(path, options);
    auto view = must(store->view(info.id), "view");
    const auto ids = ids_of(*view);
    cold.push_back(get_rate(options, *view, ids, 64, round));
  }
  row("get of 4 KiB, random, blocks cold, 64 threads; beside: fio randread", cold, fio);
  auto view = must(store->view(info.id), "view");
  auto ids = ids_of(*view);
  // What fits into the caches: a tenth of them.
  std::shuffle(ids.begin(), ids.end(), std::mt19937_64(1));
  const auto hot = std::span<const ObjectId>(ids).first(std::min<size_t>(ids.size(), 10'000));
  get_rate(options, *view, hot, 2, 0);
  for (uint64_t round = 0; round < options.rounds; ++round) {
    cached.push_back(get_rate(options, *view, hot, 1, round));
    cached_two.push_back(get_rate(options, *view, hot, 2, round));
    listed.push_back(list_rate(*view));
  }
  row("get of 4 KiB, random, cached, 1 thread", cached, {});
  row("get of 4 KiB, random, cached, 2 threads", cached_two, {});
  row("names listed, cached", listed, {});
  fmt::print("\n(resident at most: {} MiB)\n", resident_bytes() >> 20);
  view = nullptr;
  must(store->close(), "close");
  store = nullptr;
  std::filesystem::remove_all(options.directory);
}

}  // namespace
}  // namespace ramet::bench

int main(int argc, char** argv) {
  using ramet::bench::number;
  if (argc < 2) {
    fmt::print(stderr,
               "usage: object_table DIRECTORY [rounds=5] [objects=1000000] [seconds=2] "
               "[writers=64] [cache=64]\n");
    return 2;
  }
  ramet::bench::Options options;
  options.directory = argv[1];
  for (int i = 2; i < argc; ++i) {
    options.rounds = number(argv[i], "rounds", options.rounds);
    options.objects = number(argv[i], "objects", options.objects);
    options.seconds = number(argv[i], "seconds", options.seconds);
    options.writers = number(argv[i], "writers", options.writers);
    options.cache = number(argv[i], "cache", options.cache);
  }
  ramet::bench::run(options);
  return 0;
}
