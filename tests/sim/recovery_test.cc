// Goal: recovery tells a torn tail from damage [LOG-4], and frames of an abandoned life never come
// back, wherever they stand [INV-13]. Method: bytes of a crashed store are changed or planted by
// hand.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "format/frame.h"
#include "format/segment_layout.h"
#include "format/superblock.h"
#include "io/env_sim.h"
#include "tools/sim/workload.h"

namespace ramet::sim {
namespace {

std::unique_ptr<Store> open_store(const std::shared_ptr<io::SimEnv>& env) {
  auto opened = Store::open("/store", tiny_options(env));
  EXPECT_TRUE(opened.ok()) << opened.error().to_string();
  return opened.ok() ? std::move(opened).value() : nullptr;
}

// A store that crashed after `containers` commits, each of which made one container.
std::shared_ptr<io::SimEnv> crashed(int containers, uint64_t seed = 5) {
  auto env = std::make_shared<io::SimEnv>(seed);
  EXPECT_TRUE(Store::create("/store", tiny_options(env)).ok());
  auto store = open_store(env);
  for (int i = 0; i < containers; ++i) {
    EXPECT_TRUE(store->create_container("c" + std::to_string(i)).ok());
  }
  env->power_cut(io::CutPolicy::kLoseAll);
  store.reset();
  env->restart();
  return env;
}

Superblock newest_superblock(const io::SimEnv& env) {
  const auto first = decode_superblock(*env.read_raw("/store/superblock.0"));
  const auto second = decode_superblock(*env.read_raw("/store/superblock.1"));
  return *pick_newest(first, second) == 0 ? *first : *second;
}

std::string log_path(const io::SimEnv& env) {
  return "/store/segments/" + segment_file_name(newest_superblock(env).replay.segment, 0);
}

void put_file(Store& store, ContainerId container, const char* name, ByteView bytes) {
  auto transaction = store.begin(container);
  auto writer = (*transaction)->write_content();
  ASSERT_TRUE((*writer)->append(bytes).ok());
  ASSERT_TRUE(
      (*transaction)->put_object(kRootFolder, name, Attributes{}, std::move(*writer)).ok());
  ASSERT_TRUE((*transaction)->commit().ok());
}

size_t count(Store& store) {
  size_t n = 0;
  EXPECT_TRUE(store.containers({}, [&](const ContainerInfo&) {
    ++n;
    return true;
  }).ok());
  return n;
}

TEST(Recovery, DamageInTheMiddleOfTheLogIsReportedAndReadableUpToThere) {
  const auto env = crashed(8);
  const std::string path = log_path(*env);
  // The fourth group: later commits say that it was synced.
  ASSERT_TRUE(env->flip_bit(path, 4096 * 4 + 100, 3).ok());
  const auto opened = Store::open("/store", tiny_options(env));
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), ErrorCode::kCorruption);
  EXPECT_NE(opened.error().message().find(path), std::string::npos) << opened.error().message();
  EXPECT_NE(opened.error().message().find("16384"), std::string::npos)
      << opened.error().message();
  StoreOptions options = tiny_options(env);
  options.read_only = true;
  const auto reader = Store::open("/store", options);
  ASSERT_TRUE(reader.ok()) << reader.error().to_string();
  EXPECT_EQ(count(**reader), 3u);
  EXPECT_NE((*reader)->info()->read_only_reason.find("damaged"), std::string::npos);
}

TEST(Recovery, ATornLastGroupIsDroppedSilently) {
  const auto env = crashed(8);
  // Nothing behind the last group proves that it was durable: to the store it is a torn tail.
  ASSERT_TRUE(env->flip_bit(log_path(*env), 4096 * 8 + 100, 3).ok());
  const auto store = open_store(env);
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(count(*store), 7u);
}

TEST(Recovery, TheOtherSuperblockIsUsedWhenOneIsDamaged) {
  for (const char* name : kSuperblockFileNames) {
    const auto env = crashed(5);
    ASSERT_TRUE(env->flip_bit(std::string("/store/") + name, 100, 1).ok());
    const auto store = open_store(env);
    ASSERT_NE(store, nullptr) << name;
    EXPECT_EQ(count(*store), 5u) << name;
  }
}

TEST(Recovery, TheCopyOfTheCheckpointIsUsed) {
  auto env = std::make_shared<io::SimEnv>(6);
  ASSERT_TRUE(Store::create("/store", tiny_options(env)).ok());
  auto store = open_store(env);
  ASSERT_TRUE(store->create_container("one").ok());
  ASSERT_TRUE(store->close().ok());
  store.reset();
  const Superblock superblock = newest_superblock(*env);
  ASSERT_FALSE(superblock.checkpoint.is_null());
  EXPECT_GE(superblock.checkpoint_copy.slot * 8 - superblock.checkpoint.slot * 8, 4096u);
  const std::string path =
      "/store/segments/" + segment_file_name(superblock.checkpoint.segment, 0);
  ASSERT_TRUE(env->flip_bit(path, uint64_t{superblock.checkpoint.slot} * 8 + 50, 0).ok());
  store = open_store(env);
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(count(*store), 1u);
}

// A group that was written but never synced, kept by the disk behind the last good one.
TEST(Recovery, FramesOfAnAbandonedLifeNeverComeBack) {
  auto env = std::make_shared<io::SimEnv>(9);
  ASSERT_TRUE(Store::create("/store", tiny_options(env)).ok());
  auto store = open_store(env);
  ASSERT_TRUE(store->create_container("kept").ok());
  const std::string path = log_path(*env);
  const Bytes before = *env->read_raw(path);
  ASSERT_TRUE(store->create_container("abandoned").ok());
  const Bytes with_abandoned = *env->read_raw(path);
  ASSERT_GE(with_abandoned.size(), 3u * 4096);
  const Bytes group = with_abandoned.substr(2 * 4096, 4096);
  env->power_cut(io::CutPolicy::kLoseAll);
  store.reset();
  env->restart();
  // As if the second group had never been durable.
  ASSERT_TRUE(env->write_raw(path, 2 * 4096, std::string(4096, '\0')).ok());
  store = open_store(env);
  ASSERT_NE(store, nullptr);
  ASSERT_EQ(count(*store), 1u);
  ASSERT_TRUE(store->create_container("later").ok());
  const std::string live = log_path(*env);
  ASSERT_NE(live, path) << "each life has its own segments";

  // The abandoned group, and the whole abandoned segment, as content of an imported file ...
  const auto info = store->container("later");
  put_file(*store, info->id, "log", with_abandoned);
  put_file(*store, info->id, "group", group.substr(0, 1500));
  const uint64_t end = align_up(env->read_raw(live)->size(), 4096);
  env->power_cut(io::CutPolicy::kLoseAll);
  store.reset();
  env->restart();

  // ... and behind the tail of the new life, in its next segment number, and back in its old place.
  uint64_t tail = 4096;
  const Bytes log = *env->read_raw(live);
  while (tail + 4096 <= log.size() && log[tail] != 0) tail += 4096;
  ASSERT_TRUE(env->write_raw(live, tail, group).ok());
  ASSERT_TRUE(env->write_raw(live, end + 4096, group).ok());
  ASSERT_TRUE(env->write_raw(path, 2 * 4096, group).ok());
  const SegmentNo next = newest_superblock(*env).next_segment;
  for (SegmentNo number = next; number < next + 6; ++number) {
    const std::string planted = "/store/segments/" + segment_file_name(number, 0);
    if (*env->exists(planted)) continue;
    ASSERT_TRUE(env->write_raw(planted, 0, with_abandoned).ok());
  }
  for (int life = 0; life < 3; ++life) {
    store = open_store(env);
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(count(*store), 2u) << "life " << life;
    EXPECT_FALSE(store->container("abandoned").ok());
    {
      const auto view = store->view(info->id);  // must not outlive its store
      const auto entry = (*view)->lookup("log");
      ASSERT_TRUE(entry.ok());
      EXPECT_TRUE((*view)->verify(entry->object).ok());
      EXPECT_TRUE((*view)->verify((*view)->lookup("group")->object).ok());
    }
    env->power_cut(io::CutPolicy::kRandom);
    store.reset();
    env->restart();
  }
}

// A commit of several frames is proof like any other.
TEST(Recovery, ABigCommitProvesThatTheOneBeforeItWasDurable) {
  const auto env = std::make_shared<io::SimEnv>(3);
  StoreOptions options;
  options.env = env;
  options.background = false;
  options.ballast_bytes = 0;
  options.transaction_bytes_max = 64 << 20;
  ASSERT_TRUE(Store::create("/store", options).ok());
  auto store = std::move(*Store::open("/store", options));
  const ContainerId container = store->create_container("first")->id;
  ASSERT_TRUE(store->create_container("second").ok());
  auto transaction = store->begin(container);
  Attributes link;
  link.mode = 0120777;
  for (int i = 0; i < 2300; ++i) {
    ASSERT_TRUE((*transaction)
                    ->put_symlink(kRootFolder, "l" + std::to_string(i), std::string(4000, 'x'),
                                  link)
                    .ok());
  }
  ASSERT_TRUE((*transaction)->commit().ok());
  env->power_cut(io::CutPolicy::kLoseAll);
  transaction->reset();
  store.reset();
  env->restart();
  const std::string path = log_path(*env);
  ASSERT_GT(env->read_raw(path)->size(), 8u << 20) << "the commit spans frames";
  ASSERT_TRUE(env->flip_bit(path, 4096 * 2 + 100, 3).ok());  // the group of "second"
  const auto opened = Store::open("/store", options);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), ErrorCode::kCorruption);
}

TEST(Recovery, AMissingSegmentIsDamageNotAbsence) {
  const auto env = std::make_shared<io::SimEnv>(4);
  ASSERT_TRUE(Store::create("/store", tiny_options(env)).ok());
  auto store = open_store(env);
  const ContainerId container = store->create_container("c")->id;
  put_file(*store, container, "f", std::string(20'000, 'f'));
  ASSERT_TRUE(store->close().ok());
  store.reset();
  for (const std::string& path : env->files()) {
    if (path.find("/segments/") == std::string::npos) continue;
    const auto header = decode_segment_header(*env->read_raw(path));
    if (header->stream != Stream::kData) continue;
    ASSERT_TRUE(env->remove(path).ok());
  }
  store = open_store(env);
  const auto view = store->view(container);
  const auto entry = (*view)->lookup("/f");
  ASSERT_TRUE(entry.ok());
  const Status verified = (*view)->verify(entry->object);
  ASSERT_FALSE(verified.ok());
  EXPECT_EQ(verified.error().code(), ErrorCode::kCorruption) << verified.error().to_string();
  EXPECT_NE(verified.error().message().find("segment "), std::string::npos);
}

// Content that was found damaged is stored again when it comes again.
TEST(Recovery, PuttingDamagedContentAgainHealsIt) {
  const auto env = std::make_shared<io::SimEnv>(5);
  ASSERT_TRUE(Store::create("/store", tiny_options(env)).ok());
  auto store = open_store(env);
  const ContainerId container = store->create_container("c")->id;
  std::string content(20'000, '\0');
  std::mt19937_64 random(1);
  for (char& byte : content) byte = static_cast<char>(random());
  put_file(*store, container, "f", content);
  const auto find = [&](const char* path) { return (*store->view(container))->lookup(path); };
  ASSERT_TRUE(store->close().ok());
  store.reset();
  for (const std::string& path : env->files()) {
    if (path.find("/segments/") == std::string::npos) continue;
    const auto header = decode_segment_header(*env->read_raw(path));
    if (header->stream != Stream::kData) continue;
    ASSERT_TRUE(env->flip_bit(path, 4096 + 1000, 1).ok());
  }
  store = open_store(env);
  ASSERT_FALSE((*store->view(container))->verify(find("/f")->object).ok());
  put_file(*store, container, "again", content);
  EXPECT_TRUE((*store->view(container))->verify(find("/again")->object).ok());
  ASSERT_TRUE(store->close().ok());
}

TEST(Recovery, ALostIndexIsMadeAnew) {
  for (const bool crash : {false, true}) {
    SCOPED_TRACE(crash);
    const auto env = std::make_shared<io::SimEnv>(6);
    ASSERT_TRUE(Store::create("/store", tiny_options(env)).ok());
    auto store = open_store(env);
    const ContainerId container = store->create_container("c")->id;
    put_file(*store, container, "old", std::string(20'000, 'o'));
    ASSERT_TRUE(store->close().ok());
    store = nullptr;
    store = open_store(env);
    put_file(*store, container, "new", std::string(20'000, 'n'));
    if (crash) {
      env->power_cut(io::CutPolicy::kLoseAll);
      store.reset();
      env->restart();
    } else {
      ASSERT_TRUE(store->close().ok());
      store.reset();
    }
    for (const std::string& path : env->files()) {
      if (path.find("/index/") == std::string::npos) continue;
      ASSERT_TRUE(env->remove(path).ok());
    }
    store = open_store(env);
    auto transaction = store->begin(container);
    for (const char byte : {'o', 'n'}) {
      auto writer = (*transaction)->write_content();
      ASSERT_TRUE((*writer)->append(std::string(20'000, byte)).ok());
      ASSERT_TRUE((*transaction)
                      ->put_object(kRootFolder, std::string(3, byte), Attributes{},
                                   std::move(*writer))
                      .ok());
    }
    EXPECT_EQ((*transaction)->ingest_stats().new_blocks, 0u);
    transaction->reset();
    ASSERT_TRUE(store->close().ok());
  }
}

// Commits that fail for lack of room use nothing up, however often they are tried.
TEST(Recovery, ManyFailedCommitsLeaveNothingThatRecoveryWouldMiss) {
  const auto env = std::make_shared<io::SimEnv>(7);
  StoreOptions options = tiny_options(env);
  options.ballast_bytes = 0;
  ASSERT_TRUE(Store::create("/store", options).ok());
  auto store = std::move(*Store::open("/store", options));
  const ContainerId container = store->create_container("c")->id;
  const auto space = env->space("/");
  env->set_capacity(space->total_bytes - space->available_bytes);
  int failed = 0;
  for (int i = 0; i < 400; ++i) {
    auto transaction = store->begin(container);
    auto writer = (*transaction)->write_content();
    ASSERT_TRUE((*writer)->append("some content " + std::to_string(i)).ok());
    const auto put = (*transaction)->put_object(kRootFolder, "f" + std::to_string(i), Attributes{},
                                                std::move(*writer));
    if (!put.ok() || !(*transaction)->commit().ok()) ++failed;
  }
  EXPECT_GT(failed, 300);
  env->set_capacity(uint64_t{1} << 40);
  for (int i = 0; i < 50; ++i) {
    put_file(*store, container, ("g" + std::to_string(i)).c_str(), std::string(900, 'g'));
  }
  env->power_cut(io::CutPolicy::kLoseAll);
  store.reset();
  env->restart();
  store = std::move(*Store::open("/store", options));
  const auto view = *store->view(container);
  for (int i = 0; i < 50; ++i) {
    const auto entry = view->lookup("/g" + std::to_string(i));
    ASSERT_TRUE(entry.ok()) << entry.error().to_string();
    EXPECT_TRUE(view->verify(entry->object).ok());
  }
}

// A store that crashed with all that it had written, of which some is in a data segment.
struct CrashedWithFile {
  std::shared_ptr<io::SimEnv> env = std::make_shared<io::SimEnv>(5);
  ContainerId id;  // it has one file, "f"
  Bytes content = Bytes(18'000, ' ');

  CrashedWithFile() {
    EXPECT_TRUE(Store::create("/store", tiny_options(env)).ok());
    auto store = open_store(env);
    id = store->create_container("c")->id;
    std::mt19937_64 random(1);
    for (char& c : content) c = static_cast<char>(random());
    put_file(*store, id, "f", content);
    env->power_cut(io::CutPolicy::kKeepAll);
    store.reset();
    env->restart();
  }
};

// Space that was allocated ahead of what was written would otherwise stay with its segment.
TEST(Recovery, WhatACrashLeftAllocatedIsGivenBack) {
  const CrashedWithFile crashed;
  const auto& env = crashed.env;
  // By the name of each data segment: its size, and how much of its end is zeros.
  const auto ends = [&env] {
    std::map<std::string, std::pair<size_t, size_t>> out;
    const auto names = *env->list("/store/segments");
    for (const std::string& name : names) {
      const Bytes bytes = *env->read_raw("/store/segments/" + name);
      const auto header = decode_segment_header(bytes);
      if (!header.ok() || header->stream != Stream::kData) continue;
      out[name] = {bytes.size(), bytes.size() - 1 - bytes.find_last_not_of('\0')};
    }
    return out;
  };
  const auto before = ends();
  ASSERT_EQ(before.size(), 1u);
  EXPECT_GT(before.begin()->second.second, 8000u);  // else there is nothing to give back
  auto store = open_store(env);
  const auto after = ends()[before.begin()->first];
  EXPECT_LT(after.first, before.begin()->second.first);
  EXPECT_LT(after.second, 8u);
  const auto view = *store->view(crashed.id);
  Bytes read(crashed.content.size(), '\0');
  const auto entry = view->lookup(kRootFolder, "f");
  ASSERT_TRUE(entry.ok());
  EXPECT_EQ(*view->read(entry->object, 0, read), crashed.content.size());
  EXPECT_EQ(read, crashed.content);
  EXPECT_TRUE(store->close().ok());
}

// A write that was cut short behind the payload of its last frame: what is missing is only what
// fills the frame up, but who begins behind whole multiples would cut the payload, too.
TEST(Recovery, AFrameThatIsNotFilledUpIsNotThere) {
  const CrashedWithFile crashed;
  const auto& env = crashed.env;
  const Bytes late = "ten bytes!";
  int planted = 0;
  const auto names = *env->list("/store/segments");
  for (const std::string& name : names) {
    const std::string path = "/store/segments/" + name;
    const Bytes bytes = *env->read_raw(path);
    const auto header = decode_segment_header(bytes);
    if (!header.ok() || header->stream != Stream::kData) continue;
    const uint64_t seed = frame_seed(header->secret, header->segment, header->epoch);
    Bytes frames = bytes.substr(0, kSegmentHeaderBytes);
    Slot slot = 0;
    for (;; ++slot) {
      const auto frame = decode_frame_header(ByteView(bytes).substr(frames.size()), seed);
      if (!frame.ok()) break;
      frames += bytes.substr(frames.size(), frame_span(*frame));
    }
    append_frame(frames, seed, FrameKind::kBlock, Codec::kNone, 0, slot, 1, late, 10);
    frames.resize(frames.size() - 6);
    auto file = *env->open(path, io::OpenMode::kReadWrite);
    ASSERT_TRUE(file->truncate(0).ok());
    ASSERT_TRUE(file->write(0, frames).ok());
    ASSERT_TRUE(file->sync_data().ok());
    ++planted;
  }
  ASSERT_EQ(planted, 1);
  auto store = open_store(env);
  put_file(*store, crashed.id, "g", late);
  EXPECT_TRUE(store->close().ok());
  store = open_store(env);
  const auto view = *store->view(crashed.id);
  for (const auto& [name, expected] : {std::pair("f", crashed.content), std::pair("g", late)}) {
    Bytes read(expected.size(), '\0');
    const auto got = view->read(view->lookup(kRootFolder, name)->object, 0, read);
    ASSERT_TRUE(got.ok()) << got.error().to_string();
    EXPECT_EQ(read, expected);
  }
}

}  // namespace
}  // namespace ramet::sim
