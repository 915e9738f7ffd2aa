// The program: inspect. JSON is valid and says the same as the text; bytes are the stored ones;
// exit codes and errors; and the page about it.
#include <gtest/gtest.h>

#include <set>

#include "format/hash.h"
#include "tests/tools/program.h"

namespace ramet::test {
namespace {

class ProgramInspectTest : public ProgramTest {
 protected:
  void SetUp() override {
    make_store();
    for (int i = 0; i < 5; ++i) put("prod:/d/f" + std::to_string(i), noise(5000, i));
    put("prod:/d/\xFF\n", "odd name");
    put("prod:/text", std::string(50'000, 'x'));
    done({"snapshot", "create", "prod@nightly"});
    done({"clone", "prod", "test"});
    done({"container", "drop", "test"});
  }
  std::string name_of(uint64_t seed) const { return blake3(noise(5000, seed)).to_hex(); }
  // The place of a block, "17:3".
  std::string place_of(const std::string& name) {
    return done_json({"inspect", "block", name})["stored"][0]["place"];
  }
  static void zero(const fs::path& path) {
    write_local(path, std::string(fs::file_size(path), '\0'));
  }
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> out;
    for (const auto& file : fs::recursive_directory_iterator(store_)) {
      if (file.is_regular_file()) out[file.path()] = read_local(file.path());
    }
    return out;
  }
};

// Keys that an object has twice, which parsers hide.
std::string repeated_keys(const std::string& text) {
  std::vector<std::set<std::string>> open;
  std::string out;
  const auto parsed = Json::parse(text, [&](int, Json::parse_event_t event, Json& json) {
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end) open.pop_back();
    if (event == Json::parse_event_t::key && !open.back().insert(json.get<std::string>()).second) {
      out += json.get<std::string>() + " ";
    }
    return true;
  });
  EXPECT_FALSE(parsed.is_discarded());
  return out;
}

const std::vector<std::string> kKinds = {"superblock", "segment", "frame", "node",  "object",
                                         "container",  "catalog", "index", "block", "why"};

TEST_F(ProgramInspectTest, JsonAndTextSayTheSameAndNothingIsWritten) {
  const std::string block = name_of(1);
  const std::string place = place_of(block);
  const Json container = done_json({"inspect", "container", "prod"});
  const Json root = container["tree"]["root"];
  const std::string node = std::to_string(root["segment"].get<uint64_t>()) + ":" +
                           std::to_string(root["slot"].get<uint64_t>());
  const auto before = files();
  const std::vector<Words> all = {
      {"inspect", "superblock"},
      {"inspect", "segment"},
      {"inspect", "segment", place.substr(0, place.find(':')), "--slots", "--frames"},
      {"inspect", "frame", place},
      {"inspect", "frame", place.substr(0, place.find(':')) + "@4096"},
      {"inspect", "node", node},
      {"inspect", "object", "prod:/d/f1"},
      {"inspect", "object", "prod@nightly:/d/f1", "--no-read"},
      {"inspect", "object", "prod:/d/\xFF\n"},
      {"inspect", "object", "prod:/d"},
      {"inspect", "container", "prod"},
      {"inspect", "container", "prod@nightly"},
      {"inspect", "catalog"},
      {"inspect", "index", "--entries"},
      {"inspect", "block", block},
      {"inspect", "why", block},
      {"inspect", "why", node},
  };
  std::set<std::string> kinds;
  for (const Words& words : all) {
    kinds.insert(words[1]);
    const std::string text = done(words);
    EXPECT_FALSE(text.empty());
    const Json json = done_json(words);
    Words with_json = words;
    with_json.push_back("--json");
    EXPECT_EQ(repeated_keys(done(with_json)), "") << ::testing::PrintToString(words);
    ASSERT_TRUE(json.is_object()) << ::testing::PrintToString(words);
    // Every field that says something is in the text, with spaces for '_'.
    for (const auto& [key, value] : json.items()) {
      if (value.is_null() || key.ends_with("_bytes")) continue;
      std::string in_words = key;
      std::replace(in_words.begin(), in_words.end(), '_', ' ');
      EXPECT_NE(("\n" + text).find("\n" + in_words), std::string::npos)
          << ::testing::PrintToString(words) << " lacks " << in_words << "\n" << text;
    }
  }
  EXPECT_EQ(kinds, std::set<std::string>(kKinds.begin(), kKinds.end()));
  EXPECT_TRUE(files() == before) << "a file was changed";
}

TEST_F(ProgramInspectTest, WhyNamesContainersSnapshotsAndDroppedOnesWithPaths) {
  const Json json = done_json({"inspect", "why", name_of(3).substr(0, 12)});
  std::set<std::string> kept;
  for (const Json& row : json["references"]) {
    if (row["kept_by"] == "dead node") continue;
    const std::string snapshot = row["snapshot"].is_null() ? "" : row["snapshot"];
    kept.insert(row["kept_by"].get<std::string>() + " " + row["container"].get<std::string>() +
                "@" + snapshot + ":" + row["path"].get<std::string>());
  }
  EXPECT_EQ(kept, (std::set<std::string>{"container prod@:/d/f3", "snapshot prod@nightly:/d/f3",
                                         "dropped container test@:/d/f3"}));
  EXPECT_EQ(json["references_in_nodes"], json["targets"][0]["reference_count"]);
  const std::string text = done({"inspect", "why", name_of(3)});
  EXPECT_NE(text.find("/d/f3"), std::string::npos) << text;
  EXPECT_NE(text.find("dropped container"), std::string::npos) << text;
}

TEST_F(ProgramInspectTest, RawIsExactlyWhatIsStored) {
  const std::string place = place_of(name_of(2));
  const Json frame = done_json({"inspect", "frame", place});
  const std::string file = read_local(frame["file"].get<std::string>());
  const size_t offset = frame["offset"];
  EXPECT_TRUE(done({"inspect", "frame", place, "--raw"}) ==
              file.substr(offset, frame["length"].get<size_t>()));
  EXPECT_TRUE(done({"inspect", "block", name_of(2), "--decoded"}) == noise(5000, 2));
  EXPECT_TRUE(done({"inspect", "segment", place.substr(0, place.find(':')), "--raw"}) == file);
  for (const char* which : {"0", "1"}) {
    EXPECT_TRUE(done({"inspect", "superblock", "--raw", which}) ==
                read_local(fs::path(store_) / ("superblock." + std::string(which))));
  }
  // Compressed: the stored bytes are fewer, the decoded ones the content.
  const Json object = done_json({"inspect", "object", "prod:/text"});
  const std::string text_name = object["extents"][0]["name"];
  const std::string stored = done({"inspect", "block", text_name, "--raw"});
  const std::string decoded = done({"inspect", "block", text_name, "--decoded"});
  EXPECT_LT(stored.size(), decoded.size());
  EXPECT_EQ(decoded, std::string(decoded.size(), 'x'));
  EXPECT_EQ(blake3(decoded).to_hex(), text_name);
  for (const Words& words : std::vector<Words>{{"inspect", "object", "prod:/d/f1", "--raw"},
                                               {"inspect", "container", "prod", "--raw"},
                                               {"inspect", "catalog", "--raw"},
                                               {"inspect", "index", "--raw"}}) {
    EXPECT_FALSE(done(words).empty());
  }
}

TEST_F(ProgramInspectTest, DamageIsExitCode6AndEverythingElseIsSaid) {
  const Json object = done_json({"inspect", "object", "prod:/d/f4"});
  const Json extent = object["extents"][0];
  const fs::path path = fs::path(store_) / "segments" / extent["file"].get<std::string>();
  std::string bytes = read_local(path);
  const size_t at = extent["file_offset"].get<size_t>() + 100;
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  write_local(path, bytes);
  const Ran ran = run({"inspect", "object", "prod:/d/f4", "--json"});
  EXPECT_EQ(ran.exit_code, 6);
  EXPECT_EQ(ran.json()["extents"][0]["readable"], false);
  EXPECT_EQ(ran.json()["unreadable_pieces"], 1);
  EXPECT_EQ(run({"inspect", "block", name_of(4)}).exit_code, 6);
  EXPECT_EQ(run({"inspect", "object", "prod:/d/f3"}).exit_code, 0);
  // Why still names who holds it.
  const Ran why = run({"inspect", "why", name_of(4), "--json"});
  EXPECT_EQ(why.exit_code, 6);
  EXPECT_EQ(why.json()["references"][0]["path"], "/d/f4");
}

TEST_F(ProgramInspectTest, WithoutSuperblocksItGoesOnFromTheSegments) {
  zero(fs::path(store_) / "superblock.0");
  zero(fs::path(store_) / "superblock.1");
  EXPECT_NE(run({"info"}).exit_code, 0);
  const Ran superblock = run({"inspect", "superblock", "--json"});
  EXPECT_EQ(superblock.exit_code, 6);
  EXPECT_FALSE(superblock.json()["segments_say"]["store_id"].is_null());
  for (const Words& words : std::vector<Words>{{"inspect", "segment", "--json"},
                                               {"inspect", "catalog", "--json"},
                                               {"inspect", "object", "prod:/d/f1", "--json"},
                                               {"inspect", "why", name_of(1), "--json"}}) {
    const Ran ran = run(words);
    EXPECT_EQ(ran.exit_code, 6) << ran.err;
    EXPECT_FALSE(ran.json()["limited"].is_null()) << ran.out;
  }
}

TEST_F(ProgramInspectTest, BesideAWriterItShowsTheLastCheckpoint) {
  holds_ = false;  // the writer is to be the program
  // A writer that waits for its input: it has the store once its lock names it.
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  How how;
  how.stdin_fd = ends[0];
  Running writer = start({"put", "-q", "-", "prod:/late"}, how);
  ::close(ends[0]);
  const std::string pid = std::to_string(writer.pid());
  for (int i = 0; i < 1000 && read_local(store_ + "/lock").find(pid) == std::string::npos; ++i) {
    ::usleep(10'000);
  }
  const Json superblock = done_json({"inspect", "superblock"});
  EXPECT_EQ(superblock["open_elsewhere"], true);
  EXPECT_NE(superblock["holder"].get<std::string>().find(pid), std::string::npos);
  const Json json = done_json({"inspect", "object", "prod:/d/f1"});
  EXPECT_NE(json["limited"].get<std::string>().find("open"), std::string::npos);
  ::close(ends[1]);
  EXPECT_EQ(writer.wait().exit_code, 0);
}

TEST_F(ProgramInspectTest, BadInputNamesTheThing) {
  fails({"inspect", "frame", "nonsense"}, 2, "nonsense");
  fails({"inspect", "frame", "999:1"}, 3, "segment 999");
  fails({"inspect", "node", place_of(name_of(1))}, 2, "is a block, not a node");
  fails({"inspect", "segment", "x"}, 2, "'x'");
  fails({"inspect", "segment", "--slots"}, 2, "which segment");
  fails({"inspect", "superblock", "2", "--raw"}, 2, "0 or 1");
  fails({"inspect", "object", "prod:/nothing"}, 3, "/nothing");
  fails({"inspect", "object", "nobody:/x"}, 3, "nobody");
  fails({"inspect", "object", "prod", "--id", "1234"}, 2, "1234");
  fails({"inspect", "container", "prod:/d"}, 2, "no container");
  fails({"inspect", "container", "prod@never"}, 3, "never");
  fails({"inspect", "block", "zz"}, 2, "'zz'");
  fails({"inspect", "why", "ffffffffffff"}, 3, "ffffffffffff");
  fails({"inspect", "why"}, 2);
  fails({"inspect"}, 2);
  How how;
  how.store = false;
  fails({"inspect", "catalog", "--store", dir_.file("nowhere")}, 3, "nowhere", how);
  // An error alone is no half document.
  const Ran ran = run({"inspect", "block", "zz", "--json"});
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.error_json()["exit_code"], 2);
}

// Arguments that are noise: a result or an error, never a crash.
TEST_F(ProgramInspectTest, NoiseAsArgumentsIsAnError) {
  uint64_t seed = 1;
  for (const std::string& kind : kKinds) {
    for (int i = 0; i < 6; ++i) {
      std::string word = noise(1 + seed % 40, seed * 31 + 7);
      ++seed;
      std::erase(word, '\0');
      const Ran ran = run({"inspect", kind, "--", word});
      EXPECT_EQ(ran.signal, 0) << kind << " " << ::testing::PrintToString(word);
      EXPECT_GE(ran.exit_code, 2);
    }
  }
}

TEST_F(ProgramInspectTest, CompletionOffersKindsAndPaths) {
  const auto complete = [&](Words words) {
    words.insert(words.begin(), {"__complete", "--", "inspect"});
    return done(words);
  };
  EXPECT_EQ(complete({"w"}), "why\n");
  EXPECT_EQ(complete({"container", "pr"}), "prod\n");
  EXPECT_EQ(complete({"object", "prod:/t"}), "prod:/text\n");
  EXPECT_EQ(complete({"segment", ""}), "");
  EXPECT_EQ(complete({"segment", "1", "--fr"}), "--frames\n");
}

// The page has each kind with each of its options, and nothing that there is not.
TEST_F(ProgramInspectTest, ThePageSaysWhatTheProgramTakes) {
  const std::string page = read_local(fs::path(RAMET_SOURCE_DIR) / "docs/cli.md");
  for (const std::string& kind : kKinds) {
    const size_t from = page.find("### inspect " + kind);
    ASSERT_NE(from, std::string::npos) << kind;
    const std::string heading = page.substr(from, page.find('\n', from) - from);
    const std::string help = done({"inspect", kind, "--help"});
    for (const char* option : {"--raw", "--decoded", "--slots", "--frames", "--entries", "--id",
                               "--no-read"}) {
      EXPECT_EQ(heading.find(option) != std::string::npos,
                help.find("  " + std::string(option)) != std::string::npos)
          << heading << "\n" << help;
    }
  }
}

}  // namespace
}  // namespace ramet::test
