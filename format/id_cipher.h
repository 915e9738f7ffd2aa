// IdCipher: the keyed bijection between the ids in a container's tree (inner) and the ids that
// the world sees (outer), docs/format.md#ids. A clone with a new key shows new ids for every
// object without touching one of them.
//
// A balanced Feistel network (Luby and Rackoff, "How to construct pseudorandom permutations from
// pseudorandom functions", 1988) of 10 rounds over the 122 free bits of a version-4 UUID, with
// AES-128 as round function.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "format/ids.h"

namespace ramet {

// All zero: the null key, under which outer and inner ids are equal.
using IdCipherKey = std::array<uint8_t, 16>;

// Expands the key once. Thread-safe for const use: any number of threads may share one.
// Ids that are not of version-4 shape (the null id, so the root folder) are left as they are;
// all others stay of that shape.
class IdCipher {
 public:
  explicit IdCipher(const IdCipherKey& key);
  ~IdCipher();
  IdCipher(IdCipher&&) noexcept;
  IdCipher& operator=(IdCipher&&) noexcept;

  bool is_identity() const { return state_ == nullptr; }

  // Inner to outer.
  template <typename Tag>
  Id<Tag> encrypt(const Id<Tag>& inner) const {
    return Id<Tag>{encrypt_bytes(inner.bytes)};
  }
  // Outer to inner; decrypt(encrypt(id)) == id.
  template <typename Tag>
  Id<Tag> decrypt(const Id<Tag>& outer) const {
    return Id<Tag>{decrypt_bytes(outer.bytes)};
  }

  // All of them, in place: costs little more than one.
  void encrypt_all(std::span<ObjectId> ids) const;

  IdBytes encrypt_bytes(const IdBytes& inner) const;
  IdBytes decrypt_bytes(const IdBytes& outer) const;

 private:
  struct State;
  std::unique_ptr<State> state_;  // null for the null key
};

}  // namespace ramet
