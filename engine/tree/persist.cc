#include "engine/tree/persist.h"

#include <functional>
#include <unordered_map>
#include <vector>

#include "engine/tree/clean_node.h"

namespace ramet::engine {
namespace {

// Where a dirty node that was written stands.
using RefOf = std::function<BlockRef(const MutNode&)>;

Result<Bytes> encode_leaf_node(const MutNode& node, const RefOf& ref_of) {
  std::vector<LeafItem> items;
  items.reserve(node.count());
  // References with a dirty first one, made clean. Reserved: items point into it.
  std::vector<std::vector<BlockRef>> settled;
  for (uint32_t i = node.next_dirty(0); i < node.count(); i = node.next_dirty(i + 1)) {
    settled.emplace_back(node.refs(i).begin(), node.refs(i).end());
    settled.back()[0] = ref_of(*node.dirty(i));
  }
  size_t next_settled = 0;
  uint32_t next_dirty = node.next_dirty(0);
  for (uint32_t i = 0; i < node.count(); ++i) {
    std::span<const BlockRef> refs = node.refs(i);
    if (i == next_dirty) {
      refs = settled[next_settled++];
      next_dirty = node.next_dirty(i + 1);
    }
    items.push_back({node.key(i), node.value(i), refs});
  }
  return encode_leaf(items);
}

Result<Bytes> encode_inner_node(const MutNode& node, const RefOf& ref_of) {
  std::vector<ChildItem> items;
  items.reserve(node.count());
  for (uint32_t i = 0; i < node.count(); ++i) {
    const Child& child = node.child(i);
    items.push_back({node.key(i), child.dirty ? ref_of(*child.dirty) : child.ref,
                     child.birth, child.grafted, &child.summary});
  }
  return encode_inner(node.level(), items);
}

Result<Bytes> encode_with(const MutNode& node, const RefOf& ref_of) {
  return node.is_leaf() ? encode_leaf_node(node, ref_of) : encode_inner_node(node, ref_of);
}

// Writes what is dirty, children first; `ref_of` gives null for what was not written yet, and
// `wrote` is told what was.
Status write_dirty(TreeContext& context, const MutNode& root, Sequence sequence,
                   const RefOf& ref_of,
                   const std::function<void(const MutNode&, const BlockRef&)>& wrote) {
  struct Frame {
    const MutNode* node;
    uint32_t next;
  };
  std::vector<Frame> stack;
  if (ref_of(root).is_null()) stack.push_back({&root, 0});
  while (!stack.empty()) {
    Frame& frame = stack.back();
    const MutNode& node = *frame.node;
    const uint32_t at = node.next_dirty(frame.next);
    if (at < node.count()) {
      frame.next = at + 1;
      const MutNode* child = node.dirty(at).get();
      if (ref_of(*child).is_null()) stack.push_back({child, 0});
      continue;
    }
    RAMET_ASSIGN(const Bytes encoded, encode_with(node, ref_of));
    RAMET_ASSIGN(const BlockRef ref, context.store->store(encoded, sequence));
    count(context.counters.written);
    // Verified before anybody may rely on it [INV-12].
    RAMET_ASSIGN(CleanNodePtr clean, CleanNode::open(NodeBuffer::copy_of(encoded), ref));
    context.cache->insert(std::move(clean));
    wrote(node, ref);
    stack.pop_back();
  }
  return {};
}

BlockRef persisted_ref_of(const MutNode& node) {
  return node.persisted() ? node.persisted_ref() : BlockRef{};
}

Root written_as(const Root& root, const BlockRef& ref) {
  return Root{ref, nullptr, root.level, root.summary, root.birth};
}

class Replacer {
 public:
  explicit Replacer(TreeContext& context) : context_(context) {}

  // What should stand in the place of a dirty reference: a node, or `*ref` if it returns null.
  // `exclusive`: only one reference leads to each node above.
  NodePtr replacement(const NodePtr& node, bool exclusive, BlockRef* ref) {
    if (node->persisted()) {
      *ref = node->persisted_ref();
      return nullptr;
    }
    const bool editable = exclusive && node.unique();
    if (!editable) {
      const auto done = done_.find(node.get());
      if (done != done_.end()) return done->second.replacement;
    }
    NodePtr copy;  // made when the first change needs it
    for (uint32_t i = node->next_dirty(0); i < node->count(); i = node->next_dirty(i + 1)) {
      BlockRef child_ref;
      const NodePtr& child = node->dirty(i);
      NodePtr replaced = replacement(child, editable, &child_ref);
      if (replaced == child) continue;
      if (!editable && !copy) {
        copy = node->clone(context_);
        count(context_.counters.copied);
      }
      MutNode* target = editable ? node.edit() : copy.edit();
      if (replaced) {
        target->replace_dirty(i, std::move(replaced));
      } else {
        target->replace_dirty(i, child_ref);
      }
    }
    NodePtr result = copy ? std::move(copy) : node;
    // The original is kept, so that its address stays its own while it is a key.
    if (!editable) done_.emplace(node.get(), Done{node, result});
    return result;
  }

 private:
  struct Done {
    NodePtr original;
    NodePtr replacement;
  };
  TreeContext& context_;
  std::unordered_map<const MutNode*, Done> done_;  // looked up, never iterated
};

}  // namespace

Result<Bytes> encode_node(const MutNode& node) { return encode_with(node, persisted_ref_of); }

Result<Root> persist(TreeContext& context, const Root& root, Sequence sequence) {
  if (!root.dirty) return root;
  RAMET_TRY(write_dirty(context, *root.dirty, sequence, persisted_ref_of,
                        [](const MutNode& node, const BlockRef& ref) {
                          node.set_persisted(ref);
                        }));
  return written_as(root, root.dirty->persisted_ref());
}

Result<Root> write_copy(TreeContext& context, const Root& root, Sequence sequence) {
  if (!root.dirty) return root;
  std::unordered_map<const MutNode*, BlockRef> written;  // looked up, never iterated
  const auto ref_of = [&](const MutNode& node) {
    const auto found = written.find(&node);
    return found != written.end() ? found->second : persisted_ref_of(node);
  };
  RAMET_TRY(write_dirty(context, *root.dirty, sequence, ref_of,
                        [&](const MutNode& node, const BlockRef& ref) {
                          written.emplace(&node, ref);
                        }));
  return written_as(root, ref_of(*root.dirty));
}

Root replace_persisted(TreeContext& context, Root head) {
  if (!head.dirty) return head;
  BlockRef ref;
  NodePtr replaced = Replacer(context).replacement(head.dirty, /*exclusive=*/true, &ref);
  if (!replaced) head.ref = ref;
  head.dirty = std::move(replaced);
  return head;
}

}  // namespace ramet::engine
