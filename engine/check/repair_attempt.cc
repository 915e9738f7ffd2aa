#include "engine/check/repair_attempt.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/block/segment_scan.h"
#include "engine/check/describe_key.h"
#include "engine/check/entry_mend.h"
#include "engine/check/new_checkpoint.h"
#include "engine/check/roots_check.h"
#include "engine/check/superblock_check.h"
#include "engine/check/undo.h"
#include "engine/log/commit_log.h"
#include "engine/tree/tree.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

// Commits behind damage in the log are taken if there are no more than this many.
constexpr uint64_t kSalvagedCommitsMax = 1u << 24;

}  // namespace

Status RepairAttempt::begin(const std::optional<Superblock>& found) {
  if (!found) {
    RAMET_TRY(load_superblocks(false));
  } else {
    superblocks_ = std::make_unique<SuperblockStore>(env_, path_);
    const auto loaded = superblocks_->load();  // for its generation; another one is assumed
    if (!loaded.ok() && loaded.error().code() == ErrorCode::kIoError) return loaded.error();
    superblocks_->assume(*found);
    no_map_ = found->checkpoint.is_null();
  }
  undo_ = superblocks_->newest().checkpoint;
  RAMET_TRY(recover(true));
  fell_back_ = superblocks_->newest().checkpoint != undo_;
  RAMET_TRY(directory_error_);
  next_segment_ = std::max(next_segment_, found_->last() + 1);
  return ok();
}

Status RepairAttempt::look() {
  map_check_.emplace(run_, *this);
  if (!no_map_) {
    RAMET_TRY(check_checkpoint_copies(*this, run_));
    RAMET_TRY(map_check_->load());
  }
  RAMET_TRY(add_found_segments(no_map_ || map_check_->is_damaged()));
  RAMET_TRY(map_check_->check_files());
  // What is written anew is read before.
  std::set<SegmentNo> damaged = found_->displaced();
  for (const auto& [number, codes] : map_check_->damaged_segments()) damaged.insert(number);
  RAMET_TRY(map_check_->read_frames(repair_.data ? nullptr : &damaged));
  is_bad_ = [this](const BlockRef& ref) {
    return map_check_->is_bad(ref) || !map_check_->counts().has(ref);
  };
  trees_.emplace(context_, &map_check_->counts(),
                 [this](const BlockRef& ref) { return map_check_->is_bad(ref); });
  trees_->set_cancelled([this] { return run_.is_cancelled(); });
  RootsCheck roots(run_, *trees_, context_, *blocks_);
  const uint64_t before = run_.lost() + run_.damage();
  RAMET_TRY(map_check_->count_trees(*trees_, roots));
  damage_of_trees_ = run_.lost() + run_.damage() - before;
  for (const Finding& finding : findings_) {
    if (finding.kind->code != "content-id" || !finding.id) continue;
    wrong_content_.insert(*finding.id);
  }
  return no_map_ ? ok() : map_check_->check_counts(damage_of_trees_ == 0);
}

Status RepairAttempt::mend(const std::function<void(const RepairStep&)>& report) {
  report_ = report;
  sequence_ = state_.sequence + 1;
  if (!no_map_) {
    counts_.emplace(map_->context(), map_->durable(), context_, *blocks_);
  }
  std::vector<SegmentNo> numbers;
  for (const SegmentNo number : found_->numbers()) {
    if (map_check_->counts().slots(number) > 0) numbers.push_back(number);
  }
  orphans_.emplace(context_, *blocks_, map_check_->counts(), counts_ ? &*counts_ : nullptr,
                   std::move(numbers));
  if (no_map_) RAMET_TRY(find_catalog());
  if (damage_ || no_map_) RAMET_TRY(salvage_log());
  // What is put into the trees must not be newer than they are.
  if (!is_whole()) {
    RAMET_ASSIGN(const Sequence newest, orphans_->newest());
    sequence_ = std::max(sequence_, newest + 1);
  }
  TreeMend mend(context_, *trees_, *orphans_, sequence_);
  CatalogMendContext catalog{context_, *trees_, *orphans_, mend, sequence_, report_};
  RAMET_ASSIGN(const Root with_catalog, mend_catalog(catalog, state_.catalog,
                                                     state_.catalog.empty() && no_map_));
  catalog_ = with_catalog;
  uncertain_ = std::move(catalog.uncertain);
  RAMET_TRY(mend_containers(mend));
  if (lost_records_ > 0) RAMET_TRY(save_blocks());
  return orphans_->failure();
}

Status RepairAttempt::apply() {
  const Epoch epoch = newest_epoch() + 1;
  RAMET_TRY(save_undo(*env_, path_, epoch, sequence_));
  RAMET_TRY(make_durable());
  blocks_->begin_epoch(epoch, next_segment_);
  RAMET_TRY(write_reports());
  CheckpointRecord record;
  record.sequence = sequence_;
  // What the chain of commits goes on from: no commit leads here.
  record.chain = commit_chain(state_.chain, "repair");
  record.epoch = epoch;
  record.time = env_->now();
  record.id_sequence = state_.id_sequence;
  NewCheckpoint where{*blocks_, context_, *map_, {}, {}, found_->displaced(), is_bad_};
  for (const SegmentNo number : found_->numbers()) {
    if (map_check_->counts().slots(number) > 0) where.segments.insert(number);
  }
  where.copied = copied_;
  Superblock superblock = superblocks_->newest();
  RAMET_TRY(write_new_checkpoint(where, catalog_, record, superblock));
  superblock.epoch = epoch;
  superblock.state = ramet::StoreState::kClean;
  superblock.replay = LogPosition{};
  superblock.replay.sequence = record.sequence;
  superblock.replay.chain = record.chain;
  superblock.durable_end = superblock.replay;
  superblock.undo = undo_.is_null() ? superblock.checkpoint : undo_;
  RAMET_TRY(superblocks_->write(superblock));
  return superblocks_->write(superblocks_->newest());
}

// What was read may still be only in the page cache of a process that died, and what the new
// checkpoint refers to must not be [INV-1]. What no checkpoint had is written once more (the same
// bytes), as recovery does it: a sync alone may do nothing when one has failed before.
Status RepairAttempt::make_durable() {
  std::set<SegmentNo> own;
  for (const auto& segment : blocks_->own_segments()) {
    own.insert(segment->number());
    if (segment->identity().stream == Stream::kMap) continue;
    RAMET_TRY(blocks_->write_again(*segment, uncertain_from_[segment->number()]));
  }
  for (const SegmentNo number : found_->numbers()) {
    if (own.contains(number) || map_check_->counts().slots(number) == 0) continue;
    const auto known = map_->find(number);
    if (known.ok() && *known && (*known)->state != SegmentState::kOpen) continue;
    const auto segment = blocks_->segment(number);
    if (!segment.ok()) continue;
    RAMET_TRY(no_map_ ? (*segment)->file().sync_data() : blocks_->write_again(**segment, 0));
  }
  return blocks_->sync_names();
}

Status RepairAttempt::sum_up(RepairReport& out) {
  Tree catalog(context_, catalog_);
  RAMET_ASSIGN(const auto entries, rooted_entries(*trees_, catalog_));
  for (const RootedEntry& entry : entries) {
    if (entry.is_dropped) continue;
    ++(entry.snapshot.empty() ? out.containers : out.snapshots);
    RAMET_ASSIGN(const auto now, catalog.get_root(entry.key));
    if (now) out.objects += now->root.summary[SummaryColumn::kObjects];
  }
  return ok();
}

void RepairAttempt::choose_copies() {
  for (const auto& [number, codes] : map_check_->damaged_segments()) {
    if (codes.size() == 1 && *codes.begin() == "segment-footer") continue;
    copied_.insert(number);
  }
  copied_.insert(found_->displaced().begin(), found_->displaced().end());
}

SegmentDirectory& RepairAttempt::directory() {
  if (!found_) {
    found_ = std::make_unique<FoundSegments>(*blocks_, map_.get());
    directory_error_ = found_->survey();
  }
  return *found_;
}

Epoch RepairAttempt::newest_epoch() const {
  Epoch newest = superblocks_->newest().epoch;
  for (const SegmentNo number : found_->numbers()) {
    const auto value = found_->find(number);
    if (value.ok() && *value) newest = std::max(newest, (*value)->epoch);
  }
  return newest;
}

Status RepairAttempt::add_found_segments(bool all) {
  std::set<SegmentNo> own;
  for (const auto& segment : blocks_->own_segments()) own.insert(segment->number());
  for (const SegmentNo number : found_->numbers()) {
    RAMET_ASSIGN(const auto value, found_->find(number));
    if (!value || static_cast<Stream>(value->stream) == Stream::kMap) continue;
    const bool unknown = !map_check_->knows(number) && !own.contains(number) &&
                         (all || (crashed_ && number >= checkpoint_.next_segment));
    // The generation that the map names is gone, but another one is there.
    const auto mapped = map_->find(number);
    const bool other = mapped.ok() && *mapped && map_check_->knows(number) &&
                       (*mapped)->generation != value->generation;
    const bool is_new = unknown || other;
    // (Of the others with something in them the header is checked with the file.)
    const bool is_open = value->state == SegmentState::kOpen && value->slot_count == 0;
    if (!is_new && !(is_open && map_check_->knows(number))) continue;
    if (is_new) map_check_->add(number, *value);
    if (other) other_generations_.insert(number);
    const auto file = env_->open(blocks_->path_of(number, value->generation),
                                 io::OpenMode::kRead);
    if (file.ok() && !read_segment_header(**file, blocks_->secret(), number).ok()) {
      copied_.insert(number);
    }
  }
  return ok();
}

Status RepairAttempt::find_catalog() {
  Sequence written = 0;
  RAMET_ASSIGN(const Root root, orphans_->catalog_root(&written));
  if (root.empty() || written < state_.sequence) return ok();
  state_.catalog = root;
  state_.sequence = written;
  state_.chain = 0;
  damage_.reset();
  orphans_->claim(root.ref);
  return ok();
}

void RepairAttempt::say(Outcome outcome, std::string message) {
  RepairStep step;
  step.outcome = outcome;
  step.message = std::move(message);
  report_(step);
}

Status RepairAttempt::salvage_log() {
  std::map<Sequence, Bytes> commits;
  const Epoch epoch = superblocks_->newest().epoch;
  for (const SegmentNo number : found_->numbers()) {
    const auto value = found_->find(number);
    if (!value.ok() || !*value || static_cast<Stream>((*value)->stream) != Stream::kCommit) {
      continue;
    }
    if ((*value)->epoch < epoch && !no_map_) continue;  // [INV-13]
    const auto file = env_->open(blocks_->path_of(number, (*value)->generation),
                                 io::OpenMode::kRead);
    if (!file.ok() && file.error().code() == ErrorCode::kIoError) return file.error();
    if (!file.ok()) continue;
    const auto who = blocks_->identity(number, 0, Stream::kCommit, (*value)->epoch);
    RAMET_TRY(each_group(**file, who.seed,
                         [&](uint64_t, std::span<const LoggedCommit> found) {
                           for (const LoggedCommit& commit : found) {
                             if (commit.sequence <= state_.sequence) continue;
                             if (commits.size() >= kSalvagedCommitsMax) break;
                             commits[commit.sequence] = commit.payload;
                           }
                           return ok();
                         }));
    RAMET_TRY(register_salvaged(number, **value));
  }
  uint64_t whole = 0;
  uint64_t parts = 0;
  for (const auto& [sequence, payload] : commits) {
    const auto record = decode_commit(payload);
    if (!record.ok()) continue;
    auto next = apply_operations(context_, state_.catalog, record->trees, sequence);
    if (next.ok()) {
      ++whole;
      state_.catalog = *next;
    } else {
      ++parts;
      apply_one_by_one(*record, sequence);
    }
    state_.sequence = sequence;
    state_.chain = commit_chain(state_.chain, payload);
    state_.id_sequence = std::max(state_.id_sequence, record->id_sequence);
  }
  sequence_ = state_.sequence + 1;
  salvaged_ = whole + parts > 0;
  if (damage_) {
    say(Outcome::kLost, fmt::format("{}; of the commits behind it {} were found whole and {} in "
                                    "parts", damage_->message(), whole, parts));
  }
  return ok();
}

Status RepairAttempt::register_salvaged(SegmentNo number, const SegmentValue& value) {
  std::set<SegmentNo> own;
  for (const auto& segment : blocks_->own_segments()) own.insert(segment->number());
  const Slot known = map_check_->counts().slots(number);
  auto file = env_->open(blocks_->path_of(number, value.generation), io::OpenMode::kRead);
  if (!file.ok()) return ok();
  const auto who = blocks_->identity(number, value.generation, Stream::kCommit, value.epoch);
  RAMET_ASSIGN(ScanResult scan, scan_frames(**file, who, {}, kSegmentHeaderBytes, true));
  if (scan.slots.size() <= known) return ok();
  if (!scan.damaged.empty() || !read_segment_header(**file, blocks_->secret(), number).ok()) {
    copied_.insert(number);
  }
  auto segment = Segment::attach(std::move(*file), who, std::move(scan.slots), scan.end, 0);
  map_check_->counts().add_segment(number, false, segment->slots(0, segment->slot_count()));
  blocks_->register_segment(std::move(segment));
  return ok();
}

void RepairAttempt::apply_one_by_one(const CommitRecord& record, Sequence sequence) {
  for (const TreeOperations& tree : record.trees) {
    for (const Operation& operation : tree.operations) {
      const auto next = apply_operations(context_, state_.catalog,
                                         {TreeOperations{tree.tree, {operation}}}, sequence);
      if (next.ok()) state_.catalog = *next;
    }
  }
}

Status RepairAttempt::mend_containers(TreeMend& mend) {
  Tree catalog(context_, catalog_);
  RAMET_ASSIGN(const auto roots, rooted_entries(*trees_, catalog_));
  for (const RootedEntry& entry : roots) {
    RAMET_ASSIGN(const auto now, catalog.get_root(entry.key));
    if (!now) continue;
    RAMET_ASSIGN(const Root root, mend_root(mend, entry, now->root));
    if (root.ref == now->root.ref && root.dirty == now->root.dirty &&
        root.summary == now->root.summary) {
      continue;
    }
    RAMET_TRY(catalog.put_root(entry.key, entry.rest, root, sequence_));
    changed_ = true;
  }
  if (changed_) catalog_ = catalog.share();
  return ok();
}

Result<Root> RepairAttempt::mend_root(TreeMend& mend, const RootedEntry& entry, const Root& root) {
  RAMET_ASSIGN(const MendedTree tree, mend.mend(root));
  const auto tell = [&](RepairStep step) {
    step.container = entry.container;
    step.snapshot = entry.snapshot;
    report_(step);
  };
  for (const Gap& gap : tree.gaps) {
    RepairStep step;
    step.outcome = gap.closed ? Outcome::kMended : Outcome::kLost;
    step.message = fmt::format(
        "a tree node (segment {} slot {}) is lost, keys {}: {}{}", gap.ref.segment, gap.ref.slot,
        describe_range(gap.from, gap.to), gap.reason,
        gap.closed ? "; all that hung below it was found" : "");
    tell(std::move(step));
  }
  RAMET_ASSIGN(const auto found, trees_->check(tree.root));
  std::vector<Gap> gaps = tree.gaps;
  // Anything may be missing, or of another moment.
  if (salvaged_ || uncertain_.contains(entry.key)) gaps.emplace_back();
  if (gaps.empty() && !found.damaged && found.sums == EntrySums{} && wrong_content_.empty()) {
    return tree.root;
  }
  EntryMendContext context{context_, *blocks_, *trees_, *orphans_, is_bad_, wrong_content_,
                           [this] { return new_id(); }, sequence_, env_->now(), tell};
  RAMET_ASSIGN(MendedEntries entries, mend_entries(context, tree.root, gaps));
  lost_records_ += entries.lost_records;
  if (!entries.text.empty()) {
    reports_.push_back({entry.key, std::move(entries.text), entries.lost_and_found});
  }
  return entries.root;
}

Status RepairAttempt::save_blocks() {
  RAMET_ASSIGN(const auto blocks, orphans_->blocks());
  Root root;
  uint64_t saved = 0;
  uint64_t bytes_saved = 0;
  for (const BlockRef& ref : blocks) {
    if (is_bad_(ref)) continue;
    const auto slot = blocks_->slot(ref.segment, ref.slot);
    const auto bytes = blocks_->read(ref);
    if (!bytes.ok() && bytes.error().code() == ErrorCode::kIoError) return bytes.error();
    if (!slot.ok() || !bytes.ok()) continue;
    RAMET_ASSIGN(root, put_block(root, "block-" + slot->hash.to_hex().substr(0, 16), ref,
                                 slot->hash, bytes->size(), kRootFolder));
    ++saved;
    bytes_saved += bytes->size();
  }
  if (saved == 0) return ok();
  ContainerRecord record;
  Tree catalog(context_, catalog_);
  record.name = fmt::format("{}-{}", kLostAndFound, sequence_);
  for (int i = 2;; ++i) {
    RAMET_ASSIGN(const bool taken, catalog.get(container_name_key(record.name), nullptr));
    if (!taken) break;
    record.name = fmt::format("{}-{}~{}", kLostAndFound, sequence_, i);
  }
  record.created = env_->now();
  record.note = "blocks of objects whose records are lost; a repair found them";
  const ContainerId id{new_id()};
  RAMET_TRY(catalog.put_root(container_key(id), encode_container(record), root, sequence_));
  RAMET_TRY(catalog.put(container_name_key(record.name), id.view(), {}, sequence_));
  catalog_ = catalog.share();
  RepairStep step;
  step.outcome = Outcome::kMoved;
  step.container = record.name;
  step.message = fmt::format("{} blocks ({} bytes) of objects whose records are lost, one file "
                             "each", saved, bytes_saved);
  report_(step);
  return ok();
}

Result<Root> RepairAttempt::put_block(const Root& root, const std::string& name,
                                      const BlockRef& ref, const ContentHash& hash, uint64_t size,
                                      const FolderId& folder) {
  ObjectRecord record;
  record.info.id = ObjectId{new_id()};
  record.info.size = size;
  record.info.content_id = hash;
  record.info.attributes.mode = 0100600;
  record.info.attributes.modified = record.info.created = env_->now();
  record.form = ContentForm::kOneBlock;
  record.extents = {Extent{0, size, ref, 0}};
  return put_file(context_, root, folder, name, record, sequence_);
}

IdBytes RepairAttempt::new_id() {
  std::array<uint8_t, 16> random{};
  env_->random({reinterpret_cast<char*>(random.data()), random.size()});
  return make_id_bytes(++state_.id_sequence, random);
}

Status RepairAttempt::write_reports() {
  Tree catalog(context_, catalog_);
  for (const Report& report : reports_) {
    RAMET_ASSIGN(const auto entry, catalog.get_root(report.key));
    if (!entry) continue;
    const auto size = static_cast<uint32_t>(std::min<size_t>(report.text.size(), kBlockBytesMax));
    const Bytes text = report.text.substr(0, size);
    const ContentHash hash = blake3(text);
    RAMET_ASSIGN(const BlockRef ref,
                 blocks_->append(Stream::kData, FrameKind::kBlock, Codec::kNone, text, size, hash,
                                 sequence_));
    RAMET_ASSIGN(const Root root,
                 put_block(entry->root, fmt::format("repair-{}.txt", sequence_), ref, hash, size,
                           report.folder));
    RAMET_TRY(catalog.put_root(report.key, entry->bytes, root, sequence_));
  }
  if (!reports_.empty()) catalog_ = catalog.share();
  return ok();
}

}  // namespace ramet::engine
