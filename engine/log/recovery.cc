#include "engine/log/recovery.h"

#include <algorithm>

#include <fmt/format.h>

#include "format/commit_generated.h"
#include "engine/block/segment_scan.h"
#include "engine/log/commit_log.h"

namespace ramet::engine {
namespace {

struct Commit {
  Sequence sequence;
  Bytes payload;
};

struct Group {
  std::vector<Commit> commits;
  std::optional<Footer> footer;
  Sequence synced = 0;  // of a synced mark
  uint64_t next = 0;    // offset behind the group
};

// A commit's payload is joined in memory; FlatBuffers end at 2 GiB, transactions spill long before.
constexpr size_t kCommitBytesMax = 1u << 30;

// Reads a whole group; any bad frame in it is an error [LOG-5].
// `reached`: where the frames end that could be read, also on failure; may be null.
Result<Group> read_group(FileWindow& window, uint64_t offset, uint64_t seed,
                         uint64_t* reached = nullptr) {
  Group group;
  Bytes joined;
  for (;;) {
    ByteView payload;
    RAMET_ASSIGN(const FrameHeader header, read_frame(window, offset, seed, &payload));
    offset += frame_span(header);
    if (reached != nullptr) *reached = offset;
    bool last = (header.flags & kFrameLastOfGroup) != 0;
    switch (header.kind) {
      case FrameKind::kBlock: break;
      case FrameKind::kCommit:
        if (joined.size() + payload.size() > kCommitBytesMax) {
          return Error(ErrorCode::kCorruption, "a commit longer than any");
        }
        joined.append(payload);
        if ((header.flags & kFrameLastOfCommit) != 0) {
          group.commits.push_back({header.sequence, std::move(joined)});
          joined.clear();
        }
        break;
      case FrameKind::kSkip: last = true; break;  // a voided group
      case FrameKind::kSynced: group.synced = header.sequence; break;
      case FrameKind::kFooter: {
        RAMET_ASSIGN(group.footer, decode_footer(payload));
        last = true;
        break;
      }
      default: return Error(ErrorCode::kCorruption, "a frame that is not of the commit stream");
    }
    if (last) break;
  }
  if (!joined.empty()) return Error(ErrorCode::kCorruption, "the group ends inside a commit");
  group.next = align_up(offset, kGroupBytes);
  return group;
}

// The payload of a commit as a table; kCorruption when it does not verify.
Result<const fb::Commit*> parse_commit(ByteView payload) {
  if (!verify_commit(payload)) {
    return Error(ErrorCode::kCorruption, "the commit's payload is malformed");
  }
  return fb::GetCommit(payload.data());
}

// Does anything behind `from` prove that commits after `last` were durable? [LOG-4]
Result<bool> is_damage(io::File& file, FileWindow& window, uint64_t from, uint64_t seed,
                       Sequence last) {
  auto footer = read_footer(file, seed);
  if (!footer.ok() && footer.error().code() == ErrorCode::kIoError) return footer.error();
  if (footer.ok() && footer->has_value() && (*footer)->last_sequence > last) return true;
  for (uint64_t at = align_up(from, kGroupBytes); at < window.file_size();) {
    ByteView payload;
    auto header = read_frame(window, at, seed, &payload);
    // The proof may stand anywhere in a valid group: look at each of its commits.
    Bytes joined;
    uint64_t offset = at;
    while (header.ok() && joined.size() <= kCommitBytesMax) {
      if (header->kind == FrameKind::kSynced && header->sequence > last) return true;
      if (header->kind == FrameKind::kCommit) {
        joined.append(payload);
        if ((header->flags & kFrameLastOfCommit) != 0) {
          const auto commit = parse_commit(joined);
          if (commit.ok() && (*commit)->synced_through() > last) return true;
          joined.clear();
        }
      }
      if (header->kind == FrameKind::kSkip || (header->flags & kFrameLastOfGroup) != 0) break;
      offset += frame_span(*header);
      header = read_frame(window, offset, seed, &payload);
    }
    if (!header.ok() && header.error().code() == ErrorCode::kIoError) return header.error();
    // No group begins inside the frames that were read; reading them again from each boundary
    // would take a time that grows with the square of the file.
    at = std::max(at + kGroupBytes, align_up(offset, kGroupBytes));
  }
  return false;
}

// So many numbers in a row without a file end the search for the segment that follows.
constexpr int kProbeMisses = 64;

// Does any group boundary of the file hold a frame of the log?
Result<bool> holds_frames(io::File& file, uint64_t seed) {
  RAMET_ASSIGN(const uint64_t size, file.size());
  FileWindow window(file, size);
  for (uint64_t at = kSegmentHeaderBytes; at < size; at += kGroupBytes) {
    RAMET_ASSIGN(const ByteView bytes, window.at(at, kFrameHeaderBytesMax));
    if (decode_frame_header(bytes, seed).ok()) return true;
  }
  return false;
}

class Walker {
 public:
  Walker(BlockStore& blocks, const LogPosition& from, const LogPosition& durable_end,
         const std::function<Status(Sequence, ByteView)>& apply)
      : blocks_(blocks), durable_end_(durable_end), apply_(apply) {
    walk_.end = from;
  }

  Result<LogWalk> run() {
    SegmentNo next = walk_.end.segment;
    while (next != 0) {
      const SegmentNo number = next;
      RAMET_ASSIGN(next, walk_segment(number));
      if (walk_.damage) break;
      if (next != 0) {
        walk_.end.segment = next;
        walk_.end.offset = kSegmentHeaderBytes;
      }
    }
    return std::move(walk_);
  }

 private:
  // Returns the segment that follows, or 0.
  Result<SegmentNo> walk_segment(SegmentNo number) {
    auto opened = blocks_.env().open(blocks_.path_of(number, 0), io::OpenMode::kRead);
    if (!opened.ok()) {
      if (opened.error().code() != ErrorCode::kNotFound) return std::move(opened).error();
      return missing(number, "the file is missing");
    }
    const std::unique_ptr<io::File> file = std::move(opened).value();
    auto header = read_segment_header(*file, blocks_.secret(), number);
    if (!header.ok()) {
      if (header.error().code() == ErrorCode::kIoError) return std::move(header).error();
      return missing(number, header.error().message());
    }
    const SegmentIdentity who = blocks_.identity(number, 0, Stream::kCommit, header->epoch);
    RAMET_ASSIGN(const SegmentNo next, walk_groups(*file, who));
    RAMET_TRY(register_segment(number, who));
    return next;
  }

  Result<SegmentNo> walk_groups(io::File& file, const SegmentIdentity& who) {
    RAMET_ASSIGN(const uint64_t size, file.size());
    FileWindow window(file, size);
    for (;;) {
      const uint64_t at = walk_.end.offset;
      auto group = read_group(window, at, who.seed);
      if (!group.ok()) {
        if (group.error().code() == ErrorCode::kIoError) return std::move(group).error();
        return end_at(file, window, who, at, group.error().message());
      }
      if (group->synced > walk_.end.sequence) {
        return damaged(file, at, "a mark says that later commits were durable");
      }
      if (group->synced != 0) {
        // The mark stands where the next group would: look for proof behind it, then end.
        return end_at(file, window, who, at, "the log ends here");
      }
      for (const Commit& commit : group->commits) {
        Status status = accept(commit);
        if (status.ok()) continue;
        if (status.error().code() != ErrorCode::kCorruption) return std::move(status).error();
        return damaged(file, at, status.error().message());
      }
      walk_.bytes += group->next - at;
      if (group->footer) {
        // Numbers are handed out in order; one that goes back would lead in circles.
        const SegmentNo next = group->footer->next_segment;
        if (next == 0 || next > who.number) return next;
        return damaged(file, at, fmt::format("segment {} cannot follow", next));
      }
      walk_.end.offset = group->next;
    }
  }

  Status accept(const Commit& commit) {
    RAMET_ASSIGN(const fb::Commit* table, parse_commit(commit.payload));
    if (commit.sequence != walk_.end.sequence + 1 || table->sequence() != commit.sequence ||
        table->previous_chain() != walk_.end.chain) {
      return Error(ErrorCode::kCorruption,
                   fmt::format("commit {} does not follow commit {}", commit.sequence,
                               walk_.end.sequence));
    }
    Status applied = apply_(commit.sequence, commit.payload);
    if (!applied.ok()) {
      return std::move(applied).error().with_context(
          fmt::format("the log is fine, but commit {} cannot be applied", commit.sequence));
    }
    walk_.end.sequence = commit.sequence;
    walk_.end.chain = commit_chain(walk_.end.chain, commit.payload);
    ++walk_.commits;
    return ok();
  }

  // Nothing valid at `at`: the end, a torn tail, or damage.
  Result<SegmentNo> end_at(io::File& file, FileWindow& window, const SegmentIdentity& who,
                           uint64_t at, const std::string& reason) {
    bool damage = walk_.end.sequence < durable_end_.sequence;
    if (!damage) {
      RAMET_ASSIGN(damage, is_damage(file, window, at + kGroupBytes, who.seed,
                                     walk_.end.sequence));
    }
    if (!damage) {
      RAMET_ASSIGN(damage, has_successor(who));
    }
    if (damage) return damaged(file, at, reason);
    return SegmentNo{0};
  }

  // A segment gets its first group only when the footer that names it is durable. So where one
  // that follows `who` holds a frame, a bad footer of `who` is damage, not a torn tail [LOG-4].
  Result<bool> has_successor(const SegmentIdentity& who) {
    SegmentNo number = who.number;
    for (int misses = 0; misses < kProbeMisses;) {
      auto opened = blocks_.env().open(blocks_.path_of(++number, 0), io::OpenMode::kRead);
      if (!opened.ok()) {
        if (opened.error().code() != ErrorCode::kNotFound) return std::move(opened).error();
        ++misses;
        continue;
      }
      misses = 0;
      const auto header = read_segment_header(**opened, blocks_.secret(), number);
      if (!header.ok()) {
        if (header.error().code() == ErrorCode::kIoError) return header.error();
        continue;
      }
      if (header->stream != Stream::kCommit || header->epoch != who.epoch ||
          header->previous != who.number) {
        continue;
      }
      const SegmentIdentity next = blocks_.identity(number, 0, Stream::kCommit, header->epoch);
      RAMET_ASSIGN(const bool found, holds_frames(**opened, next.seed));
      if (found) return true;
    }
    return false;
  }

  // A segment is created and synced before anything names it: its absence is damage.
  Result<SegmentNo> missing(SegmentNo number, const std::string& reason) {
    walk_.damage = Error(ErrorCode::kCorruption,
                         fmt::format("log damaged behind commit {}: segment {}: {}; the store can "
                                     "be opened read-only; run 'ramet fsck'",
                                     walk_.end.sequence, number, reason));
    return SegmentNo{0};
  }

  SegmentNo damaged(const io::File& file, uint64_t at, const std::string& reason) {
    walk_.damage = Error(
        ErrorCode::kCorruption,
        fmt::format("log damaged behind commit {}: {} at offset {}: {}; the store can be opened "
                    "read-only; run 'ramet fsck'",
                    walk_.end.sequence, file.path(), at, reason));
    return 0;
  }

  // Makes the blocks of the good part readable.
  Status register_segment(SegmentNo number, const SegmentIdentity& who) {
    RAMET_ASSIGN(auto file, blocks_.env().open(blocks_.path_of(number, 0), io::OpenMode::kRead));
    auto footer = read_footer(*file, who.seed);
    std::vector<SlotEntry> slots;
    RAMET_ASSIGN(const uint64_t size, file->size());
    // What fills the last group up may have got lost.
    uint64_t end = std::min(walk_.end.offset, size);
    uint64_t footer_offset = 0;
    if (footer.ok() && footer->has_value()) {
      slots = std::move((*footer)->slots);
      end = footer_offset = (*footer)->end_offset;
    } else {
      RAMET_ASSIGN(ScanResult scan, scan_frames(*file, who, {}, kSegmentHeaderBytes, true));
      slots = std::move(scan.slots);
      for (SlotEntry& slot : slots) {
        if (!slot.is_gone() && slot.offset() >= end) slot = SlotEntry::gone();
      }
      while (!slots.empty() && slots.back().is_gone()) slots.pop_back();
    }
    blocks_.register_segment(
        Segment::attach(std::move(file), who, std::move(slots), end, footer_offset));
    walk_.segments.push_back(number);
    return ok();
  }

  BlockStore& blocks_;
  const LogPosition durable_end_;
  const std::function<Status(Sequence, ByteView)>& apply_;
  LogWalk walk_;
};

}  // namespace

Status each_group(io::File& file, uint64_t seed,
                  const std::function<Status(uint64_t offset, std::span<const LoggedCommit>)>&
                      visit) {
  RAMET_ASSIGN(const uint64_t size, file.size());
  FileWindow window(file, size);
  for (uint64_t at = kSegmentHeaderBytes; at < size;) {
    uint64_t reached = at;
    auto group = read_group(window, at, seed, &reached);
    if (!group.ok()) {
      if (group.error().code() == ErrorCode::kIoError) return std::move(group).error();
      // No group begins inside the frames that were read.
      at = std::max(at + kGroupBytes, align_up(reached, kGroupBytes));
      continue;
    }
    std::vector<LoggedCommit> commits;
    for (Commit& commit : group->commits) {
      const auto table = parse_commit(commit.payload);
      if (!table.ok() || (*table)->sequence() != commit.sequence) continue;
      const uint64_t chain = (*table)->previous_chain();
      commits.push_back({commit.sequence, chain, std::move(commit.payload)});
    }
    if (!commits.empty()) RAMET_TRY(visit(at, commits));
    at = std::max(at + kGroupBytes, group->next);
  }
  return ok();
}

Result<LogWalk> walk_log(BlockStore& blocks, const LogPosition& from,
                         const LogPosition& durable_end,
                         const std::function<Status(Sequence, ByteView)>& apply) {
  return Walker(blocks, from, durable_end, apply).run();
}

}  // namespace ramet::engine
