// The body of a record: its links, the fields that it is found by, and its document, as one byte
// string (docs/format.md#records). Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "format/bytes.h"
#include "format/ids.h"
#include "format/result.h"

namespace ramet {

// Values are on disk.
enum class BodyLinkKind : uint8_t {
  kRecord = 0,   // `target` is the inner id of a record of `type`
  kVersion = 1,  // of the version that the body is of
  kText = 2,     // `target` is the id that the text shows: there was no such record
};

// Where the document has the text of an id, kUuidTextBytes long.
struct BodyLink {
  uint32_t offset = 0;
  BodyLinkKind kind = BodyLinkKind::kRecord;
  uint32_t type = 0;
  ObjectId target;
  friend bool operator==(const BodyLink&, const BodyLink&) = default;
};

// A FIELD entry of the record.
struct BodyField {
  Bytes name;   // up to 255 bytes
  Bytes value;  // up to 255 bytes
  friend bool operator==(const BodyField&, const BodyField&) = default;
};

struct RecordBody {
  std::vector<BodyLink> links;  // ascending by offset, not overlapping, inside the document
  std::vector<BodyField> fields;
  std::string document;
  friend bool operator==(const RecordBody&, const RecordBody&) = default;
};

// Requires: what is said above.
Bytes encode_record_body(const RecordBody& body);
// kCorruption for what encoding can't give; allocates a small multiple of its input [INV-8].
Result<RecordBody> decode_record_body(ByteView bytes);

}  // namespace ramet
