// The tree of BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs, 2.1): chunks of 1 KiB are
// hashed each with its number as counter, and their values joined in pairs, level by level, the odd
// one going up as it is; the last join is the root. Chunks of the same number, and joins of any
// kind, are equal work in different inputs, so they can share a call of the implementation's
// hash_many(), which has a lane for each.
#include "format/hash_many.h"

#include <algorithm>
#include <vector>

#include "format/check.h"

#ifdef RAMET_BLAKE3_INTERNAL
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
extern "C" {
#include <blake3_impl.h>
}
#endif

namespace ramet {

#ifdef RAMET_BLAKE3_INTERNAL

namespace {

constexpr size_t kChunkBytes = 1024;
constexpr size_t kLaneBytes = 32;  // of a chaining value
constexpr size_t kLanes = 16;
constexpr uint32_t kKey[8] = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                              0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};
static_assert(BLAKE3_OUT_LEN == kLaneBytes && BLAKE3_CHUNK_LEN == kChunkBytes);

const uint8_t* bytes_at(ByteView input, size_t at) {
  return reinterpret_cast<const uint8_t*>(input.data() + at);
}

// One pass over lanes that repeat costs less than three that don't. And the library's assembly for
// two and for four lanes reads up to 48 bytes behind the first input (1.3.1: vmovups of a whole
// register at its last 16 bytes), which is harmless where the next input follows, as in a single
// tree, but not here: one, eight and sixteen lanes read what is theirs.
size_t filled_up(size_t count) {
  if (count > 8) return 16;
  return count > 1 ? 8 : 1;
}

// One call's inputs, all of the same counter, and where each value goes.
class Lanes {
 public:
  Lanes(size_t blocks, uint8_t flags, uint8_t first, uint8_t last)
      : blocks_(blocks), flags_(flags), first_(first), last_(last) {}

  void add(const uint8_t* input, uint64_t counter, uint8_t* into) {
    if (count_ > 0 && counter != counter_) run();
    counter_ = counter;
    inputs_[count_] = input;
    into_[count_] = into;
    if (++count_ == kLanes) run();
  }
  void run() {
    if (count_ == 0) return;
    const size_t filled = filled_up(count_);
    std::fill(inputs_ + count_, inputs_ + filled, inputs_[0]);
    uint8_t out[kLanes * kLaneBytes];
    blake3_hash_many(inputs_, filled, blocks_, kKey, counter_, false, flags_, first_, last_, out);
    for (size_t i = 0; i < count_; ++i) memcpy(into_[i], out + i * kLaneBytes, kLaneBytes);
    count_ = 0;
  }

 private:
  const size_t blocks_;
  const uint8_t flags_;
  const uint8_t first_;
  const uint8_t last_;
  const uint8_t* inputs_[kLanes];
  uint8_t* into_[kLanes];
  uint64_t counter_ = 0;
  size_t count_ = 0;
};

// The last, shorter chunk of an input.
void hash_partial_chunk(ByteView input, size_t chunk, uint8_t* into) {
  uint32_t value[8];
  std::copy_n(kKey, 8, value);
  const size_t begin = chunk * kChunkBytes;
  for (size_t at = begin; at < input.size(); at += BLAKE3_BLOCK_LEN) {
    const size_t length = std::min<size_t>(BLAKE3_BLOCK_LEN, input.size() - at);
    uint8_t block[BLAKE3_BLOCK_LEN] = {};
    memcpy(block, bytes_at(input, at), length);
    const bool is_last = at + length == input.size();
    const auto flags = static_cast<uint8_t>((at == begin ? CHUNK_START : 0) |
                                            (is_last ? CHUNK_END : 0));
    blake3_compress_in_place(value, block, static_cast<uint8_t>(length), chunk, flags);
  }
  memcpy(into, value, kLaneBytes);  // little-endian, as all processors that this is built for
}

// Of an input's chunks, as far as they are joined.
struct Level {
  size_t name = 0;   // whose
  size_t count = 0;  // of values
  std::vector<uint8_t> values;
};

void hash_chunks(std::span<const ByteView> inputs, std::vector<Level>& levels) {
  struct Chunk {
    size_t number;
    size_t level;
  };
  std::vector<Chunk> left_over;
  for (size_t l = 0; l < levels.size(); ++l) {
    Level& level = levels[l];
    const ByteView input = inputs[level.name];
    const size_t full = input.size() / kChunkBytes;
    const size_t together = full / kLanes * kLanes;
    std::vector<const uint8_t*> chunks(together);
    for (size_t i = 0; i < together; ++i) chunks[i] = bytes_at(input, i * kChunkBytes);
    if (together > 0) {
      blake3_hash_many(chunks.data(), together, kChunkBytes / BLAKE3_BLOCK_LEN, kKey, 0, true, 0,
                       CHUNK_START, CHUNK_END, level.values.data());
    }
    for (size_t i = together; i < full; ++i) left_over.push_back({i, l});
    if (full < level.count) {
      hash_partial_chunk(input, full, level.values.data() + full * kLaneBytes);
    }
  }
  std::sort(left_over.begin(), left_over.end(),
            [](const Chunk& a, const Chunk& b) { return a.number < b.number; });
  Lanes lanes(kChunkBytes / BLAKE3_BLOCK_LEN, 0, CHUNK_START, CHUNK_END);
  for (const Chunk& chunk : left_over) {
    Level& level = levels[chunk.level];
    lanes.add(bytes_at(inputs[level.name], chunk.number * kChunkBytes), chunk.number,
              level.values.data() + chunk.number * kLaneBytes);
  }
  lanes.run();
}

// One level of joins of every input that has more than two values left.
bool join_level(std::vector<Level>& levels, std::vector<Level>& next) {
  bool any = false;
  Lanes lanes(1, PARENT, 0, 0);
  for (size_t l = 0; l < levels.size(); ++l) {
    Level& level = levels[l];
    Level& above = next[l];
    above.count = 0;
    if (level.count <= 2) continue;
    any = true;
    const size_t pairs = level.count / 2;
    above.count = (level.count + 1) / 2;
    above.values.resize(above.count * kLaneBytes);
    for (size_t i = 0; i < pairs; ++i) {
      lanes.add(level.values.data() + 2 * i * kLaneBytes, 0, above.values.data() + i * kLaneBytes);
    }
    if (level.count % 2 == 1) {
      memcpy(above.values.data() + pairs * kLaneBytes,
             level.values.data() + (level.count - 1) * kLaneBytes, kLaneBytes);
    }
  }
  lanes.run();
  for (size_t l = 0; l < levels.size(); ++l) {
    if (next[l].count == 0) continue;
    std::swap(levels[l].values, next[l].values);
    levels[l].count = next[l].count;
  }
  return any;
}

}  // namespace

void blake3_many(std::span<const ByteView> inputs, std::span<ContentHash> names) {
  RAMET_CHECK(inputs.size() == names.size(), "a name for each input");
  std::vector<Level> levels;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].size() <= kChunkBytes) {
      names[i] = blake3(inputs[i]);  // its only chunk is the root
      continue;
    }
    Level& level = levels.emplace_back();
    level.name = i;
    level.count = (inputs[i].size() + kChunkBytes - 1) / kChunkBytes;
    level.values.resize(level.count * kLaneBytes);
  }
  hash_chunks(inputs, levels);
  std::vector<Level> next(levels.size());
  while (join_level(levels, next)) {
  }
  Lanes roots(1, PARENT | ROOT, 0, 0);
  for (Level& level : levels) roots.add(level.values.data(), 0, names[level.name].bytes.data());
  roots.run();
}

#else

void blake3_many(std::span<const ByteView> inputs, std::span<ContentHash> names) {
  RAMET_CHECK(inputs.size() == names.size(), "a name for each input");
  for (size_t i = 0; i < inputs.size(); ++i) names[i] = blake3(inputs[i]);
}

#endif

}  // namespace ramet
