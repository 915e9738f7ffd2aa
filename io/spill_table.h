// SpillTable: a hash table of small fixed entries that never takes more than a bounded amount of
// memory: once it is greater, it lives in an unlinked temporary file that is mapped, so that the
// kernel keeps of it what fits. For what must be remembered of a whole tree while it is copied.
//
// Open addressing with linear probing; erasing shifts the entries behind back (Knuth, TAOCP 3,
// 6.4, algorithm R), so that lookups stay short however many come and go. Not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace ramet::io {

class SpillTable {
 public:
  using Key = std::array<uint64_t, 2>;
  struct Entry {
    Key key{};
    std::array<uint64_t, 3> value{};
    uint64_t uses = 0;  // for the owner of the table; 0: an empty place
  };

  // From `memory_max` bytes on it moves to a file in `directory` (empty: $TMPDIR, else /var/tmp).
  // Where no such file can be made it stays in memory.
  explicit SpillTable(size_t memory_max = 32u << 20, std::string directory = {});
  ~SpillTable();
  SpillTable(const SpillTable&) = delete;
  SpillTable& operator=(const SpillTable&) = delete;

  // Null if it isn't there. Valid until the next change.
  Entry* find(const Key& key);
  // Requires: the key isn't there; entry.uses > 0.
  void insert(const Entry& entry);
  // Requires: from find().
  void erase(Entry* entry);

  size_t size() const { return size_; }
  bool is_spilled() const { return spilled_; }

 private:
  size_t place_of(const Key& key) const;
  void grow();
  void place(const Entry& entry);

  const size_t memory_max_;
  const std::string directory_;
  Entry* entries_ = nullptr;  // mapped
  size_t capacity_ = 0;       // a power of two, or 0
  size_t size_ = 0;
  bool spilled_ = false;
};

}  // namespace ramet::io
