#include "engine/check/undo.h"

#include <charconv>
#include <vector>

#include <fmt/format.h>

#include "engine/block/file_window.h"
#include "format/hash.h"
#include "format/segment_layout.h"

namespace ramet::engine {
namespace {

constexpr std::string_view kMagic = "ramet undo 1";
constexpr uint64_t kListBytesMax = 256u << 20;
constexpr uint64_t kSuperblockCopyMax = 1u << 20;

Status write_file(io::Env& env, const std::string& path, ByteView bytes) {
  RAMET_ASSIGN(const bool left_over, env.exists(path));
  if (left_over) RAMET_TRY(env.remove(path));
  RAMET_ASSIGN(const auto file, env.open(path, io::OpenMode::kCreateExclusive));
  if (!bytes.empty()) RAMET_TRY(file->write(0, bytes));
  return file->sync_data();
}

Status remove_if_there(io::Env& env, const std::string& path) {
  RAMET_ASSIGN(const bool there, env.exists(path));
  return there ? env.remove(path) : ok();
}

// "name value\n" from the front.
Result<std::string_view> take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) return Error(ErrorCode::kCorruption, "it is cut off");
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

Result<uint64_t> take_number(std::string_view& text, std::string_view name) {
  RAMET_ASSIGN(const std::string_view line, take_line(text));
  const Error wrong(ErrorCode::kCorruption, fmt::format("no number called '{}'", name));
  if (line.substr(0, name.size()) != name || line.size() < name.size() + 2) return wrong;
  uint64_t number = 0;
  const auto [end, failed] =
      std::from_chars(line.data() + name.size() + 1, line.data() + line.size(), number);
  if (failed != std::errc() || end != line.data() + line.size()) return wrong;
  return number;
}

}  // namespace

Bytes encode_undo(const UndoRecord& record) {
  Bytes text(kMagic);
  text += fmt::format("\nepoch {}\nsequence {}\n", record.epoch, record.sequence);
  for (size_t i = 0; i < 2; ++i) {
    text += fmt::format("superblock {}\n", record.had_superblock[i] ? 1 : 0);
    text += fmt::format("hash {}\n", record.superblock_hash[i]);
  }
  text += fmt::format("files {}\n", record.segment_files.size());
  for (const std::string& name : record.segment_files) text += name + "\n";
  text += fmt::format("check {}\n", xxh3(text));
  return text;
}

Result<UndoRecord> decode_undo(ByteView bytes) {
  UndoRecord record;
  std::string_view text(bytes);
  RAMET_ASSIGN(const std::string_view magic, take_line(text));
  if (magic != kMagic) return Error(ErrorCode::kCorruption, "it is no list of a repair");
  RAMET_ASSIGN(record.epoch, take_number(text, "epoch"));
  RAMET_ASSIGN(record.sequence, take_number(text, "sequence"));
  for (size_t i = 0; i < 2; ++i) {
    RAMET_ASSIGN(const uint64_t there, take_number(text, "superblock"));
    record.had_superblock[i] = there != 0;
    RAMET_ASSIGN(record.superblock_hash[i], take_number(text, "hash"));
  }
  RAMET_ASSIGN(const uint64_t files, take_number(text, "files"));
  for (uint64_t i = 0; i < files; ++i) {
    RAMET_ASSIGN(const std::string_view name, take_line(text));
    record.segment_files.emplace(name);
  }
  RAMET_TRY(take_number(text, "check"));
  // Numbers have one text, names are in order, nothing follows: all this the comparison says.
  if (encode_undo(record) != bytes) {
    return Error(ErrorCode::kCorruption, "its check does not match");
  }
  return record;
}

Status save_undo(io::Env& env, const std::string& path, Epoch epoch, Sequence sequence) {
  RAMET_TRY(remove_if_there(env, path + "/" + kUndoListName));
  RAMET_TRY(env.sync_directory(path));
  UndoRecord record;
  record.epoch = epoch;
  record.sequence = sequence;
  for (size_t i = 0; i < 2; ++i) {
    const std::string from = path + "/" + kSuperblockFileNames[i];
    const std::string to = path + "/" + kUndoSuperblockNames[i];
    RAMET_ASSIGN(record.had_superblock[i], env.exists(from));
    if (!record.had_superblock[i]) {
      RAMET_TRY(remove_if_there(env, to));
      continue;
    }
    RAMET_ASSIGN(const Bytes bytes, io::read_file(env, from, kSuperblockCopyMax));
    RAMET_TRY(write_file(env, to, bytes));
    record.superblock_hash[i] = xxh3(bytes);
  }
  RAMET_TRY(env.sync_directory(path));
  RAMET_ASSIGN(const auto names, env.list(path + "/segments"));
  record.segment_files.insert(names.begin(), names.end());
  RAMET_TRY(write_file(env, path + "/" + kUndoListName, encode_undo(record)));
  return env.sync_directory(path);
}

Result<UndoRecord> load_undo(io::Env& env, const std::string& path) {
  const std::string file = path + "/" + kUndoListName;
  RAMET_ASSIGN(const Bytes bytes, io::read_file(env, file, kListBytesMax));
  return with_context(decode_undo(bytes), file);
}

namespace {

// A segment that the list does not name is of a later life than the repair's; or, with `strict`,
// may be: what a cut left of the repair's own may have no header that can be read.
Result<bool> was_used_since(io::Env& env, const std::string& path, const UndoRecord& record,
                            bool strict) {
  RAMET_ASSIGN(const auto names, env.list(path + "/segments"));
  for (const std::string& name : names) {
    if (record.segment_files.contains(name) || !parse_segment_file_name(name).ok()) continue;
    RAMET_ASSIGN(const auto file, env.open(path + "/segments/" + name, io::OpenMode::kRead));
    RAMET_ASSIGN(const Bytes bytes, read_start(*file, kSegmentHeaderBytes));
    // What never got a header was never used. (A next generation keeps its segment's epoch.)
    const bool blank = bytes.find_first_not_of('\0') == Bytes::npos;
    const auto header = decode_segment_header(bytes);
    if (header.ok() ? header->epoch > record.epoch : strict && !blank) return true;
  }
  return false;
}

// The copy that the list speaks of. kCorruption: it is another one, or gone.
Result<Bytes> read_copy(io::Env& env, const std::string& path, const UndoRecord& record, size_t i) {
  const std::string file = path + "/" + kUndoSuperblockNames[i];
  auto bytes = io::read_file(env, file, kSuperblockCopyMax);
  if (!bytes.ok() && bytes.error().code() == ErrorCode::kIoError) return bytes;
  if (bytes.ok() && xxh3(*bytes) == record.superblock_hash[i]) return bytes;
  return Error(ErrorCode::kCorruption, file + " is not the copy that " + kUndoListName + " names");
}

}  // namespace

Result<bool> is_undo_begun(io::Env& env, const std::string& path, const UndoRecord& record) {
  bool could_be_read = false;  // one of them, when it was saved
  bool restored = false;       // such a one stands where it stood
  for (size_t i = 0; i < 2; ++i) {
    const auto now = io::read_file(env, path + "/" + kSuperblockFileNames[i], kSuperblockCopyMax);
    if (!now.ok() && now.error().code() == ErrorCode::kIoError) return now.error();
    Bytes saved;
    if (record.had_superblock[i]) {
      RAMET_ASSIGN(saved, read_copy(env, path, record, i));
    }
    const bool was_fine = decode_superblock(saved).ok();
    could_be_read = could_be_read || was_fine;
    if (!now.ok() || !decode_superblock(*now).ok()) continue;
    if (saved != *now) return false;
    restored = restored || was_fine;
  }
  if (could_be_read && !restored) return false;
  // (Any later life would have written the superblocks.)
  RAMET_ASSIGN(const bool used, was_used_since(env, path, record, !restored));
  return !used;
}

Status restore_undo(io::Env& env, const std::string& path, const UndoRecord& record) {
  // One that is valid stands before the last one of the repair goes: at no moment is there none.
  std::vector<std::pair<size_t, Bytes>> copies;
  for (size_t i = 0; i < 2; ++i) {
    if (!record.had_superblock[i]) continue;
    RAMET_ASSIGN(Bytes bytes, read_copy(env, path, record, i));
    const bool valid = decode_superblock(bytes).ok();
    copies.emplace(valid ? copies.begin() : copies.end(), i, std::move(bytes));
  }
  for (const auto& [i, bytes] : copies) {
    const std::string to = path + "/" + kSuperblockFileNames[i];
    auto file = env.open(to, io::OpenMode::kReadWrite);
    if (!file.ok() && file.error().code() == ErrorCode::kNotFound) {
      file = env.open(to, io::OpenMode::kCreateExclusive);
    }
    if (!file.ok()) return std::move(file).error();
    if (!bytes.empty()) RAMET_TRY((*file)->write(0, bytes));
    RAMET_TRY((*file)->truncate(bytes.size()));
    RAMET_TRY((*file)->sync_data());
  }
  // Only when none of the repair's own leads to its segments any more.
  for (size_t i = 0; i < 2; ++i) {
    if (record.had_superblock[i]) continue;
    RAMET_TRY(remove_if_there(env, path + "/" + kSuperblockFileNames[i]));
  }
  RAMET_TRY(env.sync_directory(path));
  RAMET_ASSIGN(const auto names, env.list(path + "/segments"));
  for (const std::string& name : names) {
    if (record.segment_files.contains(name) || !parse_segment_file_name(name).ok()) continue;
    RAMET_TRY(env.remove(path + "/segments/" + name));
  }
  RAMET_TRY(env.sync_directory(path + "/segments"));
  return remove_undo(env, path);
}

Status remove_undo(io::Env& env, const std::string& path) {
  RAMET_TRY(remove_if_there(env, path + "/" + kUndoListName));
  RAMET_TRY(env.sync_directory(path));
  for (const char* name : kUndoSuperblockNames) RAMET_TRY(remove_if_there(env, path + "/" + name));
  return env.sync_directory(path);
}

}  // namespace ramet::engine
