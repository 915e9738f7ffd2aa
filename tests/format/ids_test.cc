#include "format/ids.h"

#include <unordered_set>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/format/generators.h"
#include "tests/support/golden.h"

namespace ramet {
namespace {

using namespace ramet::testing;

static_assert(!std::is_convertible_v<ObjectId, FolderId>, "kinds of ids must not mix");

RC_GTEST_PROP(IdProperty, MadeIdHasUuidShapeAndKeepsItsSequence, ()) {
  const uint64_t sequence = *wide<uint64_t>() % kIdSequenceEnd;
  const auto random = *byte_array<16>();
  const auto id = make_id<ObjectId>(sequence, random);
  RC_ASSERT(has_id_shape(id.bytes));
  RC_ASSERT(!id.is_null());
  RC_ASSERT(sequence_of(id) == sequence);
  RC_ASSERT(std::equal(id.bytes.begin() + 9, id.bytes.end(), random.begin() + 9));
  RC_ASSERT(id.bytes[7] == random[7]);
}

RC_GTEST_PROP(IdProperty, OrderIsThatOfSequences, ()) {
  const uint64_t a = *rc::gen::inRange<uint64_t>(0, kIdSequenceEnd - 1);
  RC_ASSERT(make_id<ObjectId>(a, *byte_array<16>()) < make_id<ObjectId>(a + 1, *byte_array<16>()));
}

RC_GTEST_PROP(IdProperty, TextsParseBackAndKeepTheOrder, ()) {
  const auto a = *any_id<ObjectId>();
  const auto b = *near_id<ObjectId>();
  const auto uuid = parse_uuid<ObjectId>(to_uuid(a));
  const auto base62 = parse_base62<ObjectId>(to_base62(a));
  RC_ASSERT(uuid.ok() && *uuid == a);
  RC_ASSERT(base62.ok() && *base62 == a);
  RC_ASSERT(to_uuid(a).size() == kUuidTextBytes && to_base62(a).size() == kBase62TextBytes);
  RC_ASSERT((a <=> b) == (to_uuid(a) <=> to_uuid(b)));
  RC_ASSERT((a <=> b) == (to_base62(a) <=> to_base62(b)));
  RC_ASSERT((a <=> b) == (a.view() <=> b.view()));
  RC_ASSERT(ObjectId::from_bytes(a.view().data()) == a);
}

RC_GTEST_PROP(IdProperty, RandomTextIsRefusedOrTheOneTextOfItsId, ()) {
  const auto text = *rc::gen::oneOf(
      any<std::string>(),
      rc::gen::container<std::string>(kBase62TextBytes, rc::gen::inRange<char>('/', 'z' + 1)),
      rc::gen::container<std::string>(kUuidTextBytes, rc::gen::element('-', '4', '8', 'f', 'A')));
  const auto uuid = parse_uuid<ObjectId>(text);
  if (uuid.ok()) RC_ASSERT(to_uuid(*uuid) == text);
  const auto base62 = parse_base62<ObjectId>(text);
  if (base62.ok()) RC_ASSERT(to_base62(*base62) == text);
}

TEST(Id, NullIdRoundTrips) {
  EXPECT_TRUE(kRootFolder.is_null());
  EXPECT_EQ(to_uuid(kRootFolder), "00000000-0000-0000-0000-000000000000");
  EXPECT_EQ(to_base62(kRootFolder), "000000000000000000000000");
  EXPECT_EQ(*parse_uuid<FolderId>(to_uuid(kRootFolder)), kRootFolder);
  EXPECT_EQ(*parse_base62<FolderId>(to_base62(kRootFolder)), kRootFolder);
}

TEST(Id, KnownTexts) {
  const auto id = make_id<ObjectId>(0x0192a1b2c3d4, counting_bytes<16>(0xF0));
  EXPECT_EQ(to_uuid(id), "0192a1b2-c3d4-46f7-b8f9-fafbfcfdfeff");
  EXPECT_TRUE(parse_base62<ObjectId>(to_base62(id)).ok());
}

TEST(Id, UuidTextThatIsNotExactlyItsFormIsRefused) {
  const std::string good = "0192a1b2-c3d4-46f7-b8f9-fafbfcfdfeff";
  ASSERT_TRUE(parse_uuid<ObjectId>(good).ok());
  for (const std::string& text :
       {std::string(), good + "0", good.substr(1), " " + good.substr(1), std::string(36, '-'),
        std::string("0192A1B2-c3d4-46f7-b8f9-fafbfcfdfeff"),
        std::string("0192a1b2-c3d4-16f7-b8f9-fafbfcfdfeff"),   // version 1
        std::string("0192a1b2-c3d4-46f7-78f9-fafbfcfdfeff"),   // another variant
        std::string("0192a1b2c3d4-46f7-b8f9-fafbfcfdfeff--"),  // dashes elsewhere
        std::string(4000, 'a')}) {
    const auto parsed = parse_uuid<ObjectId>(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalidArgument);
  }
}

TEST(Id, Base62TextThatIsNotExactlyItsFormIsRefused) {
  const std::string good = to_base62(make_id<ObjectId>(77, counting_bytes<16>(0)));
  for (const std::string& text :
       {std::string(), good + "0", good.substr(1), std::string(24, 'z'),  // above 128 bits
        std::string("00") + std::string(22, 'z'),
        std::string("000000000000000000000001"),                          // not an id's shape
        std::string(24, '-'), std::string(24, '\0'), std::string(4000, 'a')}) {
    EXPECT_FALSE(parse_base62<ObjectId>(text).ok()) << text;
  }
}

TEST(Id, EveryReplacedCharacterIsRefusedOrAnotherId) {
  const auto id = make_id<ObjectId>(0x0192a1b2c3d4, counting_bytes<16>(0xF0));
  for (int c = 0; c < 256; ++c) {
    for (size_t at = 0; at < kUuidTextBytes; ++at) {
      std::string text = to_uuid(id);
      if (text[at] == static_cast<char>(c)) continue;
      text[at] = static_cast<char>(c);
      const auto parsed = parse_uuid<ObjectId>(text);
      if (parsed.ok()) {
        EXPECT_NE(*parsed, id);
      }
    }
    for (size_t at = 0; at < kBase62TextBytes; ++at) {
      std::string text = to_base62(id);
      if (text[at] == static_cast<char>(c)) continue;
      text[at] = static_cast<char>(c);
      const auto parsed = parse_base62<ObjectId>(text);
      if (parsed.ok()) {
        EXPECT_NE(*parsed, id);
      }
    }
  }
}

TEST(Id, HashSpreadsNeighbours) {
  std::unordered_set<size_t> low_bits;
  for (uint64_t n = 0; n < 1024; ++n) {
    low_bits.insert(std::hash<ObjectId>()(make_id<ObjectId>(n, {})) % 4096);
  }
  EXPECT_GT(low_bits.size(), 700u);
}

TEST(IdGolden, V1TextsNeverChange) {
  std::string text;
  for (const uint64_t sequence : {uint64_t{0}, uint64_t{1}, uint64_t{0x0192a1b2c3d4},
                                  kIdSequenceEnd - 1}) {
    for (const int first : {0x00, 0x70, 0xF0}) {
      const auto id = make_id<ObjectId>(sequence, counting_bytes<16>(static_cast<uint8_t>(first)));
      text += to_hex(id.view()) + " " + to_uuid(id) + " " + to_base62(id) + "\n";
    }
  }
  expect_golden_text("v1/ids.txt", text);
}

}  // namespace
}  // namespace ramet
