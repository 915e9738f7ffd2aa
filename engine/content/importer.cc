#include "engine/content/importer.h"

#include <fmt/format.h>

#include "engine/content/content_id.h"
#include "engine/content/content_writer.h"
#include "engine/store_impl.h"

namespace ramet::engine {
namespace {

using io::SourceItem;
using io::SourceKind;
using Outcome = io::SourceTree::Outcome;

constexpr size_t kTargetBytesMax = 4095;
// A link's target and its extended attributes share one value of the tree.
constexpr size_t kLinkBytesMax = 10u << 10;

io::SpillTable::Key key_of(const io::FileIdentity& identity) {
  return {identity.device, identity.inode};
}

io::SpillTable::Key key_of(const ObjectId& id) { return load<io::SpillTable::Key>(&id.bytes); }

ObjectId object_of(const io::SpillTable::Entry& entry) {
  return ObjectId::from_bytes(entry.value.data());
}

// Writes what is left out between pieces as holes, each as one: so content ids do not depend on
// how a file was read.
class HoleKeeper {
 public:
  explicit HoleKeeper(ContentWriterImpl& writer) : writer_(writer) {}

  Status write_prepared(ByteView chunk, const PreparedBlock& block) {
    RAMET_TRY(fill_to(block.offset));
    at_ += chunk.size();
    return writer_.append_prepared(chunk, block);
  }
  Status fill_to(uint64_t offset) {
    if (offset == at_) return ok();
    const uint64_t hole = offset - at_;
    at_ = offset;
    return writer_.hole(hole);
  }

 private:
  ContentWriterImpl& writer_;
  uint64_t at_ = 0;
};

bool equal_but_for_xattrs(const Attributes& a, const io::TreeAttributes& b, bool owners) {
  return a.mode == b.mode && a.uid == (owners ? b.uid : 0) && a.gid == (owners ? b.gid : 0) &&
         a.modified == b.modified;
}

}  // namespace

Importer::Importer(TransactionImpl& transaction, io::SourceTree& source, std::string path,
                   const ImportOptions& options, int attempts, StatCache* cache)
    : transaction_(transaction),
      cache_(cache),
      source_(source),
      options_(options),
      attempts_(attempts),
      progress_(options.progress),
      path_(std::move(path)) {}

Result<CopyReport> Importer::run(const Target& target) {
  target_ = target;
  // A tree of one item goes into the target like something of a folder.
  if (!source_.is_folder()) {
    levels_.push_back({target.folder, target.is_new, path_.size()});
  }
  while (SourceItem* item = source_.next()) {
    RAMET_TRY(check_cancelled());
    RAMET_TRY(import_item(*item));
  }
  problems_.report(report_);
  report_.ingest = transaction_.ingest_stats();
  return std::move(report_);
}

Status Importer::import_item(SourceItem& item) {
  if (skipped_ > 0) {
    if (item.kind == SourceKind::kFolder) ++skipped_;
    if (item.kind == SourceKind::kFolderEnd) --skipped_;
    return ok();
  }
  switch (item.kind) {
    case SourceKind::kFolder: return levels_.empty() ? import_top(item) : import_folder(item);
    case SourceKind::kFolderEnd:
      path_.resize(levels_.back().path_bytes);
      levels_.pop_back();
      return ok();
    case SourceKind::kProblem: add_notes(item); return ok();
    default: return import_object(item);
  }
}

Status Importer::import_top(SourceItem& item) {
  add_notes(item);
  levels_.push_back({target_.folder, target_.is_new, path_.size()});
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  if (!target_.set_attributes) return ok();
  return set_folder(target_.folder, take_attributes(item));
}

Status Importer::import_folder(SourceItem& item) {
  if (!name_is_kept(item, item.name)) {
    skipped_ = 1;
    return ok();
  }
  add_notes(item);
  RAMET_TRY(look_up(item.name));
  if (there_ && !there_->is_folder()) {
    RAMET_TRY(transaction_.remove(levels_.back().folder, item.name));
    there_.reset();
  }
  const Attributes attributes = take_attributes(item);
  Level level{{}, !there_, path_.size()};
  if (there_) {
    level.folder = there_->folder;
  } else {
    RAMET_ASSIGN(level.folder, transaction_.create_folder(levels_.back().folder, item.name,
                                                          attributes));
  }
  // Also of a new one whose time is 0: create_folder() takes that as "now".
  if (there_ || attributes.modified == 0) RAMET_TRY(set_folder(level.folder, attributes));
  path_ = path_of(item);
  levels_.push_back(level);
  ++report_.folders;
  return ok();
}

Status Importer::set_folder(FolderId folder, const Attributes& attributes) {
  RAMET_ASSIGN(const FolderInfo info, transaction_.folder(folder));
  if (info.attributes == attributes) return ok();
  return transaction_.set_attributes(folder, attributes);
}

Status Importer::import_object(SourceItem& item) {
  const std::string& name = source_.is_folder() ? item.name : source_.name();
  if (!name_is_kept(item, name)) return ok();
  RAMET_TRY(look_up(name));
  RAMET_ASSIGN(const bool possible, can_replace(item));
  if (!possible) return ok();
  if (item.links > 1) {
    RAMET_ASSIGN(const bool linked, import_link(item, name));
    if (linked) return ok();
  }
  switch (item.kind) {
    case SourceKind::kFile: return import_file(item, name);
    case SourceKind::kSymlink: return import_symlink(item, name);
    default: return import_other(item, name);
  }
}

Status Importer::look_up(const std::string& name) {
  there_.reset();
  old_.reset();
  if (levels_.back().is_new) return ok();
  RAMET_ASSIGN(there_, transaction_.reader().find(levels_.back().folder, name));
  if (!there_ || there_->is_folder()) return ok();
  RAMET_ASSIGN(old_, transaction_.reader().object(there_->object));
  return ok();
}

Result<bool> Importer::can_replace(const SourceItem& item) {
  if (!there_ || !there_->is_folder()) return true;
  bool empty = true;
  RAMET_TRY(transaction_.list(there_->folder, {}, [&](const Entry&) { return empty = false; }));
  if (!empty) {
    problems_.add(path_of(item), "the store has a folder of this name that is not empty");
  }
  return empty;
}

// --- hard links ----------------------------------------------------------------------------------

Result<bool> Importer::import_link(SourceItem& item, const std::string& name) {
  io::SpillTable::Entry* seen = seen_.find(key_of(item.identity));
  if (seen == nullptr) return false;
  RAMET_ASSIGN(const bool same, is_same_file(*seen, item));
  if (!same) {  // the inode's number was used again
    seen_.erase(seen);
    return false;
  }
  const ObjectId object = object_of(*seen);
  if (--seen->uses == 0) seen_.erase(seen);
  add_notes(item);
  ++report_.hard_links;
  if (item.kind == SourceKind::kFile) {
    progress_.add_file();
    progress_.add_bytes(item.size);
  }
  if (there_ && there_->object == object) return true;
  const FolderId folder = levels_.back().folder;
  if (there_) RAMET_TRY(transaction_.remove(folder, name));
  RAMET_TRY(transaction_.link(object, folder, name));
  return true;
}

Result<bool> Importer::is_same_file(const io::SpillTable::Entry& seen,
                                    const SourceItem& item) const {
  if (item.identity.birth != 0) {
    return static_cast<int64_t>(seen.value[2]) == item.identity.birth;
  }
  // No birth to go by: size and time speak for it.
  RAMET_ASSIGN(const ObjectRecord record, transaction_.reader().object(object_of(seen)));
  return record.info.attributes.modified == item.attributes.modified &&
         (item.kind != SourceKind::kFile || record.info.size == item.size);
}

void Importer::remember(const SourceItem& item, const ObjectId& id) {
  if (item.links < 2) return;
  io::SpillTable::Entry entry;
  entry.key = key_of(item.identity);
  std::memcpy(entry.value.data(), id.bytes.data(), id.bytes.size());
  entry.value[2] = static_cast<uint64_t>(item.identity.birth);
  entry.uses = item.links - 1;
  if (seen_.find(entry.key) == nullptr) seen_.insert(entry);
}

// --- what is there already -----------------------------------------------------------------------

ContentHash Importer::content_id_of_old() const {
  if (old_->form != ContentForm::kOneBlock) return old_->info.content_id;
  const BlockRef& block = old_->extents.front().block;
  // A block that cannot be looked up is not what was imported: it is stored again.
  const auto slot = transaction_.store().blocks().slot(block.segment, block.slot);
  return slot.ok() ? slot->hash : ContentHash{};
}

bool Importer::may_be_unchanged(const SourceItem& item) const {
  return old_ && old_->info.entry_class == EntryClass::kFile && old_->info.size == item.size &&
         equal_but_for_xattrs(old_->info.attributes, item.attributes, options_.owners);
}

Result<bool> Importer::is_unchanged(const SourceItem& item, const Attributes& attributes,
                                    const ContentHash& content) {
  if (!old_ || old_->info.attributes != attributes || old_->info.target != item.target ||
      old_->info.size != (item.kind == SourceKind::kFile ? item.size : 0)) {
    return false;
  }
  if (old_->info.size > 0 && content_id_of_old() != content) return false;
  if (old_->info.links_count < 2) return true;
  // Names that share an object stand for one file each; the first one keeps it.
  const auto key = key_of(old_->info.id);
  const std::array<uint64_t, 3> file{item.identity.device, item.identity.inode,
                                     static_cast<uint64_t>(item.identity.birth)};
  if (const io::SpillTable::Entry* claim = claimed_.find(key)) return claim->value == file;
  claimed_.insert({key, file, 1});
  return true;
}

void Importer::keep_unchanged(const SourceItem& item) {
  ++report_.unchanged;
  remember(item, old_->info.id);
}

Status Importer::make_room(const std::string& name) {
  const bool shared = old_ && old_->info.links_count > 1;
  if (!shared && !(there_ && there_->is_folder())) return ok();
  return transaction_.remove(levels_.back().folder, name);
}

Status Importer::put(const SourceItem& item, const std::string& name,
                     const Attributes& attributes, std::unique_ptr<ContentWriter> content) {
  RAMET_TRY(make_room(name));
  RAMET_ASSIGN(const ObjectId id, transaction_.put_object(levels_.back().folder, name, attributes,
                                                          std::move(content)));
  return finish_put(item, id, attributes);
}

Status Importer::finish_put(const SourceItem& item, const ObjectId& id,
                            const Attributes& attributes) {
  remember(item, id);
  // put_object() takes a time of 0 as "now".
  if (attributes.modified != 0) return ok();
  return transaction_.set_attributes(id, attributes);
}

// --- files ---------------------------------------------------------------------------------------

FileStamp stamp_of(const SourceItem& item) {
  return {item.identity.device, item.identity.inode, item.identity.birth,
          item.size,            item.attributes.modified, item.changed};
}

uint64_t hash_of_xattrs(const std::vector<Xattr>& xattrs, bool with) {
  Bytes all;
  for (const Xattr& xattr : xattrs) {
    append(all, static_cast<uint64_t>(xattr.name.size()));
    append(all, static_cast<uint64_t>(xattr.value.size()));
    all += xattr.name;
    all += xattr.value;
  }
  return xxh3_seeded(all, with ? 1 : 0);
}

// What could not be read as it is (the notes) is to be said again the next time.
void Importer::note(const SourceItem& item, const Attributes& attributes,
                    const ContentHash& content) {
  if (cache_ == nullptr || item.links > 1 || !item.notes.empty()) return;
  cache_->note(stamp_of(item),
               {content, hash_of_xattrs(attributes.xattrs, options_.xattrs)});
}

Result<bool> Importer::import_known(SourceItem& item) {
  if (!old_ || old_->info.links_count > 1 || !may_be_unchanged(item)) return false;
  const uint64_t xattrs = hash_of_xattrs(old_->info.attributes.xattrs, options_.xattrs);
  if (xattrs != static_cast<const KnownFile*>(item.prepared.get())->xattrs) return false;
  if (item.size > 0 && content_id_of_old() != item.digest) return false;
  ++report_.files;
  report_.bytes += item.size;
  progress_.add_file();
  progress_.add_bytes(item.size);
  keep_unchanged(item);
  return true;
}

Status Importer::import_file(SourceItem& item, const std::string& name) {
  if (item.known) {
    RAMET_ASSIGN(const bool kept, import_known(item));
    if (kept) return ok();
  }
  return item.loaded ? import_loaded(item, name) : import_streamed(item, name);
}

Status Importer::import_loaded(SourceItem& item, const std::string& name) {
  add_notes(item);
  ++report_.files;
  report_.bytes += item.size;
  progress_.add_file();
  progress_.add_bytes(item.size);
  const Attributes attributes = take_attributes(item);
  note(item, attributes, item.digest);
  RAMET_ASSIGN(const bool unchanged, is_unchanged(item, attributes, item.digest));
  if (unchanged) {
    keep_unchanged(item);
    return ok();
  }
  RAMET_ASSIGN(auto content, write_loaded(item));
  return put(item, name, attributes, std::move(content));
}

Result<std::unique_ptr<ContentWriter>> Importer::write_loaded(const SourceItem& item) {
  if (item.size == 0) return std::unique_ptr<ContentWriter>();
  RAMET_ASSIGN(auto content, transaction_.write_content());
  auto& writer = static_cast<ContentWriterImpl&>(*content);
  HoleKeeper keeper(writer);
  ByteView rest = item.bytes;
  for (const PreparedBlock& block : *static_cast<const PreparedBlocks*>(item.prepared.get())) {
    RAMET_TRY(keeper.write_prepared(rest.substr(0, block.length), block));
    rest.remove_prefix(block.length);
  }
  RAMET_TRY(keeper.fill_to(item.size));
  return content;
}

Status Importer::import_streamed(SourceItem& item, const std::string& name) {
  for (int attempt = 1; attempt <= attempts_; ++attempt) {
    auto done = Streamed::kGivenUp;
    if (!item.known && may_be_unchanged(item)) {
      RAMET_ASSIGN(done, compare_streamed(item, attempt));
      if (done == Streamed::kAgain) continue;
    }
    if (done != Streamed::kDone && item.kind == SourceKind::kFile) {
      RAMET_ASSIGN(done, store_streamed(item, name, attempt));
      if (done == Streamed::kAgain) continue;
    }
    add_notes(item);
    if (done != Streamed::kDone) return ok();
    ++report_.files;
    report_.bytes += item.size;
    progress_.add_file();
    return ok();
  }
  problems_.add(path_of(item), "it kept changing while it was read");
  return ok();
}

// Reads the file to see whether it is stored already. kGivenUp: it is not.
Result<Importer::Streamed> Importer::compare_streamed(SourceItem& item, int attempt) {
  ContentIdBuilder builder({transaction_.store().options().chunk_average});
  RAMET_ASSIGN(const Outcome outcome,
               stream(item, attempt, nullptr, [&](const PreparedBlock& block, ByteView) {
                 builder.add(block.name, block.offset, block.length);
                 return ok();
               }));
  if (outcome == Outcome::kWhole) {
    const Attributes attributes = take_attributes(item);
    const ContentHash content = builder.finish(item.size);
    RAMET_ASSIGN(const bool unchanged, is_unchanged(item, attributes, content));
    if (unchanged) {
      note(item, attributes, content);
      keep_unchanged(item);
      return Streamed::kDone;
    }
    progress_.take_back_bytes(item.size);
    return Streamed::kGivenUp;
  }
  return outcome == Outcome::kChanged ? Streamed::kAgain : Streamed::kGivenUp;
}

Result<Importer::Streamed> Importer::store_streamed(SourceItem& item, const std::string& name,
                                                    int attempt) {
  RAMET_ASSIGN(auto content, transaction_.write_content());
  HoleKeeper keeper(static_cast<ContentWriterImpl&>(*content));
  const BlockPreparer preparer(*transaction_.store().index(), transaction_.ingest().compression(),
                               nullptr);
  RAMET_ASSIGN(const Outcome outcome,
               stream(item, attempt, &preparer, [&](const PreparedBlock& block, ByteView raw) {
                 return keeper.write_prepared(raw, block);
               }));
  if (outcome == Outcome::kWhole) {
    RAMET_TRY(keeper.fill_to(item.size));
    const Attributes attributes = take_attributes(item);
    RAMET_ASSIGN(const ContentHash id, static_cast<ContentWriterImpl&>(*content).end());
    note(item, attributes, id);
    RAMET_TRY(put(item, name, attributes, std::move(content)));
    return Streamed::kDone;
  }
  // What was written of it must not stay behind.
  ObjectRecord torn;
  RAMET_TRY(static_cast<ContentWriterImpl&>(*content).finish(torn));
  RAMET_TRY(transaction_.discard_content(torn));
  return outcome == Outcome::kChanged ? Streamed::kAgain : Streamed::kGivenUp;
}

// Counts progress, and takes it back if the file was not read as a whole.
Result<Outcome> Importer::stream(SourceItem& item, int attempt, const BlockPreparer* preparer,
                                 const StreamPipeline::Use& use) {
  uint64_t counted = 0;
  StreamPipeline pipeline({transaction_.store().options().chunk_average}, preparer,
                          options_.threads);
  RAMET_ASSIGN(const Outcome outcome,
               pipeline.run([&](io::StreamSink& sink) {
                 return source_.stream(item, attempt, sink);
               }, [&](const PreparedBlock& block, ByteView raw) -> Status {
                 RAMET_TRY(check_cancelled());
                 counted += raw.size();
                 progress_.add_bytes(raw.size());
                 return use(block, raw);
               }));
  if (outcome == Outcome::kWhole) {
    progress_.add_bytes(item.size - counted);  // holes
  } else {
    progress_.take_back_bytes(counted);
  }
  return outcome;
}

// --- links and others ----------------------------------------------------------------------------

Status Importer::import_symlink(SourceItem& item, const std::string& name) {
  size_t bytes = item.target.size();
  for (const io::TreeXattr& xattr : item.attributes.xattrs) {
    bytes += xattr.name.size() + xattr.value.size() + 32;
  }
  if (bytes > kLinkBytesMax) {
    item.attributes.xattrs.clear();
    item.notes.push_back("its extended attributes are left out: the target leaves no room");
  }
  if (item.target.empty() || item.target.size() > kTargetBytesMax) {
    item.notes.push_back(fmt::format("a link to {} bytes is not kept", item.target.size()));
    add_notes(item);
    return ok();
  }
  add_notes(item);
  ++report_.symlinks;
  const Attributes attributes = take_attributes(item);
  RAMET_ASSIGN(const bool unchanged, is_unchanged(item, attributes, ContentHash{}));
  if (unchanged) {
    keep_unchanged(item);
    return ok();
  }
  RAMET_TRY(make_room(name));
  RAMET_ASSIGN(const ObjectId id, transaction_.put_symlink(levels_.back().folder, name,
                                                           item.target, attributes));
  return finish_put(item, id, attributes);
}

Status Importer::import_other(SourceItem& item, const std::string& name) {
  add_notes(item);
  ++report_.others;
  const Attributes attributes = take_attributes(item);
  RAMET_ASSIGN(const bool unchanged, is_unchanged(item, attributes, ContentHash{}));
  if (unchanged) {
    keep_unchanged(item);
    return ok();
  }
  return put(item, name, attributes, nullptr);
}

// --- messages ------------------------------------------------------------------------------------

Attributes Importer::take_attributes(SourceItem& item) const {
  return attributes_from_tree(std::move(item.attributes), options_.owners);
}

bool Importer::name_is_kept(const SourceItem& item, const std::string& name) {
  if (name.size() <= kNameBytesMax) return true;
  problems_.add(path_of(item), fmt::format("names of more than {} bytes are not kept",
                                           kNameBytesMax));
  return false;
}

std::string Importer::path_of(const SourceItem& item) const {
  if (!source_.is_folder() || item.name.empty()) return path_;
  return path_.back() == '/' ? path_ + item.name : path_ + "/" + item.name;
}

void Importer::add_notes(const SourceItem& item) {
  for (const std::string& note : item.notes) problems_.add(path_of(item), note);
}

Status Importer::check_cancelled() const {
  if (!progress_.cancelled()) return ok();
  return Error(ErrorCode::kCancelled, "the import was stopped; nothing was stored");
}

}  // namespace ramet::engine
