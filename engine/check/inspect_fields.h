// Structures of the format as fields of an InspectOutput: one function for each, so that a thing
// has the same fields wherever it is shown. Pure but for what they write to `out`.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/container/checkpoint_record.h"
#include "engine/container/records.h"
#include "engine/inspect.h"
#include "engine/tree/root.h"
#include "format/frame.h"
#include "format/keys.h"
#include "format/node.h"
#include "format/segment_layout.h"
#include "format/superblock.h"
#include "format/values.h"

namespace ramet::engine {

inline InspectValue text(std::string_view words) { return std::string(words); }
inline InspectValue number_value(uint64_t value) { return value; }
inline InspectValue size_value(uint64_t bytes) { return InspectSize{bytes}; }
InspectValue name_value(std::string_view bytes);   // of people: any bytes
InspectValue time_value(int64_t nanoseconds);      // nothing for 0
InspectValue check_value(uint64_t value);
InspectValue ref_value(const BlockRef& ref);       // nothing for the null reference
InspectValue refs_value(std::span<const BlockRef> refs);
InspectValue hash_value(const ContentHash& hash);  // nothing for zeros
InspectValue name_or_nothing(std::string_view bytes);
InspectValue text_or_nothing(std::string_view words);

// Begins a part and ends it.
class Section {
 public:
  Section(InspectOutput& out, std::string_view name, InspectPart part = InspectPart::kObject)
      : out_(out) {
    out_.begin(name, part);
  }
  ~Section() { out_.end(); }
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;

 private:
  InspectOutput& out_;
};

// What ends everything. All else is told and gone past: also a device that fails to read, which a
// broken store is often on.
inline bool is_cancelled(const Error& error) { return error.code() == ErrorCode::kCancelled; }
// kCancelled once nobody listens.
Status check_stopped(const InspectOutput& out);

// "block, last of group", ...: of flags; empty: none.
std::string frame_flags(uint8_t flags);
std::string stream_words(Stream stream);

void put_features(InspectOutput& out, const FeatureFlags& features);
void put_superblock(InspectOutput& out, const Superblock& superblock);
void put_segment_header(InspectOutput& out, const SegmentHeader& header);
void put_segment_value(InspectOutput& out, const SegmentValue& value);
void put_holes(InspectOutput& out, std::span<const Hole> holes);
void put_footer(InspectOutput& out, const Footer& footer);
void put_frame_header(InspectOutput& out, const FrameHeader& header);
void put_root(InspectOutput& out, std::string_view name, const WrittenRoot& root);
// Of a tree that may have changes of the log in memory.
void put_root(InspectOutput& out, std::string_view name, const Root& root);
void put_checkpoint(InspectOutput& out, const CheckpointRecord& record);
void put_commit(InspectOutput& out, const CommitRecord& record);
void put_node(InspectOutput& out, const NodeView& node);
void put_container(InspectOutput& out, const ContainerRecord& record);
void put_snapshot(InspectOutput& out, const SnapshotRecord& record);
void put_object(InspectOutput& out, const ObjectRecord& record);
void put_folder(InspectOutput& out, const FolderInfo& folder);
// An entry of access control (inspect_access.cc), without secrets; nothing for other keys.
// kCorruption: it cannot be decoded.
Status put_access_entry(ByteView key, ByteView value, InspectOutput& out);
std::string describe_access_value(CatalogSpace space, ByteView value);

// An entry's value in words ("file, 5000 bytes"); empty: it cannot be decoded, or says nothing.
std::string describe_value(ByteView key, ByteView value, std::span<const BlockRef> refs);
// "container", "catalog" or "map": whose keys these are; empty: nobody's.
std::string_view tree_kind_of(ByteView key);

}  // namespace ramet::engine
