// Every sentence of io/env.h about files, over every implementation.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "io/unix_fd.h"
#include "tests/io/env_fixture.h"

namespace ramet::test {
namespace {

using io::OpenMode;
using io::ReadPiece;
using io::WritePiece;

class EnvConformance : public EnvTest {};
INSTANTIATE_TEST_SUITE_P(All, EnvConformance,
                         testing::Values("posix", "uring", "sim", "posix_tmpfs", "uring_tmpfs"),
                         env_test_name);

TEST_P(EnvConformance, NameIsThatOfTheImplementation) {
  EXPECT_EQ(env().name(), GetParam().substr(0, GetParam().find('_')));
}

TEST_P(EnvConformance, OpenOfMissingFileIsNotFoundAndNamesPathAndOperation) {
  for (const OpenMode mode : {OpenMode::kRead, OpenMode::kReadWrite}) {
    for (auto&& result :
         {env().open(path("missing"), mode).ok(), env().open_bulk(path("missing"), mode).ok()}) {
      EXPECT_FALSE(result);
    }
    auto opened = env().open(path("missing"), mode);
    ASSERT_TRUE(fails_with(opened, ErrorCode::kNotFound));
    EXPECT_NE(opened.error().message().find(path("missing")), std::string::npos);
    EXPECT_NE(opened.error().message().find("open"), std::string::npos);
  }
}

TEST_P(EnvConformance, ExclusiveCreationOfExistingFileIsAlreadyExists) {
  create("file");
  auto again = env().open(path("file"), OpenMode::kCreateExclusive);
  ASSERT_TRUE(fails_with(again, ErrorCode::kAlreadyExists));
  EXPECT_NE(again.error().message().find("create"), std::string::npos);
  EXPECT_TRUE(fails_with(env().open_bulk(path("file"), OpenMode::kCreateExclusive),
                         ErrorCode::kAlreadyExists));
}

TEST_P(EnvConformance, CreationInMissingDirectoryIsNotFound) {
  EXPECT_TRUE(
      fails_with(env().open(path("no/file"), OpenMode::kCreateExclusive), ErrorCode::kNotFound));
}

TEST_P(EnvConformance, OpeningDirectoryIsAnError) {
  EXPECT_TRUE(fails_with(env().open(directory_, OpenMode::kRead), ErrorCode::kIoError));
  EXPECT_TRUE(fails_with(env().open(directory_, OpenMode::kReadWrite), ErrorCode::kIoError));
}

TEST_P(EnvConformance, FileKnowsItsPath) { EXPECT_EQ(create("file")->path(), path("file")); }

TEST_P(EnvConformance, WrittenBytesAreReadBackAndOtherHandlesSeeThem) {
  auto file = create("file");
  const Bytes data = pattern(100'000, 1);
  ASSERT_OK(file->write(0, data));
  EXPECT_TRUE(same_bytes(read_all(*file), data));
  auto other = env().open(path("file"), OpenMode::kRead);
  ASSERT_OK(other);
  EXPECT_TRUE(same_bytes(read_all(**other), data));
}

TEST_P(EnvConformance, ReadReturnsLessOnlyAtTheEnd) {
  auto file = create("file");
  ASSERT_OK(file->write(0, pattern(1000, 2)));
  Bytes into(600, 'x');
  EXPECT_EQ(*file->read(0, into), 600u);
  EXPECT_EQ(*file->read(400, into), 600u);
  EXPECT_EQ(*file->read(401, into), 599u);
  EXPECT_EQ(*file->read(999, into), 1u);
  EXPECT_EQ(*file->read(1000, into), 0u);
  EXPECT_EQ(*file->read(1u << 30, into), 0u);
}

TEST_P(EnvConformance, BytesBehindTheEndOfReadAreUntouched) {
  auto file = create("file");
  ASSERT_OK(file->write(0, "abc"));
  Bytes into(10, 'x');
  ASSERT_EQ(*file->read(0, into), 3u);
  EXPECT_EQ(into, "abcxxxxxxx");
}

TEST_P(EnvConformance, WriteBehindTheEndLeavesZerosBetween) {
  auto file = create("file");
  ASSERT_OK(file->write(10'000, "end"));
  EXPECT_TRUE(same_bytes(read_all(*file), Bytes(10'000, '\0') + "end"));
}

TEST_P(EnvConformance, EmptyTransfersSucceedAndChangeNothing) {
  auto file = create("file");
  EXPECT_OK(file->write(5000, ""));
  EXPECT_EQ(*file->size(), 0u);
  EXPECT_EQ(*file->read(0, {}), 0u);
  EXPECT_OK(file->write_batch({}));
  EXPECT_OK(file->read_batch({}));
  EXPECT_OK(file->allocate(0, 0));
  EXPECT_OK(file->punch_hole(0, 0));
  const ReadPiece nothing{7, {}};
  EXPECT_OK(file->read_batch({&nothing, 1}));
  const std::vector<WritePiece> empty(9, WritePiece{123, ""});
  EXPECT_OK(file->write_batch(empty));
  EXPECT_EQ(*file->size(), 0u);
}

TEST_P(EnvConformance, WritingToReadOnlyHandleIsAnErrorThatNamesPathAndOperation) {
  ASSERT_OK(create("file")->write(0, "content"));
  for (const bool bulk : {false, true}) {
    auto file = bulk ? env().open_bulk(path("file"), OpenMode::kRead)
                     : env().open(path("file"), OpenMode::kRead);
    ASSERT_OK(file);
    const Status written = (*file)->write(3, "new");
    ASSERT_TRUE(fails_with(written, ErrorCode::kIoError));
    EXPECT_NE(written.error().message().find(path("file")), std::string::npos);
    EXPECT_NE(written.error().message().find("write"), std::string::npos);
    EXPECT_NE(written.error().message().find(" at 3"), std::string::npos);
    EXPECT_FALSE((*file)->truncate(0).ok());
    EXPECT_FALSE((*file)->allocate(0, 4096).ok());
    EXPECT_FALSE((*file)->punch_hole(0, 4096).ok());
    EXPECT_FALSE((*file)->write(0, Bytes(1 << 20, 'x')).ok());
    EXPECT_TRUE(same_bytes(read_all(**file), "content"));
  }
}

TEST_P(EnvConformance, RangesBehindTheGreatestOffsetAreInvalidArguments) {
  for (const bool bulk : {false, true}) {
    auto file = create(bulk ? "bulk" : "plain", bulk);
    ASSERT_OK(file->write(0, "content"));
    Bytes into(300'000, '\0');
    constexpr auto kInvalid = ErrorCode::kInvalidArgument;
    for (const uint64_t offset : {~uint64_t{0}, uint64_t{1} << 63, (uint64_t{1} << 63) - 100}) {
      EXPECT_TRUE(fails_with(file->read(offset, into), kInvalid));
      EXPECT_TRUE(fails_with(file->write(offset, into), kInvalid));
      EXPECT_TRUE(fails_with(file->allocate(offset, 4096), kInvalid));
      EXPECT_TRUE(fails_with(file->punch_hole(offset, 4096), kInvalid));
      const std::vector<ReadPiece> reads(8, {offset, into});
      const std::vector<WritePiece> writes(8, {offset, into});
      EXPECT_TRUE(fails_with(file->read_batch(reads), kInvalid));
      EXPECT_TRUE(fails_with(file->write_batch(writes), kInvalid));
    }
    EXPECT_TRUE(fails_with(file->truncate(~uint64_t{0}), kInvalid));
    EXPECT_TRUE(same_bytes(read_all(*file), "content"));
  }
}

TEST_P(EnvConformance, BatchesOfAnyCountReadBackWhatTheyWrote) {
  for (const size_t count : {1, 2, 3, 4, 5, 7, 16, 63, 64, 65, 129, 300}) {
    SCOPED_TRACE(count);
    auto file = create("file" + std::to_string(count));
    // Pieces of odd lengths with gaps, given in a shuffled order.
    std::vector<WritePiece> writes;
    Bytes expected;
    std::vector<Bytes> data;
    for (size_t i = 0; i < count; ++i) data.push_back(pattern(1 + i * 37 % 6000, i));
    for (size_t i = 0; i < count; ++i) {
      expected.append(i * 13 % 700, '\0');
      writes.push_back({expected.size(), data[i]});
      expected += data[i];
    }
    std::shuffle(writes.begin(), writes.end(), std::mt19937_64(count));
    ASSERT_OK(file->write_batch(writes));
    EXPECT_TRUE(same_bytes(read_all(*file), expected));

    std::vector<Bytes> buffers;
    for (const WritePiece& piece : writes) buffers.emplace_back(piece.data.size(), '\0');
    std::vector<ReadPiece> reads;
    for (size_t i = 0; i < count; ++i) reads.push_back({writes[i].offset, buffers[i]});
    ASSERT_OK(file->read_batch(reads));
    for (size_t i = 0; i < count; ++i) EXPECT_TRUE(same_bytes(buffers[i], writes[i].data));
  }
}

TEST_P(EnvConformance, ManyAdjoiningPiecesAreWrittenAsOneRun) {
  for (const bool bulk : {false, true}) {
    auto file = create(bulk ? "bulk" : "plain", bulk);
    const Bytes data = pattern(700'001, 5);
    std::vector<WritePiece> pieces;
    for (size_t at = 0, i = 0; at < data.size(); ++i) {  // more than 1024 vectors, some empty
      const size_t length = i % 5 == 0 ? 0 : std::min<size_t>(1 + i % 997, data.size() - at);
      pieces.push_back({123 + at, ByteView(data).substr(at, length)});
      at += length;
    }
    ASSERT_GT(pieces.size(), 1100u);
    ASSERT_OK(file->write_batch(pieces));
    EXPECT_TRUE(same_bytes(read_all(*file), Bytes(123, '\0') + data));
  }
}

// Drops the file from the page cache, then brings the first page of every second piece back: so
// some pieces are cold and some half warm.
void make_cold(const std::string& path, const std::vector<ReadPiece>& pieces) {
  const io::UnixFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(fd.valid());
  EXPECT_EQ(::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
  EXPECT_EQ(::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_RANDOM), 0);  // no read-ahead
  for (size_t i = 0; i < pieces.size(); i += 2) {
    char byte = 0;
    EXPECT_EQ(::pread(fd.get(), &byte, 1, static_cast<off_t>(pieces[i].offset)), 1);
  }
}

TEST_P(EnvConformance, ColdAndHalfWarmReadBatchGivesTheSameBytes) {
  auto file = create("file");
  const Bytes data = pattern(8 << 20, 6);
  ASSERT_OK(file->write(0, data));
  ASSERT_OK(file->sync_data());
  constexpr size_t kEach = 20'000;
  std::vector<Bytes> buffers(200, Bytes(kEach, '\0'));
  std::vector<ReadPiece> pieces;
  for (size_t i = 0; i < buffers.size(); ++i) pieces.push_back({i * 40'009, buffers[i]});
  if (temp_ != nullptr) make_cold(path("file"), pieces);
  ASSERT_OK(file->read_batch(pieces));
  for (const ReadPiece& piece : pieces) {
    EXPECT_TRUE(
        same_bytes(ByteView(piece.into.data(), kEach), ByteView(data).substr(piece.offset, kEach)));
  }
}

TEST_P(EnvConformance, EndOfFileInsidePieceIsCorruptionThatSaysShortRead) {
  for (const bool bulk : {false, true}) {
    for (const size_t count : {1, 3, 40}) {
      auto file = create((bulk ? "bulk" : "plain") + std::to_string(count), bulk);
      ASSERT_OK(file->write(0, pattern(count * 100, 7)));
      std::vector<Bytes> buffers(count, Bytes(100, '\0'));
      std::vector<ReadPiece> pieces;
      for (size_t i = 0; i < count; ++i) pieces.push_back({i * 100, buffers[i]});
      ASSERT_OK(file->read_batch(pieces));
      pieces[count / 2].offset = count * 100 - 99;
      const Status read = file->read_batch(pieces);
      ASSERT_TRUE(fails_with(read, ErrorCode::kCorruption));
      EXPECT_NE(read.error().message().find("short read"), std::string::npos);
      EXPECT_NE(read.error().message().find(file->path()), std::string::npos);
      pieces[count / 2].offset = 1 << 20;
      EXPECT_TRUE(fails_with(file->read_batch(pieces), ErrorCode::kCorruption));
    }
  }
}

TEST_P(EnvConformance, AllocateGrowsWithZerosAndTakesSpace) {
  auto file = create("file");
  ASSERT_OK(file->write(0, "head"));
  ASSERT_OK(file->allocate(0, 1 << 20));
  EXPECT_EQ(*file->size(), 1u << 20);
  EXPECT_GE(*file->allocated_bytes(), 1u << 20);
  EXPECT_TRUE(same_bytes(read_all(*file), "head" + Bytes((1 << 20) - 4, '\0')));
  ASSERT_OK(file->allocate(4096, 4096));  // inside: the length stays
  EXPECT_EQ(*file->size(), 1u << 20);
  EXPECT_TRUE(same_bytes(read_all(*file).substr(0, 4), "head"));
}

TEST_P(EnvConformance, PunchedHoleReadsAsZerosGivesSpaceBackAndKeepsTheLength) {
  auto file = create("file");
  Bytes data = pattern(1 << 20, 8);
  ASSERT_OK(file->write(0, data));
  ASSERT_OK(file->sync_data());
  const uint64_t before = *file->allocated_bytes();
  ASSERT_OK(file->punch_hole(100'000, 800'000));
  std::fill_n(data.begin() + 100'000, 800'000, '\0');
  EXPECT_TRUE(same_bytes(read_all(*file), data));
  EXPECT_LE(*file->allocated_bytes(), before - 700'000);
  ASSERT_OK(file->punch_hole(1 << 19, 1 << 22));  // over the end
  std::fill(data.begin() + (1 << 19), data.end(), '\0');
  EXPECT_TRUE(same_bytes(read_all(*file), data));
}

TEST_P(EnvConformance, TruncateCutsAndGrowingAgainShowsZeros) {
  auto file = create("file");
  const Bytes data = pattern(10'000, 9);
  ASSERT_OK(file->write(0, data));
  ASSERT_OK(file->truncate(5001));
  EXPECT_TRUE(same_bytes(read_all(*file), data.substr(0, 5001)));
  ASSERT_OK(file->truncate(9000));
  EXPECT_TRUE(same_bytes(read_all(*file), data.substr(0, 5001) + Bytes(3999, '\0')));
  ASSERT_OK(file->truncate(0));
  EXPECT_EQ(*file->size(), 0u);
}

TEST_P(EnvConformance, SparseFileTakesLittleSpace) {
  auto file = create("file");
  ASSERT_OK(file->write(uint64_t{8} << 30, "far away"));
  EXPECT_EQ(*file->size(), (uint64_t{8} << 30) + 8);
  EXPECT_LE(*file->allocated_bytes(), 1u << 20);
  Bytes into(100, 'x');
  ASSERT_EQ(*file->read(uint64_t{4} << 30, into), 100u);
  EXPECT_TRUE(same_bytes(into, Bytes(100, '\0')));
}

TEST_P(EnvConformance, SyncSucceedsOnEveryHandle) {
  auto file = create("file");
  EXPECT_OK(file->sync_data());
  ASSERT_OK(file->write(0, pattern(5000, 1)));
  EXPECT_OK(file->sync_data());
  auto reader = env().open(path("file"), OpenMode::kRead);
  ASSERT_OK(reader);
  EXPECT_OK((*reader)->sync_data());
}

TEST_P(EnvConformance, OpenFileOutlivesItsNameAndTheEnv) {
  auto file = create("file");
  ASSERT_OK(file->write(0, "still here"));
  ASSERT_OK(env().remove(path("file")));
  env_ = nullptr;
  EXPECT_TRUE(same_bytes(read_all(*file), "still here"));
  ASSERT_OK(file->write(0, "STILL"));
  EXPECT_TRUE(same_bytes(read_all(*file), "STILL here"));
}

TEST_P(EnvConformance, ReadFileGivesContentAndRefusesMoreThanTheLimit) {
  ASSERT_OK(create("file")->write(0, "some text"));
  EXPECT_EQ(*io::read_file(env(), path("file")), "some text");
  EXPECT_EQ(*io::read_file(env(), path("file"), 9), "some text");
  EXPECT_TRUE(fails_with(io::read_file(env(), path("file"), 8), ErrorCode::kCorruption));
  EXPECT_TRUE(fails_with(io::read_file(env(), path("none")), ErrorCode::kNotFound));
  create("empty");
  EXPECT_EQ(*io::read_file(env(), path("empty")), "");
}

// --- Threads

TEST_P(EnvConformance, ThreadsWriteAndReadDisjointRangesOfOneFile) {
  for (const bool bulk : {false, true}) {
    auto file = create(bulk ? "bulk" : "plain", bulk);
    constexpr size_t kThreads = 6;
    constexpr size_t kEach = 700'123;  // unaligned: neighbours share pages
    std::vector<Bytes> data;
    for (size_t t = 0; t < kThreads; ++t) data.push_back(pattern(kEach, t));
    std::atomic<int> failures = 0;
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        const uint64_t base = t * kEach;
        const ByteView mine = data[t];
        std::vector<WritePiece> pieces;
        for (size_t at = 300'000; at < kEach; at += 10'007) {
          pieces.push_back({base + at, mine.substr(at, 10'007)});
        }
        failures += !file->write(base, mine.substr(0, 300'000)).ok();
        failures += !file->write_batch(pieces).ok();
        Bytes whole(kEach, '\0');
        auto got = file->read(base, whole);
        failures += !got.ok() || *got != kEach || whole != mine;
        std::vector<ReadPiece> reads;
        std::fill(whole.begin(), whole.end(), '\0');
        for (size_t at = 0; at < kEach; at += 20'011) {
          const size_t length = std::min<size_t>(20'011, kEach - at);
          reads.push_back({base + at, std::span(whole).subspan(at, length)});
        }
        failures += !file->read_batch(reads).ok() || whole != mine;
        failures += !file->sync_data().ok();
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(failures, 0);
    Bytes expected;
    for (const Bytes& part : data) expected += part;
    EXPECT_TRUE(same_bytes(read_all(*file), expected));
  }
}

TEST_P(EnvConformance, ThreadsUseOneEnvAtOnce) {
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        const std::string name = path(std::to_string(t) + "-" + std::to_string(i));
        auto file = env().open_bulk(name, OpenMode::kCreateExclusive);
        if (!file.ok()) {
          ++failures;
          continue;
        }
        failures += !(*file)->write(0, name).ok();
        failures += !env().rename(name, name + ".done").ok();
        failures += *io::read_file(env(), name + ".done") != name;
        failures += !env().list(directory_).ok();
        failures += !env().sync_directory(directory_).ok();
        char bytes[16];
        env().random(bytes);
        env().monotonic();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(env().list(directory_)->size(), 100u);
}

}  // namespace
}  // namespace ramet::test
