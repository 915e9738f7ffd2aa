#include "format/record_body.h"

namespace ramet {
namespace {

// links:u32, bytes of fields:u32; then each link: offset:u32, type:u32, kind:u8, target:16; then
// each field: length of its name:u8, of its value:u8, both; then the document.
constexpr size_t kHeadBytes = 8;
constexpr size_t kLinkBytes = 25;

Error malformed(const char* what) {
  return Error(ErrorCode::kCorruption, std::string("malformed body of a record: ") + what);
}

}  // namespace

Bytes encode_record_body(const RecordBody& body) {
  Bytes fields;
  for (const BodyField& field : body.fields) {
    RAMET_CHECK(field.name.size() <= 255 && field.value.size() <= 255, "a field is too long");
    fields.push_back(static_cast<char>(field.name.size()));
    fields.push_back(static_cast<char>(field.value.size()));
    fields += field.name;
    fields += field.value;
  }
  Bytes out;
  out.reserve(kHeadBytes + body.links.size() * kLinkBytes + fields.size() + body.document.size());
  append(out, static_cast<uint32_t>(body.links.size()));
  append(out, static_cast<uint32_t>(fields.size()));
  for (const BodyLink& link : body.links) {
    append(out, link.offset);
    append(out, link.type);
    append(out, static_cast<uint8_t>(link.kind));
    out += link.target.view();
  }
  out += fields;
  out += body.document;
  return out;
}

Result<RecordBody> decode_record_body(ByteView bytes) {
  if (bytes.size() < kHeadBytes) return malformed("it is cut off");
  const uint64_t links = load<uint32_t>(bytes.data());
  const uint64_t field_bytes = load<uint32_t>(bytes.data() + 4);
  bytes.remove_prefix(kHeadBytes);
  if (links * kLinkBytes + field_bytes > bytes.size()) return malformed("it is cut off");
  RecordBody body;
  const size_t document_bytes = bytes.size() - links * kLinkBytes - field_bytes;
  uint64_t end = 0;
  body.links.reserve(links);
  for (uint64_t i = 0; i < links; ++i, bytes.remove_prefix(kLinkBytes)) {
    BodyLink link;
    link.offset = load<uint32_t>(bytes.data());
    link.type = load<uint32_t>(bytes.data() + 4);
    const auto kind = load<uint8_t>(bytes.data() + 8);
    link.target = ObjectId::from_bytes(bytes.data() + 9);
    if (kind > static_cast<uint8_t>(BodyLinkKind::kText)) return malformed("an unknown link");
    link.kind = static_cast<BodyLinkKind>(kind);
    if (link.offset < end || uint64_t{link.offset} + kUuidTextBytes > document_bytes) {
      return malformed("a link outside of its document");
    }
    end = uint64_t{link.offset} + kUuidTextBytes;
    body.links.push_back(link);
  }
  ByteView fields = bytes.substr(0, field_bytes);
  while (!fields.empty()) {
    if (fields.size() < 2) return malformed("a field is cut off");
    const size_t name = load<uint8_t>(fields.data());
    const size_t value = load<uint8_t>(fields.data() + 1);
    fields.remove_prefix(2);
    if (name + value > fields.size()) return malformed("a field is cut off");
    body.fields.push_back({Bytes(fields.substr(0, name)), Bytes(fields.substr(name, value))});
    fields.remove_prefix(name + value);
  }
  body.document = std::string(bytes.substr(field_bytes));
  return body;
}

}  // namespace ramet
