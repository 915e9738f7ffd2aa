#include "io/source_tree.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "io/errno_error.h"
#include "io/source_read.h"
#include "io/source_walk.h"

namespace ramet::io {
namespace {

constexpr size_t kBatchItems = 32;
constexpr size_t kBatchesMax = 32;  // published and not taken
constexpr size_t kItemsTogether = 16;
constexpr unsigned kReadersMax = 16;
// While the source comes from a device: so many reads in flight.
constexpr unsigned kColdReadersMax = 32;

// What the walker hands over at a time. Not changed in shape once published.
struct Batch {
  struct Work {
    bool needed = false;   // a reader fills the item
    bool is_file = false;
  };
  std::vector<SourceItem> items;
  std::vector<Work> work;
  uint64_t first = 0;   // number of its first item in the whole order
  size_t ready = 0;     // items filled; guarded by the mutex
};

// "a/b" of "a/b/c"; "." or "/" where nothing is left.
std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string without_final_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// Blocks that the device had to deliver for it.
long blocks_read_by_this_thread() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_inblock;
}

}  // namespace

struct SourceTree::Impl {
  explicit Impl(const SourceOptions& wanted) : options(wanted) {}

  SourceOptions options;
  std::unique_ptr<SourceWalk> walk;  // null: one item that is not a folder
  std::string name;
  bool started = false;

  std::mutex mutex;
  std::condition_variable for_walker;
  std::condition_variable for_readers;
  std::condition_variable for_memory;
  std::condition_variable for_caller;
  // All below: guarded by the mutex.
  std::deque<std::unique_ptr<Batch>> batches;  // in order; the caller takes from the front
  size_t unread = 0;      // of these, the last ones, that no reader took yet
  uint64_t published = 0; // items
  uint64_t taken = 0;     // items that the caller is done with
  uint64_t reserved = 0;  // bytes
  size_t memory_waiters = 0;
  bool caller_waits = false;
  bool walked = false;    // no more batches will come
  bool stopping = false;
  unsigned readers = 0;          // that are at work
  std::vector<std::thread> threads;
  unsigned readers_asked = 0;    // before any more were needed
  std::unique_ptr<Batch> next_batch;  // the walker's own

  // The caller's own.
  size_t at = 0;               // index in the front batch of what next() gave last, plus 1

  void start();
  void stop();
  void walk_all();
  void add(WalkStep step);
  void add_item(SourceItem item, Batch::Work work);
  void publish();
  void wait_for_folders();
  void read_all();
  void add_reader();
  bool is_needed(bool waited_for_device);
  bool reserve(SourceItem& item, uint64_t number, uint64_t bytes);
  void finish_taken();
};

void SourceTree::Impl::start() {
  started = true;
  const std::lock_guard lock(mutex);
  readers_asked = options.threads;
  if (readers_asked == 0) readers_asked = std::max(2u, std::thread::hardware_concurrency());
  readers_asked = std::min(readers_asked, kReadersMax);
  if (walk != nullptr) threads.emplace_back([this] { walk_all(); });
  for (unsigned i = 0; i < readers_asked; ++i) add_reader();
}

// Requires: the mutex is held, nobody is stopping.
void SourceTree::Impl::add_reader() {
  ++readers;
  threads.emplace_back([this] { read_all(); });
}

// Of a reader that is done with a batch; the others of those that were asked for stay. One that
// had to wait for the device calls another one, so that more reads are in flight; when all comes
// from the cache they go again: threads that compute are as many as asked for. Requires: the mutex
// is held.
bool SourceTree::Impl::is_needed(bool waited_for_device) {
  if (stopping) return false;
  const bool may_grow = options.threads == 0 && unread > 0 && readers < kColdReadersMax;
  if (waited_for_device && may_grow) add_reader();
  return waited_for_device || readers <= readers_asked;
}

void SourceTree::Impl::stop() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  for (auto* condition : {&for_walker, &for_readers, &for_memory, &for_caller}) {
    condition->notify_all();
  }
  for (std::thread& thread : threads) thread.join();
}

void SourceTree::Impl::walk_all() {
  WalkStep step;
  for (;;) {
    wait_for_folders();
    {
      const std::lock_guard lock(mutex);
      if (stopping) break;
    }
    // A batch of names between two looks at the rest of the world.
    bool more = true;
    for (size_t i = 0; i < kBatchItems && more; ++i) {
      more = walk->next(&step);
      if (more) add(std::move(step));
    }
    if (!more) break;
  }
  publish();
  const std::lock_guard lock(mutex);
  walked = true;
  for_caller.notify_all();
  for_readers.notify_all();
}

void SourceTree::Impl::add(WalkStep step) {
  SourceItem item;
  item.name = std::move(step.name);
  item.notes = std::move(step.notes);
  Batch::Work work;
  switch (step.kind) {
    case WalkStep::Kind::kEnter:
      item.kind = SourceKind::kFolder;
      item.attributes = std::move(step.state.attributes);
      item.attributes.xattrs = std::move(step.xattrs);
      item.identity = step.state.identity;
      if (step.state.time_clamped) {
        item.notes.push_back("its time of modification lies outside the years 1677 to 2262");
      }
      break;
    case WalkStep::Kind::kLeave: item.kind = SourceKind::kFolderEnd; break;
    case WalkStep::Kind::kProblem: item.kind = SourceKind::kProblem; break;
    case WalkStep::Kind::kName:
      item.folder = std::move(step.folder);
      work = {true, step.is_file};
      break;
  }
  add_item(std::move(item), work);
}

void SourceTree::Impl::add_item(SourceItem item, Batch::Work work) {
  if (next_batch == nullptr) next_batch = std::make_unique<Batch>();
  next_batch->items.push_back(std::move(item));
  next_batch->work.push_back(work);
  if (next_batch->items.size() >= kBatchItems) publish();
}

void SourceTree::Impl::publish() {
  if (next_batch == nullptr) return;
  std::unique_lock lock(mutex);
  for_walker.wait(lock, [&] { return stopping || batches.size() < kBatchesMax; });
  if (stopping) return;
  next_batch->first = published;
  published += next_batch->items.size();
  batches.push_back(std::move(next_batch));
  ++unread;
  for_readers.notify_one();
}

// Items keep their folders open until they are read: not too many at a time.
void SourceTree::Impl::wait_for_folders() {
  if (walk->open_folders() <= options.open_folders_max) return;
  publish();
  std::unique_lock lock(mutex);
  for_walker.wait(lock, [&] {
    return stopping || batches.empty() || walk->open_folders() <= options.open_folders_max;
  });
}

void SourceTree::Impl::read_all() {
  long blocks_read = blocks_read_by_this_thread();
  std::unique_lock lock(mutex);
  for (;;) {
    for_readers.wait(lock, [&] { return stopping || unread > 0 || walked; });
    if (stopping || unread == 0) break;
    Batch& batch = *batches[batches.size() - unread];
    --unread;
    // What costs next to nothing is handed over with what follows. (But before anything waits for
    // memory, which only the caller can give back.) With its last item the batch may be gone.
    const size_t count = batch.items.size();
    size_t done = 0;
    const auto hand_over = [&] {
      if (done == 0) return;
      batch.ready += std::exchange(done, 0);
      if (caller_waits && &batch == batches.front().get()) for_caller.notify_one();
    };
    lock.unlock();
    for (size_t i = 0; i < count; ++i) {
      SourceItem& item = batch.items[i];
      if (batch.work[i].needed) {
        read_item(options, item, batch.work[i].is_file, [&](uint64_t bytes) {
          if (done > 0) {
            const std::lock_guard relock(mutex);
            hand_over();
          }
          return reserve(item, batch.first + i, bytes);
        });
      }
      ++done;
      if (item.reserved_bytes == 0 && done < kItemsTogether) continue;
      const std::lock_guard relock(mutex);
      hand_over();
      if (stopping) break;
    }
    const long blocks_before = std::exchange(blocks_read, blocks_read_by_this_thread());
    const bool waited = options.waited_for_device ? options.waited_for_device()
                                                  : blocks_read > blocks_before;
    lock.lock();
    hand_over();
    for_walker.notify_one();  // folders may have been closed
    if (!is_needed(waited)) break;
  }
  --readers;
}

// The item that the caller needs next always gets its memory, so that the rest behind it, which
// may hold all of it, can't keep it from being read.
bool SourceTree::Impl::reserve(SourceItem& item, uint64_t number, uint64_t bytes) {
  if (bytes <= item.reserved_bytes) return true;
  const uint64_t more = bytes - item.reserved_bytes;
  std::unique_lock lock(mutex);
  ++memory_waiters;
  for_memory.wait(lock, [&] {
    return stopping || reserved + more <= options.read_ahead_bytes || number == taken;
  });
  --memory_waiters;
  if (stopping) return false;
  reserved += more;
  item.reserved_bytes = bytes;
  return true;
}

// Requires: the mutex is held.
void SourceTree::Impl::finish_taken() {
  if (at == 0) return;
  Batch& batch = *batches.front();
  SourceItem& item = batch.items[at - 1];
  reserved -= item.reserved_bytes;
  item = SourceItem();
  ++taken;
  if (memory_waiters > 0) for_memory.notify_all();
  if (at < batch.items.size()) return;
  batches.pop_front();
  at = 0;
  for_walker.notify_one();
}

SourceTree::SourceTree(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SourceTree::~SourceTree() { impl_->stop(); }

Result<std::unique_ptr<SourceTree>> SourceTree::open(const std::string& path,
                                                     const SourceOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  impl->name = name_of(without_final_slashes(path));
  UnixFd folder = open_without_traces(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY);
  if (folder.valid()) {
    SourceWalk::Limits limits;
    limits.names_bytes_max = options.names_bytes_max;
    limits.xattrs = options.xattrs;
    limits.xattr_bytes_max = options.xattr_bytes_max;
    impl->walk = std::make_unique<SourceWalk>(std::move(folder), limits);
    return std::unique_ptr<SourceTree>(new SourceTree(std::move(impl)));
  }
  if (errno != ENOTDIR) return errno_error(errno, path, "open");
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return errno_error(errno, path, "open");
  const std::string real(resolved);
  ::free(resolved);
  UnixFd parent(::open(parent_of(real).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!parent.valid()) return errno_error(errno, parent_of(real), "open");
  SourceItem item;
  item.name = name_of(real);
  item.folder = std::make_shared<SourceFolder>(std::move(parent), FileIdentity{},
                                               std::make_shared<std::atomic<size_t>>(0));
  impl->add_item(std::move(item), {true, true});
  impl->publish();
  impl->walked = true;
  return std::unique_ptr<SourceTree>(new SourceTree(std::move(impl)));
}

bool SourceTree::is_folder() const { return impl_->walk != nullptr; }

const std::string& SourceTree::name() const { return impl_->name; }

SourceItem* SourceTree::next() {
  Impl& impl = *impl_;
  if (!impl.started) impl.start();
  std::unique_lock lock(impl.mutex);
  impl.finish_taken();
  impl.caller_waits = true;
  impl.for_caller.wait(lock, [&] {
    if (impl.batches.empty()) return impl.walked;
    return impl.batches.front()->ready > impl.at;
  });
  impl.caller_waits = false;
  if (impl.batches.empty()) return nullptr;
  return &impl.batches.front()->items[impl.at++];
}

Result<SourceTree::Outcome> SourceTree::stream(SourceItem& item, int attempt, StreamSink& sink) {
  return stream_file(impl_->options, item, attempt, sink);
}

bool measure_source(const std::string& path, const std::atomic<bool>& stop, uint64_t* files,
                    uint64_t* bytes) {
  UnixFd root = open_without_traces(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY);
  if (!root.valid()) return false;
  SourceWalk walk(std::move(root), SourceWalk::Limits{});
  WalkStep step;
  while (!stop && walk.next(&step)) {
    if (step.kind != WalkStep::Kind::kName || !step.is_file) continue;
    FileState state;
    if (read_state(step.folder->fd(), step.name.c_str(), &state) != 0) continue;
    ++*files;
    *bytes += state.size;
  }
  return !stop;
}

}  // namespace ramet::io
