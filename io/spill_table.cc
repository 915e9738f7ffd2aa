#include "io/spill_table.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "format/check.h"
#include "io/unix_fd.h"

namespace ramet::io {
namespace {

constexpr size_t kFirstCapacity = 1024;

std::string spill_directory(std::string wanted) {
  if (!wanted.empty()) return wanted;
  const char* tmp = ::getenv("TMPDIR");
  return tmp != nullptr && *tmp != '\0' ? tmp : "/var/tmp";
}

// Zeroed pages of a file without a name; null if there can be none. The space is taken at once:
// a full disk shows here, not as a signal when a page is touched.
void* map_file(const std::string& directory, size_t bytes) {
  const UnixFd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd.valid() || ::posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes)) != 0) {
    return nullptr;
  }
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  return at == MAP_FAILED ? nullptr : at;
}

void* map_memory(size_t bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  RAMET_CHECK(at != MAP_FAILED, "out of memory");
  return at;
}

}  // namespace

SpillTable::SpillTable(size_t memory_max, std::string directory)
    : memory_max_(memory_max), directory_(spill_directory(std::move(directory))) {}

SpillTable::~SpillTable() {
  if (entries_ != nullptr) ::munmap(entries_, capacity_ * sizeof(Entry));
}

size_t SpillTable::place_of(const Key& key) const {
  uint64_t mixed = (key[0] * 0x9E3779B97F4A7C15ull) ^ key[1];
  mixed = (mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93ull;
  mixed = (mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93ull;
  return (mixed ^ (mixed >> 32)) & (capacity_ - 1);
}

SpillTable::Entry* SpillTable::find(const Key& key) {
  if (size_ == 0) return nullptr;
  for (size_t at = place_of(key); entries_[at].uses != 0; at = (at + 1) & (capacity_ - 1)) {
    if (entries_[at].key == key) return &entries_[at];
  }
  return nullptr;
}

void SpillTable::insert(const Entry& entry) {
  RAMET_CHECK(entry.uses > 0, "an entry without uses is an empty place");
  if (size_ + 1 > capacity_ / 4 * 3) grow();
  place(entry);
  ++size_;
}

void SpillTable::place(const Entry& entry) {
  size_t at = place_of(entry.key);
  while (entries_[at].uses != 0) at = (at + 1) & (capacity_ - 1);
  entries_[at] = entry;
}

void SpillTable::erase(Entry* entry) {
  const size_t mask = capacity_ - 1;
  size_t hole = static_cast<size_t>(entry - entries_);
  for (size_t at = (hole + 1) & mask; entries_[at].uses != 0; at = (at + 1) & mask) {
    const size_t wanted = place_of(entries_[at].key);
    // It may fill the hole unless it would then lie before the place where its search begins.
    if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
    entries_[hole] = entries_[at];
    hole = at;
  }
  entries_[hole] = Entry{};
  --size_;
}

void SpillTable::grow() {
  Entry* old = entries_;
  const size_t old_capacity = capacity_;
  capacity_ = old_capacity == 0 ? kFirstCapacity : old_capacity * 2;
  const size_t bytes = capacity_ * sizeof(Entry);
  void* at = bytes > memory_max_ ? map_file(directory_, bytes) : nullptr;
  spilled_ = at != nullptr;
  entries_ = static_cast<Entry*>(at != nullptr ? at : map_memory(bytes));
  for (size_t i = 0; i < old_capacity; ++i) {
    if (old[i].uses != 0) place(old[i]);
  }
  if (old != nullptr) ::munmap(old, old_capacity * sizeof(Entry));
}

}  // namespace ramet::io
