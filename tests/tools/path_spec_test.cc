// container[@snapshot][:/path]: what it means, and what is refused.
#include "tools/path_spec.h"

#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ramet::tools {
namespace {

PathSpec parse(std::string_view text) {
  auto spec = parse_path_spec(text);
  EXPECT_TRUE(spec.ok()) << text;
  return spec.ok() ? *spec : PathSpec{};
}

TEST(PathSpec, ContainerAloneNamesItsRootWithoutAPath) {
  const PathSpec spec = parse("prod");
  EXPECT_EQ(spec.container, "prod");
  EXPECT_EQ(spec.snapshot, "");
  EXPECT_EQ(spec.path, "/");
  EXPECT_FALSE(spec.has_path);
  EXPECT_FALSE(spec.ends_in_slash);
}

TEST(PathSpec, SnapshotAndPathAreTakenApart) {
  const PathSpec spec = parse("prod@nightly:/a/b");
  EXPECT_EQ(spec.container, "prod");
  EXPECT_EQ(spec.snapshot, "nightly");
  EXPECT_EQ(spec.path, "/a/b");
  EXPECT_TRUE(spec.has_path);
  EXPECT_EQ(spec.parent(), "/a");
  EXPECT_EQ(spec.name(), "b");
}

TEST(PathSpec, PathsAreBroughtIntoOneForm) {
  EXPECT_EQ(parse("c:a/b").path, "/a/b");
  EXPECT_EQ(parse("c://a///b//").path, "/a/b");
  EXPECT_EQ(parse("c:/./a/./b/.").path, "/a/b");
  EXPECT_EQ(parse("c:").path, "/");
  EXPECT_EQ(parse("c:/").path, "/");
}

TEST(PathSpec, FinalSlashIsRemembered) {
  EXPECT_TRUE(parse("c:/a/").ends_in_slash);
  EXPECT_TRUE(parse("c:/").ends_in_slash);
  EXPECT_TRUE(parse("c:").ends_in_slash);
  EXPECT_TRUE(parse("c:/a/.").ends_in_slash);
  EXPECT_FALSE(parse("c:/a").ends_in_slash);
}

TEST(PathSpec, PathMayHoldColonsAtSignsSpacesAndAnyBytes) {
  EXPECT_EQ(parse("c:/a:b@c").path, "/a:b@c");
  EXPECT_EQ(parse("c:/ [x]\n\xFF").path, "/ [x]\n\xFF");
  EXPECT_EQ(parse("c:/a@b").snapshot, "");
}

TEST(PathSpec, ParentOfATopLevelNameIsTheRoot) {
  EXPECT_EQ(parse("c:/a").parent(), "/");
  EXPECT_EQ(parse("c:/").parent(), "/");
  EXPECT_EQ(parse("c:/").name(), "");
}

TEST(PathSpec, WhatNamesNothingIsRefused) {
  for (const char* text : {"", ":", ":/a", "@s", "@s:/a", "c@", "c@:/a", "c@a@b", "/etc/passwd",
                           "a/b", "./x", "c:/..", "c:/a/../b", "c@s/t:/a"}) {
    const auto spec = parse_path_spec(text);
    ASSERT_FALSE(spec.ok()) << text;
    EXPECT_EQ(spec.error().code(), ErrorCode::kInvalidArgument) << text;
  }
  EXPECT_FALSE(parse_path_spec(std::string_view("c:/a\0b", 6)).ok());
}

TEST(PathSpec, MessagesHoldNoLineBreaks) {
  const auto spec = parse_path_spec("a/\n\x1B[31m");
  ASSERT_FALSE(spec.ok());
  EXPECT_EQ(spec.error().message().find('\n'), std::string::npos);
  EXPECT_EQ(spec.error().message().find('\x1B'), std::string::npos);
}

RC_GTEST_PROP(PathSpecProperty, AnyBytesGiveARoundTripOrAnError, (const std::string& text)) {
  const auto spec = parse_path_spec(text);
  if (!spec.ok()) {
    RC_ASSERT(spec.error().code() == ErrorCode::kInvalidArgument);
    return;
  }
  const auto again = parse_path_spec(spec->to_string());
  RC_ASSERT(again.ok());
  RC_ASSERT(again->container == spec->container);
  RC_ASSERT(again->snapshot == spec->snapshot);
  RC_ASSERT(again->path == spec->path);
  RC_ASSERT(again->ends_in_slash == spec->ends_in_slash);
}

TEST(Paths, AreJoinedWithOneSlash) {
  EXPECT_EQ(join_path("/", "a"), "/a");
  EXPECT_EQ(join_path("/a", "b"), "/a/b");
}

TEST(Paths, WithinLooksAtWholeNames) {
  EXPECT_TRUE(is_within("/a/b", "/"));
  EXPECT_TRUE(is_within("/a/b", "/a"));
  EXPECT_TRUE(is_within("/a", "/a"));
  EXPECT_FALSE(is_within("/ab", "/a"));
  EXPECT_FALSE(is_within("/", "/a"));
}

}  // namespace
}  // namespace ramet::tools
