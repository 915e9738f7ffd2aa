// Inspect on damaged stores: a result or an error for any bytes, and as much as can be had of what
// is left; nothing is written.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "format/superblock.h"
#include "io/env_sim.h"
#include "tests/engine/inspect_fixture.h"

namespace ramet {
namespace {

namespace fs = std::filesystem;
using test::all_calls;
using test::code_of;
using test::InspectTreeOutput;
using test::noise;
using test::Told;

using InspectDamageTest = test::InspectTest;

// RAMET_INSPECT_SEEDS: how many damaged stores.
TEST_F(InspectDamageTest, AnyDamageGivesAResultOrAnErrorAndNothingIsWritten) {
  fill();
  shut();
  std::vector<std::pair<std::string, std::string>> files;
  for (const auto& file : fs::recursive_directory_iterator(path_)) {
    if (!file.is_regular_file() || file.path().filename() == "ballast") continue;
    files.emplace_back(fs::relative(file.path(), path_), test::read_bytes(file.path()));
  }
  const char* wanted = std::getenv("RAMET_INSPECT_SEEDS");
  const uint64_t seeds = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 25;
  const auto calls = all_calls(blake3(noise(3000, 5)).to_hex());
  uint64_t said = 0;
  uint64_t refused = 0;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    uint64_t state = seed;
    const auto random = [&](uint64_t below) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      return below == 0 ? 0 : (state >> 33) % below;
    };
    const std::string other = dir_.file("damaged");
    fs::remove_all(other);
    fs::create_directories(other + "/segments");
    fs::create_directories(other + "/index");
    auto damaged = files;
    for (uint64_t hits = 1 + random(12); hits > 0; --hits) {
      std::string& bytes = damaged[random(damaged.size())].second;
      if (bytes.empty()) continue;
      const size_t at = random(bytes.size());
      switch (random(5)) {
        case 0: bytes[at] = static_cast<char>(bytes[at] ^ (1 << random(8))); break;
        case 1: bytes.resize(at); break;
        case 2: bytes.replace(at / 4096 * 4096, 4096, std::string(4096, '\0')); break;
        case 3: bytes = noise(bytes.size(), seed); break;
        default: bytes = damaged[random(damaged.size())].second; break;
      }
    }
    if (random(4) == 0) damaged.erase(damaged.begin() + static_cast<long>(random(damaged.size())));
    for (const auto& [name, bytes] : damaged) {
      std::ofstream(other + "/" + name, std::ios::binary) << bytes;
    }
    for (const auto& [name, call] : calls) {
      const auto one = Inspector::open(other, {});
      if (!one.ok()) {
        EXPECT_FALSE(one.error().message().empty());
        continue;
      }
      InspectTreeOutput out;
      const Status done = call(**one, out);
      ++(done.ok() ? said : refused);
      if (done.ok()) continue;
      EXPECT_FALSE(done.error().message().empty());
      EXPECT_NE(done.error().code(), ErrorCode::kIoError) << name << done.error().message();
    }
    for (const auto& [name, bytes] : damaged) {
      EXPECT_TRUE(test::read_bytes(other + "/" + name) == bytes) << name << " was changed";
    }
  }
  EXPECT_GT(said, refused / 10);
}

TEST_F(InspectDamageTest, WithoutSuperblocksTheSegmentsTell) {
  fill();
  shut();
  const Told before = tell([](Inspector& one, InspectOutput& out) { return one.catalog(out); });
  const std::string other = copy("headless");
  for (const char* name : kSuperblockFileNames) zero(other + "/" + name, 0, 4096);
  const Told told =
      tell_of(other, [](Inspector& one, InspectOutput& out) { return one.superblock(out); });
  EXPECT_TRUE(found_damage_);
  EXPECT_FALSE(told["damage"].is_nothing());
  EXPECT_FALSE(told["segments_say"]["store_id"].is_nothing());
  // The newest checkpoint that stands in a segment leads to all.
  const Told catalog =
      tell_of(other, [](Inspector& one, InspectOutput& out) { return one.catalog(out); });
  EXPECT_FALSE(catalog["limited"].is_nothing());
  EXPECT_EQ(catalog["sequence"].number(), before["sequence"].number());
  EXPECT_EQ(catalog["containers"].size(), before["containers"].size());
  const Told object = tell_of(other, [](Inspector& one, InspectOutput& out) {
    return one.object({{"c", ""}, "/big", {}}, true, out);
  });
  EXPECT_TRUE(object["content_id_matches"].yes());
}

// Both copies of the newest checkpoint are lost: the other superblock's is shown, and that is said.
TEST_F(InspectDamageTest, TheCheckpointBeforeIsShownWhereTheNewestCannotBeRead) {
  fill();
  reopen();
  put("/first", "1");
  ASSERT_TRUE(store_->reclaim({}).ok());  // makes a checkpoint
  put("/second", "2");
  ASSERT_TRUE(store_->reclaim({}).ok());
  const std::string crashed = copy("crashed");
  const Told before =
      tell_of(crashed, [](Inspector& one, InspectOutput& out) { return one.superblock(out); });
  const Told& copies = before["checkpoint"]["copies"];
  ASSERT_EQ(copies.size(), 2u);
  EXPECT_FALSE(found_damage_);
  for (size_t i = 0; i < 2; ++i) {
    const BlockRef ref = copies.at(i)["place"].ref();
    zero(crashed + "/segments/" + segment_file_name(ref.segment, 0), uint64_t{ref.slot} * 8, 40);
  }
  const Told told =
      tell_of(crashed, [](Inspector& one, InspectOutput& out) { return one.superblock(out); });
  EXPECT_TRUE(found_damage_);
  EXPECT_NE(told["checkpoint"]["limited"].text().find("as of the one before"), std::string::npos)
      << told["checkpoint"]["limited"].text();
  EXPECT_LT(told["checkpoint"]["sequence"].number(), before["checkpoint"]["sequence"].number());
}

// No superblock, no map stream, so no tree: what the segments are must do.
TEST_F(InspectDamageTest, WithoutSuperblocksOrMapFramesAndFootersAreRead) {
  fill();
  shut();
  const auto files = files_of(path_);
  const std::string other = copy("bare");
  for (const char* name : kSuperblockFileNames) fs::remove(other + "/" + name);
  const auto list = *files->files();
  SegmentNo data = 0;
  for (const engine::InspectedFile& file : list) {
    const auto loaded = *files->load(file.number);
    const std::string path = other + "/segments/" + segment_file_name(file.number, file.generation);
    if (loaded->is_map()) {
      fs::remove(path);
    } else if (loaded->identity().stream == Stream::kData) {
      data = file.number;
      zero(path, 0, 4096);  // its header, too: frames and footer tell the epoch
    }
  }
  ASSERT_NE(data, 0u);
  const Told told = tell_of(other, [&](Inspector& one, InspectOutput& out) {
    return one.segment(data, {std::nullopt, true, true}, out);
  });
  EXPECT_TRUE(found_damage_);
  EXPECT_EQ(told["known_by"].text(), "frames");
  EXPECT_EQ(told["stream"].text(), "data");
  EXPECT_TRUE(told["footer"]["is_there"].yes());
  const auto loaded = *files->load(data);
  EXPECT_EQ(told["epoch"].number(), loaded->identity().epoch);
  EXPECT_EQ(told["slots"].size(), loaded->segment->slot_count());
  const Told block = tell_of(other, [&](Inspector& one, InspectOutput& out) {
    return one.block(fmt::format("{}:0", data), out);
  });
  EXPECT_TRUE(block["stored"].at(0)["readable"].yes());
  const auto one = inspector(other);
  InspectTreeOutput out;
  EXPECT_EQ(code_of(one->catalog(out)), "failed precondition");
  EXPECT_EQ(code_of(one->why("1:0", out)), "failed precondition");
}

TEST_F(InspectDamageTest, WithoutHeaderAndFooterFramesAreSearched) {
  fill();
  shut();
  const auto files = files_of(path_);
  const auto list = *files->files();
  for (const engine::InspectedFile& file : list) {
    const auto loaded = *files->load(file.number);
    if (loaded->identity().stream != Stream::kData) continue;
    const std::string other = copy("frames");
    const std::string path = other + "/segments/" + segment_file_name(file.number, 0);
    const auto slots = loaded->segment->slots(0, loaded->segment->slot_count());
    ASSERT_GT(slots.size(), 3u);
    // Header, first frame, footer and trailer are lost, and the map with it.
    zero(path, 0, slots[1].offset());
    change(path, [&](std::string& bytes) { bytes.resize(loaded->footer->end_offset); });
    for (const char* name : kSuperblockFileNames) zero(other + "/" + name, 0, 4096);
    for (const engine::InspectedFile& map : list) {
      if ((*files->load(map.number))->is_map()) {
        fs::remove(other + "/segments/" + segment_file_name(map.number, map.generation));
      }
    }
    const Told told = tell_of(other, [&](Inspector& one, InspectOutput& out) {
      return one.segment(file.number, {std::nullopt, true, true}, out);
    });
    EXPECT_TRUE(found_damage_);
    EXPECT_EQ(told["slot_table_from"].text(), "frames");
    ASSERT_EQ(told["slots"].size(), slots.size());
    EXPECT_EQ(told["slots"].at(0)["state"].text(), "gone");
    for (Slot slot = 1; slot < slots.size(); ++slot) {
      EXPECT_EQ(told["slots"].at(slot)["name"].text(), slots[slot].hash.to_hex());
    }
    return;
  }
  FAIL() << "no data segment";
}

TEST_F(InspectDamageTest, ADamagedBlockIsNamedByItsObjectAndDumpedAsItIs) {
  fill();
  shut();
  const InspectObject big{{"c", ""}, "/big", {}};
  const Told before = tell(
      [&](Inspector& one, InspectOutput& out) { return one.object(big, true, out); });
  const Told& extent = before["extents"].at(2);
  const BlockRef ref = extent["block"].ref();
  const std::string other = copy("flipped");
  change(other + "/segments/" + extent["file"].text(), [&](std::string& bytes) {
    bytes[extent["file_offset"].number() + kFrameHeaderBytes + 1] ^= 4;
  });
  const Told told = tell_of(
      other, [&](Inspector& one, InspectOutput& out) { return one.object(big, true, out); });
  EXPECT_TRUE(found_damage_);
  EXPECT_EQ(told["unreadable_pieces"].number(), 1u);
  EXPECT_FALSE(told["extents"].at(2)["readable"].yes());
  EXPECT_TRUE(told["extents"].at(1)["readable"].yes());
  const auto one = inspector(other);
  const InspectPlace place{ref.segment, ref.slot, 0};
  EXPECT_EQ(code_of(one->raw_payload(place, true)), "corruption");
  const auto stored = one->raw_payload(place, false);
  ASSERT_TRUE(stored.ok());  // as it is
  EXPECT_EQ(stored->size(), extent["stored_len"].number());
  // A damaged frame header: the slot table tells how long it is.
  const std::string worse = copy("worse");
  zero(worse + "/segments/" + extent["file"].text(), extent["file_offset"].number(), 8);
  const auto frame = inspector(worse)->raw_frame(place);
  ASSERT_TRUE(frame.ok()) << frame.error().to_string();
  EXPECT_EQ(frame->substr(8, 32), inspector(path_)->raw_frame(place)->substr(8, 32));
  const Status told_frame = [&] {
    InspectTreeOutput out;
    return inspector(worse)->frame(place, out);
  }();
  EXPECT_EQ(code_of(told_frame), "corruption");
  EXPECT_NE(told_frame.error().message().find("the next frame is at"), std::string::npos);
}

// A device that fails to read is told, and gone past.
TEST_F(InspectDamageTest, ADeviceThatFailsIsToldAndGonePast) {
  fill();
  shut();
  const auto env = std::make_shared<io::SimEnv>(1);
  for (const char* directory : {"/store", "/store/segments", "/store/index"}) {
    ASSERT_TRUE(env->create_directory(directory).ok());
  }
  std::vector<std::string> names;
  for (const auto& file : fs::recursive_directory_iterator(path_)) {
    if (!file.is_regular_file() || file.path().filename() == "ballast") continue;
    names.push_back("/store/" + fs::relative(file.path(), path_).string());
    ASSERT_TRUE(env->write_raw(names.back(), 0, test::read_bytes(file.path())).ok());
  }
  const auto calls = all_calls(blake3(noise(3000, 5)).to_hex());
  const auto try_all = [&](const io::FaultRule& rule) {
    uint64_t told = 0;
    for (const auto& [name, call] : calls) {
      const auto machine = env->clone_disk(1);
      machine->inject(rule);
      InspectOptions options;
      options.env = machine;
      const auto one = Inspector::open("/store", options);
      ASSERT_TRUE(one.ok());
      InspectTreeOutput out;
      const Status done = call(**one, out);
      if (!done.ok()) {
        EXPECT_FALSE(done.error().message().empty());
      } else if (machine->stats().read_errors > 0 && (*one)->found_damage()) {
        ++told;
      }
    }
    EXPECT_GT(told, 0u) << rule.path_contains;
  };
  for (const std::string& name : names) {
    if (name.ends_with("/lock") || name.find("/index/") != name.npos) continue;
    io::FaultRule rule;
    rule.probability = 1;
    rule.path_contains = name;
    SCOPED_TRACE(name);
    const auto segment = parse_segment_file_name(name.substr(name.rfind('/') + 1));
    if (segment.ok() && segment->number > 13) continue;  // (is not asked for)
    ASSERT_NO_FATAL_FAILURE(try_all(rule));
  }
  io::FaultRule rule;
  rule.probability = 0.1;
  ASSERT_NO_FATAL_FAILURE(try_all(rule));
}

// Bytes whose checksums match, and that no program of ours wrote.
TEST_F(InspectDamageTest, ForgedFramesFootersAndSuperblocksGiveAResultOrAnError) {
  fill();
  shut();
  const auto files = files_of(path_);
  const auto list = *files->files();
  uint64_t state = 7;
  const auto random = [&](uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return below == 0 ? 0 : (state >> 33) % below;
  };
  const char* wanted = std::getenv("RAMET_INSPECT_SEEDS");
  const uint64_t rounds = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 6;
  for (uint64_t round = 0; round < rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const std::string other = copy("forged");
    for (const engine::InspectedFile& file : list) {
      const auto loaded = *files->load(file.number);
      const uint64_t seed = loaded->identity().seed;
      change(other + "/segments/" + segment_file_name(file.number, file.generation),
             [&](std::string& bytes) {
               // Every other frame: some bytes of its payload are others, under a right checksum.
               for (size_t at = kSegmentHeaderBytes; at + kFrameHeaderBytes <= bytes.size();) {
                 auto header = decode_frame_header(ByteView(bytes).substr(at), seed);
                 if (!header.ok()) break;
                 const size_t span = frame_span(*header);
                 if (header->kind != FrameKind::kSkip && header->stored_len > 0 &&
                     random(2) == 0 && at + span <= bytes.size()) {
                   for (uint64_t n = 1 + random(4); n > 0; --n) {
                     const size_t byte = at + kFrameHeaderBytes + random(header->stored_len);
                     bytes[byte] = static_cast<char>(random(3) == 0 ? 0xFF : random(256));
                   }
                   header->payload_checksum = xxh3(ByteView(bytes).substr(
                       at + kFrameHeaderBytes, header->stored_len));
                   Bytes forged;
                   encode_frame_header(forged, *header, seed);
                   bytes.replace(at, forged.size(), forged);
                 }
                 at += span;
               }
             });
    }
    if (round % 3 == 2) {
      for (const char* name : kSuperblockFileNames) {
        change(other + "/" + name, [&](std::string& bytes) {
          auto superblock = *decode_superblock(bytes);
          superblock.checkpoint = {static_cast<SegmentNo>(random(20)),
                                   static_cast<Slot>(random(2000)), random(1 << 30)};
          superblock.undo = superblock.checkpoint;
          superblock.replay.segment = static_cast<SegmentNo>(random(20));
          superblock.replay.offset = random(100) * kGroupBytes;
          bytes = encode_superblock(superblock);
        });
      }
    }
    for (const auto& [name, call] : all_calls(blake3(noise(3000, 5)).to_hex())) {
      const auto one = inspector(other);
      InspectTreeOutput out;
      const Status done = call(*one, out);
      EXPECT_TRUE(done.ok() || !done.error().message().empty()) << name;
    }
  }
}

}  // namespace
}  // namespace ramet
