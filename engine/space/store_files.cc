#include "engine/space/store_files.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "engine/tree/cursor.h"
#include "engine/tree/tree.h"
#include "format/keys.h"
#include "format/superblock.h"
#include "format/values.h"

namespace ramet::engine {
namespace {

// nullopt: it has gone since it was listed; or it is none of the store's, and no file.
Result<std::optional<StoreFile>> look_at(io::Env& env, const std::string& directory,
                                         const std::string& name, bool foreign = false) {
  std::optional<StoreFile> out;
  auto file = env.open(directory + "/" + name, io::OpenMode::kRead);
  if (!file.ok()) {
    if (foreign || file.error().code() == ErrorCode::kNotFound) return out;
    return std::move(file).error();
  }
  out.emplace();
  out->name = name;
  RAMET_ASSIGN(out->length, (*file)->size());
  RAMET_ASSIGN(out->allocated, (*file)->allocated_bytes());
  return out;
}

Status look_into(io::Env& env, const std::string& directory,
                 const std::function<bool(const std::string&)>& is_foreign,
                 std::vector<StoreFile>& out) {
  RAMET_ASSIGN(const auto names, env.list(directory));
  for (const std::string& name : names) {
    RAMET_ASSIGN(auto file, look_at(env, directory, name, is_foreign(name)));
    if (file) out.push_back(std::move(*file));
  }
  return ok();
}

bool is_superblock(const std::string& name) {
  return name.starts_with(kSuperblockFileNames[0]) || name.starts_with(kSuperblockFileNames[1]);
}

// How one file of a segment is made up.
Status add_segment(const SegmentFile& segment, Stream stream, uint64_t frames_end, uint64_t taken,
                   uint64_t holes, StoreUsage& usage) {
  const uint64_t length = segment.file.length;
  const bool shared = stream == Stream::kNode || stream == Stream::kData;
  const uint64_t header = std::min<uint64_t>(length, kSegmentHeaderBytes);
  const uint64_t end = shared ? std::clamp(frames_end, header, length) : length;
  if (taken + holes > end - header) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("segment {}: live blocks and nodes have {} bytes, holes {}, its file "
                             "only {}", segment.number, taken, holes, end - header));
  }
  switch (stream) {
    case Stream::kMap: usage.map_bytes += length; break;
    case Stream::kCommit: usage.log_bytes += length - taken - holes; break;
    case Stream::kNode:
    case Stream::kData:
      usage.frame_bytes += header + (length - end);
      usage.unused_bytes += end - header - taken - holes;
      break;
  }
  return ok();
}

void add_length(const StoreFile& file, uint64_t& line, StoreUsage& usage) {
  line += file.length;
  usage.total_bytes += file.length;
  usage.allocated_bytes += file.allocated;
}

Result<std::map<SegmentNo, SegmentValue>> known_segments(TreeContext& maps, const Root& map) {
  std::map<SegmentNo, SegmentValue> out;
  const KeyRange range = space_range(MapSpace::kSegment);
  Cursor cursor(maps, map);
  RAMET_TRY(cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_ASSIGN(const SegmentNo number, decode_segment_key(cursor.key()));
    RAMET_ASSIGN(out[number], decode_segment_value(cursor.value()));
    RAMET_TRY(cursor.next());
  }
  return out;
}

// Bytes in holes of a segment of the map.
Result<uint64_t> hole_bytes(TreeContext& maps, const Root& map, SegmentNo number) {
  Tree tree(maps, map);
  Value value;
  RAMET_ASSIGN(const bool found, tree.get(holes_key(number), &value));
  if (!found) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("the map lacks the holes of segment {}", number));
  }
  RAMET_ASSIGN(const auto holes, decode_holes(value.bytes()));
  return punched_bytes(holes);
}

}  // namespace

Result<StoreFiles> list_store_files(BlockStore& blocks, const std::string& store) {
  StoreFiles out;
  io::Env& env = blocks.env();
  const auto is_foreign = [](const std::string& name) {
    return !is_superblock(name) && name != "ballast" && name != "lock";
  };
  RAMET_TRY(look_into(env, store, is_foreign, out.top));
  RAMET_TRY(look_into(env, store + "/index", [](const auto&) { return false; }, out.index));
  for (const char* beside : {"/scrub", "/cache"}) {
    RAMET_ASSIGN(const bool there, env.exists(store + beside));
    if (!there) continue;
    RAMET_TRY(look_into(env, store + beside, [](const auto&) { return true; }, out.foreign));
  }
  RAMET_ASSIGN(const auto names, env.list(blocks.directory()));
  std::map<SegmentNo, std::shared_ptr<Segment>> own;  // (after the list: a file comes first)
  for (auto& segment : blocks.own_segments()) own.emplace(segment->number(), segment);
  for (const std::string& name : names) {
    RAMET_ASSIGN(auto file, look_at(env, blocks.directory(), name));
    if (!file) continue;
    const auto parsed = parse_segment_file_name(name);
    if (!parsed.ok()) {
      out.foreign.push_back(std::move(*file));
      continue;
    }
    SegmentFile segment;
    segment.number = parsed->number;
    segment.generation = parsed->generation;
    segment.file = std::move(*file);
    const auto mine = own.find(parsed->number);
    if (mine != own.end() && mine->second->identity().generation == parsed->generation) {
      const Segment& known = *mine->second;
      segment.stream = known.identity().stream;
      segment.frames_end = known.sealed() ? known.footer_offset() : known.end();
    }
    out.segments.push_back(std::move(segment));
  }
  return out;
}

Status add_store_files(const StoreFiles& files, TreeContext& maps, const Root& map,
                       const std::map<SegmentNo, uint64_t>& taken, StoreUsage& usage) {
  for (const StoreFile& file : files.top) {
    add_length(file,
               is_superblock(file.name) ? usage.superblock_bytes
               : file.name == "ballast" ? usage.ballast_bytes
                                        : usage.other_bytes,
               usage);
  }
  for (const StoreFile& file : files.index) add_length(file, usage.index_bytes, usage);
  for (const StoreFile& file : files.foreign) add_length(file, usage.other_bytes, usage);
  RAMET_ASSIGN(const auto known, known_segments(maps, map));
  std::map<SegmentNo, uint64_t> missing = taken;
  for (const SegmentFile& segment : files.segments) {
    const auto found = known.find(segment.number);
    const bool in_map = found != known.end();
    if (!in_map && !segment.stream) {  // of a life that crashed: recovery did not need it
      add_length(segment.file, usage.leftover_bytes, usage);
      continue;
    }
    if (in_map && (found->second.generation != segment.generation ||
                   found->second.state == SegmentState::kCondemned)) {
      add_length(segment.file, usage.leftover_bytes, usage);
      continue;
    }
    usage.total_bytes += segment.file.length;
    usage.allocated_bytes += segment.file.allocated;
    const Stream stream =
        segment.stream ? *segment.stream : static_cast<Stream>(found->second.stream);
    uint64_t frames_end = segment.frames_end;
    if (!segment.stream) {
      frames_end = found->second.footer_offset != 0 ? found->second.footer_offset
                                                    : found->second.length;
    }
    const auto line = missing.find(segment.number);
    uint64_t holes = 0;
    if (in_map && (found->second.flags & kSegmentHasHoles) != 0) {
      RAMET_ASSIGN(holes, hole_bytes(maps, map, segment.number));
      const bool due = (found->second.flags & kSegmentPunchDue) != 0;
      if (due && !files.punched.contains(segment.number)) {
        usage.leftover_bytes += holes;
      } else {
        usage.total_bytes -= holes;
        usage.hole_bytes += holes;
      }
    }
    RAMET_TRY(add_segment(segment, stream, frames_end, line == missing.end() ? 0 : line->second,
                          holes, usage));
    if (line != missing.end()) missing.erase(line);
  }
  for (const auto& [number, bytes] : missing) {
    if (bytes == 0) continue;
    return Error(ErrorCode::kCorruption,
                 fmt::format("segment {} has no file, but {} bytes in it are needed", number,
                             bytes));
  }
  return ok();
}

}  // namespace ramet::engine
