// Bulk files: every mix of aligned and unaligned, big and small, direct and buffered transfers
// gives the bytes of a plain model.
#include <fcntl.h>
#include <rapidcheck/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "io/aligned_buffer.h"
#include "io/bulk_file.h"
#include "tests/io/env_fixture.h"

namespace ramet::test {
namespace {

using io::OpenMode;
using io::ReadPiece;
using io::WritePiece;

// env_uring with direct transfers from 256 KiB on, so that tests of moderate size have many.
class DirectEnv : public io::PosixBaseEnv {
 public:
  DirectEnv() {
    resources_->direct_read_bytes_min = 256u << 10;
    resources_->direct_write_bytes_min = 256u << 10;
  }
  std::string_view name() const override { return "uring"; }
  Result<std::unique_ptr<io::File>> open(const std::string& path, OpenMode mode) override {
    RAMET_ASSIGN(io::UnixFd fd, io::open_fd(path, mode));
    return std::unique_ptr<io::File>(
        std::make_unique<io::UringFile>(std::move(fd), path, resources_));
  }
  Result<std::unique_ptr<io::File>> open_bulk(const std::string& path, OpenMode mode) override {
    return io::BulkFile::open(path, mode, resources_);
  }

 private:
  std::shared_ptr<io::UringResources> resources_ = std::make_shared<io::UringResources>();
};

class EnvBulk : public EnvTest {
 protected:
  void SetUp() override {
    EnvTest::SetUp();
    if (!IsSkipped() && GetParam().find("direct") != std::string::npos) {
      env_ = std::make_shared<DirectEnv>();
    }
  }
};
INSTANTIATE_TEST_SUITE_P(All, EnvBulk,
                         testing::Values("posix", "uring", "uring_direct", "sim", "posix_tmpfs",
                                         "uring_tmpfs", "uring_tmpfs_direct"),
                         env_test_name);

constexpr size_t kMiB = size_t{1} << 20;

TEST_P(EnvBulk, EveryAlignmentOfOffsetLengthAndMemoryReadsBack) {
  auto file = create("file", true);
  auto plain = env().open(path("file"), OpenMode::kReadWrite);
  ASSERT_OK(plain);
  auto memory = io::AlignedBuffer::allocate(8 * kMiB);
  auto into_memory = io::AlignedBuffer::allocate(8 * kMiB);
  ASSERT_TRUE(memory && into_memory);
  const Bytes random = pattern(8 * kMiB, 1);
  std::copy(random.begin(), random.end(), memory->data());
  Bytes expected;
  for (const uint64_t offset : {0u, 1u, 511u, 512u, 4095u, 4096u, 4097u, 1'000'003u}) {
    for (const size_t length : {1u, 4096u, 262'143u, 262'144u, 270'336u, 1'048'576u, 3'500'001u}) {
      for (const size_t shift : {0u, 1u, 512u}) {
        const ByteView data(memory->data() + shift, length);
        expected.resize(std::max<size_t>(expected.size(), offset + length));
        std::copy(data.begin(), data.end(), expected.begin() + static_cast<long>(offset));
        ASSERT_OK(file->write(offset, data));
        const std::span<char> into(into_memory->data() + shift, length);
        std::fill(into.begin(), into.end(), '\0');
        ASSERT_EQ(*file->read(offset, into), length);
        ASSERT_TRUE(same_bytes(ByteView(into.data(), length), data))
            << offset << " " << length << " " << shift;
      }
    }
  }
  EXPECT_TRUE(same_bytes(read_all(*file), expected));
  EXPECT_TRUE(same_bytes(read_all(**plain), expected));  // through the page cache too
}

TEST_P(EnvBulk, BigReadOverTheEndStopsThere) {
  auto file = create("file", true);
  for (const size_t length : {300'000u, 1'048'576u, 1'048'577u, 5'000'000u}) {
    ASSERT_OK(file->truncate(0));
    const Bytes data = pattern(length, length);
    ASSERT_OK(file->write(0, data));
    Bytes into(8 * kMiB, 'x');
    for (const uint64_t offset : {0u, 1u, 4096u, 299'999u}) {
      ASSERT_EQ(*file->read(offset, into), length - offset);
      ASSERT_TRUE(
          same_bytes(ByteView(into).substr(0, length - offset), ByteView(data).substr(offset)));
    }
    ASSERT_EQ(*file->read(length, into), 0u);
    ASSERT_EQ(*file->read(16 * kMiB, into), 0u);
  }
}

TEST_P(EnvBulk, ReadOnlyBulkFileReadsWhatAnotherHandleWroteLast) {
  auto writer = create("file", true);
  ASSERT_OK(writer->write(0, pattern(3 * kMiB, 1)));
  auto reader = env().open_bulk(path("file"), OpenMode::kRead);
  ASSERT_OK(reader);
  auto plain = env().open(path("file"), OpenMode::kReadWrite);
  ASSERT_OK(plain);
  Bytes expected = pattern(3 * kMiB, 1);
  for (int round = 0; round < 20; ++round) {
    // Alternately through the page cache and past it.
    const Bytes small = pattern(5000, round);
    ASSERT_OK((*plain)->write(round * 70'001, small));
    std::copy(small.begin(), small.end(), expected.begin() + round * 70'001);
    ASSERT_TRUE(same_bytes(read_all(**reader), expected));
    const Bytes big = pattern(kMiB + 17, round);
    ASSERT_OK(writer->write(round * 50'000, big));
    std::copy(big.begin(), big.end(), expected.begin() + round * 50'000);
    ASSERT_TRUE(same_bytes(read_all(**plain), expected));
    ASSERT_TRUE(same_bytes(read_all(**reader), expected));
  }
}

TEST_P(EnvBulk, BatchMixesBigAndSmallPieces) {
  auto file = create("file", true);
  const Bytes data = pattern(20 * kMiB, 3);
  std::vector<WritePiece> writes;
  size_t at = 0;
  for (size_t i = 0; at < data.size(); ++i) {
    const size_t length =
        std::min(i % 7 == 3 ? 3 * kMiB + 5 : 1 + i * 3331 % 9000, data.size() - at);
    writes.push_back({at, ByteView(data).substr(at, length)});
    at += length;
  }
  std::shuffle(writes.begin(), writes.end(), std::mt19937_64(1));  // runs of all lengths
  ASSERT_OK(file->write_batch(writes));
  EXPECT_TRUE(same_bytes(read_all(*file), data));
  std::sort(writes.begin(), writes.end(),
            [](const auto& a, const auto& b) { return a.offset < b.offset; });
  ASSERT_OK(file->truncate(0));
  ASSERT_OK(file->write_batch(writes));  // one run
  EXPECT_TRUE(same_bytes(read_all(*file), data));

  Bytes into(data.size(), '\0');
  std::vector<ReadPiece> reads;
  for (const WritePiece& piece : writes) {
    reads.push_back({piece.offset, std::span(into).subspan(piece.offset, piece.data.size())});
  }
  ASSERT_OK(file->read_batch(reads));
  EXPECT_TRUE(same_bytes(into, data));
}

TEST_P(EnvBulk, WritesIntoAllocatedSpaceAndReadsHoles) {
  auto file = create("file", true);
  ASSERT_OK(file->allocate(0, 16 * kMiB));
  const Bytes data = pattern(4 * kMiB, 4);
  ASSERT_OK(file->write(kMiB + 3, data));
  Bytes expected(16 * kMiB, '\0');
  std::copy(data.begin(), data.end(), expected.begin() + kMiB + 3);
  EXPECT_TRUE(same_bytes(read_all(*file), expected));
  ASSERT_OK(file->punch_hole(2 * kMiB, kMiB));
  std::fill_n(expected.begin() + 2 * kMiB, kMiB, '\0');
  EXPECT_TRUE(same_bytes(read_all(*file), expected));
  EXPECT_OK(file->sync_data());
}

TEST_P(EnvBulk, ThreadsMixBigAndSmallTransfersAtDisjointRanges) {
  auto file = create("file", true);
  constexpr size_t kEach = 2'500'123;  // unaligned: neighbours share pages
  constexpr size_t kThreads = 6;
  ASSERT_OK(file->allocate(0, kThreads * kEach));
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t round = 0; round < 3; ++round) {
        const Bytes data = pattern(kEach, t * 10 + round);
        size_t at = 0;
        for (const size_t length : {size_t{700'000}, size_t{5000}, size_t{1'200'000}, kEach}) {
          const ByteView piece = ByteView(data).substr(at, length);
          failures += !file->write(t * kEach + at, piece).ok();
          at += piece.size();
        }
        Bytes into(kEach, '\0');
        const auto got = file->read(t * kEach, into);
        failures += !got.ok() || *got != kEach || into != data;
        failures += !file->sync_data().ok();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  const Bytes whole = read_all(*file);
  for (size_t t = 0; t < kThreads; ++t) {
    EXPECT_TRUE(same_bytes(whole.substr(t * kEach, kEach), pattern(kEach, t * 10 + 2)));
  }
}

// Pages of the file that the page cache holds.
size_t cached_pages(const std::string& path, size_t length) {
  const io::UnixFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  void* map = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd.get(), 0);
  EXPECT_NE(map, MAP_FAILED);
  std::vector<unsigned char> pages((length + 4095) / 4096);
  EXPECT_EQ(::mincore(map, length, pages.data()), 0);
  ::munmap(map, length);
  return static_cast<size_t>(
      std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return page & 1; }));
}

TEST(BulkFile, BigTransfersGoPastThePageCache) {
  auto env = io::make_uring_env();
  if (!env.ok()) GTEST_SKIP() << env.error().to_string();
  const TempDir directory;
  const std::string path = directory.file("file");
  const io::UnixFd direct(::open(path.c_str(), O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600));
  if (!direct.valid()) GTEST_SKIP() << "the file system of " << path << " refuses O_DIRECT";
  auto file = (*env)->open_bulk(path, OpenMode::kReadWrite);
  ASSERT_OK(file);
  const Bytes data = pattern(16 * kMiB, 1);
  ASSERT_OK((*file)->write(100, data));
  EXPECT_LE(cached_pages(path, data.size()), 64u);
  Bytes into(16 * kMiB, '\0');
  ASSERT_EQ(*(*file)->read(100, into), into.size());
  EXPECT_TRUE(same_bytes(into, data));
  EXPECT_LE(cached_pages(path, data.size()), 64u);
}

// Random operations on a bulk and a plain handle of one file, compared with a string.
void mixed_operations_match_model(io::Env& env, const std::string& path) {
  auto bulk = env.open_bulk(path, OpenMode::kCreateExclusive);
  RC_ASSERT(bulk.ok());
  auto plain = env.open(path, OpenMode::kReadWrite);
  RC_ASSERT(plain.ok());
  Bytes model;
  const auto steps = *rc::gen::inRange(1, 25);
  for (int step = 0; step < steps; ++step) {
    io::File& file = *rc::gen::arbitrary<bool>() ? **bulk : **plain;
    // Around multiples of pages and of the sizes where the path changes.
    const auto near = [](size_t unit, int count) {
      return rc::gen::map(rc::gen::pair(rc::gen::inRange(0, count), rc::gen::inRange(-2, 3)),
                          [unit](std::pair<int, int> p) {
                            const auto value = static_cast<long>(unit) * p.first + p.second;
                            return static_cast<size_t>(std::max(0L, value));
                          });
    };
    const size_t offset = *rc::gen::oneOf(near(4096, 300), near(262'144, 5));
    const size_t length = *rc::gen::oneOf(near(512, 20), near(262'144, 6), near(1u << 20, 3));
    const int action = *rc::gen::inRange(0, 10);
    if (action < 5) {
      const Bytes data = pattern(length, static_cast<uint64_t>(step));
      RC_ASSERT(file.write(offset, data).ok());
      if (length > 0) model.resize(std::max(model.size(), offset + length));
      std::copy(data.begin(), data.end(), model.begin() + static_cast<long>(offset));
    } else if (action == 5) {
      RC_ASSERT(file.truncate(offset).ok());
      model.resize(offset);
    } else if (action == 6) {
      RC_ASSERT(file.punch_hole(offset, length).ok());
      const size_t end = std::min(model.size(), offset + length);
      for (size_t i = offset; i < end; ++i) model[i] = '\0';
    } else {
      Bytes into(length, 'x');
      const auto got = file.read(offset, into);
      RC_ASSERT(got.ok());
      into.resize(*got);
      RC_ASSERT(into == (offset < model.size() ? model.substr(offset, length) : ""));
    }
    RC_ASSERT(*file.size() == model.size());
  }
  Bytes whole(model.size(), '\0');
  RC_ASSERT(*(*bulk)->read(0, whole) == model.size());
  RC_ASSERT(whole == model);
  RC_ASSERT(*(*plain)->read(0, whole) == model.size());
  RC_ASSERT(whole == model);
}

TEST_P(EnvBulk, AnyMixOfBulkAndPlainOperationsMatchesTheModel) {
  int runs = 0;
  EXPECT_TRUE(rc::check("mixed operations match the model", [&] {
    const std::string name = path(std::to_string(++runs));
    mixed_operations_match_model(env(), name);
    RC_ASSERT(env().remove(name).ok());
  }));
}

}  // namespace
}  // namespace ramet::test
