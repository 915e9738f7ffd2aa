#include "engine/container/recent_changes.h"

#include <algorithm>

#include <xxhash.h>

#include "format/keys.h"

namespace ramet::engine {
namespace {

// Hashes that are kept, some 3 MiB; and of one commit: one that does more has touched everything.
constexpr size_t kKeptMax = size_t{1} << 16;
constexpr size_t kOperationsMax = 512;

constexpr size_t kIdBytes = sizeof(IdBytes);

// What is hashed apart from each other.
enum Thing : uint64_t { kEverything = 1, kObject, kName, kFolder, kMembers, kKey };

// What one operation touches, as two lists: what others are told of, and what it must not meet.
struct Touch {
  std::vector<uint64_t>* told = nullptr;
  std::vector<uint64_t>* met = nullptr;
  uint64_t tree = 0;

  uint64_t hash(Thing thing, ByteView bytes) const {
    return XXH3_64bits_withSeed(bytes.data(), bytes.size(), tree + thing);
  }
  void add(uint64_t one) const {
    tell(one);
    meet(one);
  }
  void tell(uint64_t one) const {
    if (told != nullptr) told->push_back(one);
  }
  void meet(uint64_t one) const {
    if (met != nullptr) met->push_back(one);
  }
};

ByteView view_of(const IdBytes& id) {
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}

// The id of the object that a key belongs to; empty if it is of no such space. (All of them have
// the type and the id in front, or the id alone.)
ByteView object_of(ByteView key) {
  const auto space = container_space_of(key);
  if (!space) return {};
  size_t at = 0;
  switch (*space) {
    case ContainerSpace::kObject:
    case ContainerSpace::kExtent:
    case ContainerSpace::kVersion:
    case ContainerSpace::kHistoryExtent:
    case ContainerSpace::kAccess: at = 1 + sizeof(uint32_t); break;
    case ContainerSpace::kId:
    case ContainerSpace::kLinkedBy: at = 1; break;
    default: return {};
  }
  return key.size() < at + kIdBytes ? ByteView() : key.substr(at, kIdBytes);
}

// All keys of a range that belong to one object.
ByteView object_of_range(const Operation& range) {
  const ByteView id = object_of(range.key);
  if (id.empty()) return {};
  const size_t length = static_cast<size_t>(id.data() - range.key.data()) + kIdBytes;
  const Bytes end = prefix_end(Bytes(ByteView(range.key).substr(0, length)));
  return !range.to.empty() && (end.empty() || range.to <= end) ? id : ByteView();
}

void touch_name(const Touch& touch, const DirentKey& dirent) {
  // A folder and an object of the same name meet, too.
  ByteView name = dirent.name;
  name = name.ends_with('/') ? name.substr(0, name.size() - 1) : object_name_from_key(name);
  const ByteView folder = view_of(dirent.folder.bytes);
  Bytes both(folder);
  both += name;
  touch.add(touch.hash(kName, both));
  touch.tell(touch.hash(kMembers, folder));
  touch.meet(touch.hash(kFolder, folder));
}

// False: it cannot be told what it touches.
bool touch_key(const Touch& touch, ByteView key) {
  const ByteView object = object_of(key);
  if (!object.empty()) {
    touch.add(touch.hash(kObject, object));
    return true;
  }
  const auto space = container_space_of(key);
  if (space == ContainerSpace::kDirent) {
    const auto dirent = decode_dirent_key(key);
    if (!dirent.ok()) return false;
    touch_name(touch, *dirent);
    return true;
  }
  if (space == ContainerSpace::kFolder) {
    const auto folder = decode_folder_key(key);
    if (!folder.ok()) return false;
    touch.add(touch.hash(kFolder, view_of(folder->bytes)));
    touch.meet(touch.hash(kMembers, view_of(folder->bytes)));
    return true;
  }
  touch.add(touch.hash(kKey, key));
  return space.has_value();
}

bool touch_all(const Touch& touch, const std::vector<Operation>& operations) {
  if (operations.size() > kOperationsMax) return false;
  for (const Operation& operation : operations) {
    if (operation.kind == OperationKind::kPut || operation.kind == OperationKind::kErase) {
      if (!touch_key(touch, operation.key)) return false;
      continue;
    }
    if (operation.kind != OperationKind::kEraseRange && operation.kind != OperationKind::kGraft) {
      return false;
    }
    const ByteView object = object_of_range(operation);
    if (object.empty()) return false;
    touch.add(touch.hash(kObject, object));
  }
  return true;
}

uint64_t hash_of_tree(ByteView tree) { return XXH3_64bits(tree.data(), tree.size()); }

// Of a tree as a whole: it was made, replaced, or changed beyond listing.
uint64_t everything_in(uint64_t tree) {
  return Touch{nullptr, nullptr, tree}.hash(kEverything, {});
}

}  // namespace

void RecentChanges::begin(Sequence sequence) {
  commits_.clear();
  last_.clear();
  kept_ = 0;
  floor_ = sequence;
}

void RecentChanges::note(Sequence sequence, const std::vector<TreeOperations>& trees) {
  Commit commit;
  commit.sequence = sequence;
  for (const TreeOperations& tree : trees) {
    if (!tree.tree.empty()) {
      const Touch touch{&commit.touched, nullptr, hash_of_tree(tree.tree)};
      const size_t before = commit.touched.size();
      if (touch_all(touch, tree.operations)) continue;
      commit.touched.resize(before);
      commit.touched.push_back(everything_in(touch.tree));
      continue;
    }
    for (const Operation& operation : tree.operations) {
      if (operation.kind == OperationKind::kPut || operation.kind == OperationKind::kPutRooted ||
          operation.kind == OperationKind::kErase) {
        if (catalog_space_of(operation.key) != CatalogSpace::kContainer) continue;
        commit.touched.push_back(everything_in(hash_of_tree(operation.key)));
      } else {
        begin(sequence);  // whatever it was
        return;
      }
    }
  }
  for (const uint64_t one : commit.touched) last_[one] = sequence;
  kept_ += commit.touched.size();
  commits_.push_back(std::move(commit));
  while (kept_ > kKeptMax) forget_oldest();
}

void RecentChanges::forget_oldest() {
  const Commit& oldest = commits_.front();
  for (const uint64_t one : oldest.touched) {
    const auto found = last_.find(one);
    if (found != last_.end() && found->second == oldest.sequence) last_.erase(found);
  }
  floor_ = std::max(floor_, oldest.sequence);
  kept_ -= oldest.touched.size();
  commits_.pop_front();
}

bool RecentChanges::are_apart(ByteView tree, const std::vector<Operation>& operations,
                              Sequence base) const {
  if (base < floor_) return false;
  std::vector<uint64_t> met;
  const Touch touch{nullptr, &met, hash_of_tree(tree)};
  met.push_back(everything_in(touch.tree));
  if (!touch_all(touch, operations)) return false;
  return std::none_of(met.begin(), met.end(), [&](uint64_t one) {
    const auto found = last_.find(one);
    return found != last_.end() && found->second > base;
  });
}

}  // namespace ramet::engine
