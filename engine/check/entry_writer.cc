#include "engine/check/entry_writer.h"

#include <utility>

#include <fmt/format.h>

#include "engine/container/reader.h"
#include "format/keys.h"

namespace ramet::engine {

void EntryWriter::go_back(const Mark& mark) {
  tree_ = Tree(context_.trees, mark.root);
  changed_ = mark.changed;
}

Status EntryWriter::put(const Bytes& key, ByteView value, std::span<const BlockRef> refs) {
  changed_ = true;
  return tree_.put(key, value, refs, context_.sequence);
}

Status EntryWriter::erase(const Bytes& key) {
  changed_ = true;
  const auto erased = tree_.erase(key, context_.sequence);
  return erased.ok() ? ok() : Status(erased.error());
}

Status EntryWriter::put_record(const ObjectRecord& record) {
  const EncodedRecord encoded = encode_object(record);
  return put(object_key(record.info.type, record.info.id), encoded.value, encoded.refs);
}

Status EntryWriter::put_type(const ObjectId& id, TypeNumber type) {
  Bytes value;
  append(value, type);
  return put(id_entry_key(id), value, {});
}

Status EntryWriter::put_name(const EntryName& name, const ObjectId& id, const Bytes& value) {
  rows_.taken.insert(name);
  return put(dirent_key(name.folder, name.name, id), value, {});
}

Status EntryWriter::put_folder_name(const EntryName& name, const FolderId& id) {
  rows_.taken.insert(name);
  return put(dirent_key(name.folder, name.name + "/", id), encode_folder_dirent(), {});
}

Status EntryWriter::erase_name(const EntryName& name, const IdBytes& id, bool is_folder) {
  rows_.taken.erase(name);
  return erase(is_folder ? dirent_key(name.folder, name.name + "/", FolderId{id})
                         : dirent_key(name.folder, name.name, ObjectId{id}));
}

Status EntryWriter::erase_link(const IdBytes& target, const EntryName& name) {
  return erase(linked_by_key(ObjectId{target}, name.folder, name.name));
}

Status EntryWriter::erase_extents(const ObjectId& id, TypeNumber type) {
  const KeyRange range = object_range(ContainerSpace::kExtent, type, id);
  RAMET_TRY(tree_.erase_range(range.from, range.to, context_.sequence));
  changed_ = true;
  return ok();
}

Result<EntryName> EntryWriter::name_in_lost_and_found(const std::string& wanted) {
  if (lost_and_found_.is_null()) RAMET_TRY(make_lost_and_found());
  EntryName name{lost_and_found_, wanted};
  while (rows_.taken.contains(name)) {
    const std::string more = "~" + std::to_string(++suffixes_[wanted] + 1);
    name.name = wanted.substr(0, 255 - more.size()) + more;
  }
  return name;
}

Status EntryWriter::make_lost_and_found() {
  std::string name(kLostAndFound);
  for (int i = 2; lost_and_found_.is_null(); ++i) {
    const auto found = rows_.names.find({kRootFolder, name});
    if (found == rows_.names.end()) break;
    if (found->second.is_folder) {
      lost_and_found_ = FolderId{found->second.id};
      return ok();
    }
    name = std::string(kLostAndFound) + "~" + std::to_string(i);
  }
  lost_and_found_ = FolderId{context_.new_id()};
  const EntryName place{kRootFolder, name};
  FolderInfo info;
  info.id = lost_and_found_;
  info.parent = kRootFolder;
  info.name = name;
  info.attributes.mode = 040700;
  info.attributes.modified = info.created = context_.now;
  RAMET_TRY(put(folder_key(info.id), encode_folder(info), {}));
  FolderRow& row = rows_.folders[info.id.bytes];
  row.has_record = true;
  row.place = place;
  return put_folder_name(place, info.id);
}

void EntryWriter::say(Outcome outcome, std::string path, std::optional<IdBytes> id,
                      std::string message, std::string saved_as) {
  if (outcome != Outcome::kMended) {
    text_ += fmt::format("{} {}{}{}: {}\n", outcome_name(outcome), path,
                         id ? " " + to_uuid(ObjectId{*id}) : "",
                         saved_as.empty() ? "" : " -> " + saved_as, message);
  }
  RepairStep step;
  step.outcome = outcome;
  step.path = std::move(path);
  step.saved_as = std::move(saved_as);
  step.id = id;
  step.message = std::move(message);
  context_.report(std::move(step));
}

Result<Root> put_file(TreeContext& trees, const Root& root, const FolderId& folder,
                      const std::string& name, ObjectRecord record, Sequence sequence) {
  const Reader reader(trees, root);
  record.info.folder = folder;
  record.info.name = name;
  for (int i = 2;; ++i) {
    RAMET_ASSIGN(const auto taken, reader.find(folder, record.info.name));
    if (!taken) break;
    record.info.name = name + "~" + std::to_string(i);
  }
  Tree tree(trees, root);
  const EncodedRecord encoded = encode_object(record);
  RAMET_TRY(tree.put(object_key(record.info.type, record.info.id), encoded.value, encoded.refs,
                     sequence));
  RAMET_TRY(tree.put(dirent_key(folder, record.info.name, record.info.id),
                     encode_dirent(record.info), {}, sequence));
  return tree.share();
}

}  // namespace ramet::engine
