#include "io/sim_disk.h"

#include <algorithm>
#include <cerrno>

#include "io/errno_error.h"
#include "io/sim_settle.h"

namespace ramet::io {
namespace {

constexpr SimInodeId kRoot = 1;

// How ready the disk was, at one cut, to let changes land: cuts that lose or keep nearly all
// reach states that an even coin never would.
double choose_keep(SimRandom& random) {
  constexpr double kChoices[] = {0.15, 0.5, 0.85};
  return kChoices[random.below(3)];
}

}  // namespace

SimDisk::SimDisk() {
  Inode root;
  root.directory = true;
  root.named = true;
  inodes_.emplace(kRoot, std::move(root));
}

SimInodeId SimDisk::apply(NameChange change) {
  SimInodeId created = 0;
  if (change.creates != NameChange::Creates::kNothing) {
    created = next_inode_++;
    inodes_[created].directory = change.creates == NameChange::Creates::kDirectory;
    change.assignments.front().now = created;
  }
  // Names that go away first: a rename gives the same inode a name again.
  for (const auto& assignment : change.assignments) {
    if (assignment.before != 0) inode(assignment.before).named = false;
  }
  for (const auto& assignment : change.assignments) {
    auto& entries = inode(assignment.directory).entries;
    if (assignment.now == 0) {
      entries.erase(assignment.name);
    } else {
      entries[assignment.name] = assignment.now;
      inode(assignment.now).named = true;
    }
    change.unsynced_directories.insert(assignment.directory);
  }
  for (const auto& assignment : change.assignments) {
    if (assignment.before != 0) release_if_unused(inode(assignment.before));
  }
  unsynced_names_.push_back(std::move(change));
  return created;
}

void SimDisk::make_durable(const NameChange& change) {
  for (const auto& assignment : change.assignments) {
    auto& entries = inode(assignment.directory).durable_entries;
    if (assignment.now == 0) {
      entries.erase(assignment.name);
    } else {
      entries[assignment.name] = assignment.now;
    }
  }
}

SimInodeId SimDisk::apply_durably(NameChange change) {
  const SimInodeId created = apply(std::move(change));
  make_durable(unsynced_names_.back());
  unsynced_names_.pop_back();
  return created;
}

namespace {

bool same_subject(const NameChange::Assignment& a, const NameChange::Assignment& b) {
  if (a.directory == b.directory && a.name == b.name) return true;
  const auto is_in = [&b](SimInodeId id) { return id != 0 && (id == b.now || id == b.before); };
  return is_in(a.now) || is_in(a.before);
}

// Whether the two touch a name or a file in common, so that no file system reorders them.
bool depends(const NameChange& later, const NameChange& earlier) {
  for (const auto& a : later.assignments) {
    for (const auto& b : earlier.assignments) {
      if (same_subject(a, b)) return true;
    }
  }
  return false;
}

// Whether the later one needs what the earlier did to a directory: it puts a name into one that
// the earlier created or moved, or removes one that the earlier emptied.
bool needs_directory(const NameChange& later, const NameChange& earlier) {
  for (const auto& a : later.assignments) {
    for (const auto& b : earlier.assignments) {
      if (a.directory == b.now || (a.before != 0 && a.before == b.directory)) return true;
    }
  }
  return false;
}

bool builds_on_any(const NameChange& later, const std::vector<const NameChange*>& earlier) {
  return std::any_of(earlier.begin(), earlier.end(), [&](const NameChange* change) {
    return depends(later, *change) || needs_directory(later, *change);
  });
}

}  // namespace

// Changes whose directories are all synced become durable, with all that they build on.
void SimDisk::finish_synced(SimInodeId directory) {
  std::vector<bool> ready(unsynced_names_.size(), false);
  for (size_t i = 0; i < unsynced_names_.size(); ++i) {
    unsynced_names_[i].unsynced_directories.erase(directory);
    ready[i] = unsynced_names_[i].unsynced_directories.empty();
  }
  for (size_t i = ready.size(); i > 0; --i) {
    if (!ready[i - 1]) continue;
    for (size_t j = 0; j + 1 < i; ++j) {
      if (!ready[j]) ready[j] = depends(unsynced_names_[i - 1], unsynced_names_[j]);
    }
  }
  std::vector<NameChange> rest;
  for (size_t i = 0; i < ready.size(); ++i) {
    if (ready[i]) {
      make_durable(unsynced_names_[i]);
    } else {
      rest.push_back(std::move(unsynced_names_[i]));
    }
  }
  unsynced_names_ = std::move(rest);
  if (inodes_.size() >= collect_at_) collect();
}

void SimDisk::sync_directory(SimInodeId directory) { finish_synced(directory); }

void SimDisk::sync_directory_partly(SimInodeId directory, SimRandom& random) {
  // The ones that become durable are those with no directory left to sync.
  for (NameChange& change : unsynced_names_) {
    if (change.unsynced_directories.contains(directory) && random.chance(0.5)) {
      change.unsynced_directories.clear();
    }
  }
  finish_synced(0);
}

void SimDisk::open(SimInodeId file) { ++inode(file).handles; }

void SimDisk::close(SimInodeId file) {
  Inode& closed = inode(file);
  --closed.handles;
  release_if_unused(closed);
}

void SimDisk::release_if_unused(Inode& file) {
  if (!file.counted || file.named || file.handles > 0) return;
  used_pages_ -= file.visible.allocated_pages();
  file.counted = false;
}

void SimDisk::change(SimInodeId file, SimChange change) {
  Inode& changed = inode(file);
  change.length_before = changed.visible.length();
  used_pages_ -= changed.visible.allocated_pages();
  apply_change(changed.visible, change);
  used_pages_ += changed.visible.allocated_pages();
  changed.unsynced.push_back(std::move(change));
}

void SimDisk::write(SimInodeId file, uint64_t offset, ByteView data, bool under_way) {
  if (data.empty()) return;
  SimChange written;
  written.kind = SimChange::Kind::kWrite;
  written.offset = offset;
  written.length = data.size();
  written.data = std::make_shared<const Bytes>(data);
  written.length_after = std::max(visible(file).length(), offset + data.size());
  written.under_way = under_way;
  change(file, std::move(written));
}

void SimDisk::grow(SimInodeId file, uint64_t length) {
  SimChange grown;
  grown.kind = SimChange::Kind::kGrow;
  grown.length_after = std::max(visible(file).length(), length);
  change(file, std::move(grown));
}

void SimDisk::truncate(SimInodeId file, uint64_t length, bool under_way) {
  SimChange cut;
  cut.kind = SimChange::Kind::kTruncate;
  cut.offset = length;
  cut.length_after = length;
  cut.under_way = under_way;
  change(file, std::move(cut));
}

void SimDisk::punch(SimInodeId file, uint64_t offset, uint64_t length, bool under_way) {
  const uint64_t end = std::min(offset + length, visible(file).length());
  if (end <= offset) return;
  SimChange hole;
  hole.kind = SimChange::Kind::kPunch;
  hole.offset = offset;
  hole.length = end - offset;
  hole.length_after = visible(file).length();
  hole.under_way = under_way;
  change(file, std::move(hole));
}

void SimDisk::reserve(SimInodeId file, uint64_t offset, uint64_t length, bool under_way) {
  SimChange reserved;
  reserved.kind = SimChange::Kind::kReserve;
  reserved.offset = offset;
  reserved.length = length;
  reserved.length_after = std::max(visible(file).length(), offset + length);
  reserved.under_way = under_way;
  change(file, std::move(reserved));
}

void SimDisk::sync(SimInodeId file) {
  Inode& synced = inode(file);
  for (const SimChange& change : synced.unsynced) {
    copy_touched(synced.durable, synced.visible, change);
  }
  synced.durable.set_length(synced.visible.length());
  synced.unsynced.clear();
}

void SimDisk::sync_with_error(SimInodeId file, SimRandom& random) {
  Inode& failed = inode(file);
  CutStats ignored;
  std::vector<const SimChange*> not_landed;
  SettleRules rules;
  rules.keep = choose_keep(random);
  failed.durable =
      settle_image(failed.durable, failed.unsynced, rules, random, ignored, &not_landed);
  used_pages_ -= failed.visible.allocated_pages();
  for (const SimChange* change : not_landed) {
    if (random.chance(0.5)) continue;  // its page stays in the cache, clean
    const uint64_t end = change->offset + change->length;
    for (uint64_t at = change->offset / kSimSectorBytes; at * kSimSectorBytes < end; ++at) {
      if (at * kSimSectorBytes < failed.visible.length()) {
        failed.visible.copy_sector(failed.durable, at);
      }
    }
  }
  // What came back of a last sector behind the end of the file is not part of it.
  const uint64_t length = failed.visible.length();
  failed.visible.set_length(align_up(length, kSimSectorBytes));
  failed.visible.set_length(length);
  used_pages_ += failed.visible.allocated_pages();
  failed.unsynced.clear();
}

void SimDisk::overwrite(SimInodeId file, uint64_t offset, ByteView data) {
  Inode& changed = inode(file);
  used_pages_ -= changed.visible.allocated_pages();
  const uint64_t end = offset + data.size();
  for (SimImage* image : {&changed.visible, &changed.durable}) {
    image->write(offset, data);
    image->set_length(std::max(image->length(), end));
  }
  used_pages_ += changed.visible.allocated_pages();
}

void SimDisk::flip_bit(SimInodeId file, uint64_t offset, unsigned bit) {
  Inode& changed = inode(file);
  used_pages_ -= changed.visible.allocated_pages();
  for (SimImage* image : {&changed.visible, &changed.durable}) {
    if (offset >= image->length()) continue;
    char byte = 0;
    image->read(offset, {&byte, 1});
    byte = static_cast<char>(byte ^ (1 << (bit % 8)));
    image->write(offset, {&byte, 1});
  }
  used_pages_ += changed.visible.allocated_pages();
}

void SimDisk::settle_names(CutPolicy policy, SimRandom& random, double keep, CutStats& stats) {
  std::vector<const NameChange*> lost;
  for (const NameChange& change : unsynced_names_) {
    bool kept = policy == CutPolicy::kKeepAll;
    if (policy == CutPolicy::kRandom) kept = random.chance(keep);
    if (kept && change.under_way) kept = random.chance(0.5);
    if (kept && builds_on_any(change, lost)) kept = false;
    if (kept) {
      make_durable(change);
      ++stats.name_changes_kept;
    } else {
      lost.push_back(&change);
      ++stats.name_changes_lost;
    }
  }
  unsynced_names_.clear();
}

void SimDisk::settle(CutPolicy policy, SimRandom& random, bool tear_sectors, CutStats& stats) {
  SettleRules rules{policy, choose_keep(random), tear_sectors};
  settle_names(policy, random, rules.keep, stats);
  for (auto& [id, file] : inodes_) {
    if (!file.unsynced.empty()) {
      file.durable = settle_image(file.durable, file.unsynced, rules, random, stats);
      file.unsynced.clear();
    }
    file.visible = file.durable;
    file.entries = file.durable_entries;
    file.handles = 0;
  }
  collect();
  used_pages_ = 0;
  for (auto& [id, file] : inodes_) {
    file.named = true;  // what has no durable name was collected
    file.counted = true;
    used_pages_ += file.visible.allocated_pages();
  }
}

void SimDisk::drop_handles() {
  for (auto& [id, file] : inodes_) {
    file.handles = 0;
    release_if_unused(file);
  }
  collect();
}

void SimDisk::mark(SimInodeId id, std::set<SimInodeId>& live) const {
  if (id == 0 || !live.insert(id).second) return;
  for (const auto& [name, entry] : inode(id).entries) mark(entry, live);
  for (const auto& [name, entry] : inode(id).durable_entries) mark(entry, live);
}

void SimDisk::collect() {
  std::set<SimInodeId> live;
  mark(kRoot, live);
  for (const NameChange& change : unsynced_names_) {
    for (const auto& assignment : change.assignments) {
      mark(assignment.directory, live);
      mark(assignment.now, live);
      mark(assignment.before, live);
    }
  }
  for (const auto& [id, file] : inodes_) {
    if (file.handles > 0) mark(id, live);
  }
  std::erase_if(inodes_, [&](const auto& entry) { return !live.contains(entry.first); });
  collect_at_ = std::max<size_t>(64, 2 * inodes_.size());
}

}  // namespace ramet::io
