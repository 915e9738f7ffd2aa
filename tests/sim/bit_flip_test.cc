// Goal: one flipped bit anywhere in a segment never gives wrong bytes and never crashes; what it
// damages is named, all else reads [INV-4]. Method: a closed store on the simulated disk, many
// single flips, everything read each time.
//
// RAMET_SIM_POINTS: flips (0: the default).
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>

#include "io/env_sim.h"
#include "tests/sim/workload.h"

namespace ramet::sim {
namespace {

using Contents = std::map<ObjectId, std::string>;

std::string seeded(uint64_t seed, size_t size) {
  std::mt19937_64 random(seed);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

// A store with small, middle and big objects in two containers, one a clone with changes.
Contents fill(Store& store) {
  Contents contents;
  const auto container = store.create_container("first");
  for (int batch = 0; batch < 10; ++batch) {
    auto transaction = store.begin(container->id);
    for (int i = 0; i < 20; ++i) {
      const uint64_t seed = static_cast<uint64_t>(batch * 20 + i);
      const std::string bytes = seeded(seed, seed % 7 == 0 ? 20000 : 100 + seed * 5);
      auto writer = (*transaction)->write_content();
      EXPECT_TRUE((*writer)->append(bytes).ok());
      const auto id = (*transaction)
                          ->put_object(kRootFolder, "f" + std::to_string(seed), Attributes{},
                                       std::move(*writer));
      EXPECT_TRUE(id.ok());
      contents[*id] = bytes;
    }
    EXPECT_TRUE((*transaction)->commit().ok());
  }
  return contents;
}

struct Outcome {
  uint64_t flips = 0;
  uint64_t unopened = 0;
  uint64_t objects_lost = 0;
};

// Reads every object of the damaged store.
void read_all(const std::shared_ptr<io::SimEnv>& env, const Contents& contents,
              Outcome& outcome) {
  StoreOptions options = tiny_options(env);
  options.read_only = true;
  auto store = Store::open("/store", options);
  if (!store.ok()) {
    EXPECT_EQ(store.error().code(), ErrorCode::kCorruption) << store.error().to_string();
    ++outcome.unopened;
    return;
  }
  const auto info = (*store)->container("first");
  if (!info.ok()) {
    EXPECT_EQ(info.error().code(), ErrorCode::kCorruption) << info.error().to_string();
    outcome.objects_lost += contents.size();
    return;
  }
  const auto view = (*store)->view(info->id);
  ASSERT_TRUE(view.ok()) << view.error().to_string();
  for (const auto& [id, expected] : contents) {
    std::string bytes(expected.size(), '\0');
    const auto got = (*view)->read(id, 0, bytes);
    if (got.ok()) {
      ASSERT_EQ(bytes, expected);
      const Status verified = (*view)->verify(id);
      if (verified.ok()) continue;
      ASSERT_EQ(verified.error().code(), ErrorCode::kCorruption);
    } else {
      ASSERT_EQ(got.error().code(), ErrorCode::kCorruption) << got.error().to_string();
      ASSERT_NE(got.error().message().find("segment"), std::string::npos)
          << got.error().message();
      ASSERT_NE(got.error().message().find("slot"), std::string::npos) << got.error().message();
      ASSERT_NE(got.error().message().find("object"), std::string::npos)
          << got.error().message();
    }
    ++outcome.objects_lost;
  }
}

TEST(BitFlip, AnywhereInASegmentIsNamedAndCostsOnlyWhatItHits) {
  auto env = std::make_shared<io::SimEnv>(7);
  ASSERT_TRUE(Store::create("/store", tiny_options(env)).ok());
  Contents contents;
  {
    auto store = Store::open("/store", tiny_options(env));
    ASSERT_TRUE(store.ok());
    contents = fill(**store);
    ASSERT_TRUE((*store)->close().ok());
  }
  std::vector<std::string> segments;
  for (const std::string& path : env->files()) {
    if (path.find("/segments/") != std::string::npos) segments.push_back(path);
  }
  const char* wanted = std::getenv("RAMET_SIM_POINTS");
  const uint64_t each = wanted == nullptr || std::strtoull(wanted, nullptr, 10) == 0
                            ? 12
                            : 1 + std::strtoull(wanted, nullptr, 10) / 20;
  std::mt19937_64 random(11);
  std::map<std::string, Outcome> outcomes;
  for (const std::string& path : segments) {
    const uint64_t size = env->read_raw(path)->size();
    for (uint64_t n = 0; n < each; ++n) {
      auto machine = env->clone_disk(n);
      // Headers, the first frames and the last bytes (footers) as well as anywhere.
      uint64_t offset = random() % size;
      if (n == 0) offset = random() % 128;
      if (n == 1) offset = size - 1 - random() % 64;
      if (n == 2) offset = 4096 + random() % 40;
      if (offset >= size) offset = size - 1;
      ASSERT_TRUE(machine->flip_bit(path, offset, static_cast<unsigned>(random() % 8)).ok());
      const Bytes header = *env->read_raw(path);
      const auto stream = load<uint32_t>(header.data() + 104);
      const char* names[] = {"?", "commit", "node", "data", "map"};
      Outcome& outcome = outcomes[names[stream < 5 ? stream : 0]];
      ++outcome.flips;
      SCOPED_TRACE(path + " at " + std::to_string(offset));
      read_all(machine, contents, outcome);
      ASSERT_FALSE(HasFatalFailure());
    }
  }
  std::printf("%zu objects\nstream  flips  not opened  objects lost in all\n", contents.size());
  for (const auto& [stream, outcome] : outcomes) {
    std::printf("%-7s %5llu %11llu %20llu\n", stream.c_str(),
                static_cast<unsigned long long>(outcome.flips),
                static_cast<unsigned long long>(outcome.unopened),
                static_cast<unsigned long long>(outcome.objects_lost));
  }
}

}  // namespace
}  // namespace ramet::sim
