// EntryWriter: changes the entries of a container that is mended, has a place in lost+found for
// what has no other, and says what is done.
//
// Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "engine/block/block_store.h"
#include "engine/check/entry_rows.h"
#include "engine/check/orphans.h"
#include "engine/container/records.h"
#include "engine/repair.h"
#include "engine/tree/tree.h"

namespace ramet::engine {

// What mending a container's entries works with.
struct EntryMendContext {
  TreeContext& trees;
  BlockStore& blocks;
  TreeCheck& check;
  Orphans& orphans;
  std::function<bool(const BlockRef&)> is_bad;  // a block that cannot be read
  const std::set<IdBytes>& wrong_content;  // objects whose pieces are not those that were written
  std::function<IdBytes()> new_id;
  Sequence sequence = 0;
  int64_t now = 0;
  // Container and snapshot are filled in by whoever knows them.
  std::function<void(RepairStep)> report;
};

class EntryWriter {
 public:
  // Of `rows` it keeps which names are taken; and the row of lost+found.
  EntryWriter(const EntryMendContext& context, const Root& root, EntryRows& rows)
      : context_(context), rows_(rows), root_(root), tree_(context.trees, root) {}

  Result<bool> get(const Bytes& key, Value* value) const { return tree_.get(key, value); }
  Root share() { return tree_.share(); }
  // As it was if nothing was changed.
  Root result() { return changed_ ? tree_.share() : root_; }

  // A version to go back to.
  struct Mark {
    Root root;
    bool changed = false;
  };
  Mark mark() { return {tree_.share(), changed_}; }
  void go_back(const Mark& mark);

  Status put(const Bytes& key, ByteView value, std::span<const BlockRef> refs);
  Status erase(const Bytes& key);
  Status put_record(const ObjectRecord& record);
  // Files need none.
  Status put_type(const ObjectId& id, TypeNumber type);
  Status put_name(const EntryName& name, const ObjectId& id, const Bytes& value);
  Status put_folder_name(const EntryName& name, const FolderId& id);
  Status erase_name(const EntryName& name, const IdBytes& id, bool is_folder);
  Status erase_link(const IdBytes& target, const EntryName& name);
  Status erase_extents(const ObjectId& id, TypeNumber type);

  // A free name there, like `wanted`.
  Result<EntryName> name_in_lost_and_found(const std::string& wanted);
  Status make_lost_and_found();
  const FolderId& lost_and_found() const { return lost_and_found_; }  // null: not needed so far

  void say(Outcome outcome, std::string path, std::optional<IdBytes> id, std::string message,
           std::string saved_as = {});
  // What was moved or lost, a line each.
  const std::string& text() const { return text_; }

 private:
  const EntryMendContext& context_;
  EntryRows& rows_;
  const Root root_;
  Tree tree_;
  bool changed_ = false;
  std::string text_;
  FolderId lost_and_found_;
  std::map<std::string, uint64_t> suffixes_;  // used in lost+found, for each name
};

// Puts a file of one block into a folder, under the first free name like `name`.
Result<Root> put_file(TreeContext& trees, const Root& root, const FolderId& folder,
                      const std::string& name, ObjectRecord record, Sequence sequence);

}  // namespace ramet::engine
