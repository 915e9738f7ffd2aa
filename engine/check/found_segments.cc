#include "engine/check/found_segments.h"

#include <algorithm>

#include "engine/block/file_window.h"
#include "engine/block/segment_scan.h"
#include "format/segment_layout.h"

namespace ramet::engine {

Status FoundSegments::survey() {
  files_.clear();
  struct Other {
    SegmentHeader header;
    std::string path;
  };
  std::vector<Other> others;
  RAMET_ASSIGN(const auto names, blocks_.env().list(blocks_.directory()));
  for (const std::string& name : names) {
    const auto parsed = parse_segment_file_name(name);
    if (!parsed.ok()) continue;
    const std::string path = blocks_.directory() + "/" + name;
    auto file = blocks_.env().open(path, io::OpenMode::kRead);
    if (!file.ok()) return std::move(file).error();
    RAMET_ASSIGN(const Bytes bytes, read_start(**file, kSegmentHeaderBytes));
    const auto header = decode_segment_header(bytes);
    const bool is_ours =
        header.ok() && ByteView(reinterpret_cast<const char*>(header->secret.data()),
                                header->secret.size()) == blocks_.secret();
    if (header.ok() && !is_ours) continue;  // of another store
    if (is_ours) last_ = std::max(last_, header->segment);
    if (is_ours && (header->segment != parsed->number ||
                    header->generation != parsed->generation)) {
      others.push_back({*header, path});
    } else {
      files_[parsed->number].insert(parsed->generation);
    }
  }
  for (const Other& other : others) {
    const auto [number, generation] = std::pair(other.header.segment, other.header.generation);
    if (!files_[number].insert(generation).second) continue;
    blocks_.set_path(number, generation, other.path);
    displaced_.insert(number);
  }
  return ok();
}

bool FoundSegments::has_file(SegmentNo number, uint32_t generation) const {
  const auto found = files_.find(number);
  return found != files_.end() && found->second.contains(generation);
}

std::vector<SegmentNo> FoundSegments::numbers() const {
  std::vector<SegmentNo> out;
  for (const auto& [number, generations] : files_) out.push_back(number);
  return out;
}

Result<std::optional<SegmentValue>> FoundSegments::find(SegmentNo number) {
  if (map_ != nullptr) {
    auto known = map_->find(number);
    if (!known.ok() && known.error().code() == ErrorCode::kIoError) return known;
    if (known.ok() && known->has_value() && has_file(number, (*known)->generation)) return known;
  }
  {
    std::lock_guard lock(mu_);
    const auto told = told_.find(number);
    if (told != told_.end()) return told->second;
  }
  RAMET_ASSIGN(const auto value, from_files(number));
  std::lock_guard lock(mu_);
  told_[number] = value;
  return value;
}

// Of several generations the oldest: the next one lacks what was dead, and is there before it
// counts; the old one goes only when nothing needs it.
Result<std::optional<SegmentValue>> FoundSegments::from_files(SegmentNo number) {
  const auto found = files_.find(number);
  if (found == files_.end()) return std::optional<SegmentValue>();
  for (const uint32_t generation : found->second) {
    auto file = blocks_.env().open(blocks_.path_of(number, generation), io::OpenMode::kRead);
    if (!file.ok()) return std::move(file).error();
    const auto header = blocks_.header_of(**file, number);
    if (!header.ok()) {
      if (header.error().code() == ErrorCode::kIoError) return header.error();
      continue;
    }
    RAMET_ASSIGN(const uint64_t size, (*file)->size());
    SegmentValue value;
    value.generation = generation;
    value.stream = static_cast<uint8_t>(header->stream);
    value.state = SegmentState::kOpen;  // no table but what its footer or its frames tell
    value.epoch = header->epoch;
    value.length = size;
    return std::optional<SegmentValue>(value);
  }
  return std::optional<SegmentValue>();
}

Result<std::vector<SlotEntry>> FoundSegments::slots_of(SegmentNo number, uint32_t count) {
  if (map_ != nullptr) return map_->slots_of(number, count);
  return Error(ErrorCode::kCorruption, "no map tells the slots of the segment");
}

Result<std::vector<Hole>> FoundSegments::holes_of(SegmentNo number) {
  if (map_ != nullptr) return map_->holes_of(number);
  return Error(ErrorCode::kCorruption, "no map tells the holes of the segment");
}

}  // namespace ramet::engine
