// inspect: what a store's files say, for people who look for something in them: superblocks,
// segments, frames, nodes, objects, containers, the catalog, the index, blocks, and what keeps a
// block. It reads the files as fsck does: without a sound store, beside a process that has it open
// (then trees are those of the last checkpoint), and it never writes.
//
// What is found goes to an InspectOutput, field by field, in an order that does not change: lists
// may be longer than memory. Damage is no error as long as something can be said: it stands in
// fields called `damage` (and `*_damage`), and found_damage() tells. Any bytes give fields or an
// error that names what it is about [INV-8].
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "format/block_ref.h"
#include "format/bytes.h"
#include "format/ids.h"
#include "format/result.h"
#include "format/summary.h"
#include "io/env.h"

namespace ramet {

// Values of fields beyond plain ones. Plain values; owned.
struct InspectSize { uint64_t bytes = 0; };          // a length, or a place in a file
struct InspectTime { int64_t nanoseconds = 0; };     // since 1970; 0: none
struct InspectCheck { uint64_t value = 0; };         // a checksum, chain or other 64 bits
struct InspectName { std::string bytes; };           // of people: any bytes
// monostate: nothing is there (a null reference, no time). std::string: UTF-8 words of the program.
using InspectValue =
    std::variant<std::monostate, bool, uint64_t, std::string, InspectSize, InspectTime,
                 InspectCheck, InspectName, BlockRef, std::vector<BlockRef>,
                 std::vector<uint64_t>, Summary>;

enum class InspectPart : uint8_t {
  kObject,  // named fields
  kList,    // of objects without names
  kTable,   // a list of objects that have the same fields, all of them plain
};

// Where fields go. Field names are lower-case words with '_' between them; they are an interface
// and stay as they are. Calls come from one thread.
class InspectOutput {
 public:
  virtual ~InspectOutput() = default;
  virtual void value(std::string_view name, const InspectValue& value) = 0;
  // Everything up to the matching end() belongs to it. `name` is empty inside a list or table.
  virtual void begin(std::string_view name, InspectPart part) = 0;
  virtual void end() = 0;
  // Asked often: whoever no longer listens ends the call with kCancelled.
  virtual bool is_stopped() const { return false; }
};

// A place in a segment: a slot, or an offset in the file.
struct InspectPlace {
  SegmentNo segment = 0;
  std::optional<Slot> slot;
  uint64_t offset = 0;  // in bytes, if there is no slot
  std::string to_string() const;  // "17:3" or "17@4096"
  friend bool operator==(const InspectPlace&, const InspectPlace&) = default;
};
// "SEGMENT:SLOT" or "SEGMENT@OFFSET": numbers are decimal, or hexadecimal behind "0x".
// kInvalidArgument names the text.
Result<InspectPlace> parse_inspect_place(std::string_view text);
// A segment's number alone, or the name of its file ("0000001f.0"). kInvalidArgument.
struct InspectSegmentName {
  SegmentNo segment = 0;
  std::optional<uint32_t> generation;  // of a file's name
};
Result<InspectSegmentName> parse_inspect_segment(std::string_view text);

// A state of a container: `snapshot` empty is its head.
struct InspectTree {
  std::string container;
  std::string snapshot;
};
// An object or folder in it: by path, or, where its names are damaged, by id.
struct InspectObject {
  InspectTree tree;
  std::string path;
  std::optional<ObjectId> id;  // goes before `path`
};

struct InspectSegmentOptions {
  std::optional<uint32_t> generation;  // absent: the one that counts, or the newest file
  bool slots = false;   // a line for each slot
  bool frames = false;  // reads the file through: a line for each frame, and what lies between
};

struct InspectOptions {
  std::shared_ptr<io::Env> env;  // null: the default
  uint64_t node_cache_bytes = 64u << 20;
};

// Not thread-safe. While it exists and nobody else has the store open, nobody can open it for
// writing.
class Inspector {
 public:
  // Looks at the superblocks only; what else is needed is read when it is. kNotFound: no such
  // directory. kFailedPrecondition: neither a superblock file nor segments are in it.
  static Result<std::unique_ptr<Inspector>> open(const std::string& path,
                                                 const InspectOptions& options);
  virtual ~Inspector() = default;

  // Errors of all calls: kCancelled; kUnsupported (a later version's store); kNotFound and
  // kInvalidArgument naming what was asked for; kCorruption, and kIoError of a device that fails,
  // when nothing of it can be read (of a part: that is told). What was said before an error stays
  // said.

  // Both superblock files, the checkpoint that counts, and, where neither file is valid, what the
  // segments know.
  virtual Status superblock(InspectOutput& out) = 0;
  // A line for each segment file, and each segment that the map misses: what the file says (its
  // header and footer are read), and in which state the map has it.
  virtual Status segments(InspectOutput& out) = 0;
  // One segment: header, entry in the map, holes, footer, and how many slots are in which state.
  virtual Status segment(SegmentNo number, const InspectSegmentOptions& options,
                         InspectOutput& out) = 0;
  // A frame's header and what its payload says.
  virtual Status frame(const InspectPlace& place, InspectOutput& out) = 0;
  // A tree node: each child or entry, keys and values in words. kInvalidArgument: another kind of
  // frame.
  virtual Status node(const InspectPlace& place, InspectOutput& out) = 0;
  // The record, and where each piece of the content lies. `read`: also reads every block of it.
  virtual Status object(const InspectObject& object, bool read, InspectOutput& out) = 0;
  // The catalog's entry of a container, with its snapshots, or of a snapshot.
  virtual Status container(const InspectTree& tree, InspectOutput& out) = 0;
  // Every entry in the order of keys, and which keys cannot be read.
  virtual Status catalog(InspectOutput& out) = 0;
  // The dedupe index: manifests, runs, how many entries lead to their block. Reads all of it.
  // `entries`: a line for each. They are compared with the slot tables in any case.
  virtual Status index(bool entries, InspectOutput& out) = 0;
  // Where the block of this name is stored: at least 4 hex digits of it, as many as make it the
  // only one (kInvalidArgument names the candidates). Or a place with a slot.
  virtual Status block(std::string_view name, InspectOutput& out) = 0;
  // What keeps a block (named as above) or a node: containers, snapshots, dropped ones, objects,
  // the catalog, the map. Each tree node of the store is read once, and those that lead there once
  // for each tree. Memory: 2 bits for each node of the store.
  virtual Status why(std::string_view name, InspectOutput& out) = 0;

  // The stored bytes, exactly, damaged or not.
  virtual Result<Bytes> raw_superblock(size_t slot) = 0;  // 0 or 1; kInvalidArgument
  // The whole file in pieces of at most 4 MiB, in order; an error of `sink` ends it.
  virtual Status raw_segment(SegmentNo number, std::optional<uint32_t> generation,
                             const std::function<Status(ByteView)>& sink) = 0;
  // Header, payload and padding (of a skip frame the header alone). Of a damaged frame in a slot:
  // as long as the slot table says.
  virtual Result<Bytes> raw_frame(const InspectPlace& place) = 0;
  // The payload of a frame; `decoded`: as it was before it was compressed.
  virtual Result<Bytes> raw_payload(const InspectPlace& place, bool decoded) = 0;
  // The same of a block by its name, or of a place.
  virtual Result<Bytes> raw_block(std::string_view name, bool decoded) = 0;
  // The value of the entry in the tree.
  virtual Result<Bytes> raw_object(const InspectObject& object) = 0;
  virtual Result<Bytes> raw_container(const InspectTree& tree) = 0;
  // The catalog's root node, decoded.
  virtual Result<Bytes> raw_catalog() = 0;
  // The index manifest that counts.
  virtual Result<Bytes> raw_index() = 0;

  // Something that was said so far is damaged, or could not be read.
  bool found_damage() const { return found_damage_; }
  // Another process has the store open for writing.
  virtual bool is_open_elsewhere() const = 0;

 protected:
  bool found_damage_ = false;
};

}  // namespace ramet
