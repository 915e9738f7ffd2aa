// inspect: nodes, objects, containers, the catalog.
#include <algorithm>

#include <fmt/format.h>

#include "engine/check/describe_key.h"
#include "engine/check/inspector.h"
#include "engine/content/content_hasher.h"
#include "engine/tree/cursor.h"
#include "format/codec.h"
#include "format/keys.h"

namespace ramet::engine {

// --- nodes ---------------------------------------------------------------------------------------

Result<CleanNodePtr> InspectorImpl::load_node(const FramePlace& at, const ReadFrame& frame) {
  RAMET_ASSIGN(const Bytes raw,
               decode_payload(frame.header.codec, frame.payload, frame.header.raw_len));
  return CleanNode::open(NodeBuffer::copy_of(raw), {at.segment->file.number, frame.header.slot,
                                                    frame.header.payload_checksum});
}

Status InspectorImpl::node(const InspectPlace& place, InspectOutput& out) {
  RAMET_ASSIGN(const FramePlace at, locate(place));
  RAMET_ASSIGN(const ReadFrame frame, read(at));
  if (frame.header.kind != FrameKind::kNode) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{} is a {}, not a node: see 'ramet inspect {}'", place.to_string(),
                             frame_kind_name(frame.header.kind),
                             frame.header.kind == FrameKind::kBlock ? "block" : "frame"));
  }
  if (!frame.payload_damage.empty()) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("node {} at {} of {}: {}", place.to_string(), at.offset,
                             at.segment->file.path, frame.payload_damage));
  }
  RAMET_ASSIGN(const CleanNodePtr node, load_node(at, frame));
  const NodeView& view = node->view();
  put_state_note(out);
  out.value("node", ref_value(node->ref()));
  out.value("file", name_value(at.segment->file.path));
  out.value("offset", size_value(at.offset));
  out.value("codec", text(codec_name(frame.header.codec)));
  out.value("stored_len", size_value(frame.header.stored_len));
  out.value("raw_len", size_value(frame.header.raw_len));
  out.value("sequence", number_value(frame.header.sequence));
  Bytes last(view.prefix());
  last.append(view.suffix(view.count() - 1));
  out.value("tree", text_or_nothing(tree_kind_of(last)));
  out.value("level", number_value(view.level()));
  out.value("is_leaf", view.is_leaf());
  out.value("count", number_value(view.count()));
  out.value("prefix_bytes", size_value(view.prefix().size()));
  out.value("references", number_value(view.refs().size()));
  const SlotState state =
      at.slot ? store_->state_of(*at.segment, *at.slot) : SlotState{"unknown", {}};
  out.value("state", text(state.word));
  out.value("reference_count", state.count ? number_value(*state.count) : InspectValue());
  put_node(out, view);
  return check_stopped(out);
}

// --- containers ----------------------------------------------------------------------------------

Result<InspectorImpl::Tree> InspectorImpl::find_tree(const InspectTree& name) {
  RAMET_ASSIGN(RecoveredStore* const store, store_->trees());
  TreeContext& context = store->context();
  const Root& catalog = store->state().catalog;
  RAMET_ASSIGN(const ContainerId id, find_container_id(context, catalog, name.container));
  Tree tree;
  RAMET_ASSIGN(tree.container, find_container(context, catalog, id));
  if (!name.snapshot.empty()) {
    RAMET_ASSIGN(tree.snapshot, find_snapshot(context, catalog, tree.container, name.snapshot));
  }
  return tree;
}

Status InspectorImpl::container(const InspectTree& name, InspectOutput& out) {
  RAMET_ASSIGN(const Tree tree, find_tree(name));
  RAMET_ASSIGN(RecoveredStore* const store, store_->trees());
  put_state_note(out);
  out.value("id", text(to_uuid(tree.container.id)));
  put_container(out, tree.container.record);
  if (tree.snapshot) {
    const Section part(out, "snapshot");
    out.value("name", name_value(tree.snapshot->name));
    put_snapshot(out, tree.snapshot->record);
    put_root(out, "tree", tree.snapshot->root);
    return ok();
  }
  put_root(out, "tree", tree.container.root);
  std::string wrong;
  {
    const Section table(out, "snapshots", InspectPart::kTable);
    const Status listed = each_snapshot(
        store->context(), store->state().catalog, tree.container.id,
        [&](const SnapshotEntry& snapshot) -> Status {
          const Section row(out, "");
          out.value("name", name_value(snapshot.name));
          put_snapshot(out, snapshot.record);
          out.value("root", snapshot.root.dirty ? InspectValue(std::string("in memory"))
                                                : ref_value(snapshot.root.ref));
          out.value("birth", number_value(snapshot.root.birth));
          out.value("objects", number_value(snapshot.root.summary[SummaryColumn::kObjects]));
          return check_stopped(out);
        });
    if (!listed.ok() && is_cancelled(listed.error())) return listed;
    if (!listed.ok()) wrong = listed.error().message();
  }
  damage(out, "snapshots_damage", wrong);
  return ok();
}

Result<Bytes> InspectorImpl::raw_container(const InspectTree& name) {
  RAMET_ASSIGN(const Tree tree, find_tree(name));
  RAMET_ASSIGN(RecoveredStore* const store, store_->trees());
  const Bytes key = tree.snapshot ? snapshot_key(tree.container.id, tree.snapshot->name)
                                  : container_key(tree.container.id);
  Value value;
  RAMET_ASSIGN(const bool found, get(store->context(), store->state().catalog, key, &value));
  if (!found) return Error(ErrorCode::kNotFound, "there is no entry of " + name.container);
  return Bytes(value.bytes());
}

// --- objects -------------------------------------------------------------------------------------

// Of a folder gives its id in `*folder`.
Result<ObjectRecord> InspectorImpl::find_object(const Reader& reader, const InspectObject& object,
                                                std::optional<FolderId>* folder) {
  if (object.id) {
    auto found = reader.object(*object.id);
    if (found.ok() || found.error().code() != ErrorCode::kNotFound) return found;
    const FolderId id{object.id->bytes};
    RAMET_ASSIGN(const bool is_folder, reader.has_folder(id));
    if (!is_folder) return found;
    *folder = id;
    return ObjectRecord{};
  }
  RAMET_ASSIGN(const Entry entry, reader.lookup(object.path));
  if (entry.is_folder()) {
    *folder = entry.folder;
    return ObjectRecord{};
  }
  return reader.object(entry.object);
}

Status InspectorImpl::object(const InspectObject& object, bool read, InspectOutput& out) {
  RAMET_ASSIGN(const Tree tree, find_tree(object.tree));
  RAMET_ASSIGN(RecoveredStore* const store, store_->trees());
  const Reader reader(store->context(), tree.root());
  std::optional<FolderId> folder;
  RAMET_ASSIGN(const ObjectRecord record, find_object(reader, object, &folder));
  put_state_note(out);
  out.value("container", name_value(object.tree.container));
  out.value("snapshot", name_or_nothing(object.tree.snapshot));
  if (folder) {
    RAMET_ASSIGN(const FolderInfo info, reader.folder(*folder));
    const auto path = reader.path_of(*folder);
    out.value("path", path.ok() ? name_value(*path) : InspectValue());
    damage(out, "path_damage", path.ok() ? "" : path.error().message());
    put_folder(out, info);
    const KeyRange range = folder_range(*folder);
    const auto summary = summarize(store->context(), tree.root(), range.from, range.to);
    damage(out, "summary_damage", summary.ok() ? "" : summary.error().message());
    if (summary.ok()) out.value("entries", *summary);
    return ok();
  }
  const auto path = reader.path_of(record);
  out.value("path", path.ok() ? name_value(*path) : InspectValue());
  damage(out, "path_damage", path.ok() ? "" : path.error().message());
  put_object(out, record);
  if (record.info.links_count > 1) {
    const Section names(out, "further_names", InspectPart::kTable);
    const KeyRange range = linked_by_range(record.info.id);
    Cursor cursor(store->context(), tree.root());
    Status moved = cursor.seek(range.from);
    while (moved.ok() && cursor.valid() && range.contains(cursor.key())) {
      const auto key = decode_linked_by_key(cursor.key());
      if (key.ok()) {
        const Section row(out, "");
        const auto in = reader.path_of(FolderId{key->source});
        out.value("folder", in.ok() ? name_value(*in) : text(to_uuid(FolderId{key->source})));
        out.value("name", name_value(key->name));
      }
      moved = cursor.next();
    }
    if (!moved.ok()) found_damage_ = true;
  }
  return put_extents(reader, record, read, out);
}

Status InspectorImpl::put_extents(const Reader& reader, const ObjectRecord& record, bool read,
                                  InspectOutput& out) {
  RAMET_ASSIGN(RecoveredStore* const store, store_->trees());
  BlockStore& blocks = store->blocks();
  ContentHasher hasher;
  uint64_t at = 0;
  uint64_t raw_len = 0;
  uint64_t pieces = 0;
  uint64_t bad = 0;
  ContentHash only;
  Status walked = ok();
  Status stopped = ok();
  {
    const Section table(out, "extents", InspectPart::kTable);
    walked = reader.extents(record, 0, kContentBytesMax, [&](const Extent& extent) {
      stopped = check_stopped(out);
      if (!stopped.ok()) return false;
      const Section row(out, "");
      out.value("offset", size_value(extent.offset));
      out.value("length", size_value(extent.length));
      out.value("block", ref_value(extent.block));
      out.value("offset_in_block", size_value(extent.offset_in_block));
      const auto segment = blocks.segment(extent.block.segment);
      const auto slot = segment.ok() ? (*segment)->slot(extent.block.slot)
                                     : Result<SlotEntry>(segment.error());
      out.value("file", segment.ok()
                            ? name_value(segment_file_name((*segment)->number(),
                                                           (*segment)->identity().generation))
                            : InspectValue());
      out.value("file_offset", slot.ok() ? size_value(slot->offset()) : InspectValue());
      out.value("codec", slot.ok() ? text(codec_name(slot->codec())) : InspectValue());
      out.value("stored_len", slot.ok() ? size_value(slot->stored_len()) : InspectValue());
      out.value("name", slot.ok() ? hash_value(slot->hash) : InspectValue());
      std::string wrong = slot.ok() ? "" : slot.error().message();
      bool readable = slot.ok();
      if (slot.ok() && read) {
        const auto bytes = blocks.read(extent.block);
        readable = bytes.ok();
        if (!bytes.ok()) {
          wrong = bytes.error().message();
        } else if (blake3(*bytes) != slot->hash) {
          wrong = "the block is not the one that the slot table names";
        } else if (extent.offset_in_block + extent.length > bytes->size()) {
          wrong = fmt::format("the block has only {} bytes", bytes->size());
        }
        raw_len = bytes.ok() ? bytes->size() : 0;
      }
      out.value("readable", read || !slot.ok() ? InspectValue(readable && wrong.empty())
                                               : InspectValue());
      damage(out, "damage", wrong);
      bad += wrong.empty() ? 0 : 1;
      ++pieces;
      if (slot.ok() && extent.offset >= at) {
        hasher.add_hole(extent.offset - at);
        hasher.add_block(slot->hash, extent.offset_in_block, extent.length);
        only = slot->hash;
      }
      at = extent.end();
      return true;
    });
  }
  RAMET_TRY(stopped);
  damage(out, "extents_damage", walked.ok() ? "" : walked.error().message());
  out.value("pieces", number_value(pieces));
  out.value("unreadable_pieces", number_value(bad));
  const bool one_block = record.form == ContentForm::kOneBlock;
  out.value("content_id", hash_value(one_block ? only : record.info.content_id));
  if (walked.ok() && bad == 0 && at <= record.info.size) {
    hasher.add_hole(record.info.size - at);
    const bool same = one_block || hasher.finish(record.info.size, one_block ? raw_len : 0) ==
                                       record.info.content_id;
    out.value("content_id_matches", same);
    if (!same) found_damage_ = true;
  } else {
    out.value("content_id_matches", InspectValue());
  }
  return ok();
}

Result<Bytes> InspectorImpl::raw_object(const InspectObject& object) {
  RAMET_ASSIGN(const Tree tree, find_tree(object.tree));
  RAMET_ASSIGN(RecoveredStore* const store, store_->trees());
  const Reader reader(store->context(), tree.root());
  std::optional<FolderId> folder;
  RAMET_ASSIGN(const ObjectRecord record, find_object(reader, object, &folder));
  const Bytes key = folder ? folder_key(*folder) : object_key(record.info.type, record.info.id);
  Value value;
  RAMET_ASSIGN(const bool found, get(store->context(), tree.root(), key, &value));
  if (!found) return Error(ErrorCode::kNotFound, "a root folder whose record was never written");
  return Bytes(value.bytes());
}

// --- catalog -------------------------------------------------------------------------------------

namespace {

// The list that entries with this key go to.
std::string_view catalog_list(ByteView key) {
  const auto space = catalog_space_of(key);
  if (!space) return "unknown_entries";
  switch (*space) {
    case CatalogSpace::kContainer: return "containers";
    case CatalogSpace::kContainerName: return "container_names";
    case CatalogSpace::kSnapshot: return "snapshots";
    case CatalogSpace::kDrop: return "drop_queue";
    case CatalogSpace::kTypeName: return "type_names";
    case CatalogSpace::kType: return "types";
    case CatalogSpace::kPrincipal: return "principals";
    case CatalogSpace::kToken: return "tokens";
    case CatalogSpace::kNamedRoot: return "named_roots";
    case CatalogSpace::kSetting: return "settings";
    case CatalogSpace::kExpires: return "expiries";
    case CatalogSpace::kPrincipalName: return "principal_names";
    case CatalogSpace::kKeyPair: return "key_pairs";
    case CatalogSpace::kGrant: return "grants";
    case CatalogSpace::kContainerAccess: return "container_access";
    case CatalogSpace::kOfPrincipal: return "of_principals";
    case CatalogSpace::kAuditLog: return "audit_log";
  }
  return "unknown_entries";
}

void put_tree_fields(const Root& root, InspectOutput& out) {
  out.value("root", root.dirty ? InspectValue(std::string("in memory")) : ref_value(root.ref));
  out.value("level", number_value(root.level));
  out.value("birth", number_value(root.birth));
  out.value("objects", number_value(root.summary[SummaryColumn::kObjects]));
  out.value("content_bytes", size_value(root.summary[SummaryColumn::kContentBytes]));
}

// The fields of one entry; what cannot be decoded is the error.
Status put_catalog_entry(ByteView key, const Value& value, InspectOutput& out) {
  const auto space = catalog_space_of(key);
  if (!space) return ok();
  switch (*space) {
    case CatalogSpace::kContainer: {
      RAMET_ASSIGN(const ContainerId id, decode_container_key(key));
      RAMET_ASSIGN(const RootedValue rooted, rooted_value(value));
      RAMET_ASSIGN(const ContainerRecord record, decode_container(rooted.bytes));
      out.value("id", text(to_uuid(id)));
      put_container(out, record);
      put_tree_fields(rooted.root, out);
      return ok();
    }
    case CatalogSpace::kContainerName: {
      RAMET_ASSIGN(const Bytes name, decode_container_name_key(key));
      if (value.bytes().size() != sizeof(ContainerId)) {
        return Error(ErrorCode::kCorruption, "a name without an id");
      }
      out.value("name", name_value(name));
      out.value("id", text(to_uuid(ContainerId::from_bytes(value.bytes().data()))));
      return ok();
    }
    case CatalogSpace::kSnapshot: {
      RAMET_ASSIGN(const SnapshotKey at, decode_snapshot_key(key));
      RAMET_ASSIGN(const RootedValue rooted, rooted_value(value));
      RAMET_ASSIGN(const SnapshotRecord record, decode_snapshot(rooted.bytes));
      out.value("container", text(to_uuid(at.container)));
      out.value("name", name_value(at.name));
      put_snapshot(out, record);
      put_tree_fields(rooted.root, out);
      return ok();
    }
    case CatalogSpace::kDrop: {
      RAMET_ASSIGN(const uint64_t number, decode_drop_key(key));
      RAMET_ASSIGN(const RootedValue rooted, rooted_value(value));
      RAMET_ASSIGN(const DropRecord record, decode_drop(rooted.bytes));
      out.value("number", number_value(number));
      out.value("container", text(to_uuid(record.container)));
      out.value("name", name_value(record.container_name));
      out.value("snapshot", name_or_nothing(record.snapshot));
      out.value("dropped", time_value(record.dropped));
      put_tree_fields(rooted.root, out);
      return ok();
    }
    case CatalogSpace::kSetting: {
      RAMET_ASSIGN(const Bytes name, decode_setting_key(key));
      RAMET_ASSIGN(const std::string setting, decode_setting(value.bytes()));
      out.value("name", name_value(name));
      out.value("value", name_value(setting));
      return ok();
    }
    case CatalogSpace::kTypeName:
    case CatalogSpace::kType: {
      RAMET_ASSIGN(const TypeRecord type, decode_type(value.bytes()));
      out.value("number", number_value(type.number));
      out.value("name", name_value(type.name));
      return ok();
    }
    case CatalogSpace::kExpires: {
      RAMET_ASSIGN(const ExpiresKey at, decode_expires_key(key));
      out.value("time", time_value(static_cast<int64_t>(at.time)));
      out.value("container", text(to_uuid(at.container)));
      out.value("snapshot", name_or_nothing(at.snapshot));
      return ok();
    }
    default: return put_access_entry(key, value.bytes(), out);
  }
}

}  // namespace

Status InspectorImpl::catalog(InspectOutput& out) {
  RAMET_ASSIGN(RecoveredStore* const store, store_->trees());
  const Root& catalog = store->state().catalog;
  put_state_note(out);
  out.value("sequence", number_value(store->state().sequence));
  out.value("checkpoint_sequence", number_value(store->checkpoint().sequence));
  put_root(out, "tree", catalog);
  std::vector<std::pair<std::string, std::string>> unreadable;  // keys, why
  Cursor cursor(store->context(), catalog);
  Status moved = cursor.seek_first();
  std::string open_list;
  const auto close_list = [&] {
    if (!open_list.empty()) out.end();
    open_list.clear();
  };
  for (;;) {
    RAMET_TRY(check_stopped(out));
    if (!moved.ok()) {
      if (!cursor.damaged()) {
        close_list();
        return moved;
      }
      unreadable.emplace_back(
          fmt::format("{} to {}",
                      cursor.damaged_from().empty() ? "the first"
                                                    : describe_key(cursor.damaged_from()),
                      cursor.damaged_to().empty() ? "the last"
                                                  : describe_key(cursor.damaged_to())),
          moved.error().message());
      moved = cursor.skip_damaged();
      continue;
    }
    if (!cursor.valid()) break;
    const std::string_view list = catalog_list(cursor.key());
    if (open_list != list) {
      close_list();
      open_list = list;
      out.begin(list, InspectPart::kList);
    }
    {
      const Section one(out, "");
      out.value("key", text(describe_key(cursor.key())));
      const Status put = put_catalog_entry(cursor.key(), cursor.pinned_value(), out);
      damage(out, "damage", put.ok() ? "" : put.error().message());
    }
    moved = cursor.next();
  }
  close_list();
  const Section table(out, "unreadable", InspectPart::kTable);
  for (const auto& [keys, why] : unreadable) {
    const Section row(out, "");
    out.value("keys", text(keys));
    damage(out, "damage", why);
  }
  return ok();
}

Result<Bytes> InspectorImpl::raw_catalog() {
  RAMET_ASSIGN(RecoveredStore* const store, store_->trees());
  // As the checkpoint has it: what the log changed has no bytes of its own.
  const BlockRef& root = store->checkpoint().catalog.ref;
  if (root.is_null()) return Bytes();
  return store->blocks().read(root);
}

}  // namespace ramet::engine
