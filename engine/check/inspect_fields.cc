#include "engine/check/inspect_fields.h"

#include <fmt/format.h>

#include "engine/check/describe_key.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

void put_position(InspectOutput& out, std::string_view name, const LogPosition& position) {
  const Section part(out, name);
  out.value("segment", position.segment == 0 ? InspectValue() : number_value(position.segment));
  out.value("offset", size_value(position.offset));
  out.value("sequence", number_value(position.sequence));
  out.value("chain", check_value(position.chain));
}

std::string_view form_words(ContentForm form) {
  switch (form) {
    case ContentForm::kEmpty: return "none";
    case ContentForm::kOneBlock: return "one block";
    case ContentForm::kInline: return "extents in the record";
    case ContentForm::kExtents: return "extents in entries of their own";
    case ContentForm::kTree: return "extents in a tree of their own";
  }
  return "unknown form";
}

std::string_view operation_words(OperationKind kind) {
  switch (kind) {
    case OperationKind::kPut: return "put";
    case OperationKind::kPutRooted: return "put with tree";
    case OperationKind::kErase: return "erase";
    case OperationKind::kEraseRange: return "erase range";
    case OperationKind::kKeepRange: return "keep range";
    case OperationKind::kGraft: return "graft";
  }
  return "unknown operation";
}

InspectValue key_or_nothing(ByteView key) {
  return key.empty() ? InspectValue() : text(describe_key(key));
}

void put_attributes(InspectOutput& out, const Attributes& attributes) {
  out.value("mode", text(fmt::format("{:o}", attributes.mode)));
  out.value("uid", number_value(attributes.uid));
  out.value("gid", number_value(attributes.gid));
  out.value("modified", time_value(attributes.modified));
  if (attributes.device != 0) out.value("device", number_value(attributes.device));
  const Section xattrs(out, "xattrs", InspectPart::kTable);
  for (const Xattr& xattr : attributes.xattrs) {
    const Section row(out, "");
    out.value("name", name_value(xattr.name));
    out.value("value_bytes", size_value(xattr.value.size()));
  }
}

std::string describe_container_value(ContainerSpace space, ByteView key, ByteView value,
                                     std::span<const BlockRef> refs) {
  switch (space) {
    case ContainerSpace::kObject: {
      const auto at = decode_object_key(key);
      if (!at.ok()) break;
      const auto record = decode_object(at->id, at->type, value, refs);
      if (!record.ok()) break;
      return fmt::format("'{}', {}, {} bytes, content: {}", record->info.name,
                         class_name(record->info.entry_class), record->info.size,
                         form_words(record->form));
    }
    case ContainerSpace::kExtent: {
      const auto run = decode_extent_run(value, refs);
      if (!run.ok()) break;
      if (run->empty()) return "one hole";
      return fmt::format("{} extents, from {} to {}", run->size(), run->front().offset,
                         run->back().end());
    }
    case ContainerSpace::kDirent: {
      const auto dirent = decode_dirent_value(value);
      if (!dirent.ok()) break;
      const auto entry_class = static_cast<EntryClass>(dirent->entry_class);
      if (entry_class == EntryClass::kFolder) return "folder";
      return fmt::format("{}, {} bytes", class_name(entry_class), dirent->size);
    }
    case ContainerSpace::kFolder: {
      const auto at = decode_folder_key(key);
      if (!at.ok()) break;
      const auto folder = decode_folder(*at, value);
      if (folder.ok()) return fmt::format("'{}' in folder {}", folder->name,
                                          to_uuid(folder->parent));
      break;
    }
    default: break;
  }
  return {};
}

std::string describe_catalog_value(CatalogSpace space, ByteView value) {
  const bool rooted = space == CatalogSpace::kContainer || space == CatalogSpace::kSnapshot ||
                      space == CatalogSpace::kDrop;
  if (rooted) {
    const auto root = decode_root_value(value);
    if (!root.ok()) return {};
    const ByteView rest = value.substr(root->bytes);
    const std::string tree =
        fmt::format("a tree of level {}, {} objects", root->root.level,
                    root->root.summary[SummaryColumn::kObjects]);
    if (space == CatalogSpace::kContainer) {
      const auto record = decode_container(rest);
      return record.ok() ? fmt::format("'{}', {}", record->name, tree) : std::string();
    }
    if (space == CatalogSpace::kSnapshot) {
      const auto record = decode_snapshot(rest);
      return record.ok() ? fmt::format("of commit {}, {}", record->sequence, tree)
                         : std::string();
    }
    const auto record = decode_drop(rest);
    if (!record.ok()) return {};
    return fmt::format("'{}{}{}', {}", record->container_name,
                       record->snapshot.empty() ? "" : "@", record->snapshot, tree);
  }
  if (space == CatalogSpace::kContainerName && value.size() == sizeof(ContainerId)) {
    return "container " + to_uuid(ContainerId::from_bytes(value.data()));
  }
  if (space == CatalogSpace::kSetting) {
    const auto setting = decode_setting(value);
    if (setting.ok()) return *setting;
  }
  if (space == CatalogSpace::kTypeName || space == CatalogSpace::kType) {
    const auto type = decode_type(value);
    if (type.ok()) return fmt::format("type {}, '{}'", type->number, type->name);
  }
  return describe_access_value(space, value);
}

std::string describe_map_value(MapSpace space, ByteView value) {
  switch (space) {
    case MapSpace::kSegment: {
      const auto segment = decode_segment_value(value);
      if (!segment.ok()) break;
      return fmt::format("{}, {}, generation {}, epoch {}, {} slots, {} bytes",
                         stream_words(static_cast<Stream>(segment->stream)),
                         segment_state_name(segment->state), segment->generation, segment->epoch,
                         segment->slot_count, segment->length);
    }
    case MapSpace::kSlots: {
      const auto slots = decode_slots_page(value);
      if (slots.ok()) return fmt::format("{} slots", slots->size());
      break;
    }
    case MapSpace::kCount: {
      const auto counts = decode_count_page(value);
      if (!counts.ok()) break;
      uint64_t dead = 0;
      for (const CountEntry& entry : *counts) dead += entry.count == 0 ? 1 : 0;
      return fmt::format("{} exceptions, {} of them count 0", counts->size(), dead);
    }
    case MapSpace::kUncounted: {
      const auto uncounted = decode_uncounted_value(value);
      if (uncounted.ok()) return fmt::format("up to slot {}", uncounted->end);
      break;
    }
    case MapSpace::kHoles: {
      const auto holes = decode_holes(value);
      if (holes.ok()) return fmt::format("{} holes", holes->size());
      break;
    }
  }
  return {};
}

}  // namespace

InspectValue name_value(std::string_view bytes) { return InspectName{std::string(bytes)}; }
InspectValue time_value(int64_t nanoseconds) {
  return nanoseconds == 0 ? InspectValue() : InspectTime{nanoseconds};
}
InspectValue check_value(uint64_t value) { return InspectCheck{value}; }
InspectValue ref_value(const BlockRef& ref) {
  return ref.is_null() ? InspectValue() : InspectValue(ref);
}
InspectValue refs_value(std::span<const BlockRef> refs) {
  return std::vector<BlockRef>(refs.begin(), refs.end());
}
InspectValue hash_value(const ContentHash& hash) {
  return hash.is_zero() ? InspectValue() : InspectValue(hash.to_hex());
}
InspectValue name_or_nothing(std::string_view bytes) {
  return bytes.empty() ? InspectValue() : name_value(bytes);
}
InspectValue text_or_nothing(std::string_view words) {
  return words.empty() ? InspectValue() : text(words);
}

Status check_stopped(const InspectOutput& out) {
  return out.is_stopped() ? Status(Error(ErrorCode::kCancelled, "interrupted")) : ok();
}

std::string frame_flags(uint8_t flags) {
  std::string out;
  if ((flags & kFrameLastOfCommit) != 0) out = "last of commit";
  if ((flags & kFrameLastOfGroup) != 0) out += out.empty() ? "last of group" : ", last of group";
  const int others = flags & ~(kFrameLastOfCommit | kFrameLastOfGroup);
  if (others != 0) out += fmt::format("{}unknown {:#x}", out.empty() ? "" : ", ", others);
  return out;
}

std::string stream_words(Stream stream) { return std::string(stream_name(stream)); }

void put_features(InspectOutput& out, const FeatureFlags& features) {
  const Section part(out, "features");
  out.value("compatible", check_value(features.compatible));
  out.value("read_only_compatible", check_value(features.read_only_compatible));
  out.value("incompatible", check_value(features.incompatible));
}

// The secret itself stays out of what people paste into mails; --raw has it.
static InspectValue secret_value(const Secret& secret) {
  return check_value(xxh3({reinterpret_cast<const char*>(secret.data()), secret.size()}));
}

void put_superblock(InspectOutput& out, const Superblock& superblock) {
  out.value("store_id", text(to_uuid(superblock.store_id)));
  out.value("secret_check", secret_value(superblock.secret));
  out.value("generation", number_value(superblock.generation));
  out.value("epoch", number_value(superblock.epoch));
  out.value("state", text(superblock.state == StoreState::kClean ? "clean" : "in use"));
  out.value("next_segment", number_value(superblock.next_segment));
  out.value("checkpoint", ref_value(superblock.checkpoint));
  out.value("checkpoint_copy", ref_value(superblock.checkpoint_copy));
  out.value("undo", ref_value(superblock.undo));
  out.value("written_at", time_value(superblock.written_at));
  put_position(out, "replay", superblock.replay);
  put_position(out, "durable_end", superblock.durable_end);
  put_features(out, superblock.features);
}

void put_segment_header(InspectOutput& out, const SegmentHeader& header) {
  out.value("store_id", text(to_uuid(header.store_id)));
  out.value("secret_check", secret_value(header.secret));
  out.value("epoch", number_value(header.epoch));
  out.value("segment", number_value(header.segment));
  out.value("generation", number_value(header.generation));
  out.value("stream", text(stream_words(header.stream)));
  out.value("previous", header.previous == 0 ? InspectValue() : number_value(header.previous));
  out.value("created_at", time_value(header.created_at));
  put_features(out, header.features);
}

void put_segment_value(InspectOutput& out, const SegmentValue& value) {
  out.value("generation", number_value(value.generation));
  out.value("stream", text(stream_words(static_cast<Stream>(value.stream))));
  out.value("state", text(segment_state_name(value.state)));
  out.value("epoch", number_value(value.epoch));
  out.value("length", size_value(value.length));
  out.value("slot_count", number_value(value.slot_count));
  out.value("footer_offset", value.footer_offset == 0 ? InspectValue()
                                                      : size_value(value.footer_offset));
  out.value("last_sequence", number_value(value.last_sequence));
  out.value("has_holes", (value.flags & kSegmentHasHoles) != 0);
  out.value("punch_due", (value.flags & kSegmentPunchDue) != 0);
}

void put_holes(InspectOutput& out, std::span<const Hole> holes) {
  const Section table(out, "holes", InspectPart::kTable);
  for (const Hole& hole : holes) {
    const Section row(out, "");
    out.value("offset", size_value(hole.offset));
    out.value("length", size_value(hole.length));
  }
}

void put_footer(InspectOutput& out, const Footer& footer) {
  out.value("end_offset", size_value(footer.end_offset));
  out.value("slots", number_value(footer.slots.size()));
  out.value("next_segment",
            footer.next_segment == 0 ? InspectValue() : number_value(footer.next_segment));
  out.value("checkpoint", ref_value(footer.checkpoint));
  out.value("last_sequence", number_value(footer.last_sequence));
}

void put_frame_header(InspectOutput& out, const FrameHeader& header) {
  out.value("kind", text(frame_kind_name(header.kind)));
  out.value("codec", text(codec_name(header.codec)));
  out.value("flags", text_or_nothing(frame_flags(header.flags)));
  out.value("slot", header.slot == kNoSlot ? InspectValue() : number_value(header.slot));
  out.value("stored_len", size_value(header.stored_len));
  out.value("raw_len", size_value(header.raw_len));
  out.value("sequence", number_value(header.sequence));
  out.value("header_len", number_value(header.header_len));
  out.value("header_check", check_value(header.header_check));
  out.value("payload_checksum", check_value(header.payload_checksum));
}

void put_root(InspectOutput& out, std::string_view name, const WrittenRoot& root) {
  const Section part(out, name);
  out.value("root", ref_value(root.ref));
  out.value("level", number_value(root.level));
  out.value("birth", number_value(root.birth));
  out.value("summary", root.summary);
}

void put_root(InspectOutput& out, std::string_view name, const Root& root) {
  const Section part(out, name);
  out.value("root", root.dirty ? InspectValue(std::string("in memory, changed by the log"))
                               : ref_value(root.ref));
  out.value("level", number_value(root.level));
  out.value("birth", number_value(root.birth));
  out.value("summary", root.summary);
}

void put_checkpoint(InspectOutput& out, const CheckpointRecord& record) {
  out.value("sequence", number_value(record.sequence));
  out.value("chain", check_value(record.chain));
  out.value("epoch", number_value(record.epoch));
  out.value("time", time_value(record.time));
  out.value("id_sequence", number_value(record.id_sequence));
  out.value("next_segment", number_value(record.next_segment));
  out.value("map_bytes", size_value(record.map_bytes));
  out.value("open_segments",
            std::vector<uint64_t>(record.open_segments.begin(), record.open_segments.end()));
  put_root(out, "catalog", record.catalog);
  put_root(out, "map", record.map);
}

void put_commit(InspectOutput& out, const CommitRecord& record) {
  out.value("sequence", number_value(record.sequence));
  out.value("epoch", number_value(record.epoch));
  out.value("time", time_value(record.time));
  out.value("previous_chain", check_value(record.previous_chain));
  out.value("synced_through", number_value(record.synced_through));
  out.value("id_sequence", number_value(record.id_sequence));
  {
    const Section table(out, "leans_on", InspectPart::kTable);
    for (const SlotBound& bound : record.leans_on) {
      const Section row(out, "");
      out.value("segment", number_value(bound.segment));
      out.value("slot", number_value(bound.slot));
    }
  }
  const Section trees(out, "trees", InspectPart::kList);
  for (const TreeOperations& tree : record.trees) {
    const Section one(out, "");
    out.value("tree", tree.tree.empty() ? text("the catalog") : key_or_nothing(tree.tree));
    const Section table(out, "operations", InspectPart::kTable);
    for (const Operation& operation : tree.operations) {
      const Section row(out, "");
      out.value("operation", text(operation_words(operation.kind)));
      out.value("key", key_or_nothing(operation.key));
      out.value("to", key_or_nothing(operation.to));
      out.value("value_bytes", size_value(operation.value.size()));
      out.value("refs", refs_value(operation.refs));
      out.value("root_of", key_or_nothing(operation.root_of));
      out.value("root", operation.root ? ref_value(operation.root->ref) : InspectValue());
    }
  }
}

void put_node(InspectOutput& out, const NodeView& node) {
  Bytes key;
  const auto key_at = [&](uint32_t i) -> InspectValue {
    key.assign(node.prefix());
    key.append(node.suffix(i));
    if (key.empty()) return text("the beginning");
    return text(describe_key(key));
  };
  const Section table(out, node.is_leaf() ? "entries" : "children", InspectPart::kTable);
  for (uint32_t i = 0; i < node.count(); ++i) {
    const Section row(out, "");
    out.value("index", number_value(i));
    out.value("key", key_at(i));
    if (node.is_leaf()) {
      const std::string words = describe_value(key, node.value(i), node.value_refs(i));
      out.value("value", text_or_nothing(words));
      out.value("value_bytes", size_value(node.value(i).size()));
      out.value("refs", refs_value(node.value_refs(i)));
    } else {
      out.value("child", ref_value(node.child(i)));
      out.value("birth", number_value(node.birth(i)));
      out.value("grafted", node.grafted(i));
      out.value("summary", node.summary(i));
    }
  }
}

void put_container(InspectOutput& out, const ContainerRecord& record) {
  out.value("name", name_value(record.name));
  out.value("created", time_value(record.created));
  out.value("note", name_or_nothing(record.note));
  out.value("expires", time_value(record.expires));
  out.value("rolled_back",
            record.rolled_back == 0 ? InspectValue() : number_value(record.rolled_back));
  if (record.lineage) {
    const Section part(out, "lineage");
    out.value("container", text(to_uuid(record.lineage->container)));
    out.value("name", name_value(record.lineage->name));
    out.value("snapshot", name_or_nothing(record.lineage->snapshot));
    out.value("sequence", number_value(record.lineage->sequence));
  }
  const Section settings(out, "settings", InspectPart::kTable);
  for (const Setting& setting : record.settings) {
    const Section row(out, "");
    out.value("name", name_value(setting.name));
    out.value("value", name_value(setting.value));
  }
}

void put_snapshot(InspectOutput& out, const SnapshotRecord& record) {
  out.value("created", time_value(record.created));
  out.value("sequence", number_value(record.sequence));
  out.value("note", name_or_nothing(record.note));
  out.value("expires", time_value(record.expires));
  out.value("automatic", record.automatic);
}

// What most objects do not have is left out.
static void describe_standing(InspectOutput& out, const Standing& standing) {
  out.value("hidden", standing.hidden);
  if (!standing.title.empty()) out.value("title", name_value(standing.title));
  if (standing.state != ObjectState::kClosed) {
    out.value("state", text(state_name(standing.state)));
  }
  if (standing.clone_rule != CloneRule::kShared) {
    out.value("clone_rule", text(clone_rule_name(standing.clone_rule)));
  }
  if (standing.archival != Archival::kLive) {
    out.value("archival", text(archival_name(standing.archival)));
  }
  if (standing.sponsored) out.value("sponsored", true);
  for (const ObjectLink& link : standing.links) {
    out.value("links_to", text(to_uuid(link.target)));
  }
}

void put_object(InspectOutput& out, const ObjectRecord& record) {
  const ObjectInfo& info = record.info;
  out.value("id", text(to_uuid(info.id)));
  out.value("type", number_value(info.type));
  out.value("class", text(class_name(info.entry_class)));
  out.value("size", size_value(info.size));
  out.value("created", time_value(info.created));
  out.value("folder", text(to_uuid(info.folder)));
  out.value("name", name_value(info.name));
  out.value("links", number_value(info.links_count));
  if (!info.target.empty()) out.value("target", name_value(info.target));
  describe_standing(out, info.standing);
  for (const ObjectDocument& document : info.documents) {
    out.value("document", text(fmt::format("'{}', {} bytes", document.name, document.size)));
  }
  out.value("content", text(form_words(record.form)));
  put_attributes(out, info.attributes);
}

void put_folder(InspectOutput& out, const FolderInfo& folder) {
  out.value("id", text(to_uuid(folder.id)));
  out.value("class", text("folder"));
  out.value("created", time_value(folder.created));
  out.value("folder", text(to_uuid(folder.parent)));
  out.value("name", name_value(folder.name));
  put_attributes(out, folder.attributes);
}

std::string describe_value(ByteView key, ByteView value, std::span<const BlockRef> refs) {
  // FlatBuffers are read in place: wherever the bytes come from, here they are aligned.
  const Bytes aligned(value);
  if (const auto container = container_space_of(key)) {
    return describe_container_value(*container, key, aligned, refs);
  }
  if (const auto catalog = catalog_space_of(key)) return describe_catalog_value(*catalog, aligned);
  if (const auto map = map_space_of(key)) return describe_map_value(*map, aligned);
  return {};
}

std::string_view tree_kind_of(ByteView key) {
  if (container_space_of(key)) return "container";
  if (catalog_space_of(key)) return "catalog";
  if (map_space_of(key)) return "map";
  return {};
}

}  // namespace ramet::engine
