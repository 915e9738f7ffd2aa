#include "engine/index/index_run.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "format/hash.h"

namespace ramet::engine {
namespace {

constexpr uint64_t kWindowEntries = kPagePayloadBytes / sizeof(IndexEntry);
constexpr uint64_t kSamplesPerPage = kPagePayloadBytes / sizeof(uint64_t);
constexpr uint64_t kBlocksPerPage = kPagePayloadBytes / sizeof(FilterBlock);
constexpr uint64_t kPagesMax = uint64_t{1} << 32;  // of a kind: page numbers have 32 bits

// The beginning of a run, as it is on disk.
struct DiskHeader {
  FileHeader file;
  uint32_t kind = kIndexFileRun;
  uint32_t page_bytes = kIndexPageBytes;
  uint64_t number = 0;
  uint64_t salt = 0;
  uint64_t entries = 0;
  uint64_t windows = 0;
  uint64_t filter_blocks = 0;
  uint64_t filter_pages = 0;
  uint64_t sample_pages = 0;
};
static_assert(sizeof(DiskHeader) == 104 && std::is_trivially_copyable_v<DiskHeader>);

uint64_t pages_for(uint64_t things, uint64_t per_page) {
  return things / per_page + (things % per_page != 0 ? 1 : 0);
}

Error damaged(const char* what) { return Error(ErrorCode::kCorruption, what); }

Status check_shape(const RunHeader& header) {
  if (header.number == 0 || header.entries == 0) return damaged("run of no entries");
  if (header.windows >= kPagesMax || header.filter_pages >= kPagesMax ||
      header.sample_pages >= kPagesMax) {
    return damaged("run of an impossible size");
  }
  if (header.windows != pages_for(header.entries, kWindowEntries) ||
      header.sample_pages < pages_for(header.windows, kSamplesPerPage)) {
    return damaged("run whose counts contradict each other");
  }
  if (header.filter_blocks == 0 ||
      header.filter_pages != pages_for(header.filter_blocks, kBlocksPerPage)) {
    return damaged("run with an impossible filter");
  }
  return ok();
}

std::span<char> bytes_of(std::span<IndexPage> pages) {
  return {reinterpret_cast<char*>(pages.data()), pages.size_bytes()};
}

// Reads whole pages; less is damage.
Status read_pages(io::File& file, uint64_t offset, std::span<IndexPage> pages) {
  RAMET_ASSIGN(const size_t got, file.read(offset, bytes_of(pages)));
  if (got != pages.size_bytes()) {
    return Error(ErrorCode::kCorruption, fmt::format("{}: ends at {}", file.path(), offset + got));
  }
  return ok();
}

Status check_page_of(const io::File& file, const IndexPage& page, PageKind kind, uint64_t salt,
                     uint64_t number) {
  Status checked = check_page(page, kind, salt, static_cast<uint32_t>(number));
  return checked.ok() ? checked : with_context(std::move(checked), file.path());
}

}  // namespace

RunHeader RunHeader::for_entries(uint64_t number, uint64_t salt, uint64_t entries_max) {
  RunHeader header;
  header.number = number;
  header.salt = salt;
  header.filter_blocks = filter_blocks_for(entries_max);
  header.filter_pages = pages_for(header.filter_blocks, kBlocksPerPage);
  header.sample_pages = pages_for(pages_for(entries_max, kWindowEntries), kSamplesPerPage);
  return header;
}

Bytes encode_run_header(const RunHeader& header) {
  DiskHeader disk;
  disk.file = make_file_header(FileKind::kIndexRun, kIndexPageBytes, {});
  disk.number = header.number;
  disk.salt = header.salt;
  disk.entries = header.entries;
  disk.windows = header.windows;
  disk.filter_blocks = header.filter_blocks;
  disk.filter_pages = header.filter_pages;
  disk.sample_pages = header.sample_pages;
  Bytes out;
  append(out, disk);
  out.resize(kIndexPageBytes - sizeof(uint64_t), '\0');
  append(out, xxh3(out));
  return out;
}

Result<RunHeader> decode_run_header(ByteView bytes) {
  constexpr size_t kChecked = kIndexPageBytes - sizeof(uint64_t);
  if (bytes.size() < kIndexPageBytes) return damaged("run header is cut off");
  if (load<uint64_t>(bytes.data() + kChecked) != xxh3(bytes.substr(0, kChecked))) {
    return damaged("run header: checksum does not match");
  }
  RAMET_TRY(decode_file_header(bytes, FileKind::kIndexRun, kIndexPageBytes));
  const auto disk = load<DiskHeader>(bytes.data());
  if (disk.kind != kIndexFileRun || disk.page_bytes != kIndexPageBytes) {
    return damaged("not an index run");
  }
  RunHeader header;
  header.number = disk.number;
  header.salt = disk.salt;
  header.entries = disk.entries;
  header.windows = disk.windows;
  header.filter_blocks = disk.filter_blocks;
  header.filter_pages = disk.filter_pages;
  header.sample_pages = disk.sample_pages;
  RAMET_TRY(check_shape(header));
  return header;
}

std::string run_name(uint64_t number) { return fmt::format("run.{}", number); }

// --- reading -------------------------------------------------------------------------------------

Result<std::shared_ptr<IndexRun>> IndexRun::open(io::Env& env, const std::string& path,
                                                 const RunIdentity& identity) {
  RAMET_ASSIGN(auto file, env.open(path, io::OpenMode::kRead));
  std::vector<IndexPage> first(1);
  RAMET_TRY(read_pages(*file, 0, first));
  const ByteView bytes(first[0].bytes.data(), kIndexPageBytes);
  RAMET_ASSIGN(const RunHeader header, with_context(decode_run_header(bytes), path));
  if (header.number != identity.number || header.entries != identity.entries ||
      first[0].check() != identity.header_check) {
    return Error(ErrorCode::kCorruption, path + ": another run than the manifest means");
  }
  RAMET_ASSIGN(const uint64_t size, file->size());
  if (size < header.file_bytes()) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("{}: {} bytes, should be {}", path, size, header.file_bytes()));
  }
  return std::shared_ptr<IndexRun>(new IndexRun(std::move(file), identity, header));
}

uint64_t IndexRun::memory_bytes() const {
  if (loaded_.load(std::memory_order_acquire) != Loaded::kYes) return 0;
  return samples_.size() * sizeof(uint64_t) + filter_.size() * sizeof(IndexPage);
}

bool IndexRun::may_contain(uint64_t prefix) const {
  if (!filter_ready_.load(std::memory_order_acquire)) return true;
  const uint64_t block = scale_prefix(prefix, header_.filter_blocks);
  const IndexPage& page = filter_[block / kBlocksPerPage];
  const char* at = page.bytes.data() + (block % kBlocksPerPage) * sizeof(FilterBlock);
  return load<FilterBlock>(at).may_contain(prefix);
}

Status IndexRun::warm() {
  std::lock_guard lock(load_mutex_);
  if (loaded_.load(std::memory_order_relaxed) != Loaded::kNo) return ok();
  Status loaded = load_samples();
  if (!loaded.ok()) {
    samples_.clear();
    loaded_.store(Loaded::kBroken, std::memory_order_release);
    return loaded;
  }
  if (filter_allowed_) {
    loaded = load_filter();
    if (!loaded.ok()) filter_ = {};  // slower, but nothing is lost
    filter_ready_.store(loaded.ok(), std::memory_order_release);
  }
  loaded_.store(Loaded::kYes, std::memory_order_release);
  return loaded;
}

Status IndexRun::load_samples() {
  samples_.reserve(header_.windows);
  std::vector<IndexPage> page(1);
  for (uint64_t number = 0; samples_.size() < header_.windows; ++number) {
    RAMET_TRY(read_pages(*file_, header_.samples_offset() + number * kIndexPageBytes, page));
    RAMET_TRY(check_page_of(*file_, page[0], PageKind::kSamples, header_.salt, number));
    const uint64_t expected =
        std::min<uint64_t>(kSamplesPerPage, header_.windows - samples_.size());
    if (page[0].count() != expected) {
      return Error(ErrorCode::kCorruption, file_->path() + ": samples are missing");
    }
    for (size_t i = 0; i < expected; ++i) samples_.push_back(page[0].sample(i));
  }
  if (!std::is_sorted(samples_.begin(), samples_.end())) {
    return Error(ErrorCode::kCorruption, file_->path() + ": samples are not in order");
  }
  return ok();
}

Status IndexRun::load_filter() {
  constexpr uint64_t kPagesAtOnce = 64;
  filter_.resize(header_.filter_pages);
  const std::span<IndexPage> all(filter_);
  for (uint64_t number = 0; number < all.size(); number += kPagesAtOnce) {
    const auto some = all.subspan(number, std::min(kPagesAtOnce, all.size() - number));
    RAMET_TRY(read_pages(*file_, header_.filter_offset() + number * kIndexPageBytes, some));
    for (uint64_t i = 0; i < some.size(); ++i) {
      RAMET_TRY(check_page_of(*file_, some[i], PageKind::kFilter, header_.salt, number + i));
    }
  }
  return ok();
}

Status IndexRun::verify() const {
  std::vector<IndexPage> page(1);
  const auto check = [&](PageKind kind, uint64_t offset, uint64_t pages) -> Status {
    for (uint64_t number = 0; number < pages; ++number) {
      RAMET_TRY(read_pages(*file_, offset + number * kIndexPageBytes, page));
      RAMET_TRY(check_page_of(*file_, page[0], kind, header_.salt, number));
    }
    return ok();
  };
  RAMET_TRY(check(PageKind::kFilter, header_.filter_offset(), header_.filter_pages));
  RAMET_TRY(check(PageKind::kSamples, header_.samples_offset(), header_.sample_pages));
  return check(PageKind::kWindow, header_.windows_offset(), header_.windows);
}

Result<std::shared_ptr<const IndexPage>> IndexRun::window(uint64_t number, WindowCache& cache) {
  if (auto cached = cache.find(header_.number, number)) return cached;
  auto page = std::make_shared<IndexPage>();
  windows_read_.fetch_add(1, std::memory_order_relaxed);
  RAMET_TRY(
      read_pages(*file_, header_.windows_offset() + number * kIndexPageBytes, {page.get(), 1}));
  RAMET_TRY(check_page_of(*file_, *page, PageKind::kWindow, header_.salt, number));
  cache.insert(header_.number, number, page);
  return std::shared_ptr<const IndexPage>(std::move(page));
}

namespace {

// The first sample that isn't less than `prefix`: a guess by the prefix's share of the key space,
// which is close since names are uniform, then steps of growing length and a binary search; so
// O(log n) for whatever samples there are.
size_t find_sample(std::span<const uint64_t> samples, uint64_t prefix) {
  const size_t guess = scale_prefix(prefix, samples.size());
  size_t low = guess;
  size_t high = guess;
  for (size_t step = 1; low > 0 && samples[low - 1] >= prefix; step *= 2) {
    high = low;
    low -= std::min(low, step);
  }
  for (size_t step = 1; high < samples.size() && samples[high] < prefix; step *= 2) {
    low = high;
    high += std::min(samples.size() - high, step);
  }
  const auto first = samples.begin();
  return static_cast<size_t>(std::lower_bound(first + static_cast<ptrdiff_t>(low),
                                              first + static_cast<ptrdiff_t>(high), prefix) -
                             first);
}

void find_in_window(const IndexPage& page, uint64_t prefix, std::vector<IndexEntry>* found) {
  size_t low = 0;
  size_t high = page.count();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (page.prefix(middle) < prefix) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  for (; low < page.count() && page.prefix(low) == prefix; ++low) {
    if (page.entry(low).segment != 0) found->push_back(page.entry(low));
  }
}

}  // namespace

Status IndexRun::find(uint64_t prefix, WindowCache& cache, std::vector<IndexEntry>* found) {
  Status warmed = ok();
  if (loaded_.load(std::memory_order_acquire) == Loaded::kNo) warmed = warm();
  if (loaded_.load(std::memory_order_acquire) == Loaded::kBroken) return warmed;
  if (!may_contain(prefix)) return warmed;
  // Entries of the prefix may begin in the window before the first whose sample isn't less.
  const size_t at = find_sample(samples_, prefix);
  if (at > 0) {
    RAMET_ASSIGN(const auto page, window(at - 1, cache));
    find_in_window(*page, prefix, found);
  }
  for (size_t next = at; next < samples_.size() && samples_[next] == prefix; ++next) {
    RAMET_ASSIGN(const auto page, window(next, cache));
    find_in_window(*page, prefix, found);
  }
  return warmed;
}

RunScanner::RunScanner(std::shared_ptr<IndexRun> run) : run_(std::move(run)) {}

Status RunScanner::read_on() {
  const RunHeader& header = run_->header_;
  pages_.resize(std::min<uint64_t>(kPagesAtOnce, header.windows - next_window_));
  page_ = entry_ = 0;
  const uint64_t offset = header.windows_offset() + next_window_ * kIndexPageBytes;
  RAMET_ASSIGN(const size_t got, run_->file_->read(offset, bytes_of(pages_)));
  for (size_t i = 0; i < pages_.size(); ++i) {
    const auto number = static_cast<uint32_t>(next_window_ + i);
    const bool there = (i + 1) * kIndexPageBytes <= got;
    if (!there || !check_page(pages_[i], PageKind::kWindow, header.salt, number).ok()) {
      pages_[i] = IndexPage{};  // count 0
      ++damaged_;
    }
  }
  next_window_ += pages_.size();
  return ok();
}

Result<bool> RunScanner::next(IndexEntry* entry) {
  for (;;) {
    if (page_ == pages_.size()) {
      if (next_window_ == run_->header_.windows) return false;
      RAMET_TRY(read_on());
      continue;
    }
    if (entry_ == pages_[page_].count()) {
      ++page_;
      entry_ = 0;
      continue;
    }
    *entry = pages_[page_].entry(entry_++);
    // What a writer can't have written passes the check only by intent; order matters to merges.
    if (entry->segment == 0 || entry->prefix < last_prefix_) continue;
    last_prefix_ = entry->prefix;
    return true;
  }
}

// --- writing -------------------------------------------------------------------------------------

Status RunWriter::Region::end_page() {
  constexpr size_t kFlushBytes = 64 * kIndexPageBytes;
  seal_page(page_, kind_, salt_, pages_, count_);
  buffer_.append(page_.bytes.data(), kIndexPageBytes);
  page_ = IndexPage{};
  count_ = 0;
  ++pages_;
  return buffer_.size() >= kFlushBytes ? flush() : ok();
}

Status RunWriter::Region::flush() {
  if (count_ > 0) RAMET_TRY(end_page());
  if (buffer_.empty()) return ok();
  RAMET_TRY(file_.write(offset_, buffer_));
  offset_ += buffer_.size();
  buffer_.clear();
  return ok();
}

RunWriter::RunWriter(io::Env& env, std::unique_ptr<io::File> file, const RunHeader& header,
                     uint64_t entries_max)
    : env_(env),
      file_(std::move(file)),
      header_(header),
      entries_max_(entries_max),
      filter_(*file_, header.filter_offset(), PageKind::kFilter, header.salt),
      samples_(*file_, header.samples_offset(), PageKind::kSamples, header.salt),
      windows_(*file_, header.windows_offset(), PageKind::kWindow, header.salt) {}

Result<std::unique_ptr<RunWriter>> RunWriter::create(io::Env& env, const std::string& path,
                                                     uint64_t number, uint64_t salt,
                                                     uint64_t entries_max) {
  RAMET_ASSIGN(auto file, env.open(path, io::OpenMode::kCreateExclusive));
  return std::unique_ptr<RunWriter>(new RunWriter(
      env, std::move(file), RunHeader::for_entries(number, salt, entries_max), entries_max));
}

RunWriter::~RunWriter() {
  if (finished_) return;
  const std::string path = file_->path();
  file_.reset();
  ignore_error(env_.remove(path), "what stays is removed when the index is opened next");
}

Status RunWriter::end_filter_blocks_before(uint64_t block) {
  for (; block_number_ < block; ++block_number_) {
    RAMET_TRY(filter_.add(block_));
    block_ = FilterBlock{};
  }
  return ok();
}

Status RunWriter::add(const IndexEntry& entry) {
  RAMET_CHECK(entry.segment != 0 && entry.prefix >= last_prefix_, "index run out of order");
  RAMET_CHECK(header_.entries < entries_max_, "index run longer than announced");
  last_prefix_ = entry.prefix;
  RAMET_TRY(end_filter_blocks_before(scale_prefix(entry.prefix, header_.filter_blocks)));
  block_.add(entry.prefix);
  if (windows_.at_page_begin()) RAMET_TRY(samples_.add(entry.prefix));
  ++header_.entries;
  return windows_.add(entry);
}

Result<RunIdentity> RunWriter::finish() {
  RAMET_CHECK(header_.entries > 0, "index run of no entries");
  RAMET_TRY(end_filter_blocks_before(header_.filter_blocks));
  RAMET_TRY(filter_.flush());
  RAMET_TRY(samples_.flush());
  RAMET_TRY(windows_.flush());
  header_.windows = windows_.pages();
  const Bytes header = encode_run_header(header_);
  RAMET_TRY(file_->write(0, header));
  RAMET_TRY(file_->sync_data());
  finished_ = true;
  return RunIdentity{header_.number, header_.entries,
                     load<uint64_t>(header.data() + kIndexPageBytes - sizeof(uint64_t))};
}

}  // namespace ramet::engine
