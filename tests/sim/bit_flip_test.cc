// Goal: one flipped bit or byte anywhere in a segment never gives wrong bytes and never crashes;
// what it damages is named, all else reads: a hit block costs exactly the objects that hold it,
// hit headers and footers of segments cost nothing [INV-2] [INV-4]. Method: a closed store on the
// simulated disk, many single flips, everything read each time.
//
// RAMET_SIM_POINTS: twenty times the flips in each data segment (0: the default).
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include <fmt/format.h>

#include "format/segment_layout.h"
#include "io/env_sim.h"
#include "tools/sim/workload.h"

namespace ramet::sim {
namespace {

std::string seeded(uint64_t seed, size_t size) {
  std::mt19937_64 random(seed);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

using Place = std::pair<SegmentNo, Slot>;

struct StoredObject {
  std::string container;
  std::string path;
  std::string content;
  ObjectId id;
  std::set<Place> blocks;
};

void put(Transaction& transaction, const std::string& path, const std::string& content) {
  const auto folder = transaction.create_folders(path.substr(0, path.rfind('/')));
  ASSERT_TRUE(folder.ok()) << folder.error().to_string();
  auto writer = transaction.write_content();
  ASSERT_TRUE((*writer)->append(content).ok());
  const auto id = transaction.put_object(*folder, path.substr(path.rfind('/') + 1), Attributes{},
                                         std::move(*writer));
  ASSERT_TRUE(id.ok()) << id.error().to_string();
}

// 180 objects in batches, 40 small ones in commits of their own (their blocks stand in the commit
// stream), some with the same content; a clone, changed afterwards.
void fill(Store& store) {
  const auto first = store.create_container("first");
  for (uint64_t batch = 0; batch < 9; ++batch) {
    auto transaction = store.begin(first->id);
    for (uint64_t seed = batch * 20; seed < batch * 20 + 20; ++seed) {
      const size_t size = seed % 31 == 0 ? 150000 : seed % 7 == 0 ? 20000 : 100 + seed * 5;
      put(**transaction, fmt::format("/d{}/f{}", seed % 5, seed), seeded(seed % 160, size));
    }
    ASSERT_TRUE((*transaction)->commit().ok());
  }
  CloneSpec spec;
  spec.source = first->id;
  spec.new_container = "clone";
  const auto clone = store.clone(spec);
  ASSERT_TRUE(clone.ok()) << clone.error().to_string();
  for (uint64_t n = 0; n < 40; ++n) {
    auto transaction = store.begin(n % 2 == 0 ? first->id : clone->container);
    put(**transaction, fmt::format("/small/s{}", n), seeded(1000 + n % 35, 200 + n * 20));
    ASSERT_TRUE((*transaction)->commit().ok());
  }
}

void add_objects(const View& view, FolderId folder, const std::string& path,
                 const std::string& container, std::vector<StoredObject>& out) {
  const Status status = view.list(folder, {}, [&](const Entry& entry) {
    const std::string name = path + "/" + entry.name;
    if (entry.is_folder()) {
      add_objects(view, entry.folder, name, container, out);
      return true;
    }
    StoredObject object{container, name, std::string(entry.size, '\0'), entry.object, {}};
    EXPECT_EQ(view.read(entry.object, 0, object.content).value(), entry.size);
    EXPECT_TRUE(view.pieces(entry.object, 0, entry.size, [&](const ContentPiece& piece) {
      object.blocks.emplace(piece.block.segment, piece.block.slot);
      return true;
    }).ok());
    out.push_back(std::move(object));
    return true;
  });
  ASSERT_TRUE(status.ok()) << status.error().to_string();
}

// What stands where in a segment file, from its footer.
struct SegmentFile {
  std::string path;
  SegmentNo number = 0;
  std::string stream;
  Bytes bytes;
  std::vector<SlotEntry> slots;
  uint64_t footer = 0;  // 0: none
};

SegmentFile read_segment(const io::SimEnv& env, const std::string& path) {
  SegmentFile file;
  file.path = path;
  file.bytes = *env.read_raw(path);
  const auto header = decode_segment_header(file.bytes.substr(0, kSegmentHeaderBytes));
  EXPECT_TRUE(header.ok()) << path;
  file.number = header->segment;
  const char* names[] = {"?", "commit", "node", "data", "map"};
  file.stream = names[static_cast<size_t>(header->stream)];
  const Bytes secret(reinterpret_cast<const char*>(header->secret.data()), header->secret.size());
  const auto trailer = decode_footer_trailer(
      ByteView(file.bytes).substr(file.bytes.size() - kFooterTrailerBytes),
      frame_seed(header->secret, header->segment, header->epoch));
  if (!trailer.ok()) return file;
  file.footer = trailer->footer_offset;
  const auto footer = decode_footer(
      ByteView(file.bytes).substr(file.footer + kFrameHeaderBytes,
                                  load<uint32_t>(file.bytes.data() + file.footer + 24)));
  EXPECT_TRUE(footer.ok()) << path;
  if (footer.ok()) file.slots = footer->slots;
  return file;
}

// What is hit at an offset: a part of the file, and the slot whose frame stands there.
std::string part_at(const SegmentFile& file, uint64_t offset, std::optional<Slot>& slot) {
  slot.reset();
  if (offset < kSegmentHeaderBytes) return "header";
  if (file.footer != 0 && offset >= file.footer) return "footer";
  for (size_t i = 0; i < file.slots.size(); ++i) {
    const SlotEntry& entry = file.slots[i];
    if (entry.is_gone() || offset < entry.offset()) continue;
    if (offset >= entry.offset() + kFrameHeaderBytes + entry.stored_len()) continue;
    slot = static_cast<Slot>(i);
    return offset < entry.offset() + kFrameHeaderBytes ? "frame header" : "payload";
  }
  return "between";
}

// Reads every object of the damaged store; which cannot be read, by index. No wrong bytes.
std::set<size_t> unreadable(Store& store, const std::vector<StoredObject>& objects) {
  std::set<size_t> lost;
  for (size_t i = 0; i < objects.size(); ++i) {
    const StoredObject& object = objects[i];
    const auto info = store.container(object.container);
    const auto view = info.ok() ? store.view(info->id)
                                : Result<std::shared_ptr<const View>>(info.error());
    if (!view.ok()) {
      EXPECT_EQ(view.error().code(), ErrorCode::kCorruption) << view.error().to_string();
      lost.insert(i);
      continue;
    }
    const auto found = (*view)->lookup(object.path);
    if (found.ok()) {
      EXPECT_EQ(found->object == object.id, true);
    } else {
      EXPECT_EQ(found.error().code(), ErrorCode::kCorruption) << found.error().to_string();
    }
    std::string bytes(object.content.size(), '\0');
    const auto got = (*view)->read(object.id, 0, bytes);
    if (got.ok()) {
      EXPECT_EQ(bytes == object.content, true) << "wrong bytes of " << object.path;
      const Status verified = (*view)->verify(object.id);
      if (verified.ok() && found.ok()) continue;
      EXPECT_TRUE(verified.ok() || verified.error().code() == ErrorCode::kCorruption);
    } else {
      EXPECT_EQ(got.error().code(), ErrorCode::kCorruption) << got.error().to_string();
      for (const char* word : {"segment ", "slot ", "object "}) {
        EXPECT_NE(got.error().message().find(word), std::string::npos) << got.error().message();
      }
    }
    lost.insert(i);
  }
  return lost;
}

struct Outcome {
  uint64_t flips = 0;
  uint64_t unopened = 0;
  uint64_t objects_lost = 0;
};

class BitFlip : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Store::create("/store", tiny_options(env_)).ok());
    {
      auto store = Store::open("/store", tiny_options(env_));
      ASSERT_TRUE(store.ok());
      ASSERT_NO_FATAL_FAILURE(fill(**store));
      for (const char* name : {"first", "clone"}) {
        const auto view = (*store)->view((*store)->container(name)->id);
        ASSERT_NO_FATAL_FAILURE(add_objects(**view, kRootFolder, "", name, objects_));
      }
      ASSERT_TRUE((*store)->close().ok());
    }
    for (const std::string& path : env_->files()) {
      if (path.find("/segments/") == std::string::npos) continue;
      segments_.push_back(read_segment(*env_, path));
    }
  }

  std::set<size_t> holders(SegmentNo segment, Slot slot) const {
    std::set<size_t> out;
    for (size_t i = 0; i < objects_.size(); ++i) {
      if (objects_[i].blocks.contains({segment, slot})) out.insert(i);
    }
    return out;
  }

  void flip_and_read(const SegmentFile& file, uint64_t offset, uint64_t seed) {
    const auto machine = env_->clone_disk(seed);
    std::mt19937_64 random(seed);
    if (seed % 2 == 0) {
      ASSERT_TRUE(machine->flip_bit(file.path, offset, static_cast<unsigned>(seed / 2 % 8)).ok());
    } else {
      const char other = static_cast<char>(file.bytes[offset] ^ (1 + random() % 255));
      ASSERT_TRUE(machine->write_raw(file.path, offset, ByteView(&other, 1)).ok());
    }
    std::optional<Slot> slot;
    const std::string part = part_at(file, offset, slot);
    Outcome& outcome = outcomes_[file.stream + " " + part];
    ++outcome.flips;
    StoreOptions options = tiny_options(machine);
    options.read_only = true;
    const auto store = Store::open("/store", options);
    const bool of_blocks = file.stream == "data" || file.stream == "commit";
    if (!store.ok()) {
      EXPECT_EQ(store.error().code(), ErrorCode::kCorruption) << store.error().to_string();
      EXPECT_FALSE(of_blocks) << store.error().to_string();
      ++outcome.unopened;
      return;
    }
    const std::set<size_t> lost = unreadable(**store, objects_);
    outcome.objects_lost += lost.size();
    if (of_blocks) {
      EXPECT_EQ(lost, slot ? holders(file.number, *slot) : std::set<size_t>());
    } else if (!slot && file.stream == "node") {
      EXPECT_TRUE(lost.empty());
    }
  }

  std::shared_ptr<io::SimEnv> env_ = std::make_shared<io::SimEnv>(7);
  std::vector<StoredObject> objects_;
  std::vector<SegmentFile> segments_;
  std::map<std::string, Outcome> outcomes_;
};

TEST_F(BitFlip, AnywhereInASegmentIsNamedAndCostsOnlyWhatItHits) {
  const uint64_t wanted = from_environment("RAMET_SIM_POINTS", 0);
  const uint64_t each = wanted == 0 ? 30 : std::max<uint64_t>(2, wanted / 20);
  std::mt19937_64 random(11);
  uint64_t n = 0;
  for (const SegmentFile& file : segments_) {
    const uint64_t size = file.bytes.size();
    // (Most segments hold data.)
    const uint64_t flips = file.stream == "data" ? each : 3 * each;
    for (uint64_t flip = 0; flip < flips; ++flip, ++n) {
      // Segment headers, frame headers and footers as well as anywhere.
      uint64_t offset = random() % size;
      if (n % 6 == 0) offset = random() % 128;
      if (n % 6 == 1 && file.footer != 0) offset = file.footer + random() % (size - file.footer);
      if (n % 6 == 2 && !file.slots.empty()) {
        const SlotEntry& slot = file.slots[random() % file.slots.size()];
        if (!slot.is_gone()) offset = slot.offset() + random() % kFrameHeaderBytes;
      }
      SCOPED_TRACE(fmt::format("{} ({}) at {}", file.path, file.stream, offset));
      flip_and_read(file, offset, random());
      ASSERT_FALSE(HasFailure());
    }
  }
  fmt::print("{} objects\n{:<22} flips  not opened  objects lost in all\n", objects_.size(),
             "what");
  for (const auto& [what, outcome] : outcomes_) {
    fmt::print("{:<22} {:>5} {:>11} {:>20}\n", what, outcome.flips, outcome.unopened,
               outcome.objects_lost);
  }
  for (const char* what : {"commit payload", "data payload", "node payload", "data footer"}) {
    EXPECT_GT(outcomes_[what].flips, 0u) << what;
  }
}

}  // namespace
}  // namespace ramet::sim
