#include "engine/container/record_clone.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "engine/store_impl.h"
#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

using IdSet = std::set<ObjectId>;

class RecordCloner {
 public:
  RecordCloner(TransactionImpl& clone, const CloneSpec& spec, const ContainerRecord& source,
               ContainerRecord& record)
      : clone_(clone), spec_(spec), source_(source), record_(record),
        cipher_(source.id_key) {}

  Status run() {
    RAMET_TRY(erase_what_never_comes());
    RAMET_TRY(list_types());
    RAMET_TRY(leave_ids_out());
    if (spec_.ids.empty()) {
      RAMET_TRY(keep_types());
    } else {
      RAMET_TRY(keep_ids());
    }
    RAMET_TRY(leave_orphaned_files_out());
    return note_origin();
  }

 private:
  // A record and what it is found by.
  struct Indexed {
    ObjectRecord record;
    std::vector<BodyField> fields;
  };

  bool is_wanted(TypeNumber type) const {
    const auto has = [&](const std::vector<TypeNumber>& types) {
      return std::find(types.begin(), types.end(), type) != types.end();
    };
    return (spec_.types.empty() || has(spec_.types)) && !has(spec_.without_types);
  }

  Result<bool> has_any(const KeyRange& range) {
    Cursor cursor(clone_.store().context(), clone_.root_now());
    RAMET_TRY(cursor.seek(range.from));
    return cursor.valid() && range.contains(cursor.key());
  }
  // Where there is nothing, nothing is written.
  Status erase(const KeyRange& range) {
    RAMET_ASSIGN(const bool any, has_any(range));
    return any ? clone_.erase_range(range) : ok();
  }

  Status erase_what_never_comes() {
    std::vector<ContainerSpace> spaces{ContainerSpace::kAccess, ContainerSpace::kAudit,
                                       ContainerSpace::kDocument};
    if (!spec_.history) {
      spaces.insert(spaces.end(), {ContainerSpace::kVersion, ContainerSpace::kHistoryExtent});
    }
    for (const ContainerSpace space : spaces) RAMET_TRY(erase(space_range(space)));
    return ok();
  }

  Status list_types() {
    RAMET_TRY(clone_.record_types([&](TypeNumber type, uint64_t count) {
      types_.push_back(type);
      counts_[type] = count;
      return true;
    }));
    const RecordReader now = clone_.records_now();
    for (const TypeNumber type : types_) {
      RAMET_ASSIGN(const bool is_self, now.lives(type, record_.self));
      if (is_self) self_type_ = type;
    }
    return ok();
  }

  // --- single records ----------------------------------------------------------------------------

  Status leave_ids_out() {
    if (spec_.without_ids.empty()) return ok();
    // In the order of the tree, and of each type at once: neighbours are found by the way.
    std::vector<ObjectId> inner;
    for (const ObjectId& id : spec_.without_ids) inner.push_back(cipher_.decrypt(id));
    std::sort(inner.begin(), inner.end());
    inner.erase(std::unique(inner.begin(), inner.end()), inner.end());
    std::erase(inner, record_.self);
    // Where nobody ever chose an id (that leaves an AWAITED entry), each is of one type alone: most
    // likely of one that there are many of.
    RAMET_ASSIGN(const bool may_repeat, has_any(space_range(ContainerSpace::kAwaited)));
    std::vector<TypeNumber> types = types_;
    std::stable_sort(types.begin(), types.end(),
                     [&](TypeNumber a, TypeNumber b) { return counts_[a] > counts_[b]; });
    // All are read before anything changes: what is read between changes costs copies of nodes.
    std::vector<Indexed> out;
    {
      const RecordReader now = clone_.records_now();
      for (const TypeNumber type : types) {
        for (const ObjectId& id : std::exchange(inner, {})) {
          RAMET_ASSIGN(auto found, now.find_inner(type, id));
          if (!found || may_repeat) inner.push_back(id);
          if (!found) continue;
          RAMET_ASSIGN(RecordBody body, now.body(*found));
          collect_files(*found, body, orphans_);
          out.push_back({std::move(*found), std::move(body.fields)});
        }
      }
    }
    for (const Indexed& one : out) {
      RAMET_TRY(clone_.leave_record_out(one.record, one.fields, source_.depth));
    }
    return ok();
  }

  static Result<std::optional<Indexed>> read_indexed(const RecordReader& now, TypeNumber type,
                                                     const ObjectId& id) {
    RAMET_ASSIGN(auto found, now.find_inner(type, id));
    if (!found) return std::optional<Indexed>();
    RAMET_ASSIGN(RecordBody body, now.body(*found));
    return std::optional<Indexed>({std::move(*found), std::move(body.fields)});
  }

  // Files that a record refers to.
  static Status collect_files(const RecordReader& now, const ObjectRecord& record, IdSet& files) {
    RAMET_ASSIGN(const RecordBody body, now.body(record));
    collect_files(record, body, files);
    return ok();
  }
  static void collect_files(const ObjectRecord& record, const RecordBody& body, IdSet& files) {
    for (const BodyLink& link : body.links) {
      if (link.kind == BodyLinkKind::kRecord && link.type == kFileType &&
          link.target != record.info.id) {
        files.insert(link.target);
      }
    }
  }

  // Files that records of a type refer to.
  Status collect_files(TypeNumber type, IdSet& files) {
    const KeyRange range = field_range(type, kFileField);
    Cursor cursor(clone_.store().context(), clone_.root_now());
    RAMET_TRY(cursor.seek(range.from));
    const Bytes any = link_value(kFileType, {});
    while (cursor.valid() && range.contains(cursor.key())) {
      RAMET_ASSIGN(const FieldKey key, decode_field_key(cursor.key()));
      if (key.value.size() != any.size()) {
        return Error(ErrorCode::kCorruption, "a file is found by what is no id");
      }
      files.insert(ObjectId::from_bytes(key.value.data() + any.size() - sizeof(ObjectId)));
      RAMET_TRY(cursor.next());
    }
    return ok();
  }

  // --- types -------------------------------------------------------------------------------------

  Status keep_types() {
    IdSet files;  // that come along since something that does refers to them
    const RecordReader now = clone_.records_now();
    RAMET_ASSIGN(const auto self, now.find_inner(self_type_, record_.self));
    if (self) RAMET_TRY(collect_files(now, *self, files));
    for (const TypeNumber type : types_) {
      if (type == kFileType) continue;
      if (is_wanted(type)) {
        if (!spec_.types.empty()) RAMET_TRY(collect_files(type, files));
      } else if (spec_.types.empty()) {
        RAMET_TRY(collect_files(type, orphans_));
      }
    }
    std::vector<TypeNumber> run;  // neighbours that go with one erasure
    for (const TypeNumber type : types_) {
      const bool is_files = type == kFileType && !spec_.types.empty();
      if (!is_files && type != self_type_ && !is_wanted(type)) {
        run.push_back(type);
        continue;
      }
      RAMET_TRY(erase_types(run));
      run.clear();
      if (is_files) {
        orphans_.clear();
        RAMET_TRY(keep_of_type(type, files));
      } else if (!is_wanted(type)) {
        RAMET_TRY(keep_of_type(type, {record_.self}));
      }
    }
    return erase_types(run);
  }

  Status erase_types(const std::vector<TypeNumber>& run) {
    if (run.empty()) return ok();
    for (const ContainerSpace space : {ContainerSpace::kObject, ContainerSpace::kExtent,
                                       ContainerSpace::kField}) {
      RAMET_TRY(erase({type_range(space, run.front()).from, type_range(space, run.back()).to}));
    }
    left_out_.insert(run.begin(), run.end());
    return ok();
  }

  // Erases all of a type but these, which may have died: what lies between them goes, unread. What
  // they are found by is put again.
  Status keep_of_type(TypeNumber type, const IdSet& kept) {
    left_out_.insert(type);
    for (const ContainerSpace space : {ContainerSpace::kObject, ContainerSpace::kExtent}) {
      KeyRange gap = type_range(space, type);
      const Bytes end = gap.to;
      for (const ObjectId& id : kept) {
        const KeyRange own = object_range(space, type, id);
        gap.to = own.from;
        RAMET_TRY(erase(gap));
        gap.from = own.to;
      }
      gap.to = end;
      RAMET_TRY(erase(gap));
    }
    RAMET_TRY(erase(type_range(ContainerSpace::kField, type)));
    std::vector<Indexed> found;
    {
      const RecordReader now = clone_.records_now();
      for (const ObjectId& id : kept) {
        RAMET_ASSIGN(auto one, read_indexed(now, type, id));
        if (one) found.push_back(std::move(*one));
      }
    }
    for (const Indexed& one : found) {
      RAMET_TRY(clone_.put_fields(one.record, one.fields));
      RAMET_TRY(clone_.put(kept_key(source_.depth, type, one.record.info.id), {}));
    }
    return ok();
  }

  // --- ids ---------------------------------------------------------------------------------------

  Status keep_ids() {
    std::map<TypeNumber, IdSet> kept;
    const RecordReader now = clone_.records_now();
    if (self_type_ != 0) kept[self_type_].insert(record_.self);
    for (const ObjectId& id : spec_.ids) {
      const ObjectId inner = cipher_.decrypt(id);
      for (const TypeNumber type : types_) {
        if (type != kFileType && !is_wanted(type)) continue;
        RAMET_ASSIGN(const bool lives, now.lives(type, inner));
        if (lives) kept[type].insert(inner);
      }
    }
    IdSet& files = kept[kFileType];
    const IdSet listed = files;
    for (const auto& [type, ids] : kept) {
      const IdSet& from = type == kFileType ? listed : ids;
      for (const ObjectId& id : from) {
        RAMET_ASSIGN(const auto record, now.find_inner(type, id));
        if (record) RAMET_TRY(collect_files(now, *record, files));
      }
    }
    orphans_.clear();
    for (const TypeNumber type : types_) RAMET_TRY(keep_of_type(type, kept[type]));
    return ok();
  }

  // --- files that only what was left out referred to ---------------------------------------------

  Status leave_orphaned_files_out() {
    if (orphans_.empty()) return ok();
    std::vector<TypeNumber> referring;
    for (const TypeNumber type : types_) {
      RAMET_ASSIGN(const bool any, has_any(field_range(type, kFileField)));
      if (any) referring.push_back(type);
    }
    std::vector<Indexed> out;
    const RecordReader now = clone_.records_now();
    for (const ObjectId& file : orphans_) {
      const Bytes value = link_value(kFileType, file);
      bool is_needed = false;
      for (const TypeNumber type : referring) {
        if (is_needed) break;
        RAMET_ASSIGN(is_needed, has_any(field_range(type, kFileField, value)));
      }
      if (is_needed) continue;
      RAMET_ASSIGN(auto one, read_indexed(now, kFileType, file));
      if (one) out.push_back(std::move(*one));
    }
    for (const Indexed& one : out) {
      RAMET_TRY(clone_.leave_record_out(one.record, one.fields, source_.depth));
    }
    return ok();
  }

  Status note_origin() {
    OriginRecord origin;
    origin.id_key = source_.id_key;
    origin.types.assign(left_out_.begin(), left_out_.end());
    RAMET_TRY(clone_.put(origin_key(source_.depth), encode_origin(origin)));
    left_out_.insert(source_.left_out.begin(), source_.left_out.end());
    record_.left_out.assign(left_out_.begin(), left_out_.end());
    RAMET_ASSIGN(record_.has_dead, has_any(space_range(ContainerSpace::kDead)));
    return ok();
  }

  TransactionImpl& clone_;
  const CloneSpec& spec_;
  const ContainerRecord& source_;
  ContainerRecord& record_;
  const IdCipher cipher_;          // of the source
  std::vector<TypeNumber> types_;  // of which the source has records, ascending
  std::map<TypeNumber, uint64_t> counts_;
  TypeNumber self_type_ = 0;
  IdSet orphans_;                  // files that something left out referred to
  std::set<TypeNumber> left_out_;  // of which whole ranges went
};

}  // namespace

Status build_record_clone(TransactionImpl& clone, const CloneSpec& spec,
                          const ContainerRecord& source, ContainerRecord& record) {
  return RecordCloner(clone, spec, source, record).run();
}

}  // namespace ramet::engine
