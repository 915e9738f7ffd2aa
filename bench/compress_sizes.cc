// What compressing block by block would make of trees of files: unique blocks at several average
// lengths, and what they take with several zstd levels. Stores nothing: for choosing defaults.
// Sizes count payloads and, apart, 80 bytes a block for its frame header and slot entry.
//
//   compress_sizes [--averages 16384,65536] [--levels 1,3] [--sample N] DIR...
//
// `--sample N`: only every Nth block is compressed, and the figures scaled.
#include <sys/stat.h>
#include <time.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <fmt/format.h>

#include "format/chunker.h"
#include "format/codec.h"
#include "format/hash.h"

namespace {

using namespace ramet;
namespace fs = std::filesystem;

constexpr uint64_t kBlockOverhead = 80;

struct Options {
  std::vector<uint32_t> averages = {16u << 10};
  std::vector<int> levels = {1, 3};
  uint64_t sample = 1;
  std::vector<std::string> directories;
};

template <typename Number>
std::vector<Number> list_of(const char* text) {
  std::vector<Number> out;
  for (const char* at = text; at != nullptr; at = std::strchr(at, ',')) {
    if (*at == ',') ++at;
    out.push_back(static_cast<Number>(std::atoll(at)));
  }
  return out;
}

Bytes read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// Every regular file's bytes, each inode once.
template <typename Visit>
void each_file(const Options& options, Visit visit) {
  std::set<std::pair<dev_t, ino_t>> seen;
  for (const std::string& directory : options.directories) {
    for (const auto& entry : fs::recursive_directory_iterator(
             directory, fs::directory_options::skip_permission_denied)) {
      struct stat status {};
      if (::lstat(entry.path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
      if (!seen.emplace(status.st_dev, status.st_ino).second) continue;
      visit(read_file(entry.path()));
    }
  }
}

struct Column {
  int level = 0;
  uint64_t bytes = 0;
  uint64_t kept_raw = 0;  // blocks that compression does not pay for
  double seconds = 0;
};

// What a block takes, as the store would keep it; verified, too.
uint64_t stored_bytes(Column& column, ByteView block) {
  const double start = cpu_seconds();
  const auto stored = compress_if_it_pays(block, column.level);
  column.seconds += cpu_seconds() - start;
  if (!stored.ok()) {
    fmt::print(stderr, "{}\n", stored.error().to_string());
    std::exit(1);
  }
  if (stored->has_value()) return (*stored)->size();
  ++column.kept_raw;
  return block.size();
}

void measure(const Options& options, uint32_t average) {
  const ChunkerParams params{average};
  std::unordered_set<uint64_t> seen;
  std::vector<Column> columns;
  for (const int level : options.levels) columns.push_back({level, 0, 0, 0});
  uint64_t all = 0, unique = 0, blocks = 0, sampled = 0;
  each_file(options, [&](const Bytes& file) {
    ByteView rest(file);
    while (!rest.empty()) {
      const ByteView block = rest.substr(0, next_cut(rest, true, params));
      rest.remove_prefix(block.size());
      all += block.size();
      if (!seen.insert(blake3(block).prefix()).second) continue;
      unique += block.size();
      if (blocks++ % options.sample != 0) continue;
      sampled += block.size();
      for (Column& column : columns) {
        column.bytes += stored_bytes(column, block);
      }
    }
  });
  const double scale = static_cast<double>(unique) / static_cast<double>(sampled);
  fmt::print("average {}: {} bytes, unique {} in {} blocks (+ {} of headers)\n", average, all,
             unique, blocks, blocks * kBlockOverhead);
  for (const Column& column : columns) {
    const auto bytes = static_cast<uint64_t>(static_cast<double>(column.bytes) * scale);
    fmt::print("  zstd:{:<3} {:>12} bytes, with headers {:>12}; {:>6.1f} MB/s; {} kept raw\n",
               column.level, bytes, bytes + blocks * kBlockOverhead,
               static_cast<double>(sampled) / column.seconds / 1e6, column.kept_raw);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const char* const value = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--averages") {
      options.averages = list_of<uint32_t>(value);
    } else if (word == "--levels") {
      options.levels = list_of<int>(value);
    } else if (word == "--sample") {
      options.sample = std::max<uint64_t>(1, list_of<uint64_t>(value).front());
    } else {
      options.directories.emplace_back(word);
      continue;
    }
    ++i;
  }
  if (options.directories.empty()) {
    fmt::print(stderr, "usage: compress_sizes [OPTIONS] DIR...\n");
    return 2;
  }
  for (const uint32_t average : options.averages) measure(options, average);
  return 0;
}
