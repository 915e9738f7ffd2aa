// Inspect: what it says is what the decoders say of the same bytes; what keeps a block is what is
// counted; what is not there is named. (inspect_damage_test.cc: on damaged stores.)
#include "engine/inspect.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "engine/container/catalog.h"
#include "format/superblock.h"
#include "tests/engine/inspect_fixture.h"

namespace ramet {
namespace {

namespace fs = std::filesystem;
using test::all_calls;
using test::Call;
using test::code_of;
using test::InspectTest;
using test::InspectTreeOutput;
using test::noise;
using test::Told;

// --- names ---------------------------------------------------------------------------------------

TEST(InspectNames, PlacesAreSlotsOrOffsets) {
  EXPECT_EQ(*parse_inspect_place("17:3"), (InspectPlace{17, 3, 0}));
  EXPECT_EQ(*parse_inspect_place("0x11:0x3"), (InspectPlace{17, 3, 0}));
  EXPECT_EQ(*parse_inspect_place("17@4096"), (InspectPlace{17, {}, 4096}));
  EXPECT_EQ(parse_inspect_place("17:3")->to_string(), "17:3");
  EXPECT_EQ(parse_inspect_place("17@0x1000")->to_string(), "17@4096");
  for (const char* bad : {"", "17", "17:", ":3", "0:3", "17:3x", "17:-1", "17: 3", "17@", "a:b",
                          "4294967296:1", "1:4294967296", "1@18446744073709551616", "1:2:3",
                          "0x:1", "+1:2"}) {
    const auto place = parse_inspect_place(bad);
    EXPECT_EQ(code_of(place), "invalid argument") << bad;
    EXPECT_NE(place.error().message().find(bad), std::string::npos);
  }
}

TEST(InspectNames, SegmentsAreNumbersOrFileNames) {
  EXPECT_EQ(parse_inspect_segment("17")->segment, 17u);
  EXPECT_FALSE(parse_inspect_segment("17")->generation);
  EXPECT_EQ(parse_inspect_segment("00000011.2")->segment, 17u);
  EXPECT_EQ(parse_inspect_segment("00000011.2")->generation, 2u);
  for (const char* bad : {"", "0", "x", "11.2", "0000001g.1", "-1"}) {
    EXPECT_EQ(code_of(parse_inspect_segment(bad)), "invalid argument") << bad;
  }
}

// --- what it says is what the decoders say -------------------------------------------------------

TEST_F(InspectTest, SuperblocksAreToldFieldByField) {
  fill();
  shut();
  const Told told = tell([](Inspector& one, InspectOutput& out) { return one.superblock(out); });
  EXPECT_FALSE(found_damage_);
  uint64_t newest = 0;
  for (size_t i = 0; i < 2; ++i) {
    const std::string file = path_ + "/" + kSuperblockFileNames[i];
    const auto is = decode_superblock(test::read_bytes(file));
    ASSERT_TRUE(is.ok());
    const Told& says = told["superblocks"].at(i);
    EXPECT_EQ(says["file"].text(), file);
    EXPECT_EQ(says["generation"].number(), is->generation);
    EXPECT_EQ(says["epoch"].number(), is->epoch);
    EXPECT_EQ(says["state"].text(), "clean");
    EXPECT_EQ(says["store_id"].text(), to_uuid(is->store_id));
    EXPECT_EQ(says["next_segment"].number(), is->next_segment);
    EXPECT_EQ(says["checkpoint"].ref(), is->checkpoint);
    EXPECT_EQ(says["checkpoint_copy"].ref(), is->checkpoint_copy);
    EXPECT_EQ(says["replay"]["offset"].number(), is->replay.offset);
    EXPECT_EQ(says["replay"]["chain"].number(), is->replay.chain);
    EXPECT_EQ(says["durable_end"]["sequence"].number(), is->durable_end.sequence);
    if (says["counts"].yes()) newest = is->generation;
  }
  EXPECT_EQ(newest, std::max(told["superblocks"].at(0)["generation"].number(),
                             told["superblocks"].at(1)["generation"].number()));
  const auto files = files_of(path_);
  const auto& record = (*files->trees())->checkpoint();
  EXPECT_EQ(told["checkpoint"]["sequence"].number(), record.sequence);
  EXPECT_EQ(told["checkpoint"]["catalog"]["root"].ref(), record.catalog.ref);
  EXPECT_EQ(told["checkpoint"]["map"]["root"].ref(), record.map.ref);
  EXPECT_EQ(told["checkpoint"]["copies"].size(), 2u);
}

TEST_F(InspectTest, EverySlotFrameAndNodeIsToldAsItsBytesAre) {
  fill();
  shut();
  const auto files = files_of(path_);
  const auto list = *files->files();
  ASSERT_GT(list.size(), 4u);
  uint64_t nodes = 0;
  uint64_t blocks = 0;
  for (const engine::InspectedFile& file : list) {
    SCOPED_TRACE(file.path);
    const auto loaded = *files->load(file.number);
    const Told told = tell([&](Inspector& one, InspectOutput& out) {
      return one.segment(file.number, {std::nullopt, true, true}, out);
    });
    EXPECT_FALSE(found_damage_);
    EXPECT_EQ(told["header"]["segment"].number(), file.number);
    EXPECT_EQ(told["header"]["epoch"].number(), loaded->header->epoch);
    EXPECT_EQ(told["footer"]["is_there"].yes(), loaded->footer.has_value());
    const auto table = loaded->segment->slots(0, loaded->segment->slot_count());
    ASSERT_EQ(told["slots"].size(), table.size());
    // All bytes behind the header are in one frame each.
    uint64_t at = kSegmentHeaderBytes;
    for (size_t i = 0; i < told["frames"].size(); ++i) {
      EXPECT_EQ(told["frames"].at(i)["offset"].number(), at);
      at += told["frames"].at(i)["length"].number();
    }
    EXPECT_EQ(at, fs::file_size(file.path));
    for (Slot slot = 0; slot < table.size(); ++slot) {
      const Told& says = told["slots"].at(slot);
      if (table[slot].is_gone()) continue;
      EXPECT_EQ(says["offset"].number(), table[slot].offset());
      EXPECT_EQ(says["stored_len"].number(), table[slot].stored_len());
      const InspectPlace place{file.number, slot, 0};
      const Told frame =
          tell([&](Inspector& one, InspectOutput& out) { return one.frame(place, out); });
      EXPECT_EQ(frame["slot"].number(), slot);
      EXPECT_EQ(frame["offset"].number(), table[slot].offset());
      const auto one = inspector(path_);
      const auto raw = one->raw_payload(place, true);
      ASSERT_TRUE(raw.ok()) << raw.error().to_string();
      const auto stored = one->raw_frame(place);
      ASSERT_TRUE(stored.ok());
      EXPECT_EQ(*stored, test::read_bytes(file.path).substr(table[slot].offset(),
                                                            table[slot].end() -
                                                                table[slot].offset()));
      if (table[slot].kind() == FrameKind::kBlock) {
        ++blocks;
        EXPECT_EQ(blake3(*raw).to_hex(), says["name"].text());
        EXPECT_EQ(frame["block"]["name"].text(), says["name"].text());
        continue;
      }
      ++nodes;
      const auto node = engine::CleanNode::open(engine::NodeBuffer::copy_of(*raw), {});
      ASSERT_TRUE(node.ok());
      const Told node_says =
          tell([&](Inspector& by, InspectOutput& out) { return by.node(place, out); });
      EXPECT_EQ(node_says["level"].number(), (*node)->view().level());
      EXPECT_EQ(node_says["count"].number(), (*node)->view().count());
      EXPECT_EQ(node_says["references"].number(), (*node)->view().refs().size());
      const char* const rows = (*node)->view().is_leaf() ? "entries" : "children";
      EXPECT_EQ(node_says[rows].size(), (*node)->view().count());
    }
  }
  EXPECT_GT(nodes, 3u);
  EXPECT_GT(blocks, 30u);
}

TEST_F(InspectTest, AnObjectsExtentsAreItsContent) {
  fill();
  shut();
  const InspectObject big{{"c", ""}, "/big", {}};
  const Told told = tell(
      [&](Inspector& one, InspectOutput& out) { return one.object(big, true, out); });
  EXPECT_EQ(told["path"].text(), "/big");
  EXPECT_EQ(told["size"].number(), 300'000u);
  EXPECT_TRUE(told["content_id_matches"].yes());
  std::string content;
  const auto one = inspector(path_);
  for (size_t i = 0; i < told["extents"].size(); ++i) {
    const Told& extent = told["extents"].at(i);
    EXPECT_TRUE(extent["readable"].yes());
    EXPECT_EQ(extent["offset"].number(), content.size());
    const BlockRef ref = extent["block"].ref();
    const auto block = one->raw_payload({ref.segment, ref.slot, 0}, true);
    ASSERT_TRUE(block.ok());
    content += block->substr(extent["offset_in_block"].number(), extent["length"].number());
    // By its name, and by the beginning of it.
    const std::string name = extent["name"].text();
    EXPECT_EQ(*one->raw_block(name, true), *block);
    EXPECT_EQ(*one->raw_block(name.substr(0, 12), true), *block);
  }
  EXPECT_TRUE(content == noise(300'000, 1000));
  // The same by its id.
  const auto id = parse_uuid<ObjectId>(told["id"].text());
  ASSERT_TRUE(id.ok());
  const Told by_id = tell([&](Inspector& by, InspectOutput& out) {
    return by.object({{"c", "nightly"}, "", *id}, false, out);
  });
  EXPECT_EQ(by_id["path"].text(), "/big");
  EXPECT_TRUE(by_id["extents"].at(0)["readable"].is_nothing());  // (was not tried)
  const Told folder = tell([&](Inspector& by, InspectOutput& out) {
    return by.object({{"c", ""}, "/d", {}}, true, out);
  });
  EXPECT_EQ(folder["class"].text(), "folder");
}

TEST_F(InspectTest, TheCatalogAndContainersAreWhatTheStoreSays) {
  fill();
  ASSERT_TRUE(store_->set_setting({}, "compression", "none").ok());
  const auto info = store_->container("c");
  ASSERT_TRUE(info.ok());
  shut();
  const Told told = tell([](Inspector& one, InspectOutput& out) { return one.catalog(out); });
  EXPECT_EQ(told["containers"].size(), 2u);
  EXPECT_EQ(told["container_names"].size(), 2u);
  EXPECT_EQ(told["snapshots"].size(), 1u);
  EXPECT_EQ(told["drop_queue"].at(0)["name"].text(), "gone");
  EXPECT_EQ(told["settings"].at(0)["name"].text(), "compression");
  EXPECT_EQ(told["settings"].at(0)["value"].text(), "none");
  EXPECT_EQ(told["unreadable"].size(), 0u);
  const Told container =
      tell([](Inspector& one, InspectOutput& out) { return one.container({"c", ""}, out); });
  EXPECT_EQ(container["id"].text(), to_uuid(info->id));
  EXPECT_EQ(std::get<Summary>(container["tree"]["summary"].value), info->summary);
  EXPECT_EQ(container["snapshots"].at(0)["name"].text(), "nightly");
  const Told snapshot =
      tell([](Inspector& one, InspectOutput& out) { return one.container({"c", "nightly"}, out); });
  EXPECT_EQ(snapshot["snapshot"]["name"].text(), "nightly");
}

TEST_F(InspectTest, TheIndexIsComparedWithTheSlotTables) {
  fill();
  shut();
  const Told told =
      tell([](Inspector& one, InspectOutput& out) { return one.index(true, out); });
  EXPECT_FALSE(found_damage_);
  ASSERT_GE(told["runs"].size(), 1u);
  uint64_t entries = 0;
  for (size_t i = 0; i < told["runs"].size(); ++i) {
    const Told& run = told["runs"].at(i);
    EXPECT_EQ(run["entries"].size(), run["entries_of_manifest"].number());
    entries += run["entries"].size();
    for (size_t row = 0; row < run["verdicts"].size(); ++row) {
      EXPECT_EQ(run["verdicts"].at(row)["verdict"].text(), "leads to its block");
    }
  }
  EXPECT_GE(entries, 33u);
  // Without the segments it leads nowhere: that is stale, no damage.
  const std::string other = copy("stale");
  fs::remove_all(other + "/segments");
  fs::create_directory(other + "/segments");
  const Told stale =
      tell_of(other, [](Inspector& one, InspectOutput& out) { return one.index(false, out); });
  EXPECT_EQ(stale["runs"].at(0)["verdicts"].at(0)["verdict"].text(), "stale: no such segment");
}

// --- why -----------------------------------------------------------------------------------------

// Invariant 11, seen from below: for every slot that is alive, the references that are found in
// nodes are as many as the map counts.
TEST_F(InspectTest, WhyFindsAsManyReferencesAsAreCounted) {
  fill();
  shut();
  const auto files = files_of(path_);
  uint64_t looked = 0;
  const auto list = *files->files();
  for (const engine::InspectedFile& file : list) {
    const auto loaded = *files->load(file.number);
    if (loaded->is_map()) continue;
    for (Slot slot = 0; slot < loaded->segment->slot_count(); ++slot) {
      const engine::SlotState state = files->state_of(*loaded, slot);
      if (!state.count) continue;
      const std::string place = fmt::format("{}:{}", file.number, slot);
      const Told told =
          tell([&](Inspector& one, InspectOutput& out) { return one.why(place, out); });
      EXPECT_EQ(told["references_in_nodes"].number(), *state.count) << place << " " << state.word;
      EXPECT_EQ(told["nodes_not_looked_into"].number(), 0u);
      ++looked;
    }
  }
  EXPECT_GT(looked, 50u);
}

// The same after random histories, in trees of many levels, with holes and later generations.
// RAMET_INSPECT_SEEDS: histories.
TEST_F(InspectTest, WhyCountsRightAfterRandomHistories) {
  const char* wanted = std::getenv("RAMET_INSPECT_SEEDS");
  const uint64_t seeds = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 3;
  std::set<std::string> met;
  shut();
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    uint64_t state = seed * 7919;
    const auto random = [&](uint64_t below) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      return below == 0 ? 0 : (state >> 33) % below;
    };
    const std::string path = dir_.file("random");
    fs::remove_all(path);
    StoreOptions options = test::store_options();
    options.node_bytes = 512;
    options.background = false;
    options.drop_grace = 0;
    options.data_segment_bytes = 2u << 20;
    ASSERT_TRUE(Store::create(path, options).ok());
    store_ = std::move(*Store::open(path, options));
    std::vector<ContainerId> containers = {store_->create_container("c0")->id};
    for (int step = 0; step < 60; ++step) {
      const size_t which = random(containers.size());
      container_ = containers[which];
      switch (random(8)) {
        case 0: containers.push_back(clone("", fmt::format("c{}", step + 1))); break;
        case 1:
          ASSERT_TRUE(store_->create_snapshot(container_, fmt::format("s{}", step)).ok());
          break;
        case 2:
          if (containers.size() < 2) break;
          ASSERT_TRUE(store_->drop_container(container_, {.now = random(2) == 0}).ok());
          containers.erase(containers.begin() + static_cast<long>(which));
          break;
        case 3: ASSERT_TRUE(store_->reclaim({}).ok()); break;
        case 4:
          put(fmt::format("/big{}", random(3)), noise(random(900'000), seed * 1000 + step));
          break;
        case 5:
          ASSERT_TRUE(store_->close().ok());
          store_ = std::move(*Store::open(path, options));
          break;
        default:
          for (int i = 0; i < 10; ++i) {
            put(fmt::format("/d{}/f{}", random(3), random(40)), noise(random(9000), state));
          }
      }
    }
    if (seed % 2 == 0) {
      ASSERT_TRUE(store_->reclaim({}).ok());
    }
    shut();
    const auto files = files_of(path);
    const auto one = inspector(path);
    const auto list = *files->files();
    for (const engine::InspectedFile& file : list) {
      const auto loaded = *files->load(file.number);
      if (loaded->file.generation != file.generation || loaded->is_map()) continue;
      if (file.generation > 0) met.insert("a later generation");
      if (!loaded->segment->holes().empty()) met.insert("holes");
      InspectTreeOutput told;
      ASSERT_TRUE(one->segment(file.number, {std::nullopt, true, true}, told).ok());
      for (Slot slot = 0; slot < loaded->segment->slot_count(); slot += 1 + Slot(random(4))) {
        const engine::SlotState is = files->state_of(*loaded, slot);
        if (!is.count) continue;
        InspectTreeOutput out;
        const std::string place = fmt::format("{}:{}", file.number, slot);
        const Status done = one->why(place, out);
        ASSERT_TRUE(done.ok()) << done.error().to_string();
        EXPECT_EQ(out.told()["references_in_nodes"].number(), *is.count) << place << is.word;
        met.emplace(is.word);
        for (size_t i = 0; i < out.told()["references"].size(); ++i) {
          const auto via = std::get<std::vector<BlockRef>>(
              out.told()["references"].at(i)["via"].value);
          if (via.size() > 1) met.insert("a tree of levels");
        }
      }
    }
    EXPECT_FALSE(one->found_damage());
  }
  for (const char* state : {"live", "dead", "a tree of levels"}) {
    EXPECT_TRUE(met.contains(state)) << state;
  }
  if (wanted == nullptr) return;
  for (const char* state : {"a later generation", "holes"}) {
    EXPECT_TRUE(met.contains(state)) << state;
  }
}

TEST_F(InspectTest, WhyNamesEveryKeeperWithItsPath) {
  fill();
  shut();
  const auto keepers = [&](const std::string& name) {
    std::set<std::string> out;
    const Told told = tell([&](Inspector& one, InspectOutput& out_fields) {
      return one.why(name, out_fields);
    });
    for (size_t i = 0; i < told["references"].size(); ++i) {
      const Told& row = told["references"].at(i);
      if (row["kept_by"].text() == "dead node") continue;
      out.insert(fmt::format("{} {}@{}:{}", row["kept_by"].text(), row["container"].text(),
                             row["snapshot"].text(), row["path"].text()));
    }
    return out;
  };
  EXPECT_EQ(keepers(blake3(noise(3000, 5)).to_hex()),
            (std::set<std::string>{"container c@-:/d/f5", "container clone@-:/d/f5",
                                   "snapshot c@nightly:/d/f5", "dropped container gone@-:/d/f5"}));
  // What was overwritten lives on in the clone and the snapshot.
  EXPECT_EQ(keepers(blake3(noise(3000, 3)).to_hex()),
            (std::set<std::string>{"container clone@-:/d/f3", "snapshot c@nightly:/d/f3"}));
  EXPECT_EQ(keepers(blake3(noise(5000, 99)).to_hex()),
            (std::set<std::string>{"dropped container gone@-:/own"}));
  // The root of a container.
  const Told container =
      tell([](Inspector& one, InspectOutput& out) { return one.container({"clone", ""}, out); });
  EXPECT_EQ(keepers(to_string(container["tree"]["root"].ref())),
            (std::set<std::string>{"container clone@-:-", "snapshot c@nightly:-"}));
}

TEST_F(InspectTest, WhyLooksIntoTheLogThatNoCheckpointHas) {
  fill();
  reopen();
  // As after a crash: the files while the store is open, its log not in any checkpoint.
  put("/late", noise(2000, 4321));
  const std::string crashed = copy("crashed");
  const Told told = tell_of(crashed, [](Inspector& one, InspectOutput& out) {
    return one.why(blake3(noise(2000, 4321)).to_hex(), out);
  });
  ASSERT_EQ(told["references"].size(), 1u);
  EXPECT_EQ(told["references"].at(0)["path"].text(), "/late");
  EXPECT_FALSE(found_damage_);
}

TEST_F(InspectTest, WhySaysWhatItCouldNotLookInto) {
  fill();
  shut();
  const Told clone =
      tell([](Inspector& one, InspectOutput& out) { return one.container({"clone", ""}, out); });
  const BlockRef root = clone["tree"]["root"].ref();
  const Told frame = tell([&](Inspector& one, InspectOutput& out) {
    return one.frame({root.segment, root.slot, 0}, out);
  });
  const std::string other = copy("hurt");
  change(other + "/segments/" + segment_file_name(root.segment, 0), [&](std::string& bytes) {
    bytes[frame["offset"].number() + kFrameHeaderBytes + 10] ^= 1;
  });
  const Told told = tell_of(other, [](Inspector& one, InspectOutput& out) {
    return one.why(blake3(noise(3000, 5)).to_hex(), out);
  });
  EXPECT_TRUE(found_damage_);
  EXPECT_EQ(told["nodes_not_looked_into"].number(), 1u);  // once, however many share it
  EXPECT_EQ(told["not_looked_into"].at(0)["node"].ref(), root);
  EXPECT_EQ(told["not_looked_into"].at(0)["tree"].text(), "container clone");
  std::set<std::string> kept;
  for (size_t i = 0; i < told["kept_by"].size(); ++i) {
    kept.insert(told["kept_by"].at(i)["container"].text());
  }
  EXPECT_TRUE(kept.contains("c"));
  EXPECT_TRUE(kept.contains("gone"));
}

// --- beside others -------------------------------------------------------------------------------

TEST_F(InspectTest, AStoreThatIsOpenIsToldAsOfItsLastCheckpointAndLeftAlone) {
  fill();
  EXPECT_TRUE(store_->close().ok());
  StoreOptions quiet = test::store_options();
  quiet.background = false;  // only who inspects could change anything
  store_ = std::move(*Store::open(path_, quiet));
  const auto before = files();
  const Told told = tell([](Inspector& one, InspectOutput& out) { return one.superblock(out); });
  EXPECT_TRUE(told["open_elsewhere"].yes());
  EXPECT_FALSE(found_damage_);
  for (const auto& [name, call] : all_calls(blake3(noise(3000, 5)).to_hex())) {
    const auto one = inspector(path_);
    InspectTreeOutput out;
    ignore_error(call(*one, out), "some ask for what is not there");
  }
  EXPECT_EQ(files(), before);
  put("/more", "x");  // it goes on
}

// Whoever no longer listens ends it, whatever is being told.
TEST_F(InspectTest, AnOutputThatStopsEndsTheCall) {
  class Stopping : public InspectTreeOutput {
   public:
    bool is_stopped() const override { return true; }
  };
  fill();
  shut();
  const std::string digits = blake3(noise(3000, 5)).to_hex();
  const std::vector<std::pair<std::string, Call>> long_ones = {
      {"segments", [](Inspector& one, InspectOutput& out) { return one.segments(out); }},
      {"frames",
       [](Inspector& one, InspectOutput& out) {
         return one.segment(2, {std::nullopt, false, true}, out);
       }},
      {"object",
       [](Inspector& one, InspectOutput& out) {
         return one.object({{"c", ""}, "/big", {}}, true, out);
       }},
      {"catalog", [](Inspector& one, InspectOutput& out) { return one.catalog(out); }},
      {"index", [](Inspector& one, InspectOutput& out) { return one.index(true, out); }},
      {"why", [&](Inspector& one, InspectOutput& out) { return one.why(digits, out); }},
  };
  for (const auto& [name, call] : long_ones) {
    Stopping out;
    EXPECT_EQ(code_of(call(*inspector(path_), out)), "cancelled") << name;
    EXPECT_TRUE(out.is_balanced()) << name;
  }
}

// Of a later version only what every version has is told.
TEST_F(InspectTest, AStoreOfALaterVersionIsToldAsFarAsItIsKnown) {
  fill();
  shut();
  const std::string other = copy("later");
  for (const char* name : kSuperblockFileNames) {
    change(other + "/" + name, [](std::string& bytes) {
      Superblock superblock = *decode_superblock(bytes);
      superblock.features.incompatible = 1;
      bytes = encode_superblock(superblock);
    });
  }
  const Told told =
      tell_of(other, [](Inspector& one, InspectOutput& out) { return one.superblock(out); });
  EXPECT_FALSE(told["superblocks"].at(0)["damage"].is_nothing());
  const auto one = inspector(other);
  InspectTreeOutput out;
  EXPECT_EQ(code_of(one->catalog(out)), "unsupported");
  EXPECT_EQ(code_of(one->why("2:0", out)), "unsupported");
}

TEST_F(InspectTest, WhatIsNotThereIsNamed) {
  put("/a", "x");
  shut();
  EXPECT_EQ(code_of(Inspector::open(dir_.file("nowhere"), {})), "not found");
  fs::create_directory(dir_.file("empty"));
  EXPECT_EQ(code_of(Inspector::open(dir_.file("empty"), {})), "failed precondition");
  const auto one = inspector(path_);
  InspectTreeOutput out;
  const auto expect = [&](const Status& status, const char* code, const char* words) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(code_of(status), code);
    EXPECT_NE(status.error().message().find(words), std::string::npos)
        << status.error().message();
  };
  expect(one->segment(999, {}, out), "not found", "segment 999");
  expect(one->segment(1, {7, false, false}, out), "not found", "generation 7");
  expect(one->container({"nobody", ""}, out), "not found", "nobody");
  expect(one->container({"c", "never"}, out), "not found", "never");
  expect(one->object({{"c", ""}, "/b", {}}, true, out), "not found", "/b");
  expect(one->block("abc", out), "invalid argument", "'abc'");
  expect(one->block("abcdefabcdef", out), "not found", "abcdefabcdef");
  expect(one->why("xyz", out), "invalid argument", "'xyz'");
  EXPECT_EQ(code_of(one->raw_superblock(2)), "invalid argument");
}

TEST_F(InspectTest, ADigitsThatSeveralBlocksBeginWithAreAmbiguous) {
  // Four digits have 65536 values: a few thousand small blocks share some.
  auto transaction = begin();
  for (int i = 0; i < 2000; ++i) {
    write(*transaction, fmt::format("/f{}", i), noise(64, static_cast<uint64_t>(i) + 5000));
  }
  ASSERT_TRUE(transaction->commit().ok());
  transaction.reset();
  shut();
  std::map<std::string, int> beginnings;
  for (int i = 0; i < 2000; ++i) {
    ++beginnings[blake3(noise(64, static_cast<uint64_t>(i) + 5000)).to_hex().substr(0, 4)];
  }
  const auto shared = std::find_if(beginnings.begin(), beginnings.end(),
                                   [](const auto& one) { return one.second > 1; });
  ASSERT_NE(shared, beginnings.end());
  const auto one = inspector(path_);
  InspectTreeOutput out;
  const Status status = one->block(shared->first, out);
  EXPECT_EQ(code_of(status), "invalid argument");
  EXPECT_NE(status.error().message().find("blocks begin with " + shared->first),
            std::string::npos);
}

}  // namespace
}  // namespace ramet
