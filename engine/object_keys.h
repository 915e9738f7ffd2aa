// Objects of a container by keys, as object stores name them: one byte string for a whole path, in
// byte order. The same for flat containers, whose names are keys, and for trees, where '/'
// separates folders and an empty folder is the key that ends in '/' (of zero bytes).
//
// Keys: 1 to 1024 bytes, no NUL. In a tree also: no part between slashes that is empty, "." or
// "..", or longer than 255 bytes; others are kInvalidArgument to write and kNotFound to read. Only
// files have keys: symbolic links, devices and the like are passed over.
// Built on View and Transaction alone; all functions may be called by any number of threads.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "engine/transaction.h"
#include "engine/view.h"

namespace ramet {

inline constexpr size_t kKeyBytesMax = 1024;

struct KeyEntry {
  std::string key;      // with `prefix` and '/' of a folder: as it would be asked for
  bool common = false;  // a common prefix: keys below it were passed over
  bool removed = false;  // a name whose object is only there as earlier versions
  Entry entry;          // of the object, or of an empty folder; nothing for a common prefix
};

struct KeyQuery {
  std::string prefix;
  std::string delimiter;  // any bytes; empty: none
  std::string after;      // keys and common prefixes that are greater than this; empty: all
  // Whether `after` itself is to come, too, where it is a key (not where it is a common prefix).
  bool from = false;
  bool removed = false;   // also names that were removed where versions are kept
};

// kInvalidArgument says what a key cannot be; `flat`: of what sort of container.
Status check_key(std::string_view key, bool flat);

// The object with this key, or the folder where the key ends in '/'. kNotFound.
Result<Entry> find_key(const View& view, std::string_view key);
// The same in a transaction.
Result<Entry> find_key(const Transaction& transaction, bool flat, std::string_view key);
// An object that was removed where versions are kept; its Entry::object leads to the versions.
// kNotFound.
Result<Entry> find_removed_key(const View& view, std::string_view key);

// In byte order, until `visit` returns false. O(log n) for each folder on the way to the first key,
// and for each common prefix, whatever is below it.
Status list_keys(const View& view, const KeyQuery& query,
                 const std::function<bool(const KeyEntry&)>& visit);

// Makes the key lead to an object with this content (null: empty), as Transaction::put_object()
// does. In a tree the folders of the key are created where they are missing; where the key ends in
// '/' a folder is made, which cannot have content (kInvalidArgument), and a null id is returned.
// kAlreadyExists: a part of the key is an object, or the key is a folder.
Result<ObjectId> put_key(Transaction& transaction, bool flat, std::string_view key,
                         const ObjectInit& init, std::unique_ptr<ContentWriter> content);

// Removes a key, as Transaction::remove() does. kNotFound; of a folder that is not empty
// kFailedPrecondition. Folders that become empty stay.
Status remove_key(Transaction& transaction, bool flat, std::string_view key);

// The least byte string that is greater than all which begin with `prefix`; empty: there is none.
std::string behind_prefix(std::string_view prefix);

}  // namespace ramet
