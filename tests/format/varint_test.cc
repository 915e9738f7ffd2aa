#include "format/varint.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/format/generators.h"

namespace ramet {
namespace {

using namespace ramet::testing;

RC_GTEST_PROP(VarintProperty, RoundTripsAndKnowsItsSize, ()) {
  const auto value = *wide<uint64_t>();
  Bytes bytes;
  append_varint(bytes, value);
  RC_ASSERT(bytes.size() == varint_size(value) && bytes.size() <= kVarintBytesMax);
  bytes += "rest";
  ByteView in = bytes;
  const auto taken = take_varint(&in);
  RC_ASSERT(taken.ok());
  RC_ASSERT(*taken == value);
  RC_ASSERT(in == "rest");
}

RC_GTEST_PROP(VarintProperty, WhatIsAcceptedHasOneForm, ()) {
  const auto bytes = *rc::gen::container<Bytes>(
      rc::gen::element('\0', '\x01', '\x02', '\x7F', '\x80', '\x81', '\xFF'));
  ByteView in = bytes;
  const auto taken = take_varint(&in);
  if (!taken.ok()) {
    RC_ASSERT(taken.error().code() == ErrorCode::kCorruption);
    RC_ASSERT(in == bytes);
    return;
  }
  Bytes again;
  append_varint(again, *taken);
  RC_ASSERT(again == ByteView(bytes).substr(0, bytes.size() - in.size()));
}

TEST(Varint, KnownBytes) {
  const auto bytes_of = [](uint64_t value) {
    Bytes out;
    append_varint(out, value);
    return out;
  };
  EXPECT_EQ(bytes_of(0), Bytes(1, '\0'));
  EXPECT_EQ(bytes_of(127), "\x7F");
  EXPECT_EQ(bytes_of(300), "\xAC\x02");
  EXPECT_EQ(bytes_of(~uint64_t{0}), "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01");
}

TEST(Varint, CutOffTooBigOrTooLongIsCorruption) {
  for (const Bytes& bytes :
       {Bytes(), Bytes("\x80"), Bytes("\xFF\xFF"), Bytes("\x80\x00", 2),
        Bytes("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"),
        Bytes("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x81\x00", 11), Bytes(1000, '\x80')}) {
    ByteView in = bytes;
    EXPECT_FALSE(take_varint(&in).ok());
    EXPECT_EQ(in, bytes);
  }
}

}  // namespace
}  // namespace ramet
