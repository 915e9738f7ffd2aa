// Settings: what values are allowed, which one is in effect, and that they stay: over a close,
// with a clone, a rename, and beside changes of the container's content.
#include "engine/settings.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/engine/store_fixture.h"

namespace ramet {
namespace {

using test::code_of;
using test::StoreTest;

const std::string kCompression(kCompressionSetting);

class SettingsTest : public StoreTest {
 protected:
  // "value (where from)".
  std::string effective(std::optional<ContainerId> container, const std::string& name) {
    const auto settings = store_->settings(container);
    if (!settings.ok()) return code_of(settings);
    for (const SettingInfo& info : *settings) {
      if (info.name != name) continue;
      const char* const sources[] = {"default", "store", "container"};
      return info.value + " (" + sources[static_cast<int>(info.source)] + ")";
    }
    return "missing";
  }
  std::string effective(std::optional<ContainerId> container = {}) {
    return effective(container, kCompression);
  }
  void set(std::optional<ContainerId> container, const std::optional<std::string>& value) {
    const Status status = store_->set_setting(container, kCompression, value);
    EXPECT_TRUE(status.ok()) << status.error().to_string();
  }
};

TEST(SettingValues, CompressionIsNoneOrZstdWithALevel) {
  EXPECT_EQ(parse_compression("none")->level, 0);
  EXPECT_GE(parse_compression("zstd")->level, 1);
  EXPECT_EQ(parse_compression("zstd:7")->level, 7);
  for (int level = 1; level <= kCompressionLevelMax; ++level) {
    EXPECT_EQ(parse_compression("zstd:" + std::to_string(level))->level, level);
  }
  for (const char* bad : {"", "zstd:", "zstd:0", "zstd:23", "zstd:-1", "zstd:+1", "zstd: 1",
                          "zstd:1x", "ZSTD", "lz4", "none:1", "zstd:99999999999999999999"}) {
    EXPECT_EQ(code_of(parse_compression(bad)), "invalid argument") << bad;
    const auto checked = check_setting(kCompression, bad, false);
    ASSERT_FALSE(checked.ok()) << bad;
    EXPECT_NE(checked.error().message().find("compression"), std::string::npos);
    EXPECT_NE(checked.error().message().find("zstd:LEVEL"), std::string::npos);
  }
  EXPECT_EQ(*check_setting(kCompression, "zstd:09", true), "zstd:9");
}

TEST(SettingValues, TheTableIsInOrderAndItsDefaultsAreAllowed) {
  const auto specs = known_settings();
  EXPECT_TRUE(std::is_sorted(specs.begin(), specs.end(),
                             [](const auto& a, const auto& b) { return a.name < b.name; }));
  for (const SettingSpec& spec : specs) {
    EXPECT_EQ(find_setting(spec.name), &spec);
    EXPECT_FALSE(spec.help.empty() || spec.allowed.empty()) << spec.name;
    const auto checked = check_setting(spec.name, spec.default_value, !spec.of_store());
    ASSERT_TRUE(checked.ok()) << spec.name;
    EXPECT_EQ(*checked, spec.default_value);
  }
  const auto unknown = check_setting("colour", "red", false);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(code_of(unknown), "invalid argument");
  EXPECT_NE(unknown.error().message().find("'colour'"), std::string::npos);
  EXPECT_NE(unknown.error().message().find("compression"), std::string::npos);
}

TEST_F(SettingsTest, AContainersValueGoesBeforeTheStoresAndThatBeforeTheDefault) {
  const std::string otherwise = effective();
  EXPECT_NE(otherwise.find("(default)"), std::string::npos);
  EXPECT_EQ(effective(container_), otherwise);
  set({}, "zstd:4");
  EXPECT_EQ(effective(), "zstd:4 (store)");
  EXPECT_EQ(effective(container_), "zstd:4 (store)");
  set(container_, "none");
  EXPECT_EQ(effective(container_), "none (container)");
  EXPECT_EQ(effective(), "zstd:4 (store)");
  reopen();
  EXPECT_EQ(effective(container_), "none (container)");
  EXPECT_EQ(effective(), "zstd:4 (store)");
  set(container_, std::nullopt);
  EXPECT_EQ(effective(container_), "zstd:4 (store)");
  set({}, std::nullopt);
  EXPECT_EQ(effective(container_), otherwise);
  reopen();
  EXPECT_EQ(effective(container_), otherwise);
}

TEST_F(SettingsTest, BadNamesAndValuesChangeNothing) {
  set({}, "zstd:2");
  const Sequence before = store_->info()->sequence;
  EXPECT_EQ(code_of(store_->set_setting({}, "colour", "red")), "invalid argument");
  EXPECT_EQ(code_of(store_->set_setting({}, "colour", std::nullopt)), "invalid argument");
  EXPECT_EQ(code_of(store_->set_setting({}, kCompression, "zstd:0")), "invalid argument");
  EXPECT_EQ(code_of(store_->set_setting(ContainerId{}, kCompression, "none")), "not found");
  EXPECT_EQ(code_of(store_->create_container("d", {}, {{"colour", "red"}})), "invalid argument");
  EXPECT_EQ(code_of(store_->container("d")), "not found");
  set({}, "zstd:2");                // it is so already
  set(container_, std::nullopt);    // nothing is there
  EXPECT_EQ(store_->info()->sequence, before);
  EXPECT_EQ(effective(), "zstd:2 (store)");
}

TEST_F(SettingsTest, StayWithClonesRenamesAndChanges) {
  set(container_, "zstd:5");
  put("/a", "content");
  ASSERT_TRUE(store_->create_snapshot(container_, "s").ok());
  ASSERT_TRUE(store_->rename_container(container_, "renamed").ok());
  EXPECT_EQ(effective(container_), "zstd:5 (container)");
  EXPECT_EQ(get("/a"), "content");
  CloneSpec spec;
  spec.source = container_;
  spec.new_container = "clone";
  const auto clone = store_->clone(spec);
  ASSERT_TRUE(clone.ok());
  set(container_, "none");  // peers: the clone keeps what it took over
  EXPECT_EQ(effective(clone->container), "zstd:5 (container)");
  EXPECT_EQ(effective(container_), "none (container)");
  EXPECT_EQ(get_from(clone->container, "/a"), "content");
  EXPECT_EQ(get("/a", "s"), "content");
  reopen();
  EXPECT_EQ(effective(clone->container), "zstd:5 (container)");
  EXPECT_EQ(effective(container_), "none (container)");
}

TEST_F(SettingsTest, CanBeGivenWithANewContainer) {
  const auto made = store_->create_container("d", "note", {{kCompression, "zstd:03"}});
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->note, "note");
  EXPECT_EQ(effective(made->id), "zstd:3 (container)");
}

TEST_F(SettingsTest, AReaderShowsThemAndChangesNone) {
  set(container_, "zstd:5");
  ASSERT_TRUE(store_->close().ok());
  StoreOptions options = test::store_options();
  options.read_only = true;
  auto opened = Store::open(path_, options);
  ASSERT_TRUE(opened.ok());
  store_ = std::move(*opened);
  EXPECT_EQ(effective(container_), "zstd:5 (container)");
  EXPECT_EQ(code_of(store_->set_setting({}, kCompression, "none")), "failed precondition");
}

}  // namespace
}  // namespace ramet
