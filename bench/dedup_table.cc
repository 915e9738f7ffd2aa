// What cutting finds twice: unique bytes of data sets under Ramet's chunker and under FastCDC. Both
// have their own idea of an average, so FastCDC is run with half, once and twice the average, and
// what it would find at the mean length of Ramet's chunks is read off the line between (linear over
// the logarithm of the mean). Prints Markdown.
//   dedup_table [average=16384] NAME=FILE[,FILE...]...
#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <unordered_set>
#include <vector>

#include "bench/fast_cdc.h"
#include "bench/table_support.h"
#include "format/chunker.h"
#include "format/hash.h"

namespace ramet::bench {
namespace {

struct Found {
  double mean = 0;    // bytes a chunk
  double unique = 0;  // share of all bytes
};

template <typename NextCut>
Found cut_all(const std::vector<Bytes>& files, const NextCut& next_cut) {
  std::unordered_set<std::string> seen;
  uint64_t all = 0;
  uint64_t unique = 0;
  uint64_t chunks = 0;
  for (const Bytes& file : files) {
    for (ByteView rest = file; !rest.empty();) {
      const ByteView chunk = rest.substr(0, next_cut(rest));
      rest.remove_prefix(chunk.size());
      all += chunk.size();
      ++chunks;
      if (seen.emplace(blake3(chunk).view()).second) unique += chunk.size();
    }
  }
  return {static_cast<double>(all) / static_cast<double>(std::max<uint64_t>(1, chunks)),
          static_cast<double>(unique) / static_cast<double>(std::max<uint64_t>(1, all))};
}

// The unique share at that mean.
double at_mean(const std::vector<Found>& points, double mean) {
  size_t right = 1;
  while (right + 1 < points.size() && points[right].mean < mean) ++right;
  const Found& a = points[right - 1];
  const Found& b = points[right];
  const double x = (std::log(mean) - std::log(a.mean)) / (std::log(b.mean) - std::log(a.mean));
  return a.unique + x * (b.unique - a.unique);
}

std::vector<Bytes> read_files(std::string list) {
  std::vector<Bytes> files;
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    std::ifstream in(list.substr(0, end), std::ios::binary);
    if (!in) {
      fmt::print(stderr, "cannot read {}\n", list.substr(0, end));
      std::exit(1);
    }
    files.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    list.erase(0, end + 1);
  }
  return files;
}

}  // namespace
}  // namespace ramet::bench

int main(int argc, char** argv) {
  using namespace ramet;
  using namespace ramet::bench;
  ChunkerParams params;
  fmt::print("| data set | MiB | mean chunk | unique | FastCDC, same average: mean, unique | "
             "FastCDC at the same mean | ratio |\n| --- | --- | --- | --- | --- | --- | --- |\n");
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const uint64_t average = number(argument, "average", 0);
    const size_t sign = argument.find('=');
    if (average != 0 || sign == std::string::npos) {
      params.average = static_cast<uint32_t>(average);
      if (params.is_valid()) continue;
      fmt::print(stderr, "usage: dedup_table [average=16384] NAME=FILE[,FILE...]...\n");
      return 2;
    }
    const auto files = read_files(argument.substr(sign + 1));
    uint64_t bytes = 0;
    for (const Bytes& file : files) bytes += file.size();
    const Found ours =
        cut_all(files, [&](ByteView rest) { return next_cut(rest, true, params); });
    std::vector<Found> theirs;
    for (const uint32_t peer_average : {params.average / 2, params.average, params.average * 2}) {
      const FastCdc peer(peer_average);
      theirs.push_back(cut_all(files, [&](ByteView rest) { return peer.next_cut(rest); }));
    }
    const double same = at_mean(theirs, ours.mean);
    fmt::print("| {} | {} | {:.0f} | {:.2f} % | {:.0f}, {:.2f} % | {:.2f} % | {:.3f} |\n",
               argument.substr(0, sign), bytes >> 20, ours.mean, 100 * ours.unique,
               theirs[1].mean, 100 * theirs[1].unique, 100 * same, ours.unique / same);
  }
  return 0;
}
