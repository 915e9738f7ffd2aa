// Codecs: stored payloads with whatever length a header claims.
//
// Proves: what decodes has exactly the length that was asked for, and no other length is accepted;
// a payload of zstd is one frame and nothing else, as the format says; what compress_if_it_pays()
// makes decodes to the same bytes and pays.
#include <zstd.h>

#include "format/codec.h"
#include "tests/fuzz/fuzz.h"

namespace ramet::fuzz {
namespace {

void look_at(Codec codec, ByteView stored, uint32_t raw_len) {
  const auto raw = decode_payload(codec, stored, raw_len);
  if (!raw.ok()) return;
  RAMET_CHECK(raw->size() == raw_len, "another length than was asked for");
  RAMET_CHECK(codec == Codec::kNone || raw_len <= kBlockBytesMax, "a bomb went off");
  RAMET_CHECK(!decode_payload(codec, stored, raw_len + 1).ok(), "two lengths of one payload");
  if (raw_len > 0) {
    RAMET_CHECK(!decode_payload(codec, stored, raw_len - 1).ok(), "two lengths of one payload");
  }
  if (codec == Codec::kZstd) {
    RAMET_CHECK(ZSTD_findFrameCompressedSize(stored.data(), stored.size()) == stored.size(),
                "more than one frame of zstd");
    RAMET_CHECK(load<uint32_t>(stored.data()) == ZSTD_MAGICNUMBER, "a frame that only skips");
  }
}

}  // namespace

RAMET_FUZZ_TARGET(codec) {
  Fields fields(input);
  const auto how = fields.take<uint8_t>();
  auto raw_len = fields.take<uint32_t>();
  const ByteView stored = fields.rest();
  look_at(static_cast<Codec>(how & 3), stored, raw_len);
  look_at(Codec::kNone, stored, static_cast<uint32_t>(stored.size()));
  // What the bytes themselves claim to be, where it is not too much for so many runs.
  const uint64_t claimed = ZSTD_getFrameContentSize(stored.data(), stored.size());
  if (claimed <= 1u << 20) look_at(Codec::kZstd, stored, static_cast<uint32_t>(claimed));
  look_at(Codec::kZstd, stored, raw_len & 0xFFFF);

  const auto level = static_cast<int>(static_cast<int8_t>(how) / 16);  // -8 to 7
  const auto packed = compress_if_it_pays(stored, level);
  RAMET_CHECK(packed.ok(), "compressing bytes that are there");
  if (!packed->has_value()) return;
  RAMET_CHECK((*packed)->size() <= stored.size() - stored.size() / 16, "it does not pay");
  const auto raw =
      decode_payload(Codec::kZstd, **packed, static_cast<uint32_t>(stored.size()));
  RAMET_CHECK(raw.ok() && *raw == stored, "what was compressed is not what is read");
  look_at(Codec::kZstd, **packed, static_cast<uint32_t>(stored.size()));
}

}  // namespace ramet::fuzz
