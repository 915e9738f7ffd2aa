#include <gtest/gtest.h>
#include "format/hash.h"
namespace ramet {
TEST(Hash, Blake3OfEmptyInputIsThePublishedVector) {
  EXPECT_EQ(blake3("").to_hex(),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
}
}  // namespace ramet
