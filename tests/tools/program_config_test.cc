// The program: settings of the store and of containers.
#include <gtest/gtest.h>

#include "tests/tools/program.h"

namespace ramet::test {
namespace {

class ConfigTest : public ProgramTest {
 protected:
  void SetUp() override { make_store(); }
  std::string from(const Words& words) { return done_json(words)["from"].get<std::string>(); }
};

TEST_F(ConfigTest, ShowsWhatIsInEffectAndWhereItComesFrom) {
  EXPECT_EQ(from({"config", "compression"}), "default");
  EXPECT_NE(done({"config"}).find("compression"), std::string::npos);
  EXPECT_EQ(done({"config", "compression", "zstd:4"}), "");
  EXPECT_EQ(done({"config", "compression"}), "zstd:4\n");
  EXPECT_EQ(done({"config", "prod", "compression"}), "zstd:4\n");
  EXPECT_EQ(from({"config", "prod", "compression"}), "store");
  EXPECT_EQ(done_json({"config", "prod", "compression", "none"})["from"], "container");
  EXPECT_EQ(done({"config", "prod", "compression"}), "none\n");
  EXPECT_EQ(done({"config", "compression"}), "zstd:4\n");
  const Json list = done_json({"config", "prod"});
  ASSERT_FALSE(list.empty());
  EXPECT_EQ(list[0]["name"], "compression");
  EXPECT_EQ(list[0]["value"], "none");
  EXPECT_NE(list[0]["allowed"].get<std::string>().find("zstd:LEVEL"), std::string::npos);
  EXPECT_EQ(done({"config", "prod", "--unset", "compression"}), "");
  EXPECT_EQ(from({"config", "prod", "compression"}), "store");
  EXPECT_EQ(done_json({"config", "--unset", "compression"})["from"], "default");
}

TEST_F(ConfigTest, AContainerMayHaveTheNameOfASetting) {
  done({"container", "create", "compression"});
  done({"config", "compression:", "compression", "zstd:7"});
  EXPECT_EQ(done({"config", "compression:", "compression"}), "zstd:7\n");
  EXPECT_EQ(from({"config", "compression"}), "default");
}

TEST_F(ConfigTest, BadOnesAreNamedWithWhatIsAllowed) {
  fails({"config", "compression", "lzma"}, 2, "compression cannot be 'lzma'");
  fails({"config", "compression", "zstd:23"}, 2, "a level from 1 to 22");
  fails({"config", "prod", "colour"}, 2, "no setting 'colour'; there are: compression");
  fails({"config", "--unset", "colour"}, 2, "no setting 'colour'");
  fails({"config", "nothing"}, 3, "ramet container list");
  fails({"config", "nothing", "compression", "none"}, 3, "nothing");
  fails({"config", "prod", "compression", "none", "more"}, 2, "'more'");
  fails({"config", "prod", "compression", "--unset", "compression"}, 2, "one word too many");
  fails({"config", "prod:/a", "compression"}, 2, "expected the name of a container");
  fails({"container", "create", "d", "--compression", "lzma"}, 2, "lzma");
  EXPECT_EQ(done({"container", "list", "-q"}), "prod\n");
  fails({"init", dir_.file("new"), "--compression", "lzma"}, 2, "lzma");
  EXPECT_FALSE(fs::exists(dir_.file("new")));
}

TEST_F(ConfigTest, CompressionIsGivenWithNewStoresAndContainers) {
  const std::string made = dir_.file("new");
  done({"init", "-q", "--compression", "zstd:6", made});
  EXPECT_EQ(done({"config", "--store", made, "compression"}), "zstd:6\n");
  done({"container", "create", "--store", made, "--compression", "none", "a", "b"});
  EXPECT_EQ(done({"config", "--store", made, "a", "compression"}), "none\n");
  EXPECT_EQ(done({"config", "--store", made, "b", "compression"}), "none\n");
  done({"clone", "--store", made, "a", "c"});
  EXPECT_EQ(from({"config", "--store", made, "c", "compression"}), "container");
}

TEST_F(ConfigTest, ShellsCompleteContainersAndSettings) {
  const auto complete = [&](Words words) {
    words.insert(words.begin(), {"__complete", "--"});
    return done(words);
  };
  EXPECT_EQ(complete({"conf"}), "config\n");
  EXPECT_EQ(complete({"config", "p"}), "prod\n");
  EXPECT_EQ(complete({"config", "comp"}), "compression\n");
  EXPECT_EQ(complete({"config", "prod", "comp"}), "compression\n");
  EXPECT_EQ(complete({"config", "--unset", "comp"}), "compression\n");
  EXPECT_EQ(complete({"init", "--compression", "z"}), "zstd\n");
}

}  // namespace
}  // namespace ramet::test
