// EntrySums: what the entries of a container must agree on, as sums of hashes. Names lead to
// objects and objects say their names; were each such pair compared by a look-up, checking would
// cost a multiple of reading. Instead either side adds, and the other subtracts, a hash of what
// they say; where all agree the sums are zero. (Multiset hashes: Clarke and others, "Incremental
// Multiset Hash Functions and Their Application to Memory Integrity Checking", ASIACRYPT 2003.
// Here they meet accidents, not adversaries: 64 bits and XXH3 do.) Sums of a shared subtree are
// computed once.
//
// Pure; thread-safe.
#pragma once

#include <cstdint>
#include <span>

#include "format/block_ref.h"
#include "format/bytes.h"
#include "format/result.h"

namespace ramet::engine {

struct EntrySums {
  uint64_t names = 0;    // names of objects: dirents - (first names and LINKED_BY)
  uint64_t folders = 0;  // names of folders: dirents - folders
  uint64_t values = 0;   // id, class, type and size: dirents - objects, once for each name
  uint64_t ids = 0;      // ID entries - objects

  void add(const EntrySums& other) {
    names += other.names;
    folders += other.folders;
    values += other.values;
    ids += other.ids;
  }
  friend bool operator==(const EntrySums&, const EntrySums&) = default;
};

// Adds one entry of a container's tree. kCorruption: it cannot be decoded. `in_pieces` is set for
// an object whose content is composed of several, and for a run of such.
Status add_entry(ByteView key, ByteView value, std::span<const BlockRef> refs, EntrySums& sums,
                 bool& in_pieces);

}  // namespace ramet::engine
