#include "io/sim_image.h"

#include <algorithm>
#include <cstring>

namespace ramet::io {

void PageRanges::add(uint64_t first, uint64_t end) {
  if (first >= end) return;
  remove(first, end);
  count_ += end - first;
  auto next = ranges_.lower_bound(end);
  if (next != ranges_.end() && next->first == end) {
    end = next->second;
    ranges_.erase(next);
  }
  auto before = ranges_.lower_bound(first);
  if (before != ranges_.begin() && std::prev(before)->second == first) {
    std::prev(before)->second = end;
  } else {
    ranges_.emplace(first, end);
  }
}

void PageRanges::remove(uint64_t first, uint64_t end) {
  auto it = ranges_.upper_bound(first);
  if (it != ranges_.begin()) --it;
  while (it != ranges_.end() && it->first < end) {
    const auto [begin, stop] = *it;
    if (stop <= first) {
      ++it;
      continue;
    }
    it = ranges_.erase(it);
    count_ -= std::min(stop, end) - std::max(begin, first);
    if (begin < first) ranges_.emplace(begin, first);
    if (stop > end) ranges_.emplace(end, stop);
  }
}

bool PageRanges::contains(uint64_t page) const {
  const auto it = ranges_.upper_bound(page);
  return it != ranges_.begin() && std::prev(it)->second > page;
}

void PageRanges::add_from(const PageRanges& other, uint64_t first, uint64_t end) {
  auto it = other.ranges_.upper_bound(first);
  if (it != other.ranges_.begin()) --it;
  for (; it != other.ranges_.end() && it->first < end; ++it) {
    add(std::max(it->first, first), std::min(it->second, end));
  }
}

void SimImage::set_length(uint64_t length) {
  if (length < length_) zero(length, length_ - length);
  length_ = length;
}

void SimImage::read(uint64_t offset, std::span<char> into) const {
  size_t done = 0;
  while (done < into.size()) {
    const uint64_t position = offset + done;
    const uint64_t begin = position % kSimPageBytes;
    const size_t count = std::min<size_t>(kSimPageBytes - begin, into.size() - done);
    const auto page = pages_.find(position / kSimPageBytes);
    if (page == pages_.end()) {
      std::memset(into.data() + done, 0, count);
    } else {
      std::memcpy(into.data() + done, page->second->data() + begin, count);
    }
    done += count;
  }
}

void SimImage::write_in_page(uint64_t number, uint64_t begin, ByteView data) {
  auto& page = pages_[number];
  auto fresh = page == nullptr ? std::make_shared<Page>() : std::make_shared<Page>(*page);
  std::memcpy(fresh->data() + begin, data.data(), data.size());
  if (page == nullptr) reserved_.remove(number, number + 1);
  page = std::move(fresh);
}

void SimImage::write(uint64_t offset, ByteView data) {
  while (!data.empty()) {
    const uint64_t begin = offset % kSimPageBytes;
    const size_t count = std::min<size_t>(kSimPageBytes - begin, data.size());
    write_in_page(offset / kSimPageBytes, begin, data.substr(0, count));
    data.remove_prefix(count);
    offset += count;
  }
}

void SimImage::zero(uint64_t offset, uint64_t length) {
  const uint64_t end = offset + length;
  const uint64_t first_whole = align_up(offset, kSimPageBytes) / kSimPageBytes;
  const uint64_t end_whole = end / kSimPageBytes;
  if (first_whole < end_whole) {
    pages_.erase(pages_.lower_bound(first_whole), pages_.lower_bound(end_whole));
    reserved_.remove(first_whole, end_whole);
  }
  const auto zero_part = [&](uint64_t begin, uint64_t stop) {
    const uint64_t page = begin / kSimPageBytes;
    if (begin >= stop || !pages_.contains(page)) return;
    write_in_page(page, begin % kSimPageBytes, Bytes(stop - begin, '\0'));
  };
  const uint64_t head_end = std::min(end, first_whole * kSimPageBytes);
  zero_part(offset, head_end);
  zero_part(std::max(head_end, end_whole * kSimPageBytes), end);
}

void SimImage::reserve(uint64_t offset, uint64_t length) {
  if (length == 0) return;
  uint64_t first = offset / kSimPageBytes;
  const uint64_t end = align_up(offset + length, kSimPageBytes) / kSimPageBytes;
  for (auto it = pages_.lower_bound(first); it != pages_.end() && it->first < end; ++it) {
    reserved_.add(first, it->first);
    first = it->first + 1;
  }
  reserved_.add(first, end);
}

uint64_t SimImage::pages_missing(uint64_t offset, uint64_t length) const {
  if (length == 0) return 0;
  const uint64_t first = offset / kSimPageBytes;
  const uint64_t end = align_up(offset + length, kSimPageBytes) / kSimPageBytes;
  PageRanges missing;
  missing.add(first, end);
  for (auto it = pages_.lower_bound(first); it != pages_.end() && it->first < end; ++it) {
    missing.remove(it->first, it->first + 1);
  }
  PageRanges set_aside;
  set_aside.add_from(reserved_, first, end);
  return missing.count() - set_aside.count();
}

uint64_t SimImage::prefix_that_fits(uint64_t offset, uint64_t length, uint64_t pages) const {
  for (uint64_t position = offset; position < offset + length;) {
    const uint64_t page = position / kSimPageBytes;
    if (!pages_.contains(page) && !reserved_.contains(page)) {
      if (pages == 0) return position - offset;
      --pages;
    }
    position = (page + 1) * kSimPageBytes;
  }
  return length;
}

void SimImage::copy_pages(const SimImage& from, uint64_t first, uint64_t end) {
  pages_.erase(pages_.lower_bound(first), pages_.lower_bound(end));
  reserved_.remove(first, end);
  pages_.insert(from.pages_.lower_bound(first), from.pages_.lower_bound(end));
  reserved_.add_from(from.reserved_, first, end);
}

void SimImage::copy_sector(const SimImage& from, uint64_t sector, uint64_t bytes) {
  std::array<char, kSimSectorBytes> content;
  const uint64_t offset = sector * kSimSectorBytes;
  from.read(offset, content);
  const uint64_t page = offset / kSimPageBytes;
  if (!from.pages_.contains(page) && !pages_.contains(page)) return;  // zeros already
  write(offset, ByteView(content.data(), bytes));
}

}  // namespace ramet::io
