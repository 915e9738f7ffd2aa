#include "engine/container/operations.h"

#include "format/commit_generated.h"
#include "engine/container/fb_roots.h"
#include "engine/log/commit_log.h"

namespace ramet::engine {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using ByteVector = flatbuffers::Vector<uint8_t>;

Offset<ByteVector> bytes_of(FlatBufferBuilder& builder, ByteView bytes) {
  if (bytes.empty()) return 0;
  return builder.CreateVector(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

Bytes bytes_from(const ByteVector* vector) {
  if (vector == nullptr) return {};
  return Bytes(reinterpret_cast<const char*>(vector->data()), vector->size());
}

Offset<fb::Operation> encode_operation(FlatBufferBuilder& builder, const Operation& operation) {
  const auto key = bytes_of(builder, operation.key);
  const auto value = bytes_of(builder, operation.value);
  Offset<flatbuffers::Vector<const fb::Ref*>> refs = 0;
  if (!operation.refs.empty()) {
    refs = builder.CreateVectorOfStructs(reinterpret_cast<const fb::Ref*>(operation.refs.data()),
                                         operation.refs.size());
  }
  const auto to = bytes_of(builder, operation.to);
  const auto root_of = bytes_of(builder, operation.root_of);
  Offset<fb::TreeRoot> root = 0;
  if (operation.root) root = encode_root(builder, *operation.root);
  return fb::CreateOperation(builder, static_cast<fb::OperationKind>(operation.kind), key, value,
                             refs, to, root_of, root);
}

// How much a commit may say: FlatBuffers lets any number of fields share one vector or table, which
// no writer does; so all of them together have no more bytes than the payload [INV-8].
class Budget {
 public:
  explicit Budget(size_t bytes) : left_(bytes) {}
  // False when there is not so much left.
  bool take(size_t bytes) {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }
  template <typename V>
  bool take_vector(const V* vector) {
    using Element = typename V::return_type;
    return vector == nullptr || take(vector->size() * sizeof(std::remove_pointer_t<Element>));
  }

 private:
  size_t left_;
};

// An offset and the table that it leads to take at least so much.
constexpr size_t kTableBytesMin = 8;

Error overlong() {
  return Error(ErrorCode::kCorruption, "the commit says more than its payload holds");
}

Result<Operation> decode_operation(const fb::Operation& table, Budget& budget) {
  if (!budget.take(kTableBytesMin) || !budget.take_vector(table.key()) ||
      !budget.take_vector(table.value()) || !budget.take_vector(table.refs()) ||
      !budget.take_vector(table.to()) || !budget.take_vector(table.root_of())) {
    return overlong();
  }
  Operation operation;
  if (static_cast<uint8_t>(table.kind()) > static_cast<uint8_t>(OperationKind::kGraft)) {
    return Error(ErrorCode::kUnsupported, "the commit holds an unknown operation");
  }
  operation.kind = static_cast<OperationKind>(table.kind());
  operation.key = bytes_from(table.key());
  operation.value = bytes_from(table.value());
  if (table.refs() != nullptr) {
    operation.refs.reserve(table.refs()->size());
    for (flatbuffers::uoffset_t i = 0; i < table.refs()->size(); ++i) {
      operation.refs.push_back(element<BlockRef>(*table.refs(), i));
    }
  }
  operation.to = bytes_from(table.to());
  operation.root_of = bytes_from(table.root_of());
  if (table.root() != nullptr) operation.root = decode_root(*table.root());
  return operation;
}

Status apply_rooted(Tree& catalog, const Operation& operation, Sequence sequence) {
  Root root;
  if (!operation.root_of.empty()) {
    RAMET_ASSIGN(auto found, catalog.get_root(operation.root_of));
    if (!found) return Error(ErrorCode::kCorruption, "a commit shares the tree of no entry");
    root = found->root;
  } else if (operation.root) {
    root = root_from(*operation.root);
  }
  return catalog.put_root(operation.key, operation.value, root, sequence);
}

Status apply_one(Tree& tree, bool is_catalog, const Operation& operation, Sequence sequence) {
  switch (operation.kind) {
    case OperationKind::kPut:
      return tree.put(operation.key, operation.value, operation.refs, sequence);
    case OperationKind::kPutRooted:
      if (!is_catalog) return Error(ErrorCode::kCorruption, "a rooted entry outside the catalog");
      return apply_rooted(tree, operation, sequence);
    case OperationKind::kErase: {
      RAMET_TRY(tree.erase(operation.key, sequence));
      return ok();
    }
    case OperationKind::kEraseRange:
      return tree.erase_range(operation.key, operation.to, sequence);
    case OperationKind::kKeepRange:
      return tree.keep_range(operation.key, operation.to, sequence);
    case OperationKind::kGraft:
      if (!operation.root) return Error(ErrorCode::kCorruption, "a graft without its tree");
      return tree.graft(operation.key, operation.to, root_from(*operation.root), sequence);
  }
  return Error(ErrorCode::kUnsupported, "the commit holds an unknown operation");
}

}  // namespace

Root root_from(const WrittenRoot& written) {
  Root root;
  root.ref = written.ref;
  root.level = written.level;
  root.birth = written.birth;
  root.summary = written.summary;
  return root;
}

WrittenRoot written_root(const Root& root) {
  RAMET_CHECK(root.dirty == nullptr, "only a persisted tree can be named in the log");
  return {root.ref, root.level, root.birth, root.summary};
}

Operation Operation::put(Bytes key, Bytes value, std::vector<BlockRef> refs) {
  Operation operation;
  operation.key = std::move(key);
  operation.value = std::move(value);
  operation.refs = std::move(refs);
  return operation;
}

Operation Operation::erase(Bytes key) {
  Operation operation;
  operation.kind = OperationKind::kErase;
  operation.key = std::move(key);
  return operation;
}

Operation Operation::erase_range(Bytes from, Bytes to) {
  Operation operation;
  operation.kind = OperationKind::kEraseRange;
  operation.key = std::move(from);
  operation.to = std::move(to);
  return operation;
}

Operation Operation::graft(Bytes from, Bytes to, const WrittenRoot& root) {
  Operation operation;
  operation.kind = OperationKind::kGraft;
  operation.key = std::move(from);
  operation.to = std::move(to);
  operation.root = root;
  return operation;
}

Operation Operation::put_rooted(Bytes key, Bytes value, Bytes root_of) {
  Operation operation;
  operation.kind = OperationKind::kPutRooted;
  operation.key = std::move(key);
  operation.value = std::move(value);
  operation.root_of = std::move(root_of);
  return operation;
}

Bytes encode_commit(const CommitRecord& record) {
  FlatBufferBuilder builder(1024);
  std::vector<fb::LeansOn> leans_on;
  for (const SlotBound& bound : record.leans_on) leans_on.emplace_back(bound.segment, bound.slot);
  std::vector<Offset<fb::TreeOperations>> trees;
  for (const TreeOperations& tree : record.trees) {
    std::vector<Offset<fb::Operation>> operations;
    operations.reserve(tree.operations.size());
    for (const Operation& operation : tree.operations) {
      operations.push_back(encode_operation(builder, operation));
    }
    const auto key = bytes_of(builder, tree.tree);
    const auto list = builder.CreateVector(operations);
    trees.push_back(fb::CreateTreeOperations(builder, key, list));
  }
  const auto leans = leans_on.empty() ? 0 : builder.CreateVectorOfStructs(leans_on);
  const auto list = builder.CreateVector(trees);
  builder.Finish(fb::CreateCommit(builder, record.sequence, record.epoch, record.time,
                                  record.previous_chain, record.synced_through,
                                  record.id_sequence, leans, list));
  return Bytes(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
}

Result<CommitRecord> decode_commit(ByteView payload) {
  if (!verify_commit(payload)) {
    return Error(ErrorCode::kCorruption, "the commit's payload is malformed");
  }
  const fb::Commit* table = fb::GetCommit(payload.data());
  CommitRecord record;
  record.sequence = table->sequence();
  record.epoch = table->epoch();
  record.time = table->time();
  record.previous_chain = table->previous_chain();
  record.synced_through = table->synced_through();
  record.id_sequence = table->id_sequence();
  if (table->leans_on() != nullptr) {
    for (const fb::LeansOn* bound : *table->leans_on()) {
      record.leans_on.push_back({bound->segment(), bound->slot()});
    }
  }
  if (table->trees() == nullptr) return record;
  Budget budget(payload.size());
  for (const fb::TreeOperations* tree : *table->trees()) {
    TreeOperations out;
    if (!budget.take(kTableBytesMin) || !budget.take_vector(tree->tree())) return overlong();
    out.tree = bytes_from(tree->tree());
    if (tree->operations() != nullptr) {
      for (const fb::Operation* operation : *tree->operations()) {
        RAMET_ASSIGN(Operation decoded, decode_operation(*operation, budget));
        out.operations.push_back(std::move(decoded));
      }
    }
    record.trees.push_back(std::move(out));
  }
  return record;
}

Result<Root> apply_operations(TreeContext& context, const Root& catalog_root,
                              const std::vector<TreeOperations>& trees, Sequence sequence) {
  Tree catalog(context, catalog_root);
  for (const TreeOperations& item : trees) {
    if (item.tree.empty()) {
      for (const Operation& operation : item.operations) {
        RAMET_TRY(apply_one(catalog, true, operation, sequence));
      }
      continue;
    }
    RAMET_ASSIGN(auto entry, catalog.get_root(item.tree));
    if (!entry) return Error(ErrorCode::kCorruption, "a commit changes the tree of no entry");
    Tree tree(context, entry->root);
    for (const Operation& operation : item.operations) {
      RAMET_TRY(apply_one(tree, false, operation, sequence));
    }
    RAMET_TRY(catalog.put_root(item.tree, entry->bytes, tree.share(), sequence));
  }
  return catalog.share();
}

void resolve_pending(std::vector<TreeOperations>& trees, const std::vector<BlockRef>& placed) {
  for (TreeOperations& tree : trees) {
    for (Operation& operation : tree.operations) {
      for (BlockRef& ref : operation.refs) {
        if (ref.segment == kPendingSegment) ref = placed[ref.slot];
      }
    }
  }
}

}  // namespace ramet::engine
