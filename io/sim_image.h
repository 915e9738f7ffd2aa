// The bytes of one simulated file, sparse: what a reader would see, or what a disk holds.
// A value type: copies share their pages, which never change (a write replaces a page), so copies
// may be used on different threads; one object is not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>

#include "format/bytes.h"

namespace ramet::io {

inline constexpr uint64_t kSimSectorBytes = 512;  // what a disk writes as one
inline constexpr uint64_t kSimPageBytes = 4096;   // what a file allocates as one

// A set of page numbers as disjoint ranges.
class PageRanges {
 public:
  void add(uint64_t first, uint64_t end);
  void remove(uint64_t first, uint64_t end);
  bool contains(uint64_t page) const;
  // Pages in the set.
  uint64_t count() const { return count_; }
  // Adds what `other` has inside [first, end).
  void add_from(const PageRanges& other, uint64_t first, uint64_t end);

 private:
  std::map<uint64_t, uint64_t> ranges_;  // first -> end
  uint64_t count_ = 0;
};

class SimImage {
 public:
  uint64_t length() const { return length_; }
  // Bytes behind a smaller length are gone: they read as zeros if the file grows again.
  void set_length(uint64_t length);

  // Fills `into`, zeros where nothing was written; knows no end of file.
  void read(uint64_t offset, std::span<char> into) const;
  // Does not change the length.
  void write(uint64_t offset, ByteView data);
  // The range reads as zeros; whole pages in it are given back.
  void zero(uint64_t offset, uint64_t length);
  // Pages of the range that have no bytes yet are set aside for them.
  void reserve(uint64_t offset, uint64_t length);

  // Pages that hold bytes or are reserved.
  uint64_t allocated_pages() const { return pages_.size() + reserved_.count(); }
  // Pages that a write (or reserve) of the range would have to find room for.
  uint64_t pages_missing(uint64_t offset, uint64_t length) const;
  // The greatest part of [offset, offset + length) from its beginning that needs no more than
  // `pages` new pages.
  uint64_t prefix_that_fits(uint64_t offset, uint64_t length, uint64_t pages) const;

  // Makes pages [first, end) what they are in `from`.
  void copy_pages(const SimImage& from, uint64_t first, uint64_t end);
  // Makes the first `bytes` of the sector what they are in `from`.
  void copy_sector(const SimImage& from, uint64_t sector, uint64_t bytes = kSimSectorBytes);

 private:
  using Page = std::array<char, kSimPageBytes>;
  void write_in_page(uint64_t page, uint64_t begin, ByteView data);

  std::map<uint64_t, std::shared_ptr<const Page>> pages_;
  PageRanges reserved_;  // never holds a page of pages_
  uint64_t length_ = 0;
};

}  // namespace ramet::io
