// Goal: what is encoded comes back, and no bytes crash the decoder or make it believe in links
// outside of the document. Method: random bodies; every cut and random changes of encoded ones.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "format/record_body.h"
#include "tests/format/generators.h"

namespace ramet {
namespace {

RecordBody any_body() {
  RecordBody body;
  const auto links = *rc::gen::inRange(0, 5);
  for (int i = 0; i < links; ++i) {
    body.document += std::string(*rc::gen::inRange<size_t>(0, 9), '.');
    BodyLink link;
    link.offset = static_cast<uint32_t>(body.document.size());
    link.kind = static_cast<BodyLinkKind>(*rc::gen::inRange(0, 3));
    link.type = *rc::gen::arbitrary<uint32_t>();
    for (auto& byte : link.target.bytes) byte = *rc::gen::arbitrary<uint8_t>();
    body.links.push_back(link);
    body.document += std::string(kUuidTextBytes, 'u');
  }
  body.document += *rc::gen::arbitrary<std::string>();
  const auto fields = *rc::gen::inRange(0, 5);
  for (int i = 0; i < fields; ++i) {
    body.fields.push_back({Bytes(*rc::gen::inRange<size_t>(0, 256), 'n'),
                           Bytes(*rc::gen::inRange<size_t>(0, 256), 'v')});
  }
  return body;
}

RC_GTEST_PROP(RecordBodyProperty, ComesBack, ()) {
  const RecordBody body = any_body();
  const auto decoded = decode_record_body(encode_record_body(body));
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == body);
}

RC_GTEST_PROP(RecordBodyProperty, DamageGivesABodyThatHoldsTogetherOrAnError, ()) {
  Bytes bytes = encode_record_body(any_body());
  const auto changes = *rc::gen::inRange(0, 4);
  for (int i = 0; i < changes && !bytes.empty(); ++i) {
    bytes[*rc::gen::inRange<size_t>(0, bytes.size())] = *rc::gen::arbitrary<char>();
  }
  bytes.resize(*rc::gen::inRange<size_t>(0, bytes.size() + 1));
  const auto decoded = decode_record_body(bytes);
  if (!decoded.ok()) {
    RC_ASSERT(decoded.error().code() == ErrorCode::kCorruption);
    return;
  }
  uint64_t end = 0;
  for (const BodyLink& link : decoded->links) {
    RC_ASSERT(link.offset >= end);
    end = uint64_t{link.offset} + kUuidTextBytes;
    RC_ASSERT(end <= decoded->document.size());
  }
}

}  // namespace
}  // namespace ramet
