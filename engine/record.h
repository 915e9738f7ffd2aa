// Records: the objects of containers whose form is kRecords (docs/architecture.md#records). They
// have no names and stand in no folders; a type and an id tell them apart, and one range of the
// tree is one type. A record is a document (JSON, though the engine reads none) in which *links*
// say where it names other records: so that a clone whose ids are all new shows the new ones
// without touching any document. Records of kFileType have content, too.
//
// All ids here are those that this container shows ("outer"; format/id_cipher.h). Whether a
// container has a key or not makes no difference to whoever uses this.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/object.h"
#include "format/result.h"

namespace ramet {

// Where a document names a record: the text of a version-4 UUID, as to_uuid() writes it. What the
// text is stays as long as the record lives here; in a clone with other ids it is what the record
// is called there. If the target does not live there, the text is what the place showed in which
// it lived last; text that never named a record stays as it is.
enum class RecordLinkKind : uint8_t {
  kRecord = 0,   // of `type`; this one itself, too
  kVersion = 1,  // the version that the document is of
};
struct RecordLink {
  uint32_t offset = 0;  // of the UUID in the document, kUuidTextBytes long
  RecordLinkKind kind = RecordLinkKind::kRecord;
  TypeNumber type = 0;  // kRecord: of the target
  friend bool operator==(const RecordLink&, const RecordLink&) = default;
};

// An entry of the container's index: the record is found by it (RecordView::find_records()).
struct RecordField {
  std::string name;   // 1 to kRecordFieldNameBytesMax bytes; those that begin with '@' are ours
  std::string value;  // up to kRecordFieldValueBytesMax bytes; memcmp order is the wanted one
  // Instead of `value`: the number of a link in RecordPut::links, to be found by its target.
  std::optional<uint32_t> link = {};
  friend bool operator==(const RecordField&, const RecordField&) = default;
};
inline constexpr size_t kRecordFieldNameBytesMax = 48;
inline constexpr size_t kRecordFieldValueBytesMax = 255;
inline constexpr size_t kRecordFieldsMax = 256;
inline constexpr size_t kRecordLinksMax = 65536;
inline constexpr size_t kRecordDocumentBytesMax = kObjectDocumentBytesMax;
inline constexpr size_t kRecordSecretBytesMax = 4096;

// What a record becomes.
struct RecordPut {
  TypeNumber type = 0;
  // Of a record that there is, or RecordView::new_record_id(), or any other of version-4 shape:
  // what named it before it came to be names it from then on.
  ObjectId id;
  ObjectId version;  // new_record_id(), later than those of earlier versions
  std::string document;           // 1 byte to kRecordDocumentBytesMax
  std::vector<RecordLink> links;  // by offset; they do not overlap
  std::vector<RecordField> fields;
  // A part of the document that readers may leave out (RecordInfo); empty: none.
  uint32_t optional_from = 0;
  uint32_t optional_to = 0;
  // What belongs to it but is not part of its versions, and is never cloned. nullopt: as it was.
  std::optional<std::string> secret = {};
};

// One version of a record.
struct RecordInfo {
  TypeNumber type = 0;
  ObjectId id;
  ObjectId version;
  VersionNumber number = 0;  // of this version, for View::stream() and the like
  int64_t created = 0;   // of this version, nanoseconds since 1970; a clone has its source's
  uint64_t size = 0;     // bytes of content (kFileType)
  bool deletion = false; // the record was removed then: it has no document
  std::string document;
  uint32_t optional_from = 0;
  uint32_t optional_to = 0;
};

// A range of the index: entries of one field of one type, from <= value < to (empty `to`: to the
// end), or those that lead to one record.
struct RecordQuery {
  TypeNumber type = 0;
  std::string field;
  std::string from;
  std::string to;
  // Instead of the two: the target of a link. Also one that does not live here, by what is shown.
  struct Target {
    TypeNumber type = 0;
    ObjectId id;
  };
  std::optional<Target> target = {};
  bool descending = false;
};

// What can be read of records; part of View and of Transaction (which sees its own changes).
// kFailedPrecondition: the container is of another form.
class RecordView {
 public:
  virtual ~RecordView() = default;

  // kNotFound: it never was here, was removed or left out (record_versions() tells).
  virtual Result<RecordInfo> record(TypeNumber type, ObjectId id) const = 0;
  // Whether it lives here; without reading its document.
  virtual Result<bool> has_record(TypeNumber type, ObjectId id) const = 0;
  // An earlier version, or the current one. kNotFound.
  virtual Result<RecordInfo> record_version(TypeNumber type, ObjectId id,
                                            ObjectId version) const = 0;
  // All versions, newest first, deletions too, until `visit` returns false. kNotFound: there are
  // none.
  virtual Status record_versions(TypeNumber type, ObjectId id,
                                 const std::function<bool(const RecordInfo&)>& visit) const = 0;
  // Every record of a type behind this one (null: from the first), in the order in which they came
  // to be, until `visit` returns false. Ids that callers chose stand anywhere in it.
  virtual Status records(TypeNumber type, ObjectId after,
                         const std::function<bool(const RecordInfo&)>& visit) const = 0;
  // Types of which there are records, and how many; ascending. O(types x log n).
  virtual Status record_types(
      const std::function<bool(TypeNumber type, uint64_t count)>& visit) const = 0;
  // How many there are of a type. O(log n).
  virtual Result<uint64_t> count_records(TypeNumber type) const = 0;
  // Entries of the index in order of (value, creation), until `visit` returns false. A record that
  // has several in the range comes several times. The value of a link's entry is opaque.
  virtual Status find_records(
      const RecordQuery& query,
      const std::function<bool(ByteView value, const ObjectId& id)>& visit) const = 0;
  // RecordPut::secret; empty: none. kNotFound: no such record.
  virtual Result<std::string> record_secret(TypeNumber type, ObjectId id) const = 0;
};

}  // namespace ramet
