#include "engine/container/records.h"

#include <sys/stat.h>

#include <algorithm>

#include "engine/container/metadata.h"
#include "format/catalog_generated.h"
#include "format/object_generated.h"

namespace ramet::engine {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using ByteVector = flatbuffers::Vector<uint8_t>;

// Bits of fb::Object.flags; on disk.
constexpr uint32_t kFlagExtentEntries = 1;
constexpr uint32_t kFlagHidden = 2;
constexpr uint32_t kFlagDeletion = 4;
constexpr uint32_t kFlagUnversioned = 8;
constexpr uint32_t kFlagSponsored = 16;

Bytes finished(FlatBufferBuilder& builder) {
  return Bytes(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
}

template <typename IdType>
fb::Id to_fb(const IdType& id) {
  fb::Id out;
  std::memcpy(&out, id.view().data(), sizeof out);
  return out;
}

template <typename IdType>
IdType from_fb(const fb::Id* id) {
  if (id == nullptr) return IdType();
  return IdType::from_bytes(id);
}

Offset<ByteVector> bytes_of(FlatBufferBuilder& builder, ByteView bytes) {
  if (bytes.empty()) return 0;
  return builder.CreateVector(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

Offset<flatbuffers::String> string_of(FlatBufferBuilder& builder, const std::string& text) {
  if (text.empty()) return 0;
  return builder.CreateString(text);
}

std::string bytes_from(const ByteVector* vector) {
  if (vector == nullptr) return {};
  return std::string(reinterpret_cast<const char*>(vector->data()), vector->size());
}

std::string string_from(const flatbuffers::String* text) {
  return text == nullptr ? std::string() : text->str();
}

// Verifies and casts. The bytes are copied first where they are not aligned for reading in place.
template <typename Table>
class Checked {
 public:
  explicit Checked(ByteView bytes) {
    if (reinterpret_cast<uintptr_t>(bytes.data()) % 8 != 0) {
      copy_.resize(bytes.size() / 8 + 1);
      std::memcpy(copy_.data(), bytes.data(), bytes.size());
      bytes = ByteView(reinterpret_cast<const char*>(copy_.data()), bytes.size());
    }
    flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    if (bytes.size() >= 8 && verifier.VerifyBuffer<Table>(nullptr)) {
      table_ = flatbuffers::GetRoot<Table>(bytes.data());
    }
  }
  const Table* get() const { return table_; }
  const Table* operator->() const { return table_; }

 private:
  std::vector<uint64_t> copy_;
  const Table* table_ = nullptr;
};

Error malformed(const std::string& what) {
  return Error(ErrorCode::kCorruption, "malformed record of " + what);
}

using XattrList = flatbuffers::Vector<Offset<fb::Xattr>>;

Offset<XattrList> encode_xattrs(FlatBufferBuilder& builder, const std::vector<Xattr>& xattrs) {
  if (xattrs.empty()) return 0;
  std::vector<Offset<fb::Xattr>> list;
  for (const Xattr& xattr : xattrs) {
    const auto name = bytes_of(builder, xattr.name);
    const auto value = bytes_of(builder, xattr.value);
    list.push_back(fb::CreateXattr(builder, name, value));
  }
  return builder.CreateVector(list);
}

// Absent for the null key.
Offset<ByteVector> key_of(FlatBufferBuilder& builder, const IdCipherKey& key) {
  if (key == IdCipherKey{}) return 0;
  return builder.CreateVector(key.data(), key.size());
}

Result<IdCipherKey> decode_key(const ByteVector* bytes) {
  IdCipherKey key{};
  if (bytes == nullptr) return key;
  if (bytes->size() != key.size()) return malformed("a container's key");
  std::copy(bytes->begin(), bytes->end(), key.begin());
  return key;
}

using TypeList = flatbuffers::Vector<uint32_t>;

Offset<TypeList> types_of(FlatBufferBuilder& builder, const std::vector<TypeNumber>& types) {
  if (types.empty()) return 0;
  return builder.CreateVector(types);
}

std::vector<TypeNumber> types_from(const TypeList* list) {
  if (list == nullptr) return {};
  return {list->begin(), list->end()};
}

template <typename V>
size_t size_of(const V* vector) {
  return vector == nullptr ? 0 : vector->size();
}

// FlatBuffers lets any number of fields share one vector; no writer does. So what a list says
// together has no more bytes than the record [INV-8].
Result<std::vector<Xattr>> decode_xattrs(const XattrList* list, size_t bytes_max) {
  std::vector<Xattr> out;
  if (list == nullptr) return out;
  size_t bytes = 0;
  for (const fb::Xattr* xattr : *list) {
    bytes += size_of(xattr->name()) + size_of(xattr->value());
    if (bytes > bytes_max) return malformed("extended attributes");
    out.push_back({bytes_from(xattr->name()), bytes_from(xattr->value())});
  }
  return out;
}

using SettingList = flatbuffers::Vector<Offset<fb::NamedSetting>>;

Offset<SettingList> encode_settings(FlatBufferBuilder& builder,
                                    const std::vector<Setting>& settings) {
  if (settings.empty()) return 0;
  std::vector<Offset<fb::NamedSetting>> list;
  for (const Setting& setting : settings) {
    const auto name = builder.CreateString(setting.name);
    const auto value = builder.CreateString(setting.value);
    list.push_back(fb::CreateNamedSetting(builder, name, value));
  }
  return builder.CreateVector(list);
}

Result<std::vector<Setting>> decode_settings(const SettingList* list, size_t bytes_max) {
  std::vector<Setting> out;
  if (list == nullptr) return out;
  size_t bytes = 0;
  for (const fb::NamedSetting* setting : *list) {
    bytes += size_of(setting->name()) + size_of(setting->value());
    if (bytes > bytes_max) return malformed("settings");
    out.push_back({string_from(setting->name()), string_from(setting->value())});
  }
  return out;
}

// Content fields of a record, encoded; references in order.
struct EncodedContent {
  Bytes run;
  std::vector<BlockRef> refs;
};

EncodedContent encode_content(const ObjectRecord& record) {
  EncodedContent out;
  if (record.form == ContentForm::kOneBlock) {
    out.refs.push_back(record.extents.front().block);
  } else if (record.form == ContentForm::kInline) {
    ExtentRun run = encode_extent_run(record.extents);
    out.run = std::move(run.value);
    out.refs = std::move(run.refs);
  } else if (record.form == ContentForm::kTree) {
    out.refs.push_back(record.extent_tree.ref);
  }
  return out;
}

Status decode_content(const fb::Object& table, std::span<const BlockRef> refs,
                      ObjectRecord& record) {
  if ((table.flags() & kFlagExtentEntries) != 0) {
    record.form = ContentForm::kExtents;
  } else if (table.extent_tree() != nullptr) {
    const ByteView bytes(reinterpret_cast<const char*>(table.extent_tree()->data()),
                         table.extent_tree()->size());
    RAMET_ASSIGN(const DecodedRootValue root, decode_root_value(bytes));
    if (refs.empty() || refs[0].is_null()) return malformed("an object without its extents");
    record.form = ContentForm::kTree;
    record.extent_tree = {refs[0], root.root.level, root.root.birth, root.root.summary};
  } else if (table.extents() != nullptr) {
    record.form = ContentForm::kInline;
    const ByteView run(reinterpret_cast<const char*>(table.extents()->data()),
                       table.extents()->size());
    RAMET_ASSIGN(record.extents, decode_extent_run(run, refs));
  } else if (!refs.empty()) {
    record.form = ContentForm::kOneBlock;
    record.extents.push_back(Extent{0, table.size(), refs[0], 0});
    if (!check_extents(record.extents).ok()) return malformed("an object of one block");
  }
  return ok();
}

}  // namespace

EntryClass class_of_mode(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR: return EntryClass::kFolder;
    case S_IFLNK: return EntryClass::kSymlink;
    case S_IFIFO: return EntryClass::kFifo;
    case S_IFSOCK: return EntryClass::kSocket;
    case S_IFCHR: return EntryClass::kCharacterDevice;
    case S_IFBLK: return EntryClass::kBlockDevice;
    default: return EntryClass::kFile;
  }
}

EntryClass class_of(TypeNumber type, uint32_t mode) {
  return type == kFileType ? class_of_mode(mode) : EntryClass::kRecord;
}

Bytes encode_origin(const OriginRecord& origin) {
  FlatBufferBuilder builder(64);
  const auto id_key = key_of(builder, origin.id_key);
  const auto types = types_of(builder, origin.types);
  builder.Finish(fb::CreateOrigin(builder, id_key, types));
  return finished(builder);
}

Result<OriginRecord> decode_origin(ByteView bytes) {
  const Checked<fb::Origin> table(bytes);
  if (table.get() == nullptr) return malformed("an origin");
  OriginRecord origin;
  RAMET_ASSIGN(origin.id_key, decode_key(table->id_key()));
  origin.types = types_from(table->types());
  return origin;
}

Bytes encode_container(const ContainerRecord& record) {
  FlatBufferBuilder builder(256);
  const auto name = string_of(builder, record.name);
  const auto note = string_of(builder, record.note);
  Offset<fb::Lineage> lineage = 0;
  if (record.lineage) {
    const auto source = string_of(builder, record.lineage->name);
    const auto snapshot = string_of(builder, record.lineage->snapshot);
    const fb::Id id = to_fb(record.lineage->container);
    lineage = fb::CreateLineage(builder, &id, source, snapshot, record.lineage->sequence);
  }
  const auto settings = encode_settings(builder, record.settings);
  Offset<fb::Policy> policy = 0;
  if (!record.has_folders()) {
    const bool has_records = record.form == ContainerForm::kRecords;
    policy = fb::CreatePolicy(builder, false, !has_records, has_records);
  }
  Offset<fb::RecordSpace> space = 0;
  if (record.form == ContainerForm::kRecords) {
    const auto left_out = types_of(builder, record.left_out);
    const fb::Id self = to_fb(record.self);
    space = fb::CreateRecordSpace(builder, &self, record.depth, record.has_dead, left_out);
  }
  const auto id_key = key_of(builder, record.id_key);
  fb::ContainerBuilder table(builder);
  table.add_created(record.created);
  if (!name.IsNull()) table.add_name(name);
  if (!note.IsNull()) table.add_note(note);
  if (!lineage.IsNull()) table.add_lineage(lineage);
  if (!settings.IsNull()) table.add_settings(settings);
  if (!policy.IsNull()) table.add_policy(policy);
  table.add_expires(record.expires);
  table.add_rolled_back(record.rolled_back);
  if (!id_key.IsNull()) table.add_id_key(id_key);
  if (!space.IsNull()) table.add_record_space(space);
  builder.Finish(table.Finish());
  return finished(builder);
}

Result<ContainerRecord> decode_container(ByteView bytes) {
  const Checked<fb::Container> table(bytes);
  if (table.get() == nullptr) return malformed("a container");
  ContainerRecord record;
  record.name = string_from(table->name());
  record.created = table->created();
  record.note = string_from(table->note());
  record.expires = table->expires();
  record.rolled_back = table->rolled_back();
  if (const fb::Policy* policy = table->policy()) {
    if (policy->records()) {
      record.form = ContainerForm::kRecords;
    } else if (policy->flat()) {
      record.form = ContainerForm::kFlat;
    }
  }
  RAMET_ASSIGN(record.id_key, decode_key(table->id_key()));
  if (const fb::RecordSpace* space = table->record_space()) {
    record.self = from_fb<ObjectId>(space->self());
    record.depth = space->depth();
    record.has_dead = space->has_dead();
    record.left_out = types_from(space->left_out());
  }
  if (const fb::Lineage* lineage = table->lineage()) {
    record.lineage = LineageInfo{from_fb<ContainerId>(lineage->container()),
                                 string_from(lineage->name()), string_from(lineage->snapshot()),
                                 lineage->sequence()};
  }
  RAMET_ASSIGN(record.settings, decode_settings(table->settings(), bytes.size()));
  return record;
}

void put_setting(std::vector<Setting>& settings, const std::string& name,
                 const std::optional<std::string>& value) {
  auto at = std::lower_bound(
      settings.begin(), settings.end(), name,
      [](const Setting& setting, const std::string& wanted) { return setting.name < wanted; });
  const bool there = at != settings.end() && at->name == name;
  if (!value) {
    if (there) settings.erase(at);
  } else if (there) {
    at->value = *value;
  } else {
    settings.insert(at, {name, *value});
  }
}

std::string_view own_setting(const ContainerRecord& record, std::string_view name) {
  for (const Setting& setting : record.settings) {
    if (setting.name == name) return setting.value;
  }
  const SettingSpec* spec = find_setting(name);
  return spec == nullptr ? std::string_view() : spec->default_value;
}

Bytes encode_setting(std::string_view value) {
  FlatBufferBuilder builder(64);
  builder.Finish(fb::CreateSetting(builder, builder.CreateString(value)));
  return finished(builder);
}

Result<std::string> decode_setting(ByteView bytes) {
  const Checked<fb::Setting> table(bytes);
  if (table.get() == nullptr) return malformed("a setting");
  return string_from(table->value());
}

Bytes encode_type(const TypeRecord& type) {
  FlatBufferBuilder builder(64);
  builder.Finish(fb::CreateType(builder, type.number, builder.CreateString(type.name)));
  return finished(builder);
}

Result<TypeRecord> decode_type(ByteView bytes) {
  const Checked<fb::Type> table(bytes);
  if (table.get() == nullptr || table->number() == 0) return malformed("a type");
  return TypeRecord{table->number(), string_from(table->name())};
}

Bytes encode_snapshot(const SnapshotRecord& record) {
  FlatBufferBuilder builder(128);
  const auto note = string_of(builder, record.note);
  builder.Finish(fb::CreateSnapshot(builder, record.created, record.sequence, note,
                                    record.expires, record.automatic));
  return finished(builder);
}

Result<SnapshotRecord> decode_snapshot(ByteView bytes) {
  const Checked<fb::Snapshot> table(bytes);
  if (table.get() == nullptr) return malformed("a snapshot");
  return SnapshotRecord{table->created(), table->sequence(), string_from(table->note()),
                        table->expires(), table->automatic()};
}

Bytes encode_drop(const DropRecord& record) {
  FlatBufferBuilder builder(256);
  const auto name = string_of(builder, record.container_name);
  const auto snapshot = string_of(builder, record.snapshot);
  const auto entry = bytes_of(builder, record.record);
  const fb::Id id = to_fb(record.container);
  builder.Finish(
      fb::CreateDrop(builder, &id, name, snapshot, record.dropped, 0, entry));
  return finished(builder);
}

Result<DropRecord> decode_drop(ByteView bytes) {
  const Checked<fb::Drop> table(bytes);
  if (table.get() == nullptr) return malformed("a dropped container");
  DropRecord record;
  record.container = from_fb<ContainerId>(table->container());
  record.container_name = string_from(table->container_name());
  record.snapshot = string_from(table->snapshot());
  record.dropped = table->dropped();
  record.record = bytes_from(table->record());
  return record;
}

namespace {

// Whether a clone must bring something else along.
bool requires_others(const fb::Object& table) {
  if (table.links() == nullptr) return false;
  return std::any_of(table.links()->begin(), table.links()->end(),
                     [](const fb::Link* link) { return link->required(); });
}

// What keeps a container from being dropped, wherever it lies.
Summary lock_summary(const fb::Object& table) {
  Summary summary;
  if (table.legal_hold()) summary[SummaryColumn::kLegalHolds] = 1;
  if (table.retention_mode() != 0 && table.retain_until() > 0) {
    summary[SummaryColumn::kRetainUntil] = static_cast<uint64_t>(table.retain_until());
  }
  return summary;
}

}  // namespace

Summary object_summary(ByteView value) {
  Summary summary;
  summary[SummaryColumn::kObjects] = 1;
  const Checked<fb::Object> table(value);
  if (table.get() == nullptr) return summary;
  summary[SummaryColumn::kContentBytes] = table->size();
  if (table->state() != fb::ObjectState::Closed) summary[SummaryColumn::kOpen] = 1;
  if ((table->flags() & kFlagHidden) != 0) summary[SummaryColumn::kHidden] = 1;
  if (table->clone_rule() != 0 || requires_others(*table.get())) {
    summary[SummaryColumn::kNotClonable] = 1;
  }
  if (table->archival() != 0) summary[SummaryColumn::kNotLive] = 1;
  if (is_transition(static_cast<Archival>(table->archival()))) {
    summary[SummaryColumn::kArchival] = 1;
  }
  if ((table->flags() & kFlagSponsored) != 0) summary[SummaryColumn::kSponsored] = 1;
  summary.combine(lock_summary(*table.get()));
  return summary;
}

Summary version_summary(ByteView value) {
  const Checked<fb::Object> table(value);
  return table.get() == nullptr ? Summary() : lock_summary(*table.get());
}

EncodedRecord encode_object(const ObjectRecord& record) {
  const ObjectInfo& info = record.info;
  EncodedContent content = encode_content(record);
  FlatBufferBuilder builder(256);
  const auto name = bytes_of(builder, info.name);
  const auto target = bytes_of(builder, info.target);
  const auto extents = bytes_of(builder, content.run);
  const auto xattrs = encode_xattrs(builder, info.attributes.xattrs);
  Bytes tree;
  if (record.form == ContentForm::kTree) {
    const WrittenRoot& root = record.extent_tree;
    append_root_value(tree, {root.level, root.birth, root.summary});
  }
  const auto extent_tree = bytes_of(builder, tree);
  const MetadataFields metadata = encode_metadata(builder, info.metadata);
  const StandingFields standing = encode_standing(builder, info.standing);
  const DocumentFields documents = encode_documents(builder, info.documents);
  for (const ObjectDocument& document : info.documents) content.refs.push_back(document.block);
  Offset<fb::RecordPart> part = 0;
  if (record.part) {
    const auto body = bytes_of(builder, record.part->body);
    const fb::Id version = to_fb(record.part->version);
    part = fb::CreateRecordPart(builder, &version, record.part->depth,
                                record.part->optional_from, record.part->optional_to, body);
  }
  const fb::Id folder = to_fb(info.folder);
  fb::Hash content_id;
  std::memcpy(&content_id, info.content_id.bytes.data(), sizeof content_id);
  fb::ObjectBuilder table(builder);
  table.add_size(info.size);
  table.add_modified(info.attributes.modified);
  table.add_created(info.created);
  if (!info.folder.is_null()) table.add_folder(&folder);
  if (!name.IsNull()) table.add_name(name);
  table.add_mode(info.attributes.mode);
  table.add_uid(info.attributes.uid);
  table.add_gid(info.attributes.gid);
  if (!extents.IsNull()) table.add_extents(extents);
  if (!info.content_id.is_zero() && record.form != ContentForm::kOneBlock) {
    table.add_content_id(&content_id);
  }
  table.add_flags((record.form == ContentForm::kExtents ? kFlagExtentEntries : 0) |
                  (info.standing.hidden ? kFlagHidden : 0) |
                  (info.standing.sponsored ? kFlagSponsored : 0) |
                  (record.deletion ? kFlagDeletion : 0) |
                  (info.unversioned ? kFlagUnversioned : 0));
  if (!target.IsNull()) table.add_target(target);
  table.add_links_count(info.links_count);
  if (!xattrs.IsNull()) table.add_xattrs(xattrs);
  table.add_device(info.attributes.device);
  add_metadata(table, metadata);
  table.add_version(info.version);
  add_lock(table, info.lock);
  if (!extent_tree.IsNull()) table.add_extent_tree(extent_tree);
  add_standing(table, info.standing, standing);
  if (!documents.IsNull()) table.add_documents(documents);
  if (!part.IsNull()) table.add_record(part);
  builder.Finish(table.Finish());
  return {finished(builder), std::move(content.refs)};
}

Result<ObjectRecord> decode_object(ObjectId id, TypeNumber type, ByteView value,
                                   std::span<const BlockRef> refs) {
  const Checked<fb::Object> table(value);
  if (table.get() == nullptr) return malformed("object " + to_uuid(id));
  ObjectRecord record;
  ObjectInfo& info = record.info;
  info.id = id;
  info.type = type;
  info.size = table->size();
  info.created = table->created();
  info.folder = from_fb<FolderId>(table->folder());
  info.name = bytes_from(table->name());
  info.attributes.mode = table->mode();
  info.attributes.uid = table->uid();
  info.attributes.gid = table->gid();
  info.attributes.modified = table->modified();
  info.attributes.device = table->device();
  RAMET_ASSIGN(info.attributes.xattrs, decode_xattrs(table->xattrs(), value.size()));
  info.entry_class = class_of(type, info.attributes.mode);
  info.target = bytes_from(table->target());
  info.links_count = table->links_count();
  info.standing.hidden = (table->flags() & kFlagHidden) != 0;
  info.standing.sponsored = (table->flags() & kFlagSponsored) != 0;
  RAMET_TRY(decode_standing(*table.get(), value.size(), info.standing));
  info.unversioned = (table->flags() & kFlagUnversioned) != 0;
  info.version = table->version();
  info.lock = decode_lock(*table.get());
  record.deletion = (table->flags() & kFlagDeletion) != 0;
  RAMET_TRY(decode_metadata(*table.get(), value.size(), info.metadata));
  if (const fb::Hash* hash = table->content_id()) {
    std::memcpy(info.content_id.bytes.data(), hash, sizeof *hash);
  }
  RAMET_TRY(decode_documents(*table.get(), value.size(), refs, info.documents));
  RAMET_TRY(decode_content(*table.get(), refs, record));
  if (const fb::RecordPart* part = table->record()) {
    record.part = RecordPart{from_fb<ObjectId>(part->version()), part->depth(),
                             part->optional_from(), part->optional_to(), bytes_from(part->body())};
  }
  return record;
}

Bytes encode_folder(const FolderInfo& info) {
  FlatBufferBuilder builder(128);
  const auto name = bytes_of(builder, info.name);
  const auto xattrs = encode_xattrs(builder, info.attributes.xattrs);
  const fb::Id parent = to_fb(info.parent);
  fb::FolderBuilder table(builder);
  if (!info.parent.is_null()) table.add_parent(&parent);
  if (!name.IsNull()) table.add_name(name);
  table.add_modified(info.attributes.modified);
  table.add_created(info.created);
  table.add_mode(info.attributes.mode);
  table.add_uid(info.attributes.uid);
  table.add_gid(info.attributes.gid);
  if (!xattrs.IsNull()) table.add_xattrs(xattrs);
  builder.Finish(table.Finish());
  return finished(builder);
}

Result<FolderInfo> decode_folder(FolderId id, ByteView value) {
  const Checked<fb::Folder> table(value);
  if (table.get() == nullptr) return malformed("folder " + to_uuid(id));
  FolderInfo info;
  info.id = id;
  info.parent = from_fb<FolderId>(table->parent());
  info.name = bytes_from(table->name());
  info.created = table->created();
  info.attributes.mode = table->mode();
  info.attributes.uid = table->uid();
  info.attributes.gid = table->gid();
  info.attributes.modified = table->modified();
  RAMET_ASSIGN(info.attributes.xattrs, decode_xattrs(table->xattrs(), value.size()));
  return info;
}

Bytes encode_dirent(const ObjectInfo& info) {
  DirentValue value;
  value.entry_class = static_cast<uint8_t>(info.entry_class);
  value.flags = info.standing.hidden ? 1 : 0;
  value.type = info.type;
  value.size = info.size;
  return encode_dirent_value(value);
}

Bytes encode_folder_dirent() {
  DirentValue value;
  value.entry_class = static_cast<uint8_t>(EntryClass::kFolder);
  return encode_dirent_value(value);
}

}  // namespace ramet::engine
