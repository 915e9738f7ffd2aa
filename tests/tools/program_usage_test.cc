// The program: du --shared and du --would-free.
#include <gtest/gtest.h>

#include "tests/tools/program.h"

namespace ramet::test {
namespace {

class ProgramUsageTest : public ProgramTest {
 protected:
  void SetUp() override {
    make_store();
    for (int i = 0; i < 20; ++i) put("prod:/d/f" + std::to_string(i), noise(5000, i));
    done({"snapshot", "create", "prod@nightly"});
    done({"clone", "prod", "test"});
    put("test:/d/new", noise(30000, 99));
    put("prod:/d/f3", noise(7000, 100));
  }

  // Of all files below the store's directory.
  uint64_t file_bytes() {
    uint64_t sum = 0;
    for (const auto& entry : fs::recursive_directory_iterator(store_)) {
      if (entry.is_regular_file()) sum += entry.file_size();
    }
    return sum;
  }
  static uint64_t sum_of(const Json& usage) {
    uint64_t sum = 0;
    for (const Json& line : usage["containers"]) sum += line["share_bytes"].get<uint64_t>();
    for (const auto& [key, value] : usage.items()) {
      if (key.ends_with("_bytes") && key != "total_bytes" && key != "allocated_bytes" &&
          key != "hole_bytes") {
        sum += value.get<uint64_t>();
      }
    }
    return sum;
  }
};

TEST_F(ProgramUsageTest, SharesAndAllElseAddUpToTheFiles) {
  holds_ = false;  // one that is opened and closed for each command changes its files
  const Json all = done_json({"du", "--shared"});
  ASSERT_EQ(all["containers"].size(), 2u);
  EXPECT_EQ(all["containers"][0]["container"], "prod");
  EXPECT_EQ(all["containers"][0]["objects"], 20);
  EXPECT_EQ(all["containers"][0]["bytes"], 19 * 5000 + 7000);
  EXPECT_GT(all["containers"][1]["exclusive_bytes"], 30000);
  EXPECT_EQ(all["total_bytes"], file_bytes());
  EXPECT_EQ(sum_of(all), file_bytes());
  EXPECT_EQ(all["commits_behind"], 0);
  EXPECT_EQ(all["other_share_bytes"], 0);

  const Json some = done_json({"du", "--shared", "prod@nightly", "test"});
  EXPECT_EQ(some["containers"][0]["snapshot"], "nightly");
  EXPECT_GT(some["other_share_bytes"], 0);
  EXPECT_EQ(sum_of(some), file_bytes());
  EXPECT_EQ(some["containers"][1], all["containers"][1]);

  const std::string text = done({"du", "--shared", "-b"});
  EXPECT_NE(text.find("share  exclusive"), std::string::npos) << text;
  EXPECT_NE(text.find("  test\n"), std::string::npos) << text;
  EXPECT_NE(text.find(std::to_string(file_bytes()) + " "), std::string::npos) << text;
}

TEST_F(ProgramUsageTest, WouldFreeIsOfTheSetTogether) {
  const auto freed = [&](std::vector<std::string> names) {
    names.insert(names.begin(), {"du", "--would-free"});
    return done_json(names)["bytes"].get<uint64_t>();
  };
  const uint64_t prod = freed({"prod"});
  const uint64_t test = freed({"test"});
  EXPECT_GT(prod, 7000u);
  EXPECT_GT(test, 30000u);
  EXPECT_GT(freed({"prod", "test"}), prod + test + 19 * 5000);
  EXPECT_EQ(freed({"prod", "test"}), freed({}));
  EXPECT_LT(freed({"prod@nightly"}), prod);
  EXPECT_NE(done({"du", "--would-free", "test"}).find(" bytes would be freed ("),
            std::string::npos);
  done({"container", "drop", "prod"});
  done({"reclaim", "--until-idle"});
  EXPECT_EQ(freed({"test"}), freed({}));
}

TEST_F(ProgramUsageTest, WrongNamesAndOptionsAreNamed) {
  fails({"du", "--shared", "nothing"}, 3, "nothing");
  fails({"du", "--would-free", "prod", "nothing"}, 3, "nothing");
  fails({"du", "--shared", "prod@weekly"}, 3, "weekly");
  fails({"du", "--would-free", "prod:/d"}, 2, "prod:/d");
  fails({"du", "--shared", "prod", "prod"}, 2, "prod");
  fails({"du", "--shared", "prod", "prod@nightly"}, 2, "prod");
  fails({"du", "--shared", "--would-free", "prod"}, 2, "--would-free");
  fails({"du", "--shared", "-s", "prod"}, 2, "-s");
  fails({"du", "--would-free", "-d", "1", "prod"}, 2, "-d");
  EXPECT_EQ(done({"__complete", "--", "du", "--sh"}), "--shared\n");
  EXPECT_EQ(done({"__complete", "--", "du", "--would-free", "te"}), "test\n");
}

}  // namespace
}  // namespace ramet::test
