#include "engine/index/dedupe_index.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "engine/index/index_merge.h"

namespace ramet::engine {
namespace {

constexpr uint64_t kTableShare = 16;  // of the memory; as much for the cache
constexpr uint64_t kAnySize = std::numeric_limits<uint64_t>::max();

// A full table of n entries has up to 8/3 n places, and there may be two.
size_t table_entries_for(uint64_t memory_bytes) {
  return static_cast<size_t>(memory_bytes / kTableShare / sizeof(IndexEntry) * 3 / 4);
}

uint64_t random_number(io::Env& env) {
  uint64_t number = 0;
  env.random({reinterpret_cast<char*>(&number), sizeof(number)});
  return number;
}

// The number in "run.17"; nullopt for other names.
std::optional<uint64_t> parse_run_name(std::string_view name) {
  constexpr std::string_view kPrefix = "run.";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return number;
}

std::vector<uint64_t> entries_of(const RunList& runs) {
  std::vector<uint64_t> entries;
  for (const auto& run : runs) entries.push_back(run->entries());
  return entries;
}

uint64_t sum_of_entries(const RunList& runs) {
  uint64_t sum = 0;
  for (const auto& run : runs) sum += run->entries();
  return sum;
}

bool is_forgotten(const std::vector<SegmentNo>& forgotten, SegmentNo segment) {
  return !forgotten.empty() && std::binary_search(forgotten.begin(), forgotten.end(), segment);
}

}  // namespace

// --- opening -------------------------------------------------------------------------------------

DedupeIndex::DedupeIndex(io::Env& env, std::string directory, bool read_only,
                         const IndexOptions& options)
    : env_(env),
      directory_(std::move(directory)),
      read_only_(read_only),
      options_(options),
      filter_bytes_max_(options.memory_bytes / kTableShare * (kTableShare - 2)),
      table_(table_entries_for(options.memory_bytes), random_number(env)),
      cache_(options.memory_bytes / kTableShare),
      published_(std::make_shared<const Published>()) {
  open_files();
}

DedupeIndex::~DedupeIndex() = default;

void DedupeIndex::open_files() {
  std::optional<IndexManifest> newest;
  for (size_t slot = 0; slot < 2; ++slot) {
    auto bytes = read_file(env_, path_of(manifest_name(slot)), kManifestBytesMax);
    if (!bytes.ok()) {
      if (bytes.error().code() != ErrorCode::kNotFound) notes_.add(bytes.error());
      continue;
    }
    auto manifest = decode_index_manifest(*bytes);
    if (!manifest.ok()) {
      // A cut during a flush leaves this behind; the other slot counts then.
      notes_.add(std::move(manifest).error().with_context(path_of(manifest_name(slot))));
      continue;
    }
    if (newest && newest->generation >= manifest->generation) continue;
    newest = *std::move(manifest);
    next_manifest_ = 1 - slot;
  }
  if (!newest) newest.emplace();
  generation_ = newest->generation;
  next_run_ = std::max<uint64_t>(1, newest->next_run);

  Published state;
  for (const RunIdentity& identity : newest->runs) {
    auto run = IndexRun::open(env_, path_of(run_name(identity.number)), identity);
    if (run.ok()) {
      state.runs.push_back(*std::move(run));
    } else {
      notes_.add(run.error());
    }
  }
  state.forgotten = newest->forgotten;
  allow_filters(state.runs);
  set_published(std::make_shared<const Published>(std::move(state)));
  if (!read_only_) remove_leftovers(*newest);
}

// Runs that no manifest names: of flushes and merges that a crash ended. Listing the directory
// decides nothing here but what garbage to remove.
void DedupeIndex::remove_leftovers(const IndexManifest& manifest) {
  const auto names = env_.list(directory_);
  if (!names.ok()) return;  // not made yet
  for (const std::string& name : *names) {
    const auto number = parse_run_name(name);
    if (!number) continue;
    const bool named = std::any_of(manifest.runs.begin(), manifest.runs.end(),
                                   [&](const RunIdentity& run) { return run.number == *number; });
    if (!named) ignore_error(env_.remove(path_of(name)), "garbage that stays costs only space");
  }
}

DedupeIndex::PublishedPtr DedupeIndex::published() const {
  std::shared_lock lock(published_mutex_);
  return published_;
}

void DedupeIndex::set_published(PublishedPtr next) {
  std::unique_lock lock(published_mutex_);
  published_.swap(next);
  lock.unlock();  // the old state goes outside of the lock
}

// The filters that fit the memory, the oldest run (which is the largest) first: so what newer runs
// come and go doesn't change what was decided for older ones.
void DedupeIndex::allow_filters(const RunList& runs) {
  uint64_t bytes = 0;
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    const bool fits = bytes + (*run)->filter_bytes() <= filter_bytes_max_;
    (*run)->allow_filter(fits);
    if (fits) bytes += (*run)->filter_bytes();
  }
}

// --- in memory -----------------------------------------------------------------------------------

void DedupeIndex::insert(uint64_t prefix, SegmentNo segment, Slot slot) {
  if (!table_.insert({prefix, segment, slot})) dropped_.fetch_add(1, std::memory_order_relaxed);
}

void DedupeIndex::lookup(uint64_t prefix, const Visitor& visit) {
  lookups_.fetch_add(1, std::memory_order_relaxed);
  // The table first: what leaves it was published as a run before.
  const IndexTable::Found newest = table_.find(prefix);
  const PublishedPtr state = published();
  for (const auto& entry : {newest.newest, newest.frozen}) {
    if (!entry || is_forgotten(state->forgotten, entry->segment)) continue;
    if (!visit(entry->segment, entry->slot)) return;
  }
  std::vector<IndexEntry> found;
  for (const auto& run : state->runs) {
    if (!run->may_contain(prefix)) continue;
    runs_asked_.fetch_add(1, std::memory_order_relaxed);
    found.clear();
    const Status asked = run->find(prefix, cache_, &found);
    if (!asked.ok()) notes_.add(asked.error());
    for (const IndexEntry& entry : found) {
      if (is_forgotten(state->forgotten, entry.segment)) continue;
      if (!visit(entry.segment, entry.slot)) return;
    }
  }
}

void DedupeIndex::forget_segments(std::span<const SegmentNo> segments) {
  if (segments.empty()) return;
  std::lock_guard lock(publish_mutex_);
  Published next = *published();
  if (next.runs.empty() && pending() == 0) return;  // nothing is there to be forgotten
  next.forgotten.insert(next.forgotten.end(), segments.begin(), segments.end());
  std::sort(next.forgotten.begin(), next.forgotten.end());
  next.forgotten.erase(std::unique(next.forgotten.begin(), next.forgotten.end()),
                       next.forgotten.end());
  table_.erase_segments(next.forgotten);
  set_published(std::make_shared<const Published>(std::move(next)));
}

// --- writing -------------------------------------------------------------------------------------

Status DedupeIndex::noted(Status status, const char* what) {
  if (status.ok()) return status;
  Error error = std::move(status).error().with_context(what);
  notes_.add(error);
  return error;
}

Result<std::unique_ptr<RunWriter>> DedupeIndex::create_run(uint64_t entries_max) {
  constexpr int kTries = 64;  // numbers may be taken by leftovers that could not be removed
  for (int i = 0; i < kTries; ++i) {
    const uint64_t number = next_run_.fetch_add(1);
    auto writer = RunWriter::create(env_, path_of(run_name(number)), number, random_number(env_),
                                    entries_max);
    if (writer.ok() || writer.error().code() != ErrorCode::kAlreadyExists) return writer;
  }
  return Error(ErrorCode::kIoError, directory_ + ": is full of runs that no manifest names");
}

Result<std::shared_ptr<IndexRun>> DedupeIndex::open_written(const RunIdentity& identity) {
  const std::string path = path_of(run_name(identity.number));
  auto run = IndexRun::open(env_, path, identity);
  if (!run.ok()) ignore_error(env_.remove(path), "removed when the index is opened next");
  return run;
}

void DedupeIndex::remove_run(const IndexRun& run) {
  ignore_error(env_.remove(path_of(run_name(run.number()))),
               "what stays is removed when the index is opened next");
}

Status DedupeIndex::publish(Published next) {
  if (next.runs.size() > kManifestRunsMax) {
    return Error(ErrorCode::kBusy, "the dedupe index has too many runs; merge them");
  }
  IndexManifest manifest;
  manifest.generation = ++generation_;
  manifest.next_run = next_run_.load();
  for (const auto& run : next.runs) manifest.runs.push_back(run->identity());
  manifest.forgotten.assign(
      next.forgotten.begin(),
      next.forgotten.begin() +
          static_cast<ptrdiff_t>(std::min(next.forgotten.size(), kManifestForgottenMax)));

  RAMET_TRY(env_.sync_directory(directory_));
  const std::string path = path_of(manifest_name(next_manifest_));
  auto file = env_.open(path, io::OpenMode::kReadWrite);
  const bool created = !file.ok() && file.error().code() == ErrorCode::kNotFound;
  if (created) file = env_.open(path, io::OpenMode::kCreateExclusive);
  RAMET_TRY(file);
  RAMET_TRY((*file)->write(0, encode_index_manifest(manifest)));
  RAMET_TRY((*file)->sync_data());
  if (created) RAMET_TRY(env_.sync_directory(directory_));
  next_manifest_ = 1 - next_manifest_;  // only now: after a failure the other slot still counts

  allow_filters(next.runs);
  set_published(std::make_shared<const Published>(std::move(next)));
  return ok();
}

Status DedupeIndex::write_frozen() {
  std::vector<IndexEntry> entries = table_.frozen_entries();
  const PublishedPtr before = published();
  std::erase_if(entries, [&](const IndexEntry& entry) {
    return is_forgotten(before->forgotten, entry.segment);
  });
  if (!entries.empty()) {
    RAMET_ASSIGN(auto writer, create_run(entries.size()));
    for (const IndexEntry& entry : entries) RAMET_TRY(writer->add(entry));
    RAMET_ASSIGN(const RunIdentity identity, writer->finish());
    RAMET_ASSIGN(auto run, open_written(identity));
    std::lock_guard lock(publish_mutex_);
    Published next = *published();
    next.runs.insert(next.runs.begin(), run);
    // After a failure the file stays: the manifest may have got there all the same.
    RAMET_TRY(publish(std::move(next)));
  }
  table_.drop_frozen();
  return ok();
}

Status DedupeIndex::flush() {
  if (read_only_) return ok();
  std::lock_guard flushing(flush_mutex_);
  if (pending() > 0) {
    Status made = env_.create_directory(directory_);
    if (!made.ok() && made.error().code() != ErrorCode::kAlreadyExists) {
      return noted(std::move(made), "dedupe index");
    }
  }
  if (table_.frozen_size() > 0) {  // left by a flush that failed
    RAMET_TRY(noted(write_frozen(), "dedupe index: flush"));
  }
  if (table_.size() > 0) {
    table_.freeze();
    RAMET_TRY(noted(write_frozen(), "dedupe index: flush"));
    flushes_.fetch_add(1, std::memory_order_relaxed);
  }
  std::unique_lock merging(merge_mutex_, std::try_to_lock);
  if (!merging.owns_lock()) return ok();  // one is under way
  return noted(merge_newest(options_.inline_merge_entries), "dedupe index: merge");
}

// --- merging -------------------------------------------------------------------------------------

size_t DedupeIndex::due_merge(const Published& state, uint64_t entries_max) const {
  if (state.forgotten.size() > options_.forgotten_max && !state.runs.empty() &&
      sum_of_entries(state.runs) <= entries_max) {
    return state.runs.size();
  }
  return choose_merge(entries_of(state.runs), entries_max, options_.runs_max);
}

bool DedupeIndex::merge_is_due() const {
  return !read_only_ && due_merge(*published(), kAnySize) > 0;
}

Status DedupeIndex::merge() {
  if (read_only_) return ok();
  std::lock_guard merging(merge_mutex_);
  return noted(merge_newest(kAnySize), "dedupe index: merge");
}

Result<std::shared_ptr<IndexRun>> DedupeIndex::merge_into_one(
    const RunList& runs, std::span<const SegmentNo> forgotten) {
  RAMET_ASSIGN(auto writer, create_run(sum_of_entries(runs)));
  RAMET_TRY(merge_runs(runs, forgotten, *writer, notes_));
  if (writer->entries() == 0) return std::shared_ptr<IndexRun>();
  RAMET_ASSIGN(const RunIdentity identity, writer->finish());
  merges_.fetch_add(1, std::memory_order_relaxed);
  merged_entries_.fetch_add(identity.entries, std::memory_order_relaxed);
  return open_written(identity);
}

void DedupeIndex::verify() {
  for (const auto& run : published()->runs) {
    const Status whole = run->verify();
    if (!whole.ok()) notes_.add(whole.error());
  }
}

// Requires: merge_mutex_.
Status DedupeIndex::merge_newest(uint64_t entries_max) {
  if (rebuilding_) return ok();
  const PublishedPtr before = published();
  const size_t count = due_merge(*before, entries_max);
  if (count == 0) return ok();
  const RunList inputs(before->runs.begin(), before->runs.begin() + static_cast<ptrdiff_t>(count));
  RAMET_ASSIGN(auto merged, merge_into_one(inputs, before->forgotten));

  std::unique_lock lock(publish_mutex_);
  Published next = *published();
  // Newer runs may have come in front; none of these can have gone.
  const auto first = std::find(next.runs.begin(), next.runs.end(), inputs.front());
  const auto place = next.runs.erase(first, first + static_cast<ptrdiff_t>(count));
  const bool all = place == next.runs.end();
  if (merged != nullptr) next.runs.insert(place, merged);
  if (all) {  // nothing is left that could hold entries of these segments
    std::erase_if(next.forgotten,
                  [&](SegmentNo segment) { return is_forgotten(before->forgotten, segment); });
  }
  RAMET_TRY(publish(std::move(next)));
  lock.unlock();
  // Only now: until the new manifest was durable, these were what a crash would have left.
  for (const auto& run : inputs) remove_run(*run);
  return ok();
}

// --- rebuilding ----------------------------------------------------------------------------------

Result<std::unique_ptr<DedupeIndex::Rebuild>> DedupeIndex::rebuild_begin() {
  if (read_only_) {
    return Error(ErrorCode::kFailedPrecondition, "the store is open for reading only");
  }
  Status made = env_.create_directory(directory_);
  if (!made.ok() && made.error().code() != ErrorCode::kAlreadyExists) {
    return std::move(made).error();
  }
  std::lock_guard merging(merge_mutex_);
  if (rebuilding_) return Error(ErrorCode::kBusy, "the dedupe index is being rebuilt already");
  rebuilding_ = true;
  return std::unique_ptr<Rebuild>(new Rebuild(*this));
}

DedupeIndex::Rebuild::Rebuild(DedupeIndex& index)
    : index_(index),
      replaced_(index.published()->runs),
      piece_entries_(std::max<size_t>(1024, table_entries_for(index.options_.memory_bytes))) {}

DedupeIndex::Rebuild::~Rebuild() {
  if (!finished_) {
    for (const auto& run : runs_) index_.remove_run(*run);
  }
  std::lock_guard merging(index_.merge_mutex_);
  index_.rebuilding_ = false;
}

Status DedupeIndex::Rebuild::insert(uint64_t prefix, SegmentNo segment, Slot slot) {
  RAMET_CHECK(segment != 0, "index entry of no segment");
  piece_.push_back({prefix, segment, slot});
  return piece_.size() >= piece_entries_ ? write_piece() : ok();
}

Status DedupeIndex::Rebuild::write_piece() {
  constexpr size_t kPiecesMax = 32;  // merged as soon as there are more
  if (piece_.empty()) return ok();
  // The newest of a prefix first, as a merge would leave them.
  std::reverse(piece_.begin(), piece_.end());
  std::stable_sort(piece_.begin(), piece_.end(),
                   [](const IndexEntry& a, const IndexEntry& b) { return a.prefix < b.prefix; });
  RAMET_ASSIGN(auto writer, index_.create_run(piece_.size()));
  size_t same = 0;
  for (size_t i = 0; i < piece_.size(); ++i) {
    same = i > 0 && piece_[i].prefix == piece_[i - 1].prefix ? same + 1 : 0;
    if (same < kEntriesPerPrefixMax) RAMET_TRY(writer->add(piece_[i]));
  }
  piece_.clear();
  RAMET_ASSIGN(const RunIdentity identity, writer->finish());
  RAMET_ASSIGN(auto run, index_.open_written(identity));
  runs_.insert(runs_.begin(), std::move(run));
  return runs_.size() > kPiecesMax ? merge_pieces() : ok();
}

Status DedupeIndex::Rebuild::merge_pieces() {
  if (runs_.size() < 2) return ok();
  RAMET_ASSIGN(auto merged, index_.merge_into_one(runs_, {}));
  for (const auto& run : runs_) index_.remove_run(*run);
  runs_.clear();
  if (merged != nullptr) runs_.push_back(std::move(merged));
  return ok();
}

Status DedupeIndex::Rebuild::finish() {
  RAMET_CHECK(!finished_, "a rebuild finishes once");
  RAMET_TRY(write_piece());
  RAMET_TRY(merge_pieces());
  RAMET_TRY(index_.finish_rebuild(replaced_, runs_.empty() ? nullptr : runs_.front()));
  finished_ = true;
  return ok();
}

Status DedupeIndex::finish_rebuild(const RunList& replaced, const std::shared_ptr<IndexRun>& run) {
  std::unique_lock lock(publish_mutex_);
  Published next = *published();
  std::erase_if(next.runs, [&](const auto& old) {
    return std::find(replaced.begin(), replaced.end(), old) != replaced.end();
  });
  // Entries of forgotten segments can only be in what was flushed since.
  if (next.runs.empty()) next.forgotten.clear();
  if (run != nullptr) next.runs.push_back(run);
  RAMET_TRY(publish(std::move(next)));
  lock.unlock();
  for (const auto& old : replaced) remove_run(*old);
  return ok();
}

// --- statistics ----------------------------------------------------------------------------------

IndexStats DedupeIndex::stats() const {
  const PublishedPtr state = published();
  IndexStats stats;
  stats.table_entries = pending();
  stats.runs = state->runs.size();
  stats.memory_bytes = table_.memory_bytes() + cache_.memory_bytes();
  for (const auto& run : state->runs) {
    stats.run_entries += run->entries();
    stats.file_bytes += run->file_bytes();
    stats.memory_bytes += run->memory_bytes();
    stats.windows_read += run->windows_read();
  }
  stats.forgotten_segments = state->forgotten.size();
  stats.dropped_entries = dropped_.load(std::memory_order_relaxed);
  stats.lookups = lookups_.load(std::memory_order_relaxed);
  stats.runs_asked = runs_asked_.load(std::memory_order_relaxed);
  stats.flushes = flushes_.load(std::memory_order_relaxed);
  stats.merges = merges_.load(std::memory_order_relaxed);
  stats.merged_entries = merged_entries_.load(std::memory_order_relaxed);
  stats.notes = notes_.count();
  return stats;
}

}  // namespace ramet::engine
