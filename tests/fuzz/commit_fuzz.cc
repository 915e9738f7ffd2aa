// The payload of a commit, and what happens when it is applied.
//
// Proves: a commit that is accepted takes memory within a small multiple of its payload, encodes to
// bytes that settle, and can be applied to a small store with a result or an error; what it gives
// can be read and written out.
#include "engine/container/operations.h"
#include "engine/container/summarize.h"
#include "engine/log/commit_log.h"
#include "engine/store_impl.h"
#include "engine/tree/cursor.h"
#include "engine/tree/node_cache.h"
#include "engine/tree/persist.h"
#include "format/keys.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/memory_node_store.h"

namespace ramet::fuzz {
namespace {

using namespace engine;

size_t memory_of(const CommitRecord& record) {
  size_t total = record.leans_on.size() * sizeof(SlotBound);
  for (const TreeOperations& tree : record.trees) {
    total += sizeof tree + tree.tree.size();
    for (const Operation& operation : tree.operations) {
      total += sizeof operation + operation.key.size() + operation.value.size() +
               operation.refs.size() * sizeof(BlockRef) + operation.to.size() +
               operation.root_of.size();
    }
  }
  return total;
}

// Two containers, one with a snapshot, of a few entries each.
class SmallStore {
 public:
  SmallStore() : cache_(1u << 20) {
    context_.store = &store_;
    context_.cache = &cache_;
    context_.summarize = summarize_entry;
    context_.node_bytes = 256;  // so that a few entries make a tree of some levels
    Tree tree(context_);
    for (uint8_t i = 0; i < 40; ++i) {
      const ObjectId id = make_id<ObjectId>(i, {});
      check(tree.put(object_key(1, id), Bytes(40, 'o'), {}, 1));
    }
    Tree catalog(context_);
    const auto written = persist(context_, tree.share(), 1);
    check_ok(written.ok());
    const auto first = make_id<ContainerId>(1, {});
    check(catalog.put_root(container_key(first), "first", *written, 1));
    check(catalog.put_root(container_key(make_id<ContainerId>(2, {})), "2", tree.share(), 1));
    check(catalog.put_root(snapshot_key(first, "s"), "snapshot", *written, 1));
    check(catalog.put(container_name_key("first"), first.view(), {}, 1));
    root_ = catalog.share();
  }

  void apply(const CommitRecord& record) {
    const auto after = apply_operations(context_, root_, record.trees, record.sequence);
    if (!after.ok()) return;
    walk(*after);
    const auto written = persist(context_, *after, record.sequence);
    if (written.ok()) walk(*written);
  }

 private:
  static void check(const Status& status) { check_ok(status.ok()); }
  static void check_ok(bool ok) { RAMET_CHECK(ok, "making the small store"); }

  void walk(const Root& root) {
    Cursor cursor(context_, root);
    Bytes before;
    Status status = cursor.seek_first();
    for (bool first = true; status.ok() && cursor.valid(); first = false) {
      RAMET_CHECK(first || cursor.key() > before, "keys that do not ascend");
      before = cursor.key();
      status = cursor.next();
    }
  }

  MemoryNodeStore store_;
  NodeCache cache_;
  TreeContext context_;
  Root root_;
};

}  // namespace

RAMET_FUZZ_TARGET(commit) {
  const Bytes payload(input);  // aligned, as the log hands it out
  const auto record = decode_commit(payload);
  if (!record.ok()) return;
  RAMET_CHECK(memory_of(*record) <= 4096 + 64 * payload.size(), "a commit greater than its bytes");
  check_settles(*record, decode_commit, encode_commit);
  SmallStore().apply(*record);
}

}  // namespace ramet::fuzz
