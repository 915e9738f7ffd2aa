// Goal: what is appended can be read at once, is in the file after flush(), in its order, and
// survives any number of failed writes; whoever reads meanwhile sees the same bytes [WRITE-1].
// Method: a file in memory whose writes fail, partly done, as drawn; a plain string as the model.
#include "engine/block/write_behind.h"

#include <atomic>
#include <random>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/support/tree_files.h"

namespace ramet::engine {
namespace {

// Thread-safe.
class MemoryFile : public io::File {
 public:
  MemoryFile() : File("memory") {}

  // Each write fails with this probability in percent, after a part of it was done.
  void fail(int percent) { fail_percent_.store(percent); }
  Bytes bytes() {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }
  uint64_t allocated() const { return allocated_.load(); }

  Result<size_t> read(uint64_t offset, std::span<char> into) override {
    const std::lock_guard lock(mutex_);
    if (offset >= bytes_.size()) return size_t{0};
    return bytes_.copy(into.data(), into.size(), offset);
  }
  Status write(uint64_t offset, ByteView data) override {
    const std::lock_guard lock(mutex_);
    if (bytes_.size() < offset + data.size()) bytes_.resize(offset + data.size());
    const bool fails = static_cast<int>(random_() % 100) < fail_percent_.load();
    const ByteView done = fails ? data.substr(0, random_() % data.size()) : data;
    std::copy(done.begin(), done.end(), bytes_.begin() + static_cast<long>(offset));
    if (fails) return Error(ErrorCode::kOutOfSpace, "drawn");
    return ok();
  }
  Status allocate(uint64_t offset, uint64_t length) override {
    allocated_.store(offset + length);
    return allocated_.load() % 3 == 0 ? Status(Error(ErrorCode::kOutOfSpace, "no")) : ok();
  }
  Status read_batch(std::span<const io::ReadPiece>) override { return no(); }
  Status write_batch(std::span<const io::WritePiece>) override { return no(); }
  Status sync_data() override { return ok(); }
  Status punch_hole(uint64_t, uint64_t) override { return no(); }
  Status truncate(uint64_t) override { return no(); }
  Result<uint64_t> size() override { return bytes().size(); }
  Result<uint64_t> allocated_bytes() override { return bytes().size(); }

 private:
  static Status no() { return Error(ErrorCode::kUnsupported, "not asked for here"); }
  std::mutex mutex_;
  Bytes bytes_;
  std::mt19937_64 random_{1};
  std::atomic<int> fail_percent_{0};
  std::atomic<uint64_t> allocated_{0};
};

constexpr size_t kPieceBytes = 16 << 10;
constexpr uint64_t kBegin = 4096;

WriteBehindConfig config(bool background) {
  WriteBehindConfig config;
  config.piece_bytes = kPieceBytes;
  config.background = background;
  return config;
}

// A range inside one frame, from memory or from the file.
Bytes read_back(WriteBehind& writer, MemoryFile& file, uint64_t offset, size_t length) {
  Bytes into(length, '?');
  const auto there = writer.read(offset, into);
  if (!there.ok()) return there.error().to_string();
  if (!*there && *file.read(offset, into) != length) return "too short";
  return into;
}

void appends_flushes_and_failures(bool background) {
  MemoryFile file;
  WriteBehind writer(file, kBegin, config(background));
  Bytes model(kBegin, '\0');  // (what stands before the beginning is somebody else's)
  std::vector<std::pair<uint64_t, size_t>> frames;
  for (int n = *rc::gen::inRange(0, 120); n > 0; --n) {
    const int action = *rc::gen::inRange(0, 12);
    if (action == 0) {
      file.fail(*rc::gen::element(0, 0, 30, 100));
    } else if (action == 1) {
      if (writer.flush().ok() && !frames.empty()) RC_ASSERT(file.bytes() == model);
    } else if (writer.make_room().ok()) {
      const size_t length = *rc::gen::element<size_t>(8, 64, 1000, 5000, kPieceBytes, 50'000);
      const Bytes frame = test::noise(length, model.size());
      writer.append([&](Bytes& buffer, uint64_t offset) {
        RC_ASSERT(offset == model.size());
        buffer += frame;
      });
      frames.emplace_back(model.size(), length);
      model += frame;
    }
    RC_ASSERT(writer.end() == model.size());
    RC_ASSERT(writer.written() <= model.size());
    if (frames.empty()) continue;
    const auto [offset, length] = frames[*rc::gen::inRange<size_t>(0, frames.size())];
    RC_ASSERT(read_back(writer, file, offset, length) == model.substr(offset, length));
  }
  file.fail(0);
  // A failure that nobody was told of yet is told once.
  Status flushed = writer.flush();
  if (!flushed.ok()) flushed = writer.flush();
  RC_ASSERT(flushed.ok());
  if (!frames.empty()) RC_ASSERT(file.bytes() == model);
  Bytes into(1, 0);
  RC_ASSERT(!writer.read(model.size(), into).ok());
}

RC_GTEST_PROP(WriteBehindProperty, FailuresLoseNothing, ()) {
  appends_flushes_and_failures(false);
}
RC_GTEST_PROP(WriteBehindProperty, NorOnAThreadOfItsOwn, ()) {
  appends_flushes_and_failures(true);
}

TEST(WriteBehind, WhatIsAppendedIsThereForEverybodyAtOnce) {
  MemoryFile file;
  file.fail(20);
  WriteBehind writer(file, kBegin, config(true));
  constexpr uint64_t kFrame = 1000;
  std::atomic<uint64_t> appended{0};
  std::atomic<uint64_t> wrong{0};
  std::vector<std::thread> readers;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    readers.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      for (uint64_t count = 0; count < 3000;) {
        count = appended.load();
        if (count == 0) continue;
        const uint64_t i = random() % count;
        if (read_back(writer, file, kBegin + i * kFrame, kFrame) !=
            Bytes(kFrame, static_cast<char>('a' + i % 26))) {
          ++wrong;
        }
      }
    });
  }
  while (appended.load() < 3000) {
    if (!writer.make_room().ok()) continue;
    const auto letter = static_cast<char>('a' + appended.load() % 26);
    writer.append([&](Bytes& buffer, uint64_t) { buffer.append(kFrame, letter); });
    ++appended;
    if (appended.load() % 700 == 0) {
      while (!writer.flush().ok()) {
      }
    }
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong.load(), 0u);
}

// Nothing is written through a gate that is shut, whoever asks; what waits is all there afterwards.
TEST(WriteBehind, AShutGateKeepsEverythingInMemory) {
  for (const bool background : {false, true}) {
    MemoryFile file;
    WriteBehindConfig gated = config(background);
    gated.gate = std::make_shared<WriteGate>();
    WriteBehind writer(file, 0, gated);
    Bytes all;
    const auto append = [&](char byte) {
      const Bytes frame(kPieceBytes / 3, byte);
      const Status room = writer.make_room();
      if (room.ok()) {
        writer.append([&](Bytes& buffer, uint64_t) { buffer += frame; });
        all += frame;
      }
      return room;
    };
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(append('a').ok());
    ASSERT_TRUE(writer.flush().ok());
    gated.gate->set(true);
    const Bytes before = file.bytes();
    bool refused = false;
    for (int i = 0; i < 100 && !refused; ++i) refused = !append('b').ok();
    EXPECT_TRUE(refused) << "it takes without end";
    EXPECT_EQ(writer.flush().error().code(), ErrorCode::kOutOfSpace);
    EXPECT_EQ(file.bytes(), before);
    EXPECT_EQ(read_back(writer, file, 0, all.size() < 100 ? all.size() : 100), all.substr(0, 100));
    gated.gate->set(false);
    while (!writer.flush().ok()) {
    }
    EXPECT_EQ(file.bytes(), all);
  }
}

TEST(WriteBehind, WhatIsNotWrittenCanBeForgotten) {
  for (const bool background : {false, true}) {
    MemoryFile file;
    WriteBehind writer(file, 0, config(background));
    const Bytes frame(kPieceBytes, 'x');
    const auto append = [&] {
      const Status room = writer.make_room();
      if (room.ok()) writer.append([&](Bytes& buffer, uint64_t) { buffer += frame; });
      return room;
    };
    ASSERT_TRUE(append().ok());
    ASSERT_TRUE(writer.flush().ok());
    file.fail(100);
    bool refused = false;
    for (int i = 0; i < 100 && !refused; ++i) refused = !append().ok();
    ASSERT_TRUE(refused);
    writer.drop_unwritten();
    EXPECT_EQ(writer.end(), writer.written());
    EXPECT_EQ(writer.end(), frame.size());
    file.fail(0);
    ASSERT_TRUE(append().ok());
    ASSERT_TRUE(writer.flush().ok());
    EXPECT_EQ(writer.end(), 2 * frame.size());
    EXPECT_EQ(file.bytes().substr(0, 2 * frame.size()), frame + frame);
  }
}

TEST(WriteBehind, SpaceIsAllocatedAheadAndNotBehindTheGreatestFile) {
  MemoryFile file;
  WriteBehindConfig some = config(false);
  some.pieces_allocated = 4;
  some.file_bytes_max = kBegin + 6 * kPieceBytes;
  WriteBehind writer(file, kBegin, some);
  uint64_t most = 0;
  for (int i = 0; i < 7; ++i) {
    EXPECT_TRUE(writer.make_room().ok());
    writer.append([](Bytes& buffer, uint64_t) { buffer.append(kPieceBytes, 'x'); });
    most = std::max(most, file.allocated());
    if (i == 1) {
      EXPECT_EQ(file.allocated(), kBegin + 4 * kPieceBytes);
    }
  }
  EXPECT_EQ(most, kBegin + 6 * kPieceBytes);
}

}  // namespace
}  // namespace ramet::engine
