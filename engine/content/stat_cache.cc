#include "engine/content/stat_cache.h"

#include <array>
#include <cstring>

#include "format/bytes.h"
#include "format/features.h"

namespace ramet::engine {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kPagesMin = 64;
constexpr uint64_t kPagesMax = uint64_t{1} << 20;  // 4 GiB, some 20 million files
// A file of up to so many bytes is held in memory: some 300,000 files.
constexpr uint64_t kImageBytesMax = 64u << 20;
// An entry that is used is written again when its run is so old.
constexpr uint32_t kRunsBetween = 8;

// As they stand in the file (little-endian machines only, as format/bytes.h has it).
struct StoredEntry {
  FileStamp stamp;
  KnownFile known;
  uint32_t run = 0;
  uint32_t reserved = 0;
  uint64_t checksum = 0;  // of all before it; an entry with another one is an empty place

  uint64_t sum() const {
    return xxh3(ByteView(reinterpret_cast<const char*>(this), offsetof(StoredEntry, checksum)));
  }
  bool is_there() const { return run != 0 && checksum == sum(); }
};
static_assert(sizeof(StoredEntry) == 104);

struct StoredHeader {
  FileHeader file;
  uint32_t entry_bytes = sizeof(StoredEntry);
  uint32_t run = 0;
  uint64_t pages = 0;
  uint64_t entries = 0;
  uint64_t checksum = 0;

  uint64_t sum() const {
    return xxh3(ByteView(reinterpret_cast<const char*>(this), offsetof(StoredHeader, checksum)));
  }
};
static_assert(sizeof(StoredHeader) == 72);

constexpr size_t kPerPage = kPageBytes / sizeof(StoredEntry);

template <typename T>
ByteView bytes_of(const T& value) {
  return ByteView(reinterpret_cast<const char*>(&value), sizeof(T));
}

uint64_t offset_of(uint64_t page) { return (1 + page) * kPageBytes; }

uint64_t hash_of(const FileStamp& stamp) {
  const std::array<uint64_t, 2> key{stamp.device, stamp.inode};
  return xxh3(bytes_of(key));
}

bool is_same_file(const FileStamp& a, const FileStamp& b) {
  return a.device == b.device && a.inode == b.inode;
}

}  // namespace

struct StatCache::Page {
  std::array<StoredEntry, kPerPage> entries;
  std::array<char, kPageBytes - kPerPage * sizeof(StoredEntry)> rest;
};

StatCache::StatCache(std::shared_ptr<io::Env> env, std::string directory)
    : env_(std::move(env)), directory_(std::move(directory)) {
  open();
}

StatCache::~StatCache() {
  if (file_ != nullptr && !broken_) write_header(*file_, pages_, entries_);
}

void StatCache::open() {
  static_assert(sizeof(Page) == kPageBytes);
  auto file = env_->open(directory_ + "/files", io::OpenMode::kReadWrite);
  if (!file.ok()) return;
  StoredHeader header;
  const auto got = (*file)->read(0, {reinterpret_cast<char*>(&header), sizeof(header)});
  const bool valid = got.ok() && *got == sizeof(header) && header.checksum == header.sum() &&
                     decode_file_header(bytes_of(header.file), FileKind::kStatCache,
                                        sizeof(StoredHeader)).ok() &&
                     header.entry_bytes == sizeof(StoredEntry) && header.pages >= kPagesMin &&
                     header.pages <= kPagesMax && (header.pages & (header.pages - 1)) == 0;
  if (!valid) return;  // begun anew with the first note
  run_ = header.run + 1;
  pages_ = header.pages;
  entries_ = header.entries;
  file_ = std::move(*file);
  load_image();
}

void StatCache::load_image() {
  image_.clear();
  if (pages_ * kPageBytes > kImageBytesMax) return;
  image_.resize(pages_ * kPageBytes);
  if (!file_->read(kPageBytes, image_).ok()) image_.clear();
}

bool StatCache::write_header(io::File& file, uint64_t pages, uint64_t entries) const {
  StoredHeader header;
  header.file = make_file_header(FileKind::kStatCache, sizeof(StoredHeader), {});
  header.run = run_;
  header.pages = pages;
  header.entries = entries;
  header.checksum = header.sum();
  return file.write(0, bytes_of(header)).ok();
}

uint64_t StatCache::page_of(const FileStamp& stamp) const { return hash_of(stamp) & (pages_ - 1); }

// What lies behind the file's end was never written.
bool StatCache::read_page(uint64_t number, Page& page) const {
  if (!image_.empty()) {
    std::memcpy(static_cast<void*>(&page), image_.data() + number * kPageBytes, sizeof(page));
    return true;
  }
  std::memset(static_cast<void*>(&page), 0, sizeof(page));
  return file_->read(offset_of(number), {reinterpret_cast<char*>(&page), sizeof(page)}).ok();
}

std::optional<KnownFile> StatCache::find(const FileStamp& stamp) {
  const std::shared_lock lock(shape_);
  if (file_ == nullptr) return std::nullopt;
  Page page;
  if (!read_page(page_of(stamp), page)) return std::nullopt;
  for (const StoredEntry& entry : page.entries) {
    if (entry.stamp == stamp && entry.is_there()) return entry.known;
  }
  return std::nullopt;
}

void StatCache::note(const FileStamp& stamp, const KnownFile& known) {
  const std::lock_guard lock(notes_);
  if (broken_) return;
  if (file_ == nullptr && !create()) return;
  const uint64_t number = page_of(stamp);
  Page page;
  if (!read_page(number, page)) return;
  StoredEntry* place = nullptr;
  for (StoredEntry& entry : page.entries) {
    const bool there = entry.is_there();
    if (there && is_same_file(entry.stamp, stamp)) {
      place = &entry;
      break;
    }
    const bool better = place == nullptr || (place->run != 0 && (!there || entry.run < place->run));
    if (!there) entry.run = 0;
    if (better) place = &entry;
  }
  const bool is_new = place->run == 0;
  if (!is_new && place->stamp == stamp && place->known == known &&
      run_ - place->run < kRunsBetween) {
    return;
  }
  *place = StoredEntry{};
  place->stamp = stamp;
  place->known = known;
  place->run = run_;
  place->checksum = place->sum();
  const auto index = static_cast<uint64_t>(place - page.entries.data());
  const uint64_t at = number * kPageBytes + index * sizeof(StoredEntry);
  broken_ = !file_->write(offset_of(0) + at, bytes_of(*place)).ok();
  if (!image_.empty()) {
    const std::lock_guard shape(shape_);
    std::memcpy(image_.data() + at, place, sizeof(*place));
  }
  if (is_new) ++entries_;
  if (!broken_ && entries_ > pages_ * kPerPage / 2 && pages_ < kPagesMax) grow();
}

// Requires: notes_.
bool StatCache::create() {
  broken_ = true;
  const Status made = env_->create_directory(directory_);
  if (!made.ok() && made.error().code() != ErrorCode::kAlreadyExists) return false;
  const std::string path = directory_ + "/files";
  ignore_error(env_->remove(path), "mostly there is none");
  auto file = env_->open(path, io::OpenMode::kCreateExclusive);
  if (!file.ok() || !write_header(**file, kPagesMin, 0)) return false;
  const std::lock_guard lock(shape_);
  file_ = std::move(*file);
  pages_ = kPagesMin;
  entries_ = 0;
  broken_ = false;
  load_image();
  return true;
}

// Twice as many pages: the entries of one go to two. Requires: notes_.
void StatCache::grow() {
  const std::string path = directory_ + "/files";
  const std::string made = path + ".new";
  ignore_error(env_->remove(made), "mostly there is none");
  auto file = env_->open(made, io::OpenMode::kCreateExclusive);
  broken_ = !file.ok() || !copy_to(**file) || !env_->rename(made, path).ok();
  if (broken_) {
    ignore_error(env_->remove(made), "it may not be there");
    return;
  }
  const std::lock_guard lock(shape_);
  file_ = std::move(*file);
  pages_ *= 2;
  load_image();
}

bool StatCache::copy_to(io::File& file) {
  uint64_t entries = 0;
  for (uint64_t number = 0; number < pages_; ++number) {
    Page page;
    if (!read_page(number, page)) return false;
    std::array<Page, 2> halves;
    std::memset(static_cast<void*>(&halves), 0, sizeof(halves));
    std::array<size_t, 2> used{};
    for (const StoredEntry& entry : page.entries) {
      if (!entry.is_there()) continue;
      const size_t half = (hash_of(entry.stamp) & pages_) != 0 ? 1 : 0;
      halves[half].entries[used[half]++] = entry;
      ++entries;
    }
    for (size_t half = 0; half < 2; ++half) {
      if (used[half] == 0) continue;
      const uint64_t to = offset_of(number + half * pages_);
      if (!file.write(to, bytes_of(halves[half])).ok()) return false;
    }
  }
  entries_ = entries;
  return write_header(file, pages_ * 2, entries);
}

}  // namespace ramet::engine
