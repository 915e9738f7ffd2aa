// RecordSpace: what a container of records shows its ids as, and what its documents show
// (docs/architecture.md#records).
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/container/records.h"
#include "format/id_cipher.h"

namespace ramet::engine {

// Ciphers by key: expanding a key costs more than using it. Thread-safe.
class IdCiphers {
 public:
  std::shared_ptr<const IdCipher> get(const IdCipherKey& key);

 private:
  static constexpr size_t kKeptMax = 1024;
  std::mutex mu_;
  // Guarded by mu_: the newest first, and where each key is.
  std::list<std::pair<IdCipherKey, std::shared_ptr<const IdCipher>>> ciphers_;
  std::map<IdCipherKey, decltype(ciphers_)::iterator> places_;
};

// What a container's record says of its records. Immutable; shared.
struct RecordSpace {
  std::shared_ptr<const IdCipher> cipher;
  ObjectId self;  // the record that stands for the container
  uint32_t depth = 0;
  bool has_dead = false;
  std::vector<TypeNumber> left_out;  // ascending

  ObjectId shown(const ObjectId& inner) const { return cipher->encrypt(inner); }
  ObjectId inner(const ObjectId& shown) const { return cipher->decrypt(shown); }
  // Whether a record of this type that a document names may be none of this container.
  bool may_be_missing(TypeNumber type) const;
};

// Null for containers of other forms.
std::shared_ptr<const RecordSpace> record_space_of(const ContainerRecord& record,
                                                   IdCiphers& ciphers);

}  // namespace ramet::engine
