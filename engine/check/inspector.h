// The Inspector behind engine/inspect.h; its parts are in inspect_*.cc, one for each kind of thing.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/check/inspect_fields.h"
#include "engine/check/inspect_store.h"
#include "engine/container/catalog.h"
#include "engine/container/reader.h"
#include "engine/tree/clean_node.h"

namespace ramet::engine {

class InspectorImpl : public Inspector {
 public:
  explicit InspectorImpl(std::unique_ptr<InspectedStore> store) : store_(std::move(store)) {}

  Status superblock(InspectOutput& out) override;
  Status segments(InspectOutput& out) override;
  Status segment(SegmentNo number, const InspectSegmentOptions& options,
                 InspectOutput& out) override;
  Status frame(const InspectPlace& place, InspectOutput& out) override;
  Status node(const InspectPlace& place, InspectOutput& out) override;
  Status object(const InspectObject& object, bool read, InspectOutput& out) override;
  Status container(const InspectTree& tree, InspectOutput& out) override;
  Status catalog(InspectOutput& out) override;
  Status index(bool entries, InspectOutput& out) override;
  Status block(std::string_view name, InspectOutput& out) override;
  Status why(std::string_view name, InspectOutput& out) override;

  Result<Bytes> raw_superblock(size_t slot) override;
  Status raw_segment(SegmentNo number, std::optional<uint32_t> generation,
                     const std::function<Status(ByteView)>& sink) override;
  Result<Bytes> raw_frame(const InspectPlace& place) override;
  Result<Bytes> raw_payload(const InspectPlace& place, bool decoded) override;
  Result<Bytes> raw_block(std::string_view name, bool decoded) override;
  Result<Bytes> raw_object(const InspectObject& object) override;
  Result<Bytes> raw_container(const InspectTree& tree) override;
  Result<Bytes> raw_catalog() override;
  Result<Bytes> raw_index() override;

  bool is_open_elsewhere() const override { return store_->is_open_elsewhere(); }

 private:
  using Loaded = std::shared_ptr<LoadedSegment>;
  // Where a frame begins, and as what a slot table knows it.
  struct FramePlace {
    Loaded segment;
    uint64_t offset = 0;
    std::optional<Slot> slot;
    std::optional<SlotEntry> entry;
  };
  struct ReadFrame {
    FrameHeader header;
    Bytes payload;  // as stored
    std::string payload_damage;  // why it does not match the header
  };
  // A block or node that is stored under a name.
  struct Found {
    SegmentNo segment = 0;
    Slot slot = 0;
    SlotEntry entry;
  };

  // Damage is said in `name`; nothing there is nothing.
  void damage(InspectOutput& out, std::string_view name, const std::string& words);
  // The trees are looked at where they can be had; what is said without them is less, not wrong.
  void try_trees();
  // Fields of what limits the state that is shown.
  void put_state_note(InspectOutput& out);

  // inspect_segments.cc
  Result<FramePlace> locate(const InspectPlace& place);
  Result<ReadFrame> read(const FramePlace& at);
  Error no_frame_at(const FramePlace& at, const Error& why);
  Status put_contents(const FramePlace& at, const ReadFrame& frame, InspectOutput& out);
  Result<Bytes> whole_commit(const FramePlace& at, const ReadFrame& first);
  void put_slot_summary(const LoadedSegment& segment, InspectOutput& out);
  Status put_slots(const LoadedSegment& segment, InspectOutput& out);
  Status put_frames(const LoadedSegment& segment, InspectOutput& out);

  // inspect_blocks.cc
  Result<std::vector<Found>> find_blocks(std::string_view name);
  Result<std::vector<Found>> find_by_hash(std::string_view digits);
  std::vector<SegmentNo> numbers();
  void put_found(const Found& found, InspectOutput& out);

  // inspect_trees.cc
  struct Tree {
    ContainerEntry container;
    std::optional<SnapshotEntry> snapshot;
    const Root& root() const { return snapshot ? snapshot->root : container.root; }
  };
  Result<Tree> find_tree(const InspectTree& tree);
  Result<CleanNodePtr> load_node(const FramePlace& at, const ReadFrame& frame);
  Result<ObjectRecord> find_object(const Reader& reader, const InspectObject& object,
                                   std::optional<FolderId>* folder);
  Status put_extents(const Reader& reader, const ObjectRecord& record, bool read,
                     InspectOutput& out);

  const std::unique_ptr<InspectedStore> store_;
  std::vector<uint64_t> unread_segments_;  // when a name was looked for
};

}  // namespace ramet::engine
