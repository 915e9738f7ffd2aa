#include "format/id_cipher.h"

#include <set>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/format/generators.h"
#include "tests/support/golden.h"

namespace ramet {
namespace {

using namespace ramet::testing;

rc::Gen<IdCipherKey> any_key() {
  return rc::gen::suchThat(byte_array<16>(), [](const auto& key) { return key != IdCipherKey{}; });
}

RC_GTEST_PROP(IdCipherProperty, DecryptUndoesEncryptBothWays, ()) {
  const IdCipher cipher(*any_key());
  const auto id = *any_id<ObjectId>();
  RC_ASSERT(cipher.decrypt(cipher.encrypt(id)) == id);
  RC_ASSERT(cipher.encrypt(cipher.decrypt(id)) == id);
}

RC_GTEST_PROP(IdCipherProperty, OuterIdsKeepTheShapeOfAVersion4Uuid, ()) {
  const IdCipher cipher(*any_key());
  const auto id = *any_id<ObjectId>();
  RC_ASSERT(has_id_shape(cipher.encrypt(id).bytes));
  RC_ASSERT(has_id_shape(cipher.decrypt(id).bytes));
}

RC_GTEST_PROP(IdCipherProperty, EveryBitOfTheKeyMatters, ()) {
  const auto key = *any_key();
  const auto id = *any_id<ObjectId>();
  const auto outer = IdCipher(key).encrypt(id);
  for (size_t bit = 0; bit < 128; ++bit) {
    IdCipherKey other = key;
    other[bit / 8] = static_cast<uint8_t>(other[bit / 8] ^ (1 << (bit % 8)));
    RC_ASSERT(IdCipher(other).encrypt(id) != outer);
  }
}

TEST(IdCipher, NeighboursBecomeDistinctAndUnordered) {
  const IdCipher cipher(counting_bytes<16>(1));
  std::set<ObjectId> outer;
  int ascending = 0;
  ObjectId before;
  for (uint64_t n = 0; n < 10000; ++n) {
    const auto id = cipher.encrypt(make_id<ObjectId>(n, {}));
    outer.insert(id);
    ascending += id > before ? 1 : 0;
    before = id;
  }
  EXPECT_EQ(outer.size(), 10000u);
  EXPECT_GT(ascending, 4500);
  EXPECT_LT(ascending, 5500);
}

TEST(IdCipher, EveryInputBitReachesEveryOutputBit) {
  const IdCipher cipher(counting_bytes<16>(1));
  constexpr int kRoundsOfTest = 200;
  for (const size_t flipped : {size_t{0}, size_t{47}, size_t{63}, size_t{66}, size_t{127}}) {
    std::array<int, 128> changed{};
    for (int n = 0; n < kRoundsOfTest; ++n) {
      const auto id = make_id<ObjectId>(static_cast<uint64_t>(n), {});
      auto other = id;
      other.bytes[flipped / 8] =
          static_cast<uint8_t>(other.bytes[flipped / 8] ^ (0x80 >> (flipped % 8)));
      const auto a = cipher.encrypt(id);
      const auto b = cipher.encrypt(other);
      for (size_t bit = 0; bit < 128; ++bit) {
        changed[bit] += ((a.bytes[bit / 8] ^ b.bytes[bit / 8]) >> (7 - bit % 8)) & 1;
      }
    }
    for (size_t bit = 0; bit < 128; ++bit) {
      const bool fixed = (bit >= 48 && bit < 52) || bit == 64 || bit == 65;
      if (fixed) {
        EXPECT_EQ(changed[bit], 0);
      } else {
        EXPECT_GT(changed[bit], kRoundsOfTest / 4) << flipped << " -> " << bit;
      }
    }
  }
}

TEST(IdCipher, NullKeyIsTheIdentity) {
  const IdCipher cipher(IdCipherKey{});
  EXPECT_TRUE(cipher.is_identity());
  const auto id = make_id<ObjectId>(5, counting_bytes<16>(9));
  EXPECT_EQ(cipher.encrypt(id), id);
  EXPECT_EQ(cipher.decrypt(id), id);
}

TEST(IdCipher, IdsOfAnotherShapeAreLeftAlone) {
  const IdCipher cipher(counting_bytes<16>(1));
  EXPECT_EQ(cipher.encrypt(kRootFolder), kRootFolder);
  EXPECT_EQ(cipher.decrypt(kRootFolder), kRootFolder);
  const ObjectId odd{counting_bytes<16>(0)};
  EXPECT_EQ(cipher.encrypt(odd), odd);
}

TEST(IdCipher, OneCipherServesManyThreads) {
  const IdCipher cipher(counting_bytes<16>(1));
  std::vector<ObjectId> expected;
  for (uint64_t n = 0; n < 500; ++n) expected.push_back(cipher.encrypt(make_id<ObjectId>(n, {})));
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t n = 0; n < expected.size(); ++n) {
        const auto inner = make_id<ObjectId>(n, {});
        if (cipher.encrypt(inner) != expected[n] || cipher.decrypt(expected[n]) != inner) {
          ++wrong[t];
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

// The vectors were checked against a second implementation, written from docs/format.md alone.
TEST(IdCipherGolden, V1VectorsNeverChange) {
  std::string text = "# key inner outer\n";
  for (const int first : {0x01, 0x42, 0xF5}) {
    const IdCipherKey key = counting_bytes<16>(static_cast<uint8_t>(first));
    const IdCipher cipher(key);
    for (const uint64_t sequence : {uint64_t{0}, uint64_t{1}, uint64_t{0x0192a1b2c3d4},
                                    kIdSequenceEnd - 1}) {
      for (const int random : {0x00, 0xF0}) {
        const auto id =
            make_id<ObjectId>(sequence, counting_bytes<16>(static_cast<uint8_t>(random)));
        text += to_hex(ByteView(reinterpret_cast<const char*>(key.data()), key.size()));
        text += " " + to_uuid(id) + " " + to_uuid(cipher.encrypt(id)) + "\n";
      }
    }
  }
  expect_golden_text("v1/id_cipher.txt", text);
}

}  // namespace
}  // namespace ramet
