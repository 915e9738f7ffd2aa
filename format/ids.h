// Ids: 128 bits in the shape of a version-4 UUID whose first 48 bits are a store sequence
// (docs/format.md#ids), so that new ids go to the right edge of the trees and siblings are
// neighbours. One strong type for each kind of thing. All functions are pure and thread-safe.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>

#include "format/bytes.h"
#include "format/result.h"

namespace ramet {

using IdBytes = std::array<uint8_t, 16>;

// Bytes are in UUID order, so that memcmp order, <=> and the order of both text forms agree.
template <typename Tag>
struct Id {
  IdBytes bytes{};  // all zero: the null id (and, for folders, the root folder)

  bool is_null() const { return bytes == IdBytes{}; }
  // Borrows from this id.
  ByteView view() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  // Requires: 16 bytes at p.
  static Id from_bytes(const void* p) { return Id{load<IdBytes>(p)}; }

  friend bool operator==(const Id&, const Id&) = default;
  friend auto operator<=>(const Id&, const Id&) = default;
};

using ObjectId = Id<struct ObjectIdTag>;
using ContainerId = Id<struct ContainerIdTag>;
using FolderId = Id<struct FolderIdTag>;
using StoreId = Id<struct StoreIdTag>;
using PrincipalId = Id<struct PrincipalIdTag>;
static_assert(sizeof(ObjectId) == 16 && std::is_trivially_copyable_v<ObjectId>);

// The folder at the top of every container.
inline constexpr FolderId kRootFolder{};

// Sequences are below this; 2^48 ids are one every microsecond for 8.9 years.
inline constexpr uint64_t kIdSequenceEnd = uint64_t{1} << 48;
inline constexpr size_t kUuidTextBytes = 36;
inline constexpr size_t kBase62TextBytes = 24;

// The same for untyped bytes; the templates below are what callers use.
IdBytes make_id_bytes(uint64_t sequence, const std::array<uint8_t, 16>& random);
uint64_t sequence_of_bytes(const IdBytes& bytes);
bool has_id_shape(const IdBytes& bytes);  // version 4, variant 10
std::string uuid_text(const IdBytes& bytes);
void write_uuid_bytes(const IdBytes& bytes, char* out);
std::string base62_text(const IdBytes& bytes);
Result<IdBytes> parse_uuid_bytes(std::string_view text);
Result<IdBytes> parse_base62_bytes(std::string_view text);

// A new id: 48 bits of sequence (requires: < kIdSequenceEnd), the rest from `random` except for
// version and variant. Never null. make_id<ObjectId>(n, random).
template <typename AnyId>
AnyId make_id(uint64_t sequence, const std::array<uint8_t, 16>& random) {
  return AnyId{make_id_bytes(sequence, random)};
}

// The first 48 bits.
template <typename Tag>
uint64_t sequence_of(const Id<Tag>& id) {
  return sequence_of_bytes(id.bytes);
}

// "0192a1b2-c3d4-4e5f-8a6b-7c8d9e0f1a2b": 36 characters, lower case.
template <typename Tag>
std::string to_uuid(const Id<Tag>& id) {
  return uuid_text(id.bytes);
}

// The same into kUuidTextBytes at `out`.
template <typename Tag>
void write_uuid(const Id<Tag>& id, char* out) {
  write_uuid_bytes(id.bytes, out);
}

// 24 characters of 0-9 A-Z a-z: the 128 bits as a big-endian number, leading zeros kept; text
// order is id order.
template <typename Tag>
std::string to_base62(const Id<Tag>& id) {
  return base62_text(id.bytes);
}

// Strict: exactly what the renderings above give for an id of version-4 shape or the null id, so
// that one id has one text; anything else is kInvalidArgument.
template <typename AnyId>
Result<AnyId> parse_uuid(std::string_view text) {
  RAMET_ASSIGN(const IdBytes bytes, parse_uuid_bytes(text));
  return AnyId{bytes};
}
template <typename AnyId>
Result<AnyId> parse_base62(std::string_view text) {
  RAMET_ASSIGN(const IdBytes bytes, parse_base62_bytes(text));
  return AnyId{bytes};
}

}  // namespace ramet

template <typename Tag>
struct std::hash<ramet::Id<Tag>> {
  size_t operator()(const ramet::Id<Tag>& id) const noexcept {
    // Both halves may vary in few bits only (sequences do): mixed as MurmurHash3 finishes.
    uint64_t mixed = ramet::load<uint64_t>(id.bytes.data()) * 0x9E3779B97F4A7C15ull ^
                     ramet::load<uint64_t>(id.bytes.data() + 8);
    mixed = (mixed ^ (mixed >> 33)) * 0xFF51AFD7ED558CCDull;
    mixed = (mixed ^ (mixed >> 33)) * 0xC4CEB9FE1A85EC53ull;
    return static_cast<size_t>(mixed ^ (mixed >> 33));
  }
};
