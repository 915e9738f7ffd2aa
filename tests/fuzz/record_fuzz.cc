// FlatBuffers records of the catalog and of containers, and the checkpoint's.
//
// Proves: what is accepted encodes to bytes that settle; what was decoded takes no more bytes than
// the input has (FlatBuffers may let many fields share one vector); extents keep their bounds; the
// bytes may lie at any address.
#include "engine/access/access_records.h"
#include "engine/container/checkpoint_record.h"
#include "engine/container/records.h"
#include "format/record_body.h"
#include "tests/fuzz/fuzz.h"

namespace ramet::fuzz {
namespace {

using namespace engine;

size_t bytes_in(const std::vector<Xattr>& xattrs) {
  size_t total = 0;
  for (const Xattr& xattr : xattrs) total += xattr.name.size() + xattr.value.size();
  return total;
}

void look_at_catalog(ByteView bytes) {
  const auto container = decode_container(bytes);
  if (container.ok()) {
    size_t total = container->name.size() + container->note.size();
    for (const Setting& setting : container->settings) {
      total += setting.name.size() + setting.value.size();
    }
    RAMET_CHECK(total <= 4 * bytes.size(), "a container greater than its bytes");
    check_settles(*container, decode_container, encode_container);
  }
  const auto snapshot = decode_snapshot(bytes);
  if (snapshot.ok()) check_settles(*snapshot, decode_snapshot, encode_snapshot);
  const auto drop = decode_drop(bytes);
  if (drop.ok()) check_settles(*drop, decode_drop, encode_drop);
  const auto setting = decode_setting(bytes);
  if (setting.ok()) {
    check_settles(*setting, decode_setting, [](const std::string& v) { return encode_setting(v); });
  }
  const auto origin = decode_origin(bytes);
  if (origin.ok()) {
    RAMET_CHECK(origin->types.size() <= bytes.size() / 4, "types from nowhere");
    check_settles(*origin, decode_origin, encode_origin);
  }
  const auto body = decode_record_body(bytes);
  if (body.ok()) {
    RAMET_CHECK(encode_record_body(*body) == bytes, "a body that is written in another way");
  }
  const auto type = decode_type(bytes);
  if (type.ok()) check_settles(*type, decode_type, encode_type);
  const auto checkpoint = decode_checkpoint(bytes);
  if (checkpoint.ok()) {
    RAMET_CHECK(checkpoint->open_segments.size() <= bytes.size() / 4, "segments from nowhere");
    check_settles(*checkpoint, decode_checkpoint, encode_checkpoint);
  }
}

void look_at_access(ByteView bytes) {
  const auto principal = decode_principal(bytes);
  if (principal.ok()) {
    RAMET_CHECK(principal->name.size() + principal->title.size() + principal->email.size() <=
                    4 * bytes.size(),
                "a principal greater than its bytes");
    check_settles(*principal, decode_principal, encode_principal);
  }
  const auto token = decode_token(bytes);
  if (token.ok()) check_settles(*token, decode_token, encode_token);
  const auto pair = decode_key_pair(bytes);
  if (pair.ok()) check_settles(*pair, decode_key_pair, encode_key_pair);
  const auto grant = decode_grant(bytes);
  if (grant.ok()) check_settles(*grant, decode_grant, encode_grant);
  const auto access = decode_container_access(bytes);
  if (access.ok()) check_settles(*access, decode_container_access, encode_container_access);
  const auto entry = decode_audit_entry(bytes);
  if (entry.ok()) check_settles(*entry, decode_audit_entry, encode_audit_entry);
}

void look_at_object(ByteView bytes, const std::vector<BlockRef>& refs) {
  const ObjectId id{};
  const auto decode = [&](ByteView value) { return decode_object(id, kFileType, value, refs); };
  const auto object = decode(bytes);
  ignore_error(Result<Summary>(object_summary(bytes)), "any bytes have one");
  if (!object.ok()) return;
  const ObjectInfo& info = object->info;
  RAMET_CHECK(info.name.size() + info.target.size() + bytes_in(info.attributes.xattrs) <=
                  4 * bytes.size(),
              "an object greater than its bytes");
  RAMET_CHECK(info.documents.size() <= refs.size(), "documents without blocks");
  RAMET_CHECK(check_extents(object->extents).ok(), "extents that no writer would write");
  RAMET_CHECK(object->form != ContentForm::kOneBlock || object->extents.front().length == info.size,
              "a block of another size than its object");
  const EncodedRecord once = encode_object(*object);
  const auto again = decode_object(id, kFileType, once.value, once.refs);
  RAMET_CHECK(again.ok() && again->extents == object->extents && again->form == object->form,
              "an object that changes when written");
  const EncodedRecord twice = encode_object(*again);
  RAMET_CHECK(twice.value == once.value && twice.refs == once.refs, "an object that never settles");
}

void look_at(ByteView bytes) {
  look_at_catalog(bytes);
  look_at_access(bytes);
  const std::vector<BlockRef> refs(7, BlockRef{4, 5, 6});
  for (size_t n = 0; n <= 3; ++n) look_at_object(bytes, {refs.begin(), refs.begin() + n});
  look_at_object(bytes, refs);
  look_at_object(bytes, {BlockRef{}});
  const FolderId folder{};
  const auto decode = [&](ByteView value) { return decode_folder(folder, value); };
  const auto info = decode(bytes);
  if (!info.ok()) return;
  RAMET_CHECK(info->name.size() + bytes_in(info->attributes.xattrs) <= 2 * bytes.size(),
              "a folder greater than its bytes");
  check_settles(*info, decode, encode_folder);
}

}  // namespace

RAMET_FUZZ_TARGET(record) {
  // The value as trees hand it out, aligned, and with a byte in front.
  std::vector<uint64_t> aligned(input.size() / 8 + 2);
  char* const at = reinterpret_cast<char*>(aligned.data());
  if (!input.empty()) std::memcpy(at, input.data(), input.size());
  look_at({at, input.size()});
  if (!input.empty()) std::memmove(at + 1, at, input.size());
  look_at({at + 1, input.size()});
}

}  // namespace ramet::fuzz
