// TreeCheck: reads every node that roots lead to, each once, however many roots share it, and
// checks it by itself (keys, shape, entries) and against what its pointers say (range, summary,
// birth). What it remembers of a node is some 100 bytes.
//
// How it works: check() only finds out whether anything below a root is wrong. What exactly, and
// in which of the containers that share it, explain() finds in a second walk along the damaged
// paths alone.
//
// check() and explain() are thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <compare>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/check/entry_sums.h"
#include "engine/check/slot_counts.h"
#include "engine/tree/context.h"
#include "engine/tree/node_handle.h"
#include "engine/tree/root.h"

namespace ramet::engine {

// One thing that is wrong in a tree.
struct TreeProblem {
  std::string_view code;  // of finding_kinds()
  BlockRef ref;           // of the node
  uint8_t level = 0;
  Bytes from, to;         // keys that lead to the node
  Bytes key;              // of the entry; empty: it is about the node
  Bytes value;
  std::vector<BlockRef> refs;
  std::string message;
};

class TreeCheck {
 public:
  // What lies below a root.
  struct Found {
    EntrySums sums;
    bool damaged = false;  // something below is wrong: explain() tells
  };

  // `counts`: each reference of each node is added, once for each node that is met; may be null.
  // `is_bad`: blocks that were found damaged; may be empty.
  TreeCheck(TreeContext& context, SlotCounts* counts,
            std::function<bool(const BlockRef&)> is_bad)
      : context_(&context), counts_(counts), is_bad_(std::move(is_bad)) {}

  // kIoError and kCancelled only: damage is what it finds. `tree`: the caller's number of the root.
  Result<Found> check(const Root& root, uint32_t tree = 0);
  // The subtrees below the root's node, for several threads; then check() has little left to do.
  Result<std::vector<std::function<Status()>>> parts(const Root& root, uint32_t tree);
  Status explain(const Root& root, const std::function<void(const TreeProblem&)>& report);
  // Whether nothing is wrong below a pointer that leads to the keys of [from, to) (empty `to`: the
  // end).
  Result<bool> is_sound(const Root& at, const Bytes& from, const Bytes& to);
  // Every entry that can still be read, in order.
  Status each_entry(const Root& root,
                    const std::function<Status(ByteView key, ByteView value,
                                               std::span<const BlockRef> refs)>& visit);
  // What a dead node that was not released refers to counts as well, and so does what hangs below
  // that. After check() of all roots. False: some of it cannot be read, and leaks.
  bool count_pending(const BlockRef& pending);
  // What is met from now on does not count.
  void stop_counting() { counting_ = false; }

  // The same store by a newer checkpoint. What was found sound stays so: nodes never change, and no
  // slot is used twice. What was found damaged is looked at again. Not while other calls run, nor
  // with counts.
  void go_on(TreeContext& newer);

  // An object in several pieces, of whose record or pieces something was met for the first time.
  struct Composed {
    uint32_t tree = 0;  // in which
    Bytes key;          // of its OBJECT entry
    friend auto operator<=>(const Composed&, const Composed&) = default;
  };
  // In ascending order, each once.
  std::vector<Composed> take_composed();
  uint64_t nodes() const { return nodes_; }
  uint64_t bytes() const { return bytes_; }
  void set_cancelled(std::function<bool()> cancelled) { cancelled_ = std::move(cancelled); }
  // Called for each node that was met for the first time; an error ends the check. Thread-safe.
  void set_met(std::function<Status(const BlockRef&)> met) { met_ = std::move(met); }

 private:
  struct Claim {  // of a pointer
    BlockRef ref;
    const MutNode* dirty = nullptr;
    uint8_t level = 0;
    Summary summary;
    Sequence birth = 0;
    Bytes from, to;
    uint32_t tree = 0;
    bool is_root = false;
  };
  struct Memo {
    uint64_t bounds = 0;   // hash of the range that was checked
    uint64_t summary = 0;  // hash
    Sequence birth = 0;    // greatest below
    EntrySums sums;
    uint8_t level = 0;
    bool damaged = false;  // here or below
    bool readable = true;
  };
  using Report = std::function<void(const TreeProblem&)>;
  struct Shard {
    std::mutex mu;
    std::unordered_map<uint64_t, Memo> memos;
  };

  static uint64_t key_of(const BlockRef& ref) { return uint64_t{ref.segment} << 32 | ref.slot; }
  std::optional<Memo> find(const BlockRef& ref);
  std::optional<Memo> find_sound(const NodeHandle& node, uint32_t child, uint64_t bounds,
                                 const Summary& summary);
  bool remember(const BlockRef& ref, const Memo& memo);
  Result<NodeHandle> open(const Claim& claim);
  Result<Memo> visit(const Claim& claim, const Report* report);
  Status leaf(const Claim& claim, const NodeHandle& node, Memo& memo, Summary& sum,
              std::vector<Composed>& composed, const Report* report);
  Status children(const Claim& claim, const NodeHandle& node, Memo& memo, Summary& sum,
                  const Report* report);
  bool check_keys(const Claim& claim, const NodeHandle& node, const Report* report) const;
  static Claim claim_of(const Root& root, uint32_t tree);
  static std::optional<Claim> child_claim(const Claim& claim, const NodeHandle& node, uint32_t i);

  TreeContext* context_;
  SlotCounts* const counts_;
  const std::function<bool(const BlockRef&)> is_bad_;
  std::function<bool()> cancelled_;
  std::function<Status(const BlockRef&)> met_;
  bool counting_ = true;
  std::array<Shard, 64> shards_;
  std::atomic<uint64_t> nodes_{0};
  std::atomic<uint64_t> bytes_{0};
  std::mutex composed_mu_;
  std::vector<Composed> composed_;  // guarded by composed_mu_
};

}  // namespace ramet::engine
